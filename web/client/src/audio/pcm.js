// Samples as the wire has them, 16 bits with the lower byte first, and as Web Audio has them. Every machine
// that runs a browser stores its numbers that way too.

const FULL_SCALE = 32_768;

/**
 * @param {Float32Array} samples -1 to 1; what is louder is cut off
 * @returns {Int16Array<ArrayBuffer>}
 */
export function toPcm16(samples) {
  const pcm = new Int16Array(samples.length);
  samples.forEach((sample, index) => {
    pcm[index] = Math.max(-FULL_SCALE, Math.min(FULL_SCALE - 1, Math.round(sample * FULL_SCALE)));
  });
  return pcm;
}

/**
 * @param {ArrayBuffer} bytes a half sample at the end is left out
 * @returns {Float32Array<ArrayBuffer>}
 */
export function fromPcm16(bytes) {
  return Float32Array.from(new Int16Array(bytes, 0, bytes.byteLength >> 1), (sample) => sample / FULL_SCALE);
}
