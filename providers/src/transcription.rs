//! Speech recognition: `POST /audio/transcriptions`.
//!
//! A model of OpenAI's is asked in the one way that it takes: `whisper-1` for `verbose_json`, because only that says
//! which language was heard; `gpt-transcribe` with lists of languages and keywords; every other model, and every other
//! server, for `json` with a `language` and a `prompt`, which is all that they have in common.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use greenroom_audio::wav::speech_wav_header;
use greenroom_protocol::{Locale, Millis};
use greenroom_session::Usage;
use greenroom_session::ports::{
    CallFailure, ModelIdentity, SpeechAudio, Transcriber, Transcription, TranscriptionRequest,
};
use reqwest::Body;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use serde_json::Value;

use crate::call::{Call, Deadline, Told};
use crate::config::EndpointConfig;
use crate::endpoint::{BuildError, Endpoint, ProviderStatus};
use crate::operation::Operation;
use crate::price::PriceTable;
use crate::probe::ProbeReport;

/// Bytes of an answer; five minutes of speech have some ten thousand, and `verbose_json` adds a line for each phrase.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Characters of the words that may occur: what Whisper reads of a prompt is 224 tokens, its end only.
const VOCABULARY_CHARS_MAX: usize = 200;
/// Bytes of the name of a language.
const LANGUAGE_BYTES_MAX: usize = 64;
/// No recording is longer; a larger number is a slip of the provider's.
const SECONDS_MAX: f64 = 86_400.0;

/// Speech recognition by OpenAI, or by whatever speaks its protocol. A clone is the same provider.
#[derive(Debug, Clone)]
pub struct OpenAiTranscriber {
    endpoint: Arc<Endpoint>,
    dialect: Dialect,
}

/// How a model wants to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// `whisper-1`.
    Whisper,
    /// `gpt-transcribe` and its snapshots.
    Lists,
    /// Any other.
    Plain,
}

/// Only the text is insisted on: what else cannot be read is as good as not said.
#[derive(Deserialize)]
struct Answer {
    text: String,
    language: Option<Value>,
    languages: Option<Value>,
    duration: Option<Value>,
    usage: Option<Value>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum AnswerUsage {
    Tokens { input_tokens: u64, output_tokens: u64 },
    Duration { seconds: f64 },
}

impl OpenAiTranscriber {
    /// A provider by its configuration. Sends nothing.
    pub fn new(config: EndpointConfig, prices: PriceTable) -> Result<Self, BuildError> {
        let dialect = Dialect::of(&config.model);
        let endpoint = Endpoint::new(Operation::Transcriptions, config, None, prices)?;
        Ok(Self {
            endpoint: Arc::new(endpoint),
            dialect,
        })
    }

    /// Whether the provider can be reached, takes the key and lists the model. Costs nothing; the circuit neither
    /// hinders nor hears of it.
    pub async fn probe(&self) -> ProbeReport {
        self.endpoint.probe().await
    }

    /// How it fares, for `/health/detailed` and for operators.
    pub fn status(&self) -> ProviderStatus {
        self.endpoint.status()
    }

    /// Lets calls through again at once: an operator knows that the provider is back.
    pub fn reset_circuit(&self) {
        self.endpoint.reset_circuit();
    }
}

#[async_trait]
impl Transcriber for OpenAiTranscriber {
    async fn transcribe(&self, request: TranscriptionRequest) -> Result<Transcription, CallFailure> {
        let model = &self.endpoint.model;
        let deadline = Deadline::new(request.timeout, request.timeout);
        let mut call = Call::new(&self.endpoint, request.call_id, model, deadline);
        let post = call.post().multipart(self.dialect.form(model, &request));
        let answer: Answer = match call.document(post, ANSWER_BYTES_MAX).await {
            Ok(answer) => answer,
            Err(fault) => return Err(call.fail(fault, &Told::default())),
        };
        let told = Told {
            usage: Some(answer.usage(request.audio.duration())),
            ..Told::default()
        };
        Ok(Transcription {
            text: answer.text.trim().to_owned(),
            language: answer.language(),
            receipt: call.complete(&told),
        })
    }

    fn identity(&self) -> Option<ModelIdentity> {
        Some(self.endpoint.identity())
    }
}

impl Dialect {
    fn of(model: &str) -> Self {
        if model.starts_with("whisper-1") {
            Self::Whisper
        } else if model.starts_with("gpt-transcribe") {
            Self::Lists
        } else {
            Self::Plain
        }
    }

    fn form(self, model: &str, request: &TranscriptionRequest) -> Form {
        let format = match self {
            Self::Whisper => "verbose_json",
            Self::Lists | Self::Plain => "json",
        };
        let mut form = Form::new()
            .text("model", model.to_owned())
            .text("response_format", format);
        let vocabulary = bounded(&request.vocabulary);
        if let Some(language) = request.language.map(code) {
            form = form.text(
                match self {
                    Self::Lists => "languages[]",
                    Self::Whisper | Self::Plain => "language",
                },
                language,
            );
        }
        form = match self {
            Self::Lists => vocabulary
                .into_iter()
                .fold(form, |form, word| form.text("keywords[]", word.to_owned())),
            Self::Whisper | Self::Plain if vocabulary.is_empty() => form,
            Self::Whisper | Self::Plain => form.text("prompt", vocabulary.join(", ")),
        };
        form.part("file", wav(&request.audio))
    }
}

impl Answer {
    fn usage(&self, recorded: Millis) -> Usage {
        let duration = self.duration.as_ref().and_then(Value::as_f64);
        usage(self.usage.as_ref(), duration, recorded)
    }

    fn language(&self) -> Option<String> {
        language(self.language.as_ref(), self.languages.as_ref())
    }
}

/// What a provider says that it heard, in its `usage` and beside it, and what is known without it: how long the
/// recording is.
pub(crate) fn usage(usage: Option<&Value>, duration_s: Option<f64>, recorded: Millis) -> Usage {
    let heard = |seconds: Option<f64>| seconds.and_then(whole_ms).unwrap_or(recorded.0);
    match usage.and_then(|usage| AnswerUsage::deserialize(usage).ok()) {
        Some(AnswerUsage::Tokens {
            input_tokens,
            output_tokens,
        }) => Usage {
            input_tokens,
            output_tokens,
            audio_ms: heard(duration_s),
            ..Usage::default()
        },
        Some(AnswerUsage::Duration { seconds }) => Usage {
            audio_ms: heard(Some(seconds)),
            ..Usage::default()
        },
        None => Usage {
            audio_ms: heard(duration_s),
            ..Usage::default()
        },
    }
}

/// The language that was heard, or the first of several.
pub(crate) fn language(one: Option<&Value>, several: Option<&Value>) -> Option<String> {
    let named = one.or_else(|| several?.get(0)?.get("code"))?;
    let name = named.as_str()?.trim();
    let fits = (1..=LANGUAGE_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control);
    fits.then(|| name.to_owned())
}

/// As many of the words as a prompt may have, the first ones.
pub(crate) fn bounded(vocabulary: &[String]) -> Vec<&str> {
    let mut chars_left = VOCABULARY_CHARS_MAX;
    let words = vocabulary
        .iter()
        .map(|word| word.trim())
        .filter(|word| !word.is_empty());
    let fitting = words.take_while(|word| {
        let length = word.chars().count();
        let fits = length <= chars_left;
        chars_left = chars_left.saturating_sub(length);
        fits
    });
    fitting.collect()
}

/// The recording as a file, header and samples one after the other, so that the samples are not copied.
fn wav(audio: &SpeechAudio) -> Part {
    let header = Bytes::copy_from_slice(&speech_wav_header(audio.pcm.len()));
    let length = (header.len() + audio.pcm.len()) as u64;
    let pieces = [Ok::<_, std::convert::Infallible>(header), Ok(audio.pcm.clone())];
    let kind = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("audio/wav"))]);
    Part::stream_with_length(Body::wrap_stream(stream::iter(pieces)), length)
        .file_name("speech.wav")
        .headers(kind)
}

/// ISO 639-1.
pub(crate) fn code(locale: Locale) -> &'static str {
    match locale {
        Locale::Ko => "ko",
        Locale::En => "en",
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked"
)]
fn whole_ms(seconds: f64) -> Option<u64> {
    (0.0..=SECONDS_MAX)
        .contains(&seconds)
        .then(|| (seconds * 1_000.0).round() as u64)
}
