//! What the microphones send: the recordings and the silence between them, cut and encoded once for all sessions.

use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use bytes::Bytes;
use greenroom_audio::ear::{Ear, EarEvent, EarSettings, FrameFormat, SamplePosition};
use greenroom_audio::pcm::{extend_f32, extend_i16, sample_to_f32, to_le_bytes};
use greenroom_audio::{MonoResampler, SPEECH_RATE_HZ};
use greenroom_protocol::AudioCodec;
use ropus::{Application, Bitrate, Channels, Encoder};
use serde::{Serialize, Serializer};

use super::options::codec_name;
use super::statistics::ms;
use crate::voice::utterances::{UsedBy, Utterance, shipped};

/// Utterances that are backchannels, or may be taken for one: none of them is said as a turn.
const BACKCHANNELS: [&str; 4] = ["uh-huh", "yes", "okay", "right"];
/// What is said to show that somebody listens.
const BACKCHANNEL: &str = "uh-huh";
/// Starts a run, which is another kind of load.
const STARTS_A_RUN: &str = "brief-13-start";

/// A block of a recording that is louder than this is sound; the speech of the recordings is 25 dB louder.
const SOUND_RMS: f32 = 0.003_162; // -50 dB of full scale
const SOUND_BLOCK: Duration = Duration::from_millis(5);
/// The room: no microphone is ever quite silent. -70 dB of full scale, at most.
const NOISE_PEAK: i16 = 10;
/// Room before and after each recording, in which an encoder settles.
const ROOM: Duration = Duration::from_millis(60);
/// The silence that is repeated while nobody speaks.
const SILENCE: Duration = Duration::from_secs(1);
/// As browsers encode speech.
const OPUS_BIT_PER_SECOND: u32 = 24_000;
const OPUS_COMPLEXITY: u8 = 5;
const OPUS_PACKET_BYTES_MAX: usize = 1_275;
/// The clock of the encoder's look-ahead.
const OPUS_CLOCK_HZ: u32 = 48_000;
/// Opus has no frames of other lengths within what the protocol allows.
const OPUS_FRAMES_MS: [u64; 4] = [10, 20, 40, 60];

/// How a microphone's frames are made. One channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FrameShape {
    /// The encoding.
    #[serde(serialize_with = "as_name")]
    pub codec: AudioCodec,
    /// Samples a second.
    pub sample_rate_hz: u32,
    /// How long a frame is.
    #[serde(rename = "frame_ms", serialize_with = "as_milliseconds")]
    pub frame: Duration,
}

/// One recording as frames.
#[derive(Debug)]
pub struct Recording {
    /// Which of the shipped recordings.
    pub id: &'static str,
    /// What it says.
    pub text: &'static str,
    /// Its frames.
    pub frames: Vec<Bytes>,
    /// Where its first sound is, from the first sample of the first frame.
    pub onset: Duration,
    /// Where its last sound ends.
    pub end: Duration,
    /// Where an ear takes it to end: the server counts from there, and detectors do not hear the very last of a sound.
    pub heard_end: Duration,
}

/// Everything that microphones send.
#[derive(Debug)]
pub struct Recordings {
    /// How the frames are made.
    pub shape: FrameShape,
    /// What is said as a turn, in its order; after the last comes the first.
    pub turns: Vec<Recording>,
    /// What is said to show that somebody listens.
    pub backchannel: Recording,
    /// The frames between, again and again.
    pub silence: Vec<Bytes>,
}

impl FrameShape {
    /// The format that an ear would read these frames in; an error says why nobody would.
    pub fn format(self) -> anyhow::Result<FrameFormat> {
        let frame_ms = self.frame.as_millis() as u64;
        ensure!(
            self.frame == Duration::from_millis(frame_ms) && (10..=60).contains(&frame_ms),
            "a frame lasts 10 to 60 ms"
        );
        if self.codec == AudioCodec::Opus {
            ensure!(
                OPUS_FRAMES_MS.contains(&frame_ms),
                "a frame of Opus lasts 10, 20, 40 or 60 ms"
            );
        }
        ensure!(
            (u64::from(self.sample_rate_hz) * frame_ms).is_multiple_of(1_000),
            "a frame of {frame_ms} ms is no whole number of samples at {} Hz",
            self.sample_rate_hz
        );
        Ok(match self.codec {
            AudioCodec::PcmS16le => FrameFormat::pcm_s16le(self.sample_rate_hz, 1)?,
            AudioCodec::Opus => FrameFormat::opus(self.sample_rate_hz, 1)?,
        })
    }

    /// A second of the room, or as many whole frames as a second has at least. The second is that after another one, so that
    /// no encoder begins in it.
    pub fn silence(self) -> anyhow::Result<Vec<Bytes>> {
        let frames = SILENCE.as_millis().div_ceil(self.frame.as_millis()) as usize;
        let frame_samples = self.samples(self.frame);
        let mut samples = vec![0; 2 * frames * frame_samples];
        Noise::default().add_to(&mut samples);
        let mut encoder = FrameEncoder::new(self)?;
        let frames_of_both = samples
            .chunks_exact(frame_samples)
            .map(|samples| encoder.encode(samples))
            .collect::<anyhow::Result<Vec<Bytes>>>()?;
        Ok(frames_of_both[frames..].to_vec())
    }

    fn samples(self, duration: Duration) -> usize {
        (duration.as_secs_f64() * f64::from(self.sample_rate_hz)).round() as usize
    }
}

impl Recordings {
    /// The shipped recordings: the brief in its order, then the others, without what is only a backchannel and without
    /// what starts a run.
    pub fn shipped(shape: FrameShape) -> anyhow::Result<Self> {
        let is_turn = |utterance: &&Utterance| {
            let id = utterance.id.as_str();
            id != STARTS_A_RUN && !BACKCHANNELS.contains(&id)
        };
        let brief_first = [UsedBy::Brief, UsedBy::Realtime].into_iter();
        let turns = brief_first
            .flat_map(|used_by| {
                shipped()
                    .iter()
                    .filter(move |utterance| utterance.used_by == used_by)
            })
            .filter(is_turn);
        Self::of(shape, turns)
    }

    /// These recordings as turns, and the shipped backchannel.
    pub fn of(
        shape: FrameShape,
        turns: impl IntoIterator<Item = &'static Utterance>,
    ) -> anyhow::Result<Self> {
        shape.format()?;
        let turns = turns
            .into_iter()
            .map(|utterance| Recording::of(utterance, shape))
            .collect::<anyhow::Result<Vec<Recording>>>()?;
        ensure!(!turns.is_empty(), "a microphone has nothing to say");
        let backchannel = shipped()
            .iter()
            .find(|utterance| utterance.id == BACKCHANNEL)
            .context("no backchannel was shipped")?;
        Ok(Self {
            shape,
            turns,
            backchannel: Recording::of(backchannel, shape)?,
            silence: shape.silence()?,
        })
    }
}

impl Recording {
    /// A shipped recording, with a little of the room around it.
    pub fn of(utterance: &'static Utterance, shape: FrameShape) -> anyhow::Result<Self> {
        let pcm = utterance.pcm();
        let (first, last) = sounding(&pcm).with_context(|| format!("{} is silent", utterance.id))?;
        let mut encoder = FrameEncoder::new(shape)?;
        let mut samples = vec![0; shape.samples(ROOM)];
        samples.extend(resampled(&pcm, shape.sample_rate_hz)?);
        samples.resize(samples.len() + shape.samples(ROOM), 0);
        let frame_samples = shape.samples(shape.frame);
        samples.resize(samples.len().next_multiple_of(frame_samples), 0);
        Noise::default().add_to(&mut samples);
        let place = |sample: usize| {
            let in_recording = Duration::from_secs_f64(sample as f64 / f64::from(SPEECH_RATE_HZ));
            ROOM + in_recording + encoder.delay()
        };
        let (onset, end) = (place(first), place(last));
        let frames = samples
            .chunks_exact(frame_samples)
            .map(|samples| encoder.encode(samples))
            .collect::<anyhow::Result<Vec<Bytes>>>()?;
        let heard_end = heard_end(shape, &frames)?.unwrap_or(end);
        Ok(Self {
            id: &utterance.id,
            text: &utterance.text,
            frames,
            onset,
            end,
            heard_end,
        })
    }
}

/// Where an ear as the server's takes the speech in these frames to end; none if it hears none.
fn heard_end(shape: FrameShape, frames: &[Bytes]) -> anyhow::Result<Option<Duration>> {
    let silence = shape.silence()?;
    let mut ear = Ear::new(shape.format()?, EarSettings::default())?;
    let mut events = Vec::new();
    let before = 2 * silence.len();
    let room = silence.iter().cycle();
    let after = room.clone().take(3 * silence.len());
    for frame in room.take(before).chain(frames).chain(after) {
        ear.push_frame(frame, &mut events)?;
    }
    let ended = events.iter().rev().find_map(|event| match event {
        EarEvent::Utterance(utterance) => Some(utterance.ended_at.since(SamplePosition::default())),
        _ => None,
    });
    Ok(ended.map(|ended| ended.saturating_sub(shape.frame * before as u32)))
}

/// The place of the first sample of the first sound, and of the first one after the last sound.
fn sounding(pcm: &[i16]) -> Option<(usize, usize)> {
    let block = (SOUND_BLOCK.as_millis() * u128::from(SPEECH_RATE_HZ) / 1_000) as usize;
    let sounds = |block: &[i16]| {
        let squares: f32 = block.iter().map(|sample| sample_to_f32(*sample).powi(2)).sum();
        (squares / block.len() as f32).sqrt() > SOUND_RMS
    };
    let first = pcm.chunks(block).position(sounds)?;
    let last = pcm.chunks(block).rposition(sounds)?;
    Some((first * block, ((last + 1) * block).min(pcm.len())))
}

fn resampled(pcm: &[i16], rate_hz: u32) -> anyhow::Result<Vec<i16>> {
    let mut resampler = MonoResampler::new(SPEECH_RATE_HZ, rate_hz)?;
    let (mut floats, mut out, mut samples) = (Vec::new(), Vec::new(), Vec::new());
    extend_f32(&mut floats, pcm);
    resampler.push(&floats, &mut out);
    resampler.finish(&mut out);
    extend_i16(&mut samples, &out);
    Ok(samples)
}

/// A room's noise, always the same (xorshift).
struct Noise(u32);

impl Default for Noise {
    fn default() -> Self {
        Self(0x2545_f491)
    }
}

impl Noise {
    fn add_to(&mut self, samples: &mut [i16]) {
        let width = u32::from(NOISE_PEAK.unsigned_abs()) * 2 + 1;
        for sample in samples {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 17;
            self.0 ^= self.0 << 5;
            let noise = (self.0 % width) as i16 - NOISE_PEAK;
            *sample = sample.saturating_add(noise);
        }
    }
}

/// Makes the frames of one stream.
enum FrameEncoder {
    Pcm,
    Opus(Box<Encoder>),
}

impl FrameEncoder {
    fn new(shape: FrameShape) -> anyhow::Result<Self> {
        match shape.codec {
            AudioCodec::PcmS16le => Ok(Self::Pcm),
            AudioCodec::Opus => {
                let encoder = Encoder::builder(shape.sample_rate_hz, Channels::Mono, Application::Voip)
                    .bitrate(Bitrate::Bits(OPUS_BIT_PER_SECOND))
                    .complexity(OPUS_COMPLEXITY)
                    .build()
                    .map_err(|error| anyhow!("no Opus encoder: {error:?}"))?;
                Ok(Self::Opus(Box::new(encoder)))
            }
        }
    }

    /// How much later a sound is in the frames than in the samples.
    fn delay(&self) -> Duration {
        match self {
            Self::Pcm => Duration::ZERO,
            Self::Opus(encoder) => {
                Duration::from_secs_f64(f64::from(encoder.lookahead()) / f64::from(OPUS_CLOCK_HZ))
            }
        }
    }

    fn encode(&mut self, samples: &[i16]) -> anyhow::Result<Bytes> {
        match self {
            Self::Pcm => Ok(to_le_bytes(samples).into()),
            Self::Opus(encoder) => {
                let mut packet = vec![0; OPUS_PACKET_BYTES_MAX];
                let length = encoder
                    .encode(samples, &mut packet)
                    .map_err(|error| anyhow!("the Opus encoder failed: {error:?}"))?;
                packet.truncate(length);
                Ok(packet.into())
            }
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn as_name<S: Serializer>(codec: &AudioCodec, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(codec_name(*codec))
}

fn as_milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(ms(*duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(codec: AudioCodec, sample_rate_hz: u32, frame_ms: u64) -> FrameShape {
        FrameShape {
            codec,
            sample_rate_hz,
            frame: Duration::from_millis(frame_ms),
        }
    }

    #[test]
    fn only_frames_that_the_protocol_has_are_made() {
        for (codec, rate_hz, frame_ms) in [
            (AudioCodec::PcmS16le, 16_000, 20),
            (AudioCodec::PcmS16le, 44_100, 10),
            (AudioCodec::Opus, 48_000, 60),
        ] {
            assert!(shape(codec, rate_hz, frame_ms).format().is_ok());
        }
        for (codec, rate_hz, frame_ms) in [
            (AudioCodec::PcmS16le, 16_000, 9),
            (AudioCodec::PcmS16le, 16_000, 61),
            (AudioCodec::PcmS16le, 44_100, 15),
            (AudioCodec::PcmS16le, 11_025, 20),
            (AudioCodec::Opus, 48_000, 30),
            (AudioCodec::Opus, 44_100, 20),
        ] {
            assert!(
                shape(codec, rate_hz, frame_ms).format().is_err(),
                "{rate_hz} {frame_ms}"
            );
        }
    }

    #[test]
    fn the_brief_is_said_in_its_order_and_no_backchannel_is_a_turn() {
        let recordings = Recordings::shipped(shape(AudioCodec::PcmS16le, 16_000, 20)).unwrap();
        let ids: Vec<&str> = recordings.turns.iter().map(|turn| turn.id).collect();
        assert_eq!(
            &ids[..2],
            ["brief-01-hello", "brief-02-name"],
            "the brief comes first"
        );
        assert_eq!(ids.len(), shipped().len() - BACKCHANNELS.len() - 1);
        assert!(!ids.contains(&STARTS_A_RUN) && !ids.contains(&BACKCHANNEL));
        assert_eq!(recordings.silence.len(), 50);
        for frame in recordings
            .turns
            .iter()
            .flat_map(|turn| &turn.frames)
            .chain(&recordings.silence)
        {
            assert_eq!(frame.len(), 640);
        }
    }

    /// An ear hears each recording where it is said to be, in either codec.
    #[test]
    fn an_ear_hears_speech_begin_and_end_where_it_is_said_to() {
        for shape in [
            shape(AudioCodec::PcmS16le, 16_000, 20),
            shape(AudioCodec::PcmS16le, 48_000, 40),
            shape(AudioCodec::Opus, 48_000, 60),
        ] {
            let recordings = Recordings::shipped(shape).unwrap();
            let recording = &recordings.turns[1];
            let mut ear = Ear::new(shape.format().unwrap(), EarSettings::default()).unwrap();
            let mut events = Vec::new();
            let silence = recordings.silence.iter().cycle();
            let frames = silence
                .clone()
                .take(100)
                .chain(&recording.frames)
                .chain(silence.take(150));
            for frame in frames {
                ear.push_frame(frame, &mut events).unwrap();
            }
            let began: Vec<Duration> = events
                .iter()
                .filter_map(|event| match event {
                    EarEvent::SpeechStarted { began_at, .. } => {
                        Some(began_at.since(SamplePosition::default()))
                    }
                    _ => None,
                })
                .collect();
            let expected = shape.frame * 100 + recording.onset;
            assert_eq!(began.len(), 1, "{events:?}");
            assert!(
                began[0].abs_diff(expected) < Duration::from_millis(100),
                "{began:?} {expected:?}"
            );
            let ended: Vec<Duration> = events
                .iter()
                .filter_map(|event| match event {
                    EarEvent::Utterance(utterance) => {
                        Some(utterance.ended_at.since(SamplePosition::default()))
                    }
                    _ => None,
                })
                .collect();
            let begins = shape.frame * 100;
            assert_eq!(ended.len(), 1);
            assert!(
                ended[0].abs_diff(begins + recording.end) < Duration::from_millis(150),
                "{ended:?}"
            );
            assert!(
                ended[0].abs_diff(begins + recording.heard_end) < Duration::from_millis(33),
                "to two windows: {ended:?} {recording:?}"
            );
        }
    }
}
