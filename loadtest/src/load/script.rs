//! Who says what when: one about every few seconds, and sometimes into the reply.

use std::ops::Range;
use std::time::Duration;

use crate::provider::Chance;

/// After how much of a reply somebody interrupts it.
const BARGE_IN_MS: Range<usize> = 600..1_800;
/// After how much of a reply somebody says "uh-huh": early, because once a question has been heard it would be an answer.
const BACKCHANNEL_MS: Range<usize> = 200..500;
/// How much later than due an utterance may begin, as a share of the time between two.
const JITTER: f64 = 0.2;

/// What one session's person does. The same seed and session always do the same.
#[derive(Debug, Clone)]
pub(super) struct Script {
    every: Duration,
    barge_in: f64,
    backchannel: f64,
    chance: Chance,
}

/// What a person does while a reply is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Hears it to the end.
    Listen,
    /// Says the next utterance once so much of it was played.
    BargeIn {
        /// How much.
        after: Duration,
    },
    /// Says "uh-huh" once so much of it was played.
    Backchannel {
        /// How much.
        after: Duration,
    },
}

impl Script {
    /// For the session with this number. `every` is the time from the beginning of an utterance to that of the next, the
    /// shares are those of replies that are interrupted, and of the others that are answered by "uh-huh".
    pub(super) fn new(every: Duration, barge_in: f64, backchannel: f64, seed: u64, session: usize) -> Self {
        Self {
            every,
            barge_in,
            backchannel,
            chance: Chance::new(seed, "voice").at(&session.to_string()),
        }
    }

    /// When the first utterance is due, after the microphone was opened: anywhere within the time between two.
    pub(super) fn phase(&self) -> Duration {
        self.every.mul_f64(self.chance.at("phase").unit())
    }

    /// How long after the beginning of the utterance with this number the next one is due.
    pub(super) fn until_next(&self, utterance: usize) -> Duration {
        let jitter = self.of(utterance).at("jitter").unit() * JITTER;
        self.every.mul_f64(1.0 + jitter)
    }

    /// What is done while the reply to the utterance with this number is played.
    pub(super) fn reaction(&self, utterance: usize) -> Reaction {
        let chance = self.of(utterance);
        let after = |range: Range<usize>| {
            let ms = range.start + chance.at("after").below(range.len());
            Duration::from_millis(ms as u64)
        };
        // `unit` may be exactly 1, and a share of 1 means always.
        let happens = |what: &str, share: f64| share > 0.0 && chance.at(what).unit() <= share;
        if happens("barge-in", self.barge_in) {
            Reaction::BargeIn {
                after: after(BARGE_IN_MS),
            }
        } else if happens("backchannel", self.backchannel) {
            Reaction::Backchannel {
                after: after(BACKCHANNEL_MS),
            }
        } else {
            Reaction::Listen
        }
    }

    fn of(&self, utterance: usize) -> Chance {
        self.chance.at(&utterance.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(6);

    fn script(barge_in: f64, backchannel: f64, session: usize) -> Script {
        Script::new(EVERY, barge_in, backchannel, 1, session)
    }

    #[test]
    fn people_begin_at_any_time_and_then_speak_about_as_often_as_they_are_told_to() {
        let mut phases: Vec<Duration> = (0..100)
            .map(|session| script(0.0, 0.0, session).phase())
            .collect();
        phases.sort();
        assert!(phases[0] < EVERY / 10 && phases[99] > EVERY * 9 / 10 && phases[99] <= EVERY);
        assert!(phases[50] > EVERY / 4 && phases[50] < EVERY * 3 / 4);
        for utterance in 0..100 {
            let gap = script(0.0, 0.0, 3).until_next(utterance);
            assert!((EVERY..=EVERY.mul_f64(1.0 + JITTER)).contains(&gap), "{gap:?}");
        }
    }

    #[test]
    fn shares_are_kept() {
        let count = |script: &Script, of: fn(Reaction) -> bool| {
            (0..1_000)
                .filter(|utterance| of(script.reaction(*utterance)))
                .count()
        };
        let is_barge_in = |reaction| matches!(reaction, Reaction::BargeIn { .. });
        let is_backchannel = |reaction| matches!(reaction, Reaction::Backchannel { .. });
        let mixed = script(0.3, 0.5, 0);
        assert!((250..350).contains(&count(&mixed, is_barge_in)));
        assert!(
            (290..410).contains(&count(&mixed, is_backchannel)),
            "half of the rest"
        );
        assert_eq!(count(&script(1.0, 1.0, 0), is_barge_in), 1_000);
        let listener = script(0.0, 0.0, 0);
        assert_eq!(count(&listener, |reaction| reaction == Reaction::Listen), 1_000);
    }

    #[test]
    fn the_same_seed_and_session_do_the_same_and_others_do_not() {
        let reactions = |script: &Script| -> Vec<Reaction> { (0..20).map(|n| script.reaction(n)).collect() };
        let one = script(0.5, 0.5, 1);
        assert_eq!(reactions(&one), reactions(&script(0.5, 0.5, 1)));
        assert_ne!(reactions(&one), reactions(&script(0.5, 0.5, 2)));
    }
}
