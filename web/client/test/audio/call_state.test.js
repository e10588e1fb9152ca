// Where a call stands: what happens, and what the page shows of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";

import { follow, newCall, stateOf } from "../../src/audio/call_state.js";

/**
 * @param {string} type
 * @param {object} [fields]
 * @returns {any}
 */
const signal = (type, fields = {}) => ({ type: "signal", signal: { type, ...fields } });
/**
 * @param {string} type
 * @param {object} data
 * @returns {any}
 */
const event = (type, data) => ({ type: "event", event: { type, data } });
/** @param {object} facts @returns {any} */
const set = (facts) => ({ type: "set", facts });

const microphone = set({ deviceLabel: "Desk" });
const taken = /** @type {any} */ ({ type: "taken" });
const disconnected = /** @type {any} */ ({ type: "disconnected" });
const playing = /** @type {any} */ ({ type: "output", output: "playing" });
const silent = /** @type {any} */ ({ type: "output", output: "silent" });
const started = signal("speech.started");
const stopped = signal("speech.stopped");
const discarded = signal("speech.discarded", { reason: "noise" });
const begin = signal("audio.begin");
const pause = signal("audio.pause");
const resume = signal("audio.resume");
const cancel = signal("audio.cancel");
/** @param {string} turnId */
const spokenTurn = (turnId) => event("turn.started", { turn_id: turnId, turn: 1, modality: "voice" });
/** @param {string} turnId */
const typedTurn = (turnId) => event("turn.started", { turn_id: turnId, turn: 1, modality: "text" });
/** @param {string} turnId */
const completed = (turnId) => event("turn.completed", { turn_id: turnId, outcome: "ok" });

/** @typedef {[string, any[], string]} Row */

/** @type {Row[]} */
const HANDS_FREE = [
  ["before the server listens", [], "starting"],
  ["the server listens", [taken], "listening"],
  ["somebody speaks", [taken, started], "hearing"],
  ["the words are made out", [taken, started, stopped], "thinking"],
  ["it was nothing", [taken, started, stopped, discarded], "listening"],
  ["it is a turn", [taken, started, stopped, spokenTurn("t1")], "thinking"],
  ["its reply was announced", [taken, spokenTurn("t1"), begin, completed("t1")], "thinking"],
  ["its reply was announced and is empty", [taken, spokenTurn("t1"), begin, completed("t1"), silent], "listening"],
  ["somebody speaks before it can be heard", [taken, begin, pause, started, stopped, playing], "paused"],
  ["the next reply is announced while one is played", [taken, playing, begin], "speaking"],
  ["its reply is played", [taken, started, stopped, spokenTurn("t1"), playing], "speaking"],
  ["its reply is complete and goes on sounding", [taken, spokenTurn("t1"), playing, completed("t1")], "speaking"],
  ["its reply was played", [taken, spokenTurn("t1"), playing, completed("t1"), silent], "listening"],
  ["the sound ends before the turn does", [taken, spokenTurn("t1"), playing, silent], "thinking"],
  ["a typed turn", [taken, typedTurn("t1")], "thinking"],
  ["a typed turn is answered without a word", [taken, typedTurn("t1"), completed("t1")], "listening"],
  ["the turn before ends late", [taken, spokenTurn("t1"), typedTurn("t2"), completed("t1")], "thinking"],
  ["somebody interrupts", [taken, playing, pause, started], "hearing"],
  ["an interruption that is being made out", [taken, playing, pause, started, stopped], "paused"],
  ["it was a cough", [taken, playing, pause, started, stopped, discarded, resume], "speaking"],
  ["it was a turn", [taken, playing, pause, started, stopped, cancel, silent, spokenTurn("t2")], "thinking"],
  ["the next reply begins while the output stands", [taken, playing, pause, playing], "paused"],
  ["a pause of nothing", [taken, pause], "listening"],
  ["two utterances, the first one is a turn", [taken, started, stopped, started, spokenTurn("t1")], "hearing"],
  ["two utterances, one is nothing", [taken, started, stopped, started, stopped, discarded], "thinking"],
  ["what was never heard is discarded", [taken, discarded], "listening"],
  ["the socket is gone", [taken, started, stopped, playing, disconnected], "starting"],
  ["another socket is open", [taken, started, disconnected, taken], "listening"],
  ["a turn outlives its socket", [taken, spokenTurn("t1"), disconnected, taken], "thinking"],
  ["another device takes the microphone", [taken, started, playing, signal("microphone.taken")], "taken"],
  ["it is taken back", [taken, signal("microphone.taken"), taken], "listening"],
  ["the microphone is gone", [taken, set({ deviceLabel: null })], "idle"],
  ["it was hung up", [taken, started, set({ isEnded: true })], "ended"],
];

for (const [name, happenings, status] of HANDS_FREE) {
  test(`hands-free: ${name}: ${status}`, () => {
    const facts = [microphone, ...happenings].reduce(follow, newCall("hands_free", "opus"));
    assert.equal(stateOf(facts).status, status);
  });
}

/** @type {Row[]} */
const OTHERS = [
  ["push_to_talk", [microphone, taken], "idle"],
  ["push_to_talk", [microphone, taken, set({ isHeld: true })], "listening"],
  ["push_to_talk", [microphone, taken, set({ isHeld: true }), started], "hearing"],
  ["push_to_talk", [microphone, taken, set({ isHeld: true }), disconnected, taken], "idle"],
  ["listen_only", [taken], "idle"],
  ["listen_only", [taken, typedTurn("t1"), playing], "speaking"],
];

for (const [mode, happenings, status] of OTHERS) {
  test(`${mode} after ${happenings.length} happenings: ${status}`, () => {
    const facts = happenings.reduce(follow, newCall(/** @type {any} */ (mode), "pcm_s16le"));
    assert.equal(stateOf(facts).status, status);
  });
}

test("the words of an utterance are shown until they are a message, or nothing", () => {
  const words = signal("transcript.partial", { text: "a tea" });
  const message = event("message.added", { role: "user", text: "a tea shop" });
  const reply = event("message.added", { role: "assistant", text: "Fine." });
  /** @param {any[]} happenings */
  const partial = (...happenings) => stateOf(happenings.reduce(follow, newCall("hands_free", "opus"))).partial;
  assert.equal(partial(taken, started, words), "a tea");
  assert.equal(partial(taken, started, words, stopped, spokenTurn("t1"), reply), "a tea");
  assert.equal(partial(taken, started, words, stopped, spokenTurn("t1"), message), "");
  assert.equal(partial(taken, started, words, stopped, discarded), "");
  assert.equal(partial(taken, started, words, message), "a tea", "the message is of the utterance before");
  assert.equal(partial(taken, started, words, stopped, started), "");
  assert.equal(partial(taken, started, words, disconnected), "");
});

test("why nothing came of an utterance is known until the next one", () => {
  const facts = [taken, started, stopped, discarded].reduce(follow, newCall("hands_free", "opus"));
  assert.equal(stateOf(facts).discarded, "noise");
  assert.equal(stateOf(follow(facts, started)).discarded, null);
});

test("what did not work is forgotten once it does", () => {
  const error = new Error("no");
  /** @param {any[]} happenings */
  const errorAfter = (...happenings) => stateOf(happenings.reduce(follow, newCall("hands_free", "opus"))).error;
  assert.equal(errorAfter(microphone, set({ error })), error);
  assert.equal(errorAfter(microphone, set({ error }), taken), null);
  assert.equal(errorAfter(taken, set({ error, deviceLabel: null }), disconnected, taken), error, "there is no microphone still");
});

test("whatever happens, a call that is silent and done comes to rest", () => {
  const any = fc.constantFrom(
    microphone, taken, disconnected, playing, silent, started, stopped, discarded, begin, pause, resume, cancel,
    spokenTurn("t1"), typedTurn("t2"), completed("t1"), completed("t2"), signal("microphone.taken"), signal("pong"),
  );
  fc.assert(fc.property(fc.array(any, { maxLength: 60 }), (happenings) => {
    let facts = newCall("hands_free", "opus");
    for (const happening of happenings) {
      const before = facts;
      facts = follow(facts, happening);
      assert.ok(facts.recognising >= 0);
      if (happening.type === "signal" && happening.signal.type === "pong") assert.equal(facts, before);
    }
    const rest = [disconnected, microphone, taken, completed("t1"), completed("t2")].reduce(follow, facts);
    assert.equal(stateOf(rest).status, "listening");
  }));
});
