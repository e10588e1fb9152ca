// What is known of a call, and who wants to know.

import { createListeners } from "../listeners.js";
import { follow, newCall, stateOf } from "./call_state.js";

/**
 * @typedef {import("./transport.js").CallState} CallState
 * @typedef {import("./call_state.js").CallHappening} CallHappening
 * @typedef {import("./call_state.js").CallFacts} CallFacts
 */

/**
 * @typedef {object} CallBook
 * @property {CallFacts} facts
 * @property {CallState} state
 * @property {(happening: CallHappening) => void} tell
 * @property {(facts: Partial<CallFacts>) => void} set
 * @property {(listener: (state: CallState) => void) => () => void} subscribe gives back what ends it
 */

/**
 * @param {CallFacts["mode"]} mode
 * @param {CallFacts["codec"]} codec
 * @param {(error: unknown) => void} [reportError] told what a listener fails with
 * @returns {CallBook}
 */
export function openBook(mode, codec, reportError = globalThis.reportError ?? console.error) {
  let facts = newCall(mode, codec);
  let state = stateOf(facts);
  /** @type {import("../listeners.js").Listeners<[CallState]>} */
  const listeners = createListeners(reportError);

  /** @param {CallHappening} happening */
  function tell(happening) {
    const next = follow(facts, happening);
    if (next === facts) return;
    facts = next;
    state = stateOf(facts);
    listeners.tell(state);
  }

  return {
    tell,
    set: (changed) => tell({ type: "set", facts: changed }),
    subscribe: listeners.add,
    get facts() { return facts; },
    get state() { return state; },
  };
}
