// The loudspeaker's side of a call: takes a reply's frames off the socket, hands them to the audio thread as
// samples of its rate, and acknowledges what that says it has played.

import { createLevelMeter } from "./level.js";
import { createOpusDecoder, OPUS_RATE_HZ } from "./opus.js";
import { fromPcm16 } from "./pcm.js";
import { createResampler } from "./resampler.js";

/** Opus packets come in frames of this length. */
const OPUS_FRAME_MS = 20;
/**
 * A server sends no more than `voice.lead_ms` ahead, 5 s at most. What is further ahead is dropped, the
 * newest first: what is played then is without a gap as far as it goes.
 */
const WAITING_MAX_MS = 10_000;

/**
 * @typedef {object} SpeakerListener
 * @property {(replyId: string, playedMs: number) => void} onPlayed to be acknowledged
 * @property {() => void} onStarted a reply can be heard from now on
 * @property {() => void} onSilent nothing is left to be played
 * @property {(error: Error) => void} onError nothing is played any more
 */

/**
 * A reply of which something may still be played, or come.
 *
 * @typedef {object} SpokenReply
 * @property {number} reply what the audio thread calls it
 * @property {string} replyId
 * @property {boolean} isOpus
 * @property {number} rateHz of its samples
 * @property {import("./resampler.js").Resampler} resampler
 * @property {import("./opus.js").OpusDecoding | null} decoder
 * @property {number} receivedMs
 * @property {number} playedMs
 */

/** @typedef {ReturnType<typeof createSpeaker>} Speaker */

/**
 * @param {AudioContext} context with `speaker.worklet.js`
 * @param {SpeakerListener} listener
 */
export function createSpeaker(context, { onPlayed, onStarted, onSilent, onError }) {
  const node = new AudioWorkletNode(context, "greenroom-speaker", {
    numberOfInputs: 0,
    outputChannelCount: [1],
  });
  node.connect(context.destination);
  const readLevel = createLevelMeter(context, node);
  /** In the order in which they began. @type {Map<string, SpokenReply>} */
  const replies = new Map();
  /** The one that frames belong to. @type {SpokenReply | null} */
  let latest = null;
  let begun = 0;
  let isPaused = false;

  node.port.onmessage = ({ data }) => hearReport(data);
  node.onprocessorerror = () => onError(new Error("the audio thread failed to play"));

  /** @param {import("./playback_queue.js").PlaybackReport} report */
  function hearReport({ reply, playedSamples, now }) {
    const spoken = [...replies.values()].find((candidate) => candidate.reply === reply);
    if (!spoken) return;
    const playedMs = (playedSamples * 1000) / context.sampleRate;
    // A rest of a millisecond counts as a whole one, or nobody would ever know that all of it was played.
    const round = now === "over" ? Math.ceil : Math.floor;
    spoken.playedMs = round(Math.min(playedMs, spoken.receivedMs));
    onPlayed(spoken.replyId, spoken.playedMs);
    if (now === "started") onStarted();
    if (now === "over") forget(spoken);
  }

  /** @param {SpokenReply} spoken */
  function forget(spoken) {
    spoken.decoder?.close();
    replies.delete(spoken.replyId);
    if (latest === spoken) latest = null;
    if (replies.size > 0) return;
    isPaused = false;
    onSilent();
  }

  /** @param {import("./speaker.worklet.js").SpeakerOrder} message */
  function order(message) {
    node.port.postMessage(message, message.type === "push" ? [message.samples.buffer] : []);
  }

  /**
   * @param {SpokenReply} spoken
   * @param {Float32Array<ArrayBuffer>} samples
   */
  function push(spoken, samples) {
    const isWanted = replies.get(spoken.replyId) === spoken;
    if (isWanted) order({ type: "push", reply: spoken.reply, samples: spoken.resampler.push(samples) });
  }

  /** @param {SpokenReply} spoken */
  function openDecoder(spoken) {
    // A packet that cannot be decoded ends a decoder; the next packet gets another one.
    return createOpusDecoder((samples) => push(spoken, samples), () => { spoken.decoder = null; });
  }

  /** @param {{ reply_id: string, codec: "opus" | "pcm_s16le", sample_rate: number }} signal */
  function begin({ reply_id: replyId, codec, sample_rate: announcedHz }) {
    begun += 1;
    const isOpus = codec === "opus";
    const rateHz = isOpus ? OPUS_RATE_HZ : announcedHz;
    const resampler = createResampler(rateHz, context.sampleRate);
    latest = { reply: begun, replyId, isOpus, rateHz, resampler, decoder: null, receivedMs: 0, playedMs: 0 };
    replies.set(replyId, latest);
    order({ type: "begin", reply: begun });
    // As long as nothing can be heard, the server had better know than guess.
    if (context.state !== "running") onPlayed(replyId, 0);
  }

  /** @param {ArrayBuffer} bytes */
  function frame(bytes) {
    if (!latest || latest.receivedMs - latest.playedMs > WAITING_MAX_MS) return;
    if (latest.isOpus) {
      latest.receivedMs += OPUS_FRAME_MS;
      latest.decoder ??= openDecoder(latest);
      latest.decoder.decode(bytes);
    } else {
      const samples = fromPcm16(bytes);
      latest.receivedMs += (samples.length * 1000) / latest.rateHz;
      push(latest, samples);
    }
  }

  /** @param {string} replyId */
  async function end(replyId) {
    const spoken = replies.get(replyId);
    if (!spoken) return;
    if (latest === spoken) latest = null;
    await spoken.decoder?.flush().catch(() => undefined);
    if (replies.get(replyId) !== spoken) return;
    order({ type: "push", reply: spoken.reply, samples: spoken.resampler.finish() });
    order({ type: "end", reply: spoken.reply });
  }

  /** @param {string} replyId */
  function pause(replyId) {
    if (!replies.has(replyId)) return;
    isPaused = true;
    order({ type: "pause" });
  }

  /** The reply that was paused may have been played to its end before the pause came: what follows goes on. */
  function resume() {
    if (!isPaused) return;
    isPaused = false;
    order({ type: "resume" });
  }

  /**
   * Whoever interrupts does not want to hear the end of something older either.
   *
   * @param {string} replyId
   */
  function cancel(replyId) {
    const cancelled = replies.get(replyId);
    if (!cancelled) return resume();
    for (const spoken of replies.values()) {
      const isCancelled = isPaused ? spoken.reply <= cancelled.reply : spoken === cancelled;
      if (!isCancelled) continue;
      order({ type: "cancel", reply: spoken.reply });
      forget(spoken);
    }
    isPaused = false;
  }

  /** Whatever was to be played is not. */
  function clear() {
    isPaused = false;
    order({ type: "clear" });
    for (const spoken of replies.values()) forget(spoken);
  }

  function close() {
    clear();
    order({ type: "close" });
    node.disconnect();
  }

  return { begin, frame, end, pause, resume, cancel, clear, close, readLevel };
}
