//! What was counted and measured in sessions.

use std::collections::BTreeMap;
use std::time::Duration;

use greenroom_protocol::SegmentLatency;
use serde::Serialize;

use super::violation::Found;

/// Violations that are kept; of the others only the number is.
const VIOLATIONS_KEPT: usize = 1_000;

/// What one session, or all of them together, came to.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// How often things happened.
    pub counts: Counts,
    /// What must never be, the first of it.
    pub violations: Vec<Found>,
    /// How often each kind of it was.
    pub violations_by_kind: BTreeMap<String, u64>,
    /// Turns whose reply was begun.
    pub(super) turns: Vec<TurnSample>,
    /// Onsets that made a reply pause.
    pub(super) pauses: Vec<PauseSample>,
    /// How long players were silent for want of audio, in milliseconds.
    pub(super) silences_ms: Vec<f64>,
    /// How far ahead of its playback audio was at most.
    pub(super) ahead_max: Duration,
}

/// How often things happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Things said that were to be answered.
    pub utterances: u64,
    /// Turns that began.
    pub turns: u64,
    /// Turns that were understood, answered and, where that was asked for, spoken until they were heard or interrupted.
    pub answered: u64,
    /// Turns that were under way when the test was ended.
    pub unfinished: u64,
    /// Replies whose audio began.
    pub replies_spoken: u64,
    /// Replies that were played to their end.
    pub replies_played: u64,
    /// Turns that began amid a reply.
    pub barge_ins: u64,
    /// Of these, those whose reply was cancelled.
    pub barge_ins_cancelled: u64,
    /// "Uh-huh" amid a reply.
    pub backchannels: u64,
    /// Of these, those after which the reply went on.
    pub backchannels_resumed: u64,
    /// Frames that microphones sent.
    pub frames_sent: u64,
    /// Frames of audio that came.
    pub frames_received: u64,
    /// How much audio came, in milliseconds.
    pub audio_received_ms: u64,
    /// Events that came.
    pub events: u64,
    /// Signals that came.
    pub signals: u64,
    /// How often a player had nothing within a stretch of speech.
    pub underruns: u64,
    /// How often a player had nothing while the synthesis of a sentence was begun or ended.
    pub gaps_between_sentences: u64,
}

/// One turn, as far as its latency goes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TurnSample {
    /// When the speech ended.
    pub(super) at: Duration,
    /// From the end of the speech to the first audio frame of the reply, in milliseconds.
    pub(super) felt_ms: Option<f64>,
    /// The same from where an ear took the speech to end, which the server counts from.
    pub(super) after_heard_end_ms: Option<f64>,
    /// What the server says that it was.
    pub(super) total_ms: u64,
    /// And how it was spent.
    pub(super) segments: Vec<SegmentLatency>,
}

/// One pause of a reply because somebody spoke.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PauseSample {
    /// When the speech began.
    pub(super) at: Duration,
    /// From its first sound to `audio.pause`, in milliseconds.
    pub(super) after_ms: f64,
}

impl Tally {
    /// Adds what another came to.
    pub fn add(&mut self, other: Self) {
        self.counts.add(&other.counts);
        let room = VIOLATIONS_KEPT.saturating_sub(self.violations.len());
        self.violations.extend(other.violations.into_iter().take(room));
        for (kind, count) in other.violations_by_kind {
            *self.violations_by_kind.entry(kind).or_default() += count;
        }
        self.turns.extend(other.turns);
        self.pauses.extend(other.pauses);
        self.silences_ms.extend(other.silences_ms);
        self.ahead_max = self.ahead_max.max(other.ahead_max);
    }

    /// Books a violation.
    pub(super) fn book(&mut self, found: Found) {
        *self.violations_by_kind.entry(found.violation.kind()).or_default() += 1;
        if self.violations.len() < VIOLATIONS_KEPT {
            self.violations.push(found);
        }
    }

    /// How many violations there were, those that are not kept too.
    pub fn violation_count(&self) -> u64 {
        self.violations_by_kind.values().sum()
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        for (count, more) in [
            (&mut self.utterances, other.utterances),
            (&mut self.turns, other.turns),
            (&mut self.answered, other.answered),
            (&mut self.unfinished, other.unfinished),
            (&mut self.replies_spoken, other.replies_spoken),
            (&mut self.replies_played, other.replies_played),
            (&mut self.barge_ins, other.barge_ins),
            (&mut self.barge_ins_cancelled, other.barge_ins_cancelled),
            (&mut self.backchannels, other.backchannels),
            (&mut self.backchannels_resumed, other.backchannels_resumed),
            (&mut self.frames_sent, other.frames_sent),
            (&mut self.frames_received, other.frames_received),
            (&mut self.audio_received_ms, other.audio_received_ms),
            (&mut self.events, other.events),
            (&mut self.signals, other.signals),
            (&mut self.underruns, other.underruns),
            (&mut self.gaps_between_sentences, other.gaps_between_sentences),
        ] {
            *count += more;
        }
    }
}
