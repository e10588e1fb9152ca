//! Whether a provider is there and takes what is configured, found out without a call that costs anything.

use std::time::SystemTime;

use greenroom_protocol::Millis;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::failure::Fault;

/// How long a provider may take to show that it is there.
pub(crate) const PROBE_TIMEOUT: Millis = Millis(3_000);
/// Bytes of a list of models; that of a gateway to all providers has half of that.
const MODELS_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How servers that name a model's versions, such as Ollama, list one that is asked for without.
const DEFAULT_VERSION: &str = ":latest";

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProbeReport {
    /// What was found.
    pub finding: ProbeFinding,
    /// How long it took.
    pub took: Millis,
}

/// What can be found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "finding", content = "detail", rename_all = "snake_case")]
pub enum ProbeFinding {
    /// It is there, takes the key, and lists every configured model.
    Ready,
    /// It is there and takes the key, and does not list these of the configured models. Some servers serve models that
    /// they do not list.
    ModelNotListed(Vec<String>),
    /// It does not take the key, or wants one: what it answered.
    KeyRefused(String),
    /// Something answers there, and not with a list of models: the base URL leads elsewhere, or it is a server that
    /// has no such list. Whether it does its work is not known.
    NoSuchEndpoint(String),
    /// It is there, and cannot answer now: what it answered.
    Failing(String),
    /// Nothing answers: why.
    Unreachable(String),
}

#[derive(Deserialize)]
struct ModelList {
    /// Null where there are none, with some servers.
    data: Option<Vec<ListedModel>>,
}

#[derive(Deserialize)]
struct ListedModel {
    id: String,
}

impl ProbeReport {
    fn of(finding: ProbeFinding, started: Instant) -> Self {
        let took = Millis(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
        Self { finding, took }
    }
}

impl Endpoint {
    /// Asks for the list of models. The circuit neither hinders nor hears of it.
    pub(crate) async fn probe(&self) -> ProbeReport {
        let started = Instant::now();
        let finding = tokio::time::timeout(PROBE_TIMEOUT.into(), self.find_models()).await;
        let finding = finding.unwrap_or_else(|_| {
            let reason = format!("no answer within {} ms", PROBE_TIMEOUT.0);
            ProbeFinding::Unreachable(reason)
        });
        ProbeReport::of(finding, started)
    }

    /// What it means that a stream could be opened, or by which status and fault it could not.
    pub(crate) fn opening_report(
        &self,
        started: Instant,
        refused: Option<(Option<StatusCode>, Fault)>,
    ) -> ProbeReport {
        let finding = match refused {
            None => ProbeFinding::Ready,
            Some((Some(status), fault)) => {
                of_refusal(status, self.without_key(fault.reason), fault.retryable)
            }
            Some((None, fault)) if fault.retryable => {
                ProbeFinding::Unreachable(self.without_key(fault.reason))
            }
            Some((None, fault)) => ProbeFinding::NoSuchEndpoint(self.without_key(fault.reason)),
        };
        ProbeReport::of(finding, started)
    }

    async fn find_models(&self) -> ProbeFinding {
        let unreachable =
            |error| ProbeFinding::Unreachable(self.without_key(Fault::transport(&error).reason));
        let mut response = match self.http.get(self.models_url.clone()).send().await {
            Ok(response) => response,
            Err(error) => return unreachable(error),
        };
        if response.status() != StatusCode::OK {
            return of_status(response.status(), response.headers());
        }
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(bytes)) if body.len() + bytes.len() <= MODELS_BYTES_MAX => {
                    body.extend_from_slice(&bytes);
                }
                Ok(Some(_)) => {
                    let reason = format!("its answer is larger than {MODELS_BYTES_MAX} bytes");
                    return ProbeFinding::NoSuchEndpoint(reason);
                }
                Ok(None) => break,
                Err(error) => return unreachable(error),
            }
        }
        self.of_list(&body)
    }

    fn of_list(&self, body: &[u8]) -> ProbeFinding {
        let Ok(list) = serde_json::from_slice::<ModelList>(body) else {
            return ProbeFinding::NoSuchEndpoint(
                "it answered with something else than a list of models".to_owned(),
            );
        };
        let listed = list.data.unwrap_or_default();
        let is_listed = |model: &String| {
            let mut ids = listed.iter().map(|listed| listed.id.as_str());
            ids.any(|id| {
                id.strip_prefix(model.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest == DEFAULT_VERSION)
            })
        };
        let configured = [&self.model].into_iter().chain(&self.small_model);
        let mut missing: Vec<String> = configured.filter(|model| !is_listed(model)).cloned().collect();
        missing.dedup();
        if missing.is_empty() {
            ProbeFinding::Ready
        } else {
            ProbeFinding::ModelNotListed(missing)
        }
    }
}

/// A body is not worth waiting for: the status says enough.
fn of_status(status: StatusCode, headers: &reqwest::header::HeaderMap) -> ProbeFinding {
    let fault = Fault::status(status, headers, &[], SystemTime::now());
    of_refusal(status, fault.reason, fault.retryable)
}

fn of_refusal(status: StatusCode, reason: String, retryable: bool) -> ProbeFinding {
    match status.as_u16() {
        401 | 403 => ProbeFinding::KeyRefused(reason),
        _ if retryable => ProbeFinding::Failing(reason),
        _ => ProbeFinding::NoSuchEndpoint(reason),
    }
}
