// One drawing for any number of changes, and a model that is replaced, never written into.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createStore, nextFrame } from "../store.js";

/** A store whose frames the test lets pass. */
function storeInFrames() {
  /** @type {(() => void)[]} */
  const frames = [];
  const model = /** @type {import("../store.js").Model} */ ({
    sessionId: null,
    ui: { pane: "talk", muted: false },
  });
  const store = createStore(model, (draw) => frames.push(draw));
  return { store, frames, model };
}

test("many changes are drawn once", () => {
  const { store, frames } = storeInFrames();
  /** @type {(string | null)[]} */
  const drawn = [];
  store.subscribe((model) => drawn.push(model.sessionId));
  store.set({ sessionId: "sess_1" });
  store.set({ sessionId: "sess_2" });
  assert.equal(frames.length, 1);
  assert.deepEqual(drawn, []);
  frames.shift()?.();
  assert.deepEqual(drawn, ["sess_2"]);
});

test("a change that comes while drawing is drawn in the next frame", () => {
  const { store, frames } = storeInFrames();
  let drawings = 0;
  store.subscribe((model) => {
    drawings += 1;
    if (model.sessionId === "sess_1") store.set({ sessionId: "sess_2" });
  });
  store.set({ sessionId: "sess_1" });
  frames.shift()?.();
  assert.equal(frames.length, 1);
  frames.shift()?.();
  assert.equal(drawings, 2);
  assert.equal(frames.length, 0);
});

test("the model before a change stays as it was", () => {
  const { store, model } = storeInFrames();
  store.setUi({ pane: "stage" });
  assert.equal(model.ui.pane, "talk");
  assert.equal(store.model().ui.pane, "stage");
  assert.equal(store.model().ui.muted, false);
});

test("who has unsubscribed hears no more", () => {
  const { store, frames } = storeInFrames();
  let drawings = 0;
  const unsubscribe = store.subscribe(() => (drawings += 1));
  unsubscribe();
  store.set({ sessionId: "sess_1" });
  frames.shift()?.();
  assert.equal(drawings, 0);
});

test("a page that goes to the background before its frame comes is drawn without one", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const cancelled = context.mock.fn();
  Object.assign(globalThis, { requestAnimationFrame: () => 7, cancelAnimationFrame: cancelled });
  const draw = context.mock.fn();
  nextFrame(draw);
  context.mock.timers.tick(1_000);
  assert.equal(draw.mock.callCount(), 1);
  assert.deepEqual(cancelled.mock.calls[0]?.arguments, [7]);
});

test("what a frame has drawn is not drawn again", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  /** @type {(() => void)[]} */
  const frames = [];
  Object.assign(globalThis, {
    requestAnimationFrame: (/** @type {() => void} */ drawn) => frames.push(drawn),
    cancelAnimationFrame: () => undefined,
  });
  const draw = context.mock.fn();
  nextFrame(draw);
  frames.shift()?.();
  context.mock.timers.tick(1_000);
  assert.equal(draw.mock.callCount(), 1);
});
