//! The configured providers: the ports for the actors, for ears and mouth, and how each of them fares.

use std::sync::Arc;

use greenroom_providers::{
    BuildError, EndpointConfig, OpenAi, OpenAiConfig, OpenAiLiveTranscriber, OpenAiModerator, OpenAiSpeaker,
    OpenAiTranscriber, PriceTable, PriceTableError, ProviderStatus, Unconfigured,
};
use greenroom_session::ports::{
    Capabilities, LanguageModel, LiveTranscriber, ModerationPolicy, Moderator, Speaker, Transcriber,
};

use crate::config::{Config, Dependency, LlmSettings, ServiceServer};

/// All of them. What is not configured answers every call by saying so.
#[derive(Clone)]
pub struct Providers {
    /// Writes.
    pub llm: Option<OpenAi>,
    /// Turns speech into words.
    pub stt: Option<OpenAiTranscriber>,
    /// Turns speech into words while it is spoken.
    pub live_stt: Option<OpenAiLiveTranscriber>,
    /// Turns words into speech.
    pub tts: Option<OpenAiSpeaker>,
    /// Checks texts.
    pub moderation: Option<OpenAiModerator>,
    moderate_input: ModerationPolicy,
    moderate_output: ModerationPolicy,
}

/// A provider by what it does here, as operators name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Writes, and searches.
    Llm,
    /// Turns speech into words.
    Stt,
    /// Turns speech into words while it is spoken.
    LiveStt,
    /// Turns words into speech.
    Tts,
    /// Checks texts.
    Moderation,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Llm, Self::Stt, Self::LiveStt, Self::Tts, Self::Moderation];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Llm => "llm",
            Self::Stt => "stt",
            Self::LiveStt => "stt_live",
            Self::Tts => "tts",
            Self::Moderation => "moderation",
        }
    }

    /// The service of this name, if there is one.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

/// What the actors, the ears and the mouth know of the providers.
#[derive(Clone)]
pub struct ProviderPorts {
    /// Writes.
    pub model: Arc<dyn LanguageModel>,
    /// Turns speech into words.
    pub transcriber: Arc<dyn Transcriber>,
    /// Turns speech into words while it is spoken, where somebody does; else it is recognised once it is complete.
    pub live_transcriber: Option<Arc<dyn LiveTranscriber>>,
    /// Turns words into speech.
    pub speaker: Arc<dyn Speaker>,
    /// Checks texts.
    pub moderator: Arc<dyn Moderator>,
    /// Whether what users say is checked.
    pub moderate_input: ModerationPolicy,
    /// Whether what models write is checked.
    pub moderate_output: ModerationPolicy,
}

impl ProviderPorts {
    /// What they can do, and what is checked.
    pub fn capabilities(&self) -> Capabilities {
        Capabilities {
            llm: self.model.identity(),
            search: self.model.can_search(),
            take_up: self.model.can_take_up(),
            stt: self.transcriber.identity(),
            tts: self.speaker.identity(),
            moderation: self.moderator.identity(),
            moderate_input: self.moderate_input,
            moderate_output: self.moderate_output,
        }
    }
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum ProvidersError {
    /// An address, a key or a model's name is wrong.
    #[error("{setting}: {error}", setting = setting_of(section, error))]
    Build {
        /// Of which section.
        section: &'static str,
        /// What.
        error: BuildError,
    },
    /// The price table cannot be used.
    #[error("llm.prices: {0}")]
    Prices(#[from] PriceTableError),
}

impl ProvidersError {
    /// The section of the provider that could not be made.
    pub fn section(&self) -> Option<&'static str> {
        match self {
            Self::Build { section, .. } => Some(section),
            Self::Prices(_) => None,
        }
    }
}

fn setting_of(section: &str, error: &BuildError) -> String {
    match error {
        BuildError::BaseUrl(_) => format!("{section}.base_url"),
        BuildError::KeyMissing | BuildError::KeyInvalid => format!("{section}.api_key"),
        BuildError::NameMissing | BuildError::Http(_) => section.to_owned(),
    }
}

impl Providers {
    /// The providers that the settings describe. Without a key there is one only if it is not OpenAI itself, which has
    /// no use for a call without a key. What is wrong with the settings comes beside them; prices that cannot be read do
    /// not hide what else is.
    pub fn from_settings(config: &Config) -> (Self, Vec<ProvidersError>) {
        let mut faults = Vec::new();
        let read = config.llm.prices.as_deref().map(PriceTable::read);
        let prices = read.transpose().unwrap_or_else(|error| {
            faults.push(error.into());
            None
        });
        let prices = prices.unwrap_or_else(PriceTable::built_in);
        let mut builder = Builder {
            prices,
            faults,
            llm_server: config.llm.base_url.as_deref(),
        };
        let moderation = config.moderation.service.server();
        let providers = Self {
            llm: builder.llm(&config.llm),
            stt: builder.service("stt", config.stt.server(), OpenAiTranscriber::new),
            live_stt: builder.service("stt", config.live_stt.as_ref(), OpenAiLiveTranscriber::new),
            tts: builder.service("tts", config.tts.server(), OpenAiSpeaker::new),
            moderation: builder.service("moderation", moderation, OpenAiModerator::new),
            moderate_input: config.moderation.input,
            moderate_output: config.moderation.output,
        };
        (providers, builder.faults)
    }

    /// Their ports.
    pub fn ports(&self) -> ProviderPorts {
        let mut ports = ProviderPorts {
            model: Arc::new(Unconfigured),
            transcriber: Arc::new(Unconfigured),
            live_transcriber: None,
            speaker: Arc::new(Unconfigured),
            moderator: Arc::new(Unconfigured),
            moderate_input: self.moderate_input,
            moderate_output: self.moderate_output,
        };
        if let Some(provider) = &self.llm {
            ports.model = Arc::new(provider.clone());
        }
        if let Some(provider) = &self.stt {
            ports.transcriber = Arc::new(provider.clone());
        }
        if let Some(provider) = &self.live_stt {
            ports.live_transcriber = Some(Arc::new(provider.clone()));
        }
        if let Some(provider) = &self.tts {
            ports.speaker = Arc::new(provider.clone());
        }
        if let Some(provider) = &self.moderation {
            ports.moderator = Arc::new(provider.clone());
        }
        ports
    }

    /// How the provider of something fares; none if there is none. Search is the language model's.
    pub fn status(&self, dependency: Dependency) -> Option<ProviderStatus> {
        match dependency {
            Dependency::Llm | Dependency::Search => self.llm.as_ref().map(OpenAi::status),
            Dependency::Stt => self.stt.as_ref().map(OpenAiTranscriber::status),
            Dependency::Tts => self.tts.as_ref().map(OpenAiSpeaker::status),
            Dependency::Moderation => self.moderation.as_ref().map(OpenAiModerator::status),
        }
    }

    /// How the provider fares that hears while somebody speaks; none if speech is recognised once it is complete.
    pub fn live_status(&self) -> Option<ProviderStatus> {
        self.live_stt.as_ref().map(OpenAiLiveTranscriber::status)
    }

    /// How the provider of a service fares; none if there is none.
    pub fn service_status(&self, service: Service) -> Option<ProviderStatus> {
        match service {
            Service::Llm => self.status(Dependency::Llm),
            Service::Stt => self.status(Dependency::Stt),
            Service::LiveStt => self.live_status(),
            Service::Tts => self.status(Dependency::Tts),
            Service::Moderation => self.status(Dependency::Moderation),
        }
    }

    /// Lets calls through again to the provider of a service. Says whether there is one.
    pub fn reset_circuit(&self, service: Service) -> bool {
        match service {
            Service::Llm => self.llm.as_ref().map(OpenAi::reset_circuit),
            Service::Stt => self.stt.as_ref().map(OpenAiTranscriber::reset_circuit),
            Service::LiveStt => self.live_stt.as_ref().map(OpenAiLiveTranscriber::reset_circuit),
            Service::Tts => self.tts.as_ref().map(OpenAiSpeaker::reset_circuit),
            Service::Moderation => self.moderation.as_ref().map(OpenAiModerator::reset_circuit),
        }
        .is_some()
    }

    /// Whether a dependency is met.
    pub fn meets(&self, dependency: Dependency) -> bool {
        match dependency {
            Dependency::Llm => self.llm.is_some(),
            Dependency::Search => self.llm.as_ref().is_some_and(LanguageModel::can_search),
            Dependency::Stt => self.stt.is_some(),
            Dependency::Tts => self.tts.is_some(),
            Dependency::Moderation => self.moderation.is_some(),
        }
    }
}

/// Makes one provider after the other; the fault of one does not hide those of others.
struct Builder<'a> {
    prices: PriceTable,
    faults: Vec<ProvidersError>,
    llm_server: Option<&'a str>,
}

impl Builder<'_> {
    fn llm(&mut self, settings: &LlmSettings) -> Option<OpenAi> {
        let endpoint = EndpointConfig {
            base_url: settings.base_url.clone(),
            api_key: settings.api_key.clone(),
            ..EndpointConfig::new(&settings.provider, &settings.model)
        };
        let config = OpenAiConfig {
            api: settings.api,
            background: settings.background,
            ..OpenAiConfig::new(endpoint, &settings.small_model)
        };
        let built = OpenAi::new(config, self.prices.clone());
        self.built("llm", built)
    }

    fn service<P>(
        &mut self,
        section: &'static str,
        server: Option<&ServiceServer>,
        make: fn(EndpointConfig, PriceTable) -> Result<P, BuildError>,
    ) -> Option<P> {
        let ServiceServer {
            provider,
            base_url,
            api_key,
            model,
        } = server?.clone();
        // Of an address that is the language model's, or of a section that has two providers, it has been said already.
        let told = self.faults.iter().any(|fault| fault.section() == Some(section));
        let repeated = told || base_url.as_deref() == self.llm_server;
        let config = EndpointConfig {
            base_url,
            api_key,
            ..EndpointConfig::new(provider, model)
        };
        match make(config, self.prices.clone()) {
            Err(_) if repeated && !self.faults.is_empty() => None,
            built => self.built(section, built),
        }
    }

    fn built<P>(&mut self, section: &'static str, built: Result<P, BuildError>) -> Option<P> {
        match built {
            Ok(provider) => Some(provider),
            Err(BuildError::KeyMissing) => None,
            Err(error) => {
                self.faults.push(ProvidersError::Build { section, error });
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ServeArgs;
    use crate::config::load_from;

    fn read(variables: &[(&str, &str)]) -> (Providers, Vec<ProvidersError>) {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let folder = tempfile::tempdir().unwrap();
        Providers::from_settings(&load_from(&ServeArgs::default(), variables, folder.path()).unwrap())
    }

    #[test]
    fn without_a_key_there_is_a_provider_only_at_an_address_of_its_own() {
        let check = |variables: &[(&str, &str)], llm, search, speech| {
            let (providers, faults) = read(variables);
            assert!(faults.is_empty(), "{faults:?}");
            let met = [
                Dependency::Llm,
                Dependency::Search,
                Dependency::Stt,
                Dependency::Tts,
                Dependency::Moderation,
            ]
            .map(|dependency| providers.meets(dependency));
            assert_eq!(met, [llm, search, speech, speech, speech], "{variables:?}");
        };
        check(&[], false, false, false);
        let openai = ("OPENAI_BASE_URL", "https://api.openai.com/v1");
        check(&[openai], false, false, false);
        check(&[("OPENAI_API_KEY", "sk-x")], true, true, true);
        let own = ("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1");
        check(&[own], true, false, false);
        check(&[own, ("GREENROOM_LLM__API", "responses")], true, true, false);
    }

    #[test]
    fn stages_go_on_in_the_background_at_openai_and_where_it_is_asked_for() {
        let takes_up = |variables: &[(&str, &str)]| {
            let (providers, faults) = read(variables);
            assert!(faults.is_empty(), "{faults:?}");
            providers.ports().capabilities().take_up
        };
        let key = ("OPENAI_API_KEY", "sk-x");
        assert!(!takes_up(&[]));
        assert!(takes_up(&[key]));
        assert!(!takes_up(&[key, ("GREENROOM_LLM__BACKGROUND", "off")]));
        assert!(!takes_up(&[key, ("GREENROOM_LLM__API", "chat")]));
        let own = ("OPENAI_BASE_URL", "http://127.0.0.1:9/v1");
        let responses = ("GREENROOM_LLM__API", "responses");
        assert!(!takes_up(&[own]));
        assert!(!takes_up(&[own, responses]));
        assert!(takes_up(&[own, responses, ("GREENROOM_LLM__BACKGROUND", "on")]));
    }

    #[test]
    fn speech_is_recognised_live_at_openai_and_where_it_is_asked_for() {
        let live = |variables: &[(&str, &str)]| {
            let (providers, faults) = read(variables);
            assert!(faults.is_empty(), "{faults:?}");
            let port = providers.ports().live_transcriber;
            assert_eq!(port.is_some(), providers.live_status().is_some());
            port.and_then(|port| port.identity())
                .map(|identity| identity.model)
        };
        let key = ("OPENAI_API_KEY", "sk-x");
        assert_eq!(live(&[]), None);
        assert_eq!(live(&[key]).as_deref(), Some("gpt-live-transcribe"));
        assert_eq!(live(&[key, ("GREENROOM_STT__REALTIME", "off")]), None);
        let whisper = ("GREENROOM_STT__BASE_URL", "http://127.0.0.1:9/v1");
        let model = ("GREENROOM_STT__MODEL", "whisper");
        assert_eq!(live(&[key, whisper, model]), None);
        let on = ("GREENROOM_STT__REALTIME", "on");
        assert_eq!(live(&[whisper, model, on]).as_deref(), Some("whisper"));
        let named = ("GREENROOM_STT__REALTIME_MODEL", "sim-ears");
        assert_eq!(live(&[whisper, model, named]).as_deref(), Some("sim-ears"));
    }

    #[test]
    fn capabilities_name_each_model_and_what_is_checked() {
        let (providers, _) = read(&[
            ("OPENAI_BASE_URL", "http://127.0.0.1:9/v1"),
            ("GREENROOM_STT__MODEL", "sim-ears"),
            ("GREENROOM_MODERATION__MODEL", "omni"),
            ("GREENROOM_MODERATION__OUTPUT", "best_effort"),
        ]);
        let capabilities = providers.ports().capabilities();
        let stt = capabilities.stt.unwrap();
        assert_eq!((stt.model.as_str(), stt.simulated), ("sim-ears", true));
        assert_eq!(capabilities.tts, None);
        assert_eq!(capabilities.moderation.unwrap().model, "omni");
        assert_eq!(capabilities.moderate_input, ModerationPolicy::Required);
        assert_eq!(capabilities.moderate_output, ModerationPolicy::BestEffort);
    }

    #[test]
    fn each_address_that_cannot_be_used_is_told_once() {
        let faults = |variables: &[(&str, &str)]| {
            let (_, faults) = read(variables);
            faults.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let told = faults(&[
            ("OPENAI_BASE_URL", "ftp://x"),
            ("GREENROOM_STT__MODEL", "ears"),
            ("GREENROOM_STT__REALTIME", "on"),
            ("GREENROOM_TTS__MODEL", "voice"),
            ("GREENROOM_TTS__BASE_URL", "ftp://y"),
        ]);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("llm.base_url: ") && told[1].starts_with("tts.base_url: "));
        let told = faults(&[
            ("GREENROOM_STT__MODEL", "ears"),
            ("GREENROOM_STT__REALTIME", "on"),
            ("GREENROOM_STT__BASE_URL", "ftp://x"),
        ]);
        assert_eq!(told.len(), 1, "{told:?}");
    }
}
