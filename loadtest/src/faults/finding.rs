//! What a trial can find wrong, beside what the checker finds in the journals.

use serde::Serialize;

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// Somebody waited for something that never came.
    #[error("person {number} ({role}): {reason}")]
    Stranded {
        /// Who.
        number: usize,
        /// What they do.
        role: String,
        /// What they waited for, or what went wrong.
        reason: String,
    },
    /// The server ended though nobody had ended it.
    #[error("the server ended by itself: {status}")]
    ServerDied {
        /// How.
        status: String,
    },
    /// The server did not end when it was told to, or said that it had failed.
    #[error("the server was told to end: {reason}")]
    ServerDidNotEnd {
        /// What it did.
        reason: String,
    },
    /// The server did not come up again.
    #[error("the server did not start: {reason}")]
    ServerDidNotStart {
        /// What it said.
        reason: String,
    },
    /// A panic that nobody provoked.
    #[error("a panic that nobody provoked: {line:.300}")]
    Panicked {
        /// The line of the server's log.
        line: String,
    },
    /// Work was still under way after everything had had its time.
    #[error("not at rest: {what}")]
    NotAtRest {
        /// What was under way.
        what: String,
    },
    /// A gauge did not go back to where it has to be when nobody is there.
    #[error("{gauge} is {value}, and nobody is there")]
    TaskLeft {
        /// The metric.
        gauge: String,
        /// Its value.
        value: f64,
    },
    /// The server holds far more memory than in the beginning.
    #[error("the server holds {after_kib} KiB, and held {before_kib} KiB before anybody came")]
    Memory {
        /// Before anybody came.
        before_kib: u64,
        /// After everybody had gone.
        after_kib: u64,
    },
    /// A file that belongs to nothing.
    #[error("left over in the data directory: {file}")]
    FileLeft {
        /// Its path in the data directory.
        file: String,
    },
    /// A session that was erased is still there.
    #[error("{session} was erased: {reason}")]
    NotErased {
        /// Which.
        session: String,
        /// What shows it.
        reason: String,
    },
    /// The server's own verification of its data found something.
    #[error("greenroom verify: {said}")]
    NotVerified {
        /// What it said.
        said: String,
    },
    /// Something failed that a restart in an orderly way must not touch.
    #[error("by restarts alone: {what}")]
    LostInRestart {
        /// What.
        what: String,
    },
    /// The admin socket answered what it must not.
    #[error("the operator: {reason}")]
    Operator {
        /// What it was asked, and what it answered.
        reason: String,
    },
}
