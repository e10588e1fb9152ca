//! One call: one HTTP request, read to its end, its deadline or its cancellation.

use std::collections::VecDeque;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use greenroom_protocol::{CallId, ErrorCode, Millis};
use greenroom_session::ports::{CallFailure, CallReceipt, ModelEvent, ModelRequest, ModelSize};
use greenroom_session::{CallCost, Usage};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode};
use tokio::time::Instant;

use crate::chat::{self, ChatReader};
use crate::circuit::{Permit, Verdict};
use crate::client::Provider;
use crate::config::{Protocol, is_simulated};
use crate::failure::{Blame, Fault};
use crate::reply::{Reply, ReplyReader, identifier};
use crate::responses::{self, ResponsesReader};
use crate::sse::SseDecoder;

/// The provider's id of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Our id of it, which OpenAI keeps in its own log and any other server may ignore.
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");
const EVENT_STREAM: &str = "text/event-stream";

/// Bytes of an error's body that are read; the codes stand at its beginning.
const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;
/// The longest time that is waited for anything, whatever the request says: a point in time must exist.
const WAIT_MAX: Duration = Duration::from_hours(24);

/// One call to a provider. Dropping it closes the connection and counts as cancelled.
pub(crate) struct Call {
    provider: Arc<Provider>,
    id: CallId,
    /// The model that was asked for.
    model: String,
    started: Instant,
    deadline: Deadline,
    /// Present until the call has ended by itself.
    permit: Option<Permit>,
    /// Present while there is something to read; dropping it closes the connection.
    response: Option<Response>,
    request_id: Option<String>,
    decoder: SseDecoder,
    reader: Box<dyn ReplyReader>,
    reply: Reply,
    first_token: Option<Duration>,
}

/// How long the provider may take.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    at: Instant,
    timeout: Duration,
    stall_timeout: Duration,
}

impl Call {
    /// Sends the request and waits for the answer to begin.
    pub(crate) async fn begin(provider: Arc<Provider>, request: &ModelRequest) -> Result<Self, CallFailure> {
        let model = match request.size {
            ModelSize::Large => &provider.config.model,
            ModelSize::Small => &provider.config.small_model,
        };
        let (body, reader): (Vec<u8>, Box<dyn ReplyReader>) = match provider.protocol {
            Protocol::Responses => (responses::body(request, model), Box::<ResponsesReader>::default()),
            Protocol::ChatCompletions => {
                let body = chat::body(request, model, provider.config.output_limit_field);
                (body, Box::<ChatReader>::default())
            }
        };
        let mut call = Self {
            id: request.call_id,
            model: model.clone(),
            started: Instant::now(),
            deadline: Deadline::new(request),
            permit: None,
            response: None,
            request_id: None,
            decoder: SseDecoder::default(),
            reader,
            reply: Reply::default(),
            first_token: None,
            provider,
        };
        match call.provider.breaker.admit() {
            Ok(permit) => call.permit = Some(permit),
            Err(retry_after) => return Err(call.suspended(retry_after)),
        }
        match call.send(body).await {
            Ok(response) => call.response = Some(response),
            Err(refusal) => return Err(call.fail(refusal.fault, refusal.cost)),
        }
        Ok(call)
    }

    /// The next event of the reply. None after the last.
    pub(crate) async fn next(&mut self) -> Option<Result<ModelEvent, CallFailure>> {
        loop {
            if let Some(event) = self.reply.next_event() {
                return Some(Ok(event));
            }
            // The connection is let go before the last event is told.
            let response = self.response.as_mut()?;
            if let Some(outcome) = self.reply.outcome().cloned() {
                self.response = None;
                return Some(match outcome {
                    Ok(()) => Ok(ModelEvent::Completed(self.complete())),
                    Err(fault) => Err(self.fail(fault, CallCost::Unknown)),
                });
            }
            match self.deadline.wait(response.chunk()).await {
                Ok(Some(bytes)) => self.take(&bytes),
                Ok(None) => self.reader.end(&mut self.reply),
                Err(fault) => self.reply.fail(fault),
            }
        }
    }

    async fn send(&mut self, body: Vec<u8>) -> Result<Response, Refusal> {
        let request = self
            .provider
            .http
            .post(self.provider.generate_url.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(ACCEPT, HeaderValue::from_static(EVENT_STREAM))
            .header(CLIENT_REQUEST_ID, self.id.to_string())
            .body(body);
        let response = self
            .deadline
            .wait(request.send())
            .await
            .map_err(Refusal::unknown)?;
        self.request_id = response
            .headers()
            .get(REQUEST_ID)
            .and_then(|id| identifier(id.to_str().ok()?));
        if response.status() != StatusCode::OK {
            return Err(Refusal::read(response, self.deadline).await);
        }
        match response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
        {
            // A proxy's login page, or a server that does not stream: it would answer the same again.
            Some(kind) if !kind.starts_with(EVENT_STREAM) => Err(Refusal::unknown(Fault::upstream(
                false,
                "the provider answered with something else than a stream",
            ))),
            _ => Ok(response),
        }
    }

    fn take(&mut self, bytes: &Bytes) {
        let mut events = VecDeque::new();
        let decoded = self.decoder.push(bytes, &mut events);
        for data in events {
            self.reader.read(&data, &mut self.reply);
            if self.reply.outcome().is_some() {
                break;
            }
        }
        if let Err(error) = decoded {
            self.reply.fail(Fault::upstream(false, error.to_string()));
        }
        if self.first_token.is_none() && self.reply.has_text() {
            self.first_token = Some(self.started.elapsed());
        }
    }

    fn complete(&mut self) -> CallReceipt {
        self.settle(Verdict::Healthy {
            error: None,
            first_token: self.first_token,
        });
        self.record("completed");
        let receipt = self.receipt(CallCost::Unknown);
        self.log("completed", None, receipt.usage);
        receipt
    }

    /// `cost` is what is known of it if the provider told no usage.
    fn fail(&mut self, fault: Fault, cost: CallCost) -> CallFailure {
        let verdict = match fault.blame() {
            Blame::Provider => Verdict::Faulty {
                error: fault.code,
                retry_after: fault.retry_after,
            },
            Blame::Configuration => Verdict::Refused { error: fault.code },
            Blame::Request => Verdict::Healthy {
                error: Some(fault.code),
                first_token: self.first_token,
            },
        };
        self.settle(verdict);
        self.refuse(fault, cost)
    }

    /// Nothing was sent: the circuit is open.
    fn suspended(&mut self, retry_after: Millis) -> CallFailure {
        let mut fault = Fault::new(
            ErrorCode::LlmCircuitOpen,
            "calls are suspended: the provider keeps failing",
        );
        fault.retry_after = Some(retry_after);
        self.refuse(fault, CallCost::Known(0))
    }

    fn refuse(&mut self, fault: Fault, cost: CallCost) -> CallFailure {
        let reason = self.provider.without_key(fault.reason);
        self.record(fault.code.as_str());
        let receipt = self.receipt(cost);
        self.log(fault.code.as_str(), Some(&reason), receipt.usage);
        CallFailure {
            code: fault.code,
            retryable: fault.retryable,
            retry_after: fault.retry_after,
            reason,
            receipt: Some(receipt),
        }
    }

    fn receipt(&self, cost_without_usage: CallCost) -> CallReceipt {
        let own = |text: &str| self.provider.without_key(text.to_owned());
        let model = self.reply.model().map_or_else(|| self.model.clone(), own);
        let usage = self.reply.usage();
        let cost = usage.map_or(cost_without_usage, |usage| self.cost(&model, &usage));
        CallReceipt {
            provider: self.provider.config.name.clone(),
            simulated: self.provider.simulated || is_simulated(&model),
            response_id: self.reply.response_id().map(own),
            request_id: self.request_id.as_deref().map(own),
            usage,
            cost,
            model,
        }
    }

    /// A server that answers under another name, such as a gateway, is paid for what was asked of it.
    fn cost(&self, answered_by: &str, usage: &Usage) -> CallCost {
        match self.provider.prices.cost(answered_by, usage) {
            CallCost::Unknown => self.provider.prices.cost(&self.model, usage),
            known @ CallCost::Known(_) => known,
        }
    }

    fn settle(&mut self, verdict: Verdict) {
        if let Some(permit) = self.permit.take() {
            permit.settle(verdict);
        }
    }

    fn record(&self, outcome: &'static str) {
        let provider = || self.provider.config.name.clone();
        let model = || self.model.clone();
        metrics::counter!(
            "greenroom_llm_calls_total", "provider" => provider(), "model" => model(), "outcome" => outcome
        )
        .increment(1);
        metrics::histogram!(
            "greenroom_llm_call_seconds", "provider" => provider(), "model" => model(), "outcome" => outcome
        )
        .record(self.started.elapsed());
        if let Some(first_token) = self.first_token {
            metrics::histogram!(
                "greenroom_llm_first_token_seconds", "provider" => provider(), "model" => model()
            )
            .record(first_token);
        }
    }

    fn log(&self, outcome: &str, reason: Option<&str>, usage: Option<Usage>) {
        let usage = usage.unwrap_or_default();
        tracing::info!(
            call_id = %self.id,
            provider = self.provider.config.name,
            model = self.model,
            outcome,
            reason,
            // The name alone is that of the HTTP request which the line may belong to.
            provider_request_id = self.request_id,
            duration_ms = whole_ms(self.started.elapsed()),
            first_token_ms = self.first_token.map(whole_ms),
            input_tokens = usage.input_tokens,
            output_tokens = usage.output_tokens,
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

/// A call that got no stream.
struct Refusal {
    fault: Fault,
    cost: CallCost,
}

impl Refusal {
    fn unknown(fault: Fault) -> Self {
        Self {
            fault,
            cost: CallCost::Unknown,
        }
    }

    async fn read(response: Response, deadline: Deadline) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_start(response, deadline).await;
        let fault = Fault::status(status, &headers, &body, SystemTime::now());
        // Nobody is charged for a request that was refused; what a broken server did with it, nobody knows.
        let cost = if status.is_client_error() {
            CallCost::Known(0)
        } else {
            CallCost::Unknown
        };
        Self { fault, cost }
    }
}

impl Deadline {
    fn new(request: &ModelRequest) -> Self {
        let bounded = |length: Millis| Duration::from(length).min(WAIT_MAX);
        let timeout = bounded(request.timeout);
        Self {
            at: Instant::now() + timeout,
            timeout,
            stall_timeout: bounded(request.stall_timeout),
        }
    }

    /// Waits for the provider's next sign of life.
    async fn wait<T>(&self, sign: impl Future<Output = reqwest::Result<T>>) -> Result<T, Fault> {
        let silent_until = Instant::now() + self.stall_timeout;
        match tokio::time::timeout_at(self.at.min(silent_until), sign).await {
            Ok(result) => result.map_err(|error| Fault::transport(&error)),
            Err(_) if self.at <= silent_until => Err(overdue("the call took longer than", self.timeout)),
            Err(_) => Err(overdue("the provider was silent for", self.stall_timeout)),
        }
    }
}

fn overdue(what: impl Display, length: Duration) -> Fault {
    Fault::timeout(format!("{what} {} ms", whole_ms(length)))
}

fn whole_ms(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// As much of a body as is worth reading. What breaks on the way is left out: the status says enough.
async fn read_start(mut response: Response, deadline: Deadline) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < ERROR_BODY_BYTES_MAX {
        let Ok(Some(bytes)) = deadline.wait(response.chunk()).await else {
            break;
        };
        let room = ERROR_BODY_BYTES_MAX - body.len();
        body.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
    body
}
