//! The provider itself: built once from the configuration, then asked.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use greenroom_protocol::Millis;
use greenroom_session::ports::{CallFailure, LanguageModel, LlmIdentity, ModelRequest, ModelStream};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use tokio::time::Instant;

use crate::call::Call;
use crate::circuit::{Breaker, CircuitStatus};
use crate::config::{Address, OpenAiConfig, Protocol, is_simulated};
use crate::failure::{Fault, root_cause};
use crate::price::PriceTable;

const USER_AGENT: &str = concat!("greenroom/", env!("CARGO_PKG_VERSION"));

/// An idle connection is closed before the usual servers and gateways close it under a request.
const POOL_IDLE: Duration = Duration::from_secs(30);
/// A shorter key is a placeholder, such as local servers ask for; it may well be part of a model's name.
const SECRET_BYTES_MIN: usize = 8;
/// How long a provider may take to show that it is there.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// OpenAI, or whatever speaks its protocol. A clone is the same provider.
#[derive(Clone)]
pub struct OpenAi {
    provider: Arc<Provider>,
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
    #[error("the name of the provider, of `model` or of `small_model` is empty")]
    NameMissing,
    /// The HTTP client cannot be made, for want of root certificates, say.
    #[error("the HTTP client cannot be made: {0}")]
    Http(String),
}

/// What an operator sees of a provider.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProviderStatus {
    /// Its configured name.
    pub name: String,
    /// The capable model.
    pub model: String,
    /// The quick and cheap model.
    pub small_model: String,
    /// `responses` or `chat_completions`.
    pub api: &'static str,
    /// Whether it is a simulator.
    pub simulated: bool,
    /// Whether calls go through, and how they fare.
    pub circuit: CircuitStatus,
}

/// What all calls to one provider share.
pub(crate) struct Provider {
    pub(crate) config: OpenAiConfig,
    pub(crate) protocol: Protocol,
    /// Whether one of the models is a simulator's; then the provider is one.
    pub(crate) simulated: bool,
    pub(crate) generate_url: Url,
    models_url: Url,
    pub(crate) http: Client,
    pub(crate) prices: PriceTable,
    pub(crate) breaker: Arc<Breaker>,
}

impl OpenAi {
    /// A provider by its configuration. Sends nothing.
    pub fn new(config: OpenAiConfig, prices: PriceTable) -> Result<Self, BuildError> {
        if [&config.name, &config.model, &config.small_model]
            .iter()
            .any(|name| name.trim().is_empty())
        {
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
        let protocol = address.protocol(config.api);
        let generate_path: &[&str] = match protocol {
            Protocol::Responses => &["responses"],
            Protocol::ChatCompletions => &["chat", "completions"],
        };
        let provider = Provider {
            protocol,
            simulated: is_simulated(&config.model) || is_simulated(&config.small_model),
            generate_url: address.endpoint(generate_path),
            models_url: address.endpoint(&["models"]),
            http: http_client(&config, &address)?,
            prices,
            breaker: Arc::new(Breaker::new(config.circuit)),
            config,
        };
        Ok(Self {
            provider: Arc::new(provider),
        })
    }

    /// Whether the provider can be reached and takes the key: asks for its list of models, which costs nothing.
    /// Answers how long it took. The circuit neither hinders nor hears of it.
    pub async fn probe(&self) -> Result<Millis, CallFailure> {
        let started = Instant::now();
        let request = self.provider.http.get(self.provider.models_url.clone()).send();
        let fault = match tokio::time::timeout(PROBE_TIMEOUT, request).await {
            Ok(Ok(response)) if response.status().is_success() => {
                let latency_ms = started.elapsed().as_millis();
                return Ok(Millis(u64::try_from(latency_ms).unwrap_or(u64::MAX)));
            }
            // A body is not worth waiting for: the status says whether the key is good.
            Ok(Ok(response)) => Fault::status(response.status(), response.headers(), &[], SystemTime::now()),
            Ok(Err(error)) => Fault::transport(&error),
            Err(_) => Fault::timeout(format!("no answer within {} ms", PROBE_TIMEOUT.as_millis())),
        };
        Err(CallFailure {
            code: fault.code,
            retryable: fault.retryable,
            retry_after: fault.retry_after,
            reason: self.provider.without_key(fault.reason),
            receipt: None,
        })
    }

    /// How it fares, for `/health/detailed` and for operators.
    pub fn status(&self) -> ProviderStatus {
        let OpenAiConfig {
            name,
            model,
            small_model,
            ..
        } = &self.provider.config;
        ProviderStatus {
            name: name.clone(),
            model: model.clone(),
            small_model: small_model.clone(),
            api: match self.provider.protocol {
                Protocol::Responses => "responses",
                Protocol::ChatCompletions => "chat_completions",
            },
            simulated: self.provider.simulated,
            circuit: self.provider.breaker.status(),
        }
    }
}

impl std::fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OpenAi").field(&self.status()).finish()
    }
}

#[async_trait]
impl LanguageModel for OpenAi {
    /// `search` asks for nothing where [`LanguageModel::can_search`] is false.
    async fn generate(&self, request: ModelRequest) -> Result<ModelStream, CallFailure> {
        let call = Call::begin(Arc::clone(&self.provider), &request).await?;
        let events = stream::unfold(call, |mut call| async move {
            let event = call.next().await?;
            Some((event, call))
        });
        Ok(events.boxed())
    }

    fn identity(&self) -> Option<LlmIdentity> {
        Some(self.provider.identity())
    }

    fn can_search(&self) -> bool {
        self.provider.protocol == Protocol::Responses
    }
}

impl Provider {
    fn identity(&self) -> LlmIdentity {
        LlmIdentity {
            provider: self.config.name.clone(),
            model: self.config.model.clone(),
            small_model: self.config.small_model.clone(),
            simulated: self.simulated,
        }
    }

    /// What the provider or the system said, without the key in case it said that.
    pub(crate) fn without_key(&self, text: String) -> String {
        match self.config.api_key.as_ref().map(SecretString::expose_secret) {
            Some(key) if key.len() >= SECRET_BYTES_MIN && text.contains(key) => {
                text.replace(key, "[redacted]")
            }
            _ => text,
        }
    }
}

fn http_client(config: &OpenAiConfig, address: &Address) -> Result<Client, BuildError> {
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
