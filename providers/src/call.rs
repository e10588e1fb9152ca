//! One call: one HTTP request, to its end, its deadline or its cancellation, whatever was asked for.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use greenroom_protocol::{CallId, ErrorCode, Millis};
use greenroom_session::ports::{CallFailure, CallReceipt};
use greenroom_session::{CallCost, Usage};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use crate::circuit::{Permit, Verdict};
use crate::config::is_simulated;
use crate::endpoint::Endpoint;
use crate::failure::{Blame, Fault, Said};
use crate::reply::identifier;

/// The provider's id of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Our id of it, which OpenAI keeps in its own log and any other server may ignore.
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");

/// Bytes of an error's body that are read; the codes stand at its beginning.
const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;
/// The longest time that is waited for anything, whatever the request says: a point in time must exist.
const WAIT_MAX: Duration = Duration::from_hours(24);

/// What an answer must be. One that does not say what it is may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerKind {
    /// Server-sent events.
    EventStream,
    /// One document.
    Json,
    /// Audio in the format that was asked for.
    Audio,
}

/// What a provider tells of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Its id of the response.
    pub(crate) response_id: Option<String>,
    /// The model that answers.
    pub(crate) model: Option<String>,
    /// What the call used.
    pub(crate) usage: Option<Usage>,
}

/// How long a provider may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    timeout: Duration,
    stall_timeout: Duration,
}

/// One call to a provider. Dropped before it has ended, it counts as cancelled.
pub(crate) struct Call {
    endpoint: Arc<Endpoint>,
    id: CallId,
    /// The model that was asked for.
    model: String,
    started: Instant,
    /// Since when nothing but the provider is waited for.
    waiting_since: Instant,
    deadline: Deadline,
    /// Present from the sending until the call has ended by itself.
    permit: Option<Permit>,
    request_id: Option<String>,
    first_output: Option<Duration>,
}

impl Call {
    /// A call that has sent nothing yet.
    pub(crate) fn new(endpoint: &Arc<Endpoint>, id: CallId, model: &str, deadline: Deadline) -> Self {
        let started = Instant::now();
        Self {
            endpoint: Arc::clone(endpoint),
            id,
            model: model.to_owned(),
            started,
            waiting_since: started,
            deadline,
            permit: None,
            request_id: None,
            first_output: None,
        }
    }

    /// Asks for what hangs below the endpoint's address.
    pub(crate) fn get(&self, path: &[&str], query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.endpoint.below(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.endpoint.http.get(url)
    }

    /// The request, still without its body.
    pub(crate) fn post(&self) -> RequestBuilder {
        self.endpoint.http.post(self.endpoint.url.clone())
    }

    /// Takes the right to make the call, unless the circuit is open.
    pub(crate) fn admit(&mut self) -> Result<(), Fault> {
        self.permit = Some(self.endpoint.breaker.admit().map_err(Fault::suspended)?);
        Ok(())
    }

    /// It is made over a connection that was opened by this request of the provider's log.
    pub(crate) fn over(&mut self, request_id: Option<String>) {
        self.request_id = request_id;
    }

    /// All of a request that took its time has been sent; until now, it was not the provider that was waited for.
    pub(crate) fn sent(&mut self, deadline: Deadline) {
        self.waiting_since = Instant::now();
        self.deadline = deadline;
    }

    /// When the provider must have given its next sign of life after this one, at the latest.
    pub(crate) fn due(&self, silent_since: Instant) -> Instant {
        self.deadline.due(silent_since)
    }

    /// That it did not.
    pub(crate) fn overdue(&self, silent_since: Instant) -> Fault {
        self.deadline.overdue(silent_since)
    }

    /// Sends the request, unless the circuit is open, and waits for the answer to begin.
    pub(crate) async fn send(
        &mut self,
        request: RequestBuilder,
        expected: AnswerKind,
    ) -> Result<Response, Fault> {
        self.admit()?;
        self.ask(request, expected).await
    }

    /// Sends a request of a call that was admitted, and waits for the answer to begin.
    pub(crate) async fn ask(
        &mut self,
        request: RequestBuilder,
        expected: AnswerKind,
    ) -> Result<Response, Fault> {
        let request = request
            .header(ACCEPT, HeaderValue::from_static(expected.accept()))
            .header(CLIENT_REQUEST_ID, self.id.to_string());
        let sent = self.deadline.wait(request.send()).await?;
        let response = sent.map_err(|error| Fault::transport(&error))?;
        self.request_id = request_id(&response);
        if response.status() != StatusCode::OK {
            return Err(refusal(response, &self.deadline).await);
        }
        let kind = response.headers().get(CONTENT_TYPE);
        match kind.and_then(|kind| kind.to_str().ok()) {
            // A proxy's login page, or a server that does not stream: it would answer the same again.
            Some(kind) if !expected.is(kind) => {
                let reason = format!(
                    "the provider answered with something else than {}",
                    expected.name()
                );
                Err(Fault::upstream(false, reason))
            }
            _ => Ok(response),
        }
    }

    /// Sends the request and reads an answer that is one document.
    pub(crate) async fn document<T: DeserializeOwned>(
        &mut self,
        request: RequestBuilder,
        bytes_max: usize,
    ) -> Result<T, Fault> {
        let response = self.send(request, AnswerKind::Json).await?;
        let document: Value = self.whole(response, bytes_max).await?;
        if document.get("error").is_some_and(|error| !error.is_null()) {
            return Err(Fault::reported(&Said::of(&document)));
        }
        serde_json::from_value(document).map_err(|error| Fault::malformed("the answer", &error))
    }

    /// Reads an answer to its end, whatever it says.
    pub(crate) async fn whole<T: DeserializeOwned>(
        &self,
        mut response: Response,
        bytes_max: usize,
    ) -> Result<T, Fault> {
        let mut body = Vec::new();
        while let Some(bytes) = self.chunk(&mut response).await? {
            if body.len() + bytes.len() > bytes_max {
                let reason = format!("the answer is larger than {bytes_max} bytes");
                return Err(Fault::upstream(false, reason));
            }
            body.extend_from_slice(&bytes);
        }
        serde_json::from_slice(&body).map_err(|error| Fault::malformed("the answer", &error))
    }

    /// Waits before the provider is asked again, if the deadline leaves time for that.
    pub(crate) async fn pause(&self, length: Duration) -> Result<(), Fault> {
        let paused_at = Instant::now();
        tokio::time::sleep_until(self.deadline.at.min(paused_at + length)).await;
        if self.deadline.at <= paused_at + length {
            return Err(overdue("the call took longer than", self.deadline.timeout));
        }
        Ok(())
    }

    /// The next bytes of an answer. None after the last.
    pub(crate) async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, Fault> {
        let chunk = self.deadline.wait(response.chunk()).await?;
        chunk.map_err(|error| Fault::transport(&error))
    }

    /// The first of a reply has come; later ones do not count.
    pub(crate) fn output_began(&mut self) {
        self.first_output.get_or_insert_with(|| self.started.elapsed());
    }

    /// The call has succeeded.
    pub(crate) fn complete(&mut self, told: &Told) -> CallReceipt {
        self.settle(Verdict::Healthy {
            error: None,
            first_token: self.first_output,
        });
        self.record("completed");
        let receipt = self.receipt(told, CallCost::Unknown);
        self.log("completed", None, receipt.usage);
        receipt
    }

    /// The call has failed.
    pub(crate) fn fail(&mut self, fault: Fault, told: &Told) -> CallFailure {
        let code = self.endpoint.operation.code(fault.failing);
        self.settle(verdict(&fault, code, self.first_output));
        let reason = self.endpoint.without_key(fault.reason);
        self.record(code.as_str());
        let receipt = self.receipt(told, fault.cost);
        self.log(code.as_str(), Some(&reason), receipt.usage);
        CallFailure {
            code,
            retryable: fault.retryable,
            retry_after: fault.retry_after,
            reason,
            receipt: Some(receipt),
        }
    }

    /// The reply that was to be taken up will not come. Asking for it said nothing bad of the provider.
    pub(crate) fn lose(&mut self, fault: Fault) -> String {
        self.settle(Verdict::Healthy {
            error: None,
            first_token: None,
        });
        let reason = self.endpoint.without_key(fault.reason);
        self.record("lost");
        self.log("lost", Some(&reason), None);
        reason
    }

    /// Nobody wants an answer any more, and none was asked for: it used nothing that the provider would tell of, and says
    /// nothing of the provider.
    pub(crate) fn discard(&mut self) -> CallReceipt {
        self.permit = None;
        self.record("discarded");
        let told = Told {
            usage: Some(Usage::default()),
            ..Told::default()
        };
        let receipt = self.receipt(&told, CallCost::Unknown);
        self.log("discarded", None, receipt.usage);
        receipt
    }

    /// `otherwise` is what the call cost if neither the usage nor the price table says.
    fn receipt(&self, told: &Told, otherwise: CallCost) -> CallReceipt {
        let own = |text: &String| self.endpoint.without_key(text.clone());
        let model = told.model.as_ref().map_or_else(|| self.model.clone(), own);
        let cost = match self.endpoint.cost(&model, &self.model, told.usage.as_ref()) {
            CallCost::Unknown if told.usage.is_none() => otherwise,
            cost => cost,
        };
        CallReceipt {
            provider: self.endpoint.name.clone(),
            simulated: self.endpoint.simulated || is_simulated(&model),
            response_id: told.response_id.as_ref().map(own),
            request_id: self.request_id.as_ref().map(own),
            usage: told.usage,
            cost,
            model,
        }
    }

    fn settle(&mut self, verdict: Verdict) {
        if let Some(permit) = self.permit.take() {
            permit.settle(verdict);
        }
    }

    fn record(&self, outcome: &'static str) {
        let provider = || self.endpoint.name.clone();
        let model = || self.model.clone();
        let names = self.endpoint.operation.metrics();
        metrics::counter!(names.calls, "provider" => provider(), "model" => model(), "outcome" => outcome)
            .increment(1);
        metrics::histogram!(names.seconds, "provider" => provider(), "model" => model(), "outcome" => outcome)
            .record(self.waiting_since.elapsed());
        if let (Some(name), Some(first_output)) = (names.first_output_seconds, self.first_output) {
            metrics::histogram!(name, "provider" => provider(), "model" => model()).record(first_output);
        }
    }

    fn log(&self, outcome: &str, reason: Option<&str>, usage: Option<Usage>) {
        let usage = usage.unwrap_or_default();
        tracing::info!(
            call_id = %self.id,
            provider = self.endpoint.name,
            model = self.model,
            api = self.endpoint.operation.name(),
            outcome,
            reason,
            // The name alone is that of the HTTP request which the line may belong to.
            provider_request_id = self.request_id,
            duration_ms = whole_ms(self.waiting_since.elapsed()),
            first_output_ms = self.first_output.map(whole_ms),
            input_tokens = usage.input_tokens,
            output_tokens = usage.output_tokens,
            audio_ms = usage.audio_ms,
            characters = usage.characters,
            "model call ended"
        );
    }
}

impl Drop for Call {
    /// A permit that is still here belongs to a call that nobody waits for any more; its own drop tells the circuit.
    fn drop(&mut self) {
        if self.permit.is_some() {
            self.record("cancelled");
            self.log("cancelled", None, None);
        }
    }
}

impl AnswerKind {
    fn accept(self) -> &'static str {
        match self {
            Self::EventStream => "text/event-stream",
            Self::Json => "application/json",
            Self::Audio => "application/octet-stream",
        }
    }

    fn is(self, content_type: &str) -> bool {
        let content_type = content_type.trim_start().to_ascii_lowercase();
        content_type.starts_with(self.accept()) || self == Self::Audio && content_type.starts_with("audio/")
    }

    fn name(self) -> &'static str {
        match self {
            Self::EventStream => "a stream",
            Self::Json => "JSON",
            Self::Audio => "audio",
        }
    }
}

impl Deadline {
    /// From now on.
    pub(crate) fn new(timeout: Millis, stall_timeout: Millis) -> Self {
        let bounded = |length: Millis| Duration::from(length).min(WAIT_MAX);
        Self {
            at: Instant::now() + bounded(timeout),
            timeout: bounded(timeout),
            stall_timeout: bounded(stall_timeout),
        }
    }

    /// Waits for the provider's next sign of life.
    pub(crate) async fn wait<T>(&self, sign: impl Future<Output = T>) -> Result<T, Fault> {
        let silent_since = Instant::now();
        let given = tokio::time::timeout_at(self.due(silent_since), sign).await;
        given.map_err(|_| self.overdue(silent_since))
    }

    fn due(&self, silent_since: Instant) -> Instant {
        self.at.min(silent_since + self.stall_timeout)
    }

    fn overdue(&self, silent_since: Instant) -> Fault {
        if self.at <= silent_since + self.stall_timeout {
            overdue("the call took longer than", self.timeout)
        } else {
            overdue("the provider was silent for", self.stall_timeout)
        }
    }
}

/// The provider's id of a request.
pub(crate) fn request_id(response: &Response) -> Option<String> {
    let id = response.headers().get(REQUEST_ID)?;
    identifier(id.to_str().ok()?)
}

/// Why an answer is no success. What breaks while its body is read is left out: the status says enough.
pub(crate) async fn refusal(mut response: Response, deadline: &Deadline) -> Fault {
    let mut body = Vec::new();
    while body.len() < ERROR_BODY_BYTES_MAX {
        let Ok(Ok(Some(bytes))) = deadline.wait(response.chunk()).await else {
            break;
        };
        let room = ERROR_BODY_BYTES_MAX - body.len();
        body.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
    Fault::status(response.status(), response.headers(), &body, SystemTime::now())
}

/// What a failure says of the provider.
pub(crate) fn verdict(fault: &Fault, error: ErrorCode, first_token: Option<Duration>) -> Verdict {
    match fault.blame() {
        Blame::Provider => Verdict::Faulty {
            error,
            retry_after: fault.retry_after,
        },
        Blame::Configuration => Verdict::Refused { error },
        Blame::Request => Verdict::Healthy {
            error: Some(error),
            first_token,
        },
        Blame::Nothing => Verdict::Cancelled,
    }
}

fn overdue(what: impl Display, length: Duration) -> Fault {
    Fault::timeout(format!("{what} {} ms", whole_ms(length)))
}

fn whole_ms(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
