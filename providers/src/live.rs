//! Speech recognition while somebody speaks: OpenAI's realtime transcription, `GET /realtime?intent=transcription` as a
//! WebSocket.
//!
//! A stream is opened by `session.update`, which wants PCM at 24 kHz and no ear of the provider's own (`turn_detection:
//! null`; the models that stream words take no other). Each utterance is appended to the stream's one buffer as it is
//! spoken and ended by `input_audio_buffer.commit`, which makes it an item, or by `clear`, which forgets it. What is
//! understood of an item comes as deltas, then whole with what was used. With `gpt-live-transcribe` and
//! `gpt-realtime-whisper` deltas come while somebody speaks, with OpenAI's other models after the commit.
//!
//! A committed utterance is one call. A stream takes any number, one after the other: the words of one may come while the
//! next is spoken. OpenAI ends a stream after an hour; then the events end, and whoever speaks opens another.
//!
//! A room for each part: `wire` is what is said, `handshake` opens the socket, `encoder` makes messages of samples,
//! `utterances` knows whose words are whose, `line` is what lies between the halves that a caller holds and the task,
//! which is in `exchange`.

mod encoder;
mod exchange;
mod handshake;
mod line;
mod utterances;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use greenroom_protocol::Millis;
use greenroom_session::ports::{
    CallFailure, LiveTranscriber, LiveTranscription, LiveTranscriptionRequest, ModelIdentity,
};
use tokio::time::Instant;

use self::exchange::Exchange;
use self::handshake::{Opened, Refused};
use self::line::Line;
use crate::call::{Deadline, verdict};
use crate::circuit::Verdict;
use crate::config::EndpointConfig;
use crate::endpoint::{BuildError, Endpoint, ProviderStatus};
use crate::failure::Fault;
use crate::operation::Operation;
use crate::price::PriceTable;
use crate::probe::{PROBE_TIMEOUT, ProbeReport};

/// What makes a realtime session one that transcribes.
const INTENT: &str = "intent=transcription";
/// How long a stream may take to open, from the connection to its being ready.
const OPEN_TIMEOUT: Millis = Millis(10_000);

/// Speech recognition while somebody speaks, by OpenAI, or by whatever speaks its protocol. A clone is the same provider.
#[derive(Debug, Clone)]
pub struct OpenAiLiveTranscriber {
    endpoint: Arc<Endpoint>,
}

impl OpenAiLiveTranscriber {
    /// A provider by its configuration. Sends nothing.
    pub fn new(config: EndpointConfig, prices: PriceTable) -> Result<Self, BuildError> {
        let mut endpoint = Endpoint::new(Operation::LiveTranscriptions, config, None, prices)?;
        endpoint.url.set_query(Some(INTENT));
        Ok(Self {
            endpoint: Arc::new(endpoint),
        })
    }

    /// Whether a stream can be opened, with this key and this model. Costs nothing; the circuit neither hinders nor hears
    /// of it.
    pub async fn probe(&self) -> ProbeReport {
        let started = Instant::now();
        let timeout = PROBE_TIMEOUT;
        let opened = self.stream(&LiveTranscriptionRequest::default(), timeout).await;
        let refused = opened.err();
        self.endpoint
            .opening_report(started, refused.map(|refused| (refused.status, refused.fault)))
    }

    /// How it fares, for `/health/detailed` and for operators.
    pub fn status(&self) -> ProviderStatus {
        self.endpoint.status()
    }

    /// Lets calls through again at once: an operator knows that the provider is back.
    pub fn reset_circuit(&self) {
        self.endpoint.reset_circuit();
    }

    async fn stream(&self, request: &LiveTranscriptionRequest, timeout: Millis) -> Result<Opened, Refused> {
        let deadline = Deadline::new(timeout, timeout);
        let configuration = wire::configure(&self.endpoint.model, request);
        handshake::open(&self.endpoint, configuration, &deadline).await
    }

    fn record_opening(&self, outcome: &'static str) {
        let (provider, model) = (self.endpoint.name.clone(), self.endpoint.model.clone());
        metrics::counter!(
            "greenroom_stt_streams_total",
            "provider" => provider, "model" => model, "outcome" => outcome
        )
        .increment(1);
    }
}

#[async_trait]
impl LiveTranscriber for OpenAiLiveTranscriber {
    async fn open(&self, request: LiveTranscriptionRequest) -> Result<LiveTranscription, CallFailure> {
        let suspended = |wait| self.endpoint.failure(&Fault::suspended(wait));
        let permit = self.endpoint.breaker.admit().map_err(suspended)?;
        match self.stream(&request, OPEN_TIMEOUT).await {
            Ok(opened) => {
                permit.settle(Verdict::Healthy {
                    error: None,
                    first_token: None,
                });
                self.record_opening("opened");
                let line = Arc::new(Line::default());
                let halves = line::halves(&line);
                // It ends when either half is dropped, or with the stream.
                tokio::spawn(Exchange::run(Arc::clone(&self.endpoint), line, opened));
                Ok(halves)
            }
            Err(Refused { fault, .. }) => {
                let failure = self.endpoint.failure(&fault);
                permit.settle(verdict(&fault, failure.code, None));
                self.record_opening(failure.code.as_str());
                tracing::info!(
                    provider = self.endpoint.name,
                    model = self.endpoint.model,
                    outcome = failure.code.as_str(),
                    reason = failure.reason,
                    "live stream not opened"
                );
                Err(failure)
            }
        }
    }

    fn identity(&self) -> Option<ModelIdentity> {
        Some(self.endpoint.identity())
    }
}

#[cfg(test)]
mod tests;
