// @ts-check
// A session by voice: recorded speech as the microphone, from the first word to DONE, through a barge-in. Each line is
// said when a person would say it, since the microphone is passed to somebody else for it, whose recording then begins.

import assert from "node:assert/strict";
import { test } from "node:test";

import { assertShowsAll, comeIn, inPhase, noted, part, STAGES, takeNotes } from "./room.mjs";
import { play } from "./stage.mjs";

/** The microphone stays open for as long as anybody may want to talk. */
const SILENCE_MS = 180_000;
/**
 * What is called into a reply: the price, and where the reply was over before the machine got to it, this.
 */
const INTERRUPTIONS = ["brief-05-price", "wait-stop", "say-again"];
/** What is said once the question before it was heard (loadtest/utterances). */
const ANSWERS = [
  "brief-03-category",
  "brief-04-features",
  "brief-06-who",
  "brief-08-why",
  "brief-09-channels",
  "brief-11-goal",
  "brief-13-start",
];

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
      if (index > 0 && (await page.locator(part("unheard")).count()) > 0) break;
      await prepareMicrophone([interruption, SILENCE_MS]);
      seen = await noted(page, [/^talk speaking/], seen);
      await passMicrophone(page);
      seen = await noted(page, [/^talk hearing/, /^said/], seen);
    }
    seen = await noted(page, [/^talk speaking/, /^talk listening/], seen);
    assert.equal(await page.locator(part("unheard")).count(), 1, "one reply was cut off");
    for (const answer of ANSWERS) {
      await prepareMicrophone([answer, SILENCE_MS]);
      await passMicrophone(page);
      seen = await noted(page, [/^said/, /^talk speaking/, /^talk listening/], seen);
    }
    await page.keyboard.press("Escape");
    await page.locator(part("talk")).click();
    await noted(page, [/^talk off/], seen);
    await noted(page, [/^partial .*(called|costs|vegan|because|sales|everything)/i]);
    await inPhase(page, "DONE");

    const events = await eventsOf(page);
    await assertShowsAll(page, events);
    const texts = new Map(events.flatMap(({ type, data }) => (type === "message.added" ? [[data.message_id, data.text]] : [])));
    const ofHearing = events.filter(({ type }) => type === "message.heard");
    const heard = ofHearing.map(({ data }) => ({ text: data.text, whole: texts.get(data.message_id) }));
    for (const { text, whole } of heard) assert.ok(whole.startsWith(text), `${text} is the beginning of ${whole}`);
    assert.equal(heard.filter(({ text, whole }) => text.length < whole.length).length, 1, "one reply was cut off");
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
