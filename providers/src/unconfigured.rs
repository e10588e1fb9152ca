//! The providers of a server that was given none: they refuse, by name, and invent nothing.

use async_trait::async_trait;
use greenroom_protocol::ErrorCode;
use greenroom_session::ports::{
    CallFailure, LanguageModel, LlmIdentity, ModelIdentity, ModelRequest, ModelStream, ModerationRequest,
    Moderator, Speaker, SpeechRequest, SpeechStream, Transcriber, Transcription, TranscriptionRequest,
    Verdict,
};

/// Answers every call with the code that says what is missing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unconfigured;

#[async_trait]
impl LanguageModel for Unconfigured {
    async fn generate(&self, _: ModelRequest) -> Result<ModelStream, CallFailure> {
        Err(missing(
            ErrorCode::LlmNotConfigured,
            "no language model is configured",
        ))
    }

    fn identity(&self) -> Option<LlmIdentity> {
        None
    }

    fn can_search(&self) -> bool {
        false
    }
}

#[async_trait]
impl Transcriber for Unconfigured {
    async fn transcribe(&self, _: TranscriptionRequest) -> Result<Transcription, CallFailure> {
        Err(missing(
            ErrorCode::SttNotConfigured,
            "no speech recognition is configured",
        ))
    }

    fn identity(&self) -> Option<ModelIdentity> {
        None
    }
}

#[async_trait]
impl Speaker for Unconfigured {
    async fn speak(&self, _: SpeechRequest) -> Result<SpeechStream, CallFailure> {
        Err(missing(
            ErrorCode::TtsNotConfigured,
            "no speech synthesis is configured",
        ))
    }

    fn identity(&self) -> Option<ModelIdentity> {
        None
    }
}

#[async_trait]
impl Moderator for Unconfigured {
    async fn moderate(&self, _: ModerationRequest) -> Result<Verdict, CallFailure> {
        Err(missing(
            ErrorCode::SafetyUnavailable,
            "no moderation is configured",
        ))
    }

    fn identity(&self) -> Option<ModelIdentity> {
        None
    }
}

fn missing(code: ErrorCode, reason: &str) -> CallFailure {
    CallFailure {
        code,
        retryable: false,
        retry_after: None,
        reason: reason.to_owned(),
        receipt: None,
    }
}
