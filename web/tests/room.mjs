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
      lamps: all("lamp").map((lamp) => `${data(lamp, "stage")} ${data(lamp, "status")}`),
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
