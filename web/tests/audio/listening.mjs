// @ts-check
// Whether what arrived is what was said: how two sounds lie to each other, and how alike they are, stretch by
// stretch.

/** A syllable: a hole of a frame of 20 ms, or a sample too many, shows in it. */
const STRETCH_MS = 100;
/** Stretches more quiet than this are silence, and alike to nothing. */
const SILENCE = 1e-4;

/**
 * How many samples later `heard` has what `said` has: where they correlate best.
 * @param {Float32Array} said
 * @param {Float32Array} heard
 * @param {{ from: number, until: number, step: number }} lags
 */
function bestLag(said, heard, { from, until, step }) {
  let best = { lag: from, product: -Infinity };
  for (let lag = from; lag <= until; lag += step) {
    let product = 0;
    for (let index = Math.max(0, -lag); index < said.length && index + lag < heard.length; index += step) {
      product += (said[index] ?? 0) * (heard[index + lag] ?? 0);
    }
    if (product > best.product) best = { lag, product };
  }
  return best.lag;
}

/**
 * @param {Float32Array} said
 * @param {Float32Array} heard
 * @param {number} rateHz of both
 */
export function compare(said, heard, rateHz) {
  const coarse = bestLag(said, heard, { from: -2 * rateHz, until: 2 * rateHz, step: 4 });
  const lag = bestLag(said, heard, { from: coarse - 8, until: coarse + 8, step: 1 });
  const length = (rateHz * STRETCH_MS) / 1000;
  /** @type {{ atMs: number, likeness: number, drift: number }[]} */
  const stretches = [];
  for (let start = Math.max(0, -lag); start + length <= said.length && start + lag + length <= heard.length; start += length) {
    const ours = said.subarray(start, start + length);
    if (energy(ours) / length < SILENCE) continue;
    const likeness = alike(ours, heard.subarray(start + lag, start + lag + length));
    const around = heard.subarray(Math.max(0, start + lag - 40), start + lag + length + 40);
    const drift = bestLag(ours, around, { from: 0, until: around.length - length, step: 1 }) - Math.min(40, start + lag);
    stretches.push({ atMs: (start * 1000) / rateHz, likeness, drift });
  }
  return { lag, stretches };
}

/**
 * 1 for the same shape, 0 for nothing in common.
 * @param {Float32Array} a
 * @param {Float32Array} b
 */
function alike(a, b) {
  const product = a.reduce((sum, sample, index) => sum + sample * (b[index] ?? 0), 0);
  return product / Math.sqrt(energy(a) * energy(b) || 1);
}

/** @param {Float32Array} samples */
function energy(samples) {
  return samples.reduce((sum, sample) => sum + sample * sample, 0);
}

/**
 * The samples of a WAV file of 16 bits and one channel.
 * @param {Buffer} wav
 */
export function samplesOfWav(wav) {
  const data = wav.indexOf("data") + 8;
  return Float32Array.from({ length: (wav.length - data) >> 1 }, (_, index) => wav.readInt16LE(data + 2 * index) / 32_768);
}
