// A conversation by voice on a session's socket: puts the microphone, the loudspeaker, the line to the server
// and what is known of the call together.

import { follow, newCall, stateOf } from "./call_state.js";
import { createCapture, inputFormat } from "./capture.js";
import { createInput } from "./input.js";
import { createLine } from "./line.js";
import { openMicrophone, openMicrophoneOrAnother } from "./microphone.js";
import { supportsOpus } from "./opus.js";
import { openSoundContext } from "./sound_context.js";
import { createSpeaker } from "./speaker.js";

export { listDevices, MicrophoneError } from "./microphone.js";

/** What speech is made at. */
const PCM_OUTPUT_RATE_HZ = 24_000;
const OPUS_OUTPUT_RATE_HZ = 48_000;

/**
 * @typedef {import("./transport.js").AudioTransport} AudioTransport
 * @typedef {import("./transport.js").CallOptions} CallOptions
 * @typedef {import("./transport.js").CallState} CallState
 * @typedef {import("./transport.js").Call} Call
 * @typedef {import("./call_state.js").CallHappening} CallHappening
 * @typedef {import("./capture.js").Codec} Codec
 */

/**
 * Call it in the handler of a click or a key: browsers let nothing be heard before one.
 *
 * @param {AudioTransport} transport
 * @param {CallOptions} options
 * @returns {Promise<Call>} once the microphone is there; throws `MicrophoneError`. Whether the server listens
 *   is told by the call's state
 */
export async function startCall(transport, options) {
  /** @type {CallBook | null} */
  let book = null;
  const sound = openSoundContext((isSuspended) => book?.tell({ type: "set", facts: { isSuspended } }));
  /** @type {MediaStreamTrack | null} */
  let track = null;
  try {
    const preparing = Promise.all([chooseCodec(options.codec ?? "auto"), addModules(sound.context)]);
    // Whoever waits for it below hears of its failure; nobody does if there is no microphone.
    preparing.catch(() => undefined);
    if (options.mode !== "listen_only") track = await openMicrophoneOrAnother(options.deviceId);
    const [codec] = await preparing;
    // Without the loudspeaker that was chosen, the system's plays.
    if (options.outputDeviceId) await sound.setOutputDevice(options.outputDeviceId).catch(() => undefined);
    book = openBook(options.mode, codec);
    book.tell({ type: "set", facts: { isSuspended: sound.isSuspended() } });
    return connect({ transport, options, sound, codec, book }, track);
  } catch (error) {
    track?.stop();
    await sound.close();
    throw error;
  }
}

/** @param {NonNullable<CallOptions["codec"]>} wanted */
async function chooseCodec(wanted) {
  const isOpus = wanted !== "pcm" && (await supportsOpus());
  return isOpus ? "opus" : "pcm_s16le";
}

/** @param {AudioContext} context */
function addModules({ audioWorklet }) {
  if (!audioWorklet) throw new Error("this browser has no AudioWorklet");
  return Promise.all([
    audioWorklet.addModule(new URL("./capture.worklet.js", import.meta.url)),
    audioWorklet.addModule(new URL("./speaker.worklet.js", import.meta.url)),
  ]);
}

/**
 * What is known of a call, and who wants to know.
 *
 * @typedef {ReturnType<typeof openBook>} CallBook
 */

/**
 * @param {CallOptions["mode"]} mode
 * @param {Codec} codec
 */
function openBook(mode, codec) {
  let facts = newCall(mode, codec);
  let state = stateOf(facts);
  /** @type {Set<(state: CallState) => void>} */
  const listeners = new Set();

  /** @param {CallHappening} happening */
  function tell(happening) {
    const next = follow(facts, happening);
    if (next === facts) return;
    facts = next;
    state = stateOf(facts);
    for (const listener of [...listeners]) listener(state);
  }

  /** @param {(state: CallState) => void} listener */
  function subscribe(listener) {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  return { tell, subscribe, get facts() { return facts; }, get state() { return state; } };
}

/**
 * @typedef {object} CallParts
 * @property {AudioTransport} transport
 * @property {CallOptions} options
 * @property {import("./sound_context.js").SoundContext} sound
 * @property {Codec} codec
 * @property {CallBook} book
 */

/**
 * @param {CallParts} parts
 * @param {MediaStreamTrack | null} track
 * @returns {Call}
 */
function connect({ transport, options, sound, codec, book }, track) {
  const { context } = sound;
  const capture = createCapture(context, transport, codec, {
    onDropped: (droppedMs) => book.tell({ type: "set", facts: { droppedMs } }),
    onError: (error) => void end(error),
  });
  /** @type {Call["played"]} */
  let played = null;
  const speaker = createSpeaker(context, {
    onPlayed: (reply_id, played_ms) => {
      if (played?.replyId === reply_id) played = { ...played, ms: played_ms };
      transport.sendJson({ type: "playback.ack", reply_id, played_ms });
    },
    onStarted: () => book.tell({ type: "output", output: "playing" }),
    onSilent: () => book.tell({ type: "output", output: "silent" }),
    onError: (error) => void end(error),
  });
  const line = createLine(transport, startOf(options, codec), { onTaken: taken, onRefused: refused });
  const input = createInput({ onTrack: listenTo, onLost: lost, onMissing: missing });
  const unsubscribe = [
    transport.onSignal(signalled),
    transport.onEvent((event) => book.tell({ type: "event", event })),
    transport.onBinary(speaker.frame),
    transport.onDisconnect(disconnected),
    transport.onReconnect(() => { if (!book.facts.isLost) line.take(); }),
    transport.onClose(() => void end(null)),
  ];
  document.addEventListener("visibilitychange", hidden);

  function taken() {
    book.tell({ type: "taken" });
    if (!input.isOpen) transport.sendJson({ type: "audio.stop" });
    else if (options.mode === "hands_free") capture.open();
  }

  /** @param {import("../errors.js").ApiError} error */
  function refused(error) {
    if (error.retryable) book.tell({ type: "set", facts: { error } });
    else void end(error);
  }

  /** @param {import("../protocol.js").Signal} signal */
  function signalled(signal) {
    // Who listens to nobody has no microphone to lose.
    if (signal.type === "microphone.taken" && !input.isOpen) return;
    switch (signal.type) {
      case "audio.begin":
        played = { replyId: signal.reply_id, turnId: signal.turn_id ?? null, ms: 0 };
        speaker.begin(signal);
        break;
      case "audio.end": void speaker.end(signal.reply_id); break;
      case "audio.pause": speaker.pause(signal.reply_id); break;
      case "audio.resume": speaker.resume(signal.reply_id); break;
      case "audio.cancel": speaker.cancel(signal.reply_id); break;
      case "microphone.taken":
        capture.cutOff();
        line.leave();
        input.release();
    }
    book.tell({ type: "signal", signal });
  }

  function disconnected() {
    capture.cutOff();
    speaker.clear();
    line.leave();
    book.tell({ type: "disconnected" });
  }

  /** @param {MediaStreamTrack | null} next */
  function listenTo(next) {
    const wasMissing = book.facts.deviceLabel === null;
    capture.setTrack(next);
    const deviceLabel = next ? next.label : null;
    book.tell({ type: "set", facts: { deviceLabel, ...(next && { error: null }) } });
    // The server was told that nobody listens.
    if (next && wasMissing && book.facts.isTaken) line.take();
  }

  /** @param {string} lostDevice */
  function lost(lostDevice) {
    book.tell({ type: "set", facts: { lostDevice } });
  }

  /** @param {Error} error */
  function missing(error) {
    capture.cutOff();
    if (book.facts.isTaken) transport.sendJson({ type: "audio.stop" });
    book.tell({ type: "set", facts: { error, isHeld: false } });
  }

  function hold() {
    const { mode, isTaken, isHeld } = book.facts;
    if (mode !== "push_to_talk" || !isTaken || isHeld || !input.isOpen) return;
    book.tell({ type: "set", facts: { isHeld: true } });
    capture.open();
  }

  function release() {
    if (!book.facts.isHeld) return;
    book.tell({ type: "set", facts: { isHeld: false } });
    capture.shut(() => transport.sendJson({ type: "audio.commit" }));
  }

  /** A key that is let go behind another window is let go all the same. */
  function hidden() {
    if (document.hidden) release();
  }

  /** @param {Error | null} error */
  async function end(error) {
    if (book.facts.isEnded) return;
    const { isTaken } = book.facts;
    book.tell({ type: "set", facts: { isEnded: true, isHeld: false, partial: "", ...(error && { error }) } });
    document.removeEventListener("visibilitychange", hidden);
    for (const each of unsubscribe) each();
    input.close();
    capture.close();
    speaker.close();
    if (isTaken) line.giveBack();
    line.close();
    await sound.close();
  }

  if (track) input.use(track);
  line.take();

  return {
    get state() { return book.state; },
    get level() { return capture.readLevel(); },
    get outputLevel() { return speaker.readLevel(); },
    get played() { return played; },
    subscribe: book.subscribe,
    hold,
    release,
    setMuted(muted) {
      capture.setMuted(muted);
      book.tell({ type: "set", facts: { isMuted: muted } });
    },
    async setDevice(deviceId) {
      await input.open(openMicrophone(deviceId));
      book.tell({ type: "set", facts: { lostDevice: null } });
    },
    setOutputDevice: sound.setOutputDevice,
    async takeBack() {
      if (!book.facts.isLost) return;
      if (options.mode !== "listen_only") await input.open(openMicrophoneOrAnother(options.deviceId));
      line.take();
    },
    stop: () => end(null),
  };
}

/**
 * @param {CallOptions} options
 * @param {Codec} codec
 * @returns {import("./line.js").AudioStart}
 */
function startOf({ mode, record, voicePreset }, codec) {
  return {
    type: "audio.start",
    ...inputFormat(codec),
    turn_detection: mode === "push_to_talk" ? "manual" : "server_vad",
    record: record ?? false,
    output: {
      codec,
      sample_rate: codec === "opus" ? OPUS_OUTPUT_RATE_HZ : PCM_OUTPUT_RATE_HZ,
      ...(voicePreset && { voice_preset: voicePreset }),
    },
  };
}
