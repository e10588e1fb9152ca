//! How one provider is reached, and which of OpenAI's two protocols is spoken to it.

use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::CircuitLimits;
use crate::endpoint::BuildError;
use crate::operation::Operation;

/// Where OpenAI itself is.
const OPENAI_BASE_URL: &str = "https://api.openai.com/v1";
const OPENAI_HOST: &str = "api.openai.com";

/// What the names of a simulator's models start with.
const SIMULATED_PREFIX: &str = "sim-";

/// What turns speech into words unless another model is chosen. OpenAI has announced the end of all its other models for
/// this (`whisper-1`, `gpt-4o-transcribe`, `gpt-4o-mini-transcribe`) for 2027-02-26, and names this one in their place.
pub const TRANSCRIPTION_MODEL: &str = "gpt-transcribe";
/// What turns speech into words while it is spoken, unless another model is chosen: the one that OpenAI names for this.
/// Words come from it while somebody speaks, as from `gpt-realtime-whisper`; from every other model of OpenAI's
/// (`gpt-transcribe`, `gpt-4o-transcribe`, `gpt-4o-mini-transcribe`, `whisper-1`) they come once the utterance is complete.
pub const LIVE_TRANSCRIPTION_MODEL: &str = "gpt-live-transcribe";
/// What turns words into speech unless another model is chosen. OpenAI has announced its end for 2027-01-06, and that
/// of every other model that it serves by `POST /audio/speech`; other servers go on speaking that protocol.
pub const SPEECH_MODEL: &str = "gpt-4o-mini-tts";
/// What checks texts unless another model is chosen.
pub const MODERATION_MODEL: &str = "omni-moderation-latest";

/// A server, and the model that is asked there. All that transcription, speech and moderation need.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// What provenance, metrics and the operator's views call it, such as `openai` or `ollama`.
    pub name: String,
    /// Where it is, up to and including the version: `http://localhost:11434/v1`. None means OpenAI itself.
    pub base_url: Option<String>,
    /// Its key. A server that was given a `base_url` may have none: then no `Authorization` is sent.
    pub api_key: Option<SecretString>,
    /// The model. A name that starts with `sim-` says that the provider is a simulator.
    pub model: String,
    /// How long a connection may take to open, TLS included.
    pub connect_timeout: Duration,
    /// When calls to it are suspended.
    pub circuit: CircuitLimits,
}

/// A language model's server.
#[derive(Debug, Clone)]
pub struct OpenAiConfig {
    /// The server, and the capable model.
    pub endpoint: EndpointConfig,
    /// The quick and cheap model.
    pub small_model: String,
    /// Which protocol it speaks.
    pub api: ApiStyle,
    /// How Chat Completions limits a reply's length there.
    pub output_limit_field: OutputLimitField,
    /// Whether replies that may be are begun in the background.
    pub background: BackgroundMode,
}

impl EndpointConfig {
    /// A server with the defaults for everything that is not said here.
    pub fn new(name: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            base_url: None,
            api_key: None,
            model: model.into(),
            connect_timeout: Duration::from_secs(5),
            circuit: CircuitLimits::default(),
        }
    }
}

impl OpenAiConfig {
    /// A language model's server with the defaults for everything that is not said here.
    pub fn new(endpoint: EndpointConfig, small_model: impl Into<String>) -> Self {
        Self {
            endpoint,
            small_model: small_model.into(),
            api: ApiStyle::Auto,
            output_limit_field: OutputLimitField::MaxCompletionTokens,
            background: BackgroundMode::Auto,
        }
    }
}

/// Whether replies that may be are begun in the background, so that they can be taken up again. The provider keeps such
/// replies, and what was asked, for a while.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackgroundMode {
    /// At OpenAI itself, if the Responses API is spoken there.
    #[default]
    Auto,
    /// Wherever the Responses API is spoken. No other knows of it.
    On,
    /// Nowhere.
    Off,
}

/// Which of OpenAI's protocols is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiStyle {
    /// `POST /responses`: strict schemas and web search.
    Responses,
    /// `POST /chat/completions`: what nearly every other server speaks; no web search.
    ChatCompletions,
    /// `Responses` if no base URL is set or its host is `api.openai.com`, `ChatCompletions` for any other.
    /// Nothing is tried out: the same configuration always speaks the same protocol.
    #[default]
    Auto,
}

/// The name of the field that limits a Chat Completions reply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputLimitField {
    /// `max_completion_tokens`, which OpenAI's reasoning models insist on.
    #[default]
    MaxCompletionTokens,
    /// `max_tokens`, the only one that older servers know.
    MaxTokens,
}

/// A provider's address, validated.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    base: Url,
}

impl Address {
    /// Reads the configured address. One with credentials, a query or a fragment is refused: a key in a URL would
    /// end up in logs.
    pub(crate) fn parse(base_url: Option<&str>) -> Result<Self, BuildError> {
        let text = base_url.unwrap_or(OPENAI_BASE_URL);
        let base = Url::parse(text).map_err(|error| BuildError::BaseUrl(error.to_string()))?;
        let refusal = if !matches!(base.scheme(), "http" | "https") {
            Some("it must start with http:// or https://")
        } else if !base.username().is_empty() || base.password().is_some() {
            Some("it must not contain credentials; set the key instead")
        } else if base.query().is_some() || base.fragment().is_some() {
            Some("it must not contain a query or a fragment")
        } else {
            None
        };
        match refusal {
            Some(reason) => Err(BuildError::BaseUrl(reason.to_owned())),
            None => Ok(Self { base }),
        }
    }

    /// The address of one endpoint below the base.
    pub(crate) fn endpoint(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("an http URL always has a path")
            .pop_if_empty()
            .extend(path);
        url
    }

    /// Whether it is OpenAI itself, which has no use for a call without a key.
    pub(crate) fn is_openai(&self) -> bool {
        self.base.host_str() == Some(OPENAI_HOST)
    }

    /// Whether replies are begun in the background at this address, where this protocol is spoken.
    pub(crate) fn has_background(&self, mode: BackgroundMode, operation: Operation) -> bool {
        let is_wanted = match mode {
            BackgroundMode::Auto => self.is_openai(),
            BackgroundMode::On => true,
            BackgroundMode::Off => false,
        };
        is_wanted && operation == Operation::Responses
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.base.host_str().is_some_and(|host| {
            let address = host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .parse::<std::net::IpAddr>();
            host == "localhost" || address.is_ok_and(|address| address.is_loopback())
        })
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// The protocol that a style means at this address.
    pub(crate) fn protocol(&self, style: ApiStyle) -> Operation {
        match style {
            ApiStyle::Auto if self.is_openai() => Operation::Responses,
            ApiStyle::Responses => Operation::Responses,
            ApiStyle::ChatCompletions | ApiStyle::Auto => Operation::ChatCompletions,
        }
    }
}

/// Whether a model is a simulator's.
pub(crate) fn is_simulated(model: &str) -> bool {
    model.starts_with(SIMULATED_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_decided_by_the_host_alone() {
        let check = |base_url: Option<&str>, expected| {
            assert_eq!(
                Address::parse(base_url).unwrap().protocol(ApiStyle::Auto),
                expected,
                "{base_url:?}"
            );
        };
        check(None, Operation::Responses);
        check(Some("https://api.openai.com/v1/"), Operation::Responses);
        check(Some("https://API.OpenAI.com/v1"), Operation::Responses);
        check(Some("http://localhost:11434/v1"), Operation::ChatCompletions);
        check(
            Some("https://api.openai.com.example.org/v1"),
            Operation::ChatCompletions,
        );
    }

    #[test]
    fn a_style_can_be_forced() {
        let local = Address::parse(Some("http://localhost:9000/v1")).unwrap();
        assert_eq!(local.protocol(ApiStyle::Responses), Operation::Responses);
        let openai = Address::parse(None).unwrap();
        assert_eq!(
            openai.protocol(ApiStyle::ChatCompletions),
            Operation::ChatCompletions
        );
    }

    #[test]
    fn the_background_is_openais_unless_it_is_asked_for() {
        let check = |base_url: Option<&str>, operation, expected: [bool; 3]| {
            let address = Address::parse(base_url).unwrap();
            let modes = [BackgroundMode::Auto, BackgroundMode::On, BackgroundMode::Off];
            assert_eq!(
                modes.map(|mode| address.has_background(mode, operation)),
                expected,
                "{base_url:?}"
            );
        };
        let local = Some("http://localhost:9000/v1");
        check(None, Operation::Responses, [true, true, false]);
        check(None, Operation::ChatCompletions, [false; 3]);
        check(local, Operation::Responses, [false, true, false]);
        check(local, Operation::ChatCompletions, [false; 3]);
    }

    #[test]
    fn endpoints_hang_below_the_base_with_and_without_a_slash() {
        for base in ["http://localhost:1/v1", "http://localhost:1/v1/"] {
            let address = Address::parse(Some(base)).unwrap();
            assert_eq!(
                address.endpoint(&["chat", "completions"]).as_str(),
                "http://localhost:1/v1/chat/completions"
            );
        }
        assert_eq!(
            Address::parse(Some("http://h"))
                .unwrap()
                .endpoint(&["responses"])
                .as_str(),
            "http://h/responses"
        );
    }

    #[test]
    fn a_bad_base_url_is_refused_without_repeating_it() {
        let secret = "hunter2";
        for bad in [
            "ftp://h/v1",
            "nonsense",
            "http://me:hunter2@h/v1",
            "http://h/v1?key=hunter2",
            "http://h/#hunter2",
        ] {
            let error = Address::parse(Some(bad)).unwrap_err();
            assert!(!error.to_string().contains(secret), "{error}");
        }
    }

    #[test]
    fn loopback_is_recognised() {
        let check = |base_url: &str, expected| {
            assert_eq!(
                Address::parse(Some(base_url)).unwrap().is_loopback(),
                expected,
                "{base_url}"
            );
        };
        check("http://localhost:1", true);
        check("http://127.8.8.8", true);
        check("http://[::1]:80", true);
        check("http://localhost.example.org", false);
        check("http://10.0.0.1", false);
    }
}
