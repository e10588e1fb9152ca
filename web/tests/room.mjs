// @ts-check
// What a person sees and does on the page, whatever it looks like.

import assert from "node:assert/strict";

/**
 * @typedef {import("playwright-core").Page} Page
 * @typedef {import("./stage.mjs").LoggedEvent} LoggedEvent
 */

/** A brief that fills every slot in one turn, without any model. */
export const KOREAN_BRIEF =
  "제품명은 런치부스터, 카테고리는 스킨케어, 특징은 저자극, 빠른흡수, 비건, 가격은 29000원, " +
  "타겟은 20대 여성, 이유는 트러블 진정, 채널은 인스타와 네이버, 목표는 구매, 영상 길이는 10초";
export const ENGLISH_BRIEF =
  "The product name is Morning Glow, the category is natural skincare, the features are gentle, vegan, works overnight, " +
  "the price is $25, the target is busy young parents, the reason is that they sleep too little, " +
  "the channels are Instagram and YouTube, the goal is purchase, the video is 15 seconds";
/** Where one types. */
export const COMPOSER = "#composer";
/** How long a note is waited for, and how often the notes are read meanwhile. */
const NOTES_TIMEOUT_MS = 60_000;
const NOTES_INTERVAL_MS = 100;
export const STAGES = ["research", "strategy", "creative", "voice"];

/** @param {string} name @param {Record<string, string>} [attributes] */
export function part(name, attributes = {}) {
  const more = Object.entries(attributes).map(([attribute, value]) => `[data-${attribute}="${value}"]`);
  return `[data-part="${name}"]${more.join("")}`;
}

/**
 * Waits until the page has a session and a line to it.
 * @param {Page} page
 */
export async function comeIn(page) {
  await page.waitForURL(/#\/s\/sess_/);
  await page.locator(part("connection", { status: "open" })).waitFor({ state: "attached" });
}

/** @param {Page} page */
export function composerOf(page) {
  return page.locator(COMPOSER);
}

/**
 * Types a message and sends it as people do.
 * @param {Page} page
 * @param {string} text
 */
export async function say(page, text) {
  const box = composerOf(page);
  await box.fill(text);
  await box.press("Enter");
  await page.locator(part("message", { role: "user" })).filter({ hasText: text }).last().waitFor();
}

/**
 * Waits for the reply to the last thing that was said.
 * @param {Page} page
 */
export async function listen(page) {
  await page.locator(`${part("timeline")} ${part("message")}`).last().and(page.locator(part("message", { role: "assistant" }))).waitFor();
  await page.locator(part("reply-growing")).waitFor({ state: "detached" });
}

/**
 * Says the whole brief at once; the gate is open after it.
 * @param {Page} page
 * @param {string} brief
 */
export async function fillBrief(page, brief) {
  await say(page, brief);
  await page.locator(part("gate", { ready: "true" })).waitFor();
}

/** @param {Page} page */
export async function begin(page) {
  await page.locator(part("generate")).click();
}

/**
 * Waits until the session is in a state, such as `DONE`.
 * @param {Page} page
 * @param {string} phase
 */
export async function inPhase(page, phase) {
  await page.locator(part("page", { phase })).waitFor();
}

/**
 * From now on, what flits by on the page is noted down in its order: the talk button's states (`talk speaking`), words as
 * they are recognised (`partial It is`), how many things the user has said (`said 2`).
 * @param {Page} page
 */
export async function takeNotes(page) {
  await page.evaluate(() => {
    /** @type {string[]} */
    const notes = [];
    /** @type {Map<string, string>} */
    const latest = new Map();
    const note = (/** @type {string} */ what, /** @type {string | number | null | undefined} */ value) => {
      const text = `${what} ${value ?? ""}`.replace(/\s+/g, " ").trim();
      if (latest.get(what) === text) return;
      latest.set(what, text);
      notes.push(text);
    };
    const look = () => {
      // In the order in which they come about, since several may be drawn at once.
      note("partial", document.querySelector('[data-part="partial"] p')?.textContent);
      note("said", document.querySelectorAll('[data-part="message"][data-role="user"]').length);
      note("talk", document.querySelector('[data-part="talk"]')?.getAttribute("data-state"));
    };
    Reflect.set(window, "notes", notes);
    new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    look();
  });
}

/**
 * Waits until these are among the notes, in this order, after `from` notes.
 * @param {Page} page
 * @param {RegExp[]} wanted
 * @param {number} [from]
 * @returns {Promise<number>} how many notes there are up to the last of them
 */
export async function noted(page, wanted, from = 0) {
  const deadlineMs = Date.now() + NOTES_TIMEOUT_MS;
  for (;;) {
    /** @type {string[]} */
    const notes = await page.evaluate(() => Reflect.get(window, "notes"));
    const end = wanted.reduce((at, pattern) => {
      const found = at < 0 ? -1 : notes.slice(at).findIndex((text) => pattern.test(text));
      return found < 0 ? -1 : at + found + 1;
    }, from);
    if (end >= 0) return end;
    if (Date.now() > deadlineMs) assert.fail(`${wanted} are not among ${JSON.stringify(notes.slice(from))}`);
    await new Promise((resolve) => setTimeout(resolve, NOTES_INTERVAL_MS));
  }
}

/**
 * What the page shows of a session, in words that its log can be held against.
 * @param {Page} page
 */
export async function shown(page) {
  return page.evaluate(() => {
    const all = (/** @type {string} */ name) => [...document.querySelectorAll(`[data-part="${name}"]`)];
    const data = (/** @type {Element} */ element, /** @type {string} */ name) => element.getAttribute(`data-${name}`) ?? "";
    const seenText = (/** @type {Element | null} */ element) => {
      const seen = /** @type {Element | undefined} */ (element?.cloneNode(true));
      for (const unseen of seen?.querySelectorAll(".visually-hidden") ?? []) unseen.remove();
      return seen?.textContent?.replace(/\s+/g, " ").trim() ?? "";
    };
    return {
      messages: all("message").map((message) => ({
        role: data(message, "role"),
        text: seenText(message.querySelector("p")),
      })),
      filledSlots: all("slot")
        .filter((slot) => data(slot, "state") !== "empty")
        .map((slot) => data(slot, "path"))
        .sort(),
      lamps: [...document.querySelectorAll('[data-part="stage-line"]:not([data-status="none"]) [data-part="lamp"]')].map((lamp) => `${data(lamp, "stage")} ${data(lamp, "status")}`),
    };
  });
}

/**
 * The same as the log tells it, folded by nothing but the rules of docs/protocol.md.
 * @param {LoggedEvent[]} events
 */
export function told(events) {
  /** @type {Map<string, unknown>} */
  const slots = new Map();
  /** @type {Map<string, string>} */
  const stages = new Map();
  for (const { type, data } of events) {
    if (type === "slot.updated") slots.set(data.path, data.value);
    if (type === "run.started") for (const stage of data.stages) stages.set(stage, "waiting");
    if (type === "stage.started") stages.set(data.stage, "running");
    if (type === "stage.completed") stages.set(data.stage, "completed");
    for (const { stage } of (type === "stage.changed" && data.failures) || []) stages.set(stage, "failed");
  }
  return {
    messages: events
      .filter(({ type }) => type === "message.added")
      .map(({ data }) => ({ role: data.role, text: data.text.replace(/\s+/g, " ").trim() })),
    filledSlots: [...slots].flatMap(([path, value]) => (value === null ? [] : [path])).sort(),
    lamps: [...stages].map(([stage, status]) => `${stage} ${status}`),
  };
}

/**
 * Nothing is missing on the page and nothing is there twice.
 * @param {Page} page
 * @param {LoggedEvent[]} events
 */
export async function assertShowsAll(page, events) {
  assert.deepEqual(
    events.map(({ seq }) => seq),
    events.map((_, index) => index + 1),
    "the log has no gap",
  );
  assert.deepEqual(await shown(page), told(events));
}
