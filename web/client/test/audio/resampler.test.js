// The resampler: what a stream loses by it, and that it does not matter how the stream is cut.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";

import { createResampler } from "../../src/audio/resampler.js";

const RATES = [
  [48_000, 16_000], [44_100, 16_000], [44_100, 48_000], [24_000, 48_000], [24_000, 44_100], [48_000, 44_100],
  [16_000, 48_000], [96_000, 16_000], [8_000, 16_000],
];

/**
 * @param {number} rateHz
 * @param {number} frequencyHz
 * @param {number} count
 */
function sine(rateHz, frequencyHz, count) {
  return Float32Array.from({ length: count }, (_, index) => 0.8 * Math.sin((2 * Math.PI * frequencyHz * index) / rateHz));
}

/**
 * @param {number} fromHz
 * @param {number} toHz
 * @param {Float32Array<ArrayBuffer>[]} blocks
 */
function resampled(fromHz, toHz, blocks) {
  const resampler = createResampler(fromHz, toHz);
  const parts = blocks.map((block) => resampler.push(block));
  parts.push(resampler.finish());
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

/**
 * In decibels, the ends left out: there the filter reaches beyond the stream.
 *
 * @param {Float32Array} expected
 * @param {Float32Array} actual
 */
function signalToNoise(expected, actual) {
  let signal = 0;
  let noise = 0;
  for (let index = 600; index < expected.length - 600; index += 1) {
    const sample = expected[index] ?? NaN;
    signal += sample ** 2;
    noise += (sample - (actual[index] ?? NaN)) ** 2;
  }
  return 10 * Math.log10(signal / noise);
}

/** @param {Float32Array} samples */
function loudness(samples) {
  const middle = samples.subarray(600, -600);
  return 10 * Math.log10(middle.reduce((sum, sample) => sum + sample ** 2, 0) / middle.length);
}

for (const [fromHz = 0, toHz = 0] of RATES) {
  test(`tones within the band keep their place and their shape from ${fromHz} to ${toHz} Hz`, () => {
    const band = Math.min(fromHz, toHz) / 2;
    for (const frequency of [50, 0.1 * band, 0.5 * band, 0.85 * band]) {
      const out = resampled(fromHz, toHz, [sine(fromHz, frequency, fromHz)]);
      assert.equal(out.length, toHz);
      const decibels = signalToNoise(sine(toHz, frequency, toHz), out);
      assert.ok(decibels > 75, `${frequency} Hz: ${decibels.toFixed(1)} dB`);
    }
  });

  test(`what the lower rate cannot hold is not folded into it from ${fromHz} to ${toHz} Hz`, () => {
    if (toHz > fromHz) return;
    for (const part of [1.06, 1.3, 1.7]) {
      const frequency = (part * toHz) / 2;
      if (frequency >= fromHz / 2) continue;
      const out = resampled(fromHz, toHz, [sine(fromHz, frequency, fromHz)]);
      const decibels = loudness(out) - loudness(sine(fromHz, frequency, fromHz));
      assert.ok(decibels < -75, `${frequency} Hz: ${decibels.toFixed(1)} dB`);
    }
  });
}

test("speech comes back from 48 kHz as it went there", () => {
  const wav = readFileSync(new URL("../../../../audio/tests/fixtures/reference.wav", import.meta.url));
  const rateHz = wav.readUInt32LE(24);
  const data = wav.indexOf("data") + 8;
  const speech = Float32Array.from({ length: (wav.length - data) >> 1 }, (_, index) => (
    wav.readInt16LE(data + 2 * index) / 32_768
  ));
  const back = resampled(48_000, rateHz, [resampled(rateHz, 48_000, [speech])]);
  // Its own top of the band is cut off; the rest, which is nearly all of it, has to be there.
  const decibels = signalToNoise(speech, back);
  assert.ok(decibels > 30, `${decibels.toFixed(1)} dB`);
});

test("it does not matter how a stream is cut", () => {
  const stream = Float32Array.from({ length: 4_000 }, (_, index) => Math.sin(index / 7) + Math.sin(index ** 1.5 / 90) / 3);
  fc.assert(fc.property(
    fc.constantFrom(...RATES),
    fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 20 }),
    ([fromHz = 0, toHz = 0], lengths) => {
      const blocks = [];
      let taken = 0;
      for (const length of lengths) {
        blocks.push(stream.slice(taken, taken + length));
        taken = Math.min(stream.length, taken + length);
      }
      blocks.push(stream.slice(taken));
      const cut = resampled(fromHz, toHz, blocks);
      assert.equal(cut.length, Math.ceil((stream.length * toHz) / fromHz));
      assert.deepEqual(cut, resampled(fromHz, toHz, [stream]));
    },
  ), { numRuns: 40 });
});

test("after its end a stream leaves nothing to the next one", () => {
  const resampler = createResampler(44_100, 16_000);
  const first = [resampler.push(sine(44_100, 700, 999)), resampler.finish()];
  const second = [resampler.push(sine(44_100, 700, 999)), resampler.finish()];
  assert.deepEqual(second, first);
});
