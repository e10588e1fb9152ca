//! The calls that carry speech: a recording in, a voice out.

use bytes::Bytes;
use greenroom_protocol::{BriefSlots, ErrorBody, Gate, Locale, SessionId, SlotUpdate};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Client, ClientError, EventStream, Origin};

/// What is told beside a recording; what is left out is up to the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VoiceTurnOptions {
    /// The language that it is probably in.
    pub locale: Option<Locale>,
    /// The voice to answer in; none means that the answer is not spoken.
    pub voice_preset: Option<String>,
    /// The idempotency key.
    pub key: Option<String>,
}

/// A spoken turn that is over.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct VoiceTurn {
    /// The session.
    pub session_id: SessionId,
    /// What was understood; empty when nothing was.
    pub transcript: String,
    /// The session's state after the turn.
    pub state: String,
    /// The reply.
    pub next_question: String,
    /// The slots that the turn changed.
    pub slot_updates: Vec<SlotUpdate>,
    /// All slots.
    pub brief_slots: BriefSlots,
    /// The gate after the turn.
    pub gate: Gate,
    /// Where the reply can be heard, if it was to be spoken.
    #[serde(default)]
    pub audio_url: Option<String>,
    /// Why the reply could not be spoken.
    #[serde(default)]
    pub audio_error: Option<ErrorBody>,
}

/// How speech is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VoiceFormat {
    /// MPEG layer 3.
    Mp3,
    /// RIFF with 16-bit samples.
    Wav,
}

/// A text that was spoken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AssistantVoice {
    /// Where it can be heard.
    pub audio_url: String,
    /// How it is encoded.
    pub format: VoiceFormat,
    /// Its size.
    pub bytes_size: u64,
    /// How long it plays.
    pub duration_ms: u64,
}

impl Client {
    /// Says a recording and waits for the reply.
    pub async fn voice_turn(
        &self,
        session: SessionId,
        recording: Bytes,
        options: &VoiceTurnOptions,
    ) -> Result<VoiceTurn, ClientError> {
        let url = self.session_url(session, "/voice-turn");
        let response = self.upload(&url, recording, options).await?;
        super::rest::read_json(response).await
    }

    /// Says a recording and follows the turn.
    pub async fn voice_turn_stream(
        &self,
        session: SessionId,
        recording: Bytes,
        options: &VoiceTurnOptions,
    ) -> Result<EventStream, ClientError> {
        let url = self.session_url(session, "/voice-turn/stream");
        let response = self.upload(&url, recording, options).await?;
        let recorder = self.recorder.connected(session, Origin::Turn)?;
        Ok(EventStream::new(response, recorder))
    }

    /// Has a text spoken.
    pub async fn assistant_voice(
        &self,
        session: SessionId,
        text: &str,
        voice_preset: Option<&str>,
        format: VoiceFormat,
    ) -> Result<AssistantVoice, ClientError> {
        let url = self.session_url(session, "/assistant-voice");
        let body = json!({ "text": text, "voice_preset": voice_preset, "format": format });
        self.ask(Method::POST, &url, Some(&body), None).await
    }

    /// Fetches what an `audio_url` names.
    pub async fn asset(&self, url: &str) -> Result<Bytes, ClientError> {
        let url = format!("{}{url}", self.base);
        Ok(self.send(Method::GET, &url, None, None).await?.bytes().await?)
    }

    async fn upload(
        &self,
        url: &str,
        recording: Bytes,
        options: &VoiceTurnOptions,
    ) -> Result<reqwest::Response, ClientError> {
        let length = recording.len() as u64;
        let audio = Part::stream_with_length(recording, length).file_name("recording");
        let mut form = Form::new().part("audio", audio);
        if let Some(locale) = options.locale {
            let locale = match locale {
                Locale::Ko => "ko",
                Locale::En => "en",
            };
            form = form.text("locale", locale);
        }
        if let Some(preset) = &options.voice_preset {
            form = form.text("voice_preset", preset.clone());
        }
        let mut request = self.http.post(url).headers(self.headers()?).multipart(form);
        if let Some(key) = &options.key {
            request = request.header(super::rest::IDEMPOTENCY_KEY, key);
        }
        super::rest::refused_or(request.send().await?).await
    }
}
