// @ts-check
// The documentation: read without a script, and tried out with one.

import assert from "node:assert/strict";
import { test } from "node:test";

import { PHONE } from "./browser.mjs";
import { part } from "./room.mjs";
import { play } from "./stage.mjs";

/**
 * @typedef {import("playwright-core").Page} Page
 * @typedef {import("playwright-core").Locator} Locator
 */

/**
 * Opens the form of an operation.
 * @param {Page} page
 * @param {string} id
 * @returns {Promise<Locator>}
 */
async function tryOut(page, id) {
  const operation = page.locator(`#${id}`);
  await operation.scrollIntoViewIfNeeded();
  await operation.getByRole("button", { name: "Try it" }).click();
  return operation;
}

/**
 * Sends what is filled in, and waits for all of the answer.
 * @param {Locator} operation
 */
async function send(operation) {
  await operation.getByRole("button", { name: /^Send / }).click();
  await operation.locator(part("answer")).waitFor();
  return operation.locator(part("answer"));
}

test("a session is made, spoken to, watched and erased from the page", () =>
  play({ tolerated: [/status of 422/] }, async ({ visit }) => {
    const page = await visit({ path: "/docs", remembered: { "greenroom.user": "somebody" } });
    const created = await send(await tryOut(page, "sessions_create"));
    assert.equal(await created.getAttribute("data-status"), "200");
    const { session_id: session } = JSON.parse(
      (await created.locator(part("answer-body")).textContent()) ?? "",
    );

    // The session that was just made stands in every other form.
    const message = await tryOut(page, "turns_message");
    assert.equal(await message.getByLabel("session_id").inputValue(), session);
    await message.getByLabel("Body").fill('{ "message": "제품명은 루미세럼" }');
    const turn = JSON.parse((await (await send(message)).locator(part("answer-body")).textContent()) ?? "");
    assert.equal(turn.brief_slots.product.name, "루미세럼");

    const stream = await tryOut(page, "turns_message_stream");
    await stream.getByLabel("Body").fill('{ "message": "카테고리는 스킨케어" }');
    await send(stream);
    await stream.locator(part("stream-state", { end: "ended" })).waitFor();
    assert.equal(await stream.locator(".streamed .log-type").last().textContent(), "turn.completed");

    const mistaken = await tryOut(page, "turns_assistant_voice");
    await mistaken.getByLabel("Body").fill('{ "text": "" }');
    assert.equal(await (await send(mistaken)).getAttribute("data-status"), "422");

    const erased = await send(await tryOut(page, "sessions_erase"));
    assert.equal(await erased.getAttribute("data-status"), "204");
  }));

test("a stream that has no end is watched until it is stopped", () =>
  play({}, async ({ visit }) => {
    const page = await visit({ path: "/docs" });
    await send(await tryOut(page, "sessions_create"));
    const log = await tryOut(page, "events_events");
    await log.getByLabel("Answer as").selectOption("text/event-stream");
    await send(log);
    await log.locator(".streamed .log-type").filter({ hasText: "session.started" }).waitFor();
    assert.equal(await log.locator(part("stream-state")).getAttribute("data-end"), "open");
    await log.getByRole("button", { name: "Stop" }).click();
    await log.locator(part("stream-state", { end: "stopped" })).waitFor();
  }));

test("a recording is sent as a form, and what is spoken can be heard", () =>
  play({ tolerated: [/status of 415/] }, async ({ visit }) => {
    const page = await visit({ path: "/docs" });
    await send(await tryOut(page, "sessions_create"));
    const turn = await tryOut(page, "turns_voice_turn");
    assert.ok(await turn.getByRole("button", { name: /^Send / }).isDisabled(), "there is no recording yet");
    await turn
      .getByLabel("audio")
      .setInputFiles({ name: "no.wav", mimeType: "audio/wav", buffer: Buffer.from("no sound") });
    assert.equal(await (await send(turn)).getAttribute("data-status"), "415");

    await send(await tryOut(page, "turns_assistant_voice"));
    const asset = await tryOut(page, "assets_asset");
    await send(asset);
    await asset.locator("audio").waitFor();
    const download = page.waitForEvent("download");
    await asset.getByRole("link", { name: /^Download / }).click();
    assert.match((await download).suggestedFilename(), /\.(mp3|wav)$/);
  }));

test("the socket is tried out: a turn, a rejection, and nothing missing after a break", () =>
  play({}, async ({ visit }) => {
    const page = await visit({ path: "/docs/protocol" });
    const log = page.locator(part("log"));
    const entry = (/** @type {string} */ type) => log.locator(`[data-type="${type}"]`).first();
    await page.getByRole("button", { name: "New session" }).click();
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.locator(part("socket-status", { status: "open" })).waitFor();
    await entry("session.snapshot").waitFor();

    await page.getByLabel("Frame", { exact: true }).selectOption("user.message");
    await page.getByRole("button", { name: "Send frame" }).click();
    await entry("accepted").waitFor();
    await entry("turn.completed").waitFor();

    await page.getByLabel("What is sent").fill('{ "type": "no.such.type" }');
    await page.getByRole("button", { name: "Send frame" }).click();
    await entry("rejected").waitFor();

    const before = await numbersIn(log);
    await page.getByRole("button", { name: "Drop and resume" }).click();
    await entry("replay.done").waitFor();
    assert.match((await entry("close").textContent()) ?? "", /1000/);
    const after = await numbersIn(log);
    assert.deepEqual(after.slice(0, before.length), before);
    assert.deepEqual(
      after,
      after.map((_, index) => (after[0] ?? 0) + index),
      "no number is missing and none comes twice",
    );

    await page.getByLabel("Type contains").fill("slot");
    await log.locator('[data-type="planner.delta"]').first().waitFor({ state: "detached" });
    assert.deepEqual(new Set(await typesIn(log)), new Set(["slot.updated"]));
    await page.getByRole("button", { name: "Disconnect" }).click();
    await page.locator(part("socket-status", { status: "closed" })).waitFor();

    // What is described further down comes up into the console.
    await page.locator("#frame-run\\.generate").getByRole("button", { name: "Use in the console" }).click();
    assert.match(await page.getByLabel("What is sent").inputValue(), /"run\.generate"/);
  }));

test("what a socket is closed with is explained", () =>
  play({}, async ({ visit }) => {
    const page = await visit({ path: "/docs/protocol" });
    await page.getByLabel("Session", { exact: true }).fill("sess_00000000000000000000000001");
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page
      .locator(part("log"))
      .getByText(/4004.*No such session/)
      .waitFor();
  }));

test("where the server has a token, it is asked for on the page and sent everywhere", () => {
  const world = { env: { GREENROOM_SERVER__TOKEN: "s3cret" } };
  return play({ world, tolerated: [/WebSocket connection to/, /status of 401/] }, async ({ visit }) => {
    const page = await visit({ path: "/docs/protocol" });
    await page.getByLabel("Session", { exact: true }).fill("sess_00000000000000000000000001");
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    // A browser says nothing of why a socket does not open; the page finds it out.
    await page.locator(part("log")).getByText("AUTH_REQUIRED").waitFor();

    await page.goto("/docs");
    const create = await tryOut(page, "sessions_create");
    assert.equal(await (await send(create)).getAttribute("data-status"), "401");
    await page.getByRole("button", { name: "Keys" }).click();
    await page.getByLabel("Server token").fill("s3cret");
    await page.getByLabel("Server token").press("Tab");
    await page.keyboard.press("Escape");
    await create.getByRole("button", { name: /^Send / }).click();
    await create.locator(part("answer", { status: "200" })).waitFor();

    await page.goto("/docs/protocol");
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.locator(part("socket-status", { status: "open" })).waitFor();
  });
});

test("everything can be read where no script runs", () =>
  play({}, async ({ visit }) => {
    const context = { javaScriptEnabled: false, viewport: PHONE };
    const page = await visit({ path: "/docs", context });
    await page.getByRole("heading", { name: /POST .*\/message\/stream/ }).waitFor();
    await page.getByRole("button", { name: "Contents" }).click();
    await page
      .getByRole("navigation", { name: "Contents" })
      .getByRole("link", { name: "Runs", exact: true })
      .click();
    await page.goto("/docs/protocol#event-stage.completed");
    await page.getByRole("heading", { name: "stage.completed", exact: true }).waitFor();
    await page.goto("/docs/errors#LLM_TIMEOUT");
    await page.getByRole("row", { name: /LLM_TIMEOUT/ }).waitFor();
  }));

/** The numbers of the events in the log, in the order in which they came. @param {Locator} log */
async function numbersIn(log) {
  const shown = await log.locator('[data-kind="event"] .tabular').allTextContents();
  return shown.map((number) => Number(number.replace("#", ""))).reverse();
}

/** @param {Locator} log */
async function typesIn(log) {
  return log.locator(".log-type").allTextContents();
}
