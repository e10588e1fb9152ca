// @ts-check
// Every main state of the page, on a phone and a desk, light and dark: nobody is kept out of it (axe-core), and a picture
// of each is taken for people to look at.

import assert from "node:assert/strict";
import { test } from "node:test";

import { DESK, graveViolations, PHONE } from "./browser.mjs";
import { begin, comeIn, COMPOSER, ENGLISH_BRIEF, fillBrief, inPhase, KOREAN_BRIEF, listen, part, say, STAGES } from "./room.mjs";
import { play, sessionIdOf, takePicture } from "./stage.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** Slow enough to be looked at while it runs. */
const UNHURRIED = { simulator: ["--first-token-ms", "100", "--tokens-per-second", "600"] };
const LOST_LINE = [/WebSocket connection to .* failed/, /net::ERR_[A-Z_]+/];
/** So many presses of Tab reach anything on the page. */
const TABS_MAX = 120;

const PHONE_CONTEXT = { viewport: PHONE, hasTouch: true, isMobile: true };
/** Colours differ by theme and layout by width, so that each is checked where it differs. */
const VIEWS = [
  { name: "desk-light", theme: "light", context: { viewport: DESK }, isChecked: true },
  { name: "desk-dark", theme: "dark", context: { viewport: DESK }, isChecked: true },
  { name: "phone-light", theme: "light", context: PHONE_CONTEXT, isChecked: false },
  { name: "phone-dark", theme: "dark", context: PHONE_CONTEXT, isChecked: true },
];
/** In Korean other words stand in the same places. */
const KOREAN_VIEWS = VIEWS.filter(({ name }) => name === "desk-light" || name === "phone-dark");

test("nobody is kept out of any main state", () => lookAtAll("en", ENGLISH_BRIEF, VIEWS));
test("nor in Korean", () => lookAtAll("ko", KOREAN_BRIEF, KOREAN_VIEWS));

/**
 * Goes through every main state, takes a picture of each in every view, and asks axe-core.
 * @param {"ko" | "en"} language
 * @param {string} brief
 * @param {typeof VIEWS} chosen
 */
function lookAtAll(language, brief, chosen) {
  return play({ world: UNHURRIED, tolerated: LOST_LINE }, async ({ visit, world, line }) => {
    const views = await openViews(visit, language, chosen);
    const desk = views[0]?.page;
    assert.ok(desk);
    /** @type {Violations} */
    const violations = new Map();
    const look = async (/** @type {string} */ state, /** @type {"talk" | "brief" | "stage"} */ pane) => {
      for (const { page } of views) await toPane(page, pane);
      await lookAt(views, `${language}-${state}`, violations);
    };

    await look("1-welcome", "talk");
    await say(desk, language === "ko" ? "루미세럼" : "Morning Glow");
    await listen(desk);
    await look("2-conversation", "talk");
    await look("3-brief-begun", "brief");
    await fillBrief(desk, brief);
    await everywhere(views, part("gate", { ready: "true" }));
    await look("4-brief-complete", "brief");
    await look("5-gate-open", "stage");
    await begin(desk);
    await everywhere(views, part("lamp", { status: "running" }));
    await look("6-running", "stage");
    await everywhere(views, part("page", { phase: "DONE" }));
    for (const stage of STAGES) {
      for (const { page } of views) {
        await toPane(page, "stage");
        await page.locator(part("result-tab", { stage })).click();
      }
      await look(`7-done-${stage}`, "stage");
    }
    for (const { page } of views) await page.locator(part("sessions")).click();
    for (const { page } of views) await page.locator(part("session-row")).first().waitFor();
    await lookAt(views, `${language}-8-sessions`, violations);
    for (const { page } of views) await page.keyboard.press("Escape");

    line.cut();
    await world.kill();
    await everywhere(views, part("banner", { kind: "reconnecting" }));
    await look("9-reconnecting", "talk");
    assert.deepEqual([...violations], []);
  });
}

test("a failed run is no dead end for anybody", () =>
  play({}, async ({ visit, world }) => {
    await world.fault([{ match: { purpose: "creative" }, fault: { kind: "refusal" }, times: "forever" }]);
    const views = await openViews(visit, "en", VIEWS);
    const desk = views[0]?.page;
    assert.ok(desk);
    await fillBrief(desk, ENGLISH_BRIEF);
    await begin(desk);
    await everywhere(views, part("page", { phase: "FAILED" }));
    for (const { page } of views) await toPane(page, "stage");
    /** @type {Violations} */
    const violations = new Map();
    await lookAt(views, "en-10-failed", violations);
    assert.deepEqual([...violations], []);
  }));

test("the keyboard alone leads from the first word to the results", () =>
  play({}, async ({ visit }) => {
    const page = await visit();
    await comeIn(page);
    await tabTo(page, COMPOSER);
    await page.keyboard.type(ENGLISH_BRIEF);
    await page.keyboard.press("Enter");
    await page.locator(part("gate", { ready: "true" })).waitFor();
    await tabTo(page, part("generate"));
    await page.keyboard.press("Enter");
    await inPhase(page, "DONE");
    await tabTo(page, part("result-tab"));
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowRight");
    await page.locator(part("result-panel", { stage: "strategy" })).waitFor();
    await tabTo(page, part("sessions"));
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    assert.ok(await page.locator(part("sessions")).evaluate((button) => button === document.activeElement), "focus comes back");
  }));

test("whoever wants no motion gets none", () =>
  play({ world: UNHURRIED }, async ({ visit }) => {
    const page = await visit({ context: { reducedMotion: "reduce" } });
    await comeIn(page);
    await fillBrief(page, ENGLISH_BRIEF);
    const atTheGate = await movements(page);
    await begin(page);
    await page.locator(part("lamp", { status: "running" })).first().waitFor();
    assert.deepEqual([...atTheGate, ...(await movements(page))], []);
    await inPhase(page, "DONE");
  }));

test("a screen reader is told whole messages and every stage, once", () =>
  play({ world: UNHURRIED }, async ({ visit, eventsOf }) => {
    const page = await visit();
    await comeIn(page);
    const heard = await announcements(page);
    await fillBrief(page, ENGLISH_BRIEF);
    await listen(page);
    await begin(page);
    await inPhase(page, "DONE");
    const events = await eventsOf(page);
    const replies = events.filter(({ type, data }) => type === "message.added" && data.role === "assistant" && data.turn_id);
    const said = await heard();
    for (const { data } of replies) {
      assert.equal(said.filter((text) => text.includes(data.text)).length, 1, `said once: ${data.text}`);
    }
    assert.ok(said.length <= replies.length + 16, `it does not babble: ${JSON.stringify(said)}`);
  }));

/**
 * @typedef {{ name: string, page: Page, isChecked: boolean }} View
 * @typedef {Map<string, string>} Violations   and where each was found first
 */

/**
 * The same session in every view, as the same person.
 * @param {import("./stage.mjs").Stage["visit"]} visit
 * @param {"ko" | "en"} language
 * @param {typeof VIEWS} chosen
 */
async function openViews(visit, language, chosen) {
  /** @type {View[]} */
  const views = [];
  /** @type {Record<string, string>} */
  let person = {};
  let path = "/";
  for (const { name, theme, context, isChecked } of chosen) {
    const page = await visit({ language, theme: theme === "dark" ? "dark" : "light", context, path, remembered: person });
    await comeIn(page);
    views.push({ name, page, isChecked });
    path = `/#/s/${sessionIdOf(page)}`;
    person = { "greenroom.user": await page.evaluate(() => localStorage.getItem("greenroom.user") ?? "") };
  }
  return views;
}

/**
 * @param {View[]} views
 * @param {string} state
 * @param {Violations} violations  grows
 */
async function lookAt(views, state, violations) {
  await Promise.all(
    views.map(async ({ name, page, isChecked }) => {
      await takePicture(page, `${state}-${name}`);
      if (!isChecked) return;
      for (const violation of await graveViolations(page)) {
        if (!violations.has(violation)) violations.set(violation, `${state}-${name}`);
      }
    }),
  );
}

/**
 * @param {{ page: Page }[]} views
 * @param {string} selector
 */
async function everywhere(views, selector) {
  for (const { page } of views) await page.locator(selector).first().waitFor({ state: "attached" });
}

/**
 * @param {Page} page
 * @param {"talk" | "brief" | "stage"} pane
 */
async function toPane(page, pane) {
  const tab = page.locator(part("tab", { tab: pane }));
  if (await tab.isVisible()) await tab.click();
}

/**
 * Presses Tab until the focus is there, and is visible there.
 * @param {Page} page
 * @param {string} selector
 */
async function tabTo(page, selector) {
  for (let presses = 0; presses < TABS_MAX; presses += 1) {
    const focus = await page.evaluate((wanted) => {
      const element = document.activeElement;
      if (!element?.matches(wanted)) return null;
      // The ring of a field may be drawn around the form that it fills.
      const ringed = [element, element.closest("form:focus-within")].some((candidate) => {
        if (!candidate) return false;
        const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(candidate);
        return (outlineStyle !== "none" && Number.parseFloat(outlineWidth) >= 2) || boxShadow !== "none";
      });
      return ringed ? "visible" : "invisible";
    }, selector);
    if (focus !== null) {
      assert.equal(focus, "visible", `one sees that the focus is on ${selector}`);
      return;
    }
    await page.keyboard.press("Tab");
  }
  assert.fail(`${selector} is not reached by Tab`);
}

/**
 * What moves on the page now: animations of anything but opacity and colour.
 * @param {Page} page
 */
async function movements(page) {
  return page.evaluate(() =>
    document.getAnimations().flatMap((animation) => {
      const effect = animation.effect instanceof KeyframeEffect ? animation.effect : null;
      const moving = ["transform", "translate", "scale", "rotate", "left", "top", "width", "height", "backgroundPosition"];
      const properties = effect?.getKeyframes().flatMap((frame) => Object.keys(frame)) ?? [];
      return properties.some((property) => moving.includes(property)) ? [`${effect?.target?.className}: ${properties}`] : [];
    }),
  );
}

/**
 * Listens to the polite live region; answers with what it has said since.
 * @param {Page} page
 * @returns {Promise<() => Promise<string[]>>}
 */
async function announcements(page) {
  await page.evaluate(() => {
    const region = document.querySelector('[data-part="announcer"]');
    /** @type {string[]} */
    const said = [];
    Reflect.set(window, "announced", said);
    if (!region) return;
    new MutationObserver((changes) => {
      for (const { addedNodes, target, type } of changes) {
        const nodes = type === "characterData" ? [target] : [...addedNodes];
        said.push(...nodes.map((node) => node.textContent?.trim() ?? "").filter((text) => text !== ""));
      }
    }).observe(region, { childList: true, subtree: true, characterData: true });
  });
  return () => page.evaluate(() => Reflect.get(window, "announced"));
}
