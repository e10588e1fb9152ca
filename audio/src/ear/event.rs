//! What an ear tells.

use std::time::Duration;

use crate::SPEECH_RATE_HZ;
use crate::pcm::duration_of;

/// A place in the stream: how many samples at [`SPEECH_RATE_HZ`] were heard before it. The only clock of an ear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SamplePosition(u64);

/// Something that an ear noticed. `at` is always where it was noticed: never before the `at` of the event before.
///
/// After each [`EarEvent::SpeechStarted`] come any number of pauses and resumptions, by turns, and then exactly one
/// [`EarEvent::Utterance`] or [`EarEvent::Dropped`]. Only a commit can be answered by one of these without a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EarEvent {
    /// Somebody speaks: output ought to pause.
    SpeechStarted {
        /// When that was certain.
        at: SamplePosition,
        /// Where the speech began.
        began_at: SamplePosition,
    },
    /// The speaker is silent; the utterance may be over. Work that is thrown away if speech goes on may begin.
    SpeechPaused {
        /// When that was certain.
        at: SamplePosition,
        /// Where the speech ended, if it did.
        ended_at: SamplePosition,
    },
    /// The utterance goes on.
    SpeechResumed {
        /// When that was certain.
        at: SamplePosition,
        /// Where the speech went on.
        resumed_at: SamplePosition,
    },
    /// Speech ended, and here it is.
    Utterance(Utterance),
    /// What sounded like speech, or was committed, is no utterance.
    Dropped {
        /// When that was certain.
        at: SamplePosition,
        /// Where it began.
        began_at: SamplePosition,
        /// Where it ended.
        ended_at: SamplePosition,
        /// Why.
        reason: DropReason,
    },
}

/// What somebody said, with a little silence before and after. No two utterances share a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Utterance {
    /// Mono samples at [`SPEECH_RATE_HZ`].
    pub pcm: Vec<i16>,
    /// The place of the first sample of `pcm`.
    pub pcm_from: SamplePosition,
    /// Where the speech began.
    pub began_at: SamplePosition,
    /// The real end of the speech, where what the user feels as waiting begins.
    pub ended_at: SamplePosition,
    /// When the end was decided.
    pub at: SamplePosition,
    /// Why it ended.
    pub reason: EndReason,
}

/// Why an utterance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The speaker was silent for long enough.
    Silence,
    /// The client said so.
    Committed,
    /// It was as long as an utterance may be. If the speech goes on, the next one begins with the very next sample.
    TooLong,
}

/// Why there is no utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// There was less speech in it than an utterance has: a click, a cough.
    TooShort,
    /// Most of it did not sound like speech.
    Noise,
    /// Nothing that was committed sounded like speech.
    NothingHeard,
    /// The client did not want it.
    Discarded,
}

impl SamplePosition {
    pub(super) fn new(samples: u64) -> Self {
        Self(samples)
    }

    /// How many samples were heard before it.
    pub fn samples(self) -> u64 {
        self.0
    }

    /// How much audio lies between an earlier place and this one; nothing if that one is later.
    pub fn since(self, earlier: Self) -> Duration {
        let samples = self.0.saturating_sub(earlier.0);
        duration_of(usize::try_from(samples).unwrap_or(usize::MAX), SPEECH_RATE_HZ)
    }
}

impl EarEvent {
    /// When it was noticed.
    pub fn at(&self) -> SamplePosition {
        match self {
            Self::SpeechStarted { at, .. }
            | Self::SpeechPaused { at, .. }
            | Self::SpeechResumed { at, .. }
            | Self::Dropped { at, .. } => *at,
            Self::Utterance(utterance) => utterance.at,
        }
    }
}

impl Utterance {
    /// How long after the real end of the speech its end was decided.
    pub fn endpoint_delay(&self) -> Duration {
        self.at.since(self.ended_at)
    }
}
