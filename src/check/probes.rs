//! Reaching what the configuration names: one row for each dependency, all asked side by side.

use std::future::Future;
use std::pin::Pin;

use futures_util::future::join_all;
use greenroom_providers::{
    OpenAi, OpenAiModerator, OpenAiSpeaker, OpenAiTranscriber, ProbeFinding, ProbeReport, ProviderStatus,
};

use super::report::{Row, State};
use crate::config::{Config, Dependency, ServiceSettings};
use crate::providers::Providers;
use crate::startup::hint_for;

/// Where OpenAI is.
const OPENAI_URL: &str = "https://api.openai.com/v1";

/// What the row of the provider is called that hears while somebody speaks.
const LIVE_STT: &str = "stt live";

/// A dependency, and how it is reached.
struct Probe<'a> {
    /// What its row is called.
    subject: &'static str,
    dependency: Dependency,
    /// The address as configured; none means OpenAI's own.
    base_url: Option<&'a str>,
    /// Who it is; none if it is not configured.
    status: Option<ProviderStatus>,
    /// Asks it; none if it is not configured. Bounded in time by the provider, and free of charge.
    reach: Option<Pin<Box<dyn Future<Output = ProbeReport> + Send + 'a>>>,
}

impl<'a> Probe<'a> {
    fn new<F: Future<Output = ProbeReport> + Send + 'a>(
        dependency: Dependency,
        base_url: Option<&'a str>,
        status: Option<ProviderStatus>,
        reach: Option<F>,
    ) -> Self {
        Self {
            subject: dependency.name(),
            dependency,
            base_url,
            status,
            reach: reach.map(|reach| Box::pin(reach) as Pin<Box<dyn Future<Output = ProbeReport> + Send>>),
        }
    }
}

/// Every dependency that is reached over the network. Whoever adds a provider adds a row. That nobody hears while
/// somebody speaks is no row: recognition does without.
fn probes<'a>(config: &'a Config, providers: &'a Providers) -> Vec<Probe<'a>> {
    let llm_url = config.llm.base_url.as_deref();
    let moderation_url = url_of(&config.moderation.service);
    let status = |dependency| providers.status(dependency);
    let reach_llm = providers.llm.as_ref().map(OpenAi::probe);
    let reach_stt = providers.stt.as_ref().map(OpenAiTranscriber::probe);
    let reach_tts = providers.tts.as_ref().map(OpenAiSpeaker::probe);
    let reach_moderation = providers.moderation.as_ref().map(OpenAiModerator::probe);
    let llm = Probe::new(Dependency::Llm, llm_url, status(Dependency::Llm), reach_llm);
    let (stt_url, stt_status) = (url_of(&config.stt), status(Dependency::Stt));
    let stt = Probe::new(Dependency::Stt, stt_url, stt_status, reach_stt);
    let live_stt = providers.live_stt.as_ref().map(|provider| Probe {
        subject: LIVE_STT,
        ..Probe::new(
            Dependency::Stt,
            stt_url,
            Some(provider.status()),
            Some(provider.probe()),
        )
    });
    let (tts_url, tts_status) = (url_of(&config.tts), status(Dependency::Tts));
    let tts = Probe::new(Dependency::Tts, tts_url, tts_status, reach_tts);
    let moderation_status = status(Dependency::Moderation);
    let moderation = Probe::new(
        Dependency::Moderation,
        moderation_url,
        moderation_status,
        reach_moderation,
    );
    let heard = [llm, stt].into_iter().chain(live_stt);
    heard.chain([tts, moderation]).collect()
}

fn url_of(settings: &ServiceSettings) -> Option<&str> {
    settings.server()?.base_url.as_deref()
}

/// Asks all of them at once. `told` names the sections of which a fault has been told already.
pub(super) async fn rows(config: &Config, providers: &Providers, told: &[&str]) -> Vec<Row> {
    let reached = probes(config, providers).into_iter().map(async |mut probe| {
        let report = match probe.reach.take() {
            Some(reach) => Some(reach.await),
            None => None,
        };
        (probe, report)
    });
    let mut rows = Vec::new();
    for (probe, report) in join_all(reached).await {
        match report {
            Some(report) => rows.push(reached_row(probe, &report)),
            None if told.contains(&probe.dependency.name()) => {}
            None => rows.push(missing_row(probe.dependency, config, providers)),
        }
    }
    rows.push(search_row(config, providers));
    rows
}

fn reached_row(probe: Probe, report: &ProbeReport) -> Row {
    let (state, detail) = judged(probe.subject, probe.dependency, &report.finding);
    let status = probe.status;
    let models = status.as_ref().map(|status| match &status.small_model {
        Some(small) => format!("{}, {small}", status.model),
        None => status.model.clone(),
    });
    Row {
        place: Some(probe.base_url.unwrap_or(OPENAI_URL).to_owned()),
        model: models,
        latency: Some(report.took),
        simulated: status.is_some_and(|status| status.simulated),
        detail,
        ..Row::new(probe.subject, state)
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
fn judged(subject: &str, dependency: Dependency, finding: &ProbeFinding) -> (State, Option<String>) {
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
        ProbeFinding::NoSuchEndpoint(told) if subject == LIVE_STT => (
            State::Note,
            format!(
                "{told}; correct stt.realtime_model, or set stt.realtime = \"off\": speech is recognised all the same, \
                 once it is complete"
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
