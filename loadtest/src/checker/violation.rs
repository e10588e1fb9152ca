//! What the checker can find wrong.

use std::fmt;

use greenroom_protocol::{CallId, RunId, Seq, SessionId, StageId, TurnId};
use serde::Serialize;

/// Something that must never be, where it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Violation {
    /// A client saw an event that the journal does not hold.
    #[error("{session} {seq}: client {client} saw it, and the journal does not hold it")]
    SeenNotInJournal {
        /// Whose record.
        client: String,
        /// The session.
        session: SessionId,
        /// The event.
        seq: Seq,
    },
    /// A client saw an event otherwise than the journal holds it.
    #[error("{session} {seq}: client {client} saw it otherwise than the journal holds it")]
    SeenDiffers {
        /// Whose record.
        client: String,
        /// The session.
        session: SessionId,
        /// The event.
        seq: Seq,
    },
    /// A client saw a session whose journal was not given.
    #[error("{session}: client {client} saw it, and its journal was not given")]
    JournalMissing {
        /// Whose record.
        client: String,
        /// The session.
        session: SessionId,
    },
    /// A client was sent something that is neither an envelope nor a signal.
    #[error("client {client} was sent what is neither an envelope nor a signal: {text:.120}")]
    FrameUnreadable {
        /// Whose record.
        client: String,
        /// What came.
        text: String,
    },
    /// The numbers of a journal, or of what a client saw, have a gap or a duplicate.
    #[error("{session}: {subject} has {found} where {expected} had to come")]
    SeqBroken {
        /// Whose numbers.
        subject: Subject,
        /// The session.
        session: SessionId,
        /// The number that had to come.
        expected: Seq,
        /// The number that came.
        found: Seq,
    },
    /// An event of the journal is none of this release.
    #[error("{session} {seq}: unreadable: {reason}")]
    EventUnreadable {
        /// The session.
        session: SessionId,
        /// The event.
        seq: Seq,
        /// What is wrong.
        reason: String,
    },
    /// A stage was begun or called after it was completed, or after its run had ended.
    #[error("{session} {seq}: {stage} of {run} was taken up again after its end")]
    StageCalledAgain {
        /// The session.
        session: SessionId,
        /// The run.
        run: RunId,
        /// The stage.
        stage: StageId,
        /// The event that did it.
        seq: Seq,
    },
    /// A stage belongs to no run that was started.
    #[error("{session} {seq}: {run} was never started")]
    StageWithoutRun {
        /// The session.
        session: SessionId,
        /// The run that it names.
        run: RunId,
        /// The event.
        seq: Seq,
    },
    /// A text does not come from where such a text may come from, or names a call that was never reserved.
    #[error("{session} {seq}: provenance: {reason}")]
    Provenance {
        /// The session.
        session: SessionId,
        /// The event with the text.
        seq: Seq,
        /// What is wrong.
        reason: String,
    },
    /// Something was acted upon, or stands, while its check was still open.
    #[error("{session} {seq}: {reason} while {check} was still checking it")]
    Unchecked {
        /// The session.
        session: SessionId,
        /// The event that did not wait.
        seq: Seq,
        /// The check.
        check: CallId,
        /// What was done.
        reason: String,
    },
    /// A run ended otherwise than runs end.
    #[error("{session}: {run} {reason}")]
    RunEnd {
        /// The session.
        session: SessionId,
        /// The run.
        run: RunId,
        /// What is wrong.
        reason: String,
    },
    /// A turn did not end exactly once.
    #[error("{session}: {turn} ended {times} times")]
    TurnEnd {
        /// The session.
        session: SessionId,
        /// The turn.
        turn: TurnId,
        /// How often it ended.
        times: u32,
    },
    /// A call was reserved or settled otherwise than once each, in this order.
    #[error("{session}: {call} {reason}")]
    CallBooking {
        /// The session.
        session: SessionId,
        /// The call.
        call: CallId,
        /// What is wrong.
        reason: String,
    },
    /// The simulator counted a call that nobody reserved.
    #[error("the simulator's call {n} ({}) was never reserved", .call_id.as_deref().unwrap_or("without an id"))]
    BilledNotReserved {
        /// The call's number in the bill.
        n: u64,
        /// The id that it came with.
        call_id: Option<String>,
    },
    /// The simulator counted a call twice: one reservation paid for two requests.
    #[error("the simulator counted {call_id} twice")]
    BilledTwice {
        /// The id that both came with.
        call_id: String,
    },
    /// A call was settled as whole that the simulator did not complete.
    #[error("{session}: {call} was settled as whole, and the simulator did not complete it")]
    SettledNotBilled {
        /// The session.
        session: SessionId,
        /// The call.
        call: CallId,
    },
    /// What a client was promised is not in the journal.
    #[error("{session}: promised, and not in the journal: {what}")]
    PromiseBroken {
        /// The session.
        session: SessionId,
        /// What was promised.
        what: String,
    },
    /// What a client sent once counts more than once.
    #[error("{session}: {times} times in the journal, though it was sent under one id: {what}")]
    CountedAgain {
        /// The session.
        session: SessionId,
        /// What was sent.
        what: String,
        /// How often it is there.
        times: usize,
    },
    /// An operator's row says otherwise than the journal or the bill.
    #[error("{session} {seq}: operator's row: {reason}")]
    OperatorDiffers {
        /// The session.
        session: SessionId,
        /// The event.
        seq: Seq,
        /// What is wrong.
        reason: String,
    },
}

/// Whose numbers are broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The server's journal.
    Journal,
    /// What a client saw.
    Client(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal => write!(f, "the journal"),
            Self::Client(name) => write!(f, "client {name}"),
        }
    }
}
