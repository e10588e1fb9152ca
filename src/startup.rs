//! What the server says of itself when it starts: what works, what does not, and how to change that.

use std::fmt::Write as _;
use std::net::SocketAddr;

use greenroom_session::ports::ModerationPolicy;

use crate::config::{Config, ConfigFault, ConfigFaults, Dependency, ServiceSettings};
use crate::playbooks::Playbooks;
use crate::providers::Providers;

/// How to give the server a language model.
pub const LLM_HINT: &str = "set OPENAI_API_KEY in the environment or in .env, or point OPENAI_BASE_URL at a server \
                            that speaks OpenAI's protocol, such as http://127.0.0.1:11434/v1 for a local Ollama, and \
                            name two of its models by GREENROOM_LLM__MODEL and GREENROOM_LLM__SMALL_MODEL";

/// Reads what the configuration names beyond itself. The answer to what cannot be used, or is required and missing, is
/// every fault.
pub fn prepare(config: &Config) -> Result<(Playbooks, Providers), ConfigFaults> {
    let mut faults = Vec::new();
    let playbooks = match Playbooks::load(&config.playbook) {
        Ok(playbooks) => Some(playbooks),
        Err(errors) => {
            faults.extend(
                errors
                    .iter()
                    .map(|error| ConfigFault::told(error, &config.places)),
            );
            None
        }
    };
    let (providers, errors) = Providers::from_settings(config);
    faults.extend(
        errors
            .iter()
            .map(|error| ConfigFault::told(error, &config.places)),
    );
    let required = config.server.require.iter().copied();
    // Of a provider that cannot be made it has been said why.
    let is_told = |dependency: Dependency| {
        errors
            .iter()
            .any(|error| error.section() == Some(section_of(dependency)))
    };
    let unmet = required.filter(|dependency| !providers.meets(*dependency) && !is_told(*dependency));
    faults.extend(unmet.map(|dependency| {
        let name = dependency.name();
        let hint = hint_for(dependency, config, &providers);
        let told = format!("server.require: names `{name}`, which is not configured; {hint}");
        ConfigFault::told(&told, &config.places)
    }));
    match playbooks {
        Some(playbooks) if faults.is_empty() => Ok((playbooks, providers)),
        _ => Err(ConfigFaults(faults)),
    }
}

/// The section of the configuration that a dependency is configured in.
const fn section_of(dependency: Dependency) -> &'static str {
    match dependency {
        Dependency::Llm | Dependency::Search => "llm",
        Dependency::Stt | Dependency::Tts | Dependency::Moderation => dependency.name(),
    }
}

/// How to get a dependency that is missing.
pub fn hint_for(dependency: Dependency, config: &Config, providers: &Providers) -> String {
    match dependency {
        Dependency::Llm => LLM_HINT.to_owned(),
        Dependency::Search if providers.llm.is_some() => {
            "only OpenAI's own protocol searches: set llm.api".to_owned()
        }
        Dependency::Search => LLM_HINT.to_owned(),
        Dependency::Stt => service_hint("stt", &config.stt),
        Dependency::Tts => service_hint("tts", &config.tts),
        Dependency::Moderation => service_hint("moderation", &config.moderation.service),
    }
}

fn service_hint(section: &str, settings: &ServiceSettings) -> String {
    match settings {
        ServiceSettings::ModelUnnamed => format!(
            "name {section}.model if the language model's server can do it, or give {section}.base_url and \
             {section}.model"
        ),
        ServiceSettings::KeyMissing | ServiceSettings::At(_) => format!(
            "set OPENAI_API_KEY, or {section}.base_url and {section}.model for a server that speaks OpenAI's protocol"
        ),
    }
}

/// Prints the announcement.
pub fn announce<'a>(
    address: SocketAddr,
    config: &Config,
    providers: &Providers,
    playbooks: impl Iterator<Item = &'a str>,
) {
    println!(
        "{}",
        announcement(address, config, providers, &playbooks.collect::<Vec<_>>())
    );
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "serving");
}

fn announcement(address: SocketAddr, config: &Config, providers: &Providers, playbooks: &[&str]) -> String {
    let mut text = format!("greenroom {} on http://{address}\n", env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<12}{value}");
    };
    line("data", &config.server.data_dir.display().to_string());
    line(
        "playbooks",
        &format!("{} (default {})", playbooks.join(", "), config.playbook.default),
    );
    line(
        "access",
        if config.server.token.is_some() {
            "clients must send server.token"
        } else {
            "open, on this machine only"
        },
    );
    announce_llm(&mut line, config, providers);
    let missing = |dependency, without: &str| {
        let hint = hint_for(dependency, config, providers);
        [
            format!("not configured: {without}"),
            format!("to change that, {hint}"),
        ]
    };
    for (dependency, without) in [
        (Dependency::Stt, "recordings are refused (STT_NOT_CONFIGURED)"),
        (Dependency::Tts, "nothing is spoken (TTS_NOT_CONFIGURED)"),
        (Dependency::Moderation, "nothing is checked"),
    ] {
        if let Some(provider) = providers.status(dependency) {
            let (name, model) = (&provider.name, &provider.model);
            let simulated = simulated_mark(provider.simulated);
            let more = match dependency {
                Dependency::Moderation => {
                    let (input, output) = (config.moderation.input, config.moderation.output);
                    format!("; input {}, output {}", policy_name(input), policy_name(output))
                }
                Dependency::Stt => match providers.live_status() {
                    Some(live_provider) => format!("; while somebody speaks, {}", live_provider.model),
                    None => "; each utterance once it is complete".to_owned(),
                },
                Dependency::Llm | Dependency::Search | Dependency::Tts => String::new(),
            };
            line(dependency.name(), &format!("{name}: {model}{more}{simulated}"));
        } else {
            let [says, hint] = missing(dependency, without);
            line(dependency.name(), &says);
            line("", &hint);
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn announce_llm(line: &mut impl FnMut(&str, &str), config: &Config, providers: &Providers) {
    if let Some(provider) = providers.status(Dependency::Llm) {
        let small_model = provider.small_model.as_deref().unwrap_or(&provider.model);
        let models = format!("{} and {small_model}", provider.model);
        let simulated = simulated_mark(provider.simulated);
        line(
            "llm",
            &format!("{}: {models}, by {}{simulated}", provider.name, provider.api),
        );
        if config.llm.borrows_model_names {
            line(
                "",
                "names of OpenAI's models: if this server has others, name them by llm.model and llm.small_model",
            );
        }
        let search = if providers.meets(Dependency::Search) {
            "by the language model"
        } else {
            "none: research finds no evidence"
        };
        line("search", search);
    } else {
        line("llm", "not configured");
        line(
            "",
            "works: conversations, with the built-in extractor and the playbook's own questions",
        );
        line(
            "",
            "does not: research, strategy, creative and voice (LLM_NOT_CONFIGURED)",
        );
        line("", &format!("to change that, {LLM_HINT}"));
    }
}

const fn simulated_mark(simulated: bool) -> &'static str {
    if simulated {
        ", SIMULATED: nothing it makes is real"
    } else {
        ""
    }
}

/// A policy as the configuration spells it.
pub const fn policy_name(policy: ModerationPolicy) -> &'static str {
    match policy {
        ModerationPolicy::Off => "off",
        ModerationPolicy::Required => "required",
        ModerationPolicy::BestEffort => "best_effort",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ServeArgs;
    use crate::config::load_from;

    fn announced(variables: &[(&str, &str)]) -> String {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let folder = tempfile::tempdir().unwrap();
        let config = load_from(&ServeArgs::default(), variables, folder.path()).unwrap();
        let (providers, faults) = Providers::from_settings(&config);
        assert!(faults.is_empty(), "{faults:?}");
        announcement(config.server.listen, &config, &providers, &["launch"])
    }

    #[test]
    fn without_a_key_it_says_what_works_what_does_not_and_how_to_give_one() {
        let text = announced(&[]);
        for part in [
            "http://127.0.0.1:8080",
            "llm         not configured",
            "works: ",
            "does not: ",
            "OPENAI_API_KEY",
            "GREENROOM_LLM__MODEL",
            "GREENROOM_LLM__SMALL_MODEL",
            "stt         not configured: recordings are refused (STT_NOT_CONFIGURED)",
            "tts         not configured: nothing is spoken (TTS_NOT_CONFIGURED)",
            "moderation  not configured: nothing is checked",
            "set OPENAI_API_KEY, or stt.base_url and stt.model",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }

    #[test]
    fn everything_that_cannot_be_used_or_is_missing_is_told_at_once() {
        let faults = |variables: &[(&str, &str)]| {
            let folder = tempfile::tempdir().unwrap();
            let config = load_from(&ServeArgs::default(), variables.iter().copied(), folder.path()).unwrap();
            let ConfigFaults(faults) = prepare(&config).map(|_| ()).unwrap_err();
            faults.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let missing = [
            ("GREENROOM_PLAYBOOK__DIR", "/nonexistent"),
            ("GREENROOM_PLAYBOOK__DEFAULT", "lunch"),
            ("GREENROOM_LLM__PRICES", "/nonexistent"),
            ("GREENROOM_SERVER__REQUIRE", "llm,search,tts"),
        ];
        let starts = [
            "playbook.dir: /nonexistent: ",
            "playbook.default: there is no playbook `lunch`",
            "llm.prices: ",
            "server.require: names `llm`",
            "server.require: names `search`",
            "server.require: names `tts`",
        ];
        let told = faults(&missing);
        assert_eq!(told.len(), starts.len(), "{told:?}");
        for (fault, start) in told.iter().zip(starts) {
            assert!(fault.starts_with(start), "{start} is not in {fault}");
        }
        for (fault, (variable, _)) in told.iter().zip(missing) {
            let place = format!("(environment variable {variable})");
            assert!(fault.ends_with(&place), "{place} is not in {fault}");
        }
        let address = faults(&[("OPENAI_BASE_URL", "ftp://x")]);
        assert!(address[0].starts_with("llm.base_url: "), "{address:?}");
    }

    #[test]
    fn a_server_of_somebody_elses_is_said_to_be_called_by_openais_names_until_it_has_both_of_its_own() {
        let ollama = ("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1");
        let large = ("GREENROOM_LLM__MODEL", "llama");
        let small = ("GREENROOM_LLM__SMALL_MODEL", "llama");
        let check = |variables: &[(&str, &str)], said| {
            let text = announced(variables);
            assert_eq!(text.contains("names of OpenAI's models"), said, "{text}");
        };
        check(&[ollama], true);
        check(&[ollama, large], true);
        check(&[ollama, large, small], false);
        check(&[("OPENAI_API_KEY", "sk-x")], false);
    }

    #[test]
    fn a_local_server_for_text_is_said_to_have_no_ears_and_no_voice_and_how_it_gets_them() {
        let ollama = ("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1");
        let text = announced(&[ollama, ("GREENROOM_TTS__MODEL", "kokoro")]);
        assert!(text.contains("tts         openai: kokoro\n"), "{text}");
        assert!(
            text.contains("name stt.model if the language model's server can do it"),
            "{text}"
        );
        let checked = announced(&[
            ("OPENAI_API_KEY", "sk-x"),
            ("GREENROOM_MODERATION__OUTPUT", "off"),
        ]);
        let moderation = "moderation  openai: omni-moderation-latest; input required, output off";
        assert!(checked.contains(moderation), "{checked}");
        let live = "stt         openai: gpt-transcribe; while somebody speaks, gpt-live-transcribe";
        assert!(checked.contains(live), "{checked}");
        let whisper = announced(&[ollama, ("GREENROOM_STT__MODEL", "whisper")]);
        let after = "stt         openai: whisper; each utterance once it is complete";
        assert!(whisper.contains(after), "{whisper}");
    }

    #[test]
    fn a_key_is_never_printed_and_a_simulator_is_named_as_one() {
        let text = announced(&[
            ("OPENAI_API_KEY", "sk-secret"),
            ("OPENAI_BASE_URL", "http://127.0.0.1:9/v1"),
            ("GREENROOM_LLM__MODEL", "sim-large"),
        ]);
        assert!(!text.contains("sk-secret"));
        assert!(text.contains("SIMULATED"), "{text}");
    }
}
