// What is sent while the network does not take it.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";

import { createBackpressure } from "../../src/audio/backpressure.js";

const BYTES_PER_S = 32_000;
const FRAME_BYTES = 640;

test("a socket that takes nothing is given four seconds, and one that recovers no frame before it holds only one", () => {
  const mayBeSent = createBackpressure(BYTES_PER_S);
  let buffered = 0;
  let sent = 0;
  for (let frame = 0; frame < 1_000; frame += 1) {
    if (!mayBeSent(buffered)) continue;
    buffered += FRAME_BYTES;
    sent += 1;
  }
  assert.equal(sent, 201);
  assert.equal(mayBeSent(BYTES_PER_S + 1), false);
  assert.equal(mayBeSent(BYTES_PER_S), true);
  assert.equal(mayBeSent(2 * BYTES_PER_S), true);
});

test("however a network stutters, what waits is bounded, and holes are as few as they can be", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 3 * FRAME_BYTES }), { maxLength: 2_000 }), (taken) => {
    const mayBeSent = createBackpressure(BYTES_PER_S);
    let buffered = 0;
    let wasSent = true;
    for (const bytes of taken) {
      buffered = Math.max(0, buffered - bytes);
      const isSent = mayBeSent(buffered);
      if (isSent && !wasSent) assert.ok(buffered <= BYTES_PER_S, "a hole ends once a second waits");
      if (!isSent && wasSent) assert.ok(buffered > 4 * BYTES_PER_S, "a hole begins when four seconds wait");
      if (isSent) buffered += FRAME_BYTES;
      wasSent = isSent;
      assert.ok(buffered <= 4 * BYTES_PER_S + FRAME_BYTES);
    }
  }));
});
