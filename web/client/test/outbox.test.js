import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";

import { ApiError } from "../src/errors.js";
import { settle } from "./support/fake_clock.js";
import { EXAMPLES, eventId } from "./support/journals.js";
import { sessionBench } from "./support/session_bench.js";

/** @typedef {import("./support/fake_socket.js").ServerEnd} ServerEnd */

const RETRY_WITHIN_MS = 30_000;

/** @param {any} frame */
function accepted({ id }, more = {}) {
  return { type: "accepted", id, turn_id: "turn_A", seq: 7, duplicate: false, ...more };
}

/** @param {any} frame @param {string} code */
function rejected({ id }, code, retry_after = null) {
  const error = { code, message: code, details: { a: 1 }, retryable: true, retry_after };
  return { type: "rejected", id, error };
}

/**
 * @param {Promise<unknown>} promise
 * @returns {Promise<ApiError>}
 */
async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  return assert.fail("it did not fail");
}

/** @param {ServerEnd} end */
function commands(end) {
  return end.received.filter(({ type }) => type !== "ping");
}

test("each command is the frame that the protocol has for it", () => {
  const bench = sessionBench();
  const end = bench.letIn();
  const { session } = bench;
  const asked = [
    session.send("hello"),
    session.setSlot("a.b", null),
    session.generate(),
    session.generate({ draft: true }),
    session.cancelRun(),
    session.retryRun(),
    session.cancelResponse(),
  ];
  const frames = [];
  for (let answered = 0; answered < asked.length; answered += 1) {
    const frame = commands(end)[answered] ?? assert.fail();
    frames.push(frame);
    end.tell(accepted(frame));
  }
  assert.deepEqual(frames, [
    { type: "user.message", text: "hello", id: "id-1" },
    { type: "slot.set", path: "a.b", value: null, id: "id-2" },
    { type: "run.generate", draft: false, id: "id-3" },
    { type: "run.generate", draft: true, id: "id-4" },
    { type: "run.cancel", id: "id-5" },
    { type: "run.retry", id: "id-6" },
    { type: "response.cancel", id: "id-7" },
  ]);
  session.close();
});

test("an answer settles its command", async () => {
  const bench = sessionBench();
  const end = bench.letIn();
  const taken = bench.session.send("one");
  const refused = bench.session.send("two");
  assert.deepEqual(bench.session.pending.map(({ id }) => id), ["id-1", "id-2"]);
  const [first, second] = commands(end);
  end.tell(rejected(second, "SYS_RATE_LIMIT", /** @type {any} */ (12)));
  end.tell(accepted(first));
  assert.deepEqual(await taken, { turn_id: "turn_A", run_id: null, seq: 7, duplicate: false });
  const { code, retryable, retryAfter, details } = await failure(refused);
  assert.deepEqual({ code, retryable, retryAfter, details }, {
    code: "SYS_RATE_LIMIT", retryable: true, retryAfter: 12, details: { a: 1 },
  });
  assert.deepEqual(bench.session.pending, []);
  bench.session.close();
});

test("what has no answer is sent again under its id, once what was missed is known", async () => {
  const bench = sessionBench();
  const taken = bench.session.send("one");
  const first = bench.letIn();
  first.close(1006);
  await bench.clock.advance(RETRY_WITHIN_MS);
  bench.session.retryNow();
  const second = bench.end();
  second.accept();
  second.tell({ ...EXAMPLES["session.started"], seq: 1, event_id: eventId(1) });
  assert.deepEqual(commands(second), []);
  second.tell({ type: "replay.done", seq: 1 });
  assert.deepEqual(commands(second), commands(first));
  second.tell(accepted(commands(second)[0], { duplicate: true }));
  assert.equal((await taken).duplicate, true);
  bench.session.close();
});

test("what is refused because the server drains waits for the next connection", async () => {
  const bench = sessionBench();
  const taken = bench.session.send("one");
  const first = bench.letIn();
  first.tell({ type: "server.draining", reconnect_after_ms: 500 });
  first.tell(rejected(commands(first)[0], "SYS_DRAINING"));
  void bench.session.send("two");
  assert.equal(commands(first).length, 1, "nothing more is sent into a drain");
  first.close(1012);
  await bench.clock.advance(500);
  const second = bench.letIn();
  assert.deepEqual(commands(second).map(({ id }) => id), ["id-1", "id-2"]);
  for (const frame of commands(second)) second.tell(accepted(frame));
  assert.equal((await taken).duplicate, false);
  bench.session.close();
});

test("no more turns are under way at once than a socket may have, and they go in order", () => {
  const bench = sessionBench();
  const texts = ["a", "b", "c", "d", "e", "f"];
  for (const text of texts) void bench.session.send(text);
  const end = bench.letIn();
  assert.equal(commands(end).length, 4);
  end.tell(accepted(commands(end)[0]));
  assert.equal(commands(end).length, 5);
  end.tell(accepted(commands(end)[2]));
  assert.deepEqual(commands(end).map(({ text }) => text), texts);
  for (const frame of commands(end)) end.tell(accepted(frame));
  bench.session.close();
});

test("more than may wait is refused", async () => {
  const bench = sessionBench();
  const asked = Array.from({ length: 32 }, () => bench.session.send("x"));
  assert.equal((await failure(bench.session.send("x"))).code, "CLIENT_QUEUE_FULL");
  bench.session.close();
  for (const promise of asked) assert.equal((await failure(promise)).code, "CLIENT_CLOSED");
});

test("a cancel is not kept for what came in the place of what it was meant for", async () => {
  const bench = sessionBench();
  const turn = (/** @type {number} */ seq, /** @type {string} */ turn_id) => ({
    ...EXAMPLES["turn.started"],
    seq,
    event_id: eventId(seq),
    data: { turn_id, turn: seq, modality: "text" },
  });
  const first = bench.letIn();
  first.tell(turn(1, "turn_A"));
  const cancelled = bench.session.cancelResponse();
  first.close(1006);
  await bench.clock.advance(RETRY_WITHIN_MS);
  bench.session.retryNow();
  const second = bench.end();
  second.accept();
  second.tell(turn(2, "turn_B"));
  second.tell({ type: "replay.done", seq: 2 });
  assert.equal((await failure(cancelled)).code, "CLIENT_OUTDATED");
  assert.deepEqual(commands(second), []);
  bench.session.close();
});

test("a session that is gone fails what waits, and whatever is asked of it", async () => {
  const bench = sessionBench();
  const asked = bench.session.send("one");
  bench.letIn().close(4004);
  assert.equal((await failure(asked)).code, "CLIENT_CLOSED");
  assert.equal((await failure(bench.session.send("two"))).code, "CLIENT_CLOSED");
});

/** How far a command comes on a socket that is cut: not to the server, to it, or even back. */
const cut = fc.record({
  reach: fc.nat(6),
  answers: fc.nat(6),
  code: fc.constantFrom(1006, 1012, 1013, 4008),
});
const cuts = fc.array(cut, { maxLength: 12 });

test("each command is done once and in order, and answered once, whatever is cut", async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.string(), { maxLength: 20 }), cuts, async (texts, plan) => {
    /** @type {Map<string, { text: string, seq: number }>} */
    const done = new Map();
    const left = plan[Symbol.iterator]();
    const bench = sessionBench({
      onConnect: (end) => queueMicrotask(() => {
        const { value: cut, done: isGood } = left.next();
        let reached = 0;
        let answered = 0;
        end.onFrame = (frame) => {
          if (frame.type === "ping") return;
          if (!isGood && reached >= cut.reach) return end.close(cut.code);
          reached += 1;
          const before = done.get(frame.id);
          if (before === undefined) done.set(frame.id, { text: frame.text, seq: done.size + 1 });
          const { seq } = done.get(frame.id) ?? assert.fail();
          if (!isGood && answered >= cut.answers) return end.close(cut.code);
          answered += 1;
          queueMicrotask(() => end.tell(accepted(frame, { seq, duplicate: before !== undefined })));
        };
        end.accept();
        end.tell({ type: "replay.done", seq: 0 });
      }),
    });
    /** @type {Array<import("../src/outbox.js").Accepted[]>} */
    const answers = texts.map(() => []);
    const asked = texts.map(async (text, index) => {
      answers[index]?.push(await bench.session.send(text));
    });
    for (let round = 0; round < 40 && bench.session.pending.length > 0; round += 1) {
      await bench.clock.advance(60_000);
    }
    await Promise.all(asked);
    await settle();
    assert.deepEqual([...done.values()].map(({ text }) => text), texts);
    assert.deepEqual(answers.map((each) => each.map(({ seq }) => seq)), texts.map((_, index) => [index + 1]));
    bench.session.close();
  }), { numRuns: 100 });
});

test("what is too large for a frame is refused at once, and holds nothing up", async () => {
  const bench = sessionBench();
  const end = bench.letIn();
  const error = await failure(bench.session.send("한".repeat(22_000)));
  assert.deepEqual([error.code, error.retryable], ["INPUT_TOO_LARGE", false]);
  assert.deepEqual([bench.session.pending, commands(end)], [[], []]);
  bench.session.close();
});
