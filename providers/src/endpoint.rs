//! One operation at one server: what all calls to it share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use greenroom_session::ports::{CallFailure, ModelIdentity};
use greenroom_session::{CallCost, Usage};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::circuit::{Breaker, CircuitStatus};
use crate::config::{Address, EndpointConfig, is_simulated};
use crate::failure::{Fault, root_cause};
use crate::operation::Operation;
use crate::price::PriceTable;

const USER_AGENT: &str = concat!("greenroom/", env!("CARGO_PKG_VERSION"));

/// An idle connection is closed before the usual servers and gateways close it under a request.
const POOL_IDLE: Duration = Duration::from_secs(30);
/// A shorter key is a placeholder, such as local servers ask for; it may well be part of a model's name.
const SECRET_BYTES_MIN: usize = 8;

/// What an operator sees of a provider.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProviderStatus {
    /// Its configured name.
    pub name: String,
    /// The model; of a language model's provider, the capable one.
    pub model: String,
    /// The quick and cheap model of a language model's provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub small_model: Option<String>,
    /// `responses`, `chat_completions`, `transcriptions`, `live_transcriptions`, `speech` or `moderations`.
    pub api: &'static str,
    /// Whether it is a simulator.
    pub simulated: bool,
    /// Whether calls go through, and how they fare.
    pub circuit: CircuitStatus,
}

/// Why a configuration makes no provider. None of them repeats a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The base URL is none.
    #[error("the base URL cannot be used: {0}")]
    BaseUrl(String),
    /// OpenAI wants a key, and there is none.
    #[error("OpenAI needs an API key; only a server with a base URL of its own may do without")]
    KeyMissing,
    /// The key cannot stand in a header.
    #[error("the API key is empty, or contains characters that no key has")]
    KeyInvalid,
    /// A model has no name.
    #[error("the name of the provider, or of a model, is empty")]
    NameMissing,
    /// The HTTP client cannot be made, for want of root certificates, say.
    #[error("the HTTP client cannot be made: {0}")]
    Http(String),
}

/// What all calls to one operation of a provider share.
pub(crate) struct Endpoint {
    pub(crate) operation: Operation,
    pub(crate) name: String,
    pub(crate) model: String,
    pub(crate) small_model: Option<String>,
    /// Whether one of the models is a simulator's; then the provider is one.
    pub(crate) simulated: bool,
    /// Where calls go.
    pub(crate) url: Url,
    /// Where the server lists its models.
    pub(crate) models_url: Url,
    pub(crate) http: Client,
    pub(crate) breaker: Arc<Breaker>,
    key: Option<SecretString>,
    prices: PriceTable,
}

impl Endpoint {
    /// One operation at the configured server. A language model's has a small model, too.
    pub(crate) fn new(
        operation: Operation,
        config: EndpointConfig,
        small_model: Option<String>,
        prices: PriceTable,
    ) -> Result<Self, BuildError> {
        let is_empty = |name: &String| name.trim().is_empty();
        if is_empty(&config.name) || is_empty(&config.model) || small_model.as_ref().is_some_and(is_empty) {
            return Err(BuildError::NameMissing);
        }
        let address = Address::parse(config.base_url.as_deref())?;
        if config.api_key.is_none() && address.is_openai() {
            return Err(BuildError::KeyMissing);
        }
        if config.api_key.is_some() && !address.is_encrypted() && !address.is_loopback() {
            tracing::warn!(
                provider = config.name,
                "the API key is sent over an unencrypted connection"
            );
        }
        Ok(Self {
            operation,
            simulated: is_simulated(&config.model) || small_model.as_deref().is_some_and(is_simulated),
            url: address.endpoint(operation.path()),
            models_url: address.endpoint(&["models"]),
            http: http_client(&config, &address)?,
            breaker: Arc::new(Breaker::new(config.circuit)),
            name: config.name,
            model: config.model,
            small_model,
            key: config.api_key,
            prices,
        })
    }

    /// How it fares, for `/health/detailed` and for operators.
    pub(crate) fn status(&self) -> ProviderStatus {
        ProviderStatus {
            name: self.name.clone(),
            model: self.model.clone(),
            small_model: self.small_model.clone(),
            api: self.operation.name(),
            simulated: self.simulated,
            circuit: self.breaker.status(),
        }
    }

    /// Lets calls through again, whatever the circuit has seen.
    pub(crate) fn reset_circuit(&self) {
        self.breaker.reset();
        tracing::info!(
            provider = self.name,
            api = self.operation.name(),
            "the circuit was reset"
        );
    }

    /// Who answers, as it is known before a call.
    pub(crate) fn identity(&self) -> ModelIdentity {
        ModelIdentity {
            provider: self.name.clone(),
            model: self.model.clone(),
            simulated: self.simulated,
        }
    }

    /// The address of something below its own.
    pub(crate) fn below(&self, path: &[&str]) -> Url {
        let mut url = self.url.clone();
        url.path_segments_mut()
            .expect("an http URL always has a path")
            .extend(path);
        url
    }

    /// What a call cost. A server that answers under another name, such as a gateway, is paid for what was asked of it.
    pub(crate) fn cost(&self, answered_by: &str, asked_for: &str, usage: Option<&Usage>) -> CallCost {
        match self.prices.cost(answered_by, usage) {
            CallCost::Unknown => self.prices.cost(asked_for, usage),
            known @ CallCost::Known(_) => known,
        }
    }

    /// A failure that is no call's.
    pub(crate) fn failure(&self, fault: &Fault) -> CallFailure {
        CallFailure {
            code: self.operation.code(fault.failing),
            retryable: fault.retryable,
            retry_after: fault.retry_after,
            reason: self.without_key(fault.reason.clone()),
            receipt: None,
        }
    }

    /// What the provider or the system said, without the key in case it said that.
    pub(crate) fn without_key(&self, text: String) -> String {
        match self.key.as_ref().map(SecretString::expose_secret) {
            Some(key) if key.len() >= SECRET_BYTES_MIN && text.contains(key) => {
                text.replace(key, "[redacted]")
            }
            _ => text,
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.status()).finish()
    }
}

fn http_client(config: &EndpointConfig, address: &Address) -> Result<Client, BuildError> {
    // An error says that the process has a provider of cryptography already, and any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut headers = HeaderMap::new();
    if let Some(key) = &config.api_key {
        headers.insert(AUTHORIZATION, authorization(key)?);
    }
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(headers)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // One request is one call. What remains is hyper's own: a request of which nothing was written yet, because
        // the idle connection had just been closed, goes out on another.
        .retry(reqwest::retry::never())
        // All calls would share one HTTP/2 connection, and wait for each other beyond its limit of streams.
        .http1_only()
        .pool_idle_timeout(POOL_IDLE)
        .connect_timeout(config.connect_timeout);
    if address.is_loopback() {
        builder = builder.no_proxy();
    }
    if !address.is_encrypted() {
        // A machine without root certificates may well talk to itself.
        builder = builder.tls_certs_only([]);
    }
    builder
        .build()
        .map_err(|error| BuildError::Http(root_cause(&error)))
}

fn authorization(key: &SecretString) -> Result<HeaderValue, BuildError> {
    let key = key.expose_secret();
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(BuildError::KeyInvalid);
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| BuildError::KeyInvalid)?;
    value.set_sensitive(true);
    Ok(value)
}
