// @ts-check
// When something does not work the page says so and offers the next step.

import assert from "node:assert/strict";
import { test } from "node:test";

import { assertShowsAll, begin, comeIn, composerOf, ENGLISH_BRIEF, fillBrief, inPhase, listen, part, say } from "./room.mjs";
import { play, sessionIdOf } from "./stage.mjs";

/** Chromium reports every answer that is an error, also those that the page has words for. */
const REFUSALS = [/status of 4\d\d/];
/** Chromium reports a socket that the server closes before it is open, or with an error. */
const CLOSED_SOCKETS = [/WebSocket connection to .* failed/];
const TOKEN = "a-token-for-the-door";

/** @typedef {import("playwright-core").Page} Page */

for (const [name, microphone] of /** @type {const} */ ([["denied", true], ["missing", false]])) {
  test(`a microphone that is ${name} leads to the keyboard`, () =>
    play({ microphone }, async ({ visit, eventsOf }) => {
      const page = await visit({ mayListen: !microphone });
      await comeIn(page);
      await page.locator(part("talk")).click();
      const banner = page.locator(part("banner", { kind: "microphone" }));
      await banner.waitFor();
      await banner.getByRole("button", { name: /type/i }).click();
      const box = composerOf(page);
      assert.ok(await box.evaluate((element) => element === document.activeElement), "one can type at once");
      await fillBrief(page, ENGLISH_BRIEF);
      await listen(page);
      await assertShowsAll(page, await eventsOf(page));
    }));
}

test("a failed stage is tried again from there", () =>
  play({}, async ({ visit, world, eventsOf }) => {
    await world.fault([{ match: { purpose: "strategy" }, fault: { kind: "refusal" }, times: "forever" }]);
    const page = await visit();
    await comeIn(page);
    await fillBrief(page, ENGLISH_BRIEF);
    await begin(page);
    await page.locator(part("lamp", { stage: "strategy", status: "failed" })).waitFor();
    await inPhase(page, "FAILED");
    await page.locator(part("banner", { kind: "failed" })).first().waitFor();
    await assertShowsAll(page, await eventsOf(page));

    await world.fault([]);
    await page.locator(part("retry")).first().click();
    await inPhase(page, "DONE");
    await page.locator(part("banner", { kind: "failed" })).waitFor({ state: "detached" });
    const events = await eventsOf(page);
    await assertShowsAll(page, events);
    const researched = events.filter(({ type, data }) => type === "stage.completed" && data.stage === "research");
    assert.equal(researched.length, 1, "what was finished is not done again");
  }));

test("without an AI key the page says what works and how to set one", () =>
  play({ world: { withModel: false }, tolerated: REFUSALS }, async ({ visit, eventsOf }) => {
    const page = await visit();
    await comeIn(page);
    const banner = page.locator(part("banner", { kind: "no_key" }));
    await banner.getByText("How?").click();
    await banner.getByRole("button", { name: "Copy the command" }).first().click();
    await banner.getByRole("button", { name: "Copied" }).waitFor();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^OPENAI_API_KEY=/);
    await fillBrief(page, ENGLISH_BRIEF);
    await begin(page);
    await page.getByText(/LLM_NOT_CONFIGURED/).first().waitFor({ state: "attached" });
    await assertShowsAll(page, await eventsOf(page));
  }));

test("a simulated provider cannot be overlooked", () =>
  play({}, async ({ visit }) => {
    const page = await visit();
    await comeIn(page);
    await fillBrief(page, ENGLISH_BRIEF);
    await page.locator(part("banner", { kind: "simulated" })).first().waitFor();
    await begin(page);
    await inPhase(page, "DONE");
    assert.ok(await page.locator(part("banner", { kind: "simulated" })).first().isVisible());
  }));

test("whoever is too quick learns when to come back, and keeps what was typed", () =>
  play({ world: { env: { GREENROOM_LIMITS__TURNS_PER_MINUTE: "1" } }, tolerated: REFUSALS }, async ({ visit, eventsOf }) => {
    const page = await visit();
    await comeIn(page);
    await say(page, "Morning Glow");
    await listen(page);
    const box = composerOf(page);
    await box.fill("It is natural skincare");
    await box.press("Enter");
    await page.locator(part("banner", { kind: "limit" })).filter({ hasText: /\d/ }).waitFor();
    assert.equal(await box.inputValue(), "It is natural skincare");
    await assertShowsAll(page, await eventsOf(page));
  }));

test("a session that was deleted elsewhere is gone, and another can be begun", () =>
  play({ tolerated: [...REFUSALS, ...CLOSED_SOCKETS] }, async ({ visit, world }) => {
    const page = await visit();
    await comeIn(page);
    const gone = sessionIdOf(page);
    const userKey = await page.evaluate(() => localStorage.getItem("greenroom.user") ?? "");
    const answer = await fetch(`${world.url}/api/chat/session/${gone}`, { method: "DELETE", headers: { "X-User-Key": userKey } });
    assert.equal(answer.status, 204);
    const banner = page.locator(part("banner", { kind: "gone" }));
    await banner.waitFor();
    await banner.getByRole("button").first().click();
    await page.waitForURL((url) => /#\/s\/sess_/.test(url.href) && !url.href.includes(gone));
    await comeIn(page);
    await say(page, "Morning Glow");
    await listen(page);
  }));

test("a link to somebody else's session says so, and does not take the place of one's own", () =>
  play({ tolerated: [...REFUSALS, ...CLOSED_SOCKETS] }, async ({ visit }) => {
    const page = await visit();
    await comeIn(page);
    await say(page, "Morning Glow");
    await listen(page);
    const own = sessionIdOf(page);
    const stranger = await visit();
    await comeIn(stranger);

    const followed = await visit({ beside: page, path: `/#/s/${sessionIdOf(stranger)}` });
    await followed.locator(part("banner", { kind: "gone" })).waitFor();
    const again = await visit({ beside: page });
    await again.waitForURL((url) => url.href.includes(own));
    await again.locator(part("message", { role: "user" })).filter({ hasText: "Morning Glow" }).waitFor();
  }));

test("a server that wants a token asks for it, and lets in whoever has it", () =>
  play({ world: { env: { GREENROOM_SERVER__TOKEN: TOKEN } }, tolerated: [...REFUSALS, ...CLOSED_SOCKETS] }, async ({ visit }) => {
    const page = await visit();
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    const box = dialog.locator("input");
    await box.fill("not-the-token");
    await box.press("Enter");
    await dialog.getByRole("alert").waitFor();
    // No header carries this; it must not look like a network that is down, for ever.
    await box.fill("비밀");
    await box.press("Enter");
    await page.reload();
    await dialog.getByRole("alert").waitFor();
    await box.fill(TOKEN);
    await box.press("Enter");
    await comeIn(page);
    await page.locator(part("banner", { kind: "token" })).waitFor({ state: "detached" });
    await say(page, "Morning Glow");
    await listen(page);
  }));

test("one's own sessions are found by their words, opened, and deleted", () =>
  play({ tolerated: [...REFUSALS, ...CLOSED_SOCKETS] }, async ({ visit }) => {
    const page = await visit();
    await comeIn(page);
    await say(page, "Morning Glow");
    await listen(page);
    const first = sessionIdOf(page);
    await page.locator(part("sessions")).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: /new session/i }).click();
    await page.waitForURL((url) => /#\/s\/sess_/.test(url.href) && !url.href.includes(first));
    await comeIn(page);
    await say(page, "Night Owl");
    await listen(page);
    const second = sessionIdOf(page);

    await page.locator(part("sessions")).click();
    await dialog.locator(part("session-row", { session: second })).waitFor();
    await dialog.getByRole("searchbox").fill("Morning Glow");
    await dialog.locator(part("session-row", { session: second })).waitFor({ state: "detached" });
    await dialog.locator(part("session-row", { session: first })).getByRole("link").or(dialog.locator(part("session-row", { session: first })).getByRole("button")).first().click();
    await page.waitForURL((url) => url.href.includes(first));
    await comeIn(page);
    await page.locator(part("message", { role: "user" })).filter({ hasText: "Morning Glow" }).waitFor();

    await page.locator(part("sessions")).click();
    await dialog.locator(part("session-row", { session: second })).getByRole("button", { name: /delete/i }).click();
    await dialog.getByRole("button", { name: "Delete all of it" }).click();
    await dialog.locator(part("session-row", { session: second })).waitFor({ state: "detached" });
  }));
