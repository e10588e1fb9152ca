import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";

import { fold } from "../src/fold.js";
import { emptyState } from "../src/state.js";
import { EXAMPLES, JOURNAL_NAMES, eventId, journal, serverState } from "./support/journals.js";
import { generatedLogs } from "./support/streams.js";

/**
 * @typedef {import("../src/state.js").SessionState} SessionState
 * @typedef {import("../src/state.js").SessionEvent} SessionEvent
 * @typedef {import("../src/state.js").MessageItem} MessageItem
 */

/** @param {SessionEvent[]} events */
function folded(events) {
  return events.reduce(fold, emptyState("sess_1"));
}

/**
 * A log of types and data.
 *
 * @param {...[type: string, data: object]} facts
 * @returns {SessionEvent[]}
 */
function log(...facts) {
  return facts.map(([type, data], index) => /** @type {SessionEvent} */ (/** @type {unknown} */ ({
    event_id: eventId(index + 1),
    seq: index + 1,
    session_id: "sess_1",
    type,
    created_at: `at ${index + 1}`,
    data,
  })));
}

/** @param {SessionState} state */
function messages(state) {
  return state.timeline.filter((item) => item.kind === "message");
}

for (const name of JOURNAL_NAMES) {
  test(`${name}: the state is what the server's own fold has`, () => {
    const server = serverState(name);
    const state = folded(journal(name));
    const { slots, phase, locale, mode, playbook, gate, lastSeq } = state;
    assert.deepEqual({ phase, locale, mode, playbook, gate, lastSeq }, {
      phase: server.wire_state,
      locale: server.locale,
      mode: server.mode,
      playbook: server.playbook,
      gate: server.gate,
      lastSeq: server.head,
    });
    const filled = Object.values(slots).filter(({ value }) => value !== null);
    const brief = filled.map(({ path, value, confidence, source }) => [path, { value, confidence, source }]);
    assert.deepEqual(Object.fromEntries(brief), server.brief.slots);
    assertConversation(state, server);
    assertRuns(state, server);
  });
}

/**
 * @param {SessionState} state
 * @param {any} server
 */
function assertConversation(state, server) {
  // The server's snapshots leave out what was flagged; the log has it.
  const kept = new Set(server.conversation.messages.map((/** @type {any} */ message) => message.message_id));
  const known = messages(state).filter(({ messageId }) => kept.has(messageId));
  assert.deepEqual(
    known.map(({ messageId, text, truncated, role }) => ({ messageId, text, truncated, role })),
    server.conversation.messages.map((/** @type {any} */ { message_id, text, truncated, role }) => (
      { messageId: message_id, text, truncated, role })),
  );
  assert.deepEqual(
    known.filter(({ heard }) => heard !== null).map(({ messageId, heard }) => [messageId, heard]),
    server.conversation.heard.map((/** @type {any} */ { message_id, text, heard_ms }) => (
      [message_id, { text, ms: heard_ms }])),
  );
  const planning = server.turn === "idle" ? null : server.turn.planning;
  assert.equal(state.turn?.turnId ?? null, planning?.turn_id ?? null);
  assert.equal(state.reply?.text ?? "", planning?.reply ?? "");
}

/**
 * @param {SessionState} state
 * @param {any} server
 */
function assertRuns(state, server) {
  assert.equal(state.runs.at(-1)?.runId ?? null, server.newest_run);
  assert.deepEqual(new Set(state.runs.map(({ runId }) => runId)), new Set(Object.keys(server.runs)));
  const [[phase, run] = []] = typeof server.phase === "string" ? [] : Object.entries(server.phase);
  const status = { running: "running", failed: "failed", done: "completed" }[phase ?? ""];
  if (status === undefined) return;
  const newest = state.runs.find(({ runId }) => runId === run.run_id);
  assert.equal(newest?.status, status);
  for (const [id, stage] of Object.entries(run.stages ?? {})) {
    assertStage(newest?.stages.find((each) => each.id === id), stage);
  }
}

/**
 * @param {import("../src/state.js").Stage | undefined} ours
 * @param {any} server
 */
function assertStage(ours, server) {
  if (server === "waiting") {
    assert.equal(ours?.status, "waiting");
  } else if (server.completed !== undefined) {
    const { output, dropped, provenance } = server.completed.completed;
    assert.deepEqual(
      { output: ours?.output, dropped: ours?.dropped, provenance: ours?.provenance, status: ours?.status },
      { output, dropped, provenance, status: "completed" },
    );
  } else if (server.failed !== undefined) {
    const { attempt, error } = server.failed;
    assert.deepEqual([ours?.status, ours?.attempt, ours?.error], ["failed", attempt, error]);
    assert.equal(ours?.output, null);
  } else {
    // Between two attempts, and while an output is checked, it is under way as far as anybody is told.
    const { running, backoff, checking } = server;
    const attempt = running?.number ?? backoff?.failed_attempt ?? checking.attempt.number;
    assert.deepEqual([ours?.status, ours?.attempt], ["running", attempt]);
  }
}

/** What each type changes, in a session that has a run, a message and a turn. */
const CHANGED_BY_TYPE = {
  "session.started": ["phase", "playbook"],
  "session.restarted": ["timeline"],
  "session.stopped": ["timeline"],
  "turn.started": ["turn"],
  "message.added": ["timeline"],
  "message.heard": ["timeline"],
  "planner.delta": ["reply"],
  "slot.updated": ["slots"],
  "gate.ready": ["gate"],
  "gate.changed": ["gate"],
  "gate.waived": ["waiver"],
  "turn.completed": ["turn", "lastTurn"],
  "run.started": ["timeline", "runs"],
  "stage.changed": ["phase", "runs"],
  "stage.started": ["runs"],
  "stage.completed": ["runs"],
  "asset.ready": ["assets"],
  "job.updated": ["jobs"],
  "run.cancelled": ["runs"],
  "run.completed": ["runs"],
  "budget.warning": ["timeline", "costsWarnings"],
  "call.reserved": [],
  "call.settled": [],
  error: ["timeline", "runs"],
  "research.delta": ["runs"],
};

test("every type of the protocol changes what it is about, and nothing else", () => {
  const { "run.started": run, "message.added": message, "turn.started": turn } = EXAMPLES;
  const before = folded(/** @type {SessionEvent[]} */ ([run, message, turn]));
  assert.deepEqual(Object.keys(EXAMPLES), Object.keys(CHANGED_BY_TYPE));
  for (const event of Object.values(EXAMPLES)) {
    const { lastEventId, lastSeq, events, ...after } = fold(before, event);
    assert.deepEqual([lastEventId, lastSeq, events], [event.event_id, event.seq, 4]);
    const parts = Object.keys(after);
    const changed = parts.filter((part) => Reflect.get(before, part) !== Reflect.get(after, part));
    assert.deepEqual(new Set(changed), new Set(Reflect.get(CHANGED_BY_TYPE, event.type)), event.type);
  }
});

test("types that nobody knows are counted and change nothing", () => {
  const before = folded([EXAMPLES["session.started"]]);
  for (const type of ["poster.hung", "__proto__", "toString", "strange.delta"]) {
    const after = folded([EXAMPLES["session.started"], ...log([type, { stage: 1 }])]);
    assert.deepEqual({ ...after, events: 1, lastSeq: 1, lastEventId: "evt_00001" }, before, type);
    assert.equal(after.events, 2);
  }
});

test("a reply grows, begins anew with a higher attempt, and gives way to its message", () => {
  const events = log(
    ["turn.started", { turn_id: "t", turn: 1, modality: "text" }],
    ["planner.delta", { turn_id: "t", attempt: 1, path: "/reply", append: "Gu" }],
    ["planner.delta", { turn_id: "t", attempt: 1, path: "/reply", append: "ess" }],
    ["planner.delta", { turn_id: "t", attempt: 2, asks: "a.b", path: "/reply", append: "Wh" }],
    ["planner.delta", { turn_id: "t", attempt: 1, path: "/reply", append: "late" }],
    ["planner.delta", { turn_id: "t", attempt: 2, asks: "a.b", path: "/reply", append: "at?" }],
    ["planner.delta", { turn_id: "t", attempt: 2, path: "", value: null }],
    ["message.added", { ...EXAMPLES["message.added"].data, turn_id: "t", text: "What?" }],
    ["turn.completed", { turn_id: "t", outcome: "ok", latency: { total_ms: 1, segments: [] } }],
  );
  const replies = events.map((_, index) => folded(events.slice(0, index + 1)).reply);
  const texts = replies.map((reply) => reply && reply.text);
  assert.deepEqual(texts, [null, "Gu", "Guess", "Wh", "Wh", "What?", "", null, null]);
  assert.deepEqual(replies.map((reply) => reply && reply.asks).slice(4, 6), ["a.b", "a.b"]);
  const state = folded(events);
  assert.equal(messages(state)[0]?.text, "What?");
  assert.equal(state.turn, null);
  assert.equal(state.lastTurn?.outcome, "ok");
});

test("what a failed attempt showed is void", () => {
  const failures = [{ stage: "s", attempt: 2, error: EXAMPLES.error.data }];
  const completed = { ...EXAMPLES["stage.completed"].data, run_id: "r", stage: "s", output: { a: "three" } };
  const events = log(
    ["run.started", { ...EXAMPLES["run.started"].data, run_id: "r", stages: ["s"] }],
    ["stage.started", { run_id: "r", stage: "s", attempt: 1 }],
    ["s.delta", { run_id: "r", stage: "s", attempt: 1, path: "/a", append: "one" }],
    ["error", { ...EXAMPLES.error.data, run_id: "r", stage: "s", attempt: 1, will_retry: true }],
    ["stage.started", { run_id: "r", stage: "s", attempt: 2 }],
    ["s.delta", { run_id: "r", stage: "s", attempt: 1, path: "/a", append: "late" }],
    ["s.delta", { run_id: "r", stage: "s", attempt: 2, path: "/a", append: "two" }],
    ["error", { ...EXAMPLES.error.data, run_id: "r", stage: "s", attempt: 2, will_retry: false }],
    ["stage.changed", { run_id: "r", state: "FAILED", failures }],
    ["s.delta", { run_id: "r", stage: "s", attempt: 2, path: "/a", append: "later" }],
    ["stage.changed", { run_id: "r", state: "RUN" }],
    ["stage.started", { run_id: "r", stage: "s", attempt: 3 }],
    ["stage.completed", { ...completed, attempt: 3 }],
    ["s.delta", { run_id: "r", stage: "s", attempt: 3, path: "/a", append: "last" }],
  );
  const steps = events.map((_, index) => {
    const run = folded(events.slice(0, index + 1)).runs[0];
    const stage = run?.stages[0];
    return [run?.status, stage?.status, stage?.attempt, stage?.output, stage?.error?.code ?? null];
  });
  const code = EXAMPLES.error.data.code;
  assert.deepEqual(steps, [
    ["running", "waiting", 0, null, null],
    ["running", "running", 1, null, null],
    ["running", "running", 1, { a: "one" }, null],
    ["running", "running", 1, null, code],
    ["running", "running", 2, null, code],
    ["running", "running", 2, null, code],
    ["running", "running", 2, { a: "two" }, code],
    ["running", "failed", 2, null, code],
    ["failed", "failed", 2, null, code],
    ["failed", "failed", 2, null, code],
    ["running", "failed", 2, null, code],
    ["running", "running", 3, null, code],
    ["running", "completed", 3, { a: "three" }, null],
    ["running", "completed", 3, { a: "three" }, null],
  ]);
});

test("a waiver belongs to the run that follows it, and to no other", () => {
  const waived = { run_id: "r", missing_required: ["a.b"], low_confidence: [] };
  const started = { ...EXAMPLES["run.started"].data, draft: true };
  const ours = folded(log(["gate.waived", waived], ["run.started", { ...started, run_id: "r" }]));
  assert.deepEqual(ours.runs[0]?.waived?.missing_required, ["a.b"]);
  assert.equal(ours.waiver, null);
  const another = folded(log(["gate.waived", waived], ["run.started", { ...started, run_id: "q" }]));
  assert.equal(another.runs[0]?.waived, null);
});

test("a cancelled run leaves no stage running, and nothing late of it is shown", () => {
  const state = folded(log(
    ["run.started", { ...EXAMPLES["run.started"].data, run_id: "r", stages: ["s"] }],
    ["stage.started", { run_id: "r", stage: "s", attempt: 1 }],
    ["s.delta", { run_id: "r", stage: "s", attempt: 1, path: "/a", append: "one" }],
    ["run.cancelled", { run_id: "r" }],
    ["s.delta", { run_id: "r", stage: "s", attempt: 1, path: "/a", append: "late" }],
    ["stage.changed", { run_id: "r", state: "BRIEF_READY" }],
  ));
  const { status, endedAt, stages } = state.runs[0] ?? assert.fail();
  assert.deepEqual([status, endedAt], ["cancelled", "at 4"]);
  assert.deepEqual([stages[0]?.status, stages[0]?.output], ["waiting", null]);
});

test("an edit stands in the timeline, what was said does not", () => {
  const slot = { path: "a.b", value: "x", confidence: 1 };
  const state = folded(log(
    ["slot.updated", { ...slot, source: { kind: "turn", turn_id: "t", words: "x" }, turn_id: "t" }],
    ["slot.updated", { ...slot, value: null, source: { kind: "edit" } }],
  ));
  assert.deepEqual(state.timeline.map(({ kind, seq }) => [kind, seq]), [["slot_edit", 2]]);
  assert.equal(state.slots["a.b"]?.value, null);
});

test("what a simulator wrote marks the session", () => {
  const call = { kind: "model", provider: "p", model: "m", call_id: "c" };
  for (const type of ["message.added", "stage.completed", "asset.ready"]) {
    for (const simulated of [false, true]) {
      const provenance = { ...call, simulated };
      const state = folded(log([type, { ...EXAMPLES[type]?.data, provenance }]));
      assert.equal(state.simulated, simulated, type);
    }
  }
});

test("the state before is left as it was, and parts that an event is not about are shared", () => {
  fc.assert(fc.property(generatedLogs, (events) => {
    let state = deepFrozen(emptyState("sess_1"));
    for (const event of events) {
      const next = fold(state, deepFrozen(event));
      if (event.type.startsWith("call.")) {
        const { lastEventId: _, lastSeq: __, events: ___, ...rest } = next;
        for (const [part, value] of Object.entries(rest)) assert.equal(value, Reflect.get(state, part), part);
      }
      state = deepFrozen(next);
    }
  }));
});

/**
 * @template Value
 * @param {Value} value
 * @returns {Value}
 */
function deepFrozen(value) {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFrozen(part);
  }
  return value;
}
