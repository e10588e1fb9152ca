//! What microphones send: recordings that ship with the project, the room between them, and what is no speech, in every
//! format that the protocol takes.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use greenroom_protocol::AudioCodec;
use loadtest::load::{FrameShape, Recording};
use loadtest::voice::utterances::shipped;
use ropus::{Application, Channels, Encoder};
use tokio::time::Instant;

/// What most clients send.
pub const PCM_16K: Format = Format {
    codec: AudioCodec::PcmS16le,
    rate_hz: 16_000,
    channels: 1,
    frame_ms: 20,
};
const OPUS_PACKET_BYTES_MAX: usize = 1_275 * 3;

/// How frames are made.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    pub codec: AudioCodec,
    pub rate_hz: u32,
    pub channels: u8,
    pub frame_ms: u64,
}

impl Format {
    /// How long a frame lasts.
    pub const fn frame(self) -> Duration {
        Duration::from_millis(self.frame_ms)
    }

    /// The frames of a shipped recording, with a little of the room around it.
    pub fn recording(self, id: &str) -> Result<Vec<Bytes>> {
        self.coded(|shape| {
            let utterance = shipped().iter().find(|utterance| utterance.id == id);
            Ok(Recording::of(utterance.with_context(|| id.to_owned())?, shape)?.frames)
        })
    }

    /// A second of the room.
    pub fn silence(self) -> Result<Vec<Bytes>> {
        self.coded(FrameShape::silence)
    }

    /// Makes frames of one channel, and of those frames of as many as there are to be.
    fn coded(self, make: impl FnOnce(FrameShape) -> Result<Vec<Bytes>>) -> Result<Vec<Bytes>> {
        let is_mono = self.channels == 1;
        let shape = FrameShape {
            codec: if is_mono { self.codec } else { AudioCodec::PcmS16le },
            sample_rate_hz: self.rate_hz,
            frame: self.frame(),
        };
        let frames = make(shape)?;
        if is_mono {
            return Ok(frames);
        }
        let doubled = frames.iter().map(|frame| on_both_sides(frame));
        match self.codec {
            AudioCodec::PcmS16le => Ok(doubled.map(|samples| bytes_of(&samples)).collect()),
            AudioCodec::Opus => encoded(self.rate_hz, doubled),
        }
    }
}

/// A microphone that never stops: the words that wait to be said, else the room.
pub struct Microphone {
    format: Format,
    silence: Vec<Bytes>,
    next_silence: usize,
    to_say: VecDeque<Bytes>,
    due: Instant,
    /// Frames that left.
    sent: u64,
    /// Until then nothing leaves, and then everything at once.
    stalled_until: Option<Instant>,
}

impl Microphone {
    /// Switched on now.
    pub fn new(format: Format) -> Result<Self> {
        Ok(Self {
            format,
            silence: format.silence()?,
            next_silence: 0,
            to_say: VecDeque::new(),
            due: Instant::now(),
            sent: 0,
            stalled_until: None,
        })
    }

    /// Hears these frames after all that it was told of before.
    pub fn say(&mut self, frames: impl IntoIterator<Item = Bytes>) {
        self.to_say.extend(frames);
    }

    /// From now on nothing leaves for so long; then everything does at once.
    pub fn stall(&mut self, length: Duration) {
        self.stalled_until = Some(Instant::now() + length);
    }

    /// Whether everything was said.
    pub fn is_silent(&self) -> bool {
        self.to_say.is_empty()
    }

    /// How many frames have left.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// When the next frame leaves.
    pub fn next_at(&self) -> Instant {
        self.stalled_until.map_or(self.due, |until| until.max(self.due))
    }

    /// The frames that leave now: what could not leave in time is among them.
    pub fn take_due(&mut self) -> Vec<Bytes> {
        self.stalled_until = None;
        let mut frames = Vec::new();
        while self.due <= Instant::now() {
            self.due += self.format.frame();
            self.sent += 1;
            frames.push(self.frame());
        }
        frames
    }

    fn frame(&mut self) -> Bytes {
        self.to_say.pop_front().unwrap_or_else(|| {
            let frame = self.silence[self.next_silence].clone();
            self.next_silence = (self.next_silence + 1) % self.silence.len();
            frame
        })
    }
}

/// A burst of noise at 16 kHz that is over before it could be a word.
pub fn cough() -> Vec<Bytes> {
    const FRAMES: usize = 8;
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i16::from_le_bytes([state.to_le_bytes()[2], state.to_le_bytes()[3]]) / 8
    };
    let frame = |_| {
        let samples: Vec<i16> = (0..320).map(|_| noise()).collect();
        bytes_of(&samples)
    };
    (0..FRAMES).map(frame).collect()
}

/// A recording at 16 kHz, played backwards: speech that nobody understands.
pub fn backwards(id: &str) -> Result<Vec<Bytes>> {
    let mut frames = PCM_16K.recording(id)?;
    frames.reverse();
    let turned = frames.iter().map(|frame| {
        let samples = frame.as_chunks::<2>().0.iter().rev();
        samples.flatten().copied().collect()
    });
    Ok(turned.collect())
}

/// What a text says that the words of a shipped recording are.
pub fn words_of(id: &str) -> Result<&'static str> {
    let utterance = shipped().iter().find(|utterance| utterance.id == id);
    Ok(&utterance.with_context(|| id.to_owned())?.text)
}

/// Samples of one channel on two, one after the other.
fn on_both_sides(mono: &[u8]) -> Vec<i16> {
    let samples = mono.as_chunks::<2>().0.iter();
    samples
        .map(|sample| i16::from_le_bytes(*sample))
        .flat_map(|sample| [sample, sample])
        .collect()
}

fn bytes_of(samples: &[i16]) -> Bytes {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn encoded(rate_hz: u32, frames: impl Iterator<Item = Vec<i16>>) -> Result<Vec<Bytes>> {
    let mut encoder = Encoder::builder(rate_hz, Channels::Stereo, Application::Voip)
        .build()
        .map_err(|error| anyhow!("no Opus encoder: {error:?}"))?;
    let packet = |samples: Vec<i16>| {
        let mut packet = vec![0; OPUS_PACKET_BYTES_MAX];
        let length = encoder.encode(&samples, &mut packet);
        packet.truncate(length.map_err(|error| anyhow!("the Opus encoder failed: {error:?}"))?);
        Ok(packet.into())
    };
    frames.map(packet).collect()
}
