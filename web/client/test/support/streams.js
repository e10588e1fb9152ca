// Logs that no server wrote, but that one could: every type of event, in any order, about few turns and runs.

import fc from "fast-check";

import { EXAMPLES, JOURNAL_NAMES, eventId, journal } from "./journals.js";

/** @typedef {import("../../src/state.js").SessionEvent} SessionEvent */

const SESSION_ID = EXAMPLES["session.started"].session_id;
const STAGES = ["research", "strategy", "creative"];

const turnId = fc.constantFrom("turn_A", "turn_B");
const runId = fc.constantFrom("run_A", "run_B");
const attempt = fc.integer({ min: 1, max: 3 });
const stage = fc.constantFrom(...STAGES);
const role = fc.constantFrom("user", "assistant");
const ended = fc.constantFrom("run.cancelled", "run.completed");
const token = fc.constantFrom("0", "1", "2", "a", "b", "", "~0", "~1", "__proto__", "constructor", "~");
const path = fc.array(token, { maxLength: 4 }).map((tokens) => tokens.map((each) => `/${each}`).join(""));
const change = fc.oneof(
  fc.record({ path, append: fc.string({ maxLength: 5 }) }),
  fc.record({ path, value: fc.jsonValue({ maxDepth: 2 }) }),
  fc.constant({ path: "", value: null }),
);

/** Types whose scope matters to the fold, with data about few things so that they meet. */
const scoped = fc.oneof(
  fc.record({ turn_id: turnId, attempt, change }).map(({ change: at, ...data }) => (
    { type: "planner.delta", data: { ...data, ...at } })),
  fc.record({ run_id: runId, stage, attempt, change }).map(({ change: at, ...data }) => (
    { type: `${data.stage}.delta`, data: { ...data, ...at } })),
  fc.record({ turn_id: turnId, turn: attempt, modality: fc.constantFrom("text", "voice") }).map((data) => (
    { type: "turn.started", data })),
  fc.record({ turn_id: turnId, role, text: fc.string() }).map((data) => (
    { type: "message.added", data: { ...EXAMPLES["message.added"].data, ...data } })),
  turnId.map((turn_id) => (
    { type: "turn.completed", data: { ...EXAMPLES["turn.completed"].data, turn_id } })),
  runId.map((run_id) => (
    { type: "run.started", data: { ...EXAMPLES["run.started"].data, run_id, stages: STAGES } })),
  fc.record({ run_id: runId, stage, attempt }).map((data) => ({ type: "stage.started", data })),
  fc.record({ run_id: runId, stage, attempt }).map((data) => (
    { type: "stage.completed", data: { ...EXAMPLES["stage.completed"].data, ...data } })),
  fc.record({ run_id: runId, stage, attempt, will_retry: fc.boolean() }).map((data) => (
    { type: "error", data: { ...EXAMPLES.error.data, ...data } })),
  fc.record({ run_id: runId, state: fc.constantFrom("FAILED", "RUN_RESEARCH") }).map((data) => (
    { type: "stage.changed", data })),
  fc.record({ run_id: runId, type: ended }).map(({ run_id, type }) => (
    { type, data: { run_id, draft: false } })),
);
const example = fc.constantFrom(...Object.values(EXAMPLES)).map(({ type, data }) => ({ type, data }));
const unknown = fc.record({
  type: fc.constantFrom("poster.hung", "strange", "__proto__", "toString"),
  data: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 1 })),
});

/** @type {fc.Arbitrary<SessionEvent[]>} */
const generated = fc
  .array(fc.oneof({ weight: 6, arbitrary: scoped }, { weight: 3, arbitrary: example }, unknown), {
    minLength: 1,
    maxLength: 60,
  })
  .map((facts) => facts.map(({ type, data }, index) => asParsed({
    event_id: eventId(index + 1),
    seq: index + 1,
    session_id: SESSION_ID,
    type,
    created_at: new Date(1_771_500_000_000 + index * 100).toISOString(),
    data,
  })));

/**
 * An event as it comes out of a text frame.
 *
 * @param {object} event
 * @returns {SessionEvent}
 */
function asParsed(event) {
  return JSON.parse(JSON.stringify(event));
}

const recorded = fc.constantFrom(...JOURNAL_NAMES).map(journal);

/** Generated logs and recorded ones. */
export const logs = fc.oneof({ weight: 4, arbitrary: generated }, recorded);

/** Generated ones alone: these meet what no server does. */
export const generatedLogs = generated;
