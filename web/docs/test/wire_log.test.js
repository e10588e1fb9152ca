// The log of a socket is bounded, and is told apart by what its entries are.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ENTRIES_MAX, kindOf, matching, withEntry } from "../wire_log.js";

/** @typedef {import("../wire_log.js").Entry} Entry */

test("only the newest entries are kept, and their numbers go on", () => {
  /** @type {Entry[]} */
  let entries = [];
  for (let index = 0; index < ENTRIES_MAX + 5; index += 1) {
    entries = withEntry(entries, { kind: "event", type: "planner.delta", seq: index, atMs: 0, source: "{}" });
  }
  assert.equal(entries.length, ENTRIES_MAX);
  assert.deepEqual([entries[0]?.number, entries.at(-1)?.number], [6, ENTRIES_MAX + 5]);
});

test("entries are found by their kind and a part of their type", () => {
  /** @type {Entry[]} */
  const entries = [
    { number: 1, kind: "sent", type: "ping", seq: null, atMs: 0, source: "" },
    { number: 2, kind: "signal", type: "pong", seq: null, atMs: 0, source: "" },
    { number: 3, kind: "event", type: "turn.started", seq: 1, atMs: 0, source: "" },
  ];
  const numbers = (/** @type {import("../wire_log.js").Filter} */ filter) =>
    matching(entries, filter).map(({ number }) => number);
  assert.deepEqual(numbers({ kind: "all", type: "" }), [1, 2, 3]);
  assert.deepEqual(numbers({ kind: "all", type: " N" }), [1, 2, 3]);
  assert.deepEqual(numbers({ kind: "all", type: "TURN" }), [3]);
  assert.deepEqual(numbers({ kind: "signal", type: "p" }), [2]);
});

test("an event has a number, a signal has none, and nonsense is no event", () => {
  assert.deepEqual(kindOf({ type: "turn.started", seq: 4, event_id: "evt_00004" }), {
    kind: "event",
    type: "turn.started",
    seq: 4,
    eventId: "evt_00004",
  });
  // `accepted` tells a number of an event, and is none.
  assert.equal(kindOf({ type: "accepted", seq: 4, id: "c-1" }).kind, "signal");
  assert.equal(kindOf(null).type, "?");
});
