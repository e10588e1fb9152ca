//! Speech synthesis: `POST /audio/speech`, as a stream of bytes.
//!
//! Complete is what the server has ended as HTTP wants it and what begins as its format does. A server that frames its
//! answer by nothing but the end of the connection can be cut without anybody noticing; OpenAI and every server of
//! note send a length or chunks.

mod playtime;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use greenroom_session::Usage;
use greenroom_session::ports::{
    CallFailure, ModelIdentity, Speaker, SpeechEvent, SpeechFormat, SpeechRequest, SpeechStream,
};
use reqwest::Response;
use serde::Serialize;

use self::playtime::Playtime;
use crate::call::{AnswerKind, Call, Deadline, Told};
use crate::config::EndpointConfig;
use crate::endpoint::{BuildError, Endpoint, ProviderStatus};
use crate::failure::Fault;
use crate::operation::Operation;
use crate::price::PriceTable;
use crate::probe::ProbeReport;

/// Characters of one text, as OpenAI limits them.
pub const SPEECH_TEXT_CHARS_MAX: usize = 4_096;
/// Bytes of one text's speech: at 4,096 characters, five minutes, WAV has 15 MB.
const SPEECH_BYTES_MAX: usize = 25 * 1024 * 1024;
/// Bytes by which a format is told from another.
const OPENING_BYTES: usize = 4;

/// Models that take no direction, and refuse one.
const WITHOUT_DIRECTION: &[&str] = &["tts-1"];

/// Speech synthesis by OpenAI, or by whatever speaks its protocol. A clone is the same provider.
#[derive(Debug, Clone)]
pub struct OpenAiSpeaker {
    endpoint: Arc<Endpoint>,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a str,
    voice: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<&'a str>,
    response_format: &'static str,
}

/// One text, being spoken. Dropping it closes the connection.
struct Utterance {
    call: Call,
    /// Present while there is something to read.
    response: Option<Response>,
    format: SpeechFormat,
    /// What has come, until it is enough to tell the format; nothing after that.
    opening: Option<BytesMut>,
    bytes: usize,
    playtime: Playtime,
    characters: u64,
}

impl OpenAiSpeaker {
    /// A provider by its configuration. Sends nothing.
    pub fn new(config: EndpointConfig, prices: PriceTable) -> Result<Self, BuildError> {
        let endpoint = Endpoint::new(Operation::Speech, config, None, prices)?;
        Ok(Self {
            endpoint: Arc::new(endpoint),
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

    fn body<'a>(&'a self, request: &'a SpeechRequest) -> Body<'a> {
        let model = self.endpoint.model.as_str();
        let takes_direction = !WITHOUT_DIRECTION.iter().any(|name| model.starts_with(name));
        Body {
            model,
            input: &request.text,
            voice: &request.voice,
            instructions: request.style.as_deref().filter(|_| takes_direction),
            response_format: match request.format {
                SpeechFormat::Mp3 => "mp3",
                SpeechFormat::Wav => "wav",
                SpeechFormat::Pcm => "pcm",
            },
        }
    }
}

#[async_trait]
impl Speaker for OpenAiSpeaker {
    async fn speak(&self, request: SpeechRequest) -> Result<SpeechStream, CallFailure> {
        let deadline = Deadline::new(request.timeout, request.stall_timeout);
        let mut call = Call::new(&self.endpoint, request.call_id, &self.endpoint.model, deadline);
        let characters = request.text.chars().count();
        if !(1..=SPEECH_TEXT_CHARS_MAX).contains(&characters) {
            let reason = format!("the text has {characters} characters, not 1 to {SPEECH_TEXT_CHARS_MAX}");
            return Err(call.fail(Fault::unsendable(reason), &Told::default()));
        }
        let post = call.post().json(&self.body(&request));
        let response = match call.send(post, AnswerKind::Audio).await {
            Ok(response) => response,
            Err(fault) => return Err(call.fail(fault, &Told::default())),
        };
        let utterance = Utterance {
            call,
            response: Some(response),
            format: request.format,
            opening: Some(BytesMut::new()),
            bytes: 0,
            playtime: Playtime::new(request.format),
            characters: characters as u64,
        };
        let events = stream::unfold(utterance, |mut utterance| async move {
            let event = utterance.next().await?;
            Some((event, utterance))
        });
        Ok(events.boxed())
    }

    fn identity(&self) -> Option<ModelIdentity> {
        Some(self.endpoint.identity())
    }
}

impl Utterance {
    /// The next step. None after the last.
    async fn next(&mut self) -> Option<Result<SpeechEvent, CallFailure>> {
        loop {
            let response = self.response.as_mut()?;
            let outcome = match self.call.chunk(response).await {
                Ok(Some(bytes)) => match self.take(bytes) {
                    Ok(Some(audio)) => return Some(Ok(SpeechEvent::Audio(audio))),
                    Ok(None) => continue,
                    Err(fault) => Err(fault),
                },
                Ok(None) if self.opening.is_some() => {
                    Err(Fault::upstream(true, "the provider sent no speech"))
                }
                Ok(None) => Ok(()),
                Err(fault) => Err(fault),
            };
            // The connection is let go before the last event is told.
            self.response = None;
            return Some(match outcome {
                Ok(()) => {
                    let told = self.told();
                    Ok(SpeechEvent::Completed(self.call.complete(&told)))
                }
                // What was spoken of the text by then, and is charged, nobody knows.
                Err(fault) => Err(self.call.fail(fault, &Told::default())),
            });
        }
    }

    /// What may be passed on, once it is known to be what was asked for.
    fn take(&mut self, bytes: Bytes) -> Result<Option<Bytes>, Fault> {
        self.bytes += bytes.len();
        if self.bytes > SPEECH_BYTES_MAX {
            let reason = format!("the speech has more than {SPEECH_BYTES_MAX} bytes");
            return Err(Fault::upstream(false, reason));
        }
        self.playtime.take(&bytes);
        let Some(mut opening) = self.opening.take() else {
            return Ok(Some(bytes));
        };
        opening.extend_from_slice(&bytes);
        if opening.len() < OPENING_BYTES {
            self.opening = Some(opening);
            return Ok(None);
        }
        if !begins(self.format, &opening) {
            let reason = "what the provider sent is not in the format that was asked for";
            return Err(Fault::upstream(false, reason));
        }
        self.call.output_began();
        Ok(Some(opening.freeze()))
    }

    fn told(&self) -> Told {
        Told {
            usage: Some(Usage {
                characters: self.characters,
                audio_ms: self.playtime.ms().unwrap_or_default(),
                ..Usage::default()
            }),
            ..Told::default()
        }
    }
}

/// Whether speech in a format may begin so. Samples without a header may begin in any way but with the others' header.
fn begins(format: SpeechFormat, opening: &[u8]) -> bool {
    let is_wav = opening.starts_with(b"RIFF");
    let is_tagged = opening.starts_with(b"ID3");
    match format {
        SpeechFormat::Mp3 => is_tagged || matches!(opening, [0xFF, second, ..] if second & 0xE0 == 0xE0),
        SpeechFormat::Wav => is_wav,
        SpeechFormat::Pcm => !is_wav && !is_tagged,
    }
}
