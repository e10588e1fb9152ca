//! Speech: a text read aloud, sent sentence by sentence as it is spoken.

use std::collections::VecDeque;

use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use serde_json::{Map, Value, json};

use super::admission::{Admission, Visitor};
use super::api::Api;
use super::bill::BilledUsage;
use super::error::ProviderError;
use super::generate::{EVENT_STREAM, play_stream, played, read_object};
use super::pace;
use super::parameters::{self, Rule};
use super::play::{Frame, Wait};
use super::simulator::SharedSimulator;
use crate::voice::encode::{EncodeError, SpeechEncoder, SpeechFormat};
use crate::voice::synthesise::{Speech, Speed, Voice, synthesise};

/// Characters of a text.
const INPUT_CHARS_MAX: usize = 4_096;
/// Bytes that are sent at once.
const PIECE_BYTES: usize = 4_096;
/// What a token of text becomes in tokens of speech, as usage counts them.
const SPEECH_TOKENS_PER_TOKEN: u64 = 5;

const FORMATS: &[&str] = &["mp3", "opus", "aac", "flac", "wav", "pcm"];

const PARAMETERS: &[(&str, Rule)] = &[
    ("input", Rule::Read),
    ("instructions", Rule::Text),
    ("model", Rule::Read),
    ("response_format", Rule::OneOf(FORMATS)),
    ("speed", Rule::Number(0.25, 4.0)),
    ("stream_format", Rule::OneOf(&["audio", "sse"])),
    ("voice", Rule::Read),
];

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
struct SpeechPrompt {
    text: String,
    voice: Voice,
    speed: Speed,
    format: SpeechFormat,
    /// Whether the speech comes in events.
    is_sse: bool,
}

impl SpeechPrompt {
    fn read(request: &Map<String, Value>) -> Result<Self, ProviderError> {
        parameters::check(PARAMETERS, request)?;
        parameters::required_text(request, "model")?;
        let text = parameters::required_text(request, "input")?;
        let chars = text.chars().count();
        if chars == 0 || chars > INPUT_CHARS_MAX {
            let (code, bound) = if chars == 0 {
                ("string_below_min_length", "minimum length 1".to_owned())
            } else {
                (
                    "string_above_max_length",
                    format!("maximum length {INPUT_CHARS_MAX}"),
                )
            };
            let message = format!(
                "Invalid 'input': expected a string with {bound}, but got a string with length {chars} instead."
            );
            return Err(ProviderError::invalid("input", code, message));
        }
        let voice = parameters::required(request, "voice")?;
        let known = Voice::ALL.map(Voice::name);
        let voice = voice
            .as_str()
            .and_then(|name| name.parse().ok())
            .ok_or_else(|| parameters::unknown_value("voice", voice, &known))?;
        let format = parameters::given(request, "response_format").and_then(Value::as_str);
        Ok(Self {
            text: text.to_owned(),
            voice,
            speed: speed(request)?,
            format: format
                .and_then(|name| name.parse().ok())
                .unwrap_or(SpeechFormat::Mp3),
            is_sse: request.get("stream_format").is_some_and(|format| format == "sse"),
        })
    }

    fn usage(&self) -> BilledUsage {
        let input_tokens = pace::tokens(&self.text);
        BilledUsage {
            input_tokens,
            output_tokens: input_tokens * SPEECH_TOKENS_PER_TOKEN,
            spoken_chars: u64::try_from(self.text.chars().count()).unwrap_or(u64::MAX),
            ..BilledUsage::default()
        }
    }

    /// The pieces of speech as they are sent.
    fn frame(&self, piece: &Bytes, is_first: bool) -> Frame {
        let bytes = if self.is_sse {
            event(&json!({ "type": "speech.audio.delta", "audio": STANDARD.encode(piece) }))
        } else {
            piece.clone()
        };
        Frame {
            bytes,
            wait: if is_first { Wait::Thought } else { Wait::Nothing },
            text_chars: piece.len(),
            tokens: 0,
            completes: false,
        }
    }

    /// The last frame of a stream of events; of speech in which there is nothing to hear, the only one.
    fn done(&self) -> Frame {
        let usage = self.usage();
        let done = json!({ "type": "speech.audio.done", "usage": {
            "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
        } });
        Frame {
            bytes: if self.is_sse { event(&done) } else { Bytes::new() },
            wait: Wait::Nothing,
            text_chars: 0,
            tokens: usage.output_tokens,
            completes: true,
        }
    }
}

fn speed(request: &Map<String, Value>) -> Result<Speed, ProviderError> {
    let speed = parameters::given(request, "speed")
        .and_then(Value::as_f64)
        .unwrap_or(1.0);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to lie between 0.25 and 4"
    )]
    Speed::new(speed as f32)
        .map_err(|error| ProviderError::invalid("speed", "invalid_value", error.to_string()))
}

/// `POST /v1/audio/speech`
pub(super) async fn create(
    State(simulator): State<SharedSimulator>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ProviderError> {
    let mut visitor = Visitor::arrive(&simulator, Api::Speech, &headers)?;
    let request = read_object(body).map_err(|error| visitor.refuse(error))?;
    visitor.introduce(&request)?;
    let prompt = SpeechPrompt::read(&request).map_err(|error| visitor.refuse(error))?;
    let mut admitted = match visitor.admit("speech", None).await {
        Admission::Admitted(admitted) => *admitted,
        Admission::Answered(response) => return Ok(response),
    };
    let usage = prompt.usage();
    admitted.call.uses(BilledUsage {
        output_tokens: 0,
        ..usage
    });
    let media_type = if prompt.is_sse {
        EVENT_STREAM
    } else {
        prompt.format.content_type()
    };
    let frames = frames(simulator, prompt);
    Ok(played(media_type, play_stream(frames, admitted, usage)))
}

/// Speaks sentence by sentence as the frames are taken, so that a client which reads slowly keeps no processor.
fn frames(simulator: SharedSimulator, prompt: SpeechPrompt) -> impl Stream<Item = Frame> + Send {
    let spoken = Spoken {
        mouth: Some(Mouth::new(&prompt)),
        simulator,
        prompt,
        pieces: VecDeque::new(),
        stage: Stage::Begun,
    };
    stream::unfold(spoken, |mut spoken| async move {
        spoken.next().await.map(|frame| (frame, spoken))
    })
}

/// Speech on its way to the client.
struct Spoken {
    simulator: SharedSimulator,
    prompt: SpeechPrompt,
    /// None once everything is spoken.
    mouth: Option<Mouth>,
    /// What is spoken and not sent.
    pieces: VecDeque<Bytes>,
    stage: Stage,
}

/// What is still to be said, and how it is encoded.
struct Mouth {
    speech: Speech,
    format: SpeechFormat,
    /// None before anything is spoken.
    encoder: Option<SpeechEncoder>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is sent.
    Begun,
    Speaking,
    /// Everything is sent.
    Ended,
}

impl Mouth {
    fn new(prompt: &SpeechPrompt) -> Self {
        Self {
            speech: synthesise(&prompt.text, prompt.voice, prompt.speed),
            format: prompt.format,
            encoder: None,
        }
    }

    /// Speaks the next sentence; there is no mouth left after the last.
    fn speak(mut self) -> Result<(Option<Self>, Vec<u8>), EncodeError> {
        let mut encoder = match self.encoder.take() {
            Some(encoder) => encoder,
            None => SpeechEncoder::new(self.format)?,
        };
        let Some(samples) = self.speech.next() else {
            return Ok((None, encoder.finish()?));
        };
        let sentence = encoder.push(&samples)?;
        self.encoder = Some(encoder);
        Ok((Some(self), sentence))
    }
}

impl Spoken {
    async fn next(&mut self) -> Option<Frame> {
        if self.stage == Stage::Ended {
            return None;
        }
        let is_first = self.stage == Stage::Begun;
        self.stage = Stage::Speaking;
        // One piece is held back, so that the last is known to be the last.
        while self.pieces.len() < 2 && self.speak().await {}
        let Some(piece) = self.pieces.pop_front() else {
            self.stage = Stage::Ended;
            return Some(self.prompt.done());
        };
        let frame = self.prompt.frame(&piece, is_first);
        let is_last = self.pieces.is_empty() && !self.prompt.is_sse;
        if is_last {
            self.stage = Stage::Ended;
        }
        Some(Frame {
            completes: is_last,
            ..frame
        })
    }

    /// Speaks a sentence more; says whether there was one.
    async fn speak(&mut self) -> bool {
        let Some(mouth) = self.mouth.take() else {
            return false;
        };
        let spoken = self.simulator.work(move || mouth.speak()).await;
        let encoded = match spoken {
            Ok(Ok((mouth, encoded))) => {
                self.mouth = mouth;
                encoded
            }
            Ok(Err(error)) => {
                // What was not spoken is missing at the end of the reply, which is cut short by it.
                tracing::error!(%error, "speech not encoded");
                return false;
            }
            Err(error) => {
                tracing::error!(error = error.message, "speech not spoken");
                return false;
            }
        };
        let mut rest = Bytes::from(encoded);
        while !rest.is_empty() {
            self.pieces.push_back(rest.split_to(rest.len().min(PIECE_BYTES)));
        }
        true
    }
}

fn event(data: &Value) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::super::ProviderConfig;
    use super::super::simulator::Simulator;
    use super::*;

    fn read(extra: &Value) -> Result<SpeechPrompt, ProviderError> {
        let mut request = json!({ "model": "sim-tts", "input": "Hello there.", "voice": "alloy" });
        let request = request.as_object_mut().unwrap();
        request.extend(extra.as_object().unwrap().clone());
        SpeechPrompt::read(request)
    }

    async fn spoken(extra: &Value) -> Vec<Frame> {
        let simulator = Simulator::new(&ProviderConfig::default()).unwrap();
        frames(simulator, read(extra).unwrap()).collect().await
    }

    #[test]
    fn what_cannot_be_spoken_is_refused() {
        for (extra, word) in [
            (json!({ "input": "" }), "minimum length 1"),
            (
                json!({ "input": "x".repeat(4_097) }),
                "maximum length 4096, but got a string with length 4097",
            ),
            (json!({ "voice": "nobody" }), "'alloy'"),
            (json!({ "voice": { "id": "voice_1" } }), "'alloy'"),
            (json!({ "speed": 5 }), "<= 4"),
            (json!({ "response_format": "midi" }), "'mp3'"),
            (json!({ "pitch": 2 }), "Unknown"),
        ] {
            let refused = read(&extra).unwrap_err();
            assert!(refused.message.contains(word), "{extra}: {}", refused.message);
        }
    }

    #[tokio::test]
    async fn the_last_piece_completes_the_speech() {
        let frames = spoken(&json!({ "response_format": "pcm" })).await;
        let completing: Vec<bool> = frames.iter().map(|frame| frame.completes).collect();
        assert_eq!(
            completing.iter().rposition(|completes| !completes),
            Some(frames.len() - 2)
        );
        let bytes: usize = frames.iter().map(|frame| frame.bytes.len()).sum();
        assert!(
            (12_000..96_000).contains(&bytes),
            "{bytes} bytes are no second of speech"
        );
    }

    #[tokio::test]
    async fn events_carry_the_same_speech() {
        let plain = spoken(&json!({ "response_format": "pcm" })).await;
        let events = spoken(&json!({ "response_format": "pcm", "stream_format": "sse" })).await;
        let mut speech = Vec::new();
        for frame in &events {
            let data = std::str::from_utf8(&frame.bytes)
                .unwrap()
                .strip_prefix("data: ")
                .unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(data["type"] == "speech.audio.done", frame.completes);
            speech.extend(
                STANDARD
                    .decode(data["audio"].as_str().unwrap_or_default())
                    .unwrap(),
            );
        }
        let plain: Vec<u8> = plain.iter().flat_map(|frame| frame.bytes.to_vec()).collect();
        assert_eq!(speech, plain);
    }
}
