// The playback queue, held against a plain model: whatever comes in whatever order, what is played is what
// was sent, in its order and without a gap, and nothing is said to be played that was not.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";

import { createPlaybackQueue } from "../../src/audio/playback_queue.js";

const SETTINGS = { startSamples: 80, startWithinSamples: 200, reportEverySamples: 100 };
const BLOCK = 16;

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant("push"), reply: fc.nat(3), length: fc.integer({ min: 0, max: 90 }) }) },
  { weight: 12, arbitrary: fc.record({ type: fc.constant("pull"), blocks: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("begin") }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("end"), reply: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom("pause", "resume", "clear") }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("cancel"), reply: fc.nat(3) }) },
);

/**
 * @typedef {{ sent: number[], played: number[], isEnded: boolean, isOver: boolean, isGone: boolean, acked:
 *   number }} Modelled
 */

test("what is played is what was sent", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
    const queue = createPlaybackQueue(SETTINGS);
    /** @type {Map<number, Modelled>} */
    const replies = new Map();
    let isPaused = false;
    let nextSample = 1;

    const isWaiting = () => [...replies.values()].some(({ isOver, isGone }) => !isOver && !isGone);
    const pull = () => {
      const output = new Float32Array(BLOCK).fill(NaN);
      const wasSounding = queue.isSounding();
      queue.pull(output);
      const samples = [...output];
      assert.equal(wasSounding, wasSounding && samples[0] !== 0);
      if (isPaused) assert.ok(samples.every((sample) => sample === 0), "a pause is silent");
      for (const sample of samples.filter((heard) => heard !== 0)) {
        const [source] = [...replies.values()].filter((reply) => reply.sent.includes(sample));
        assert.ok(source && !source.isGone && !source.isOver, "it belongs to a reply that is wanted");
        source.played.push(sample);
      }
      for (const report of queue.takeReports()) {
        const reply = replies.get(report.reply);
        assert.ok(reply && report.playedSamples <= reply.played.length && report.playedSamples >= reply.acked);
        reply.acked = report.playedSamples;
        if (report.now !== "over") continue;
        assert.ok(reply.isEnded);
        assert.equal(report.playedSamples, reply.sent.length);
        reply.isOver = true;
      }
      for (const reply of replies.values()) {
        assert.deepEqual(reply.played, reply.sent.slice(0, reply.played.length), "in order, each once");
      }
    };

    for (const taken of /** @type {typeof steps} */ ([{ type: "begin" }, ...steps])) {
      const reply = "reply" in taken ? replies.get(taken.reply) : undefined;
      switch (taken.type) {
        case "begin":
          queue.begin(replies.size);
          replies.set(replies.size, { sent: [], played: [], isEnded: false, isOver: false, isGone: false, acked: 0 });
          break;
        case "push": {
          const samples = Float32Array.from({ length: "length" in taken ? taken.length : 0 }, () => nextSample++);
          queue.push("reply" in taken ? taken.reply : 0, samples);
          if (reply && !reply.isEnded) reply.sent.push(...samples);
          break;
        }
        case "end":
          queue.end("reply" in taken ? taken.reply : 0);
          if (reply) reply.isEnded = true;
          break;
        case "cancel":
          queue.cancel("reply" in taken ? taken.reply : 0);
          isPaused = false;
          if (reply) reply.isGone = true;
          break;
        case "clear":
          queue.clear();
          isPaused = false;
          for (const gone of replies.values()) gone.isGone = true;
          break;
        case "pause": queue.pause(); isPaused = isWaiting(); break;
        case "resume": queue.resume(); isPaused = false; break;
        case "pull":
          for (let block = 0; block < ("blocks" in taken ? taken.blocks : 0); block += 1) pull();
      }
    }
    queue.resume();
    isPaused = false;
    for (const [number, reply] of replies) {
      queue.end(number);
      reply.isEnded = true;
    }
    for (let block = 0; block <= nextSample / BLOCK + replies.size; block += 1) pull();
    for (const reply of replies.values()) {
      if (!reply.isGone) assert.deepEqual(reply.played, reply.sent, "in the end all of it");
      assert.equal(reply.isOver, !reply.isGone || reply.isOver);
    }
  }), { numRuns: 500 });
});

/**
 * @param {ReturnType<typeof createPlaybackQueue>} queue
 * @param {number} samples
 */
function pulled(queue, samples) {
  const output = new Float32Array(samples);
  queue.pull(output);
  return output;
}

/** @param {number} length */
function ones(length) {
  return new Float32Array(length).fill(1);
}

/** @param {Float32Array} output */
function sounding(output) {
  return output.reduce((sum, sample) => sum + sample, 0);
}

test("a reply starts once enough of it is there, and after it ran dry likewise", () => {
  const queue = createPlaybackQueue(SETTINGS);
  queue.begin(7);
  queue.push(7, ones(79));
  assert.equal(sounding(pulled(queue, 50)), 0);
  queue.push(7, ones(1));
  assert.equal(sounding(pulled(queue, 100)), 80);
  assert.deepEqual(queue.takeReports().map(({ now, playedSamples }) => [now, playedSamples]), [["started", 0], ["dry", 80]]);
  queue.push(7, ones(79));
  assert.equal(sounding(pulled(queue, 50)), 0);
  queue.push(7, ones(30));
  assert.equal(sounding(pulled(queue, 50)), 50);
});

test("a little that stays a little is played after a while", () => {
  const queue = createPlaybackQueue(SETTINGS);
  queue.begin(7);
  pulled(queue, 1_000);
  queue.push(7, ones(10));
  assert.equal(sounding(pulled(queue, 199)), 0);
  assert.equal(sounding(pulled(queue, 1)), 0);
  assert.equal(sounding(pulled(queue, 50)), 10);
});

test("the end of a reply is played however short it is, and the next one goes on in the same block", () => {
  const queue = createPlaybackQueue(SETTINGS);
  queue.begin(7);
  queue.push(7, ones(10));
  queue.end(7);
  queue.begin(8);
  queue.push(8, ones(100));
  assert.equal(sounding(pulled(queue, 64)), 64);
  assert.deepEqual(queue.takeReports().map(({ reply, now, playedSamples }) => [reply, now, playedSamples]), [
    [7, "started", 0], [7, "over", 10], [8, "started", 0],
  ]);
});

test("while something is played, that is reported in even steps, and a pause at once", () => {
  const queue = createPlaybackQueue(SETTINGS);
  queue.begin(7);
  queue.push(7, ones(1_000));
  for (let block = 0; block < 20; block += 1) pulled(queue, 16);
  queue.pause();
  const reports = queue.takeReports().map(({ now, playedSamples }) => [now, playedSamples]);
  assert.deepEqual(reports, [["started", 0], ["playing", 112], ["playing", 224], ["paused", 320]]);
});

test("a pause that comes when all was played does not hold up what begins later", () => {
  const queue = createPlaybackQueue(SETTINGS);
  queue.pause();
  queue.begin(1);
  queue.push(1, ones(100));
  assert.equal(sounding(pulled(queue, 50)), 50);
});
