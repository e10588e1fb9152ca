//! The check of texts.

use async_trait::async_trait;
use greenroom_protocol::{CallId, Millis};

use super::{CallFailure, CallReceipt, ModelIdentity};

/// Texts to be checked together. One request is one HTTP request and one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModerationRequest {
    /// The call that was reserved for it.
    pub call_id: CallId,
    /// The texts.
    pub texts: Vec<String>,
    /// How long the whole call may take.
    pub timeout: Millis,
}

/// What the check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The provider's names of what was found; none when nothing was.
    pub flagged: Option<Vec<String>>,
    /// What the provider says of the call.
    pub receipt: CallReceipt,
}

/// Checks texts.
#[async_trait]
pub trait Moderator: Send + Sync + 'static {
    /// Sends the request; dropping the future cancels it. Fails with `SAFETY_UNAVAILABLE`.
    async fn moderate(&self, request: ModerationRequest) -> Result<Verdict, CallFailure>;

    /// Which provider it is; none if none is configured.
    fn identity(&self) -> Option<ModelIdentity>;
}
