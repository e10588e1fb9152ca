// @ts-check
// The client without a page, before a real server that is killed, drained and cut off: its state is what the log folds to.

import assert from "node:assert/strict";
import { test } from "node:test";

import { GreenroomClient, emptyState, fold } from "../client/src/index.js";
import { startWorld } from "./world.mjs";

/** Slow enough to be killed in the middle of a stage. */
const UNHURRIED = ["--first-token-ms", "100", "--tokens-per-second", "400"];
/** Long enough for a run with a restart in it on a busy machine. */
const PATIENCE_MS = 90_000;
const EVENTS_PAGE = 1_000;

/** @type {ReadonlyArray<[string, unknown]>} */
const BRIEF = [
  ["product.name", "Morning Glow"],
  ["product.category", "skincare"],
  ["product.features", ["gentle", "fast", "vegan"]],
  ["product.price_band", "mid"],
  ["target.who", "women in their twenties"],
  ["target.why", "calms the skin"],
  ["channel.channels", ["instagram"]],
  ["goal.weekly_goal", "purchase"],
];

/**
 * @typedef {import("../client/src/index.js").GreenroomSession} GreenroomSession
 * @typedef {import("../client/src/index.js").SessionEvent} SessionEvent
 * @typedef {import("../client/src/index.js").SessionState} SessionState
 * @typedef {import("./world.mjs").World} World
 */

/**
 * A session of a world, with the events that it applied.
 *
 * @param {World} world
 */
async function openIn(world) {
  const client = new GreenroomClient({ baseUrl: world.url, userKey: "somebody", locale: "en" });
  const { session_id } = await client.createSession({ locale: "en" });
  const session = client.openSession(session_id);
  /** @type {SessionEvent[]} */
  const applied = [];
  session.subscribe((_, { event }) => event && applied.push(event));
  return { client, session, applied };
}

/**
 * @param {GreenroomSession} session
 * @param {(state: SessionState) => boolean} condition
 * @returns {Promise<void>}
 */
function until(session, condition) {
  if (condition(session.state)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const impatience = setTimeout(() => {
      stop();
      reject(new Error(`it stays ${session.state.phase}, ${JSON.stringify(session.connection)}`));
    }, PATIENCE_MS);
    const stop = session.subscribe((state) => {
      if (!condition(state)) return;
      clearTimeout(impatience);
      stop();
      resolve();
    });
  });
}

/**
 * The log as the server has it on disk.
 *
 * @param {World} world
 * @param {string} sessionId
 * @returns {Promise<SessionEvent[]>}
 */
async function logOf({ url }, sessionId) {
  /** @type {SessionEvent[]} */
  const events = [];
  for (;;) {
    const answer = await fetch(
      `${url}/api/chat/session/${sessionId}/events?after=${events.length}&limit=${EVENTS_PAGE}`,
      { headers: { Accept: "application/json", "X-User-Key": "somebody" } },
    );
    const page = await answer.json();
    events.push(...page.events);
    if (page.next_after >= page.head) return events;
  }
}

/**
 * @param {World} world
 * @param {GreenroomSession} session
 * @param {SessionEvent[]} applied
 */
async function assertWhole(world, session, applied) {
  const log = await logOf(world, session.sessionId);
  await until(session, ({ lastSeq, replaying }) => lastSeq >= log.length && !replaying);
  assert.deepEqual(applied.slice(0, log.length), log);
  assert.deepEqual(applied.map(({ seq }) => seq), applied.map((_, index) => index + 1));
  const plain = applied.reduce(fold, emptyState(session.sessionId));
  assert.deepEqual(session.state, { ...plain, replaying: false });
}

/** @param {GreenroomSession} session */
async function fillBrief(session) {
  for (const [path, value] of BRIEF) await session.setSlot(path, value);
  await until(session, ({ gate }) => gate?.ready === true);
}

test("a run goes on in the client when the server is killed in the middle of it", async () => {
  const world = await startWorld({ simulator: UNHURRIED });
  const { session, applied } = await openIn(world);
  try {
    await fillBrief(session);
    await session.generate();
    await until(session, ({ runs }) => runs[0]?.stages.some(({ output, status }) => output && status === "running") ?? false);
    await world.kill();
    // What is asked of a server that is away is answered when it is back.
    const asked = session.send("How far are you?");
    await until(session, () => session.connection.status !== "open");
    await world.start();
    session.retryNow();
    const { duplicate } = await asked;
    assert.equal(duplicate, false);
    await until(session, ({ phase }) => phase === "DONE");
    assert.equal(session.state.simulated, true);
    assert.deepEqual(session.state.runs[0]?.stages.map(({ status }) => status), Array(4).fill("completed"));
    await assertWhole(world, session, applied);
  } finally {
    session.close();
    await world.close();
  }
});

test("a server that drains says when to come back, and is come back to", async () => {
  const world = await startWorld();
  const { session, applied } = await openIn(world);
  try {
    await until(session, ({ replaying }) => !replaying);
    const reasons = new Set();
    session.subscribe((_, { connection }) => connection && reasons.add(`${connection.status} ${connection.reason}`));
    world.askToEnd();
    await world.ended();
    await until(session, () => session.connection.status === "waiting");
    const asked = session.send("Hello?");
    await world.start();
    await asked;
    assert.ok(reasons.has("open draining"), [...reasons].join());
    assert.ok(reasons.has("waiting draining"), [...reasons].join());
    assert.equal(session.connection.status, "open");
    await until(session, ({ lastTurn }) => lastTurn !== null);
    await assertWhole(world, session, applied);
  } finally {
    session.close();
    await world.close();
  }
});

test("a session that is erased is gone for whoever has it open, and for whoever opens it", async () => {
  const world = await startWorld();
  const { client, session } = await openIn(world);
  try {
    await until(session, ({ replaying }) => !replaying);
    await client.deleteSession(session.sessionId);
    await until(session, () => session.connection.status === "closed");
    assert.equal(session.connection.reason, "gone");
    const again = client.openSession(session.sessionId);
    await until(again, () => again.connection.status === "closed");
    assert.equal(again.connection.reason, "gone");
    await assert.rejects(client.showSession(session.sessionId), { code: "SESSION_GONE", status: 410 });
  } finally {
    session.close();
    await world.close();
  }
});

test("a client that asks for a token is told to be given it, and goes on once it is", async () => {
  const world = await startWorld({ env: { GREENROOM_SERVER__TOKEN: "secret-of-this-test" } });
  const client = new GreenroomClient({ baseUrl: world.url, userKey: "somebody" });
  try {
    await assert.rejects(client.createSession(), { code: "AUTH_REQUIRED", status: 401 });
    client.token = "secret-of-this-test";
    const { session_id } = await client.createSession();
    client.token = "not the secret".replaceAll(" ", "-");
    const session = client.openSession(session_id);
    await until(session, () => session.connection.status === "closed");
    assert.equal(session.connection.error?.code, "AUTH_REQUIRED");
    client.token = "secret-of-this-test";
    session.retryNow();
    await until(session, ({ replaying }) => !replaying);
    session.close();
  } finally {
    await world.close();
  }
});
