//! What a hearing is told.

use greenroom_protocol::{CallId, ErrorBody, SpeechDiscardReason, Timestamp, TurnId};
use greenroom_session::ports::{CallFailure, Transcription};

/// The number of an utterance on its line, in the order of speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::voice) struct UtteranceId(pub(super) u64);

/// How a transcription is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::voice) enum Port {
    /// While somebody speaks.
    Stream,
    /// Of the whole utterance.
    Batch,
}

/// Something that concerns what is heard.
#[derive(Debug)]
pub(in crate::voice) enum Input {
    /// Somebody begins to speak.
    Started {
        /// Whether a recogniser is there that listens along.
        streams: bool,
        /// Why nothing will come of it, if so.
        refusal: Option<Box<ErrorBody>>,
    },
    /// The utterance is complete.
    Ended(EndedUtterance),
    /// What was heard is no utterance.
    Dropped(SpeechDiscardReason),
    /// The session was asked for a call.
    Reserved {
        /// For which utterance.
        utterance: UtteranceId,
        /// What it answered.
        answer: Result<Reserved, Box<ErrorBody>>,
    },
    /// A recogniser that listens along understood this so far.
    Partial {
        /// The call of the utterance.
        call_id: CallId,
        /// All its words.
        text: String,
    },
    /// A transcription is over.
    Transcribed {
        /// Its call.
        call_id: CallId,
        /// What was understood.
        result: Result<Transcription, CallFailure>,
    },
    /// Nobody has heard of a transcription for as long as it may take.
    Overdue {
        /// Its call.
        call_id: CallId,
    },
    /// The session was told the words.
    Said {
        /// Of which utterance.
        utterance: UtteranceId,
        /// Whether they made a turn.
        answer: Result<(), Box<ErrorBody>>,
    },
    /// The client wants nothing of what was heard and makes no turn yet.
    Forgotten,
}

/// A complete utterance.
#[derive(Debug, PartialEq)]
pub(in crate::voice) struct EndedUtterance {
    /// What was said: mono at the rate of speech.
    pub(in crate::voice) pcm: Vec<i16>,
    /// The real end of the speech.
    pub(in crate::voice) ended_at: Timestamp,
    /// When it was noticed.
    pub(in crate::voice) endpoint_at: Timestamp,
}

/// A call that was reserved for an utterance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::voice) struct Reserved {
    /// The call.
    pub(in crate::voice) call_id: CallId,
    /// The turn that its words will begin.
    pub(in crate::voice) turn_id: TurnId,
}
