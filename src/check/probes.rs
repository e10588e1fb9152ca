//! Reaching what the configuration names: one row for each dependency, all asked side by side.

use std::future::Future;
use std::pin::Pin;

use futures_util::future::join_all;
use greenroom_providers::{
    OpenAi, OpenAiModerator, OpenAiSpeaker, OpenAiTranscriber, ProbeFinding, ProbeReport,
};

use super::report::{Row, State};
use crate::config::{Config, Dependency, ServiceSettings};
use crate::providers::Providers;
use crate::startup::hint_for;

/// Where OpenAI is.
const OPENAI_URL: &str = "https://api.openai.com/v1";

/// A dependency, and how it is reached.
struct Probe<'a> {
    dependency: Dependency,
    /// The address as configured; none means OpenAI's own.
    base_url: Option<&'a str>,
    /// Asks it; none if it is not configured. Bounded in time by the provider, and free of charge.
    reach: Option<Pin<Box<dyn Future<Output = ProbeReport> + Send + 'a>>>,
}

impl<'a> Probe<'a> {
    fn new<F: Future<Output = ProbeReport> + Send + 'a>(
        dependency: Dependency,
        base_url: Option<&'a str>,
        reach: Option<F>,
    ) -> Self {
        Self {
            dependency,
            base_url,
            reach: reach.map(|reach| Box::pin(reach) as Pin<Box<dyn Future<Output = ProbeReport> + Send>>),
        }
    }
}

/// Every dependency that is reached over the network. Whoever adds a provider adds a row.
fn probes<'a>(config: &'a Config, providers: &'a Providers) -> Vec<Probe<'a>> {
    let llm_url = config.llm.base_url.as_deref();
    let moderation_url = url_of(&config.moderation.service);
    let reach_llm = providers.llm.as_ref().map(OpenAi::probe);
    let reach_stt = providers.stt.as_ref().map(OpenAiTranscriber::probe);
    let reach_tts = providers.tts.as_ref().map(OpenAiSpeaker::probe);
    let reach_moderation = providers.moderation.as_ref().map(OpenAiModerator::probe);
    vec![
        Probe::new(Dependency::Llm, llm_url, reach_llm),
        Probe::new(Dependency::Stt, url_of(&config.stt), reach_stt),
        Probe::new(Dependency::Tts, url_of(&config.tts), reach_tts),
        Probe::new(Dependency::Moderation, moderation_url, reach_moderation),
    ]
}

fn url_of(settings: &ServiceSettings) -> Option<&str> {
    settings.server()?.base_url.as_deref()
}

/// Asks all of them at once. `told` names the sections of which a fault has been told already.
pub(super) async fn rows(config: &Config, providers: &Providers, told: &[&str]) -> Vec<Row> {
    let reached = probes(config, providers).into_iter().map(async |probe| {
        let report = match probe.reach {
            Some(reach) => Some(reach.await),
            None => None,
        };
        (probe.dependency, probe.base_url, report)
    });
    let mut rows = Vec::new();
    for (dependency, base_url, report) in join_all(reached).await {
        match report {
            Some(report) => rows.push(reached_row(dependency, base_url, &report, providers)),
            None if told.contains(&dependency.name()) => {}
            None => rows.push(missing_row(dependency, config, providers)),
        }
    }
    rows.push(search_row(config, providers));
    rows
}

fn reached_row(
    dependency: Dependency,
    base_url: Option<&str>,
    report: &ProbeReport,
    providers: &Providers,
) -> Row {
    let (state, detail) = judged(dependency, &report.finding);
    let status = providers.status(dependency);
    let models = status.as_ref().map(|status| match &status.small_model {
        Some(small) => format!("{}, {small}", status.model),
        None => status.model.clone(),
    });
    Row {
        place: Some(base_url.unwrap_or(OPENAI_URL).to_owned()),
        model: models,
        latency: Some(report.took),
        simulated: status.is_some_and(|status| status.simulated),
        detail,
        ..Row::new(dependency.name(), state)
    }
}

fn missing_row(dependency: Dependency, config: &Config, providers: &Providers) -> Row {
    let hint = hint_for(dependency, config, providers);
    let (state, detail) = if config.server.require.contains(&dependency) {
        (
            State::Fault,
            format!("server.require names it, and it is not configured; {hint}"),
        )
    } else {
        (State::Note, format!("not configured; {hint}"))
    };
    let place = config.places.of_setting("server.require");
    Row {
        place: place.filter(|_| state == State::Fault).map(str::to_owned),
        detail: Some(detail),
        ..Row::new(dependency.name(), state)
    }
}

/// Search is the language model's own; it is reached when that is.
fn search_row(config: &Config, providers: &Providers) -> Row {
    if providers.meets(Dependency::Search) {
        Row {
            detail: Some("by the language model".to_owned()),
            ..Row::new(Dependency::Search.name(), State::Ok)
        }
    } else {
        missing_row(Dependency::Search, config, providers)
    }
}

/// What a finding means for somebody who is about to start the server.
fn judged(dependency: Dependency, finding: &ProbeFinding) -> (State, Option<String>) {
    let section = dependency.name();
    let (state, detail) = match finding {
        ProbeFinding::Ready => return (State::Ok, None),
        ProbeFinding::ModelNotListed(models) => (
            State::Note,
            format!(
                "it does not list {}; if calls fail, correct {section}.model",
                models.join(", ")
            ),
        ),
        ProbeFinding::NoSuchEndpoint(told) => (
            State::Note,
            format!("{told}; whether it works is not known: {section}.base_url usually ends in /v1"),
        ),
        ProbeFinding::KeyRefused(told) => (
            State::Fault,
            format!(
                "{told}; put a key that it takes into OPENAI_API_KEY, or that of {section} into its own variable"
            ),
        ),
        ProbeFinding::Failing(told) => (
            State::Fault,
            format!("{told}; try again later, or look at its status page"),
        ),
        ProbeFinding::Unreachable(told) => (
            State::Fault,
            format!(
                "{told}; correct {section}.base_url, start what should answer there, or let this machine out to it"
            ),
        ),
    };
    (state, Some(detail))
}
