//! What a frame of a client asks for.

use greenroom_protocol::{ClientFrame, ClientMessage, CommandId, ErrorBody, ErrorCode, Locale, limits};
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
        let kind = match message {
            ClientMessage::UserMessage { text } => CommandKind::UserMessage { text, spoken: None },
            ClientMessage::ResponseCancel {} => CommandKind::CancelResponse,
            ClientMessage::SlotSet { path, value } => CommandKind::SetSlots {
                edits: vec![SlotEdit { path, value }],
            },
            ClientMessage::RunGenerate { draft } => CommandKind::Generate {
                draft,
                background: false,
            },
            ClientMessage::RunCancel {} => CommandKind::CancelRun { run_id: None },
            ClientMessage::RunRetry {} => CommandKind::RetryRun { run_id: None },
            ClientMessage::Ping {} => {
                return Self::Ping {
                    id: id.map(|id| id.to_string()),
                };
            }
            ClientMessage::AudioStart { .. }
            | ClientMessage::AudioCommit {}
            | ClientMessage::AudioStop {} => {
                let instead = "sockets carry no speech in this release: send recordings to POST …/voice-turn";
                return Self::unserved(id.as_ref(), instead, locale);
            }
            ClientMessage::PlaybackAck { .. } => {
                let instead = "sockets play nothing in this release: fetch speech by POST …/assistant-voice";
                return Self::unserved(id.as_ref(), instead, locale);
            }
        };
        Self::Command { id, kind }
    }

    /// Reads a binary frame: audio, which nobody asked for by `audio.start`.
    pub fn of_binary(size_bytes: usize, locale: Locale) -> Self {
        let (code, reason) = if size_bytes > limits::AUDIO_FRAME_BYTES_MAX {
            let reason = format!(
                "an audio frame has at most {} bytes",
                limits::AUDIO_FRAME_BYTES_MAX
            );
            (ErrorCode::InputTooLarge, reason)
        } else {
            (
                ErrorCode::InputInvalid,
                "audio came without audio.start".to_owned(),
            )
        };
        Self::Reject {
            id: None,
            error: ErrorBody::new(code, locale).with_details(reason),
        }
    }

    fn unserved(id: Option<&CommandId>, instead: &str, locale: Locale) -> Self {
        Self::Reject {
            id: id.map(ToString::to_string),
            error: ErrorBody::new(ErrorCode::InputInvalid, locale).with_details(instead),
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn audio_is_rejected_as_long_as_sockets_carry_none() {
        let start = r#"{"type":"audio.start","id":"a","codec":"opus","sample_rate":48000,"channels":1}"#;
        check_reject(read(start), Some("a"), ErrorCode::InputInvalid);
        let ack = r#"{"type":"playback.ack","reply_id":"r","played_ms":1}"#;
        check_reject(read(ack), None, ErrorCode::InputInvalid);
        check_reject(Inbound::of_binary(320, Locale::En), None, ErrorCode::InputInvalid);
        check_reject(
            Inbound::of_binary(limits::AUDIO_FRAME_BYTES_MAX + 1, Locale::En),
            None,
            ErrorCode::InputTooLarge,
        );
    }
}
