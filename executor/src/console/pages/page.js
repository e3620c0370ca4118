"use strict";

// Bytes travel as base64url without padding.
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const toBytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));

const say = (text) => { document.getElementById("said").textContent = text; };

async function post(path, body) {
  const asked = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) };
  const answer = await fetch(path, asked).catch(() => {
    throw new Error("The executor does not answer. It is not known whether it arrived. Open the page again to see; what was counted is not counted twice.");
  });
  const type = answer.headers.get("Content-Type") ?? "";
  const told = type.startsWith("application/json") ? await answer.json() : {};
  if (answer.ok) return told;
  const error = new Error(told.message ?? "That did not work. Try again.");
  error.signedOut = answer.status === 401;
  throw error;
}

// The passkey's answer to a question of the server; its text goes back as it came.
async function sign(question) {
  const credential = await navigator.credentials.get({
    publicKey: {
      challenge: toBytes(question.challenge),
      rpId: question.rp_id,
      allowCredentials: question.credentials.map((id) => ({ type: "public-key", id: toBytes(id) })),
      userVerification: "required",
    },
  });
  const { response } = credential;
  return {
    claims: question.claims,
    credential: toText(credential.rawId),
    authenticator_data: toText(response.authenticatorData),
    client_data: toText(response.clientDataJSON),
    signature: toText(response.signature),
  };
}

const spoken = (error) =>
  error.name === "NotAllowedError" ? "The passkey was not used. Nothing was sent." : error.message;

// While one is under way no second one begins: a double tap is one.
function once(buttons, work) {
  let busy = false;
  return async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    buttons.forEach((button) => { button.disabled = true; });
    try {
      await work(event);
    } catch (error) {
      say(spoken(error));
      busy = false;
      buttons.forEach((button) => { button.disabled = false; });
    }
  };
}

// What was typed on a page whose session ended: kept for this tab until it is back.
const KEPT = "kept";
function signInAgain() {
  const here = location.pathname + location.search;
  const picked = [...document.querySelectorAll("main input:checked")].map((box) => box.value);
  const texts = [...document.querySelectorAll("form:not(.filter) :is(textarea, select)")]
    .filter((field) => field.id).map((field) => [field.id, field.value]);
  sessionStorage.setItem(KEPT, JSON.stringify({ here, picked, texts }));
  location.assign(`/sign-in?to=${encodeURIComponent(here)}`);
}
function putBack() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  if (kept?.here !== location.pathname + location.search) return;
  sessionStorage.removeItem(KEPT);
  for (const [id, value] of kept.texts) {
    const field = document.getElementById(id);
    if (field) field.value = value;
  }
  for (const box of document.querySelectorAll("main input[type=checkbox]")) {
    if (kept.picked.includes(box.value)) box.checked = true;
  }
  if (document.getElementById("said")) say("You are signed in again. Nothing was sent yet.");
}

function signInPage(box) {
  const on = () => location.replace(box.dataset.to);
  // A link from elsewhere comes without our cookie; asked from here, it is there.
  fetch("/session").then((answer) => { if (answer.ok) on(); }).catch(() => {});
  const button = box.querySelector("button");
  button.addEventListener("click", once([button], async () => {
    await post("/sign-in", await sign(await post("/sign-in/question")));
    on();
  }));
}

// From the house's sign-in: led on from here, the browser sends the new session along.
const signedIn = (box) => location.replace(box.dataset.to);

function answerForm(form) {
  const { id, card } = form.dataset;
  const buttons = [...form.querySelectorAll("button")];
  const work = once(buttons, async (event) => {
    const wish = { decision: event.currentTarget.value, card, reason: form.querySelector("#reason").value };
    say("Waiting for the passkey …");
    try {
      const question = await post(`/approve/${id}/claims`, wish);
      if (question.claims) {
        const signed = await sign(question);
        say("Sent …");
        await post(`/approve/${id}/answer`, signed);
      }
      location.reload();
    } catch (error) {
      if (!error.signedOut) throw error;
      signInAgain();
    }
  });
  buttons.forEach((button) => button.addEventListener("click", work));
  form.addEventListener("submit", (event) => event.preventDefault());
}

// A form whose words the passkey signs: they go up, their claims come back, and what is
// signed goes up again.
function signedForm(form) {
  const { at } = form.dataset;
  const buttons = [...form.querySelectorAll("button")];
  const work = once(buttons, async (event) => {
    const fields = [...form.querySelectorAll("select[name], textarea[name], input[name]")];
    const wish = Object.fromEntries(fields.map((field) => [field.name, field.value]));
    wish[event.currentTarget.name] = event.currentTarget.value;
    say("Waiting for the passkey …");
    try {
      const signed = await sign(await post(`${at}/claims`, wish));
      say("Sent …");
      await post(`${at}/answer`, signed);
      location.reload();
    } catch (error) {
      if (!error.signedOut) throw error;
      signInAgain();
    }
  });
  buttons.forEach((button) => button.addEventListener("click", work));
  form.addEventListener("submit", (event) => event.preventDefault());
}

// One tap for all that are selected; each is answered by itself and says so in its row.
function triageForm(form) {
  const buttons = [...form.querySelectorAll("button")];
  const tell = (lines) => {
    for (const { id, message } of lines) {
      const row = document.getElementById(id);
      row.querySelector(".outcome").textContent = message;
      const box = row.querySelector("input");
      box.checked = false;
      box.disabled = true;
    }
  };
  const work = once(buttons, async (event) => {
    const picked = [...form.querySelectorAll("input:checked")];
    if (picked.length === 0) throw new Error("Select at least one request.");
    const items = picked.map((box) => ({ id: box.value, card: box.dataset.card }));
    const wishes = { decision: event.currentTarget.value, reason: form.querySelector("#reason").value, items };
    say("Reading how things stand …");
    try {
      const question = await post("/approvals/claims", wishes);
      tell(question.dropped);
      if (question.items.length === 0) throw new Error("None of them can be answered now.");
      say(`Waiting for the passkey, for ${question.items.length} of ${items.length} …`);
      const { claims, ...signed } = await sign(question);
      say("Sent …");
      const { results } = await post("/approvals/answers", { ...signed, items: question.items });
      tell(results);
      say("Each request says what became of it.");
      form.querySelector("#again").hidden = false;
    } catch (error) {
      if (!error.signedOut) throw error;
      signInAgain();
    }
  });
  buttons.forEach((button) => button.addEventListener("click", work));
  form.addEventListener("submit", (event) => event.preventDefault());
}

function enrolForm(form) {
  const button = form.querySelector("button");
  form.addEventListener("submit", once([button], async () => {
    const name = form.querySelector("#name").value;
    const made = await navigator.credentials.create({
      publicKey: {
        rp: { id: form.dataset.rp, name: form.dataset.rp },
        user: { id: crypto.getRandomValues(new Uint8Array(16)), name, displayName: name },
        challenge: crypto.getRandomValues(new Uint8Array(32)),
        pubKeyCredParams: [{ type: "public-key", alg: -7 }, { type: "public-key", alg: -8 }],
        authenticatorSelection: { residentKey: "required", userVerification: "required" },
        attestation: "none",
      },
    });
    const key = made.response.getPublicKey();
    if (!key) throw new Error("This device makes no key of a kind that is understood here.");
    document.getElementById("lines").textContent =
      `passkeys:\n  - id: "${toText(made.rawId)}"\n    public_key: "${toText(key)}"`;
    document.getElementById("made").hidden = false;
    say("Made. Give these lines to an operator.");
  }));
}

const pages = {
  "sign-in": signInPage, "signed-in": signedIn, answer: answerForm, triage: triageForm, enrol: enrolForm,
};
for (const [id, begin] of Object.entries(pages)) {
  const found = document.getElementById(id);
  if (found) begin(found);
}
document.querySelectorAll("form.signed").forEach(signedForm);
// On a phone the pages' names go on beyond the edge: where one is stays in sight.
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
putBack();
