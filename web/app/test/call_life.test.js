// The button as a finger, a key and assistive technology press it: held, tapped, let go before the line is
// up.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createCallLife } from "../call_life.js";
import { createStore } from "../store.js";

/** A call whose state the test sets, and that writes down what it was told. */
function scene() {
  /** @type {string[]} */
  const told = [];
  /** @type {(state: object) => void} */
  let listener = () => undefined;
  const call = {
    state: { status: "starting", mode: "push_to_talk", held: false },
    subscribe: (/** @type {(state: object) => void} */ added) => (listener = added),
    hold: () => told.push("hold"),
    release: () => told.push("release"),
    setMuted: (/** @type {boolean} */ muted) => told.push(`muted ${muted}`),
    stop: async () => void told.push("stop"),
  };
  const voice = {
    mode: "push_to_talk",
    record: false,
    inputDeviceId: "",
    outputDeviceId: "",
    voicePreset: "",
  };
  const model = /** @type {import("../store.js").Model} */ (
    /** @type {unknown} */ ({ call: null, playing: null, ui: { voice, muted: false } })
  );
  const store = createStore(model, () => undefined);
  let nowMs = 0;
  const life = createCallLife({
    store,
    session: () => /** @type {never} */ (/** @type {unknown} */ ({ startCall: async () => call })),
    devices: async () => ({ inputs: [], outputs: [] }),
    report: (error) => assert.fail(String(error)),
    nowMs: () => nowMs,
  });
  return {
    life,
    store,
    told,
    pass: (/** @type {number} */ ms) => (nowMs += ms),
    /** @param {string} status */
    become(status) {
      call.state = { ...call.state, status };
      listener(call.state);
    },
  };
}

test("a button that went down before the server listens holds as soon as it does", async () => {
  const { life, told, become } = scene();
  life.press();
  await life.start();
  assert.deepEqual(told, []);
  become("idle");
  assert.deepEqual(told, ["hold"]);
});

test("a button that was let go before the server listens holds nothing", async () => {
  const { life, told, pass, become } = scene();
  life.press();
  await life.start();
  pass(1000);
  life.lift();
  become("idle");
  assert.deepEqual(told, ["release"]);
});

test("a long press holds while it lasts", async () => {
  const { life, told, pass, become } = scene();
  await life.start();
  become("idle");
  life.press();
  pass(2000);
  life.lift();
  assert.deepEqual(told, ["hold", "release"]);
});

test("a tap holds until the next one", async () => {
  const { life, told, pass, become } = scene();
  await life.start();
  become("idle");
  life.press();
  pass(50);
  life.lift();
  assert.deepEqual(told, ["hold"]);
  pass(5000);
  life.press();
  pass(50);
  life.lift();
  assert.deepEqual(told, ["hold", "release"]);
});

test("assistive technology taps without a finger", async () => {
  const { life, told, become } = scene();
  await life.start();
  become("idle");
  life.tap();
  life.tap();
  life.tap();
  assert.deepEqual(told, ["hold", "release", "hold"]);
});

test("a call that is given up while it begins is ended as soon as it is there", async () => {
  const { life, store, told } = scene();
  const starting = life.start();
  assert.equal(store.model().call?.status, "starting");
  life.stop();
  await starting;
  assert.deepEqual(told, ["stop"]);
  assert.equal(store.model().call, null);
});

test("a call that ends leaves no trace on the page", async () => {
  const { life, store, become } = scene();
  await life.start();
  store.set({ playing: { turnId: "turn_1", ms: 400 } });
  become("ended");
  assert.equal(store.model().call, null);
  assert.equal(store.model().playing, null);
  assert.equal(life.current(), null);
});
