//! What a hearing has done.

use std::time::Duration;

use greenroom_protocol::{CallId, CallOutcome, ErrorBody, Signal, SpeechDiscardReason, Timestamp, TurnId};
use greenroom_session::ports::SpeechAudio;
use greenroom_session::{CallRecord, Settlement};

use super::UtteranceId;

/// Something to be done.
#[derive(Debug, PartialEq)]
pub(in crate::voice) enum Action {
    /// Tell the client.
    Tell(Box<Signal>),
    /// Silence the reply that is being spoken, and let none begin.
    Hush,
    /// It was nothing, or is decided: let replies go on and begin.
    Unhush,
    /// End the reply that is under way, if there is one, and tell the session what was heard of it.
    CutOff,
    /// Ask the session for a call.
    Reserve {
        /// For which utterance.
        utterance: UtteranceId,
    },
    /// Let the recogniser that listens along hear the utterance under way from its beginning, and on.
    BeginStream {
        /// Its call.
        call_id: CallId,
    },
    /// The utterance that the recogniser hears is complete: let it hear the rest of this.
    CommitStream {
        /// Its call.
        call_id: CallId,
        /// The whole utterance.
        pcm: Vec<i16>,
        /// How long its words may take.
        patience: Duration,
    },
    /// What the recogniser hears is no utterance.
    DiscardStream {
        /// Its call.
        call_id: CallId,
        /// How long it may take to say what that cost.
        patience: Duration,
    },
    /// Have a whole utterance transcribed.
    Transcribe {
        /// Its call.
        call_id: CallId,
        /// The utterance.
        audio: SpeechAudio,
    },
    /// Tell the session how a call ended.
    Settle {
        /// Which.
        call_id: CallId,
        /// How.
        settlement: Box<Settlement>,
    },
    /// Tell the session the words, after everything that it was told before.
    Say {
        /// Whose.
        utterance: UtteranceId,
        /// The words.
        words: Box<Words>,
    },
    /// Count how an utterance ended.
    Count(Outcome),
}

/// What is said to the session.
#[derive(Debug, PartialEq)]
pub(in crate::voice) struct Words {
    /// The words themselves.
    pub(in crate::voice) text: String,
    /// The turn that they begin.
    pub(in crate::voice) turn_id: TurnId,
    /// The transcription.
    pub(in crate::voice) call_id: CallId,
    /// What the provider says of it.
    pub(in crate::voice) record: CallRecord,
    /// The real end of the speech.
    pub(in crate::voice) ended_at: Timestamp,
    /// When it was noticed.
    pub(in crate::voice) endpoint_at: Timestamp,
}

/// How an utterance ended, for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::voice) enum Outcome {
    /// It made a turn.
    Turn,
    /// It made none.
    Discarded(SpeechDiscardReason),
}

/// Tells the client what is wrong.
pub(super) fn notice(error: ErrorBody, actions: &mut Vec<Action>) {
    actions.push(Action::Tell(Box::new(Signal::Notice { error })));
}

/// Tells the client that what was heard makes no turn.
pub(super) fn discard(reason: SpeechDiscardReason, actions: &mut Vec<Action>) {
    actions.push(Action::Tell(Box::new(Signal::SpeechDiscarded { reason })));
    actions.push(Action::Count(Outcome::Discarded(reason)));
}

pub(super) fn settle(call_id: CallId, settlement: Settlement, actions: &mut Vec<Action>) {
    let settlement = Box::new(settlement);
    actions.push(Action::Settle { call_id, settlement });
}

/// How a call is settled that was reserved and is not made.
pub(super) fn never_made() -> Settlement {
    Settlement {
        outcome: CallOutcome::Failed,
        record: None,
        error: None,
        reason: Some("it was not made: nobody wanted its words any more".to_owned()),
        asset: None,
    }
}

/// How a transcription is settled whose words the session did not take.
pub(super) fn paid_for(record: CallRecord) -> Settlement {
    Settlement {
        outcome: CallOutcome::Ok,
        record: Some(record),
        error: None,
        reason: None,
        asset: None,
    }
}
