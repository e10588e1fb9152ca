//! What the server says of itself when it starts: what works, what does not, and how to change that.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::config::{Config, ConfigFault, ConfigFaults, Dependency};
use crate::llm::Llm;
use crate::playbooks::Playbooks;

/// How to give the server a language model.
pub const LLM_HINT: &str = "set OPENAI_API_KEY in the environment or in .env, or point OPENAI_BASE_URL at a server \
                            that speaks OpenAI's protocol, such as http://127.0.0.1:11434/v1 for a local Ollama, and \
                            name two of its models by GREENROOM_LLM__MODEL and GREENROOM_LLM__SMALL_MODEL";

/// Reads what the configuration names beyond itself. The answer to what cannot be used, or is required and missing, is
/// every fault.
pub fn prepare(config: &Config) -> Result<(Playbooks, Llm), ConfigFaults> {
    let mut faults = Vec::new();
    let playbooks = match Playbooks::load(&config.playbook) {
        Ok(playbooks) => Some(playbooks),
        Err(errors) => {
            faults.extend(errors.iter().map(ConfigFault::told));
            None
        }
    };
    let mut errors = Vec::new();
    let llm = Llm::from_settings(&config.llm, &mut errors);
    faults.extend(errors.iter().map(ConfigFault::told));
    let required = config.server.require.iter();
    // Of a provider that cannot be made it has been said why.
    let unmet = required.filter(|dependency| llm.as_ref().is_some_and(|llm| !llm.meets(**dependency)));
    faults.extend(unmet.map(|dependency| {
        let reason = match (dependency, &llm) {
            (Dependency::Search, Some(Llm::OpenAi(_))) => "only OpenAI's own protocol searches: set llm.api",
            _ => LLM_HINT,
        };
        let name = dependency.name();
        ConfigFault::told(&format!(
            "server.require: names `{name}`, which is not configured; {reason}"
        ))
    }));
    match (playbooks, llm) {
        (Some(playbooks), Some(llm)) if faults.is_empty() => Ok((playbooks, llm)),
        _ => Err(ConfigFaults(faults)),
    }
}

/// Prints the announcement.
pub fn announce<'a>(
    address: SocketAddr,
    config: &Config,
    llm: &Llm,
    playbooks: impl Iterator<Item = &'a str>,
) {
    println!(
        "{}",
        announcement(address, config, llm, &playbooks.collect::<Vec<_>>())
    );
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "serving");
}

fn announcement(address: SocketAddr, config: &Config, llm: &Llm, playbooks: &[&str]) -> String {
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
    if let Some(provider) = llm.status() {
        let small_model = provider.small_model.as_deref().unwrap_or(&provider.model);
        let models = format!("{} and {small_model}", provider.model);
        let simulated = if provider.simulated {
            ", SIMULATED: nothing it writes is real"
        } else {
            ""
        };
        line(
            "llm",
            &format!("{}: {models}, by {}{simulated}", provider.name, provider.api),
        );
        let search = if llm.meets(Dependency::Search) {
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
    line("speech", "not in this release: clients type");
    text.truncate(text.trim_end().len());
    text
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
        let llm = Llm::from_settings(&config.llm, &mut Vec::new()).unwrap();
        announcement(config.server.listen, &config, &llm, &["launch"])
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
            ("GREENROOM_SERVER__REQUIRE", "llm,search"),
        ];
        let starts = [
            "playbook.dir: /nonexistent: ",
            "playbook.default: there is no playbook `lunch`",
            "llm.prices: ",
            "server.require: names `llm`",
            "server.require: names `search`",
        ];
        let told = faults(&missing);
        assert_eq!(told.len(), starts.len(), "{told:?}");
        for (fault, start) in told.iter().zip(starts) {
            assert!(fault.starts_with(start), "{start} is not in {fault}");
        }
        let address = faults(&[("OPENAI_BASE_URL", "ftp://x")]);
        assert!(address[0].starts_with("llm.base_url: "), "{address:?}");
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
