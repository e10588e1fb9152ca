// Changes the rate of a stream of samples: a windowed sinc in polyphase form, which carries what it needs
// from block to block, so that a stream cut anywhere comes out the same. Sample 0 comes out where sample 0
// went in: the filter's own delay shows only in when something comes, and `finish` brings the rest.

/**
 * On each side, counted at the lower of the two rates. With the window below: 80 dB down, 0.87 of the band
 * kept.
 */
const ZERO_CROSSINGS = 32;
/** Half-way down here, as a part of the lower rate's band. */
const CUTOFF = 0.95;
/** Kaiser's beta for 80 dB. */
const WINDOW_BETA = 7.86;

/**
 * @typedef {object} Resampler
 * @property {(samples: Float32Array<ArrayBuffer>) => Float32Array<ArrayBuffer>} push what can be told by now
 * @property {() => Float32Array<ArrayBuffer>} finish the rest. Afterwards another stream may begin
 */

/**
 * @param {number} fromRateHz
 * @param {number} toRateHz
 * @returns {Resampler}
 */
export function createResampler(fromRateHz, toRateHz) {
  if (fromRateHz === toRateHz) {
    return { push: (samples) => samples, finish: () => new Float32Array(0) };
  }
  const divisor = greatestCommonDivisor(fromRateHz, toRateHz);
  const up = toRateHz / divisor;
  const down = fromRateHz / divisor;
  const half = Math.ceil(ZERO_CROSSINGS * Math.max(1, fromRateHz / toRateHz));
  const kernel = filterOfPhases(up, half, CUTOFF * Math.min(1, toRateHz / fromRateHz));
  const taps = 2 * half;
  // The next sample to come lies between `kept[half - 1]` and `kept[half]`, `phase / up` behind the former.
  let kept = new Float32Array(half - 1);
  let phase = 0;

  /** @param {Float32Array<ArrayBuffer>} samples */
  function push(samples) {
    const input = new Float32Array(kept.length + samples.length);
    input.set(kept);
    input.set(samples, kept.length);
    const lastFirst = input.length - taps;
    const output = new Float32Array(Math.max(0, Math.ceil(((lastFirst + 1) * up - phase) / down)));
    let first = 0;
    for (let index = 0; index < output.length; index += 1) {
      let sum = 0;
      for (let tap = 0, weight = phase * taps; tap < taps; tap += 1, weight += 1) {
        sum += /** @type {number} */ (input[first + tap]) * /** @type {number} */ (kernel[weight]);
      }
      output[index] = sum;
      phase += down;
      first += Math.floor(phase / up);
      phase %= up;
    }
    kept = input.slice(first);
    return output;
  }

  function finish() {
    const rest = push(new Float32Array(half));
    kept = new Float32Array(half - 1);
    phase = 0;
    return rest;
  }

  return { push, finish };
}

/**
 * For each phase the weights of the samples around, which sum to 1.
 *
 * @param {number} phases
 * @param {number} half
 * @param {number} cutoff as a part of the input's band
 */
function filterOfPhases(phases, half, cutoff) {
  const taps = 2 * half;
  const kernel = new Float32Array(phases * taps);
  for (let phase = 0; phase < phases; phase += 1) {
    const weights = kernel.subarray(phase * taps, (phase + 1) * taps);
    let sum = 0;
    for (let tap = 0; tap < taps; tap += 1) {
      const distance = tap - (half - 1) - phase / phases;
      const weight = sinc(cutoff * distance) * kaiser(distance / half);
      weights[tap] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < taps; tap += 1) weights[tap] = /** @type {number} */ (weights[tap]) / sum;
  }
  return kernel;
}

/** @param {number} x */
function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** @param {number} x -1 to 1 */
function kaiser(x) {
  return besselI0(WINDOW_BETA * Math.sqrt(Math.max(0, 1 - x * x))) / besselI0(WINDOW_BETA);
}

/** @param {number} x */
function besselI0(x) {
  let sum = 1;
  for (let term = 1, k = 1; term > sum * 1e-9; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/**
 * @param {number} a
 * @param {number} b
 * @returns {number}
 */
function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
