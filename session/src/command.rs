//! What can be asked of a session, who asks, and what is answered.

use greenroom_protocol::{CommandId, ErrorBody, JobId, RunId, Seq, SlotPath, TurnId};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::UserKey;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A client, with the key that it sent, if it sent one.
    Client(Option<UserKey>),
    /// An operator, on the admin socket.
    Operator,
}

impl Caller {
    /// Whether this caller may see and change a session of this owner. A session without an owner is open to
    /// who knows its id.
    pub fn may_access(&self, owner: Option<&UserKey>) -> bool {
        match (self, owner) {
            (Self::Operator, _) | (Self::Client(_), None) => true,
            (Self::Client(key), Some(owner)) => key.as_ref() == Some(owner),
        }
    }
}

/// Something asked of an existing session.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// The client's idempotency key.
    pub id: Option<CommandId>,
    /// Who asks.
    pub caller: Caller,
    /// What is asked.
    pub kind: CommandKind,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CommandKind {
    /// A typed utterance.
    UserMessage {
        /// What the user says.
        text: String,
    },
    /// The user's own edits, all or none.
    SetSlots {
        /// The edits.
        edits: Vec<SlotEdit>,
    },
    /// Start a run.
    Generate {
        /// Waive the gate for this run.
        draft: bool,
        /// A job stands for the run.
        background: bool,
    },
    /// Cancel the run that is under way.
    CancelRun {
        /// Which; none means whichever is.
        run_id: Option<RunId>,
    },
    /// Take the failed run up again.
    RetryRun {
        /// Which; none means whichever failed.
        run_id: Option<RunId>,
    },
    /// End the reply that is under way.
    CancelResponse,
}

/// One edit of a slot.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
pub struct SlotEdit {
    /// Which slot.
    pub path: SlotPath,
    /// Its new value; null clears it.
    pub value: Value,
}

impl CommandKind {
    /// A digest by which a reuse of an idempotency key for something else is noticed.
    pub fn digest(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let mut digest = format!("{:x}", Sha256::digest(&text));
        digest.truncate(32);
        digest
    }
}

/// What a command brought about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The first event that the command made, or the head of the log if it made none.
    pub seq: Seq,
    /// The turn that it began.
    pub turn_id: Option<TurnId>,
    /// The run that it began or acted upon.
    pub run_id: Option<RunId>,
    /// The job that stands for the run.
    pub job_id: Option<JobId>,
    /// Whether the command had been taken before.
    pub duplicate: bool,
}

/// The core's answer to a command.
pub type Answer = Result<Receipt, Box<ErrorBody>>;
