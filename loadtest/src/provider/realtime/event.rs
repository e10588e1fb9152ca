//! The events of the protocol: those of the client as they are read, and those of the server as they are written.

use serde_json::{Map, Value, json};

use crate::provider::author::Chance;
use crate::provider::error::ProviderError;
use crate::provider::parameters;

/// The events that OpenAI takes, in the order in which it lists them.
const KNOWN: [&str; 12] = [
    "session.update",
    "session.close",
    "input_audio_buffer.append",
    "session.input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "conversation.item.create",
    "conversation.item.truncate",
    "conversation.item.delete",
    "conversation.item.retrieve",
    "response.create",
    "response.cancel",
];
/// Deltas are filled up to a multiple of this, so that the length of a message does not tell that of its text.
const OBFUSCATED_CHARS: usize = 16;

/// What a client sends.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ClientEvent {
    /// The settings that change.
    Update(Map<String, Value>),
    /// Audio in base64.
    Append(String),
    Commit,
    Clear,
}

/// An event with the id that its client gave it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Received {
    pub(super) event_id: Option<String>,
    pub(super) event: Result<ClientEvent, ProviderError>,
}

impl Received {
    /// Reads a text message.
    pub(super) fn read(text: &str) -> Self {
        let mut fields = match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return Self::refused("Invalid event: expected a JSON object."),
            Err(error) => {
                return Self::refused(&format!("Invalid event: failed to parse JSON value. {error}"));
            }
        };
        let event_id = match fields.remove("event_id") {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) => Some(id),
            Some(other) => {
                return Self {
                    event_id: None,
                    event: Err(parameters::wrong_type("event_id", "a string", &other)),
                };
            }
        };
        Self {
            event_id,
            event: ClientEvent::read(fields),
        }
    }

    fn refused(message: &str) -> Self {
        Self {
            event_id: None,
            event: Err(ProviderError::event(Some("invalid_json"), message)),
        }
    }
}

impl ClientEvent {
    fn read(mut fields: Map<String, Value>) -> Result<Self, ProviderError> {
        let kind = parameters::required_text(&fields, "type")?.to_owned();
        fields.remove("type");
        let only = |fields: &Map<String, Value>, known: &str| match fields.keys().find(|name| *name != known)
        {
            Some(name) => Err(parameters::unknown(name)),
            None => Ok(()),
        };
        match kind.as_str() {
            "session.update" => {
                only(&fields, "session")?;
                match fields.remove("session") {
                    Some(Value::Object(session)) => Ok(Self::Update(session)),
                    None => Err(parameters::missing("session")),
                    Some(other) => Err(parameters::wrong_type("session", "an object", &other)),
                }
            }
            "input_audio_buffer.append" => {
                only(&fields, "audio")?;
                match fields.remove("audio") {
                    Some(Value::String(audio)) => Ok(Self::Append(audio)),
                    None => Err(parameters::missing("audio")),
                    Some(other) => Err(parameters::wrong_type("audio", "a string", &other)),
                }
            }
            "input_audio_buffer.commit" => only(&fields, "").map(|()| Self::Commit),
            "input_audio_buffer.clear" => only(&fields, "").map(|()| Self::Clear),
            known if KNOWN.contains(&known) => {
                let message =
                    format!("Invalid value: '{known}'. It is not supported in a transcription session.");
                Err(ProviderError::invalid("type", "invalid_value", message))
            }
            unknown => Err(parameters::unknown_value("type", &json!(unknown), &KNOWN)),
        }
    }
}

/// Gives every event of a connection its id, and everything else that needs one.
#[derive(Debug, Clone)]
pub(super) struct Ids {
    chance: Chance,
    last: u64,
}

impl Ids {
    pub(super) fn new(chance: Chance) -> Self {
        Self { chance, last: 0 }
    }

    /// `item_…`, `sess_…`: 21 characters behind the prefix, as OpenAI's have.
    pub(super) fn next(&mut self, prefix: &str) -> String {
        self.last += 1;
        let chance = self.chance.at(prefix).at(&self.last.to_string());
        let digits = chance.hex() + &chance.at("more").hex();
        format!("{prefix}_{}", &digits[..21])
    }

    /// The ids of another source, which never meet these.
    pub(super) fn apart(&self, key: &str) -> Self {
        Self::new(self.chance.at(key))
    }

    /// An event.
    pub(super) fn event(&mut self, kind: &str, mut fields: Value) -> Value {
        fields["type"] = json!(kind);
        fields["event_id"] = json!(self.next("event"));
        fields
    }

    /// What a refused event is told by.
    pub(super) fn error(&mut self, error: &ProviderError, of_event: Option<&str>) -> Value {
        let mut object = error.object();
        object["event_id"] = json!(of_event);
        self.event("error", json!({ "error": object }))
    }

    /// A part of a transcript.
    pub(super) fn delta(&mut self, item_id: &str, delta: &str) -> Value {
        let missing = OBFUSCATED_CHARS - delta.chars().count() % OBFUSCATED_CHARS;
        let obfuscation = self.chance.at("obfuscation").at(&self.last.to_string()).hex();
        self.event(
            "conversation.item.input_audio_transcription.delta",
            json!({ "item_id": item_id, "content_index": 0, "delta": delta, "obfuscation": &obfuscation[..missing] }),
        )
    }

    /// An item that a commit makes; its transcript is told of by other events.
    pub(super) fn item(&mut self, kind: &str, item_id: &str, previous_item_id: Option<&str>) -> Value {
        let content = json!([{ "type": "input_audio", "transcript": null }]);
        let item = json!({
            "id": item_id, "type": "message", "status": "completed", "role": "user", "content": content,
        });
        self.event(
            kind,
            json!({ "previous_item_id": previous_item_id, "item": item }),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (Option<String>, Value) {
        let received = Received::read(text);
        (received.event_id, received.event.unwrap_err().object())
    }

    #[test]
    fn what_a_client_may_send_is_read() {
        let read = |text: &str| Received::read(text).event.unwrap();
        assert_eq!(
            read(r#"{"type":"input_audio_buffer.append","audio":"AAAA","event_id":null}"#),
            ClientEvent::Append("AAAA".to_owned())
        );
        assert_eq!(read(r#"{"type":"input_audio_buffer.clear"}"#), ClientEvent::Clear);
        let commit = Received::read(r#"{"type":"input_audio_buffer.commit","event_id":"call_1"}"#);
        assert_eq!(commit.event_id.as_deref(), Some("call_1"));
        assert_eq!(commit.event, Ok(ClientEvent::Commit));
    }

    #[test]
    fn everything_else_is_refused_in_openais_words() {
        for (text, code, param, word) in [
            (
                "not json",
                "invalid_json",
                json!(null),
                "failed to parse JSON value",
            ),
            ("[1]", "invalid_json", json!(null), "expected a JSON object"),
            ("{}", "missing_required_parameter", json!("type"), "'type'"),
            (r#"{"type":7}"#, "invalid_type", json!("type"), "an integer"),
            (
                r#"{"type":"nope"}"#,
                "invalid_value",
                json!("type"),
                "Invalid value: 'nope'. Supported values are: 'session.update', 'session.close',",
            ),
            (
                r#"{"type":"response.create"}"#,
                "invalid_value",
                json!("type"),
                "transcription session",
            ),
            (
                r#"{"type":"session.update"}"#,
                "missing_required_parameter",
                json!("session"),
                "'session'",
            ),
            (
                r#"{"type":"session.update","session":[]}"#,
                "invalid_type",
                json!("session"),
                "an array",
            ),
            (
                r#"{"type":"input_audio_buffer.append","audio":7}"#,
                "invalid_type",
                json!("audio"),
                "expected a string",
            ),
            (
                r#"{"type":"input_audio_buffer.commit","now":true}"#,
                "unknown_parameter",
                json!("now"),
                "Unknown parameter: 'now'.",
            ),
            (
                r#"{"type":"input_audio_buffer.clear","event_id":3}"#,
                "invalid_type",
                json!("event_id"),
                "integer",
            ),
        ] {
            let (_, error) = refused(text);
            assert_eq!(
                (&error["code"], &error["param"]),
                (&json!(code), &param),
                "{text}"
            );
            assert!(
                error["message"].as_str().unwrap().contains(word),
                "{text}: {error}"
            );
        }
        let (event_id, _) = refused(r#"{"type":"nope","event_id":"mine"}"#);
        assert_eq!(
            event_id.as_deref(),
            Some("mine"),
            "so that the client knows which of its events it was"
        );
    }

    #[test]
    fn deltas_hide_how_long_their_text_is() {
        let mut ids = Ids::new(Chance::new(1, "connection"));
        for delta in ["Hello", " from", "0123456789abcdef", ""] {
            let event = ids.delta("item_1", delta);
            let length = delta.len() + event["obfuscation"].as_str().unwrap().len();
            assert!(
                length.is_multiple_of(OBFUSCATED_CHARS) && event["delta"] == delta,
                "{event}"
            );
        }
        assert_ne!(ids.next("item"), ids.next("item"));
    }
}
