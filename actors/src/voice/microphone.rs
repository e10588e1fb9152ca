//! A microphone that a line holds: its ear, and the clock that tells when something was said.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use greenroom_audio::SPEECH_RATE_HZ;
use greenroom_audio::ear::{
    Ear, EarEvent, EarSettings, FrameError, FrameFormat, SamplePosition, SettingsError, SpeakerPace,
};
use greenroom_audio::pcm::duration_of;
use tokio::time::Instant;

use super::speech_clock::SpeechClock;

/// How long after its last sound a reply may still come back: the client's buffers, and the echo of its room.
const REPLY_TAIL: Duration = Duration::from_millis(300);

/// An ear at work.
pub(super) struct Microphone {
    format: FrameFormat,
    settings: EarSettings,
    ear: Ear,
    clock: SpeechClock,
    /// What was known of the speaker when the last utterance ended: what an ear begins with that is made anew.
    pace: SpeakerPace,
    /// When the frame came that made it certain that somebody speaks.
    onset_arrived_at: Option<Instant>,
    /// When a reply was known to sound at the client, the last time.
    reply_sounded_at: Option<Instant>,
    /// A frame that makes the ear panic.
    #[cfg(debug_assertions)]
    panic_on: Option<Vec<u8>>,
}

/// What can go wrong with a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotHeard {
    /// The client sent what cannot be heard.
    Refused(FrameError),
    /// The ear has a defect. What it noticed before counts; then [`Microphone::renew`].
    EarPanicked,
}

impl Microphone {
    /// A microphone that is switched on now.
    pub(super) fn new(
        format: FrameFormat,
        settings: EarSettings,
        pace: SpeakerPace,
        now: Instant,
    ) -> Result<Self, SettingsError> {
        Ok(Self {
            format,
            settings,
            ear: Ear::with_pace(format, settings, pace.clone())?,
            clock: SpeechClock::new(now),
            pace,
            onset_arrived_at: None,
            reply_sounded_at: None,
            #[cfg(debug_assertions)]
            panic_on: None,
        })
    }

    /// Makes the ear panic when it is given exactly this frame.
    #[cfg(debug_assertions)]
    pub(super) fn panic_on(&mut self, frame: Option<Vec<u8>>) {
        self.panic_on = frame;
    }

    /// Says whether a reply sounds at the client now, so that its echo is not taken for somebody; to be said before each
    /// batch of frames.
    pub(super) fn set_reply_sounding(&mut self, is_sounding: bool, now: Instant) {
        if is_sounding {
            self.reply_sounded_at = Some(now);
        }
        let sounded_at = self.reply_sounded_at;
        self.ear
            .set_reply_playing(sounded_at.is_some_and(|sounded_at| now < sounded_at + REPLY_TAIL));
    }

    /// Hears a frame.
    pub(super) fn hear(
        &mut self,
        frame: &[u8],
        duration: Duration,
        arrived_at: Instant,
        events: &mut Vec<EarEvent>,
    ) -> Result<(), NotHeard> {
        let before = events.len();
        let heard = self.guard(events, |microphone, events| {
            #[cfg(debug_assertions)]
            assert!(microphone.panic_on.as_deref() != Some(frame), "asked to panic");
            microphone.ear.push_frame(frame, events)
        });
        match &heard {
            Some(Ok(())) => self.clock.came(duration, arrived_at),
            Some(Err(_)) => self.clock.lost(self.newly_read_for()),
            None => {}
        }
        let is_onset = |event: &EarEvent| matches!(event, EarEvent::SpeechStarted { .. });
        if events[before..].iter().any(is_onset) {
            self.onset_arrived_at = Some(arrived_at);
        }
        match heard {
            Some(heard) => heard.map_err(NotHeard::Refused),
            None => Err(NotHeard::EarPanicked),
        }
    }

    /// Hears what stands in for a frame that found no room.
    pub(super) fn hear_lost(&mut self, events: &mut Vec<EarEvent>) -> Result<(), NotHeard> {
        let heard = self.guard(events, |microphone, events| {
            microphone.ear.push_lost_frame(events);
        });
        if heard.is_some() {
            self.clock.lost(self.newly_read_for());
        }
        heard.ok_or(NotHeard::EarPanicked)
    }

    /// Ends the utterance now.
    pub(super) fn commit(&mut self, events: &mut Vec<EarEvent>) -> Result<(), NotHeard> {
        let heard = self.guard(events, |microphone, events| microphone.ear.commit(events));
        heard.ok_or(NotHeard::EarPanicked)
    }

    /// Forgets what was heard and is not yet an utterance.
    pub(super) fn discard(&mut self, events: &mut Vec<EarEvent>) -> Result<(), NotHeard> {
        let heard = self.guard(events, |microphone, events| microphone.ear.discard(events));
        heard.ok_or(NotHeard::EarPanicked)
    }

    /// The place after everything that was heard.
    pub(super) fn heard_to(&self) -> Duration {
        self.clock.heard()
    }

    /// When a place was spoken that is this long after the beginning, by what has come so far.
    pub(super) fn spoken_after(&self, place: Duration) -> Instant {
        self.clock.spoken_at(place)
    }

    /// When a place was spoken, by what has come so far.
    pub(super) fn spoken_at(&self, place: SamplePosition) -> Instant {
        let samples = usize::try_from(place.samples()).unwrap_or(usize::MAX);
        self.clock.spoken_at(duration_of(samples, SPEECH_RATE_HZ))
    }

    /// When the frame came that made it certain that somebody speaks; told once.
    pub(super) fn take_onset(&mut self) -> Option<Instant> {
        self.onset_arrived_at.take()
    }

    /// What is known of the speaker's pauses.
    pub(super) fn pace(&self) -> &SpeakerPace {
        &self.pace
    }

    /// The samples of the utterance under way.
    pub(super) fn speech_so_far(&self) -> Option<&[i16]> {
        self.ear.speech_so_far().map(|(_, samples)| samples)
    }

    /// What the last frame was, as samples of speech.
    pub(super) fn newly_read(&self) -> &[i16] {
        self.ear.newly_read()
    }

    fn newly_read_for(&self) -> Duration {
        duration_of(self.ear.newly_read().len(), SPEECH_RATE_HZ)
    }

    /// Makes the ear anew after it panicked, as it was at the end of the last utterance.
    pub(super) fn renew(&mut self, now: Instant) {
        let ear = Ear::with_pace(self.format, self.settings, self.pace.clone());
        self.ear = ear.expect("the settings are those of the ear before");
        self.clock = SpeechClock::new(now);
    }

    /// Lets the ear do something. If it panics, nothing counts of what it noticed meanwhile.
    fn guard<T>(
        &mut self,
        events: &mut Vec<EarEvent>,
        hear: impl FnOnce(&mut Self, &mut Vec<EarEvent>) -> T,
    ) -> Option<T> {
        let before = events.len();
        let Ok(heard) = catch_unwind(AssertUnwindSafe(|| hear(self, events))) else {
            events.truncate(before);
            return None;
        };
        let ended = |event: &EarEvent| matches!(event, EarEvent::Utterance(_));
        if events[before..].iter().any(ended) {
            self.pace = self.ear.pace().clone();
        }
        Some(heard)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bytes::Bytes;
    use greenroom_audio::{DecodeLimits, Upload, decode, pcm};

    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    /// The frames of a reply as it comes back, 30 dB fainter.
    fn echo() -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../loadtest/utterances");
        let file = Bytes::from(std::fs::read(folder.join("long-story.flac")).unwrap());
        let reply = decode(Upload::from(file), &DecodeLimits::default(), &|| false).unwrap();
        let faint: Vec<i16> = reply.pcm.iter().map(|sample| sample / 32).collect();
        faint.chunks_exact(320).map(pcm::to_le_bytes).collect()
    }

    /// Whether somebody is noticed in an echo, if a reply was said to sound for so long.
    fn is_noticed(sounds_for: Duration) -> bool {
        let format = FrameFormat::pcm_s16le(SPEECH_RATE_HZ, 1).unwrap();
        let mut now = Instant::now();
        let ends_at = now + sounds_for;
        let mut microphone =
            Microphone::new(format, EarSettings::default(), SpeakerPace::default(), now).unwrap();
        let mut events = Vec::new();
        for frame in echo() {
            microphone.set_reply_sounding(now < ends_at, now);
            microphone.hear(&frame, FRAME, now, &mut events).unwrap();
            now += FRAME;
        }
        !events.is_empty()
    }

    #[test]
    fn nobody_is_noticed_in_an_echo_while_a_reply_sounds_and_a_little_longer() {
        let length = FRAME * u32::try_from(echo().len()).unwrap();
        assert!(!is_noticed(length));
        assert!(!is_noticed(length.saturating_sub(REPLY_TAIL)));
        assert!(is_noticed(length / 2));
        assert!(is_noticed(Duration::ZERO));
    }
}
