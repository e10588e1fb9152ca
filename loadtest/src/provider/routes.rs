//! The simulator's routes: OpenAI's, and its own under `/_sim`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::admission::MODEL_PREFIX;
use super::bill::BillStatement;
use super::error::ProviderError;
use super::fault::{ArmedRule, FaultRule, RULES_MAX};
use super::headers::provider_headers;
use super::simulator::SharedSimulator;
use super::{generate, image, moderation, realtime, speech, transcription};

/// Bytes of a request without a file.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long a reader of the bill may wait for calls to end.
const IDLE_WAIT_MAX: Duration = Duration::from_mins(1);
/// Models that are listed; others whose name begins with `sim-` are served too.
const MODELS: [&str; 9] = [
    "sim-image",
    "sim-large",
    "sim-live-transcribe",
    "sim-moderation",
    "sim-realtime-whisper",
    "sim-small",
    "sim-transcribe",
    "sim-tts",
    "sim-whisper",
];

/// All routes.
pub(super) fn router(simulator: &SharedSimulator) -> Router {
    let provider = Router::new()
        .route("/v1/responses", post(generate::create_response))
        .route(
            "/v1/responses/{id}",
            get(generate::retrieve_response).delete(generate::delete_response),
        )
        .route("/v1/responses/{id}/cancel", post(generate::cancel_response))
        .route(
            "/v1/responses/{id}/input_items",
            get(generate::response_input_items),
        )
        .route("/v1/chat/completions", post(generate::create_completion))
        .route("/v1/audio/speech", post(speech::create))
        .route("/v1/moderations", post(moderation::create))
        .route("/v1/images/generations", post(image::create))
        .route("/v1/realtime", get(realtime::connect))
        .route("/v1/models", get(models))
        .route("/v1/models/{model}", get(model))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        // A recording may be larger; whoever reads it keeps to its limit.
        .route(
            "/v1/audio/transcriptions",
            post(transcription::create).layer(DefaultBodyLimit::disable()),
        )
        .fallback(async |method: Method, uri: Uri| ProviderError::unknown_url(method.as_str(), uri.path()))
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            ProviderError::wrong_method(method.as_str(), uri.path())
        })
        .layer(middleware::from_fn_with_state(
            Arc::clone(simulator),
            provider_headers,
        ));
    let control = Router::new()
        .route(
            "/_sim/health",
            get(async || Json(json!({ "status": "ok", "simulated": true }))),
        )
        .route("/_sim/bill", get(bill))
        .route("/_sim/faults", get(faults).post(set_faults))
        .route("/_sim/reset", post(reset));
    provider.merge(control).with_state(Arc::clone(simulator))
}

async fn models(
    State(simulator): State<SharedSimulator>,
    headers: HeaderMap,
) -> Result<Json<Value>, ProviderError> {
    simulator.authorize(&headers)?;
    let models: Vec<Value> = MODELS.iter().map(|model| model_card(model)).collect();
    Ok(Json(json!({ "object": "list", "data": models })))
}

async fn model(
    State(simulator): State<SharedSimulator>,
    headers: HeaderMap,
    Path(model): Path<String>,
) -> Result<Json<Value>, ProviderError> {
    simulator.authorize(&headers)?;
    if model.starts_with(MODEL_PREFIX) {
        Ok(Json(model_card(&model)))
    } else {
        Err(ProviderError::unknown_model(&model))
    }
}

fn model_card(model: &str) -> Value {
    json!({ "id": model, "object": "model", "created": 1_735_689_600, "owned_by": "greenroom-simulator" })
}

#[derive(Debug, Deserialize)]
struct BillQuery {
    /// Waits up to so many milliseconds until no call is under way.
    #[serde(default)]
    idle_within_ms: u64,
}

async fn bill(
    State(simulator): State<SharedSimulator>,
    Query(query): Query<BillQuery>,
) -> Json<BillStatement> {
    let patience = Duration::from_millis(query.idle_within_ms).min(IDLE_WAIT_MAX);
    // The statement says itself whether calls are still open.
    let _ = tokio::time::timeout(patience, simulator.bill.idle()).await;
    Json(simulator.bill.statement())
}

async fn faults(State(simulator): State<SharedSimulator>) -> Json<Vec<ArmedRule>> {
    Json(simulator.faults.list())
}

async fn set_faults(State(simulator): State<SharedSimulator>, body: Bytes) -> Response {
    let rules: Result<Vec<FaultRule>, _> = serde_json::from_slice(&body);
    let flaw = match &rules {
        Err(error) => Some(error.to_string()),
        Ok(rules) if rules.len() > RULES_MAX => Some(format!("at most {RULES_MAX} rules")),
        Ok(rules) => rules.iter().find_map(FaultRule::flaw).map(str::to_owned),
    };
    if let Some(flaw) = flaw {
        return ProviderError::invalid("rules", "invalid_value", flaw).into_response();
    }
    simulator.faults.set(rules.unwrap_or_default());
    Json(simulator.faults.list()).into_response()
}

async fn reset(State(simulator): State<SharedSimulator>) -> StatusCode {
    simulator.bill.reset();
    simulator.faults.set(Vec::new());
    simulator.archive.clear();
    StatusCode::NO_CONTENT
}
