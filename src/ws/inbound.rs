//! What a frame of a client asks for.

use bytes::Bytes;
use greenroom_actors::voice::AudioStart;
use greenroom_protocol::{
    ClientFrame, ClientMessage, CommandId, ErrorBody, ErrorCode, Locale, Millis, limits,
};
use greenroom_session::{CommandKind, SlotEdit};

/// What a frame asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Inbound {
    /// Something of the session.
    Command {
        /// The message's id.
        id: Option<CommandId>,
        /// What.
        kind: CommandKind,
    },
    /// Something of this socket's microphone or loudspeaker.
    Voice {
        /// The message's id.
        id: Option<CommandId>,
        /// What.
        ask: VoiceAsk,
    },
    /// A frame of the microphone.
    Audio(Bytes),
    /// A `pong`.
    Ping {
        /// The message's id.
        id: Option<String>,
    },
    /// Nothing that can be done.
    Reject {
        /// The message's id, as far as it could be read.
        id: Option<String>,
        /// Why.
        error: ErrorBody,
    },
}

/// What is asked of this socket's microphone or loudspeaker.
#[derive(Debug, Clone, PartialEq)]
pub enum VoiceAsk {
    /// Take the microphone.
    Start(Box<AudioStart>),
    /// End the utterance now.
    Commit,
    /// Discard what is pending and release the microphone.
    Stop,
    /// So much of a reply was played.
    Played {
        /// The reply.
        reply_id: String,
        /// Pauses not counted.
        played: Millis,
    },
}

impl Inbound {
    /// Reads a text frame. Never panics, whatever the text.
    pub fn of_text(text: &str, locale: Locale) -> Self {
        let ClientFrame { id, message } = match ClientFrame::parse(text) {
            Ok(frame) => frame,
            Err(error) => {
                let body = ErrorBody::new(error.code, locale).with_details(error.reason);
                return Self::Reject {
                    id: error.id,
                    error: body,
                };
            }
        };
        let ask = match message {
            ClientMessage::UserMessage { text } => {
                Asked::Session(CommandKind::UserMessage { text, spoken: None })
            }
            ClientMessage::ResponseCancel {} => Asked::Session(CommandKind::CancelResponse),
            ClientMessage::SlotSet { path, value } => Asked::Session(CommandKind::SetSlots {
                edits: vec![SlotEdit { path, value }],
            }),
            ClientMessage::RunGenerate { draft } => Asked::Session(CommandKind::Generate {
                draft,
                background: false,
            }),
            ClientMessage::RunCancel {} => Asked::Session(CommandKind::CancelRun { run_id: None }),
            ClientMessage::RunRetry {} => Asked::Session(CommandKind::RetryRun { run_id: None }),
            ClientMessage::Ping {} => {
                return Self::Ping {
                    id: id.map(|id| id.to_string()),
                };
            }
            ClientMessage::AudioStart {
                codec,
                sample_rate,
                channels,
                turn_detection,
                endpointing,
                noise_suppression,
                output,
                record,
            } => Asked::Voice(VoiceAsk::Start(Box::new(AudioStart {
                codec,
                sample_rate,
                channels,
                turn_detection,
                endpointing,
                noise_suppression,
                output,
                record,
            }))),
            ClientMessage::AudioCommit {} => Asked::Voice(VoiceAsk::Commit),
            ClientMessage::AudioStop {} => Asked::Voice(VoiceAsk::Stop),
            ClientMessage::PlaybackAck { reply_id, played_ms } => Asked::Voice(VoiceAsk::Played {
                reply_id,
                played: played_ms,
            }),
        };
        match ask {
            Asked::Session(kind) => Self::Command { id, kind },
            Asked::Voice(ask) => Self::Voice { id, ask },
        }
    }

    /// Reads a binary frame: audio.
    pub fn of_binary(audio: Bytes, locale: Locale) -> Self {
        if audio.len() <= limits::AUDIO_FRAME_BYTES_MAX {
            return Self::Audio(audio);
        }
        let reason = format!(
            "an audio frame has at most {} bytes",
            limits::AUDIO_FRAME_BYTES_MAX
        );
        Self::Reject {
            id: None,
            error: ErrorBody::new(ErrorCode::InputTooLarge, locale).with_details(reason),
        }
    }
}

/// Who is asked.
enum Asked {
    Session(CommandKind),
    Voice(VoiceAsk),
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::{AudioCodec, TurnDetection};
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Inbound {
        Inbound::of_text(text, Locale::En)
    }

    #[track_caller]
    fn check_command(text: &str, expected: CommandKind) {
        assert_eq!(
            read(text),
            Inbound::Command {
                id: Some("c1".parse().unwrap()),
                kind: expected
            },
            "{text}"
        );
    }

    #[track_caller]
    fn check_reject(inbound: Inbound, expected_id: Option<&str>, expected_code: ErrorCode) {
        let Inbound::Reject { id, error } = inbound else {
            panic!("{inbound:?}")
        };
        assert_eq!((id.as_deref(), error.code), (expected_id, expected_code));
    }

    #[test]
    fn each_message_is_its_command() {
        check_command(
            r#"{"type":"user.message","id":"c1","text":"hi"}"#,
            CommandKind::UserMessage {
                spoken: None,
                text: "hi".to_owned(),
            },
        );
        check_command(
            r#"{"type":"response.cancel","id":"c1"}"#,
            CommandKind::CancelResponse,
        );
        check_command(
            r#"{"type":"run.generate","id":"c1","draft":true}"#,
            CommandKind::Generate {
                draft: true,
                background: false,
            },
        );
        check_command(
            r#"{"type":"run.cancel","id":"c1"}"#,
            CommandKind::CancelRun { run_id: None },
        );
        check_command(
            r#"{"type":"run.retry","id":"c1"}"#,
            CommandKind::RetryRun { run_id: None },
        );
        let edit = SlotEdit {
            path: "product.name".parse().unwrap(),
            value: json!("x"),
        };
        check_command(
            r#"{"type":"slot.set","id":"c1","path":"product.name","value":"x"}"#,
            CommandKind::SetSlots { edits: vec![edit] },
        );
    }

    #[test]
    fn a_ping_is_answered_here() {
        assert_eq!(read(r#"{"type":"ping"}"#), Inbound::Ping { id: None });
        assert_eq!(
            read(r#"{"type":"ping","id":"p"}"#),
            Inbound::Ping {
                id: Some("p".to_owned())
            }
        );
    }

    #[test]
    fn what_makes_no_sense_is_rejected_under_its_id() {
        check_reject(read("{"), None, ErrorCode::InputInvalid);
        check_reject(
            read(r#"{"type":"nonsense","id":"x"}"#),
            Some("x"),
            ErrorCode::InputInvalid,
        );
        check_reject(
            read(&" ".repeat(limits::TEXT_FRAME_BYTES_MAX + 1)),
            None,
            ErrorCode::InputTooLarge,
        );
    }

    #[test]
    fn what_concerns_microphone_and_loudspeaker_is_not_the_sessions() {
        let check = |text: &str, expected: VoiceAsk| {
            let expected = Inbound::Voice {
                id: Some("a".parse().unwrap()),
                ask: expected,
            };
            assert_eq!(read(text), expected, "{text}");
        };
        let start = AudioStart {
            codec: AudioCodec::Opus,
            sample_rate: 48_000,
            channels: 1,
            turn_detection: TurnDetection::ServerVad,
            endpointing: None,
            noise_suppression: false,
            output: None,
            record: false,
        };
        check(
            r#"{"type":"audio.start","id":"a","codec":"opus","sample_rate":48000,"channels":1}"#,
            VoiceAsk::Start(Box::new(start)),
        );
        check(r#"{"type":"audio.commit","id":"a"}"#, VoiceAsk::Commit);
        check(r#"{"type":"audio.stop","id":"a"}"#, VoiceAsk::Stop);
        check(
            r#"{"type":"playback.ack","id":"a","reply_id":"r","played_ms":1}"#,
            VoiceAsk::Played {
                reply_id: "r".to_owned(),
                played: Millis(1),
            },
        );
    }

    #[test]
    fn audio_has_a_largest_frame() {
        let frame = |bytes| Inbound::of_binary(Bytes::from(vec![0; bytes]), Locale::En);
        let largest = limits::AUDIO_FRAME_BYTES_MAX;
        assert_eq!(frame(largest), Inbound::Audio(Bytes::from(vec![0; largest])));
        check_reject(frame(largest + 1), None, ErrorCode::InputTooLarge);
    }
}
