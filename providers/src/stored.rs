//! Responses that a provider stores, because they were begun in the background: cancelled and deleted once they are done
//! with.
//!
//! By OpenAI's guide, to cancel a response that has ended changes nothing. What is stored is kept for 30 days unless it is
//! deleted.

use std::sync::Arc;

use greenroom_protocol::{CallId, Millis};
use reqwest::{Method, StatusCode};

use crate::call::{Deadline, refusal};
use crate::endpoint::Endpoint;
use crate::failure::Fault;

/// How long a provider may take for either.
const TIMEOUT: Millis = Millis(10_000);

/// A response that a provider stores.
pub(crate) struct StoredResponse {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) call_id: CallId,
    pub(crate) response_id: String,
}

impl StoredResponse {
    /// Nobody wants it any more: it is not to be written on, nor kept.
    pub(crate) async fn abandon(self) {
        self.ask("cancelled", Method::POST, &[&self.response_id, "cancel"])
            .await;
        self.forget().await;
    }

    /// It is not to be kept, nor what was asked.
    pub(crate) async fn forget(self) {
        self.ask("deleted", Method::DELETE, &[&self.response_id]).await;
    }

    /// Asks once. It is no call: the circuit neither hinders nor hears of it.
    async fn ask(&self, what: &str, method: Method, path: &[&str]) {
        let request = self.endpoint.http.request(method, self.endpoint.below(path));
        let deadline = Deadline::new(TIMEOUT, TIMEOUT);
        let outcome = match deadline.wait(request.send()).await {
            // What the provider does not have any more needs neither.
            Ok(Ok(response)) if matches!(response.status(), StatusCode::OK | StatusCode::NOT_FOUND) => Ok(()),
            Ok(Ok(response)) => Err(refusal(response, &deadline).await),
            Ok(Err(error)) => Err(Fault::transport(&error)),
            Err(fault) => Err(fault),
        };
        let Self {
            endpoint,
            call_id,
            response_id,
        } = self;
        let provider = &endpoint.name;
        match outcome {
            Ok(()) => tracing::debug!(%call_id, provider, response_id, what, "stored response done with"),
            Err(fault) => {
                let reason = endpoint.without_key(fault.reason);
                tracing::warn!(%call_id, provider, response_id, what, reason, "stored response not done with");
            }
        }
    }
}
