// Listens to the microphone on the audio thread: brings it to the rate of the wire and cuts it into frames of
// 20 ms. Nothing leaves while it is shut. What it sends bears the number that it was opened with, so that
// nobody takes a frame of before for one of now.

import { createFramer } from "./framer.js";
import { toPcm16 } from "./pcm.js";
import { createResampler } from "./resampler.js";
import { AudioWorkletProcessor, registerProcessor, sampleRate } from "./worklet_scope.js";

const FRAMES_PER_S = 50;

/**
 * @typedef {{ type: "open", opening: number } | { type: "shut" | "close" }} CaptureOrder
 *
 * @typedef {object} CapturedFrame
 * @property {number | null} opening
 * @property {Float32Array<ArrayBuffer> | Int16Array<ArrayBuffer> | null} frame null: it was shut, and all of it
 *   has been sent
 */

class CaptureProcessor extends AudioWorkletProcessor {
  /** @param {{ processorOptions: { rateHz: number, isPcm: boolean } }} options */
  constructor({ processorOptions: { rateHz, isPcm } }) {
    super();
    this.resampler = createResampler(sampleRate, rateHz);
    this.framer = createFramer(rateHz / FRAMES_PER_S, (frame) => this.send(isPcm ? toPcm16(frame) : frame));
    // Blocks of the audio thread are short: several at once are cheaper to resample.
    this.gatherer = createFramer(Math.round(sampleRate / FRAMES_PER_S / 2), (block) => {
      this.framer.push(this.resampler.push(block));
    });
    /** @type {number | null} */
    this.opening = null;
    this.isClosed = false;
    this.port.onmessage = ({ data }) => this.follow(data);
  }

  /** @param {Float32Array[][]} inputs */
  process([input]) {
    const samples = input?.[0];
    if (samples && this.opening !== null) this.gatherer.push(samples);
    return !this.isClosed;
  }

  /** @param {CaptureOrder} order */
  follow(order) {
    this.shut();
    if (order.type === "open") this.opening = order.opening;
    if (order.type === "close") this.isClosed = true;
  }

  shut() {
    if (this.opening === null) return;
    this.gatherer.finish();
    this.framer.push(this.resampler.finish());
    this.framer.finish();
    this.send(null);
    this.opening = null;
  }

  /** @param {CapturedFrame["frame"]} frame */
  send(frame) {
    this.port.postMessage({ opening: this.opening, frame }, frame ? [frame.buffer] : []);
  }
}

registerProcessor("greenroom-capture", CaptureProcessor);
