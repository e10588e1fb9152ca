// How loud something sounds, 0 to 1, from what an analyser has heard last: 0 is -60 dB and below, 1 full
// scale, even steps in between being even to the ear.

const RANGE_DB = 60;

/**
 * @param {Float32Array} samples
 * @returns {number}
 */
export function levelOf(samples) {
  let energy = 0;
  for (const sample of samples) energy += sample * sample;
  if (energy === 0) return 0;
  const decibels = 10 * Math.log10(energy / samples.length);
  return Math.min(1, Math.max(0, 1 + decibels / RANGE_DB));
}

/**
 * @param {BaseAudioContext} context
 * @param {AudioNode} source
 * @returns {() => number} reads the level of now
 */
export function createLevelMeter(context, source) {
  // 21 ms at 48 kHz: a little more than a frame of a screen.
  const analyser = new AnalyserNode(context, { fftSize: 1024 });
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  return () => {
    analyser.getFloatTimeDomainData(samples);
    return levelOf(samples);
  };
}
