// Samples on the wire.

import assert from "node:assert/strict";
import { test } from "node:test";

import { levelOf } from "../../src/audio/level.js";
import { fromPcm16, toPcm16 } from "../../src/audio/pcm.js";

test("every value of 16 bits comes back as it was", () => {
  const all = Int16Array.from({ length: 65_536 }, (_, index) => index - 32_768);
  assert.deepEqual(toPcm16(fromPcm16(all.buffer)), all);
});

test("what is too loud is cut off, not turned over", () => {
  assert.deepEqual([...toPcm16(Float32Array.of(1, 1.5, -1, -1.5, 0))], [32_767, 32_767, -32_768, -32_768, 0]);
});

test("half a sample at the end is none", () => {
  assert.equal(fromPcm16(new ArrayBuffer(5)).length, 2);
});

test("a level is 1 at full scale, 0 from 60 dB below on, and even in decibels between", () => {
  /** @param {number} amplitude */
  const square = (amplitude) => levelOf(Float32Array.from({ length: 64 }, (_, index) => (index % 2 ? amplitude : -amplitude)));
  assert.equal(square(0), 0);
  assert.equal(square(1), 1);
  assert.equal(square(0.0005), 0);
  assert.ok(Math.abs(square(10 ** (-30 / 20)) - 0.5) < 1e-6);
});
