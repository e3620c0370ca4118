// A chat frontend's server: it signs with the snippet that ships, and loses replies.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import ts from "typescript";

export const given = JSON.parse(process.argv[2]);

const source = readFileSync(given.snippet, "utf8");
const { outputText } = ts.transpileModule(source, {
  compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
});
const compiled = `${given.folder}/snippet-${process.pid}.mjs`;
writeFileSync(compiled, outputText);
const { Frontend } = await import(pathToFileURL(compiled).href);

const frontend = new Frontend(given.frontend, given.kid, given.pem);
const at = { subject: given.subject, conversation: given.conversation };

export const headers = {
  "X-Subject-Token": given.token,
  "X-OpenWebUI-Chat-Id": given.conversation,
};

export const attest = (id, text) => frontend.message(at, id, text);
export const confirm = (card) => frontend.confirmation(at, card, card.text);

/** What goes beside the messages of a request. */
export function beside(messages, card) {
  const users = messages.filter((message) => message.role === "user");
  const text = users.at(-1).content;
  const message_id = `m${users.length}`;
  const beside = { message_id, attestation: attest(message_id, text) };
  if (card) beside.confirmation = confirm(card);
  return beside;
}

/** How many requests were made, and how many of the next replies get lost on their way. */
export const wire = { sent: 0, lose: 0 };

export async function fetched(url, init) {
  wire.sent += 1;
  const response = await fetch(url, init);
  if (wire.lose > 0) {
    wire.lose -= 1;
    await response.body?.cancel();
    // As fetch itself says it.
    throw Object.assign(new TypeError("fetch failed"), { cause: new Error("ECONNRESET") });
  }
  return response;
}

export function check(what, is) {
  if (!is) {
    console.error(`not so: ${what}`);
    process.exit(1);
  }
}
