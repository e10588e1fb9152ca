// @ts-check
// A session by voice: recorded speech as the microphone, from the first word to DONE, through a barge-in. Each line is
// said when a person would say it, since the microphone is passed to somebody else for it, whose recording then begins.

import assert from "node:assert/strict";
import { test } from "node:test";

import { assertShowsAll, comeIn, inPhase, noted, part, say, STAGES, takeNotes } from "./room.mjs";
import { play } from "./stage.mjs";

/** Nobody speaks in the very moment in which they get the microphone. */
const BREATH_MS = 500;
/** The microphone stays open for as long as anybody may want to talk. */
const SILENCE_MS = 180_000;
/**
 * What is called into a reply: the price, and where the reply was over before the machine got to it, this.
 */
const INTERRUPTIONS = ["brief-05-price", "wait-stop", "say-again"];
/** The slot whose answer is typed in the middle of the call: the reply to it is spoken as well. */
const TYPED_SLOT = "target.who";
const TYPED_ANSWER = "Busy young parents";
/** What is answered to the question for a slot (loadtest/utterances). */
const ANSWERS = new Map([
  ["product.name", "brief-02-name"],
  ["product.category", "brief-03-category"],
  ["product.features", "brief-04-features"],
  ["product.price_band", "brief-05-price"],
  ["target.why", "brief-08-why"],
  ["channel.channels", "brief-09-channels"],
  ["goal.weekly_goal", "brief-11-goal"],
]);
/** What is said once nothing is asked any more. */
const ORDER_TO_BEGIN = "brief-13-start";
/** Nobody is asked more often than that: each slot, and each unclear answer again. */
const QUESTIONS_MAX = 16;

test("a spoken session goes through a barge-in to DONE", () =>
  play({ microphone: true }, async ({ visit, prepareMicrophone, eventsOf }) => {
    const page = await visit();
    await comeIn(page);
    await takeNotes(page);
    await prepareMicrophone([SILENCE_MS]);
    await page.locator(part("talk")).click();
    await noted(page, [/^talk listening/]);
    await page.locator(part("settings")).click();

    await prepareMicrophone(["brief-02-name", SILENCE_MS]);
    await passMicrophone(page);
    let seen = await noted(page, [/^talk hearing/, /^partial/, /^said 1/]);
    for (const [index, interruption] of INTERRUPTIONS.entries()) {
      if (index > 0 && cutOff(await eventsOf(page)).length > 0) break;
      await prepareMicrophone([interruption, SILENCE_MS]);
      seen = await noted(page, [/^talk speaking/], seen);
      await passMicrophone(page);
      seen = await noted(page, [/^talk hearing/, /^said/], seen);
    }
    seen = await noted(page, [/^talk speaking/, /^talk listening/], seen);
    for (let question = 0; question < QUESTIONS_MAX; question += 1) {
      const before = await eventsOf(page);
      const slot = askedFor(before);
      if (slot === TYPED_SLOT) {
        await page.keyboard.press("Escape");
        await say(page, TYPED_ANSWER);
        await page.locator(part("settings")).click();
      } else {
        const answer = slot === null ? ORDER_TO_BEGIN : ANSWERS.get(slot);
        assert.ok(answer, `there is an answer to the question for ${slot}`);
        await prepareMicrophone([BREATH_MS, answer, SILENCE_MS]);
        await passMicrophone(page);
        seen = await noted(page, [/^talk hearing/, /^(said|talk listening)/], seen);
        // Whoever was not understood says it again.
        if (saidIn(await eventsOf(page)) === saidIn(before)) continue;
      }
      seen = await noted(page, [/^talk speaking/, /^talk listening/], seen);
      if (slot === null) break;
    }
    await page.keyboard.press("Escape");
    await page.locator(part("talk")).click();
    await noted(page, [/^talk off/], seen);
    await noted(page, [/^partial .*(called|costs|vegan|because|sales|everything)/i]);
    await inPhase(page, "DONE");

    const events = await eventsOf(page);
    await assertShowsAll(page, events);
    const unheard = cutOff(events);
    assert.ok(unheard.length >= 1, "a reply was cut off");
    const greyed = await page.locator(part("unheard")).allTextContents();
    assert.equal(greyed.length, unheard.length, "what was not heard is greyed, and nothing else");
    for (const [index, text] of unheard.entries()) assert.ok(greyed[index]?.endsWith(text), `${greyed[index]} is ${text}`);
    assert.deepEqual(
      events.filter(({ type }) => type === "stage.completed").map(({ data }) => data.stage),
      STAGES,
    );
  }));

test("push-to-talk with the space bar: heard while it is held, understood when it is let go", () =>
  play({ microphone: true }, async ({ visit, prepareMicrophone, eventsOf }) => {
    await prepareMicrophone([300, "brief-02-name", SILENCE_MS]);
    const page = await visit();
    await comeIn(page);
    await inPhase(page, "CHAT_COLLECTING");
    await takeNotes(page);
    await page.locator(part("talk-mode")).click();
    await page.locator(part("talk")).and(page.locator('[data-mode="push_to_talk"]')).waitFor();
    await page.locator(part("talk")).focus();
    await page.keyboard.down("Space");
    await noted(page, [/^talk hearing/, /^partial .*called/]);
    await page.keyboard.up("Space");
    await page.locator(part("message", { role: "user" })).filter({ hasText: "It is called Morning Glow." }).waitFor();
    await page.locator(part("slot", { path: "product.name", state: "filled" })).waitFor();
    const [user] = (await eventsOf(page)).filter(({ type, data }) => type === "message.added" && data.role === "user");
    assert.equal(user?.data.modality, "voice");
  }));

/**
 * The slot that was asked for last, or null if the last thing said was no question.
 * @param {import("./stage.mjs").LoggedEvent[]} events
 * @returns {string | null}
 */
function askedFor(events) {
  const last = events.findLast(({ type, data }) => type === "message.added" && data.role === "assistant");
  return last?.data.asks ?? null;
}

/**
 * How many things the user has said.
 * @param {import("./stage.mjs").LoggedEvent[]} events
 */
function saidIn(events) {
  return events.filter(({ type, data }) => type === "message.added" && data.role === "user").length;
}

/**
 * What of replies was not heard, by the log: one of them for each that was cut off.
 * @param {import("./stage.mjs").LoggedEvent[]} events
 */
function cutOff(events) {
  const texts = new Map(events.flatMap(({ type, data }) => (type === "message.added" ? [[data.message_id, data.text]] : [])));
  return events.flatMap(({ type, data }) => {
    if (type !== "message.heard") return [];
    const whole = texts.get(data.message_id);
    assert.ok(whole.startsWith(data.text), `${data.text} is the beginning of ${whole}`);
    return data.text.length < whole.length ? [whole.slice(data.text.length).trim()] : [];
  });
}

/**
 * Passes the microphone on, in the open settings: one that is opened anew plays what was prepared for it.
 * @param {import("playwright-core").Page} page
 */
async function passMicrophone(page) {
  const choice = page.getByRole("dialog").getByLabel("Microphone");
  const [one, other] = (await choice.locator("option").allTextContents()).filter((label) => /Fake Audio Input \d/.test(label));
  assert.ok(one && other, "the browser has two microphones");
  const chosen = await choice.evaluate((select) => /** @type {HTMLSelectElement} */ (select).selectedOptions[0]?.label);
  await choice.selectOption({ label: chosen === one ? other : one });
}
