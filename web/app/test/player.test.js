// A script that is spoken falls silent with the session that it belongs to.

import assert from "node:assert/strict";
import { test } from "node:test";
import { play, PLAYER_KEY, silence } from "../view/results/player.js";

class FakeAudio extends EventTarget {
  /** @type {FakeAudio[]} */
  static made = [];
  paused = true;
  ended = false;
  duration = 10;
  currentTime = 0;
  constructor() {
    super();
    FakeAudio.made.push(this);
  }
  async play() {
    this.paused = false;
  }
  pause() {
    this.paused = true;
    this.dispatchEvent(new Event("pause"));
  }
}

test("to leave a session ends what is spoken of it, and writes nothing into the next one", async () => {
  /** @type {(() => void)[]} */
  const frames = [];
  Object.assign(globalThis, {
    Audio: FakeAudio,
    requestAnimationFrame: (/** @type {() => void} */ frame) => frames.push(frame),
  });
  /** @type {unknown[]} */
  const drawn = [];
  const actions = /** @type {import("../actions.js").Actions} */ (
    /** @type {unknown} */ ({
      speak: async () => ({ audio_url: "https://greenroom.test/a.mp3" }),
      /** @param {Record<string, unknown>} patch */
      setLocal: (patch) => drawn.push(patch[PLAYER_KEY]),
    })
  );
  await play(actions, "a script", "");
  assert.equal(FakeAudio.made[0]?.paused, false);
  const before = drawn.length;
  silence();
  for (const frame of frames.splice(0)) frame();
  assert.equal(FakeAudio.made[0]?.paused, true);
  assert.deepEqual(drawn.slice(before), []);
});
