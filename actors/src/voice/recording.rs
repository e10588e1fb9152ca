//! A recording of both sides, while a client asks for it: the user as heard, the assistant as sent.

use std::time::Duration;

use bytes::Bytes;
use greenroom_audio::ear::{FrameFormat, FrameReader};
use greenroom_audio::mouth::{OutputCodec, OutputFormat, VOICE_RATE_HZ};
use greenroom_audio::pcm::{extend_f32, extend_i16, from_le_bytes};
use greenroom_audio::recording::TwoTrackRecorder;
use greenroom_audio::{MonoResampler, SPEECH_RATE_HZ};
use tokio::time::Instant;

use super::outlet::TapedFrame;

/// A recording under way. What is ready of it is held in memory, about 17 MB an hour, until it is complete: a blob is
/// written once.
pub(super) struct Recording {
    began_at: Instant,
    length_max: Duration,
    recorder: TwoTrackRecorder,
    ready: Vec<u8>,
    assistant: Option<SentSound>,
}

/// Reads what was sent back into samples at the rate of voices.
struct SentSound {
    reader: SentReader,
    resampler: Option<MonoResampler>,
    floats: Vec<f32>,
}

enum SentReader {
    Pcm,
    Opus(Box<FrameReader>),
}

impl Recording {
    /// Begins now.
    pub(super) fn new(serial: u32, output: Option<OutputFormat>, length_max: Duration, now: Instant) -> Self {
        Self {
            began_at: now,
            length_max,
            recorder: TwoTrackRecorder::new(serial),
            ready: Vec::new(),
            assistant: output.and_then(SentSound::new),
        }
    }

    /// Whether it is as long as it may be.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began_at) >= self.length_max
    }

    /// The user said this then.
    pub(super) fn user(&mut self, at: Instant, pcm_16k: &[i16]) {
        let at = at.saturating_duration_since(self.began_at);
        self.recorder.user(at, pcm_16k);
        self.ready.extend(self.recorder.take());
    }

    /// The user was sent this then.
    pub(super) fn assistant(&mut self, frames: &[TapedFrame]) {
        let Some(sent) = &mut self.assistant else { return };
        for frame in frames {
            let at = frame.at.saturating_duration_since(self.began_at);
            let pcm_24k = sent.read(&frame.bytes);
            self.recorder.assistant(at, &pcm_24k);
        }
        self.ready.extend(self.recorder.take());
    }

    /// What the user was sent and has not played by now will not be played.
    pub(super) fn cut_assistant(&mut self, now: Instant) {
        let at = now.saturating_duration_since(self.began_at);
        self.recorder.cut_assistant(at);
    }

    /// The whole file.
    pub(super) fn finish(mut self) -> Bytes {
        self.ready.extend(self.recorder.finish());
        self.ready.into()
    }
}

impl SentSound {
    /// `None` if nobody can read what is sent like this, which every format that is sent can be.
    fn new(output: OutputFormat) -> Option<Self> {
        let (reader, rate_hz) = match output.codec() {
            OutputCodec::PcmS16le => (SentReader::Pcm, output.rate_hz()),
            OutputCodec::Opus => {
                let format = FrameFormat::opus(output.rate_hz(), 1).ok()?;
                (
                    SentReader::Opus(Box::new(FrameReader::new(format))),
                    SPEECH_RATE_HZ,
                )
            }
        };
        let resampler = match rate_hz {
            VOICE_RATE_HZ => None,
            rate_hz => Some(MonoResampler::new(rate_hz, VOICE_RATE_HZ).ok()?),
        };
        Some(Self {
            reader,
            resampler,
            floats: Vec::new(),
        })
    }

    fn read(&mut self, frame: &[u8]) -> Vec<i16> {
        let samples = match &mut self.reader {
            SentReader::Pcm => from_le_bytes(frame),
            SentReader::Opus(reader) => {
                let mut samples = Vec::new();
                // Our own packets can be read; of one that cannot, what stands in for it is recorded.
                let _concealed = reader.push(frame, &mut samples);
                samples
            }
        };
        let Some(resampler) = &mut self.resampler else {
            return samples;
        };
        self.floats.clear();
        extend_f32(&mut self.floats, &samples);
        let mut at_voice_rate = Vec::new();
        resampler.push(&self.floats, &mut at_voice_rate);
        let mut pcm_24k = Vec::with_capacity(at_voice_rate.len());
        extend_i16(&mut pcm_24k, &at_voice_rate);
        pcm_24k
    }
}
