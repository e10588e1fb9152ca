// @ts-check
// A session by voice: recorded speech as the microphone, from the first word to DONE, through a barge-in.

import assert from "node:assert/strict";
import { test } from "node:test";

import { assertShowsAll, comeIn, inPhase, part, STAGES } from "./room.mjs";
import { play } from "./stage.mjs";

/** Before anybody says a word. */
const ROOM_MS = 2_000;
/** Long enough for the longest reply (under 4 s) to be said, and a person's thought after it. */
const HEARD_OUT_MS = 5_500;
/** So long after a line somebody talks on: the reply has begun, and its question is not over. */
const CUT_SHORT_MS = 2_500;
/** The microphone stays open while the run goes on. */
const SILENCE_MS = 60_000;

/** The brief that ships with the project (loadtest/utterances), said as a person on the phone would. */
const CALL = [
  ROOM_MS,
  ...["brief-02-name", "brief-03-category"].flatMap((line) => [line, HEARD_OUT_MS]),
  "brief-04-features",
  CUT_SHORT_MS,
  ...["brief-05-price", "brief-06-who", "brief-08-why", "brief-09-channels", "brief-11-goal", "brief-13-start"].flatMap((line) => [
    line,
    HEARD_OUT_MS,
  ]),
  SILENCE_MS,
];

test("a spoken session goes through a barge-in to DONE", () =>
  play({ microphone: true }, async ({ visit, prepareMicrophone, eventsOf }) => {
    await prepareMicrophone(CALL);
    const page = await visit();
    await comeIn(page);
    await page.locator(part("talk")).click();
    await page.locator(part("talk", { state: "hearing" })).waitFor();
    await page.locator(part("partial")).filter({ hasText: /\w/ }).waitFor();
    await page.locator(part("talk", { state: "speaking" })).waitFor();
    await page.locator(part("unheard")).first().waitFor({ timeout: 60_000 });
    await page.locator(part("page", { phase: "DONE" })).waitFor({ timeout: 120_000 });
    await page.locator(part("talk")).click();
    await page.locator(part("talk", { state: "off" })).waitFor();

    const events = await eventsOf(page);
    await assertShowsAll(page, events);
    const heard = events.filter(({ type }) => type === "message.heard");
    const texts = new Map(events.flatMap(({ type, data }) => (type === "message.added" ? [[data.message_id, data.text]] : [])));
    const cutShort = heard.filter(({ data }) => data.text.length < texts.get(data.message_id).length);
    assert.ok(cutShort.length >= 1, "a reply was cut off, and the log says how much of it was heard");
    for (const { data } of cutShort) assert.ok(texts.get(data.message_id).startsWith(data.text));
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
    await page.getByRole("button", { name: /settings|voice/i }).first().click();
    await page.getByRole("radio", { name: /push/i }).check();
    await page.keyboard.press("Escape");
    await page.locator(part("talk")).focus();
    await page.keyboard.down("Space");
    await page.locator(part("talk", { state: "hearing" })).waitFor();
    await page.locator(part("partial")).filter({ hasText: /Glow/ }).waitFor();
    await page.keyboard.up("Space");
    await page.locator(part("message", { role: "user" })).filter({ hasText: "It is called Morning Glow." }).waitFor();
    await page.locator(part("slot", { path: "product.name", state: "filled" })).waitFor();
    const [user] = (await eventsOf(page)).filter(({ type, data }) => type === "message.added" && data.role === "user");
    assert.equal(user?.data.modality, "voice");
  }));
