// The microphone's side of a call: the track, the audio thread that cuts its sound into frames, and the way
// of the frames to the socket.

import { createBackpressure } from "./backpressure.js";
import { createLevelMeter } from "./level.js";
import { createOpusEncoder, OPUS_RATE_HZ } from "./opus.js";

/** What speech is recognised at. */
const PCM_RATE_HZ = 16_000;
const PCM_BYTES_PER_S = 2 * PCM_RATE_HZ;
/** As the encoder is set. */
const OPUS_BYTES_PER_S = 4_000;
const FRAME_MS = 20;

/**
 * @typedef {object} CaptureListener
 * @property {(droppedMs: number) => void} onDropped so much more of what was said is lost
 * @property {(error: Error) => void} onError nothing is listened to any more
 * @property {(error: Error) => void} onEncoderError nothing is encoded any more; told once
 */

/** @typedef {"opus" | "pcm_s16le"} Codec */
/** @typedef {ReturnType<typeof createCapture>} Capture */

/** @param {Codec} codec */
export function inputFormat(codec) {
  return { codec, sample_rate: codec === "opus" ? OPUS_RATE_HZ : PCM_RATE_HZ, channels: 1 };
}

/**
 * @param {AudioContext} context with `capture.worklet.js`
 * @param {import("./transport.js").AudioTransport} transport
 * @param {Codec} codec
 * @param {CaptureListener} listener
 */
export function createCapture(context, transport, codec, { onDropped, onError, onEncoderError }) {
  const isOpus = codec === "opus";
  const node = new AudioWorkletNode(context, "greenroom-capture", {
    outputChannelCount: [1],
    channelCount: 1,
    channelCountMode: "explicit",
    processorOptions: { rateHz: inputFormat(codec).sample_rate, isPcm: !isOpus },
  });
  // It says nothing, but what leads nowhere is not run.
  node.connect(context.destination);
  const input = new GainNode(context);
  input.connect(node);
  const readLevel = createLevelMeter(context, input);
  const mayBeSent = createBackpressure(isOpus ? OPUS_BYTES_PER_S : PCM_BYTES_PER_S);
  const encoder = isOpus ? createOpusEncoder(send, encoderFailed) : null;

  /** @type {MediaStreamTrack | null} */
  let track = null;
  /** @type {MediaStreamAudioSourceNode | null} */
  let source = null;
  let isMuted = false;
  let openings = 0;
  let isSending = false;
  let isEncoderOver = false;
  /** @type {(() => void) | null} */
  let onDrained = null;

  node.port.onmessage = ({ data }) => take(data);
  node.onprocessorerror = () => onError(new Error("the audio thread failed to listen"));

  /** @param {import("./capture.worklet.js").CapturedFrame} captured */
  function take({ opening, frame }) {
    if (opening !== openings || !isSending) return;
    if (frame === null) {
      const drained = onDrained;
      onDrained = null;
      // The encoder hands out what it has before anything else is sent.
      Promise.resolve(encoder?.flush()).then(() => {
        if (opening === openings) drained?.();
      }, encoderFailed);
    } else if (!encoder) {
      send(frame);
    } else if (!encoder.encode(/** @type {Float32Array<ArrayBuffer>} */ (frame))) {
      drop();
    }
  }

  /** @param {ArrayBufferView<ArrayBuffer>} bytes */
  function send(bytes) {
    if (!isSending) return;
    if (!mayBeSent(transport.bufferedBytes) || !transport.send(bytes)) drop();
  }

  function drop() {
    onDropped(FRAME_MS);
  }

  /** @param {Error} error */
  function encoderFailed(error) {
    // What was waiting for it fails with it; and so it does when it is closed.
    if (isEncoderOver) return;
    isEncoderOver = true;
    onEncoderError(error);
  }

  /** @param {import("./capture.worklet.js").CaptureOrder} message */
  function order(message) {
    node.port.postMessage(message);
  }

  /** Sound flows from now on. */
  function open() {
    openings += 1;
    isSending = true;
    onDrained = null;
    order({ type: "open", opening: openings });
  }

  /**
   * No more is taken; what was goes out.
   *
   * @param {() => void} drained is called once it has, unless it is opened or cut off before
   */
  function shut(drained) {
    onDrained = drained;
    order({ type: "shut" });
  }

  /** No more is taken, and nothing that was taken goes out. */
  function cutOff() {
    isSending = false;
    onDrained = null;
    order({ type: "shut" });
  }

  /** @param {MediaStreamTrack | null} next the one before is released */
  function setTrack(next) {
    leaveTrack()?.stop();
    if (!next) return;
    track = next;
    next.enabled = !isMuted;
    source = new MediaStreamAudioSourceNode(context, { mediaStream: new MediaStream([next]) });
    source.connect(input);
  }

  /**
   * Silence flows in the place of sound, so that whoever listens notices the end of an utterance.
   *
   * @param {boolean} muted
   */
  function setMuted(muted) {
    isMuted = muted;
    if (track) track.enabled = !muted;
  }

  function leaveTrack() {
    const left = track;
    source?.disconnect();
    track = null;
    source = null;
    return left;
  }

  function close() {
    handOver()?.stop();
  }

  /** Closes, and gives back the microphone for somebody else to listen to. */
  function handOver() {
    isEncoderOver = true;
    cutOff();
    order({ type: "close" });
    node.disconnect();
    encoder?.close();
    return leaveTrack();
  }

  return { open, shut, cutOff, setTrack, setMuted, readLevel, close, handOver };
}
