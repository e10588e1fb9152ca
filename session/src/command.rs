//! What can be asked of a session, who asks, and what is answered.

use greenroom_protocol::{
    AssetId, AssetReady, CallId, CallOutcome, CommandId, ErrorBody, ErrorCode, JobId, Millis, RunId, Seq,
    SlotPath, StageId, Timestamp, TurnId,
};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{CallRecord, UserKey};

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
    /// An utterance.
    UserMessage {
        /// What the user says.
        text: String,
        /// How it was heard, if it was spoken: settles the transcription that was reserved for it. When the utterance
        /// is refused (blank, too long) nothing is settled, and [`Self::SettleCall`] is still due.
        #[serde(skip_serializing_if = "Option::is_none")]
        spoken: Option<Box<Spoken>>,
    },
    /// Reserve a call that is made outside the session. It may leave once the answer is there.
    ReserveCall {
        /// What it is for.
        call: OutsideCall,
    },
    /// Say how a call that was made outside the session ended. One that was given up meanwhile stays booked as it was,
    /// but what came of it counts; one that was told of before, or is another session's, changes nothing.
    SettleCall {
        /// Which.
        call_id: CallId,
        /// How it ended.
        settlement: Box<Settlement>,
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
    /// Say how much of a spoken reply was heard: when its playback ended, was cancelled, or nobody listens any more.
    /// It is told once of each message; of a turn that is unknown, or has no text yet, there is nothing to tell.
    ReplyHeard {
        /// Whose reply.
        turn_id: TurnId,
        /// What was heard of the turn's messages, in their order; of those that are missing nothing was.
        parts: Vec<HeardPart>,
        /// End the reply as well, if it is still under way.
        cancels: bool,
    },
    /// Say when a reply was first heard of: what a turn waits for that was begun [`Spoken::voiced`], once its text is
    /// complete. Before that, and of any other turn, it changes nothing.
    ReplyVoiced {
        /// Whose reply.
        turn_id: TurnId,
        /// When the first of its speech was there; none if it could not be spoken.
        first_byte_at: Option<Timestamp>,
        /// When its first sound was on its way to the user; none if it could not be spoken.
        first_sent_at: Option<Timestamp>,
    },
    /// Keep a recording of the conversation among the session's assets. `INPUT_INVALID` before the first turn.
    KeepRecording {
        /// The recording; its blob is durable already.
        asset: KeptRecording,
    },
    /// Take the session up again: an operator's alone. A failed run goes on; a session that has not failed is built anew
    /// from its log, and the receipt names no run.
    Restart {
        /// The stage to go on from; none means where the run failed. One that is complete is done again, and what rests
        /// on it, in a new run.
        from_stage: Option<StageId>,
        /// Why, for the log of the session; clients do not see it.
        reason: String,
    },
    /// End what is under way, and leave memory: an operator's alone.
    Stop {
        /// Why, for the log of the session; clients do not see it.
        reason: String,
    },
}

/// How much was heard of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HeardPart {
    /// How long it was played.
    pub heard_ms: Millis,
    /// Its words up to there.
    pub text: String,
}

/// A recording of the conversation, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptRecording {
    /// Which asset it becomes.
    pub asset_id: AssetId,
    /// Where it can be fetched.
    pub url: String,
    /// Its media type.
    pub media_type: String,
    /// Its size.
    pub size_bytes: u64,
}

/// A call that routes, ear and mouth make themselves, because what it carries never enters the session.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub enum OutsideCall {
    /// The words of an utterance. The answer names the turn that they will begin. Sent again under its key once that
    /// turn has begun, it is a duplicate: the answer names the turn and no call.
    Transcribe {
        /// SHA-256 of the recording, hexadecimal; it stands for the words when the same command comes again. Live
        /// speech has none: nobody sends it again.
        audio_digest: Option<String>,
    },
    /// A text, spoken.
    Speak {
        /// The turn whose reply it is, if it is one.
        turn_id: Option<TurnId>,
    },
    /// The check of a text that is not an utterance.
    Moderate,
}

/// How an utterance was heard.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spoken {
    /// The turn that the reservation named. It begins once: the answer to the message says which turn it is.
    pub turn_id: TurnId,
    /// The transcription.
    pub call_id: CallId,
    /// What the provider says of it.
    pub record: CallRecord,
    /// SHA-256 of the recording, hexadecimal; none for live speech.
    pub audio_digest: Option<String>,
    /// When the user had finished speaking.
    pub ended_at: Timestamp,
    /// When that was noticed, if it had to be noticed: live speech.
    pub endpoint_at: Option<Timestamp>,
    /// Whether somebody is there to speak the reply and to say when it was heard ([`CommandKind::ReplyVoiced`]).
    pub voiced: bool,
}

/// How a call ended that was made outside the session.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settlement {
    /// How.
    pub outcome: CallOutcome,
    /// What the provider says of it, if it said anything.
    pub record: Option<CallRecord>,
    /// Why it failed, for everybody to see.
    pub error: Option<ErrorCode>,
    /// For the operator: no secrets, no words of the user.
    pub reason: Option<String>,
    /// What came of it; its blob is durable already, and its provenance names the call.
    pub asset: Option<AssetReady>,
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
    ///
    /// A recording stands for its words: what a second transcription makes of it is the same utterance.
    pub fn digest(&self) -> String {
        let recording = match self {
            Self::UserMessage {
                spoken: Some(spoken), ..
            } => spoken.audio_digest.as_ref(),
            Self::ReserveCall {
                call: OutsideCall::Transcribe { audio_digest },
            } => audio_digest.as_ref(),
            Self::UserMessage { spoken: None, .. }
            | Self::ReserveCall { .. }
            | Self::SettleCall { .. }
            | Self::SetSlots { .. }
            | Self::Generate { .. }
            | Self::CancelRun { .. }
            | Self::RetryRun { .. }
            | Self::CancelResponse
            | Self::ReplyHeard { .. }
            | Self::ReplyVoiced { .. }
            | Self::KeepRecording { .. }
            | Self::Restart { .. }
            | Self::Stop { .. } => None,
        };
        let text = match recording {
            Some(audio_digest) => format!("recording {audio_digest}").into_bytes(),
            None => serde_json::to_vec(self).unwrap_or_default(),
        };
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
    /// The call that it reserved.
    pub call_id: Option<CallId>,
    /// Whether the command had been taken before.
    pub duplicate: bool,
}

/// The core's answer to a command.
pub type Answer = Result<Receipt, Box<ErrorBody>>;
