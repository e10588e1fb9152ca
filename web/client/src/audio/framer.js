// Cuts a stream of samples into frames of one length.

/**
 * @typedef {object} Framer
 * @property {(samples: Float32Array) => void} push
 * @property {() => void} finish what is left becomes a frame that ends in silence; afterwards another stream
 *   may begin
 */

/**
 * @param {number} frameSamples
 * @param {(frame: Float32Array<ArrayBuffer>) => void} emit is given each frame for good
 * @returns {Framer}
 */
export function createFramer(frameSamples, emit) {
  let frame = new Float32Array(frameSamples);
  let filled = 0;

  function emitFrame() {
    const whole = frame;
    frame = new Float32Array(frameSamples);
    filled = 0;
    emit(whole);
  }

  /** @param {Float32Array} samples */
  function push(samples) {
    for (let taken = 0; taken < samples.length; ) {
      const part = samples.subarray(taken, taken + frameSamples - filled);
      frame.set(part, filled);
      taken += part.length;
      filled += part.length;
      if (filled === frameSamples) emitFrame();
    }
  }

  function finish() {
    if (filled > 0) emitFrame();
  }

  return { push, finish };
}
