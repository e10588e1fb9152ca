// The framer: no sample is lost, none comes twice.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";

import { createFramer } from "../../src/audio/framer.js";

test("the frames are the stream, whatever pieces it came in", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 50 }),
    fc.array(fc.integer({ min: 0, max: 120 }), { maxLength: 30 }),
    (frameSamples, lengths) => {
      /** @type {Float32Array[]} */
      const frames = [];
      const framer = createFramer(frameSamples, (frame) => frames.push(frame));
      let next = 1;
      for (const length of lengths) {
        framer.push(Float32Array.from({ length }, () => next++));
        assert.equal(frames.length, Math.floor((next - 1) / frameSamples), "a frame leaves as soon as it is whole");
      }
      framer.finish();
      framer.finish();
      assert.ok(frames.every((frame) => frame.length === frameSamples));
      const whole = frames.flatMap((frame) => [...frame]);
      const stream = Array.from({ length: next - 1 }, (_, index) => index + 1);
      assert.deepEqual(whole.slice(0, stream.length), stream);
      assert.ok(whole.length < stream.length + frameSamples);
      assert.ok(whole.slice(stream.length).every((sample) => sample === 0), "the last frame ends in silence");
    },
  ));
});
