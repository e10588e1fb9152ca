//! The simulator's routes: OpenAI's, and its own under `/_sim`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::ensure;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::author::Chance;
use super::bill::{Bill, BillStatement, OpenCall};
use super::error::ProviderError;
use super::fault::{ArmedRule, Fault, FaultRule, Faults, RULES_MAX};
use super::pace::{Pace, tokens};
use super::play::{self, Frame, Interruption, Wait};
use super::prompt::{Api, Prompt};
use super::reply::Reply;
use super::{ProviderConfig, chat, responses};
use crate::wall_clock;

/// Bytes of a request.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Requests under way at once.
const REQUESTS_MAX: usize = 4_096;
/// How long a reader of the bill may wait for calls to end.
const IDLE_WAIT_MAX: Duration = Duration::from_mins(1);
/// Where a request says its call's id when its metadata does not.
const CLIENT_REQUEST_ID: &str = "x-client-request-id";
/// Models that are listed; others whose name begins with `sim-` are served too.
const MODELS: [&str; 2] = ["sim-large", "sim-small"];

/// Marks a response that must not be sent: the connection is closed instead.
#[derive(Debug, Clone)]
pub(super) struct Disconnect;

/// The simulator as its routes share it.
pub(super) type SharedSimulator = Arc<Simulator>;

/// What the routes share.
#[derive(Debug)]
pub(super) struct Simulator {
    pace: Pace,
    require_key: Option<String>,
    seed: u64,
    bill: Arc<Bill>,
    faults: Faults,
    permits: Arc<Semaphore>,
    requests: AtomicU64,
}

impl Simulator {
    pub(super) fn new(config: &ProviderConfig) -> anyhow::Result<SharedSimulator> {
        let is_positive = |number: f64| number.is_finite() && number > 0.0;
        ensure!(is_positive(config.speed), "the speed must be a positive number");
        ensure!(
            is_positive(config.tokens_per_second),
            "the tokens per second must be a positive number"
        );
        let per_token = Duration::try_from_secs_f64(1.0 / (config.tokens_per_second * config.speed))?;
        let faults = Faults::default();
        faults.set(config.faults.clone());
        Ok(Arc::new(Self {
            pace: Pace {
                first_token: config.first_token.div_f64(config.speed),
                per_token,
            },
            require_key: config.require_key.clone(),
            seed: config.seed,
            bill: Bill::open(config.bill.as_deref())?,
            faults,
            permits: Arc::new(Semaphore::new(REQUESTS_MAX)),
            requests: AtomicU64::new(0),
        }))
    }

    /// Calls that end from now on are ended by the simulator, not by their clients.
    pub(super) fn stop(&self) {
        self.bill.close();
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), ProviderError> {
        let Some(required) = &self.require_key else {
            return Ok(());
        };
        let authorization = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let given = authorization.and_then(|value| value.strip_prefix("Bearer "));
        if given == Some(required.as_str()) {
            Ok(())
        } else {
            Err(ProviderError::unauthorized(given))
        }
    }
}

/// All routes.
pub(super) fn router(simulator: &SharedSimulator) -> Router {
    let provider = Router::new()
        .route("/v1/responses", post(create_response))
        .route("/v1/chat/completions", post(create_completion))
        .route("/v1/models", get(models))
        .route("/v1/models/{model}", get(model))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
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
    provider
        .merge(control)
        .fallback(async |method: Method, uri: Uri| ProviderError::unknown_url(method.as_str(), uri.path()))
        .with_state(Arc::clone(simulator))
}

async fn provider_headers(
    State(simulator): State<SharedSimulator>,
    request: axum::extract::Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let number = simulator.requests.fetch_add(1, Ordering::Relaxed);
    let mut response = next.run(request).await;
    let id = Chance::new(simulator.seed, "request").at(&number.to_string());
    let headers = response.headers_mut();
    // Hexadecimal digits are always a valid header value.
    if let Ok(id) = HeaderValue::from_str(&format!("req_{}{}", id.hex(), id.at("b").hex())) {
        headers.insert("x-request-id", id);
    }
    let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    headers.insert("openai-processing-ms", HeaderValue::from(elapsed_ms));
    headers.insert("openai-version", HeaderValue::from_static("2020-10-01"));
    response
}

async fn create_response(
    State(simulator): State<SharedSimulator>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    answer(&simulator, Api::Responses, &headers, body)
        .await
        .unwrap_or_else(IntoResponse::into_response)
}

async fn create_completion(
    State(simulator): State<SharedSimulator>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    answer(&simulator, Api::Chat, &headers, body)
        .await
        .unwrap_or_else(IntoResponse::into_response)
}

async fn answer(
    simulator: &SharedSimulator,
    api: Api,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ProviderError> {
    let permit = Arc::clone(&simulator.permits)
        .try_acquire_owned()
        .map_err(|_| ProviderError::overloaded())?;
    let body = body.map_err(|_| ProviderError::too_large())?;
    let request: Map<String, Value> =
        serde_json::from_slice(&body).map_err(|_| ProviderError::unreadable())?;
    let named = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let model = named(request.get("model")).unwrap_or_default();
    let in_metadata = named(
        request
            .get("metadata")
            .and_then(|metadata| metadata.get("call_id")),
    );
    let in_header = || {
        headers
            .get(CLIENT_REQUEST_ID)
            .and_then(|id| id.to_str().ok())
            .map(str::to_owned)
    };
    let call_id = in_metadata.or_else(in_header);
    let refuse = |error: ProviderError| {
        simulator
            .bill
            .reject(api, &model, call_id.clone(), error.status.as_u16());
        error
    };
    simulator.authorize(headers).map_err(refuse)?;
    let prompt = Prompt::read(api, request).map_err(refuse)?;
    let fault = simulator.faults.take(api, &prompt.model, prompt.purpose());
    let breach = match fault {
        Some(Fault::Breach { mode }) => Some(mode),
        _ => None,
    };
    let reply = Reply::compose(&prompt, simulator.seed, breach).map_err(refuse)?;
    let mut call = simulator.bill.start(&prompt, call_id, fault, permit);
    let mut pace = simulator.pace;
    match fault {
        Some(Fault::Status { code, retry_after }) => {
            call.fail(code);
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return Err(ProviderError::of_status(status, retry_after));
        }
        Some(Fault::DisconnectBeforeHeaders) => return Ok(disconnected()),
        Some(Fault::Hang { after_chars: None }) => std::future::pending::<()>().await,
        Some(Fault::Slow { first_token_ms }) => pace.first_token = Duration::from_millis(first_token_ms),
        Some(Fault::Hang { after_chars: Some(_) } | Fault::Cut { .. } | Fault::Breach { .. }) | None => {}
    }
    let urls = reply
        .searches
        .iter()
        .flat_map(|search| &search.hits)
        .map(|hit| hit.url.clone())
        .collect();
    call.read(reply.usage.input_tokens, urls, reply.usage.searches);
    Ok(render(simulator.seed, prompt, reply, pace, Interruption::of(fault), call).await)
}

/// The reply in the form that was asked for, at its pace.
async fn render(
    seed: u64,
    prompt: Prompt,
    reply: Reply,
    pace: Pace,
    interruption: Option<Interruption>,
    call: OpenCall,
) -> Response {
    let serial = Chance::new(seed, "call").at(&call.n().to_string());
    let created = wall_clock::now().unix_ms() / 1_000;
    let (usage, is_stream) = (reply.usage, prompt.stream);
    let text = Arc::clone(&reply.text);
    let frames: Box<dyn Iterator<Item = Frame> + Send> = match prompt.api {
        Api::Responses => {
            let rendering = Arc::new(responses::Rendering::new(prompt, reply, serial, created));
            if is_stream {
                Box::new(rendering.frames())
            } else {
                whole(&rendering.document(), &text)
            }
        }
        Api::Chat => {
            let rendering = Arc::new(chat::Rendering::new(
                prompt.model,
                prompt.include_usage,
                reply,
                serial,
                created,
            ));
            if is_stream {
                Box::new(rendering.frames())
            } else {
                whole(&rendering.document(), &text)
            }
        }
    };
    if !is_stream {
        tokio::time::sleep(pace.whole_reply(usage.searches, usage.output_tokens)).await;
    }
    let media_type = if is_stream {
        "text/event-stream; charset=utf-8"
    } else {
        "application/json"
    };
    let body = play::body(frames, pace, interruption, usage, call);
    (
        [
            (header::CONTENT_TYPE, media_type),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        body,
    )
        .into_response()
}

/// A document as the only frame of its reply.
fn whole(document: &Value, text: &str) -> Box<dyn Iterator<Item = Frame> + Send> {
    Box::new(std::iter::once(Frame {
        bytes: Bytes::from(document.to_string()),
        wait: Wait::Nothing,
        text_chars: text.chars().count(),
        tokens: tokens(text),
        completes: true,
    }))
}

fn disconnected() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.extensions_mut().insert(Disconnect);
    response
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
    if model.starts_with("sim-") {
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
    StatusCode::NO_CONTENT
}
