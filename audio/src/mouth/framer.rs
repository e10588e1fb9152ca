//! Cuts a voice into frames of 20 ms, as it comes.

use std::time::Duration;

use bytes::Bytes;

use super::{OutputCodec, OutputFormat, VOICE_RATE_HZ};
use crate::MonoResampler;
use crate::opus_voice::{VoiceBandwidth, VoiceEncoder};
use crate::pcm::{extend_f32, extend_i16};

/// How long each frame lasts, at any rate.
pub const FRAME_DURATION: Duration = Duration::from_millis(20);

const FRAMES_PER_SECOND: u32 = 50;
const BYTES_PER_SAMPLE: usize = 2;

/// What goes into one binary message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeechFrame {
    /// The samples or the packet.
    pub bytes: Bytes,
    /// Always [`FRAME_DURATION`].
    pub duration: Duration,
}

/// Takes the samples of a voice in pieces of any size; the pieces do not show in what comes out.
pub struct SpeechFramer {
    coder: Coder,
    /// Samples at the rate of the coder that are less than a frame.
    pending: Vec<i16>,
}

enum Coder {
    /// The rate is that of voices already.
    VoicePcm,
    OtherPcm(ResampledVoice),
    Opus {
        encoder: VoiceEncoder,
        /// Whether something was pushed since the last end.
        spoke: bool,
    },
}

struct ResampledVoice {
    rate_hz: u32,
    /// `None` between two voices, so that a silent framer holds no filter.
    resampler: Option<MonoResampler>,
}

impl SpeechFramer {
    /// A framer at the start of a stream.
    pub fn new(format: OutputFormat) -> Self {
        let coder = match (format.codec(), format.rate_hz()) {
            (OutputCodec::PcmS16le, VOICE_RATE_HZ) => Coder::VoicePcm,
            (OutputCodec::PcmS16le, rate_hz) => Coder::OtherPcm(ResampledVoice {
                rate_hz,
                resampler: None,
            }),
            (OutputCodec::Opus, rate_hz) => Coder::Opus {
                encoder: VoiceEncoder::new(VOICE_RATE_HZ, bandwidth_at(rate_hz)),
                spoke: false,
            },
        };
        Self {
            coder,
            pending: Vec::new(),
        }
    }

    /// Takes the next mono samples at [`VOICE_RATE_HZ`], and appends the frames that are whole. A resampler holds up to
    /// 30 ms back until more comes, or the end.
    pub fn push(&mut self, pcm_24k: &[i16], frames: &mut Vec<SpeechFrame>) {
        match &mut self.coder {
            Coder::VoicePcm => take_pcm_frames(&mut self.pending, pcm_24k, VOICE_RATE_HZ, frames),
            Coder::OtherPcm(voice) => {
                let resampled = voice.resample(pcm_24k);
                take_pcm_frames(&mut self.pending, &resampled, voice.rate_hz, frames);
            }
            Coder::Opus { encoder, spoke } => {
                *spoke |= !pcm_24k.is_empty();
                take_packets(&mut self.pending, pcm_24k, encoder, frames);
            }
        }
    }

    /// Ends the voice: appends what is left, the last frame filled up with silence, so that every sample that was pushed is
    /// in some frame. Opus has one frame more where a decoder would still hold some of the sound. As new afterwards: what is
    /// pushed next is understood by the same decoder and by a new one.
    pub fn finish(&mut self, frames: &mut Vec<SpeechFrame>) {
        match &mut self.coder {
            Coder::VoicePcm => finish_pcm(&mut self.pending, VOICE_RATE_HZ, frames),
            Coder::OtherPcm(voice) => {
                let resampled = voice.finish();
                take_pcm_frames(&mut self.pending, &resampled, voice.rate_hz, frames);
                finish_pcm(&mut self.pending, voice.rate_hz, frames);
            }
            Coder::Opus { encoder, spoke } => {
                if std::mem::take(spoke) {
                    let lookahead = encoder.lookahead_samples();
                    let padding = padding(self.pending.len() + lookahead, encoder.frame_samples());
                    let silence = vec![0; lookahead + padding];
                    take_packets(&mut self.pending, &silence, encoder, frames);
                    encoder.begin_anew();
                }
            }
        }
    }
}

impl ResampledVoice {
    fn resample(&mut self, pcm_24k: &[i16]) -> Vec<i16> {
        let rate_hz = self.rate_hz;
        let resampler = self.resampler.get_or_insert_with(|| {
            MonoResampler::new(VOICE_RATE_HZ, rate_hz).expect("the rates of a format are in range")
        });
        let mut floats = Vec::with_capacity(pcm_24k.len());
        extend_f32(&mut floats, pcm_24k);
        let mut changed = Vec::new();
        resampler.push(&floats, &mut changed);
        to_i16(&changed)
    }

    fn finish(&mut self) -> Vec<i16> {
        let mut changed = Vec::new();
        if let Some(resampler) = self.resampler.take() {
            resampler.finish(&mut changed);
        }
        to_i16(&changed)
    }
}

/// What of a voice a decoder at this rate can give.
fn bandwidth_at(rate_hz: u32) -> VoiceBandwidth {
    match rate_hz {
        0..=8_000 => VoiceBandwidth::Narrow,
        8_001..=16_000 => VoiceBandwidth::Wide,
        _ => VoiceBandwidth::SuperWide,
    }
}

fn take_pcm_frames(pending: &mut Vec<i16>, pcm: &[i16], rate_hz: u32, frames: &mut Vec<SpeechFrame>) {
    take_frames(pending, pcm, pcm_frame_samples(rate_hz), |samples| {
        frames.push(SpeechFrame::of(le_bytes(samples)));
    });
}

fn finish_pcm(pending: &mut Vec<i16>, rate_hz: u32, frames: &mut Vec<SpeechFrame>) {
    let silence = vec![0; padding(pending.len(), pcm_frame_samples(rate_hz))];
    take_pcm_frames(pending, &silence, rate_hz, frames);
}

fn take_packets(
    pending: &mut Vec<i16>,
    pcm: &[i16],
    encoder: &mut VoiceEncoder,
    frames: &mut Vec<SpeechFrame>,
) {
    take_frames(pending, pcm, encoder.frame_samples(), |samples| {
        frames.push(SpeechFrame::of(encoder.encode(samples)));
    });
}

/// Hands out each whole frame of what was `pending` and of what comes after it; the rest is pending then.
fn take_frames(pending: &mut Vec<i16>, mut pcm: &[i16], frame_samples: usize, mut take: impl FnMut(&[i16])) {
    if !pending.is_empty() {
        let missing = frame_samples - pending.len();
        let (head, rest) = pcm.split_at(missing.min(pcm.len()));
        pending.extend_from_slice(head);
        pcm = rest;
        if pending.len() < frame_samples {
            return;
        }
        take(pending);
        pending.clear();
    }
    let whole = pcm.chunks_exact(frame_samples);
    pending.extend_from_slice(whole.remainder());
    whole.for_each(take);
}

/// How many samples are missing in the last frame.
fn padding(samples: usize, frame_samples: usize) -> usize {
    samples.next_multiple_of(frame_samples) - samples
}

fn pcm_frame_samples(rate_hz: u32) -> usize {
    (rate_hz / FRAMES_PER_SECOND) as usize
}

/// The bytes of samples, at the cost of a copy.
fn le_bytes(samples: &[i16]) -> Vec<u8> {
    let mut bytes = vec![0; samples.len() * BYTES_PER_SAMPLE];
    let (pairs, _) = bytes.as_chunks_mut::<BYTES_PER_SAMPLE>();
    for (pair, sample) in pairs.iter_mut().zip(samples) {
        *pair = sample.to_le_bytes();
    }
    bytes
}

fn to_i16(floats: &[f32]) -> Vec<i16> {
    let mut integers = Vec::with_capacity(floats.len());
    extend_i16(&mut integers, floats);
    integers
}

impl SpeechFrame {
    fn of(bytes: Vec<u8>) -> Self {
        Self {
            bytes: bytes.into(),
            duration: FRAME_DURATION,
        }
    }
}
