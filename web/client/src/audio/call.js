// A conversation by voice on a session's socket: puts the microphone, the loudspeaker, the line to the server
// and what is known of the call together.

import { clientError } from "../errors.js";
import { openBook } from "./call_book.js";
import { createIncoming } from "./incoming.js";
import { MicrophoneError, openMicrophoneOrAnother } from "./microphone.js";
import { supportsOpus } from "./opus.js";
import { createOutgoing } from "./outgoing.js";
import { openSoundContext } from "./sound_context.js";

export { listDevices, MicrophoneError } from "./microphone.js";

/**
 * @typedef {import("./transport.js").AudioTransport} AudioTransport
 * @typedef {import("./transport.js").CallOptions} CallOptions
 * @typedef {import("./transport.js").Call} Call
 * @typedef {import("./call_book.js").CallBook} CallBook
 */

/**
 * Call it in the handler of a click or a key: browsers let nothing be heard before one.
 *
 * @param {AudioTransport} transport
 * @param {CallOptions} options
 * @param {() => boolean} [isWanted] whether it still is; asked once it could begin
 * @returns {Promise<Call>} once the microphone is there; throws `MicrophoneError`. Whether the server listens
 *   is told by the call's state
 */
export async function startCall(transport, options, isWanted = () => true) {
  assertWanted(transport, isWanted);
  if (typeof AudioContext === "undefined") throw new MicrophoneError("unsupported");
  /** @type {CallBook | null} */
  let book = null;
  const sound = openSoundContext((isSuspended) => book?.set({ isSuspended }));
  /** @type {MediaStreamTrack | null} */
  let track = null;
  try {
    const preparing = Promise.all([chooseCodec(options.codec ?? "auto"), addModules(sound.context)]);
    // Whoever waits for it below hears of its failure; nobody does if there is no microphone.
    preparing.catch(() => undefined);
    if (options.mode !== "listen_only") track = await openMicrophoneOrAnother(options.deviceId);
    sound.resume();
    const [codec] = await preparing;
    // Without the loudspeaker that was chosen, the system's plays.
    if (options.outputDeviceId) await sound.setOutputDevice(options.outputDeviceId).catch(() => undefined);
    assertWanted(transport, isWanted);
    book = openBook(options.mode, codec);
    book.set({ isSuspended: sound.isSuspended() });
    return connect({ transport, options, sound, book }, track);
  } catch (error) {
    track?.stop();
    await sound.close();
    throw error;
  }
}

/**
 * @param {AudioTransport} transport
 * @param {() => boolean} isWanted
 */
function assertWanted(transport, isWanted) {
  if (transport.isClosed) throw clientError("CLIENT_CLOSED", "The connection to the session is closed.");
  if (!isWanted()) throw clientError("CLIENT_OUTDATED", "Another call was begun meanwhile.");
}

/** @param {NonNullable<CallOptions["codec"]>} wanted */
async function chooseCodec(wanted) {
  const isOpus = wanted !== "pcm" && (await supportsOpus());
  return isOpus ? "opus" : "pcm_s16le";
}

/** @param {AudioContext} context */
function addModules({ audioWorklet }) {
  if (!audioWorklet) throw new MicrophoneError(globalThis.isSecureContext ? "unsupported" : "insecure");
  return Promise.all([
    audioWorklet.addModule(new URL("./capture.worklet.js", import.meta.url)),
    audioWorklet.addModule(new URL("./speaker.worklet.js", import.meta.url)),
  ]);
}

/**
 * @typedef {object} CallParts
 * @property {AudioTransport} transport
 * @property {CallOptions} options
 * @property {import("./sound_context.js").SoundContext} sound
 * @property {CallBook} book
 */

/**
 * @param {CallParts} parts
 * @param {MediaStreamTrack | null} track
 * @returns {Call}
 */
function connect({ transport, options, sound, book }, track) {
  const { context } = sound;
  const incoming = createIncoming({ transport, context, book, onError: (error) => void end(error) });
  const outgoing = createOutgoing({ transport, options, context, book, onEnd: (error) => void end(error) });
  const unsubscribe = [
    transport.onSignal(signalled),
    transport.onEvent((event) => book.tell({ type: "event", event })),
    transport.onBinary(incoming.frame),
    transport.onDisconnect(disconnected),
    transport.onReconnect(() => { if (!book.facts.isLost) outgoing.take(); }),
    transport.onClose(() => void end(null)),
  ];
  document.addEventListener("visibilitychange", hidden);

  /** @param {import("../protocol.js").Signal} signal */
  function signalled(signal) {
    if (signal.type === "microphone.taken") {
      // Who listens to nobody has no microphone to lose.
      if (!outgoing.hasMicrophone) return;
      outgoing.interrupt();
      outgoing.releaseMicrophone();
    }
    incoming.signalled(signal);
    book.tell({ type: "signal", signal });
  }

  function disconnected() {
    outgoing.interrupt();
    incoming.clear();
    book.tell({ type: "disconnected" });
  }

  /** A key that is let go behind another window is let go all the same. */
  function hidden() {
    if (document.hidden) outgoing.release();
  }

  /** @param {Error | null} error */
  async function end(error) {
    if (book.facts.isEnded) return;
    book.set({ isEnded: true, isHeld: false, partial: "", ...(error && { error }) });
    document.removeEventListener("visibilitychange", hidden);
    for (const each of unsubscribe) each();
    outgoing.close();
    incoming.close();
    await sound.close();
  }

  try {
    outgoing.begin(track);
  } catch (error) {
    void end(null);
    throw error;
  }

  return {
    get state() { return book.state; },
    get level() { return outgoing.readLevel(); },
    get outputLevel() { return incoming.readLevel(); },
    get played() { return incoming.played; },
    subscribe: book.subscribe,
    hold: outgoing.hold,
    release: outgoing.release,
    setMuted: outgoing.setMuted,
    setDevice: outgoing.setDevice,
    setOutputDevice: sound.setOutputDevice,
    takeBack: outgoing.takeBack,
    stop: () => end(null),
  };
}
