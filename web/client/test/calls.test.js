// One call at a time, by code that is there before somebody asks for one.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createCalls } from "../src/calls.js";
import { settle } from "./support/fake_clock.js";

const OPTIONS = /** @type {const} */ ({ mode: "hands_free" });

/** A door whose calls begin, and whose code comes, when the test says so. */
function scene() {
  /** @type {string[]} */
  const told = [];
  /** @type {Array<() => void>} */
  const beginnings = [];
  const code = {
    /** @param {unknown} _transport @param {unknown} _options @param {() => boolean} isWanted */
    startCall: (_transport, _options, isWanted = () => true) => {
      const name = `call ${beginnings.length + 1}`;
      told.push(`${name} asked for`);
      return new Promise((resolve, reject) => {
        beginnings.push(() => {
          if (!isWanted()) reject(new Error(`${name} is not wanted`));
          else resolve(/** @type {any} */ ({ name, stop: async () => void told.push(`${name} stopped`) }));
        });
      });
    },
  };
  let loads = 0;
  let isBroken = false;
  const calls = createCalls(/** @type {any} */ ({}), async () => {
    loads += 1;
    if (isBroken) throw new TypeError("Failed to fetch dynamically imported module");
    return code;
  });
  return {
    calls, told,
    /** @param {number} index */
    begin: (index) => beginnings[index]?.(),
    loads: () => loads,
    /** @param {boolean} broken */
    breakNetwork: (broken) => { isBroken = broken; },
  };
}

test("once its code is there, a call begins in the very click", async () => {
  const { calls, told, loads } = scene();
  calls.prepare();
  calls.prepare();
  await settle();
  void calls.start(OPTIONS);
  assert.deepEqual(told, ["call 1 asked for"]);
  assert.equal(loads(), 1);
});

test("code that could not be loaded is told as a broken network, and loaded again", async () => {
  const { calls, told, loads, breakNetwork } = scene();
  breakNetwork(true);
  calls.prepare();
  await settle();
  await assert.rejects(calls.start(OPTIONS), { code: "CLIENT_NETWORK", retryable: true });
  breakNetwork(false);
  void calls.start(OPTIONS);
  await settle();
  assert.deepEqual(told, ["call 1 asked for"]);
  assert.equal(loads(), 3);
});

test("another call ends the one before, and the one that is still beginning", async () => {
  const { calls, told, begin } = scene();
  const first = calls.start(OPTIONS);
  await settle();
  begin(0);
  await first;
  const second = calls.start(OPTIONS);
  const third = calls.start(OPTIONS);
  await settle();
  begin(2);
  begin(1);
  await assert.rejects(second, /call 2 is not wanted/);
  assert.equal(Reflect.get(await third, "name"), "call 3");
  assert.deepEqual(told, ["call 1 asked for", "call 1 stopped", "call 2 asked for", "call 3 asked for"]);
});
