//! `[stt]`, `[tts]` and `[moderation]`: who listens, who speaks, who checks, and whether anybody is known to.

use greenroom_providers::{LIVE_TRANSCRIPTION_MODEL, MODERATION_MODEL, SPEECH_MODEL, TRANSCRIPTION_MODEL};
use greenroom_session::ports::ModerationPolicy;
use secrecy::SecretString;

use super::reader::Reader;
use super::settings::{LlmSettings, OPENAI, is_openai};

/// A service as the configuration describes it.
#[derive(Debug, Clone)]
pub enum ServiceSettings {
    /// It is at this server.
    At(ServiceServer),
    /// OpenAI would do it, but there is no key.
    KeyMissing,
    /// The language model's server is not OpenAI. Many such have no ears and no voice, so it is not asked before a
    /// model of it is named.
    ModelUnnamed,
}

/// The server that does it, which speaks OpenAI's protocol.
#[derive(Debug, Clone)]
pub struct ServiceServer {
    /// What provenance, metrics and the operator's views call it.
    pub provider: String,
    /// Where it is; none means OpenAI itself.
    pub base_url: Option<String>,
    /// Its key.
    pub api_key: Option<SecretString>,
    /// The model.
    pub model: String,
}

/// `[moderation]`
#[derive(Debug, Clone)]
pub struct ModerationSettings {
    /// Who checks.
    pub service: ServiceSettings,
    /// Whether what users say is checked.
    pub input: ModerationPolicy,
    /// Whether what models write is checked.
    pub output: ModerationPolicy,
}

/// The names of a service's settings, and the model of OpenAI that does it.
struct Names {
    section: &'static str,
    provider: &'static str,
    base_url: &'static str,
    api_key: &'static str,
    model: &'static str,
    openai_model: &'static str,
}

const STT: Names = Names {
    section: "stt",
    provider: "stt.provider",
    base_url: "stt.base_url",
    api_key: "stt.api_key",
    model: "stt.model",
    openai_model: TRANSCRIPTION_MODEL,
};

const TTS: Names = Names {
    section: "tts",
    provider: "tts.provider",
    base_url: "tts.base_url",
    api_key: "tts.api_key",
    model: "tts.model",
    openai_model: SPEECH_MODEL,
};

const MODERATION: Names = Names {
    section: "moderation",
    provider: "moderation.provider",
    base_url: "moderation.base_url",
    api_key: "moderation.api_key",
    model: "moderation.model",
    openai_model: MODERATION_MODEL,
};

impl ServiceSettings {
    pub(super) fn read_stt(reader: &mut Reader, llm: &LlmSettings) -> Self {
        Self::read(reader, &STT, llm)
    }

    pub(super) fn read_tts(reader: &mut Reader, llm: &LlmSettings) -> Self {
        Self::read(reader, &TTS, llm)
    }

    /// Who turns speech into words while it is spoken: the server that does it afterwards, if it can. OpenAI can. Of any
    /// other it has to be said, by the model's name or by `on`, because most have nothing but `/audio/transcriptions`.
    pub(super) fn read_live_stt(reader: &mut Reader, stt: &Self) -> Option<ServiceServer> {
        let choices = [("auto", None), ("on", Some(true)), ("off", Some(false))];
        let choice = reader.choice("stt.realtime", &choices).flatten();
        let model = reader.text("stt.realtime_model");
        let Some(server) = stt.server() else {
            if choice == Some(true) {
                let problem =
                    "nobody is configured who hears: set OPENAI_API_KEY, or stt.base_url and stt.model";
                reader.fault("stt.realtime", problem);
            }
            return None;
        };
        let openai = server.base_url.as_deref().is_none_or(is_openai);
        let wanted = choice.unwrap_or(openai || model.is_some());
        let default_model = || {
            if openai {
                LIVE_TRANSCRIPTION_MODEL.to_owned()
            } else {
                server.model.clone()
            }
        };
        wanted.then(|| ServiceServer {
            model: model.unwrap_or_else(default_model),
            ..server.clone()
        })
    }

    /// The server, if one is known.
    pub fn server(&self) -> Option<&ServiceServer> {
        match self {
            Self::At(server) => Some(server),
            Self::KeyMissing | Self::ModelUnnamed => None,
        }
    }

    /// With an address of its own a service has a key and a model of its own. Without one it is where the language
    /// model is; so `OPENAI_API_KEY` alone configures everything, and a local server is only asked for what is named.
    fn read(reader: &mut Reader, names: &Names, llm: &LlmSettings) -> Self {
        reader.refuse_in_file(names.api_key);
        let provider = reader.text(names.provider);
        let own_url = reader.text(names.base_url);
        let own_key = reader.secret(names.api_key);
        let model = reader.text(names.model);

        let with_llm = own_url.as_deref().is_none_or(|url| same_server(url, llm));
        let base_url = own_url.or_else(|| llm.base_url.clone());
        let openai = base_url.as_deref().is_none_or(is_openai);
        if openai && provider.as_deref().is_some_and(|provider| provider != OPENAI) {
            let problem = format!(
                "`{}` is to be found at OpenAI's address: set {} to its own, or call it {OPENAI}",
                provider.unwrap_or_default(),
                names.base_url
            );
            reader.fault(names.provider, &problem);
            return Self::KeyMissing;
        }
        let model = match model {
            Some(model) => model,
            None if openai => names.openai_model.to_owned(),
            None if !with_llm => {
                let problem = format!("name the model of the server at {}", names.base_url);
                reader.fault(names.model, &problem);
                return Self::ModelUnnamed;
            }
            None => {
                if own_key.is_some() {
                    let problem = format!(
                        "it is not said whose key it is: set {}, or {} for the server at llm.base_url",
                        names.base_url, names.model
                    );
                    reader.fault(names.api_key, &problem);
                }
                return Self::ModelUnnamed;
            }
        };
        // A key goes to the server that it was given for, and to no other.
        let api_key = own_key.or_else(|| llm.api_key.clone().filter(|_| with_llm));
        if openai && api_key.is_none() {
            return Self::KeyMissing;
        }
        let default_provider = if with_llm { &llm.provider } else { OPENAI };
        Self::At(ServiceServer {
            provider: provider.unwrap_or_else(|| default_provider.to_owned()),
            base_url,
            api_key,
            model,
        })
    }
}

impl ModerationSettings {
    pub(super) fn read(reader: &mut Reader, llm: &LlmSettings) -> Self {
        let service = ServiceSettings::read(reader, &MODERATION, llm);
        let configured = service.server().is_some();
        Self {
            input: read_policy(reader, "moderation.input", configured),
            output: read_policy(reader, "moderation.output", configured),
            service,
        }
    }
}

/// What holds for one direction. Where nobody checks, nothing can be required, and the best effort is none.
fn read_policy(reader: &mut Reader, key: &'static str, configured: bool) -> ModerationPolicy {
    let policies = [
        ("auto", None),
        ("off", Some(ModerationPolicy::Off)),
        ("required", Some(ModerationPolicy::Required)),
        ("best_effort", Some(ModerationPolicy::BestEffort)),
    ];
    let policy = reader.choice(key, &policies).flatten();
    if policy == Some(ModerationPolicy::Required) && !configured {
        let section = MODERATION.section;
        reader.fault(
            key,
            &format!(
                "nobody is configured who checks: set OPENAI_API_KEY, or {section}.base_url and {section}.model, or \
                 let it be `auto`, which is `off` as long as nobody checks"
            ),
        );
    }
    match policy {
        _ if !configured => ModerationPolicy::Off,
        Some(policy) => policy,
        None => ModerationPolicy::Required,
    }
}

/// Whether an address is the language model's.
fn same_server(base_url: &str, llm: &LlmSettings) -> bool {
    let plain = |url: &str| url.trim().trim_end_matches('/').to_ascii_lowercase();
    match llm.base_url.as_deref() {
        Some(other) => plain(base_url) == plain(other) || (is_openai(base_url) && is_openai(other)),
        None => is_openai(base_url),
    }
}
