//! The other floor: the detector alone, on the frames of one session, as fast as it goes.

use std::fmt;
use std::time::Duration;

use anyhow::ensure;
use greenroom_audio::ear::{Ear, EarEvent, EarSettings};
use serde::Serialize;

use super::options::codec_name;
use super::process::Process;
use super::recordings::{FrameShape, Recordings};
use super::statistics::ms;

/// What the detector costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetectorReport {
    /// The frames that it heard.
    pub input: FrameShape,
    /// How much audio it heard, in seconds.
    pub session_seconds: f64,
    /// How many utterances were in it.
    pub utterances: u64,
    /// How many it found.
    pub found: u64,
    /// Processor time for a second of one session, in milliseconds.
    pub cpu_ms_per_session_second: f64,
}

/// Hears at least so much audio, in which something is said every `every`, and tells what that cost.
pub fn detector_alone(shape: FrameShape, every: Duration, audio: Duration) -> anyhow::Result<DetectorReport> {
    let recordings = Recordings::shipped(shape)?;
    let mut ear = Ear::new(shape.format()?, EarSettings::default())?;
    let mut events = Vec::new();
    let (mut heard, mut utterances, mut found) = (Duration::ZERO, 0, 0);
    let mut silence = recordings.silence.iter().cycle();
    let before = Process::Own.usage()?;
    for recording in recordings.turns.iter().cycle() {
        let room = every.saturating_sub(shape.frame * recording.frames.len() as u32);
        let silent_frames = (room.as_secs_f64() / shape.frame.as_secs_f64()) as usize;
        for frame in recording
            .frames
            .iter()
            .chain(silence.by_ref().take(silent_frames))
        {
            ear.push_frame(frame, &mut events)?;
            heard += shape.frame;
        }
        utterances += 1;
        found += events
            .drain(..)
            .filter(|event| matches!(event, EarEvent::Utterance(_)))
            .count() as u64;
        if heard >= audio {
            break;
        }
    }
    let used = Process::Own.usage()?.cpu.saturating_sub(before.cpu);
    ensure!(
        found > 0,
        "the detector found nothing, so it cannot have listened"
    );
    Ok(DetectorReport {
        input: shape,
        session_seconds: heard.as_secs_f64(),
        utterances,
        found,
        cpu_ms_per_session_second: ms(used) / heard.as_secs_f64(),
    })
}

impl fmt::Display for DetectorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the detector alone, {} at {} Hz: {:.2} CPU-ms per session-second ({:.0} s of audio, {} of {} utterances found)",
            codec_name(self.input.codec),
            self.input.sample_rate_hz,
            self.cpu_ms_per_session_second,
            self.session_seconds,
            self.found,
            self.utterances
        )
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::AudioCodec;

    use super::*;

    #[test]
    fn it_finds_what_is_said() {
        let shape = FrameShape {
            codec: AudioCodec::PcmS16le,
            sample_rate_hz: 16_000,
            frame: Duration::from_millis(20),
        };
        let report = detector_alone(shape, Duration::from_secs(6), Duration::from_secs(30)).unwrap();
        assert!(report.session_seconds >= 30.0);
        // The last one may end after the frames do.
        assert!(
            report.found + 1 >= report.utterances && report.utterances >= 4,
            "{report:?}"
        );
    }
}
