//! What a client sends over the WebSocket in text frames.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{CommandId, ErrorCode, Millis, SlotPath, limits};

/// Characters of a [`ClientParseError::reason`]: serde quotes what it did not expect, and that may be a whole frame.
const REASON_CHARS_MAX: usize = 300;

/// The encoding of audio on the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AudioCodec {
    /// Signed 16-bit little-endian samples, interleaved.
    PcmS16le,
    /// One Opus packet a frame.
    Opus,
}

/// Who decides that an utterance is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TurnDetection {
    /// The server, by voice activity.
    #[default]
    ServerVad,
    /// The client, by `audio.commit`.
    Manual,
}

/// The audio that the client wants to hear: one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AudioOutput {
    /// Its encoding.
    pub codec: AudioCodec,
    /// Samples a second.
    pub sample_rate: u32,
    /// One of the playbook's voices; none means its first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice_preset: Option<String>,
}

/// How the beginning and the end of an utterance are found, in milliseconds; what is left out keeps its default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpointing {
    /// A silence shorter than this never ends an utterance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_floor_ms: Option<u32>,
    /// The silence that ends an utterance while nothing is known of the speaker's pauses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_initial_ms: Option<u32>,
    /// A silence as long as this always ends an utterance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ceiling_ms: Option<u32>,
    /// With less speech than this in it, a sound is no utterance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_speech_ms: Option<u32>,
    /// An utterance is cut here, and goes on as another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_utterance_ms: Option<u32>,
    /// How much is kept from before the first sound that was taken for speech.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_roll_ms: Option<u32>,
}

/// One message of a client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum ClientMessage {
    /// A typed utterance: a turn.
    #[serde(rename = "user.message")]
    UserMessage {
        /// 1 to 3000 characters, not blank.
        #[schemars(length(min = 1, max = limits::MESSAGE_CHARS_MAX))]
        text: String,
    },
    /// Takes the microphone.
    #[serde(rename = "audio.start")]
    AudioStart {
        /// Encoding of the frames to come.
        codec: AudioCodec,
        /// Samples a second.
        sample_rate: u32,
        /// 1 or 2.
        #[schemars(range(min = 1, max = 2))]
        channels: u8,
        /// Who decides that an utterance is over.
        #[serde(default)]
        turn_detection: TurnDetection,
        /// How the beginning and the end of an utterance are found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        endpointing: Option<Endpointing>,
        /// Whether steady noise is taken out first.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        noise_suppression: bool,
        /// The audio that the client wants to hear; none means text alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<AudioOutput>,
        /// Whether both sides are recorded.
        #[serde(default)]
        record: bool,
    },
    /// Ends the utterance now.
    #[serde(rename = "audio.commit")]
    AudioCommit {},
    /// Discards what is pending and releases the microphone.
    #[serde(rename = "audio.stop")]
    AudioStop {},
    /// How much of a reply was played.
    #[serde(rename = "playback.ack")]
    PlaybackAck {
        /// The reply.
        reply_id: String,
        /// Milliseconds played, pauses not counted.
        played_ms: Millis,
    },
    /// Ends the reply that is under way.
    #[serde(rename = "response.cancel")]
    ResponseCancel {},
    /// The user's own edit of a slot.
    #[serde(rename = "slot.set")]
    SlotSet {
        /// Which slot.
        path: SlotPath,
        /// Its new value; null clears it.
        value: Value,
    },
    /// Starts a run.
    #[serde(rename = "run.generate")]
    RunGenerate {
        /// Waive the gate for this run.
        #[serde(default)]
        draft: bool,
    },
    /// Cancels the run that is under way.
    #[serde(rename = "run.cancel")]
    RunCancel {},
    /// Takes a failed run up again from the stage that failed.
    #[serde(rename = "run.retry")]
    RunRetry {},
    /// Asks for a `pong`.
    #[serde(rename = "ping")]
    Ping {},
}

/// A message with its idempotency key, as one flat JSON object on the wire.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClientFrame {
    /// The key under which the message counts once within the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<CommandId>,
    /// The message.
    #[serde(flatten)]
    pub message: ClientMessage,
}

/// Why a text frame is not a message; `id` is given back so that the client knows which one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ClientParseError {
    /// The code to reject it with.
    pub code: ErrorCode,
    /// The frame's id, as far as it could be read.
    pub id: Option<String>,
    /// What is wrong, in English, for the developer of the client.
    pub reason: String,
}

impl ClientFrame {
    /// Reads a text frame. Never panics, whatever the text.
    pub fn parse(text: &str) -> Result<Self, ClientParseError> {
        if text.len() > limits::TEXT_FRAME_BYTES_MAX {
            let reason = format!("a text frame has at most {} bytes", limits::TEXT_FRAME_BYTES_MAX);
            return Err(ClientParseError {
                code: ErrorCode::InputTooLarge,
                id: None,
                reason,
            });
        }
        let invalid = |id: Option<String>, reason: String| ClientParseError {
            code: ErrorCode::InputInvalid,
            id,
            reason: reason.chars().take(REASON_CHARS_MAX).collect(),
        };
        let value: Value =
            serde_json::from_str(text).map_err(|error| invalid(None, format!("not JSON: {error}")))?;
        let Value::Object(mut fields) = value else {
            return Err(invalid(None, "a message is a JSON object with a type".to_owned()));
        };
        let id = match fields.remove("id") {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) => Some(id),
            Some(_) => return Err(invalid(None, "id must be a string".to_owned())),
        };
        let message = serde_json::from_value(Value::Object(fields))
            .map_err(|error| invalid(id.clone(), error.to_string()))?;
        match id.as_deref().map(str::parse).transpose() {
            Ok(command_id) => Ok(Self {
                id: command_id,
                message,
            }),
            Err(error) => Err(invalid(id, format!("{error}"))),
        }
    }
}
