// A whole conversation with the `openai` package as it is.
import OpenAI from "openai";
import { beside, check, fetched, given, headers, wire } from "./frontend.mjs";

const client = new OpenAI({
  apiKey: given.key, baseURL: `${given.url}/v1`, defaultHeaders: headers, fetch: fetched,
});
const models = [];
for await (const model of client.models.list()) models.push(model.id);
check("the planner is among the models", models.includes("countersign"));

const messages = [];
async function streamed(card) {
  const body = { model: "countersign", messages, stream: true, countersign: beside(messages, card) };
  let text = "";
  let last;
  const stream = await client.chat.completions.create({
    ...body, stream_options: { include_usage: true },
  });
  let usage;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    if (chunk.countersign) last = chunk.countersign;
    if (chunk.usage) usage = chunk.usage;
  }
  check("usage was counted", usage?.total_tokens >= 0);
  return { text, ...last };
}
async function whole(card) {
  const body = { model: "countersign", messages, countersign: beside(messages, card) };
  const completion = await client.chat.completions.create(body);
  return { text: completion.choices[0].message.content, ...completion.countersign };
}
const say = (content) => messages.push({ role: "user", content });
const hear = (answer) => messages.push({ role: "assistant", content: answer.text });

// The user aborts while the answer streams, then asks for it again.
say("please cancel my order #1001");
const aborting = new AbortController();
try {
  const stream = await client.chat.completions.create(
    { model: "countersign", messages, stream: true, countersign: beside(messages) },
    { signal: aborting.signal },
  );
  for await (const _ of stream) aborting.abort();
} catch (error) {
  check("only the abort ended it", error instanceof OpenAI.APIUserAbortError);
}
const asked = await streamed();
check("a card is shown", asked.card?.text.includes("#1001"));
const regenerated = await whole();
check("regenerated it is the same", regenerated.text === asked.text);
check("and the same card", regenerated.card.proposal_id === asked.card.proposal_id);
hear(asked);

// The yes: its reply gets lost twice, and the client repeats it by itself.
say("yes");
wire.lose = 2;
const before = wire.sent;
const done = await streamed(asked.card);
check("the client repeated itself", wire.sent - before === 3);
check("it was done", done.actions[0].outcome === "applied");
check("the receipt is told", done.text.includes("#1001") && done.actions[0].receipt_id.startsWith("rcp_"));
const again = await whole(asked.card);
check("regenerated it is the same receipt", again.actions[0].receipt_id === done.actions[0].receipt_id);
hear(done);

// An edit of the first message: a branch, on which a card is shown and a yes to it counts.
const branch = [{ role: "user", content: "please cancel my order #1004" }];
const onBranch = async (shown) => {
  const body = { model: "countersign", messages: branch, countersign: beside(branch, shown) };
  return (await client.chat.completions.create(body)).countersign;
};
const edited = await onBranch();
check("an edit does nothing by itself", edited.actions.every((a) => a.outcome !== "applied"));
check("but shows its card", edited.card?.text.includes("#1004"));
// The yes beside the same messages: no new one has to be written for it.
const agreed = await onBranch(edited.card);
check("its card can be confirmed", agreed.actions[0].outcome === "applied");
say("cancel my order #1001");
const once = await whole();
check("it is done already", once.actions[0].code === "ALREADY_DONE");
check("the first receipt is named", once.actions[0].receipt_id === done.actions[0].receipt_id);

// Errors are the package's own.
const stranger = new OpenAI({ apiKey: "no-such-key", baseURL: `${given.url}/v1`, maxRetries: 0 });
const refused = await stranger.models.list().catch((error) => error);
check("a wrong key is an authentication error", refused instanceof OpenAI.AuthenticationError);
const other = await client.chat.completions
  .create({ model: "gpt-5", messages }).catch((error) => error);
check("another model is not found", other instanceof OpenAI.NotFoundError && other.code === "model_not_found");
console.log(JSON.stringify({ receipt: done.actions[0].receipt_id, requests: wire.sent }));
