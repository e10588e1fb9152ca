//! Tells a person who speaks while a reply plays from the reply itself, as it comes back through the microphone.
//!
//! What an echo canceller leaves of a reply is speech: the detector cannot tell it from a person's. It is quieter than the
//! person, though, who is near the microphone. So, while a reply plays, a window counts for the person only if it is above
//! a threshold between the two levels: that of the voice, learnt from what was said while nothing played, and that of the
//! echo, learnt while a reply plays and nobody speaks.

use super::endpoint::Heard;
use super::room::Loudness;

/// How far a voice is above its room while nothing else is known of it, in decibels: a microphone with little gain has
/// both of them low.
const VOICE_ABOVE_ROOM_DB: f32 = 35.0;
/// Between which levels it is then taken to be. Most microphones control their gain, and come to the upper one.
const UNKNOWN_VOICE_DB: (f32, f32) = (-40.0, -22.0);
/// What is quieter is no room, but silence that something on the way put there; it tells nothing of the microphone.
const ROOM_DB_MIN: f32 = -80.0;
/// How much of what is known of the voice comes from the last utterance: one shout does not make the ear deaf.
const VOICE_NEWS: f32 = 0.5;
/// An utterance with less than this many windows of speech teaches nothing: 96 ms.
const VOICE_WINDOWS_MIN: u32 = 6;
/// How far below the voice the echo is taken to be before a reply was heard, in decibels: one that is badly cancelled.
const UNKNOWN_ECHO_BELOW_VOICE_DB: f32 = 18.0;
/// How fast the level of the echo rises in a window that is above it, and falls in one that is below, in decibels. It
/// rises too slowly for the first syllable of a person, by 3 dB in a fifth of a second, and it rests where one window in
/// thirteen is above it: at the vowels, not at their mean with the gaps.
const ECHO_RISE_DB: f32 = 0.25;
const ECHO_FALL_DB: f32 = 0.02;
/// How far above the echo the threshold is: more than its loudest vowel is above its usual ones.
const ABOVE_ECHO_DB: f32 = 5.0;
/// How far below the voice the threshold is, at most and at least. What is quieter than the one is hardly speech of this
/// person, however little echo there is; above the other one would have to shout, however much there is.
const BELOW_VOICE_DB: (f32, f32) = (20.0, 8.0);

/// What is known of a voice and of the echo of the replies to it.
pub(super) struct EchoGuard {
    is_reply_playing: bool,
    /// How loud the room was before the reply: the gaps in an echo are none. `None` where no reply has paused yet.
    room_db: Option<f32>,
    /// The mean power of this person's speech, in decibels of full scale. `None` before an utterance.
    voice_db: Option<f32>,
    /// The level that the loud parts of the echo have. `None` before a reply.
    echo_db: Option<f32>,
    /// The speech of the utterance under way, as far as no reply plays.
    spoken: SpokenPower,
}

/// The power of some windows, of which full scale has 1.
#[derive(Default)]
struct SpokenPower {
    sum: f32,
    windows: u32,
}

impl EchoGuard {
    pub(super) fn new() -> Self {
        Self {
            is_reply_playing: false,
            room_db: None,
            voice_db: None,
            echo_db: None,
            spoken: SpokenPower::default(),
        }
    }

    /// Whether a reply may come back from now on.
    pub(super) fn set_reply_playing(&mut self, is_reply_playing: bool) {
        self.is_reply_playing = is_reply_playing;
    }

    /// Whether speech that is as loud as this may be nothing but the reply.
    pub(super) fn may_be_reply(&self, loudness: Loudness) -> bool {
        self.is_reply_playing && loudness.level_db < self.threshold_db()
    }

    /// Learns from the window that was heard: whether somebody speaks, as far as is known, and what is in it.
    pub(super) fn learn(&mut self, loudness: Loudness, somebody_speaks: bool, heard: Heard) {
        match (self.is_reply_playing, somebody_speaks) {
            (true, false) => self.learn_echo(loudness.level_db, heard),
            (false, true) if heard == Heard::Speech => self.spoken.add(loudness.level_db),
            (true | false, true) | (false, false) => {}
        }
        if !self.is_reply_playing {
            self.room_db = Some(loudness.room_db);
        }
    }

    /// A noise is no echo, however loud: only speech makes it rise.
    fn learn_echo(&mut self, level_db: f32, heard: Heard) {
        let echo_db = self.echo_db();
        self.echo_db = Some(if heard != Heard::Nothing && level_db > echo_db {
            echo_db + ECHO_RISE_DB
        } else {
            echo_db - ECHO_FALL_DB
        });
    }

    /// The utterance under way is over, and was one.
    pub(super) fn utterance_ended(&mut self) {
        let spoken = std::mem::take(&mut self.spoken);
        let Some(spoken_db) = spoken.mean_db() else {
            return;
        };
        self.voice_db = Some(match self.voice_db {
            Some(before_db) => before_db + VOICE_NEWS * (spoken_db - before_db),
            None => spoken_db,
        });
    }

    /// The utterance under way was none.
    pub(super) fn utterance_dropped(&mut self) {
        self.spoken = SpokenPower::default();
    }

    fn threshold_db(&self) -> f32 {
        let (at_most_db, at_least_db) = BELOW_VOICE_DB;
        let voice_db = self.voice_db();
        (self.echo_db() + ABOVE_ECHO_DB).clamp(voice_db - at_most_db, voice_db - at_least_db)
    }

    fn voice_db(&self) -> f32 {
        let (lowest_db, highest_db) = UNKNOWN_VOICE_DB;
        match (self.voice_db, self.room_db) {
            (Some(voice_db), _) => voice_db,
            (None, Some(room_db)) if room_db > ROOM_DB_MIN => {
                (room_db + VOICE_ABOVE_ROOM_DB).clamp(lowest_db, highest_db)
            }
            (None, _) => highest_db,
        }
    }

    fn echo_db(&self) -> f32 {
        self.echo_db
            .unwrap_or_else(|| self.voice_db() - UNKNOWN_ECHO_BELOW_VOICE_DB)
    }
}

impl SpokenPower {
    fn add(&mut self, level_db: f32) {
        self.sum += 10_f32.powf(level_db / 10.0);
        self.windows += 1;
    }

    fn mean_db(&self) -> Option<f32> {
        if self.windows < VOICE_WINDOWS_MIN {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "an utterance has some thousand windows"
        )]
        let mean = self.sum / self.windows as f32;
        Some(10.0 * mean.log10())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second.
    const SECOND_WINDOWS: usize = 62;

    fn level(level_db: f32) -> Loudness {
        Loudness {
            level_db,
            room_db: -60.0,
        }
    }

    /// One that heard an utterance as loud as this.
    fn guard_for(voice_db: f32) -> EchoGuard {
        let mut guard = EchoGuard::new();
        speak(&mut guard, voice_db);
        guard
    }

    fn speak(guard: &mut EchoGuard, voice_db: f32) {
        for _ in 0..SECOND_WINDOWS {
            guard.learn(level(voice_db), true, Heard::Speech);
        }
        guard.utterance_ended();
    }

    /// Plays a reply, and hears so much of it, for so long.
    fn play(guard: &mut EchoGuard, echo_db: f32, windows: usize) {
        guard.set_reply_playing(true);
        for _ in 0..windows {
            guard.learn(level(echo_db), false, Heard::PerhapsReply);
        }
    }

    #[test]
    fn the_threshold_comes_to_lie_between_the_echo_and_the_voice() {
        for voice_db in [-50.0, -35.0, -23.0, -12.0] {
            for echo_below_db in [40.0, 30.0, 20.0, 15.0, 12.0] {
                let echo_db = voice_db - echo_below_db;
                let mut guard = guard_for(voice_db);
                play(&mut guard, echo_db, 2 * SECOND_WINDOWS);
                assert!(
                    guard.may_be_reply(level(echo_db + 3.0)),
                    "{voice_db}, {echo_below_db}"
                );
                assert!(
                    !guard.may_be_reply(level(voice_db - 5.0)),
                    "{voice_db}, {echo_below_db}"
                );
            }
        }
    }

    #[test]
    fn however_loud_the_echo_the_voice_is_not_taken_for_it() {
        let mut guard = guard_for(-23.0);
        play(&mut guard, -10.0, 60 * SECOND_WINDOWS);
        assert!(!guard.may_be_reply(level(-23.0)));
    }

    #[test]
    fn while_no_reply_plays_nothing_is_taken_for_it() {
        let mut guard = guard_for(-23.0);
        play(&mut guard, -30.0, SECOND_WINDOWS);
        guard.set_reply_playing(false);
        assert!(!guard.may_be_reply(level(-96.0)));
    }

    #[test]
    fn a_voice_that_nobody_heard_is_guessed_from_the_room() {
        for (room_db, voice_db) in [
            (None, -22.0),
            // Digital silence.
            (Some(-96.0), -22.0),
            // A microphone with little gain, a quiet office, a noisy one.
            (Some(-78.0), -40.0),
            (Some(-60.0), -25.0),
            (Some(-40.0), -22.0),
        ] {
            let mut guard = EchoGuard::new();
            if let Some(room_db) = room_db {
                let heard = Loudness {
                    level_db: room_db,
                    room_db,
                };
                guard.learn(heard, false, Heard::Nothing);
            }
            guard.set_reply_playing(true);
            assert!(guard.may_be_reply(level(voice_db - 14.0)), "{room_db:?}");
            assert!(!guard.may_be_reply(level(voice_db - 12.0)), "{room_db:?}");
        }
    }

    #[test]
    fn only_speech_is_an_echo() {
        let mut guard = guard_for(-23.0);
        guard.set_reply_playing(true);
        for _ in 0..10 * SECOND_WINDOWS {
            guard.learn(level(-30.0), false, Heard::Nothing);
        }
        assert!(!guard.may_be_reply(level(-40.0)), "the noise is none");
    }

    #[test]
    fn neither_a_first_syllable_nor_a_shout_makes_it_deaf() {
        let mut guard = guard_for(-23.0);
        play(&mut guard, -60.0, 20 * SECOND_WINDOWS);
        play(&mut guard, -20.0, 12);
        assert!(!guard.may_be_reply(level(-39.0)));

        let mut guard = guard_for(-23.0);
        speak(&mut guard, -5.0);
        guard.set_reply_playing(true);
        assert!(!guard.may_be_reply(level(-23.0)));
    }

    #[test]
    fn what_is_no_utterance_or_hardly_one_teaches_nothing_of_the_voice() {
        let mut guard = guard_for(-23.0);
        for _ in 0..SECOND_WINDOWS {
            guard.learn(level(-60.0), true, Heard::Speech);
        }
        guard.utterance_dropped();
        guard.learn(level(-60.0), true, Heard::Speech);
        guard.utterance_ended();
        guard.set_reply_playing(true);
        assert!(guard.may_be_reply(level(-38.0)));
    }
}
