//! What has to come after something was said, and whether it came.

use std::time::Duration;

use greenroom_protocol::{TurnCompleted, TurnId, TurnOutcome};

use super::microphone::Line;
use super::script::Reaction;
use super::tally::TurnSample;
use super::violation::Violation;

/// How long after the end of an utterance its turn may begin: twice the longest endpoint delay, and a slow recogniser.
const TURN_WAIT: Duration = Duration::from_secs(10);
/// How long after that the reply may begin.
const REPLY_WAIT: Duration = Duration::from_secs(20);
/// How long after an onset the output may go on; the ear takes 0.1 s, in noise 0.25 s.
const PAUSE_WAIT: Duration = Duration::from_millis(750);

/// An utterance, its turn and the reply.
#[derive(Debug)]
pub(super) struct Exchange {
    /// What is said.
    pub(super) said: &'static str,
    /// When its first sound was heard.
    pub(super) onset_at: Option<Duration>,
    /// When its last sound was over.
    pub(super) end_at: Option<Duration>,
    /// When an ear took it to be over.
    pub(super) heard_end_at: Option<Duration>,
    /// Whether there was a `speech.started`.
    pub(super) is_noticed: bool,
    /// Its turn.
    pub(super) turn: Option<TurnId>,
    /// Whether its words are in the log.
    pub(super) is_understood: bool,
    /// Whether the reply's text is in the log.
    pub(super) is_replied: bool,
    /// How the turn ended.
    pub(super) completed: Option<TurnCompleted>,
    /// How far the reply is spoken.
    pub(super) voice: Voice,
    /// What the person does while the reply is played.
    pub(super) reaction: Reaction,
}

/// How far a reply is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Voice {
    /// There was no `audio.begin`.
    Silent,
    /// There was, and no audio yet.
    Begun,
    /// There is audio.
    Sounding {
        /// When the first frame of it came.
        since: Duration,
    },
    /// It was played to its end or cancelled.
    Over {
        /// When the first frame of it came, if one did.
        since: Option<Duration>,
    },
}

impl Exchange {
    /// Something that begins to be said.
    pub(super) fn new(said: &'static str, reaction: Reaction) -> Self {
        Self {
            said,
            onset_at: None,
            end_at: None,
            heard_end_at: None,
            is_noticed: false,
            turn: None,
            is_understood: false,
            is_replied: false,
            completed: None,
            voice: Voice::Silent,
            reaction,
        }
    }

    /// Whether everything came, spoken or not.
    pub(super) fn is_done(&self, is_spoken: bool) -> bool {
        self.is_understood
            && self.is_replied
            && self.completed.is_some()
            && (!is_spoken || matches!(self.voice, Voice::Over { .. }))
    }

    /// What did not come in time; none if there is time left.
    pub(super) fn overdue(&self, now: Duration, is_spoken: bool) -> Option<Violation> {
        let ended_at = self.end_at?;
        if self.turn.is_none() || !self.is_understood {
            return (now > ended_at + TURN_WAIT).then(|| self.turn_missing());
        }
        let is_late = now > ended_at + TURN_WAIT + REPLY_WAIT;
        if !self.is_replied || self.completed.is_none() {
            return is_late.then_some(Violation::ReplyMissing {
                said: self.said,
                outcome: self.completed.as_ref().map(|completed| completed.outcome),
            });
        }
        let lacks = match self.voice {
            _ if !is_spoken => return None,
            Voice::Silent => "audio.begin",
            Voice::Begun => "audio",
            Voice::Sounding { .. } | Voice::Over { .. } => return None,
        };
        is_late.then_some(Violation::ReplyNotSpoken { lacks })
    }

    fn turn_missing(&self) -> Violation {
        if self.is_noticed {
            Violation::TurnMissing { said: self.said }
        } else {
            Violation::SpeechMissed {}
        }
    }

    /// Audio of the reply came.
    pub(super) fn sound(&mut self, now: Duration) {
        if let Voice::Silent | Voice::Begun = self.voice {
            self.voice = Voice::Sounding { since: now };
        }
    }

    /// The reply was played to its end or cancelled.
    pub(super) fn end_voice(&mut self) {
        self.voice = Voice::Over {
            since: self.first_audio_at(),
        };
    }

    fn first_audio_at(&self) -> Option<Duration> {
        match self.voice {
            Voice::Silent | Voice::Begun => None,
            Voice::Sounding { since } => Some(since),
            Voice::Over { since } => since,
        }
    }

    /// Takes the end of the turn; it may be wrong in itself.
    pub(super) fn complete(&mut self, completed: TurnCompleted, may_be_interrupted: bool) -> Vec<Violation> {
        let mut violations = Vec::new();
        let is_good = match completed.outcome {
            TurnOutcome::Ok => true,
            TurnOutcome::Interrupted => may_be_interrupted,
            TurnOutcome::Failed | TurnOutcome::Abandoned => false,
        };
        if !is_good {
            violations.push(Violation::ReplyMissing {
                said: self.said,
                outcome: Some(completed.outcome),
            });
        }
        let segments_ms = completed.latency.segments.iter().map(|part| part.ms.0).sum();
        let total_ms = completed.latency.total_ms.0;
        if segments_ms != total_ms {
            violations.push(Violation::LatencyInconsistent {
                segments_ms,
                total_ms,
            });
        }
        self.completed = Some(completed);
        violations
    }

    /// Its latency, once there is something to tell.
    pub(super) fn sample(&self) -> Option<TurnSample> {
        let ended_at = self.end_at?;
        let latency = &self.completed.as_ref()?.latency;
        let since = |ended_at| {
            let first = self.first_audio_at()?;
            Some(millis_between(ended_at, first))
        };
        Some(TurnSample {
            at: ended_at,
            felt_ms: since(ended_at),
            after_heard_end_ms: self.heard_end_at.and_then(since),
            total_ms: latency.total_ms.0,
            segments: latency.segments.clone(),
        })
    }
}

/// Somebody speaks into the reply that is being played.
#[derive(Debug)]
pub(super) struct Overlap {
    /// What they say.
    pub(super) line: Line,
    /// When its first sound was heard.
    pub(super) onset_at: Duration,
    /// When its last sound was over.
    pub(super) end_at: Option<Duration>,
    /// Whether the reply has paused.
    pub(super) is_paused: bool,
}

impl Overlap {
    /// What did not come in time; none if there is time left.
    pub(super) fn overdue(&self, now: Duration) -> Option<Violation> {
        if !self.is_paused {
            return (now > self.onset_at + PAUSE_WAIT).then_some(Violation::NotPaused {});
        }
        let is_late = self.end_at.is_some_and(|ended_at| now > ended_at + TURN_WAIT);
        is_late.then_some(match self.line {
            Line::Turn(_) => Violation::NotCancelled {},
            Line::Backchannel => Violation::NotResumed {
                instead: "nothing came",
            },
        })
    }
}

/// From one moment to another, which may be an earlier one.
pub(super) fn millis_between(from: Duration, to: Duration) -> f64 {
    (to.as_secs_f64() - from.as_secs_f64()) * 1_000.0
}
