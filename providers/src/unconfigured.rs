//! The language model of a server that was given none: it refuses, by name, and invents nothing.

use async_trait::async_trait;
use greenroom_protocol::ErrorCode;
use greenroom_session::ports::{Capabilities, LanguageModel, ModelFailure, ModelRequest, ModelStream};

/// Answers every call with `LLM_NOT_CONFIGURED`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unconfigured;

#[async_trait]
impl LanguageModel for Unconfigured {
    async fn generate(&self, _: ModelRequest) -> Result<ModelStream, ModelFailure> {
        Err(ModelFailure {
            code: ErrorCode::LlmNotConfigured,
            retryable: false,
            retry_after: None,
            reason: "no language model is configured".to_owned(),
            receipt: None,
        })
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            llm: None,
            search: false,
        }
    }
}
