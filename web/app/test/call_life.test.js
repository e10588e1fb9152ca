// The button as a finger, a key and assistive technology press it: held, tapped, let go before the line is
// up.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createCallLife } from "../call_life.js";
import { createStore } from "../store.js";

/** @param {unknown} error @returns {void} */
const unexpected = (error) => assert.fail(String(error));

/** A call whose state the test sets, and that writes down what it was told. */
function scene({ report = unexpected } = {}) {
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
    takeBack: async () => {
      throw new Error("denied");
    },
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
  let startCall = async () => call;
  const life = createCallLife({
    store,
    session: () => /** @type {never} */ (/** @type {unknown} */ ({ startCall: () => startCall() })),
    devices: async () => ({ inputs: [], outputs: [] }),
    report,
    nowMs: () => nowMs,
  });
  return {
    life,
    store,
    told,
    pass: (/** @type {number} */ ms) => (nowMs += ms),
    /** @param {() => Promise<typeof call>} other */
    startWith: (other) => (startCall = other),
    /** @param {string} status @param {boolean} [held] */
    become(status, held = false) {
      call.state = { ...call.state, status, held };
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

test("a button that went down while a reply is on its way holds as soon as the server listens", async () => {
  const { life, told, become } = scene();
  life.press();
  await life.start();
  become("thinking");
  assert.deepEqual(told, ["hold"]);
});

test("what the call let go by itself, such as behind another tab, is not taken up again", async () => {
  const { life, told, pass, become } = scene();
  await life.start();
  become("idle");
  life.press();
  become("listening", true);
  pass(50);
  life.lift();
  become("idle");
  assert.deepEqual(told, ["hold"]);
  life.press();
  assert.deepEqual(told, ["hold", "hold"]);
});

test("what was held when the connection broke is held again", async () => {
  const { life, told, become } = scene();
  await life.start();
  become("idle");
  life.press();
  become("listening", true);
  become("starting");
  become("idle");
  assert.deepEqual(told, ["hold", "hold"]);
});

test("a tap that led to no call leaves nothing open for the next one", async () => {
  /** @type {unknown[]} */
  const reported = [];
  const { life, told, startWith, become } = scene({ report: (error) => void reported.push(error) });
  startWith(() => Promise.reject(new Error("denied")));
  life.tap();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(reported.length, 1);
  startWith(async () => /** @type {never} */ (life.current()));
  life.tap();
  assert.deepEqual(told, []);
  become("ended");
});

test("a microphone that cannot be taken back is told", async () => {
  /** @type {unknown[]} */
  const reported = [];
  const { life, become } = scene({ report: (error) => void reported.push(error) });
  await life.start();
  become("taken");
  await life.start();
  assert.equal(reported.length, 1);
});

test("a call that still begins begins anew with other settings", async () => {
  const { life, store, told } = scene();
  const starting = life.start();
  life.configure({ mode: "hands_free" });
  assert.equal(store.model().call?.mode, "hands_free");
  await starting;
  assert.deepEqual(told, ["stop"]);
});
