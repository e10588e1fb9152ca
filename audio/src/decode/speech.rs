//! Where decoded blocks become speech: mixed to mono, resampled, and no longer than they may be.

use std::time::Duration;

use super::{DecodeError, DecodeLimits};
use crate::pcm::{extend_i16, extend_mono};
use crate::{MonoResampler, SPEECH_RATE_HZ};

/// Codecs pad: a recording of exactly the longest duration may decode to a little more, which is cut off.
const PADDING: Duration = Duration::from_millis(250);

/// The speech of an upload as it grows.
pub(super) struct Speech {
    pcm: Vec<i16>,
    duration_max: Duration,
    samples_max: usize,
    /// How far beyond `samples_max` is padding.
    padding_samples: usize,
    resampler: Option<(u32, MonoResampler)>,
    mono: Vec<f32>,
    resampled: Vec<f32>,
}

impl Speech {
    pub(super) fn new(limits: &DecodeLimits) -> Self {
        Self {
            pcm: Vec::new(),
            duration_max: limits.duration_max,
            samples_max: samples_in(limits.duration_max),
            padding_samples: samples_in(PADDING),
            resampler: None,
            mono: Vec::new(),
            resampled: Vec::new(),
        }
    }

    /// Appends samples that are mono and at the rate of speech already.
    pub(super) fn push_speech(&mut self, samples: &[i16]) -> Result<(), DecodeError> {
        self.pcm.extend_from_slice(samples);
        self.check_length()
    }

    /// Appends a block of interleaved samples at `rate_hz`, which is within range.
    pub(super) fn push_interleaved(
        &mut self,
        interleaved: &[f32],
        channels: usize,
        rate_hz: u32,
    ) -> Result<(), DecodeError> {
        let mut resampler = match self.resampler.take() {
            Some((same_hz, resampler)) if same_hz == rate_hz => resampler,
            other => {
                self.drain(other)?;
                MonoResampler::new(rate_hz, SPEECH_RATE_HZ)?
            }
        };
        self.mono.clear();
        extend_mono(&mut self.mono, interleaved, channels);
        self.resampled.clear();
        resampler.push(&self.mono, &mut self.resampled);
        self.resampler = Some((rate_hz, resampler));
        extend_i16(&mut self.pcm, &self.resampled);
        self.check_length()
    }

    /// All of it, at most as long as it may be.
    pub(super) fn finish(mut self) -> Result<Vec<i16>, DecodeError> {
        let resampler = self.resampler.take();
        self.drain(resampler)?;
        self.pcm.truncate(self.samples_max);
        self.pcm.shrink_to_fit();
        Ok(self.pcm)
    }

    fn drain(&mut self, resampler: Option<(u32, MonoResampler)>) -> Result<(), DecodeError> {
        if let Some((_, resampler)) = resampler {
            self.resampled.clear();
            resampler.finish(&mut self.resampled);
            extend_i16(&mut self.pcm, &self.resampled);
        }
        self.check_length()
    }

    fn check_length(&self) -> Result<(), DecodeError> {
        if self.pcm.len() > self.samples_max.saturating_add(self.padding_samples) {
            return Err(DecodeError::TooLong {
                duration_max: self.duration_max,
            });
        }
        Ok(())
    }
}

fn samples_in(duration: Duration) -> usize {
    let samples = duration.as_millis() * u128::from(SPEECH_RATE_HZ) / 1_000;
    usize::try_from(samples).unwrap_or(usize::MAX)
}
