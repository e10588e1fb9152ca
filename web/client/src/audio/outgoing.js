// The way out of a call: which microphone is listened to, when its sound flows, and what the server was told
// of it.

import { createCapture, inputFormat } from "./capture.js";
import { createInput } from "./input.js";
import { createLine } from "./line.js";
import { openMicrophone, openMicrophoneOrAnother } from "./microphone.js";

/** What speech is made at. */
const PCM_OUTPUT_RATE_HZ = 24_000;
const OPUS_OUTPUT_RATE_HZ = 48_000;

/**
 * @typedef {import("./transport.js").CallOptions} CallOptions
 * @typedef {import("./capture.js").Codec} Codec
 * @typedef {import("./line.js").AudioStart} AudioStart
 * @typedef {ReturnType<typeof createOutgoing>} Outgoing
 */

/**
 * @param {object} parts
 * @param {import("./transport.js").AudioTransport} parts.transport
 * @param {CallOptions} parts.options
 * @param {AudioContext} parts.context
 * @param {import("./call_book.js").CallBook} parts.book
 * @param {(error: Error | null) => void} parts.onEnd the call cannot go on
 */
export function createOutgoing({ transport, options, context, book, onEnd }) {
  const outputCodec = book.facts.codec;
  let capture = openCapture();
  const line = createLine(transport, () => startOf(options, book.facts.codec, outputCodec), {
    onTaken: taken,
    onRefused: refused,
  });
  const input = createInput({ onTrack: listenTo, onLost: lost, onMissing: missing });

  function openCapture() {
    return createCapture(context, transport, book.facts.codec, {
      onDropped: (droppedMs) => book.set({ droppedMs: book.facts.droppedMs + droppedMs }),
      onError: onEnd,
      onEncoderError: goOnWithoutOpus,
    });
  }

  /** The browser encodes no more: from now on samples are sent, once the server knows. */
  function goOnWithoutOpus() {
    const track = capture.handOver();
    book.set({ codec: "pcm_s16le" });
    capture = openCapture();
    capture.setMuted(book.facts.isMuted);
    capture.setTrack(track);
    if (book.facts.isTaken || line.isAsked) line.take();
  }

  function taken() {
    book.tell({ type: "taken" });
    if (!input.isOpen) transport.sendJson({ type: "audio.stop" });
    else if (options.mode === "hands_free" || book.facts.isHeld) capture.open();
  }

  /** @param {import("../errors.js").ApiError} error */
  function refused(error) {
    if (error.retryable) book.set({ error });
    else onEnd(error);
  }

  /** @param {MediaStreamTrack | null} next */
  function listenTo(next) {
    const wasMissing = book.facts.deviceLabel === null;
    capture.setTrack(next);
    book.set({ deviceLabel: next ? next.label : null, ...(next && { error: null }) });
    // The server was told that nobody listens.
    if (next && wasMissing && book.facts.isTaken) line.take();
  }

  /** @param {string} lostDevice */
  function lost(lostDevice) {
    book.set({ lostDevice });
  }

  /** @param {Error} error */
  function missing(error) {
    capture.cutOff();
    if (book.facts.isTaken) transport.sendJson({ type: "audio.stop" });
    book.set({ error, isHeld: false });
  }

  function hold() {
    const { mode, isTaken, isHeld } = book.facts;
    if (mode !== "push_to_talk" || !isTaken || isHeld || !input.isOpen) return;
    capture.open();
    book.set({ isHeld: true });
  }

  function release() {
    if (!book.facts.isHeld) return;
    capture.shut(() => transport.sendJson({ type: "audio.commit" }));
    book.set({ isHeld: false });
  }

  /** Nothing is heard of this socket any more, or of this call. */
  function interrupt() {
    capture.cutOff();
    line.leave();
  }

  /** @param {MediaStreamTrack | null} track */
  function begin(track) {
    if (track) input.use(track);
    line.take();
  }

  /** @param {boolean} muted */
  function setMuted(muted) {
    capture.setMuted(muted);
    book.set({ isMuted: muted });
  }

  /** @param {string} deviceId */
  async function setDevice(deviceId) {
    // What ended listens to nobody.
    if (book.facts.isEnded) return;
    await input.open(openMicrophone(deviceId));
    if (!book.facts.isEnded) book.set({ lostDevice: null });
  }

  /** Takes the microphone again that another device took. */
  async function takeBack() {
    const isGivenUp = () => book.facts.isEnded || !book.facts.isLost;
    if (isGivenUp()) return;
    if (options.mode !== "listen_only") await input.open(openMicrophoneOrAnother(options.deviceId));
    // Somebody may have hung up while the browser asked.
    if (!isGivenUp()) line.take();
  }

  function close() {
    input.close();
    capture.close();
    // Also what was asked for and not answered yet will be given.
    if (book.facts.isTaken || line.isAsked) line.giveBack();
    line.close();
  }

  return {
    begin, hold, release, interrupt, setMuted, setDevice, takeBack, close,
    take: line.take,
    releaseMicrophone: input.release,
    readLevel: () => capture.readLevel(),
    get hasMicrophone() { return input.isOpen; },
  };
}

/**
 * @param {CallOptions} options
 * @param {Codec} inputCodec
 * @param {Codec} outputCodec
 * @returns {AudioStart}
 */
function startOf({ mode, record, voicePreset }, inputCodec, outputCodec) {
  return {
    type: "audio.start",
    ...inputFormat(inputCodec),
    turn_detection: mode === "push_to_talk" ? "manual" : "server_vad",
    record: record ?? false,
    output: {
      codec: outputCodec,
      sample_rate: outputCodec === "opus" ? OPUS_OUTPUT_RATE_HZ : PCM_OUTPUT_RATE_HZ,
      ...(voicePreset && { voice_preset: voicePreset }),
    },
  };
}
