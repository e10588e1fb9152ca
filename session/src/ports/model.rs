//! Language models.

use std::sync::Arc;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use greenroom_protocol::{CallId, CallOutcome, ErrorCode, Millis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::LlmIdentity;
use crate::{CallCost, Usage};

/// Which of the configured models to use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelSize {
    /// The capable one (`llm.model`).
    #[default]
    Large,
    /// The quick and cheap one (`llm.small_model`).
    Small,
}

/// Who wrote a message that a model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptRole {
    /// The person, or data handed to the model.
    User,
    /// The model itself, earlier.
    Assistant,
}

/// One message that a model reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptMessage {
    /// Who wrote it.
    pub role: PromptRole,
    /// What it says.
    pub text: String,
}

/// The document that a model must write.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputSchema {
    /// A short name, letters, digits and `_`.
    pub name: String,
    /// The JSON Schema, in the strict subset: every object closed, every property required.
    pub schema: Arc<Value>,
}

/// What becomes of a reply when nobody waits for it any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Background {
    /// It ends with whoever waits for it.
    #[default]
    Never,
    /// The provider goes on with it, where it can ([`LanguageModel::can_take_up`]), and says under which id it can be
    /// taken up again ([`ModelEvent::Begun`]).
    Allowed,
    /// It was begun like that, and goes on or is complete: it is told from its first event. Nothing is asked for anew, and
    /// nothing paid again.
    TakenUp {
        /// The provider's id of the response.
        response_id: String,
    },
}

/// One request to a language model. One request is one HTTP request and one call, and so are one and what takes it up.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    /// The call that was reserved for it; sent along as metadata where the provider allows.
    pub call_id: CallId,
    /// Which model.
    pub size: ModelSize,
    /// What the model is told to do.
    pub instructions: String,
    /// What it reads.
    pub messages: Vec<PromptMessage>,
    /// What it must write; none means free text.
    pub output: Option<OutputSchema>,
    /// Whether it may search the web.
    pub search: bool,
    /// Tokens that it may write.
    pub output_tokens_max: u32,
    /// How long the whole call may take.
    pub timeout: Millis,
    /// How long the stream may be silent.
    pub stall_timeout: Millis,
    /// What becomes of the reply when nobody waits for it.
    pub background: Background,
}

/// Something that a search returned during a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchSource {
    /// Where it is.
    pub url: String,
    /// Its title, if the provider gave one.
    pub title: Option<String>,
    /// What it says, as far as the provider returned or cited it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage: Option<String>,
}

/// One step of a model's reply.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelEvent {
    /// The provider goes on with the reply, whoever waits for it: it can be taken up under this id.
    Begun {
        /// The provider's id of the response.
        response_id: String,
    },
    /// The reply grows by this text.
    Text(String),
    /// A search returned this.
    Source(SearchSource),
    /// The reply is complete; the stream ends.
    Completed(CallReceipt),
    /// The reply that was to be taken up will not come: the provider does not know it any more, or it ended without
    /// one. The stream ends. What it cost nobody knows.
    Lost {
        /// For the operator and the log: no secrets, no words of the user.
        reason: String,
    },
}

/// What the provider says of a completed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallReceipt {
    /// The provider's configured name.
    pub provider: String,
    /// The model that answered.
    pub model: String,
    /// Whether the provider is a simulator.
    pub simulated: bool,
    /// The provider's id of the response.
    pub response_id: Option<String>,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// Tokens used.
    pub usage: Option<Usage>,
    /// What it cost.
    pub cost: CallCost,
}

/// A call that failed: classified, never retried by the provider's client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct CallFailure {
    /// From the error table: `LLM_TIMEOUT`, `LLM_UPSTREAM`, `LLM_NOT_CONFIGURED`, `LLM_CIRCUIT_OPEN`,
    /// `LLM_JSON_INVALID` (cut at the token limit), `SAFETY_OUTPUT` (refused).
    pub code: ErrorCode,
    /// Whether another attempt may succeed.
    pub retryable: bool,
    /// What the provider asked for by `Retry-After`.
    pub retry_after: Option<Millis>,
    /// For the operator and the log: no secrets, no words of the user.
    pub reason: String,
    /// What is known of the call.
    pub receipt: Option<CallReceipt>,
}

impl CallFailure {
    /// How the call is booked. Where the provider answered with an error nothing was charged; where it fell silent or
    /// was cut off nobody knows.
    pub fn outcome(&self) -> CallOutcome {
        match self.receipt.as_ref().map(|receipt| receipt.cost) {
            Some(CallCost::Known(_)) => CallOutcome::Failed,
            Some(CallCost::Unknown) | None => CallOutcome::Unknown,
        }
    }
}

/// A model's reply as it comes. An `Err` is the last item.
pub type ModelStream = BoxStream<'static, Result<ModelEvent, CallFailure>>;

/// A language model.
#[async_trait]
pub trait LanguageModel: Send + Sync + 'static {
    /// Sends the request. Dropping the stream cancels it, unless it was begun in the background: then the provider goes on
    /// until [`LanguageModel::abandon`].
    async fn generate(&self, request: ModelRequest) -> Result<ModelStream, CallFailure>;

    /// Which provider it is; none if none is configured.
    fn identity(&self) -> Option<LlmIdentity>;

    /// Whether it can search the web.
    fn can_search(&self) -> bool;

    /// Whether it goes on with replies that are begun in the background, so that they can be taken up again.
    fn can_take_up(&self) -> bool {
        false
    }

    /// Nobody wants a reply any more that was begun in the background: has the provider stop, so that no more of it is
    /// paid for, and forget it. Waits for nothing; whether it came about, only the log says.
    fn abandon(&self, _call_id: CallId, _response_id: &str) {}

    /// A reply that was begun in the background is recorded for good: has the provider forget it and what was asked.
    /// Waits for nothing either.
    fn forget(&self, _call_id: CallId, _response_id: &str) {}
}
