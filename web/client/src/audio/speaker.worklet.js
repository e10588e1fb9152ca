// Plays replies on the audio thread. What it is told between two blocks takes effect with the next one. Where
// the sound is to stop, that block fades out, and where it goes on, the first one fades in: a cut would
// click.

import { createPlaybackQueue } from "./playback_queue.js";
import { AudioWorkletProcessor, registerProcessor, sampleRate } from "./worklet_scope.js";

/** Rides out what a busy page or an uneven network delays; a server is ahead by several times that. */
const START_MS = 80;
const START_WITHIN_MS = 200;
/** The protocol wants to know every 250 ms. */
const REPORT_EVERY_MS = 200;

/**
 * @typedef {{ type: "begin" | "end" | "cancel", reply: number } | { type: "push", reply: number, samples:
 *   Float32Array<ArrayBuffer> } | { type: "pause" | "resume" | "clear" | "close" }} SpeakerOrder
 */

class SpeakerProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.queue = createPlaybackQueue({
      startSamples: samplesOf(START_MS),
      startWithinSamples: samplesOf(START_WITHIN_MS),
      reportEverySamples: samplesOf(REPORT_EVERY_MS),
    });
    /** @type {SpeakerOrder[]} */
    this.orders = [];
    this.fadesIn = false;
    this.isClosed = false;
    this.port.onmessage = ({ data }) => this.orders.push(data);
  }

  /**
   * @param {Float32Array[][]} _inputs
   * @param {Float32Array[][]} outputs
   */
  process(_inputs, outputs) {
    const output = /** @type {Float32Array} */ (outputs[0]?.[0]);
    const { queue } = this;
    let isFilled = false;
    for (const order of this.orders) {
      if (!isFilled && stopsSound(order) && queue.isSounding()) {
        this.fill(output);
        fade(output, 1, 0);
        isFilled = true;
      }
      this.follow(order);
    }
    this.orders.length = 0;
    if (!isFilled) this.fill(output);
    for (const report of queue.takeReports()) this.port.postMessage(report);
    return !this.isClosed;
  }

  /** @param {Float32Array} output */
  fill(output) {
    this.queue.pull(output);
    if (this.fadesIn) fade(output, 0, 1);
    this.fadesIn = false;
  }

  /** @param {SpeakerOrder} order */
  follow(order) {
    const { queue } = this;
    switch (order.type) {
      case "begin": return queue.begin(order.reply);
      case "push": return queue.push(order.reply, order.samples);
      case "end": return queue.end(order.reply);
      case "cancel": return queue.cancel(order.reply);
      case "pause": return queue.pause();
      case "clear": return queue.clear();
      case "resume":
        queue.resume();
        this.fadesIn = queue.isSounding();
        return;
      case "close":
        this.isClosed = true;
    }
  }
}

/** @param {SpeakerOrder} order */
function stopsSound({ type }) {
  return type === "pause" || type === "cancel" || type === "clear";
}

/**
 * @param {Float32Array} output
 * @param {number} from
 * @param {number} to
 */
function fade(output, from, to) {
  for (let index = 0; index < output.length; index += 1) {
    const gain = from + ((to - from) * (index + 1)) / output.length;
    output[index] = /** @type {number} */ (output[index]) * gain;
  }
}

/** @param {number} milliseconds */
function samplesOf(milliseconds) {
  return Math.round((milliseconds * sampleRate) / 1000);
}

registerProcessor("greenroom-speaker", SpeakerProcessor);
