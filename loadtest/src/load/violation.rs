//! What a server can do wrong while people talk to it.

use greenroom_protocol::{ErrorCode, Seq, SessionId, TurnId, TurnOutcome};
use serde::Serialize;

/// Something that must never be, and where.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// The session, unless there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// When, in milliseconds from the start of the test.
    pub at_ms: f64,
    /// The number of the session's utterance that it concerns, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utterance: Option<usize>,
    /// What.
    #[serde(flatten)]
    pub violation: Violation,
}

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Violation {
    /// The session could not be created or its socket could not be opened.
    #[error("no connection: {reason}")]
    NotConnected {
        /// Why.
        reason: String,
    },
    /// The connection ended before it was to.
    #[error("the connection ended{}", told("with code", .code.as_ref()))]
    ConnectionLost {
        /// The close code, if one came.
        code: Option<u16>,
    },
    /// The server refused a frame.
    #[error("a frame was rejected: {code:?}: {message}")]
    FrameRejected {
        /// Why.
        code: ErrorCode,
        /// In words.
        message: String,
    },
    /// The server says that something is wrong.
    #[error("the server reports {code:?}: {message}")]
    ErrorReported {
        /// What.
        code: ErrorCode,
        /// In words.
        message: String,
    },
    /// A text frame is neither an event nor a signal of this release.
    #[error("unreadable: {reason}")]
    FrameUnreadable {
        /// What is wrong.
        reason: String,
    },
    /// Events have a gap or a duplicate.
    #[error("event {found} came where {expected} had to")]
    SeqBroken {
        /// The number that had to come.
        expected: Seq,
        /// The number that came.
        found: Seq,
    },
    /// Somebody spoke, and there was no `speech.started`.
    #[error("speech was not noticed")]
    SpeechMissed {},
    /// `speech.started` or `audio.pause` came while nobody spoke.
    #[error("`{signal}` came while nobody spoke")]
    SpeechImagined {
        /// What came.
        signal: &'static str,
    },
    /// Something was said, and no turn began.
    #[error("no turn began after \"{said}\"")]
    TurnMissing {
        /// What was said.
        said: &'static str,
    },
    /// A turn began after which nobody had said anything.
    #[error("{turn} began, and nobody had said anything")]
    TurnImagined {
        /// The turn.
        turn: TurnId,
    },
    /// A turn's words are not those that were said.
    #[error("\"{said}\" was understood as \"{understood}\"")]
    WordsDiffer {
        /// What was said.
        said: &'static str,
        /// What was understood.
        understood: String,
    },
    /// A turn ended without a reply, or not in time.
    #[error("no reply to \"{said}\"{}", told("but an end:", .outcome.map(|outcome| format!("{outcome:?}"))))]
    ReplyMissing {
        /// What was said.
        said: &'static str,
        /// How the turn ended, if it did.
        outcome: Option<TurnOutcome>,
    },
    /// The segments of a turn's latency do not sum to its total.
    #[error("the segments of a turn sum to {segments_ms} ms, its total is {total_ms} ms")]
    LatencyInconsistent {
        /// Their sum.
        segments_ms: u64,
        /// The total.
        total_ms: u64,
    },
    /// A reply was to be spoken, and there was no `audio.begin`, or no audio after it.
    #[error("a reply was not spoken: {lacks} is missing")]
    ReplyNotSpoken {
        /// What did not come.
        lacks: &'static str,
    },
    /// A reply's audio did not end in time.
    #[error("the audio of {reply_id} did not end")]
    AudioEndless {
        /// The reply.
        reply_id: String,
    },
    /// Audio came that belongs to no reply, or to one that was paused, cancelled or over.
    #[error("audio came {when}")]
    AudioMisplaced {
        /// When.
        when: Misplaced,
    },
    /// A binary frame is no 20 ms of audio.
    #[error("a frame of {bytes} bytes is no audio of 20 ms")]
    AudioUnreadable {
        /// How large it is.
        bytes: usize,
    },
    /// A signal names a reply that is not the one being played.
    #[error("`{signal}` names {reply_id}, which is not being played")]
    ReplyUnknown {
        /// What came.
        signal: &'static str,
        /// The reply that it names.
        reply_id: String,
    },
    /// `at_ms` is not how much audio the client was sent.
    #[error("`{signal}` says that {at_ms} ms were sent, and {received_ms} ms came")]
    PositionDiffers {
        /// What came.
        signal: &'static str,
        /// What it says.
        at_ms: u64,
        /// What came.
        received_ms: u64,
    },
    /// Audio was sent further ahead of its playback than is allowed.
    #[error("audio was {ahead_ms:.0} ms ahead of playback, {allowed_ms:.0} ms are allowed")]
    TooFarAhead {
        /// How far.
        ahead_ms: f64,
        /// How far it may be.
        allowed_ms: f64,
    },
    /// Audio came later than the player needed it, though no synthesis was waited for.
    #[error("audio came {late_ms:.0} ms after the player needed it")]
    Underrun {
        /// How long the player was silent.
        late_ms: f64,
    },
    /// Somebody spoke while a reply was played, and the output did not pause.
    #[error("the reply went on while somebody spoke")]
    NotPaused {},
    /// Somebody interrupted a reply with a turn, and it was not cancelled.
    #[error("a reply was interrupted and not cancelled")]
    NotCancelled {},
    /// Somebody only said "uh-huh", and the reply did not go on.
    #[error("a reply did not go on after a backchannel: {instead}")]
    NotResumed {
        /// What came instead.
        instead: &'static str,
    },
    /// The playback of a reply ended, and there was no `message.heard`.
    #[error("nobody recorded how much of a reply was heard")]
    HeardMissing {},
    /// More of a reply is recorded as heard than was acknowledged.
    #[error("{heard_ms} ms count as heard, {acknowledged_ms} ms were acknowledged")]
    HeardTooMuch {
        /// What is recorded.
        heard_ms: u64,
        /// What was acknowledged.
        acknowledged_ms: u64,
    },
}

/// When audio comes that must not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Misplaced {
    /// Before any `audio.begin`.
    BeforeBegin,
    /// After `audio.pause`.
    WhilePaused,
    /// After `audio.cancel`.
    AfterCancel,
    /// After `audio.end`.
    AfterEnd,
}

impl std::fmt::Display for Misplaced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::BeforeBegin => "before any reply had begun",
            Self::WhilePaused => "while the reply was paused",
            Self::AfterCancel => "after the reply was cancelled",
            Self::AfterEnd => "after the reply had ended",
        })
    }
}

/// What is known besides, if anything is.
fn told(what: &str, known: Option<impl std::fmt::Display>) -> String {
    known.map_or_else(String::new, |known| format!(", {what} {known}"))
}

impl Violation {
    /// What kind it is of, by the name that the report has.
    pub fn kind(&self) -> String {
        let tagged = serde_json::to_value(self).unwrap_or_default();
        tagged["kind"].as_str().unwrap_or_default().to_owned()
    }
}
