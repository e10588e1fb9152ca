//! The language model's provider: the port for the actors, and its health for operators.

use std::sync::Arc;

use greenroom_providers::{
    BuildError, EndpointConfig, OpenAi, OpenAiConfig, PriceTable, PriceTableError, ProviderStatus,
    Unconfigured,
};
use greenroom_session::ports::{Capabilities, LanguageModel};

use crate::config::{Dependency, LlmSettings};

/// The configured provider, or none.
#[derive(Clone)]
pub enum Llm {
    /// Calls are answered with `LLM_NOT_CONFIGURED`.
    NotConfigured,
    /// OpenAI, or what speaks its protocol.
    OpenAi(OpenAi),
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum LlmError {
    /// The address, the key or a model's name is wrong.
    #[error("{setting}: {0}", setting = setting_of(.0))]
    Build(#[from] BuildError),
    /// The price table cannot be used.
    #[error("llm.prices: {0}")]
    Prices(#[from] PriceTableError),
}

fn setting_of(error: &BuildError) -> &'static str {
    match error {
        BuildError::BaseUrl(_) => "llm.base_url",
        BuildError::KeyMissing | BuildError::KeyInvalid => "llm.api_key",
        BuildError::NameMissing | BuildError::Http(_) => "llm",
    }
}

impl Llm {
    /// The provider that the settings describe. Without a key there is one only if it is not OpenAI itself, which has
    /// no use for a call without a key. What is wrong with the settings is added to the faults; prices that cannot be
    /// read do not hide what else is.
    pub fn from_settings(settings: &LlmSettings, faults: &mut Vec<LlmError>) -> Option<Self> {
        let read = settings.prices.as_deref().map(PriceTable::read);
        let prices = read.transpose().unwrap_or_else(|error| {
            faults.push(error.into());
            None
        });
        let prices = prices.unwrap_or_else(PriceTable::built_in);
        let endpoint = EndpointConfig {
            base_url: settings.base_url.clone(),
            api_key: settings.api_key.clone(),
            ..EndpointConfig::new(&settings.provider, &settings.model)
        };
        let config = OpenAiConfig {
            api: settings.api,
            ..OpenAiConfig::new(endpoint, &settings.small_model)
        };
        match OpenAi::new(config, prices) {
            Ok(provider) => Some(Self::OpenAi(provider)),
            Err(BuildError::KeyMissing) => Some(Self::NotConfigured),
            Err(error) => {
                faults.push(error.into());
                None
            }
        }
    }

    /// The port.
    pub fn port(&self) -> Arc<dyn LanguageModel> {
        match self {
            Self::NotConfigured => Arc::new(Unconfigured),
            Self::OpenAi(provider) => Arc::new(provider.clone()),
        }
    }

    /// How it fares; none if there is no provider.
    pub fn status(&self) -> Option<ProviderStatus> {
        match self {
            Self::NotConfigured => None,
            Self::OpenAi(provider) => Some(provider.status()),
        }
    }

    /// What it can do.
    pub fn capabilities(&self) -> Capabilities {
        let port = self.port();
        Capabilities {
            llm: port.identity(),
            search: port.can_search(),
            ..Capabilities::default()
        }
    }

    /// Whether a dependency is met.
    pub fn meets(&self, dependency: Dependency) -> bool {
        let capabilities = self.capabilities();
        match dependency {
            Dependency::Llm => capabilities.llm.is_some(),
            Dependency::Search => capabilities.search,
            Dependency::Stt => capabilities.stt.is_some(),
            Dependency::Tts => capabilities.tts.is_some(),
            Dependency::Moderation => capabilities.moderation.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ServeArgs;
    use crate::config::load_from;

    fn llm(variables: &[(&str, &str)]) -> Llm {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let folder = tempfile::tempdir().unwrap();
        let config = load_from(&ServeArgs::default(), variables, folder.path()).unwrap();
        Llm::from_settings(&config.llm, &mut Vec::new()).unwrap()
    }

    #[test]
    fn without_a_key_there_is_a_provider_only_at_an_address_of_its_own() {
        let check = |variables: &[(&str, &str)], configured, search| {
            let llm = llm(variables);
            assert_eq!(llm.meets(Dependency::Llm), configured, "{variables:?}");
            assert_eq!(llm.meets(Dependency::Search), search, "{variables:?}");
        };
        check(&[], false, false);
        check(&[("OPENAI_BASE_URL", "https://api.openai.com/v1")], false, false);
        check(&[("OPENAI_API_KEY", "sk-x")], true, true);
        check(&[("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1")], true, false);
        let own = ("OPENAI_BASE_URL", "http://127.0.0.1:9/v1");
        check(&[own, ("GREENROOM_LLM__API", "responses")], true, true);
    }
}
