// The line to the server: who answers to what was asked, and what is asked again.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createLine } from "../../src/audio/line.js";

/** @type {import("../../src/audio/line.js").AudioStart} */
const START = {
  type: "audio.start", codec: "opus", sample_rate: 48_000, channels: 1, output: { codec: "opus", sample_rate: 48_000 },
};

function scene() {
  /** @type {any[]} */
  const sent = [];
  /** @type {(signal: any) => void} */
  let signal = () => undefined;
  /** @type {string[]} */
  const told = [];
  const transport = /** @type {any} */ ({
    sendJson: (/** @type {any} */ frame) => sent.push(frame) > 0,
    onSignal: (/** @type {any} */ listener) => {
      signal = listener;
      return () => { signal = () => undefined; };
    },
  });
  const line = createLine(transport, () => START, {
    onTaken: () => told.push("taken"),
    onRefused: (error) => told.push(error.code),
  });
  return { line, sent, told, answer: (/** @type {any} */ answer) => signal(answer) };
}

/** @param {boolean} retryable */
const refusal = (retryable) => ({ code: "SYS_OVERLOADED", message: "", details: null, retryable, retry_after: 3 });

test("only the answer to the newest question counts, and once", () => {
  const { line, sent, told, answer } = scene();
  line.take();
  line.take();
  const [first, second] = sent.map(({ id }) => id);
  assert.notEqual(first, second);
  answer({ type: "accepted", id: first });
  answer({ type: "accepted", id: "of-another" });
  answer({ type: "pong" });
  assert.deepEqual(told, []);
  answer({ type: "accepted", id: second });
  answer({ type: "accepted", id: second });
  assert.deepEqual(told, ["taken"]);
});

test("what may succeed later is asked again when the server said, and not after it was given up", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { line, sent, told, answer } = scene();
  line.take();
  answer({ type: "rejected", id: sent[0].id, error: refusal(true) });
  context.mock.timers.tick(2_999);
  assert.equal(sent.length, 1);
  context.mock.timers.tick(1);
  assert.equal(sent.length, 2);
  answer({ type: "rejected", id: sent[1].id, error: refusal(true) });
  line.leave();
  context.mock.timers.tick(10_000);
  assert.equal(sent.length, 2);
  assert.deepEqual(told, ["SYS_OVERLOADED", "SYS_OVERLOADED"]);
});

test("what cannot succeed is not asked again", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { line, sent, answer } = scene();
  line.take();
  answer({ type: "rejected", id: sent[0].id, error: refusal(false) });
  context.mock.timers.tick(60_000);
  assert.equal(sent.length, 1);
});

test("to give the microphone back ends the speaking too", () => {
  const { line, sent } = scene();
  line.giveBack();
  assert.deepEqual(sent.map(({ type, output }) => [type, output]), [["audio.start", undefined], ["audio.stop", undefined]]);
});
