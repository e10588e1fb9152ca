//! The events of OpenAI's realtime transcription: those that are sent, and as much of those that come as is read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use greenroom_audio::pcm::to_le_bytes;
use greenroom_protocol::{CallId, Locale};
use greenroom_session::ports::LiveTranscriptionRequest;
use serde::Serialize;
use serde_json::Value;

use crate::failure::{Fault, Said};
use crate::reply::identifier;
use crate::transcription::{bounded, code, language};

/// The only rate that is taken.
pub(super) const WIRE_RATE_HZ: u32 = 24_000;

/// The code with which OpenAI ends a stream that has lasted for as long as it lets any last, an hour at present.
const EXPIRED: &[&str] = &["session_expired"];
/// The code with which it says that there was too little to understand anything.
const NOTHING_COMMITTED: &[&str] = &["input_audio_buffer_commit_empty"];

/// How a model wants to be given hints. One that it does not take fails the whole stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// `gpt-live-transcribe`, `gpt-transcribe` and their snapshots: lists of languages and keywords.
    Lists,
    /// `gpt-realtime-whisper`: a language alone.
    Language,
    /// Any other: a language and a prompt.
    Prompt,
}

/// What is sent.
#[derive(Serialize)]
#[serde(tag = "type")]
enum ClientEvent<'a> {
    #[serde(rename = "session.update")]
    Configure { session: Session<'a> },
    #[serde(rename = "input_audio_buffer.append")]
    Append { audio: String },
    #[serde(rename = "input_audio_buffer.commit")]
    Commit { event_id: String },
    #[serde(rename = "input_audio_buffer.clear")]
    Clear,
}

#[derive(Serialize)]
struct Session<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    audio: Audio<'a>,
}

#[derive(Serialize)]
struct Audio<'a> {
    input: Input<'a>,
}

#[derive(Serialize)]
struct Input<'a> {
    format: Format,
    transcription: Hints<'a>,
    /// Null: the server's own ear hears where an utterance ends. Left out, it would be the provider's.
    turn_detection: Option<()>,
}

#[derive(Serialize)]
struct Format {
    #[serde(rename = "type")]
    kind: &'static str,
    rate: u32,
}

#[derive(Serialize)]
struct Hints<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    languages: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keywords: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<String>,
}

/// What comes, as far as it matters.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ServerEvent {
    /// The stream is as it was asked to be.
    Configured,
    /// What was appended is an item now.
    Committed { item: String },
    /// What was appended is forgotten.
    Cleared,
    /// More words of an item.
    Words { item: String, delta: String },
    /// All words of an item.
    Completed(Completed),
    /// An item was not understood.
    Failed { item: String, said: Said },
    /// Something that was sent is wrong, or the provider fails.
    Error(Error),
    /// Anything else.
    Other,
}

/// All words of an item.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Completed {
    pub(super) item: String,
    pub(super) transcript: String,
    pub(super) usage: Option<Value>,
    pub(super) language: Option<String>,
}

/// An error that the provider tells of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Error {
    pub(super) said: Said,
    /// The event that was wrong, if it had an id.
    pub(super) event_id: Option<String>,
}

impl Error {
    /// Whether the stream has lasted for as long as it may.
    pub(super) fn is_expiry(&self) -> bool {
        self.said.is_any_of(EXPIRED)
    }

    /// Whether there was too little to understand anything.
    pub(super) fn is_nothing_committed(&self) -> bool {
        self.said.is_any_of(NOTHING_COMMITTED)
    }
}

impl Dialect {
    fn of(model: &str) -> Self {
        let begins = |name: &str| model.starts_with(name);
        if begins("gpt-live-transcribe") || begins("gpt-transcribe") {
            Self::Lists
        } else if begins("gpt-realtime-whisper") {
            Self::Language
        } else {
            Self::Prompt
        }
    }
}

/// Asks for a stream that ends no utterance by itself.
pub(super) fn configure(model: &str, request: &LiveTranscriptionRequest) -> String {
    let code = request.language.map(|locale: Locale| code(locale));
    let words = bounded(&request.vocabulary);
    let mut hints = Hints {
        model,
        language: None,
        languages: Vec::new(),
        keywords: Vec::new(),
        prompt: None,
    };
    match Dialect::of(model) {
        Dialect::Lists => {
            hints.languages.extend(code);
            hints.keywords = words;
        }
        Dialect::Language => hints.language = code,
        Dialect::Prompt => {
            hints.language = code;
            hints.prompt = (!words.is_empty()).then(|| words.join(", "));
        }
    }
    let input = Input {
        format: Format {
            kind: "audio/pcm",
            rate: WIRE_RATE_HZ,
        },
        transcription: hints,
        turn_detection: None,
    };
    let session = Session {
        kind: "transcription",
        audio: Audio { input },
    };
    text(&ClientEvent::Configure { session })
}

/// Gives more of an utterance, at [`WIRE_RATE_HZ`].
pub(super) fn append(samples: &[i16]) -> String {
    let audio = STANDARD.encode(to_le_bytes(samples));
    text(&ClientEvent::Append { audio })
}

/// Wants the words of what was given. The call's id goes along, so that what is told and billed can be held against it.
pub(super) fn commit(call_id: CallId) -> String {
    let event_id = call_id.to_string();
    text(&ClientEvent::Commit { event_id })
}

/// Wants none.
pub(super) fn clear() -> String {
    text(&ClientEvent::Clear)
}

fn text(event: &ClientEvent) -> String {
    serde_json::to_string(event).expect("texts, numbers and lists of them")
}

/// Reads one message. What is not JSON is a fault, as is an event of importance that does not say what it must.
pub(super) fn read(message: &str) -> Result<ServerEvent, Fault> {
    let event: Value = serde_json::from_str(message).map_err(|error| Fault::malformed("an event", &error))?;
    let item = || {
        let item = event.get("item_id").and_then(Value::as_str).and_then(identifier);
        item.ok_or_else(|| Fault::upstream(true, "an event names no item"))
    };
    let own = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
    let error = event.get("error").unwrap_or(&Value::Null);
    let read = match event.get("type").and_then(Value::as_str).unwrap_or_default() {
        "session.updated" => ServerEvent::Configured,
        "input_audio_buffer.committed" => ServerEvent::Committed { item: item()? },
        "input_audio_buffer.cleared" => ServerEvent::Cleared,
        "conversation.item.input_audio_transcription.delta" => ServerEvent::Words {
            item: item()?,
            delta: own("delta").unwrap_or_default(),
        },
        "conversation.item.input_audio_transcription.completed" => ServerEvent::Completed(Completed {
            item: item()?,
            transcript: own("transcript")
                .ok_or_else(|| Fault::upstream(true, "a complete item has no transcript"))?,
            usage: event.get("usage").cloned(),
            language: language(event.get("language"), event.get("languages")),
        }),
        "conversation.item.input_audio_transcription.failed" => ServerEvent::Failed {
            item: item()?,
            said: Said::of(error),
        },
        "error" => ServerEvent::Error(Error {
            said: Said::of(error),
            event_id: error.get("event_id").and_then(Value::as_str).and_then(identifier),
        }),
        _ => ServerEvent::Other,
    };
    Ok(read)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hints(model: &str) -> Value {
        let request = LiveTranscriptionRequest {
            language: Some(Locale::Ko),
            vocabulary: vec!["루미세럼".to_owned(), " ".to_owned(), "히알루론산\n".to_owned()],
        };
        let sent: Value = serde_json::from_str(&configure(model, &request)).unwrap();
        sent["session"]["audio"]["input"]["transcription"].clone()
    }

    #[test]
    fn each_model_is_given_the_hints_that_it_takes() {
        let lists = |model: &str| json!({"model": model, "languages": ["ko"], "keywords": ["루미세럼", "히알루론산"]});
        for model in [
            "gpt-live-transcribe",
            "gpt-live-transcribe-2026-09-01",
            "gpt-transcribe",
        ] {
            assert_eq!(hints(model), lists(model));
        }
        assert_eq!(
            hints("gpt-realtime-whisper"),
            json!({"model": "gpt-realtime-whisper", "language": "ko"})
        );
        for model in ["whisper-1", "gpt-4o-transcribe", "sim-ears"] {
            let expected = json!({"model": model, "language": "ko", "prompt": "루미세럼, 히알루론산"});
            assert_eq!(hints(model), expected);
        }
    }

    #[test]
    fn what_matters_of_an_event_is_read_and_the_rest_is_not() {
        let check = |event: Value, expected: Result<ServerEvent, &str>| {
            let read = read(&event.to_string()).map_err(|fault| fault.reason);
            assert_eq!(read, expected.map_err(str::to_owned), "{event}");
        };
        let transcription = |end: &str| format!("conversation.item.input_audio_transcription.{end}");
        check(json!({"type": "session.updated"}), Ok(ServerEvent::Configured));
        check(json!({"type": "rate_limits.updated"}), Ok(ServerEvent::Other));
        for nothing in [json!({}), json!([]), json!(7), json!({"type": 7})] {
            check(nothing, Ok(ServerEvent::Other));
        }
        let words = |delta: &str| ServerEvent::Words {
            item: "i".to_owned(),
            delta: delta.to_owned(),
        };
        check(
            json!({"type": transcription("delta"), "item_id": "i", "delta": " 네"}),
            Ok(words(" 네")),
        );
        check(
            json!({"type": transcription("delta"), "item_id": "i", "delta": null}),
            Ok(words("")),
        );
        for item in [
            json!(null),
            json!("비밀"),
            json!("two words"),
            json!("x".repeat(200)),
        ] {
            check(
                json!({"type": transcription("delta"), "item_id": item, "delta": "a"}),
                Err("an event names no item"),
            );
        }
        check(
            json!({"type": transcription("completed"), "item_id": "i", "transcript": 7}),
            Err("a complete item has no transcript"),
        );
        check(
            json!({"type": transcription("completed"), "item_id": "i", "transcript": "a",
                   "usage": {"type": "duration", "seconds": 2}, "languages": [{"code": "ko"}]}),
            Ok(ServerEvent::Completed(Completed {
                item: "i".to_owned(),
                transcript: "a".to_owned(),
                usage: Some(json!({"type": "duration", "seconds": 2})),
                language: Some("ko".to_owned()),
            })),
        );
    }

    #[test]
    fn an_error_is_repeated_by_its_codes_alone() {
        let read = read(
            r#"{"type":"error","error":{"type":"invalid_request_error","code":"session_expired","message":"비밀",
                "event_id":"call_1"}}"#,
        );
        let Ok(ServerEvent::Error(error)) = read else {
            panic!("{read:?}")
        };
        assert!(error.is_expiry() && !error.is_nothing_committed());
        assert_eq!(error.event_id.as_deref(), Some("call_1"));
        assert_eq!(
            error.said.to_string(),
            " (invalid_request_error, session_expired)"
        );
    }
}
