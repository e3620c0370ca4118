// Plays steps in headless Chromium at a phone's width, over the DevTools protocol and
// without any package. A virtual authenticator holds the person's passkey.
//
//   node --experimental-websocket play.mjs '{ chromium, profile, shots, credential, steps }'
//
// Steps: { open } { click, times? } { type, text } { choose, value } { wait, text } { read }
// { count } { value } { at } { fetch } { forget } { ended } { post, body } { keys } { tab, within? }
// { press } { axe } { wide } { dark } { shot, tall? } { beyond }
// The last line printed is a JSON list of what `read`, `count`, `value`, `at` and `fetch` found. A dialog,
// anything that the page's policy forbids, and a request to anywhere else fail it; `beyond`
// names another site that the page may lead to.

import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";

const { chromium, profile, shots, credential, steps, axe } = JSON.parse(process.argv[2]);
const PATIENCE = 60_000;

const browser = spawn(chromium, [
  "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
  "--no-first-run", "--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank",
], { stdio: ["ignore", "ignore", "pipe"] });

const address = await new Promise((found, failed) => {
  let said = "";
  browser.stderr.on("data", (part) => {
    said += part;
    const match = /DevTools listening on (ws:\S+)/.exec(said);
    if (match) found(match[1]);
  });
  browser.on("exit", () => failed(new Error(`Chromium ended:\n${said}`)));
  setTimeout(() => failed(new Error(`Chromium does not start:\n${said}`)), PATIENCE);
});

const socket = new WebSocket(address);
await new Promise((open, failed) => {
  socket.onopen = open;
  socket.onerror = () => failed(new Error("no DevTools"));
});
const asked = new Map();
const complaints = [];
const beyond = [];
let home;
socket.onmessage = ({ data }) => {
  const { id, result, error, method, params } = JSON.parse(data);
  if (method === "Page.javascriptDialogOpening") complaints.push(`a dialog opened: ${params.message}`);
  if (method === "Log.entryAdded" && /Content Security Policy/.test(params.entry.text)) {
    complaints.push(params.entry.text);
  }
  if (method === "Network.requestWillBeSent") {
    const { url } = params.request;
    // Chromium draws its own controls by `data:`; a page's own would break the policy.
    const elsewhere = !/^(about|data):/.test(url) && ![home, ...beyond].includes(new URL(url).origin);
    if (home && elsewhere) complaints.push(`a request to ${url}`);
  }
  const waiting = asked.get(id);
  asked.delete(id);
  if (error) waiting?.failed(new Error(error.message));
  else waiting?.done(result);
};
let count = 0;
let sessionId;
const call = (method, params = {}) => new Promise((done, failed) => {
  asked.set(++count, { done, failed });
  socket.send(JSON.stringify({ id: count, sessionId, method, params }));
});

const { targetId } = await call("Target.createTarget", { url: "about:blank" });
sessionId = (await call("Target.attachToTarget", { targetId, flatten: true })).sessionId;
await call("Page.enable");
await call("Log.enable");
await call("Network.enable");
// A focus is drawn as in a window that somebody looks at.
await call("Emulation.setFocusEmulationEnabled", { enabled: true });
let width = 390;
const size = () => call("Emulation.setDeviceMetricsOverride", {
  width, height: 844, deviceScaleFactor: 1, mobile: width === 390,
});
await size();
await call("WebAuthn.enable");
const { authenticatorId } = await call("WebAuthn.addVirtualAuthenticator", {
  options: {
    protocol: "ctap2", transport: "internal", hasResidentKey: true,
    hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true,
  },
});
if (credential) await call("WebAuthn.addCredential", { authenticatorId, credential });

async function run(expression) {
  const { result, exceptionDetails } = await call("Runtime.evaluate", { expression, returnByValue: true });
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  return result.value;
}
const text = (selector) =>
  run(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ""`).catch(() => "");

async function until(selector, wanted) {
  const began = Date.now();
  for (;;) {
    const found = await text(selector);
    if (found.includes(wanted)) return;
    if (Date.now() - began > PATIENCE) {
      const body = await text("body");
      throw new Error(`"${wanted}" never came to ${selector}; the page says:\n${body}`);
    }
    await new Promise((again) => setTimeout(again, 50));
  }
}

// A page that was just opened may not have its parts, or its script, yet.
async function present(selector) {
  const began = Date.now();
  while (!(await run(`document.readyState === "complete" && document.querySelector(${JSON.stringify(selector)}) !== null`).catch(() => false))) {
    if (Date.now() - began > PATIENCE) throw new Error(`${selector} never came`);
    await new Promise((again) => setTimeout(again, 50));
  }
}

// By name: what the browser calls it, its old number, and what it types.
const KEYS = { Tab: ["Tab", 9], Enter: ["Enter", 13, "\r"], Space: [" ", 32, " "] };
async function press(code) {
  const [key, windowsVirtualKeyCode, text] = KEYS[code];
  const one = { key, code, windowsVirtualKeyCode };
  await call("Input.dispatchKeyEvent", { type: "keyDown", text, ...one });
  await call("Input.dispatchKeyEvent", { type: "keyUp", ...one });
}

// Past the browser, as another program asks.
async function post(url, headers, body) {
  const answer = await new Promise((done, failed) => {
    const asked = request(url, { method: "POST", family: 4, headers }, done);
    asked.on("error", failed).end(body);
  });
  answer.resume();
  if (answer.statusCode >= 400) throw new Error(`${url}: ${answer.statusCode}`);
}

const play = {
  open: ({ open }) => {
    home = new URL(open).origin;
    return call("Page.navigate", { url: open });
  },
  click: async ({ click, times = 1 }) => {
    await present(click);
    await run(`for (let i = 0; i < ${times}; i++) document.querySelector(${JSON.stringify(click)}).click()`);
  },
  type: async ({ type, text }) => {
    await present(type);
    await run(`document.querySelector(${JSON.stringify(type)}).focus()`);
    await call("Input.insertText", { text });
  },
  wait: ({ wait, text }) => until(wait, text),
  choose: async ({ choose, value }) => {
    await present(choose);
    await run(`document.querySelector(${JSON.stringify(choose)}).value = ${JSON.stringify(value)}`);
  },
  count: async ({ count }) => {
    found.push(String(await run(`document.querySelectorAll(${JSON.stringify(count)}).length`)));
  },
  value: async ({ value }) => {
    found.push(await run(`document.querySelector(${JSON.stringify(value)}).value`));
  },
  at: async () => { found.push(await run("location.href")); },
  beyond: ({ beyond: origin }) => { beyond.push(origin); },
  // What a link leads to, asked for from the page.
  fetch: async ({ fetch: link }) => {
    await present(link);
    const { result } = await call("Runtime.evaluate", {
      expression: `fetch(document.querySelector(${JSON.stringify(link)}).href).then((answer) => answer.text())`,
      awaitPromise: true, returnByValue: true,
    });
    found.push(String(result.value));
  },
  // Everything that can be used is reached by Tab alone. A date has parts of its own.
  keys: async ({ keys }) => {
    await present("main");
    const all = await run(`{
      const every = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")];
      globalThis.wanted = every.filter((one) => !one.disabled && one.type !== "hidden" && one.checkVisibility());
      document.body.focus(); document.activeElement.blur(); scrollTo(0, 0);
      wanted.length
    }`);
    const reached = new Set();
    for (let presses = 0; reached.size < all && presses < 6 * all + 20; presses++) {
      await press("Tab");
      reached.add(await run("wanted.indexOf(document.activeElement)"));
      reached.delete(-1);
    }
    if (reached.size < all) {
      const missing = await run(`wanted.filter((_, at) => !${JSON.stringify([...reached])}.includes(at)).map((one) => one.outerHTML.slice(0, 120)).join("\n")`);
      throw new Error(`${keys}: Tab never reaches\n${missing}`);
    }
  },
  press: ({ press: key }) => press(key),
  // On by Tab alone, forwards, to what is named; wherever the focus is on the way, one sees it.
  tab: async ({ tab, within = 60 }) => {
    await present(tab);
    for (let presses = 0; presses < within; presses++) {
      await press("Tab");
      const { html, there, seen } = await run(`{
        const one = document.activeElement, box = one.getBoundingClientRect(), { outlineStyle } = getComputedStyle(one);
        const seen = one.matches(":focus-visible") && outlineStyle !== "none" && box.right > 0 && box.left < innerWidth && box.height > 0;
        ({ html: one.outerHTML.slice(0, 120), there: one.matches(${JSON.stringify(tab)}), seen: seen || one === document.body })
      }`);
      if (!seen) throw new Error(`the focus is not seen on ${html}`);
      if (there) return;
    }
    throw new Error(`${tab} is not reached by ${within} times Tab`);
  },
  // Somebody else does something meanwhile.
  post: ({ post: url, body }) => post(url, { "Content-Type": "application/json" }, JSON.stringify(body)),
  // The server ends the session; the browser keeps its cookie.
  ended: async () => {
    const { cookies } = await call("Network.getCookies", { urls: [home] });
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
    await post(`${home}/sign-out`, { Cookie: cookie, Origin: home });
  },
  forget: () => call("Network.clearBrowserCookies"),
  axe: async ({ axe: where }) => {
    if (!axe) return;
    await present("main");
    await run(`${readFileSync(axe, "utf8")};0`);
    const { result } = await call("Runtime.evaluate", {
      expression: 'axe.run().then(({ violations }) => violations.filter(({ impact }) => ["serious", "critical"].includes(impact)).map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`))',
      awaitPromise: true, returnByValue: true,
    });
    if (!Array.isArray(result.value)) throw new Error(`axe did not run on ${where}`);
    if (result.value.length > 0) throw new Error(`${where}: ${result.value.join("\n")}`);
  },
  wide: ({ wide }) => {
    width = wide ? 1280 : 390;
    return size();
  },
  read: async ({ read }) => { found.push(await text(read)); },
  dark: ({ dark }) => call("Emulation.setEmulatedMedia", {
    features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }],
  }),
  shot: async ({ shot, tall = Infinity }) => {
    const wide = await run("document.documentElement.scrollWidth");
    if (wide > width) throw new Error(`${shot}: the page is ${wide} px wide`);
    mkdirSync(shots, { recursive: true });
    const height = Math.min(tall, await run("document.documentElement.scrollHeight"));
    const clip = { x: 0, y: 0, width, height, scale: 1 };
    const { data } = await call("Page.captureScreenshot", { captureBeyondViewport: true, clip });
    writeFileSync(join(shots, `${shot}.png`), Buffer.from(data, "base64"));
  },
};

const found = [];
let failed = 0;
try {
  for (const step of steps) await play[Object.keys(step)[0]](step);
  if (complaints.length > 0) throw new Error(complaints.join("\n"));
} catch (error) {
  console.error(error);
  failed = 1;
}
console.log(JSON.stringify(found));
socket.close();
browser.kill();
process.exit(failed);
