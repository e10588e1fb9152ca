// Where a call stands, made of what the server signals, what the session's events say, and what the devices
// do. Pure.

/**
 * @typedef {import("./transport.js").CallState} CallState
 * @typedef {import("./transport.js").CallOptions} CallOptions
 * @typedef {import("../protocol.js").Signal} Signal
 * @typedef {import("../state.js").SessionEvent} SessionEvent
 */

/**
 * What a call's state follows from.
 *
 * @typedef {object} CallFacts
 * @property {CallOptions["mode"]} mode
 * @property {CallState["codec"]} codec
 * @property {boolean} isTaken the server listens to this call
 * @property {boolean} isLost another socket has the microphone
 * @property {boolean} isEnded
 * @property {boolean} isHeld push-to-talk
 * @property {boolean} isMuted
 * @property {boolean} isSuspended
 * @property {boolean} isSpeechUnderWay
 * @property {number} recognising utterances whose words are being made out
 * @property {string | null} turnId the turn that is being answered
 * @property {"silent" | "coming" | "playing" | "paused"} output `coming`: a reply was announced and cannot be
 *   heard yet
 * @property {string} partial
 * @property {CallState["discarded"]} discarded
 * @property {string | null} deviceLabel
 * @property {string | null} lostDevice
 * @property {number} droppedMs
 * @property {Error | null} error
 */

/**
 * What happens to a call.
 *
 * @typedef {{ type: "signal", signal: Signal } | { type: "event", event: SessionEvent }
 *   | { type: "taken" } | { type: "disconnected" } | { type: "output", output: "playing" | "silent" }
 *   | { type: "set", facts: Partial<CallFacts> }} CallHappening
 */

/**
 * @param {CallOptions["mode"]} mode
 * @param {CallState["codec"]} codec
 * @returns {CallFacts}
 */
export function newCall(mode, codec) {
  return {
    mode, codec,
    isTaken: false, isLost: false, isEnded: false, isHeld: false, isMuted: false, isSuspended: false,
    isSpeechUnderWay: false, recognising: 0, turnId: null, output: "silent",
    partial: "", discarded: null, deviceLabel: null, lostDevice: null, droppedMs: 0, error: null,
  };
}

/** What outlives neither the socket nor the microphone. A turn does: its events are sent again. */
const NOTHING_UNDER_WAY = /** @type {const} */ ({
  isTaken: false, isHeld: false, isSpeechUnderWay: false, recognising: 0, output: "silent", partial: "",
});

/**
 * @param {CallFacts} facts
 * @param {CallHappening} happening
 * @returns {CallFacts} the same ones if nothing follows
 */
export function follow(facts, happening) {
  switch (happening.type) {
    case "signal": return followSignal(facts, happening.signal);
    case "event": return followEvent(facts, happening.event);
    case "taken": {
      // That the server listens helps nobody who has no microphone.
      const lacksMicrophone = facts.mode !== "listen_only" && facts.deviceLabel === null;
      return { ...facts, isTaken: true, isLost: false, error: lacksMicrophone ? facts.error : null };
    }
    case "disconnected": return { ...facts, ...NOTHING_UNDER_WAY };
    case "output": return followOutput(facts, happening.output);
    case "set": return { ...facts, ...happening.facts };
  }
}

/**
 * @param {CallFacts} facts
 * @param {Signal} signal
 * @returns {CallFacts}
 */
function followSignal(facts, signal) {
  switch (signal.type) {
    case "speech.started": return { ...facts, isSpeechUnderWay: true, partial: "", discarded: null };
    case "speech.stopped": return { ...facts, isSpeechUnderWay: false, recognising: facts.recognising + 1 };
    case "transcript.partial": return { ...facts, partial: signal.text };
    case "speech.discarded": {
      const recognising = Math.max(0, facts.recognising - 1);
      return { ...facts, recognising, partial: "", discarded: signal.reason };
    }
    case "audio.begin": return facts.output === "silent" ? { ...facts, output: "coming" } : facts;
    case "audio.pause": return facts.output === "silent" ? facts : { ...facts, output: "paused" };
    case "audio.cancel":
    case "audio.resume": return facts.output === "paused" ? { ...facts, output: "playing" } : facts;
    case "microphone.taken": return { ...facts, ...NOTHING_UNDER_WAY, isLost: true };
    default: return facts;
  }
}

/**
 * @param {CallFacts} facts
 * @param {SessionEvent} event
 * @returns {CallFacts}
 */
function followEvent(facts, event) {
  switch (event.type) {
    case "turn.started": {
      const { turn_id: turnId, modality } = event.data;
      if (modality !== "voice") return { ...facts, turnId };
      return { ...facts, turnId, recognising: Math.max(0, facts.recognising - 1) };
    }
    case "message.added": {
      const isUtterance = event.data.role === "user" && !facts.isSpeechUnderWay;
      return isUtterance && facts.partial !== "" ? { ...facts, partial: "" } : facts;
    }
    case "turn.completed": return event.data.turn_id === facts.turnId ? { ...facts, turnId: null } : facts;
    default: return facts;
  }
}

/**
 * @param {CallFacts} facts
 * @param {"playing" | "silent"} output
 * @returns {CallFacts}
 */
function followOutput(facts, output) {
  // The next of several replies may begin while all of them stand paused.
  if (output === facts.output || (output === "playing" && facts.output === "paused")) return facts;
  return { ...facts, output };
}

/**
 * @param {CallFacts} facts
 * @returns {CallState}
 */
export function stateOf(facts) {
  const { mode, codec, partial, discarded, deviceLabel, lostDevice, droppedMs, error } = facts;
  return Object.freeze({
    status: statusOf(facts), mode, codec, partial, discarded, deviceLabel, lostDevice, droppedMs, error,
    muted: facts.isMuted, held: facts.isHeld, suspended: facts.isSuspended,
  });
}

/**
 * Whoever speaks comes first; then what can be heard; then what is being worked at.
 *
 * @param {CallFacts} facts
 * @returns {CallState["status"]}
 */
function statusOf(facts) {
  if (facts.isEnded) return "ended";
  if (facts.isLost) return "taken";
  if (!facts.isTaken) return "starting";
  if (facts.isSpeechUnderWay) return "hearing";
  if (facts.output === "paused") return "paused";
  if (facts.output === "playing") return "speaking";
  if (facts.recognising > 0 || facts.turnId !== null || facts.output === "coming") return "thinking";
  const isListening = facts.mode === "hands_free" || facts.isHeld;
  return isListening && facts.deviceLabel !== null ? "listening" : "idle";
}
