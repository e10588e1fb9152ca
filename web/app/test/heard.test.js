// What of a reply counts as heard: by the server's word, by what was played, or all of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { heardLength } from "../view/heard.js";

const TEXT = "Could you tell me about the category?";

/** @param {Partial<import("../store.js").Model>} [patch] */
function model(patch = {}) {
  const listening = { call: { status: "listening" }, health: { tts: "ok" }, playing: null };
  const session = { locale: "en", timeline: [], turn: null };
  return /** @type {import("../store.js").Model} */ (
    /** @type {unknown} */ ({ session, ...listening, ...patch })
  );
}

/** @param {Partial<import("../view/heard.js").Spoken>} [patch] */
const spoken = (patch = {}) => ({ turnId: "turn_1", text: TEXT, role: "assistant", heard: null, ...patch });

test("the server's word counts, whatever was played", () => {
  const heard = spoken({ heard: { text: "Could you", ms: 600 } });
  assert.equal(
    TEXT.slice(0, heardLength(heard, model({ playing: { turnId: "turn_1", ms: 9000 } }))),
    "Could you",
  );
});

test("what was heard to its end is heard to its end, though the server leaves out the last blank", () => {
  const text = `${TEXT} `;
  assert.equal(heardLength(spoken({ text, heard: { text: TEXT, ms: 2000 } }), model()), TEXT.length);
  assert.equal(heardLength(spoken({ heard: { text: TEXT, ms: 2000 } }), model()), TEXT.length);
});

test("nothing is heard of what was cut off before its first word", () => {
  assert.equal(heardLength(spoken({ heard: { text: "", ms: 0 } }), model()), 0);
});

test("while it is spoken, whole words up to what was played are heard, and never fewer later", () => {
  let before = 0;
  for (let ms = 0; ms <= 4000; ms += 50) {
    const length = heardLength(spoken(), model({ playing: { turnId: "turn_1", ms } }));
    assert.ok(length >= before);
    assert.match(TEXT.slice(length), /^(\s|$)|^Could/);
    before = length;
  }
  assert.equal(before, TEXT.length);
});

test("a voice that was heard before sets the pace", () => {
  const text = "x".repeat(100);
  const slow = { kind: "message", heard: { text, ms: 100 * 200 } };
  const session = { ...model().session, timeline: [slow] };
  const playing = { turnId: "turn_1", ms: 1000 };
  const patch = /** @type {Partial<import("../store.js").Model>} */ (
    /** @type {unknown} */ ({ session, playing })
  );
  assert.ok(heardLength(spoken(), model(patch)) < heardLength(spoken(), model({ playing })));
});

test("a reply that will be spoken is unheard until it is; without a call it is simply read", () => {
  const session = { ...model().session, turn: { turnId: "turn_1" } };
  const patch = /** @type {Partial<import("../store.js").Model>} */ (/** @type {unknown} */ ({ session }));
  assert.equal(heardLength(spoken(), model(patch)), 0);
  assert.equal(heardLength(spoken(), model({ ...patch, call: null })), TEXT.length);
});

test("what the user said, and replies of other turns, are never greyed", () => {
  const playing = { turnId: "turn_1", ms: 0 };
  assert.equal(heardLength(spoken({ role: "user" }), model({ playing })), TEXT.length);
  assert.equal(heardLength(spoken({ turnId: "turn_0" }), model({ playing })), TEXT.length);
});
