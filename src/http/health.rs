//! How the server fares: for load balancers, operators and Prometheus.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use greenroom_protocol::{ErrorCode, SessionId};
use greenroom_providers::{CircuitPhase, ProviderStatus};
use greenroom_session::ports::Clock as _;
use metrics::gauge;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::Failure;
use crate::app::App;
use crate::config::Dependency;
use crate::lifecycle::Phase;
use crate::providers::Providers;
use crate::system::SystemClock;

/// The server lives, or takes work.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Liveness {
    /// `ok`, or `ready`.
    status: &'static str,
}

/// Every dependency: its state at the top, its details below `dependencies`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DetailedHealth {
    /// `ok`, `degraded` or `draining`.
    status: &'static str,
    /// The server's version.
    version: &'static str,
    /// Now.
    time: String,
    /// `ok`, `failing` or `not_configured`.
    llm: &'static str,
    /// `ok` or `not_configured`.
    search: &'static str,
    /// Speech to words: `ok`, `failing` or `not_configured`.
    stt: &'static str,
    /// Words to speech: `ok`, `failing` or `not_configured`.
    tts: &'static str,
    /// Checks of texts: `ok`, `failing` or `not_configured`.
    moderation: &'static str,
    /// `ok` or `failing`.
    journal: &'static str,
    /// Sessions in memory.
    sessions_live: usize,
    /// Connections open.
    connections: usize,
    /// Model, latency, error rate and whatever else is known of each.
    dependencies: Value,
}

/// Whether the process lives.
#[utoipa::path(
    get, path = "/health", tag = "health", security(()),
    responses((status = 200, description = "It does", body = Liveness)),
)]
pub(super) async fn health() -> Json<Liveness> {
    Json(Liveness { status: "ok" })
}

/// Whether new work is taken: not while the server drains, nor while the journal cannot be written or its disk is nearly
/// full.
#[utoipa::path(
    get, path = "/ready", tag = "health", security(()),
    responses((status = 200, description = "It is", body = Liveness)),
)]
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<Json<Liveness>, Failure> {
    if app.lifecycle.phase() != Phase::Serving {
        return Err(Failure::new(ErrorCode::SysDraining));
    }
    if !app.journal.writable() || !app.journal.has_room().await {
        return Err(Failure::new(ErrorCode::DbUnavailable));
    }
    Ok(Json(Liveness { status: "ready" }))
}

/// Version, time, and every dependency.
#[utoipa::path(
    get, path = "/health/detailed", tag = "health",
    responses((status = 200, description = "How each fares", body = DetailedHealth)),
)]
pub(super) async fn detailed(State(app): State<Arc<App>>) -> Json<DetailedHealth> {
    let llm = ProviderHealth::of(&app.providers, Dependency::Llm);
    let stt = ProviderHealth::of(&app.providers, Dependency::Stt);
    let live_stt = app
        .providers
        .live_status()
        .map(|status| ProviderHealth::by(Some(status)));
    let tts = ProviderHealth::of(&app.providers, Dependency::Tts);
    let moderation = ProviderHealth::of(&app.providers, Dependency::Moderation);
    let capabilities = app.providers.ports().capabilities();
    let started = std::time::Instant::now();
    let probe = app
        .models
        .session(&app.tenant, SessionId::new(ulid::Ulid(0)))
        .await;
    let read_ms = started.elapsed().as_secs_f64() * 1_000.0;
    let has_room = app.journal.has_room().await;
    let journal = if probe.is_ok() && app.journal.writable() && has_room {
        "ok"
    } else {
        "failing"
    };
    // Without a model nothing is ever finished; who neither hears nor speaks still serves, unless it should.
    let mut others = [&stt, &tts, &moderation].into_iter().chain(&live_stt);
    let fares_well = llm.state == "ok" && journal == "ok" && others.all(|health| health.state != "failing");
    let status = match app.lifecycle.phase() {
        Phase::Draining | Phase::Closing => "draining",
        Phase::Serving if fares_well => "ok",
        Phase::Serving => "degraded",
    };
    Json(DetailedHealth {
        status,
        version: env!("CARGO_PKG_VERSION"),
        time: SystemClock.now().to_string(),
        llm: llm.state,
        search: if app.providers.meets(Dependency::Search) {
            "ok"
        } else {
            "not_configured"
        },
        stt: stt.state,
        tts: tts.state,
        moderation: moderation.state,
        journal,
        sessions_live: app.directory.live(),
        connections: app.lifecycle.connections(),
        dependencies: json!({
            "llm": llm,
            "stt": {
                "state": stt.state,
                "provider": stt.provider,
                // Whether speech becomes words while it is spoken, or once it is complete.
                "recognition": if live_stt.is_some() { "live" } else { "after_utterance" },
                "live": live_stt,
            },
            "tts": tts,
            "moderation": {
                "state": moderation.state,
                "provider": moderation.provider,
                "input": capabilities.moderate_input,
                "output": capabilities.moderate_output,
            },
            "journal": { "state": journal, "writable": app.journal.writable(), "has_room": has_room, "read_ms": read_ms },
        }),
    })
}

/// All metrics, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "Metrics as text", body = String, content_type = "text/plain")),
)]
pub(super) async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    gauge!("greenroom_journal_writable").set(if app.journal.writable() { 1.0 } else { 0.0 });
    let text = app
        .metrics
        .as_ref()
        .map(metrics_exporter_prometheus::PrometheusHandle::render);
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        text.unwrap_or_default(),
    )
}

/// A provider as it fares.
#[derive(Debug, Serialize)]
pub struct ProviderHealth {
    /// `ok`, `failing` or `not_configured`.
    state: &'static str,
    provider: Option<ProviderStatus>,
}

impl ProviderHealth {
    fn of(providers: &Providers, dependency: Dependency) -> Self {
        Self::by(providers.status(dependency))
    }

    /// How a provider fares, if there is one.
    pub fn by(provider: Option<ProviderStatus>) -> Self {
        let state = match provider.as_ref().map(|provider| &provider.circuit) {
            None => "not_configured",
            Some(circuit)
                if circuit.phase == CircuitPhase::Closed && !circuit.last_error.is_some_and(is_ours) =>
            {
                "ok"
            }
            Some(_) => "failing",
        };
        Self { state, provider }
    }
}

/// Whether a call failed by the provider's fault or the configuration's: a key that is refused, say. What a user asked
/// for and the model would not write says nothing of either.
fn is_ours(error: ErrorCode) -> bool {
    !matches!(error, ErrorCode::SafetyInput | ErrorCode::SafetyOutput)
}
