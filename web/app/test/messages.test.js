// What was typed is never lost: it is on its way, it has come, or it is back in the composer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMessages } from "../messages.js";
import { createStore } from "../store.js";

/** A session whose answers the test gives. */
function scene() {
  const model = /** @type {import("../store.js").Model} */ (
    /** @type {unknown} */ ({ pending: [], ui: { composerText: "" } })
  );
  const store = createStore(model, () => undefined);
  /** @type {{resolve: (value: {turn_id?: string}) => void, reject: (error: Error) => void}[]} */
  const answers = [];
  const session = { state: { timeline: /** @type {unknown[]} */ ([]) }, send: () => ask() };
  const ask = () => {
    /** @type {(value: {turn_id?: string}) => void} */
    let resolve = () => undefined;
    /** @type {(error: Error) => void} */
    let reject = () => undefined;
    /** @type {Promise<{turn_id?: string}>} */
    const promise = new Promise((accepted, rejected) => {
      resolve = accepted;
      reject = rejected;
    });
    answers.push({ resolve, reject });
    return promise;
  };
  /** @type {unknown[]} */
  const reported = [];
  const messages = createMessages({
    store,
    session: () =>
      /** @type {import("../../client/src/index.js").GreenroomSession} */ (/** @type {unknown} */ (session)),
    report: (error) => reported.push(error),
  });
  return { store, session, answers, reported, messages };
}

test("what is sent leaves the composer and is shown until its message has come", async () => {
  const { store, answers, messages } = scene();
  messages.compose("hello");
  const sent = messages.send("hello");
  assert.equal(store.model().ui.composerText, "");
  assert.deepEqual(
    store.model().pending.map(({ text, turnId }) => [text, turnId]),
    [["hello", null]],
  );
  answers[0]?.resolve({ turn_id: "turn_1" });
  await sent;
  assert.equal(store.model().pending[0]?.turnId, "turn_1");
});

test("a message that came before its answer is not shown twice", async () => {
  const { store, session, answers, messages } = scene();
  const sent = messages.send("hello");
  session.state.timeline.push({ kind: "message", role: "user", turnId: "turn_1" });
  answers[0]?.resolve({ turn_id: "turn_1" });
  await sent;
  assert.deepEqual(store.model().pending, []);
});

test("a refused text goes back, before what was typed since", async () => {
  const { store, answers, reported, messages } = scene();
  const sent = messages.send("first");
  messages.compose("second");
  answers[0]?.reject(new Error("too many"));
  await sent;
  assert.equal(store.model().ui.composerText, "first\nsecond");
  assert.deepEqual(store.model().pending, []);
  assert.equal(reported.length, 1);
});

test("nothing is sent that is blank", async () => {
  const { answers, messages } = scene();
  await messages.send("  \n ");
  assert.equal(answers.length, 0);
});
