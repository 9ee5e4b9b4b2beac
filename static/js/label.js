// The labelling page. A key press chooses, saves and shows the next image in the same frame; the network is
// never waited for. Answers go through AnswerQueue and are sent until the server has confirmed each.

import { AnswerQueue } from "./answer_queue.js";

const UNDO_DEPTH = 20;
const SEND_AT_ONCE = 50;
const FLASH_MS = 80;
const SHORTEST_LOOK_MS = 60; // a second press sooner than this is a bounce of the same finger
const RETRY_MS = [500, 1000, 2000, 4000, 8000, 15000];
const POLL_MS = 8000;

const settings = JSON.parse(document.getElementById("settings").textContent);
const page = Object.fromEntries(
  ["stage", "progress", "count", "saved", "undo", "help", "examples", "message", "choices"].map((id) => [id, document.getElementById(id)]),
);
const { answersUrl, thanksUrl } = document.body.dataset;
const buttons = new Map([...document.querySelectorAll(".choice")].map((button) => [button.dataset.choice, button]));
const queue = new AnswerQueue(settings.study, settings.person);

const upcoming = []; // decoded, not seen yet
const history = []; // answered, newest last: can be undone
const known = new Set(); // slots this page has held
let current = null;
let answered = settings.answered;
let isFinished = settings.finished;
let sending = false;
let failures = 0;
let retryTimer = 0;
let pollTimer = 0;

// --- the clock: visible to key, without the time the tab was hidden or the examples were open --------------

const clock = {
  spent: 0,
  since: null,
  restart() { this.spent = 0; this.since = null; this.go(); },
  go() { if (this.since === null && !document.hidden && !page.examples.open) this.since = performance.now(); },
  stop() { if (this.since !== null) { this.spent += performance.now() - this.since; this.since = null; } },
  read() { return Math.round(this.spent + (this.since === null ? 0 : performance.now() - this.since)); },
};

// --- images -------------------------------------------------------------------------------------------------

async function receive(images) {
  for (const { slot, src } of images) {
    if (known.has(slot)) continue;
    known.add(slot);
    const picture = new Image(settings.imageWidth, settings.imageHeight);
    picture.alt = "";
    picture.draggable = false;
    picture.src = src;
    try {
      await picture.decode();
    } catch {
      say("One picture could not be shown and was left out; it goes to somebody else.");
      continue;
    }
    upcoming.push({ slot, picture, revision: 0, choice: undefined });
    if (current === null) showNext();
  }
}

function showNext() {
  current = upcoming.shift() ?? null;
  if (current === null) {
    page.stage.replaceChildren();
    clock.stop();
    waitForMore();
    return;
  }
  page.message.hidden = true;
  scale(current.picture);
  page.stage.replaceChildren(current.picture);
  clock.restart();
}

function scale(picture) {
  // Whole multiples keep the pixels square and equal; a picture larger than the screen is shrunk instead.
  const room = Math.min(page.stage.clientWidth / settings.imageWidth, page.stage.clientHeight / settings.imageHeight, 16);
  const factor = room >= 1 ? Math.floor(room) : room;
  picture.width = Math.max(1, Math.floor(settings.imageWidth * factor));
  picture.height = Math.max(1, Math.floor(settings.imageHeight * factor));
  return factor;
}

// --- answering ----------------------------------------------------------------------------------------------

function choose(name) {
  if (current === null || page.examples.open) return;
  const milliseconds = clock.read();
  if (milliseconds < SHORTEST_LOOK_MS) return;
  const image = current;
  const isFirst = image.choice === undefined;
  if (!isFirst) image.revision += 1;
  image.choice = name === "cannot-tell" ? null : Number(name);
  showNext();
  queue.add({
    client_id: crypto.randomUUID?.() ?? randomId(),
    slot: image.slot,
    choice: image.choice,
    revision: image.revision,
    milliseconds: Math.min(milliseconds, 24 * 3600 * 1000),
  });
  history.push(image);
  if (history.length > UNDO_DEPTH) history.shift();
  if (isFirst) answered += 1;
  flash(buttons.get(name));
  showProgress();
  send();
}

function undo() {
  const image = history.pop();
  if (!image) return;
  if (current) upcoming.unshift(current);
  upcoming.unshift(image);
  showNext();
  showProgress();
}

function randomId() {
  // crypto.randomUUID exists on secure pages only; a site tried out over plain HTTP still needs an id.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function flash(button) {
  button.classList.add("flash");
  setTimeout(() => button.classList.remove("flash"), FLASH_MS);
}

function showProgress() {
  page.progress.value = answered;
  page.count.textContent = `${answered} of ${settings.total}`;
  page.undo.disabled = history.length === 0;
}

// --- sending ------------------------------------------------------------------------------------------------

function message(answers) {
  const holding = [current, ...upcoming].filter(Boolean).map((image) => image.slot);
  return JSON.stringify({
    person: settings.person,
    answers,
    holding,
    wanted: Math.max(0, settings.batch - holding.length),
    device: { screen_width: window.innerWidth, image_scale: currentScale(), is_touch: matchMedia("(pointer: coarse)").matches },
  });
}

function currentScale() {
  return current ? Math.round(current.picture.width / settings.imageWidth) : 0;
}

async function send() {
  if (sending) return;
  sending = true;
  clearTimeout(retryTimer);
  try {
    let waiting = queue.entries().slice(0, SEND_AT_ONCE);
    do {
      showSaved("saving …");
      const reply = await post(waiting.map(({ answer }) => answer));
      settle(waiting, reply);
      waiting = queue.entries().slice(0, SEND_AT_ONCE);
    } while (waiting.length > 0);
    failures = 0;
    showSaved("saved ✓");
    finishIfDone();
  } catch (error) {
    failures += 1;
    showSaved(`${error.isRefusal ? "not saved" : "offline"}, ${queue.entries().length} waiting`, true);
    retryTimer = setTimeout(send, RETRY_MS[Math.min(failures - 1, RETRY_MS.length - 1)]);
  } finally {
    sending = false;
  }
  // A key pressed while the last reply was on its way.
  if (failures === 0 && queue.entries().length > 0) send();
}

async function post(answers) {
  const response = await fetch(answersUrl, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: message(answers),
    keepalive: true,
    signal: AbortSignal.timeout(20000),
  });
  if (!response.ok) {
    const error = new Error(`status ${response.status}`);
    error.isRefusal = true;
    throw error;
  }
  return response.json();
}

function settle(waiting, reply) {
  const done = new Set([...(reply.stored ?? []), ...Object.keys(reply.rejected ?? {})]);
  for (const { key, answer } of waiting) if (done.has(answer.client_id)) queue.forget(key);
  const reasons = Object.values(reply.rejected ?? {});
  if (reasons.length > 0) say(`${reasons.length} answer could not be stored: ${reasons[0]}`);
  // With nothing waiting the server's count is the whole truth, also about other tabs and earlier visits.
  if (queue.entries().length === 0) { answered = reply.answered; showProgress(); }
  isFinished = reply.finished;
  settings.paused = reply.paused;
  receive(reply.images);
}

// The tab is going away: hand over what waits without asking for images. What does not arrive is sent on the
// next visit, because the queue keeps it until the server has confirmed it.
function sendLast() {
  const answers = queue.entries().slice(0, SEND_AT_ONCE).map(({ answer }) => answer);
  if (answers.length === 0) return;
  const body = JSON.stringify({ person: settings.person, answers, holding: [], wanted: 0 });
  navigator.sendBeacon(answersUrl, new Blob([body], { type: "application/json" }));
}

function showSaved(text, isWaiting = false) {
  page.saved.textContent = queue.isDurable ? text : `${text} (keep this tab open)`;
  page.saved.classList.toggle("waiting", isWaiting);
}

function waitForMore() {
  if (isFinished && queue.entries().length === 0) return;
  if (isFinished) { say("Sending your last answers …"); return; }
  say(settings.paused
    ? "The study is paused. Your answers are safe; this page goes on by itself."
    : "Every picture that is left is with somebody else at the moment. This page goes on by itself.");
  clearTimeout(pollTimer);
  pollTimer = setTimeout(() => { if (current === null) send(); }, POLL_MS);
}

function finishIfDone() {
  if (current !== null || upcoming.length > 0 || queue.entries().length > 0) return;
  if (isFinished) location.replace(thanksUrl); // so that the Back button does not lead here again
  else waitForMore();
}

function say(text) {
  page.message.textContent = text;
  page.message.hidden = false;
}

// --- keys, taps, visibility -----------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (page.examples.open) return;
  // The physical key first, so that layouts with letters on the digit row work without Shift.
  const digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code)?.[1] ?? (/^[0-9]$/.test(event.key) ? event.key : undefined);
  if (digit !== undefined && buttons.has(digit)) { event.preventDefault(); choose(digit); }
  else if (event.key === "Backspace") { event.preventDefault(); undo(); }
  else if (event.key === "h" || event.key === "?") { event.preventDefault(); showExamples(); }
  else if (event.key === "c" && buttons.has("cannot-tell")) { event.preventDefault(); choose("cannot-tell"); }
});
page.choices.addEventListener("click", (event) => {
  const button = event.target.closest(".choice");
  if (button) choose(button.dataset.choice);
});
page.undo.addEventListener("click", undo);
page.help.addEventListener("click", showExamples);
document.getElementById("close-examples").addEventListener("click", () => page.examples.close());
page.examples.addEventListener("close", () => clock.go());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) { clock.stop(); sendLast(); } else { clock.go(); send(); }
});
window.addEventListener("pagehide", sendLast);
window.addEventListener("online", send);
window.addEventListener("resize", () => { if (current) scale(current.picture); });

function showExamples() {
  clock.stop();
  page.examples.showModal();
}

await receive(settings.images);
if (current === null) waitForMore();
if (queue.entries().length > 0) send();
else {
  showSaved("saved ✓"); // not before it is known that no answer of an earlier visit waits
  finishIfDone();
}
