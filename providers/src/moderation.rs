//! Checking texts: `POST /moderations`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use greenroom_session::ports::{CallFailure, ModelIdentity, ModerationRequest, Moderator, Verdict};
use serde::{Deserialize, Serialize};

use crate::call::{Call, Deadline, Told};
use crate::config::EndpointConfig;
use crate::endpoint::{BuildError, Endpoint, ProviderStatus};
use crate::failure::Fault;
use crate::operation::Operation;
use crate::price::PriceTable;
use crate::probe::ProbeReport;
use crate::reply::identifier;

/// Bytes of an answer; each text has some two thousand in it.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Moderation by OpenAI, or by whatever speaks its protocol. A clone is the same provider.
#[derive(Debug, Clone)]
pub struct OpenAiModerator {
    endpoint: Arc<Endpoint>,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a [String],
}

#[derive(Deserialize)]
struct Answer {
    id: Option<String>,
    model: Option<String>,
    results: Vec<TextResult>,
}

#[derive(Deserialize)]
struct TextResult {
    flagged: bool,
    /// A category that the model does not know has null.
    #[serde(default)]
    categories: BTreeMap<String, Option<bool>>,
}

impl OpenAiModerator {
    /// A provider by its configuration. Sends nothing.
    pub fn new(config: EndpointConfig, prices: PriceTable) -> Result<Self, BuildError> {
        let endpoint = Endpoint::new(Operation::Moderations, config, None, prices)?;
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
}

#[async_trait]
impl Moderator for OpenAiModerator {
    async fn moderate(&self, request: ModerationRequest) -> Result<Verdict, CallFailure> {
        let model = &self.endpoint.model;
        let deadline = Deadline::new(request.timeout, request.timeout);
        let mut call = Call::new(&self.endpoint, request.call_id, model, deadline);
        let body = Body {
            model,
            input: &request.texts,
        };
        let post = call.post().json(&body);
        let answer: Answer = match call.document(post, ANSWER_BYTES_MAX).await {
            Ok(answer) => answer,
            Err(fault) => return Err(call.fail(fault, &Told::default())),
        };
        let told = answer.told();
        // A text that nothing is said of has not been checked, and a server that judges them as one will do it again.
        if answer.results.len() != request.texts.len() {
            let reason = format!(
                "the provider judged {} texts of {}",
                answer.results.len(),
                request.texts.len()
            );
            return Err(call.fail(Fault::upstream(false, reason), &told));
        }
        Ok(Verdict {
            flagged: answer.flagged(),
            receipt: call.complete(&told),
        })
    }

    fn identity(&self) -> Option<ModelIdentity> {
        Some(self.endpoint.identity())
    }
}

impl Answer {
    fn told(&self) -> Told {
        Told {
            response_id: self.id.as_deref().and_then(identifier),
            model: self.model.as_deref().and_then(identifier),
            usage: None,
        }
    }

    /// The categories of all texts that are flagged; none if no text is.
    fn flagged(&self) -> Option<Vec<String>> {
        let flagged = || self.results.iter().filter(|result| result.flagged);
        flagged().next()?;
        let categories = flagged().flat_map(|result| &result.categories);
        let found = categories.filter(|(_, is_found)| **is_found == Some(true));
        let names: BTreeSet<String> = found.filter_map(|(name, _)| identifier(name)).collect();
        Some(names.into_iter().collect())
    }
}
