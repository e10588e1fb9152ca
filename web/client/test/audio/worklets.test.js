// The processors of the audio thread, run as it runs them: 128 samples at a time.

import assert from "node:assert/strict";
import { before, test } from "node:test";

const BLOCK = 128;
const RATE_HZ = 48_000;

/** @type {Map<string, new (options: object) => any>} */
const processors = new Map();

before(async () => {
  Object.assign(globalThis, {
    sampleRate: RATE_HZ,
    AudioWorkletProcessor: class {
      /**
       * @type {{ onmessage: ((event: { data: any }) => void) | null, posted: any[], postMessage: (message:
       *   any) => void }}
       */
      port = { onmessage: null, posted: [], postMessage(message) { this.posted.push(message); } };
    },
    registerProcessor: (/** @type {string} */ name, /** @type {any} */ processor) => processors.set(name, processor),
  });
  await import("../../src/audio/speaker.worklet.js");
  await import("../../src/audio/capture.worklet.js");
});

/**
 * @param {string} name
 * @param {object} [processorOptions]
 */
function processor(name, processorOptions = {}) {
  const Processor = processors.get(name);
  assert.ok(Processor);
  return new Processor({ processorOptions });
}

/** @param {number} count */
function ramp(count, from = 0) {
  return Float32Array.from({ length: count }, (_, index) => (from + index + 1) / 65_536);
}

function speakerOf(samples = ramp(RATE_HZ / 2)) {
  const speaker = processor("greenroom-speaker");
  /** @param {object} data */
  const tell = (data) => speaker.port.onmessage({ data });
  const block = () => {
    const output = new Float32Array(BLOCK);
    assert.equal(speaker.process([], [[output]]), true);
    return output;
  };
  tell({ type: "begin", reply: 1 });
  tell({ type: "push", reply: 1, samples });
  return { speaker, tell, block, samples };
}

test("a pause is silent after the block that fades out, and goes on with the very next sample", () => {
  const { speaker, tell, block, samples } = speakerOf();
  assert.deepEqual([...block(), ...block()], [...samples.subarray(0, 2 * BLOCK)]);
  tell({ type: "pause" });
  const fading = block();
  assert.ok(fading.every((sample, index) => sample <= (samples[2 * BLOCK + index] ?? 0)));
  assert.equal(fading.at(-1), 0);
  assert.deepEqual(speaker.port.posted.at(-1), { reply: 1, playedSamples: 3 * BLOCK, now: "paused" });
  for (let count = 0; count < 100; count += 1) assert.ok(block().every((sample) => sample === 0));
  tell({ type: "resume" });
  const rising = block();
  assert.equal(rising.at(-1), samples[4 * BLOCK - 1]);
  assert.ok((rising[0] ?? 1) <= (samples[3 * BLOCK] ?? 0) / 64);
  assert.deepEqual(block(), samples.subarray(4 * BLOCK, 5 * BLOCK));
});

test("a pause of what does not sound is at once, and what comes after it starts without a fade", () => {
  const { speaker, tell, block } = speakerOf(ramp(100));
  assert.ok(block().every((sample) => sample === 0), "too little to start with");
  tell({ type: "pause" });
  block();
  assert.deepEqual(speaker.port.posted, [{ reply: 1, playedSamples: 0, now: "paused" }]);
  tell({ type: "resume" });
  tell({ type: "push", reply: 1, samples: ramp(RATE_HZ) });
  assert.deepEqual(block().subarray(0, 100), ramp(100));
});

test("a cancelled reply fades out and is gone; another one in the same moment is not", () => {
  const { tell, block } = speakerOf();
  block();
  tell({ type: "cancel", reply: 1 });
  tell({ type: "begin", reply: 2 });
  tell({ type: "push", reply: 2, samples: new Float32Array(RATE_HZ / 2).fill(0.25) });
  assert.equal(block().at(-1), 0);
  assert.ok(block().every((sample) => sample === 0.25));
});

test("a speaker that is closed lets the audio thread forget it", () => {
  const speaker = processor("greenroom-speaker");
  speaker.port.onmessage({ data: { type: "close" } });
  assert.equal(speaker.process([], [[new Float32Array(BLOCK)]]), false);
});

/**
 * @param {any} capture
 * @param {Float32Array} samples
 */
function speak(capture, samples) {
  for (let taken = 0; taken < samples.length; taken += BLOCK) capture.process([[samples.slice(taken, taken + BLOCK)]]);
}

test("what is captured at the rate of the wire is what was said, in whole frames and with its end", () => {
  const capture = processor("greenroom-capture", { rateHz: RATE_HZ, isPcm: false });
  const said = ramp(5 * 960 + 3 * BLOCK);
  speak(capture, ramp(BLOCK));
  capture.port.onmessage({ data: { type: "open", opening: 4 } });
  speak(capture, said);
  capture.port.onmessage({ data: { type: "shut" } });
  speak(capture, ramp(BLOCK));
  const { posted } = capture.port;
  assert.ok(posted.every((/** @type {any} */ message) => message.opening === 4));
  assert.equal(posted.at(-1).frame, null);
  const frames = posted.slice(0, -1).map((/** @type {any} */ message) => message.frame);
  assert.ok(frames.every((/** @type {Float32Array} */ frame) => frame.length === 960));
  const whole = frames.flatMap((/** @type {Float32Array} */ frame) => [...frame]);
  assert.deepEqual(whole.slice(0, said.length), [...said]);
  assert.ok(whole.slice(said.length).every((/** @type {number} */ sample) => sample === 0));
});

test("PCM is 320 samples of 16 bits a frame, 50 a second", () => {
  const capture = processor("greenroom-capture", { rateHz: 16_000, isPcm: true });
  capture.port.onmessage({ data: { type: "open", opening: 1 } });
  speak(capture, ramp(RATE_HZ));
  capture.port.onmessage({ data: { type: "shut" } });
  const frames = capture.port.posted.slice(0, -1);
  assert.equal(frames.length, 50);
  assert.ok(frames.every((/** @type {any} */ { frame }) => frame instanceof Int16Array && frame.length === 320));
});

test("opened anew it begins anew: nothing of before is left in it", () => {
  const capture = processor("greenroom-capture", { rateHz: 16_000, isPcm: true });
  capture.port.onmessage({ data: { type: "open", opening: 1 } });
  speak(capture, new Float32Array(1_000).fill(0.5));
  capture.port.onmessage({ data: { type: "open", opening: 2 } });
  speak(capture, new Float32Array(4_800));
  const second = capture.port.posted.filter((/** @type {any} */ message) => message.opening === 2);
  assert.ok(second.length >= 4);
  assert.ok(second.every((/** @type {any} */ { frame }) => frame.every((/** @type {number} */ sample) => sample === 0)));
  assert.equal(capture.port.posted.filter((/** @type {any} */ message) => message.frame === null).length, 1);
});
