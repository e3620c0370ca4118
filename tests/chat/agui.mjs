// A whole conversation with AG-UI's own client: the card is an interrupt, the yes resumes it.
import { HttpAgent } from "@ag-ui/client";
import { attest, check, confirm, fetched, given, wire } from "./frontend.mjs";

const agent = new HttpAgent({
  url: `${given.url}/agui`,
  threadId: given.conversation,
  headers: { Authorization: `Bearer ${given.key}`, "X-Subject-Token": given.token },
  fetch: fetched,
});

/** One run; answers with its end, the events' types and the reply. */
async function run(parameters) {
  const seen = { types: [], text: "", finished: undefined };
  await agent.runAgent(parameters, {
    onEvent: ({ event }) => {
      seen.types.push(event.type);
      if (event.type === "TEXT_MESSAGE_CONTENT") seen.text += event.delta;
      if (event.type === "RUN_FINISHED") seen.finished = event;
    },
  });
  return { ...seen, state: agent.state.countersign };
}
function say(content) {
  const id = `m${agent.messages.filter((message) => message.role === "user").length + 1}`;
  agent.addMessage({ id, role: "user", content });
  return { forwardedProps: { countersign: { message_id: id, attestation: attest(id, content) } } };
}

const wish = say("please cancel my order #1001");
const asked = await run(wish);
check("steps are told", asked.types.includes("STEP_STARTED") && asked.types.includes("STATE_DELTA"));
check("a card interrupts", asked.finished.outcome.type === "interrupt");
const [interrupt] = asked.finished.outcome.interrupts;
check("it says what is to be done", interrupt.message.includes("#1001"));

const yes = {
  interruptId: interrupt.id,
  status: "resolved",
  payload: { confirmation: confirm(interrupt.metadata) },
};
// The reply gets lost; the user tries the same again, twice.
wire.lose = 1;
await run({ resume: [yes] }).catch(() => {});
const done = await run({ resume: [yes] });
check("it was done", done.state.actions[0].outcome === "applied");
check("the receipt is told", done.text.includes("#1001"));
check("the run succeeded", done.finished.outcome.type === "success");

const once = await run(say("cancel my order #1001"));
check("it is done already", once.state.actions[0].code === "ALREADY_DONE");
check("the first receipt is named", once.state.actions[0].receipt_id === done.state.actions[0].receipt_id);

// Another card, dropped.
const other = await run(say("please cancel my order #1004"));
if (other.finished.outcome.type === "interrupt") {
  const [card] = other.finished.outcome.interrupts;
  const dropped = await run({ resume: [{ interruptId: card.id, status: "cancelled" }] });
  check("nothing was done", dropped.state.actions.every((action) => action.outcome !== "applied"));
}
console.log(JSON.stringify({ receipt: done.state.actions[0].receipt_id, requests: wire.sent, dropped: other.finished.outcome.type }));
