// A line that shuffles, repeats, swallows, cuts and mutters, before a server that resumes after the last
// event id: the session comes to the very state that the plain log folds to, and has applied each event once,
// in order.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";

import { fold } from "../src/fold.js";
import { emptyState } from "../src/state.js";
import { logs } from "./support/streams.js";
import { sessionBench } from "./support/session_bench.js";

/**
 * @typedef {import("../src/state.js").SessionEvent} SessionEvent
 * @typedef {import("./support/fake_socket.js").ServerEnd} ServerEnd
 */

/** What the line does with what the server says next. */
const faults = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ kind: "pass" }) },
  fc.record({ kind: fc.constant("repeat"), back: fc.nat(20) }),
  fc.record({ kind: fc.constant("swallow"), count: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ kind: fc.constant("shuffle"), order: fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }) }),
  fc.record({ kind: fc.constant("cut"), code: fc.constantFrom(1000, 1006, 1011, 1012, 1013, 4008) }),
  fc.record({ kind: fc.constant("mutter"), text: fc.constantFrom("{", "null", "[", "\"x\"", "{}") }),
  fc.constant({ kind: "hush" }),
  fc.constant({ kind: "refuse" }),
);

/** Longer than any backoff, and than a silence is borne. */
const LONG_MS = 120_000;
const FIRST_RETRY_WITHIN_MS = 500;
const CONNECTIONS_MAX = 400;

/**
 * One end of a line that is bad as long as there are faults, then good.
 *
 * @param {ServerEnd} end
 * @param {SessionEvent[]} log
 * @param {Iterator<any>} plan
 */
function serve(end, log, plan) {
  const after = Number(end.lastEventId?.slice("evt_".length));
  let at = after;
  queueMicrotask(() => {
    end.accept();
    while (end.isLive && at < log.length) {
      const { value: fault = { kind: "pass" }, done } = plan.next();
      const kind = done ? "pass" : fault.kind;
      if (kind === "hush") return;
      if (kind === "refuse") return end.close(1006);
      if (kind === "cut") return end.close(fault.code);
      if (kind === "mutter") end.tell(fault.text);
      if (kind === "repeat") end.tell(log[Math.max(0, at - 1 - fault.back)] ?? {});
      if (kind === "swallow") at += fault.count;
      if (kind === "shuffle") {
        for (const offset of fault.order) {
          const event = log[at + offset];
          if (event !== undefined) end.tell(event);
        }
        at += fault.order.length;
      }
      const next = log[at];
      at += 1;
      if (kind === "pass" && next !== undefined) end.tell(next);
    }
    end.tell({ type: "replay.done", seq: log.length });
  });
}

test("nothing is lost and nothing is applied twice, whatever the line does", async () => {
  const plans = fc.array(faults, { maxLength: 60 });
  await fc.assert(fc.asyncProperty(logs, plans, fc.nat(), async (log, plan, seed) => {
    const faultsLeft = plan[Symbol.iterator]();
    let chance = seed;
    const bench = sessionBench({
      onConnect: (end) => serve(end, log, faultsLeft),
      random: () => (chance = (chance * 16_807 + 1) % 2_147_483_647) / 2_147_483_647,
    });
    try {
      for (let left = CONNECTIONS_MAX; left > 0; left -= 1) {
        if (bench.session.state.lastSeq === log.length && !bench.session.state.replaying) break;
        await bench.clock.advance(LONG_MS);
      }
      const applied = bench.changes.flatMap(({ event }) => (event === undefined ? [] : [event]));
      assert.deepEqual(applied.map(({ seq }) => seq), log.map(({ seq }) => seq));
      assert.deepEqual(applied, log);
      const plain = log.reduce(fold, emptyState("sess_1"));
      assert.deepEqual(bench.session.state, { ...plain, replaying: false });
    } finally {
      bench.session.close();
    }
    assert.equal(bench.clock.timers(), 0, "a closed session leaves no timer");
  }), { numRuns: 150 });
});

test("a client of a half of the log goes on with the other half", async () => {
  await fc.assert(fc.asyncProperty(logs, fc.nat(), async (log, cut) => {
    const half = cut % log.length;
    const bench = sessionBench();
    const first = bench.end();
    first.accept();
    for (const event of log.slice(0, half)) first.tell(event);
    first.close(1006);
    await bench.clock.advance(FIRST_RETRY_WITHIN_MS);
    const second = bench.ends[1] ?? assert.fail();
    assert.equal(second.lastEventId, half === 0 ? "evt_00000" : log[half - 1]?.event_id);
    second.accept();
    // The old socket's server has not noticed yet, and goes on.
    first.isLive = true;
    for (const event of log.slice(half)) {
      first.tell(event);
      second.tell(event);
    }
    const { replaying: _, ...state } = bench.session.state;
    const { replaying: __, ...plain } = log.reduce(fold, emptyState("sess_1"));
    assert.deepEqual(state, plain);
    bench.session.close();
  }), { numRuns: 50 });
});
