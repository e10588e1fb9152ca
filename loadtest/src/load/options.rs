//! What a load test is to do.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use greenroom_protocol::{AudioCodec, AudioOutput, Segment};
use serde::{Serialize, Serializer};

use super::recordings::FrameShape;

/// Sessions of one load test.
const SESSIONS_MAX: usize = 20_000;
/// The gap between utterances: shorter than this nobody could answer, longer ones only cost time.
const EVERY: std::ops::RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_mins(10);

/// What `loadtest voice` is to do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VoiceOptions {
    /// The server, such as `http://127.0.0.1:8080`.
    pub url: String,
    /// The server's token, if it has one.
    #[serde(skip)]
    pub token: Option<String>,
    /// How many people talk at once.
    pub sessions: usize,
    /// How long it is measured, from the moment when everybody is there.
    #[serde(rename = "duration_s", serialize_with = "as_seconds")]
    pub duration: Duration,
    /// Within what time everybody comes.
    #[serde(rename = "ramp_s", serialize_with = "as_seconds")]
    pub ramp: Duration,
    /// What the microphones send.
    pub input: FrameShape,
    /// How replies are to be spoken; none means that they are not.
    pub output: Option<Output>,
    /// From the beginning of an utterance to that of the next, at least.
    #[serde(rename = "every_s", serialize_with = "as_seconds")]
    pub every: Duration,
    /// The share of the replies that the next utterance interrupts, 0 to 1.
    pub barge_in: f64,
    /// The share of the other replies during which somebody says "uh-huh", 0 to 1.
    pub backchannel: f64,
    /// How far ahead of playback the server may send.
    #[serde(rename = "lead_ms", serialize_with = "as_milliseconds")]
    pub lead: Duration,
    /// What the simulator is configured to take, by segment.
    #[serde(rename = "simulated_ms")]
    pub simulated: Simulated,
    /// What all that looks arbitrary follows from.
    pub seed: u64,
    /// The server's process, to tell what it uses.
    pub server_pid: Option<u32>,
    /// Only send frames, and expect nothing: against `loadtest floor`.
    pub floor: bool,
}

impl VoiceOptions {
    /// Says what makes no sense.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(
            (1..=SESSIONS_MAX).contains(&self.sessions),
            "1 to {SESSIONS_MAX} sessions, not {}",
            self.sessions
        );
        ensure!(
            !self.duration.is_zero(),
            "a measurement takes some time: give --duration"
        );
        ensure!(
            EVERY.contains(&self.every),
            "utterances come every 0.5 to 600 s, not every {} s",
            self.every.as_secs_f64()
        );
        for (name, share) in [("--barge-in", self.barge_in), ("--backchannel", self.backchannel)] {
            ensure!(
                (0.0..=1.0).contains(&share),
                "{name} is a share from 0 to 1, not {share}"
            );
        }
        Ok(())
    }
}

/// How replies are spoken, written `opus@48000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// The encoding.
    pub codec: AudioCodec,
    /// Samples a second.
    pub sample_rate_hz: u32,
}

impl Output {
    /// As `audio.start` has it.
    pub fn on_the_wire(self) -> AudioOutput {
        AudioOutput {
            codec: self.codec,
            sample_rate: self.sample_rate_hz,
            voice_preset: None,
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", codec_name(self.codec), self.sample_rate_hz)
    }
}

impl FromStr for Output {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (codec, rate) = text
            .split_once('@')
            .context("an output is a codec and a rate, such as opus@48000")?;
        Ok(Self {
            codec: parse_codec(codec)?,
            sample_rate_hz: rate.parse().context("the rate is no number")?,
        })
    }
}

impl Serialize for Output {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Milliseconds that the simulator is configured to take, by segment; written `planner_first_token=120,transcription=80`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Simulated(BTreeMap<String, f64>);

impl Simulated {
    /// What it takes in all segments of a turn.
    pub fn total_ms(&self) -> f64 {
        self.0.values().sum()
    }
}

impl FromStr for Simulated {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let mut simulated = BTreeMap::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (name, ms) = part
                .split_once('=')
                .context("a segment and its milliseconds, such as planner_first_token=120")?;
            let named = serde_json::from_value::<Segment>(name.into());
            ensure!(
                named.is_ok_and(|segment| segment != Segment::Endpointing),
                "{name} is no segment in which a provider works"
            );
            let ms: f64 = ms.parse().with_context(|| format!("{ms} is no number"))?;
            ensure!(
                ms.is_finite() && ms >= 0.0,
                "a provider takes 0 ms or more, not {ms}"
            );
            simulated.insert(name.to_owned(), ms);
        }
        Ok(Self(simulated))
    }
}

/// The codec of this name.
pub(super) fn parse_codec(name: &str) -> anyhow::Result<AudioCodec> {
    match name {
        "pcm_s16le" => Ok(AudioCodec::PcmS16le),
        "opus" => Ok(AudioCodec::Opus),
        other => bail!("{other} is no codec: pcm_s16le or opus"),
    }
}

/// The name of a codec on the wire.
pub(super) fn codec_name(codec: AudioCodec) -> &'static str {
    match codec {
        AudioCodec::PcmS16le => "pcm_s16le",
        AudioCodec::Opus => "opus",
    }
}

/// The name of a segment on the wire.
pub(super) fn segment_name(segment: Segment) -> String {
    let name = match segment {
        Segment::Endpointing => "endpointing",
        Segment::Transcription => "transcription",
        Segment::PlannerFirstToken => "planner_first_token",
        Segment::FirstSentence => "first_sentence",
        Segment::VoiceFirstByte => "voice_first_byte",
        Segment::Delivery => "delivery",
    };
    name.to_owned()
}

/// A time such as `30`, `30s`, `2m` or `500ms`; without a unit it is in seconds.
pub(crate) fn parse_duration(text: &str) -> anyhow::Result<Duration> {
    let (number, unit) = text.split_at(text.find(char::is_alphabetic).unwrap_or(text.len()));
    let seconds = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3_600.0,
        other => bail!("{other} is no unit of time: ms, s, m or h"),
    };
    let number: f64 = number
        .parse()
        .with_context(|| format!("{text} is no time, such as 30s"))?;
    Duration::try_from_secs_f64(number * seconds).with_context(|| format!("{text} is no time, such as 30s"))
}

fn as_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

fn as_milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(super::statistics::ms(*duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, ms) in [
            ("30", 30_000),
            ("30s", 30_000),
            ("0.5s", 500),
            ("250ms", 250),
            ("2m", 120_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(ms), "{text}");
        }
        for text in ["", "s", "-1", "3 weeks", "1e999", "NaN"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn outputs_and_codecs_are_those_of_the_wire() {
        let output: Output = "opus@48000".parse().unwrap();
        assert_eq!(
            (output.codec, output.sample_rate_hz, output.to_string().as_str()),
            (AudioCodec::Opus, 48_000, "opus@48000")
        );
        for codec in [AudioCodec::PcmS16le, AudioCodec::Opus] {
            assert_eq!(serde_json::to_value(codec).unwrap(), codec_name(codec));
            assert_eq!(parse_codec(codec_name(codec)).unwrap(), codec);
        }
        for text in ["opus", "mp3@24000", "opus@fast"] {
            assert!(text.parse::<Output>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_the_simulator_takes_is_told_by_segment() {
        let simulated: Simulated = "planner_first_token=120,voice_first_byte=2.5".parse().unwrap();
        let told = Simulated(BTreeMap::from([
            ("planner_first_token".to_owned(), 120.0),
            ("voice_first_byte".to_owned(), 2.5),
        ]));
        assert_eq!(simulated, told);
        assert!((simulated.total_ms() - 122.5).abs() < 1e-9);
        for text in [
            "thinking=3",
            "endpointing=3",
            "delivery",
            "delivery=-1",
            "delivery=soon",
        ] {
            assert!(text.parse::<Simulated>().is_err(), "{text}");
        }
        for segment in [
            Segment::Endpointing,
            Segment::Transcription,
            Segment::PlannerFirstToken,
            Segment::FirstSentence,
            Segment::VoiceFirstByte,
            Segment::Delivery,
        ] {
            assert_eq!(serde_json::to_value(segment).unwrap(), segment_name(segment));
        }
    }
}
