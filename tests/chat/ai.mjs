// A whole conversation with the AI SDK as it is.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";
import { beside, check, fetched, given, headers, wire } from "./frontend.mjs";

let card;
const ours = (value) => ({ countersign: { beside: value?.countersign ?? null } });
const provider = createOpenAICompatible({
  name: "countersign",
  apiKey: given.key,
  baseURL: `${given.url}/v1`,
  headers,
  fetch: fetched,
  includeUsage: true,
  transformRequestBody: (body) => ({ ...body, countersign: beside(body.messages, card) }),
  metadataExtractor: {
    extractMetadata: async ({ parsedBody }) => ours(parsedBody),
    createStreamExtractor: () => {
      let last;
      return {
        processChunk: (chunk) => { if (chunk?.countersign) last = chunk; },
        buildMetadata: () => ours(last),
      };
    },
  },
});
const model = provider("countersign");
const messages = [];
async function streamed(abortSignal) {
  const result = streamText({ model, messages, abortSignal, onError: () => {} });
  let text = "";
  for await (const piece of result.textStream) text += piece;
  return { text, ...(await result.providerMetadata).countersign.beside };
}
async function whole() {
  const result = await generateText({ model, messages });
  return { text: result.text, ...result.providerMetadata.countersign.beside };
}
const say = (content) => messages.push({ role: "user", content });
const hear = (answer) => messages.push({ role: "assistant", content: answer.text });

say("please cancel my order #1001");
const aborting = new AbortController();
const broken = streamed(aborting.signal).catch(() => "aborted");
setTimeout(() => aborting.abort(), 20);
await broken;
const asked = await streamed();
check("a card is shown", asked.card?.text.includes("#1001"));
hear(asked);

// The yes: its reply gets lost, and the SDK repeats it by itself.
say("yes");
card = asked.card;
wire.lose = 1;
const before = wire.sent;
const done = await whole();
check("the SDK repeated itself", wire.sent - before === 2);
check("it was done", done.actions[0].outcome === "applied");
const again = await streamed();
check("regenerated it is the same", again.text === done.text);
check("and the same receipt", again.actions[0].receipt_id === done.actions[0].receipt_id);
card = undefined;
hear(done);
say("cancel my order #1001");
const once = await whole();
check("it is done already", once.actions[0].code === "ALREADY_DONE");
console.log(JSON.stringify({ receipt: done.actions[0].receipt_id, requests: wire.sent }));
