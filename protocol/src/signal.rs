//! Messages to a client that are not durable and have no number.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    AudioCodec, BriefSlots, ErrorBody, Gate, Locale, MessageAdded, MessageHeard, Millis, Mode, RunId, Seq,
    SessionId, TurnId,
};

/// Why what was heard makes no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpeechDiscardReason {
    /// It was no speech, or too little of it.
    Noise,
    /// No words were understood.
    NothingUnderstood,
    /// It only showed that somebody listens.
    Backchannel,
    /// It could not be turned into words; a `notice` says why.
    Failed,
    /// The client did not want it, or lost the microphone.
    Cancelled,
}

/// One signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum Signal {
    /// Where the session stands, for a client that comes without a last event id.
    #[serde(rename = "session.snapshot")]
    SessionSnapshot {
        /// Events from the next number on follow.
        as_of_seq: Seq,
        /// The session.
        session_id: SessionId,
        /// Its state.
        state: String,
        /// How it spends.
        mode: Mode,
        /// Its language.
        locale: Locale,
        /// All slots.
        brief_slots: BriefSlots,
        /// The gate.
        gate: Gate,
        /// The latest messages, oldest first.
        messages: Vec<MessageAdded>,
        /// The turn under way, if any.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        turn_id: Option<TurnId>,
        /// The newest run, if any.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        run_id: Option<RunId>,
        /// How much of those of the messages was heard that were spoken.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        heard: Vec<MessageHeard>,
    },
    /// All that was missed has been sent.
    #[serde(rename = "replay.done")]
    ReplayDone {
        /// The last number of the replay.
        seq: Seq,
    },
    /// A message with an id was taken.
    #[serde(rename = "accepted")]
    Accepted {
        /// The message's id.
        id: String,
        /// The turn it began.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        turn_id: Option<TurnId>,
        /// The run it began or acts upon.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        run_id: Option<RunId>,
        /// The first event that it made, or the head of the log if it made none.
        seq: Seq,
        /// Whether it had been taken before.
        duplicate: bool,
    },
    /// A frame was not taken.
    #[serde(rename = "rejected")]
    Rejected {
        /// The message's id, if it had one that could be read.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        id: Option<String>,
        /// Why.
        error: ErrorBody,
    },
    /// The person began to speak.
    #[serde(rename = "speech.started")]
    SpeechStarted {},
    /// The person stopped speaking.
    #[serde(rename = "speech.stopped")]
    SpeechStopped {},
    /// What was heard makes no turn.
    #[serde(rename = "speech.discarded")]
    SpeechDiscarded {
        /// Why.
        reason: SpeechDiscardReason,
    },
    /// What has been understood so far.
    #[serde(rename = "transcript.partial")]
    TranscriptPartial {
        /// The words so far.
        text: String,
    },
    /// The audio of a reply begins.
    #[serde(rename = "audio.begin")]
    AudioBegin {
        /// The reply.
        reply_id: String,
        /// The turn that it answers; a notice of the playbook has none.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        turn_id: Option<TurnId>,
        /// Encoding of the frames to come.
        codec: AudioCodec,
        /// Samples a second.
        sample_rate: u32,
    },
    /// Stop playing, keep the place and what is there to be played.
    #[serde(rename = "audio.pause")]
    AudioPause {
        /// The reply.
        reply_id: String,
        /// How much of it has been sent.
        at_ms: Millis,
    },
    /// Go on playing; the next frame follows what has been sent.
    #[serde(rename = "audio.resume")]
    AudioResume {
        /// The reply.
        reply_id: String,
        /// How much of it has been sent.
        at_ms: Millis,
    },
    /// Throw away what has not been played; nothing more of it comes.
    #[serde(rename = "audio.cancel")]
    AudioCancel {
        /// The reply.
        reply_id: String,
        /// How much of it has been sent.
        at_ms: Millis,
    },
    /// The audio of a reply is complete.
    #[serde(rename = "audio.end")]
    AudioEnd {
        /// The reply.
        reply_id: String,
    },
    /// Another socket took the microphone.
    #[serde(rename = "microphone.taken")]
    MicrophoneTaken {},
    /// Something is wrong that concerns no single message.
    #[serde(rename = "notice")]
    Notice {
        /// What.
        error: ErrorBody,
    },
    /// The server is going away; come back after the delay.
    #[serde(rename = "server.draining")]
    ServerDraining {
        /// When to come back.
        reconnect_after_ms: Millis,
    },
    /// The answer to `ping`.
    #[serde(rename = "pong")]
    Pong {
        /// The ping's id, if it had one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        id: Option<String>,
    },
}
