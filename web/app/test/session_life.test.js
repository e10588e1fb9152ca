// Which session is on show, and what is left behind with the one before.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { emptyState } from "../../client/src/index.js";
import { createMessages } from "../messages.js";
import { initialModel } from "../model.js";
import { createSessionLife } from "../session_life.js";
import { createStore } from "../store.js";

beforeEach(() => {
  const location = { hash: "", origin: "https://greenroom.test" };
  /** @param {unknown} _ @param {unknown} __ @param {string} address */
  const goTo = (_, __, address) => void (location.hash = address);
  Object.assign(globalThis, {
    location,
    history: { pushState: goTo, replaceState: goTo },
    addEventListener: () => undefined,
  });
  Object.defineProperty(globalThis, "navigator", { value: { language: "en" }, configurable: true });
});

/** A page whose server answers when the test says so. */
function scene() {
  const store = createStore(initialModel(), () => undefined);
  /** @type {string[]} */
  const left = [];
  /** @type {Array<(created: object) => void>} */
  const creations = [];
  /** @type {Array<(error: Error) => void>} */
  const refusals = [];
  const client = {
    openSession: (/** @type {string} */ sessionId) => ({
      sessionId,
      state: emptyState(sessionId),
      connection: { status: "open", attempt: 0 },
      subscribe: () => () => undefined,
      send: () => new Promise((_, reject) => refusals.push(reject)),
      close: () => {
        left.push(`closed ${sessionId}`);
        for (const refuse of refusals.splice(0)) refuse(new Error("closed"));
      },
    }),
    createSession: () => new Promise((resolve) => creations.push(resolve)),
    playbook: () => new Promise(() => undefined),
  };
  const life = createSessionLife({
    store,
    client: /** @type {never} */ (/** @type {unknown} */ (client)),
    leave: () => left.push("fell silent"),
    report: (error) => assert.fail(String(error)),
  });
  /** @param {string} session_id */
  const create = (session_id) => creations.shift()?.({ session_id });
  return { store, life, left, create };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("whoever goes elsewhere while a session is made stays there", async () => {
  const { life, store, create } = scene();
  const booting = life.boot();
  life.open("sess_A");
  create("sess_B");
  await booting;
  assert.equal(store.model().sessionId, "sess_A");
  assert.equal(location.hash, "#/s/sess_A");
});

test("what is heard of a session ends before it is closed", () => {
  const { life, left } = scene();
  life.open("sess_A");
  left.length = 0;
  life.open("sess_B");
  assert.deepEqual(left, ["fell silent", "closed sess_A"]);
});

test("what was typed and not sent is put back when the session is loaded anew", async () => {
  const { life, store } = scene();
  life.open("sess_A");
  const messages = createMessages({ store, session: life.current, report: () => undefined });
  const sending = messages.send("half a thought");
  life.loadAnew();
  await sending;
  await settled();
  assert.equal(store.model().ui.composerText, "half a thought");
});
