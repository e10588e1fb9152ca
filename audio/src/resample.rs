//! Changes the rate of one channel as it streams by, in bounded memory.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, Fft, FixedAsync, FixedSync, Indexing, Resampler, SincInterpolationParameters, WindowFunction,
};
use thiserror::Error;

/// The lowest rate that is taken, in samples per second: half of what a telephone has.
pub const RATE_HZ_MIN: u32 = 4_000;
/// The highest rate that is taken: the best of studio equipment. A forged header may claim 4 GHz.
pub const RATE_HZ_MAX: u32 = 192_000;

/// A block is this part of a second (20 ms): what a caller waits for at most, besides half the filter.
const BLOCKS_PER_SECOND: u32 = 50;
/// Rates with so short a common period with the target are converted by Fourier transforms, which is fastest. All rates
/// that devices have are among them. Others would need transforms as long as a second.
const FFT_PERIOD_MAX: u32 = 2_000;
/// Twelve decibels over full scale: as loud as what may still be clipped only after its rate has changed.
const LOUDEST: f32 = 4.0;
/// The length of the filter for all other rates, in samples of the lower one.
const SINC_LEN: u32 = 64;

/// A rate outside of [`RATE_HZ_MIN`] to [`RATE_HZ_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the sample rate {rate_hz} Hz is not within {RATE_HZ_MIN} to {RATE_HZ_MAX} Hz")]
pub struct RateOutOfRange {
    /// The rate, in samples per second.
    pub rate_hz: u32,
}

/// Converts one channel of floats from one rate to another, block by block.
///
/// What comes out is aligned with what went in: the delay of the filter is cut off at the start and made up for by
/// [`MonoResampler::finish`], so that `n` samples become `n * to / from`, rounded up.
pub struct MonoResampler {
    /// `None` when the rates are the same.
    kernel: Option<Kernel>,
}

struct Kernel {
    resampler: Box<dyn Resampler<f32>>,
    from_hz: u32,
    to_hz: u32,
    /// What has come in and is less than a block.
    pending: Vec<f32>,
    block: Vec<f32>,
    /// What is still to be cut off at the start: the delay of the filter, in output samples.
    delay_left: usize,
    samples_in: u64,
    samples_out: u64,
}

impl MonoResampler {
    /// A resampler from `from_hz` to `to_hz`, both within [`RATE_HZ_MIN`] to [`RATE_HZ_MAX`].
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, RateOutOfRange> {
        for rate_hz in [from_hz, to_hz] {
            if !(RATE_HZ_MIN..=RATE_HZ_MAX).contains(&rate_hz) {
                return Err(RateOutOfRange { rate_hz });
            }
        }
        let kernel = (from_hz != to_hz).then(|| Kernel::new(from_hz, to_hz));
        Ok(Self { kernel })
    }

    /// Takes samples and appends to `out` what can be said of them yet.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        match &mut self.kernel {
            None => out.extend_from_slice(samples),
            Some(kernel) => kernel.push(samples, out),
        }
    }

    /// Appends to `out` what is still inside.
    pub fn finish(self, out: &mut Vec<f32>) {
        if let Some(kernel) = self.kernel {
            kernel.finish(out);
        }
    }
}

impl Kernel {
    fn new(from_hz: u32, to_hz: u32) -> Self {
        let resampler = resampler(from_hz, to_hz);
        Self {
            block: vec![0.0; resampler.output_frames_max()],
            pending: Vec::with_capacity(resampler.input_frames_max()),
            delay_left: resampler.output_delay(),
            resampler,
            from_hz,
            to_hz,
            samples_in: 0,
            samples_out: 0,
        }
    }

    fn push(&mut self, mut samples: &[f32], out: &mut Vec<f32>) {
        self.samples_in += samples.len() as u64;
        loop {
            let missing = self.resampler.input_frames_next() - self.pending.len();
            if samples.len() < missing {
                self.take(samples);
                return;
            }
            let (block, rest) = samples.split_at(missing);
            self.take(block);
            samples = rest;
            self.convert(None, out);
        }
    }

    /// A transform spreads a sample over a whole block, and fails on what is not a number: such samples are silence here,
    /// and what is far too loud is clipped.
    fn take(&mut self, samples: &[f32]) {
        let sound = |sample: &f32| {
            if sample.is_nan() {
                0.0
            } else {
                sample.clamp(-LOUDEST, LOUDEST)
            }
        };
        self.pending.extend(samples.iter().map(sound));
    }

    fn finish(mut self, out: &mut Vec<f32>) {
        let expected = (self.samples_in * u64::from(self.to_hz)).div_ceil(u64::from(self.from_hz));
        while self.samples_out < expected {
            let before = out.len();
            self.convert(Some(self.pending.len()), out);
            let surplus = self.samples_out.saturating_sub(expected);
            let kept = (out.len() - before).saturating_sub(usize::try_from(surplus).unwrap_or(usize::MAX));
            out.truncate(before + kept);
        }
    }

    /// Converts the block in `pending`, of which `partial_len` samples are there and the rest is silence.
    fn convert(&mut self, partial_len: Option<usize>, out: &mut Vec<f32>) {
        let frames_in = self.resampler.input_frames_next();
        self.pending.resize(frames_in, 0.0);
        let indexing = Indexing {
            partial_len,
            ..Indexing::default()
        };
        let capacity = self.block.len();
        let input = InterleavedSlice::new(&self.pending[..], 1, frames_in);
        let output = InterleavedSlice::new_mut(&mut self.block[..], 1, capacity);
        let (Ok(input), Ok(mut output)) = (input, output) else {
            unreachable!("the adapters are as long as the buffers");
        };
        let (_, produced) = self
            .resampler
            .process_into_buffer(&input, &mut output, Some(&indexing))
            .expect("one channel, a whole block in, and room for the largest block out");
        self.pending.clear();
        let cut = self.delay_left.min(produced);
        self.delay_left -= cut;
        self.samples_out += (produced - cut) as u64;
        out.extend_from_slice(&self.block[cut..produced]);
    }
}

/// Both rates are within the range that [`MonoResampler::new`] checks, and differ.
fn resampler(from_hz: u32, to_hz: u32) -> Box<dyn Resampler<f32>> {
    let block = (from_hz / BLOCKS_PER_SECOND) as usize;
    if from_hz / greatest_common_divisor(from_hz, to_hz) <= FFT_PERIOD_MAX {
        let fft = Fft::new(from_hz as usize, to_hz as usize, block, 1, FixedSync::Input);
        return Box::new(fft.expect("two rates above zero, a block, and one channel"));
    }
    let decimation = from_hz.div_ceil(to_hz);
    let parameters =
        SincInterpolationParameters::new((SINC_LEN * decimation) as usize, WindowFunction::BlackmanHarris2);
    let ratio = f64::from(to_hz) / f64::from(from_hz);
    let sinc = Async::new_sinc(ratio, 1.0, &parameters, block, 1, FixedAsync::Input);
    Box::new(sinc.expect("a ratio above zero that stays as it is, a block, and one channel"))
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "indices and rates of a second or so")]
mod tests {
    use std::f32::consts::TAU;

    use proptest::prelude::*;

    use super::*;

    fn tone(frequency_hz: f32, rate_hz: u32, samples: usize) -> Vec<f32> {
        (0..samples)
            .map(|index| (TAU * frequency_hz * index as f32 / rate_hz as f32).sin() * 0.5)
            .collect()
    }

    fn resampled(samples: &[f32], from_hz: u32, to_hz: u32, piece: usize) -> Vec<f32> {
        let mut resampler = MonoResampler::new(from_hz, to_hz).unwrap();
        let mut out = Vec::new();
        for piece in samples.chunks(piece) {
            resampler.push(piece, &mut out);
        }
        resampler.finish(&mut out);
        out
    }

    fn loudness(samples: &[f32]) -> f32 {
        (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32).sqrt()
    }

    #[test]
    fn a_tone_keeps_its_place_its_pitch_and_its_loudness_at_any_rate() {
        for (from_hz, to_hz) in [
            (4_000, 16_000),
            (8_000, 16_000),
            (11_025, 16_000),
            (16_000, 16_000),
            (16_000, 24_000),
            (16_000, 48_000),
            (22_050, 16_000),
            (24_000, 16_000),
            (44_056, 16_000),
            (44_100, 16_000),
            (48_000, 16_000),
            (96_000, 16_000),
            (191_999, 16_000),
            (192_000, 16_000),
        ] {
            let seconds_in = tone(440.0, from_hz, from_hz as usize);
            let out = resampled(&seconds_in, from_hz, to_hz, 777);
            assert_eq!(out.len(), to_hz as usize, "{from_hz} to {to_hz}");
            // Away from the edges, where the filter sees silence; a whole number of periods.
            let periods = to_hz as usize / 10..to_hz as usize * 9 / 10;
            let phase = |index: usize| TAU * 440.0 * index as f32 / to_hz as f32;
            let share = 2.0 / periods.len() as f32;
            let project = |wave: fn(f32) -> f32| {
                let products = periods.clone().map(|index| out[index] * wave(phase(index)));
                products.sum::<f32>() * share
            };
            let (sine, cosine) = (project(f32::sin), project(f32::cos));
            let amplitude = sine.hypot(cosine);
            assert!(
                (amplitude - 0.5).abs() < 0.002,
                "{from_hz} to {to_hz}: {amplitude} loud"
            );
            let late_s = -cosine.atan2(sine) / (TAU * 440.0);
            let sample_s = 1.0 / from_hz.min(to_hz) as f32;
            assert!(
                late_s.abs() < 1.1 * sample_s,
                "{from_hz} to {to_hz}: {late_s} s late"
            );
            let rest: Vec<f32> = periods
                .map(|index| out[index] - sine * phase(index).sin() - cosine * phase(index).cos())
                .collect();
            assert!(
                loudness(&rest) < 0.002,
                "{from_hz} to {to_hz}: a rest of {}",
                loudness(&rest)
            );
        }
    }

    #[test]
    fn what_the_target_cannot_hold_does_not_come_back_as_another_tone() {
        for from_hz in [44_100, 48_000, 44_056, 192_000] {
            let out = resampled(&tone(11_000.0, from_hz, from_hz as usize), from_hz, 16_000, 4_096);
            let middle = &out[out.len() / 10..out.len() * 9 / 10];
            assert!(loudness(middle) < 0.001, "{from_hz}: {}", loudness(middle));
        }
    }

    #[test]
    fn the_pieces_that_it_comes_in_do_not_matter() {
        let samples = tone(300.0, 44_100, 10_000);
        let whole = resampled(&samples, 44_100, 16_000, samples.len());
        for piece in [1, 441, 882, 1_000] {
            assert_eq!(
                resampled(&samples, 44_100, 16_000, piece),
                whole,
                "pieces of {piece}"
            );
        }
    }

    #[test]
    fn every_length_comes_out_at_its_length() {
        for samples in [0, 1, 2, 100, 881, 882, 883, 5_000] {
            let out = resampled(&tone(300.0, 44_100, samples), 44_100, 16_000, 500);
            assert_eq!(
                out.len(),
                (samples * 16_000).div_ceil(44_100),
                "{samples} samples"
            );
        }
    }

    #[test]
    fn what_is_no_number_harms_nothing_but_itself() {
        let mut samples = tone(300.0, 44_100, 44_100);
        for (index, wrong) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX]
            .into_iter()
            .enumerate()
        {
            samples[1_000 + index] = wrong;
        }
        for from_hz in [44_100, 44_056] {
            let out = resampled(&samples, from_hz, 16_000, 500);
            assert!(out.iter().all(|sample| sample.abs() < 10.0));
            assert!(loudness(&out[2_000..]) < 0.36, "{}", loudness(&out[2_000..]));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_rate_in_any_pieces_gives_sound_of_the_length_that_was_put_in(
            from_hz in RATE_HZ_MIN..=RATE_HZ_MAX,
            to_hz in prop_oneof![Just(16_000_u32), Just(24_000), RATE_HZ_MIN..=RATE_HZ_MAX],
            samples in prop::collection::vec(any::<f32>(), 0..4_000),
            piece in 1_usize..2_000,
        ) {
            let out = resampled(&samples, from_hz, to_hz, piece);
            let expected = (samples.len() as u64 * u64::from(to_hz)).div_ceil(u64::from(from_hz));
            prop_assert_eq!(out.len() as u64, expected);
            prop_assert!(from_hz == to_hz || out.iter().all(|sample| sample.is_finite()));
        }
    }

    #[test]
    fn rates_that_no_device_has_are_refused() {
        for rate_hz in [0, 3_999, 192_001, u32::MAX] {
            assert_eq!(
                MonoResampler::new(rate_hz, 16_000).err(),
                Some(RateOutOfRange { rate_hz })
            );
            assert_eq!(
                MonoResampler::new(16_000, rate_hz).err(),
                Some(RateOutOfRange { rate_hz })
            );
        }
    }
}
