//! One session's microphone: a recording when there is something to say, else the room.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::recordings::{Recording, Recordings};

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// The recording with this number, counted on after the last.
    Turn(usize),
    /// "Uh-huh."
    Backchannel,
}

/// What a frame had in it, and when a microphone would have heard it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sound {
    /// The first sound of the line.
    Onset(Duration),
    /// The end of its last sound.
    End(Duration),
}

/// A microphone that never stops.
#[derive(Debug)]
pub struct Microphone {
    recordings: Arc<Recordings>,
    /// What is being said, and the next frame of it.
    line: Option<(Line, usize)>,
    next_silence: usize,
}

impl Microphone {
    /// A microphone in a silent room. Rooms differ by `number`, so that sessions do not send the same at once.
    pub fn new(recordings: Arc<Recordings>, number: usize) -> Self {
        let next_silence = number % recordings.silence.len();
        Self {
            recordings,
            line: None,
            next_silence,
        }
    }

    /// What is said by this line.
    pub fn recording(&self, line: Line) -> &Recording {
        match line {
            Line::Turn(number) => &self.recordings.turns[number % self.recordings.turns.len()],
            Line::Backchannel => &self.recordings.backchannel,
        }
    }

    /// How long a frame is.
    pub fn frame_duration(&self) -> Duration {
        self.recordings.shape.frame
    }

    /// Whether something is being said.
    pub fn is_speaking(&self) -> bool {
        self.line.is_some()
    }

    /// Says a line, from the next frame on.
    pub fn say(&mut self, line: Line) {
        self.line = Some((line, 0));
    }

    /// The frame that leaves now: its last sample is heard now. With it, the line whose first or last sound is in it.
    pub fn frame(&mut self, now: Duration) -> (Bytes, Option<(Line, Sound)>) {
        let Some((line, place)) = self.line else {
            let frame = self.recordings.silence[self.next_silence].clone();
            self.next_silence = (self.next_silence + 1) % self.recordings.silence.len();
            return (frame, None);
        };
        let frame_duration = self.frame_duration();
        let recording = self.recording(line);
        let frame = recording.frames[place].clone();
        let begins = frame_duration * place as u32;
        let is_last = place + 1 == recording.frames.len();
        let heard_at = |sound: Duration| (now + sound).saturating_sub(begins + frame_duration);
        let is_within = |sound: Duration| (begins..begins + frame_duration).contains(&sound);
        let sound = if is_within(recording.onset) {
            Some(Sound::Onset(heard_at(recording.onset)))
        } else if is_within(recording.end) {
            Some(Sound::End(heard_at(recording.end)))
        } else {
            None
        };
        self.line = (!is_last).then_some((line, place + 1));
        (frame, sound.map(|sound| (line, sound)))
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::AudioCodec;

    use super::super::recordings::FrameShape;
    use super::*;

    #[test]
    fn a_line_is_said_from_its_first_frame_to_its_last_and_its_sounds_are_told_once() {
        let frame = Duration::from_millis(20);
        let shape = FrameShape {
            codec: AudioCodec::PcmS16le,
            sample_rate_hz: 16_000,
            frame,
        };
        let recordings = Arc::new(Recordings::shipped(shape).unwrap());
        let mut microphone = Microphone::new(Arc::clone(&recordings), 7);
        assert_eq!(
            microphone.frame(frame),
            (recordings.silence[7].clone(), None),
            "rooms differ"
        );
        let line = Line::Turn(recordings.turns.len() + 1);
        microphone.say(line);
        let recording = &recordings.turns[1];
        let mut sounds = Vec::new();
        for (place, expected) in recording.frames.iter().enumerate() {
            assert!(microphone.is_speaking());
            // The first frame leaves at 1 s, so that what is in it was heard in the 20 ms before.
            let (sent, sound) = microphone.frame(Duration::from_secs(1) + frame * place as u32);
            assert_eq!(sent, expected);
            sounds.extend(sound);
        }
        let began = Duration::from_millis(980);
        assert_eq!(
            sounds,
            [
                (line, Sound::Onset(began + recording.onset)),
                (line, Sound::End(began + recording.end))
            ]
        );
        assert!(!microphone.is_speaking());
        assert_eq!(
            microphone.frame(Duration::from_secs(9)),
            (recordings.silence[8].clone(), None)
        );
    }
}
