// @ts-check
// Whatever breaks between the page and its server, or in the server: the page says so, comes back, and shows everything once.

import assert from "node:assert/strict";
import { test } from "node:test";

import { assertShowsAll, begin, comeIn, composerOf, ENGLISH_BRIEF, fillBrief, inPhase, listen, part, say } from "./room.mjs";
import { play, sessionIdOf } from "./stage.mjs";

/** A simulator that writes slowly enough for something to happen in mid-run. */
const UNHURRIED = { simulator: ["--first-token-ms", "100", "--tokens-per-second", "400"] };
/** What Chromium reports of itself when a server is away. */
const LOST_LINE = [/WebSocket connection to .* failed/, /net::ERR_[A-Z_]+/, /status of 50[234]/];
const OFFLINE_MS = 20_000;

/** @typedef {import("playwright-core").Page} Page */

test("a server that is killed in mid-run comes back, and the page goes on to DONE", () =>
  play({ world: UNHURRIED, tolerated: LOST_LINE }, async ({ visit, world, eventsOf }) => {
    const page = await visit();
    await comeIn(page);
    await fillBrief(page, ENGLISH_BRIEF);
    await begin(page);
    await lampOf(page, "strategy", "running").waitFor();
    await world.kill();
    await page.locator(part("banner", { kind: "reconnecting" })).waitFor();
    await world.start();
    await comeIn(page);
    await page.locator(part("banner", { kind: "reconnecting" })).waitFor({ state: "detached" });
    await inPhase(page, "DONE");
    await assertShowsAll(page, await eventsOf(page));
  }));

test("a server that is replaced in mid-run says goodbye, and the page waits for the next one", () =>
  play(
    { world: { ...UNHURRIED, env: { GREENROOM_SERVER__DRAIN_SECONDS: "1" } }, tolerated: LOST_LINE },
    async ({ visit, world, eventsOf }) => {
      const page = await visit();
      await comeIn(page);
      await fillBrief(page, ENGLISH_BRIEF);
      await begin(page);
      await lampOf(page, "research", "running").waitFor();
      world.askToEnd();
      await page.locator(part("banner", { kind: "draining" })).waitFor();
      await world.ended();
      await world.start();
      await comeIn(page);
      await page.locator(part("banner", { kind: "draining" })).waitFor({ state: "detached" });
      await inPhase(page, "DONE");
      await assertShowsAll(page, await eventsOf(page));
    },
  ));

test("a reload in mid-stream loses nothing and repeats nothing", () =>
  play({ world: UNHURRIED }, async ({ visit, eventsOf }) => {
    const page = await visit();
    await comeIn(page);
    await fillBrief(page, ENGLISH_BRIEF);
    await begin(page);
    await lampOf(page, "research", "running").waitFor();
    const sessionId = sessionIdOf(page);
    await page.reload();
    await comeIn(page);
    assert.equal(sessionIdOf(page), sessionId);
    await lampOf(page, "strategy", "running").waitFor();
    await page.reload();
    await comeIn(page);
    await inPhase(page, "DONE");
    await assertShowsAll(page, await eventsOf(page));
  }));

test("twenty seconds offline, with a countdown; the run has gone on, and what was typed meanwhile is sent once", () =>
  play({ world: UNHURRIED, tolerated: LOST_LINE }, async ({ visit, line, eventsOf }) => {
    const page = await visit();
    await comeIn(page);
    await fillBrief(page, ENGLISH_BRIEF);
    await begin(page);
    await lampOf(page, "research", "running").waitFor();

    await page.context().setOffline(true);
    line.cut();
    await page.locator(part("banner", { kind: "offline" })).waitFor();
    const box = composerOf(page);
    await box.fill("Thank you, I am still here.");
    await box.press("Enter");
    await new Promise((resolve) => setTimeout(resolve, OFFLINE_MS));
    line.mend();
    await page.context().setOffline(false);

    await comeIn(page);
    await page.locator(part("banner", { kind: "offline" })).waitFor({ state: "detached" });
    await inPhase(page, "DONE");
    await page.locator(part("message", { role: "user" })).filter({ hasText: "Thank you, I am still here." }).waitFor();
    await listen(page);
    await assertShowsAll(page, await eventsOf(page));
  }));

test("a line that breaks again and again counts down to each try, and can be tried at once", () =>
  play({ tolerated: LOST_LINE }, async ({ visit, line, eventsOf }) => {
    const page = await visit();
    await comeIn(page);
    for (const text of ["Morning Glow", "It is natural skincare"]) {
      line.cut();
      const banner = page.locator(part("banner", { kind: "reconnecting" }));
      await banner.filter({ hasText: /\d/ }).waitFor();
      await banner.getByRole("button").first().click();
      line.mend();
      await comeIn(page);
      await say(page, text);
      await listen(page);
    }
    await assertShowsAll(page, await eventsOf(page));
  }));

test("two tabs show one session, and the microphone goes from one to the other", () =>
  play({ microphone: true }, async ({ visit, prepareMicrophone, eventsOf }) => {
    await prepareMicrophone([20_000]);
    const first = await visit();
    await comeIn(first);
    const second = await visit({ beside: first, path: `/#/s/${sessionIdOf(first)}` });
    await comeIn(second);
    await say(second, "Morning Glow");
    await listen(second);
    await first.locator(part("message", { role: "user" })).filter({ hasText: "Morning Glow" }).waitFor();
    await say(first, "It is natural skincare");
    await listen(first);

    await first.bringToFront();
    await first.locator(part("talk")).click();
    await first.locator(part("talk", { state: "listening" })).waitFor();
    await second.bringToFront();
    await second.locator(part("talk")).click();
    await second.locator(part("talk", { state: "listening" })).waitFor();
    await first.bringToFront();
    await first.locator(part("talk", { state: "off" })).waitFor();
    await first.locator(part("talk-state")).filter({ hasText: "Another window has the microphone" }).waitFor();

    const events = await eventsOf(first);
    for (const page of [first, second]) await assertShowsAll(page, events);
  }));

/**
 * @param {Page} page
 * @param {string} stage
 * @param {string} status
 */
function lampOf(page, stage, status) {
  return page.locator(part("lamp", { stage, status }));
}
