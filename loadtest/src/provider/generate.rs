//! The two APIs that write texts: chat completions, and responses with their look-up.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::admission::{Admission, Admitted, Visitor};
use super::api::Api;
use super::bill::BilledUsage;
use super::chat;
use super::error::ProviderError;
use super::pace::tokens;
use super::parameters;
use super::play::{self, Frame, Interruption, Wait};
use super::prompt::Prompt;
use super::reply::Reply;
use super::responses::{self, Archive, Background, Retrieval, Stored, StoredState, input_items};
use super::simulator::SharedSimulator;
use crate::wall_clock;

/// Items of a list that are shown at once, unless the client asks for fewer or more.
const ITEMS_SHOWN: usize = 20;
const ITEMS_SHOWN_MAX: usize = 100;

pub(super) const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";
const JSON: &str = "application/json";

type Answer = Result<Response, ProviderError>;

pub(super) async fn create_response(
    State(simulator): State<SharedSimulator>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    answer(simulator, Api::Responses, headers, body).await
}

pub(super) async fn create_completion(
    State(simulator): State<SharedSimulator>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    answer(simulator, Api::Chat, headers, body).await
}

/// The body as a JSON object.
pub(super) fn read_object(body: Result<Bytes, BytesRejection>) -> Result<Map<String, Value>, ProviderError> {
    let body = body.map_err(|_| ProviderError::too_large())?;
    serde_json::from_slice(&body).map_err(|_| ProviderError::unreadable())
}

async fn answer(
    simulator: SharedSimulator,
    api: Api,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let mut visitor = Visitor::arrive(&simulator, api, &headers)?;
    let request = read_object(body).map_err(|error| visitor.refuse(error))?;
    visitor.introduce(&request)?;
    let earlier = earlier_items(&simulator.archive, &request).map_err(|error| visitor.refuse(error))?;
    let prompt = Prompt::read(api, request, &earlier).map_err(|error| visitor.refuse(error))?;
    let is_background = parameters::flag(&prompt.request, "background");
    if is_background && prompt.request.get("store") == Some(&Value::Bool(false)) {
        let message = "Background mode requires 'store' to be true.";
        return Err(visitor.refuse(ProviderError::invalid("background", "invalid_value", message)));
    }
    let admitted = match visitor.admit(prompt.purpose(), prompt.schema_name()).await {
        Admission::Admitted(admitted) => *admitted,
        Admission::Answered(response) => return Ok(response),
    };
    let Admitted {
        mut call,
        pace,
        fault,
    } = admitted;
    let reply = match Reply::compose(&prompt, simulator.seed, fault) {
        Ok(reply) => reply,
        Err(error) => {
            call.reject(error.status.as_u16());
            return Err(error);
        }
    };
    let found = reply.searches.iter().flat_map(|search| &search.hits);
    let urls = found.map(|hit| hit.url.clone()).collect();
    call.read(reply.usage.input_tokens, urls, reply.usage.searches);
    let performance = Performance {
        earlier,
        written: reply.written(),
        is_stream: prompt.stream,
        admitted: Admitted { call, pace, fault },
    };
    match api {
        Api::Chat => Ok(complete_chat(&simulator, prompt, reply, performance).await),
        _ => Ok(complete_response(&simulator, prompt, reply, performance).await),
    }
}

/// What the request goes on from.
fn earlier_items(archive: &Archive, request: &Map<String, Value>) -> Result<Vec<Value>, ProviderError> {
    let Some(id) = parameters::given(request, "previous_response_id").and_then(Value::as_str) else {
        return Ok(Vec::new());
    };
    let stored = archive.get(id).ok_or_else(|| {
        let message = format!("Previous response with id '{id}' not found.");
        ProviderError::invalid("previous_response_id", "previous_response_not_found", message)
    })?;
    Ok(stored.conversation())
}

/// A reply that is about to be sent.
struct Performance {
    earlier: Vec<Value>,
    /// Everything that is written, to measure a reply by that is sent at once.
    written: String,
    is_stream: bool,
    admitted: Admitted,
}

async fn complete_chat(
    simulator: &SharedSimulator,
    prompt: Prompt,
    reply: Reply,
    performance: Performance,
) -> Response {
    let serial = simulator.serial(performance.admitted.call.n());
    let usage = reply.usage;
    let rendering = chat::Rendering::new(
        prompt.model,
        prompt.include_usage,
        reply,
        serial,
        wall_clock::now().unix_ms() / 1_000,
    );
    let rendering = Arc::new(rendering);
    let Performance {
        written,
        is_stream,
        admitted,
        ..
    } = performance;
    if is_stream {
        return played(EVENT_STREAM, play_frames(rendering.frames(), admitted, usage));
    }
    let frame = whole(&rendering.document(), &written);
    tokio::time::sleep(admitted.pace.whole_reply(usage.searches, usage.output_tokens)).await;
    played(JSON, play_frames(std::iter::once(frame), admitted, usage))
}

async fn complete_response(
    simulator: &SharedSimulator,
    prompt: Prompt,
    reply: Reply,
    performance: Performance,
) -> Response {
    let serial = simulator.serial(performance.admitted.call.n());
    let usage = reply.usage;
    let is_background = parameters::flag(&prompt.request, "background");
    let is_kept = prompt.request.get("store") != Some(&Value::Bool(false));
    let input = input_items(prompt.request.get("input").unwrap_or(&Value::Null), serial);
    let included = prompt.request.get("include").cloned();
    let included = included.and_then(|fields| serde_json::from_value(fields).ok());
    let created_at = wall_clock::now().unix_ms() / 1_000;
    let rendering = Arc::new(responses::Rendering::new(prompt, reply, serial, created_at));
    let Performance {
        earlier,
        written,
        is_stream,
        admitted,
    } = performance;
    let included = included.unwrap_or_default();
    let keep = |state| Stored {
        id: rendering.id(),
        included,
        input,
        earlier,
        state,
    };
    if is_background {
        let body = play_frames(rendering.frames(), admitted, usage);
        let background = Arc::new(Background::start(Arc::clone(&rendering), body, is_stream));
        simulator
            .archive
            .keep(keep(StoredState::Background(Arc::clone(&background))));
        return if is_stream {
            played(EVENT_STREAM, background.stream(0))
        } else {
            Json(background.document().as_ref()).into_response()
        };
    }
    let stored = is_kept.then(|| keep(StoredState::Ended(Arc::new(rendering.document()))));
    let frames: Box<dyn Iterator<Item = Frame> + Send> = if is_stream {
        Box::new(rendering.frames())
    } else {
        tokio::time::sleep(admitted.pace.whole_reply(usage.searches, usage.output_tokens)).await;
        Box::new(std::iter::once(whole(&rendering.document(), &written)))
    };
    // A response is kept once its last event is there.
    let (simulator, mut stored) = (Arc::clone(simulator), stored);
    let frames = frames.inspect(move |frame| {
        if frame.completes
            && let Some(stored) = stored.take()
        {
            simulator.archive.keep(stored);
        }
    });
    let media_type = if is_stream { EVENT_STREAM } else { JSON };
    played(media_type, play_frames(frames, admitted, usage))
}

/// The answer that is one document, at the simulator's pace.
pub(super) async fn reply_with_document(
    document: &Value,
    admitted: Admitted,
    usage: BilledUsage,
) -> Response {
    let text = document.to_string();
    let frame = whole(document, &text);
    tokio::time::sleep(admitted.pace.first_token).await;
    played(JSON, play_frames(std::iter::once(frame), admitted, usage))
}

/// The body that plays a reply's frames.
pub(super) fn play_frames(
    frames: impl Iterator<Item = Frame> + Send + 'static,
    admitted: Admitted,
    usage: BilledUsage,
) -> Body {
    play_stream(stream::iter(frames), admitted, usage)
}

/// The body that plays a reply's frames as they are made.
pub(super) fn play_stream(
    frames: impl Stream<Item = Frame> + Send + 'static,
    admitted: Admitted,
    usage: BilledUsage,
) -> Body {
    let interruption = Interruption::of(admitted.fault);
    play::body(frames, admitted.pace, interruption, usage, admitted.call)
}

/// An answer of a media type.
pub(super) fn played(media_type: &'static str, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, body).into_response()
}

/// A document as the only frame of its reply. Even one without a text can be broken off.
pub(super) fn whole(document: &Value, text: &str) -> Frame {
    Frame {
        bytes: Bytes::from(document.to_string()),
        wait: Wait::Nothing,
        text_chars: text.chars().count().max(1),
        tokens: tokens(text),
        completes: true,
    }
}

pub(super) async fn retrieve_response(
    State(simulator): State<SharedSimulator>,
    headers: HeaderMap,
    Path(id): Path<String>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Answer {
    simulator.authorize(&headers)?;
    let Query(query) = query.map_err(|error| ProviderError::query(&error))?;
    let query = Retrieval::read(query)?;
    let stored = find(&simulator.archive, &id)?;
    if let Some(missing) = query
        .include
        .iter()
        .find(|field| !stored.included.contains(field))
    {
        let message = format!("'{missing}' is only there if the response was made with it (simulated).");
        return Err(ProviderError::invalid("include", "invalid_value", message));
    }
    if !query.stream {
        return Ok(Json(stored.document().as_ref()).into_response());
    }
    match &stored.state {
        StoredState::Background(background) if background.is_streamed() && background.is_too_old() => {
            let message = "This response can no longer be streamed because it is more than 5 minutes old.";
            Err(ProviderError::invalid("stream", "invalid_value", message))
        }
        StoredState::Background(background) if background.is_streamed() => {
            let from = query.starting_after.map_or(0, |last| last + 1);
            Ok(played(EVENT_STREAM, background.stream(from)))
        }
        StoredState::Background(_) | StoredState::Ended(_) => {
            let message = "This response cannot be streamed: it was not created with 'background' and 'stream' set to true.";
            Err(ProviderError::invalid("stream", "invalid_value", message))
        }
    }
}

pub(super) async fn delete_response(
    State(simulator): State<SharedSimulator>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Answer {
    simulator.authorize(&headers)?;
    if simulator.archive.delete(&id) {
        Ok(Json(json!({ "id": id, "object": "response", "deleted": true })).into_response())
    } else {
        Err(ProviderError::unknown_response(&id))
    }
}

pub(super) async fn cancel_response(
    State(simulator): State<SharedSimulator>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Answer {
    simulator.authorize(&headers)?;
    match find(&simulator.archive, &id)?.state {
        StoredState::Background(background) => Ok(Json(background.cancel().await.as_ref()).into_response()),
        StoredState::Ended(_) => {
            let message = "Cannot cancel a synchronous response.";
            Err(ProviderError::invalid("response_id", "invalid_value", message))
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemsQuery {
    order: Option<ItemsOrder>,
    limit: Option<usize>,
    /// The last item that the client has.
    after: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ItemsOrder {
    Asc,
    Desc,
}

pub(super) async fn response_input_items(
    State(simulator): State<SharedSimulator>,
    headers: HeaderMap,
    Path(id): Path<String>,
    query: Result<Query<ItemsQuery>, QueryRejection>,
) -> Answer {
    simulator.authorize(&headers)?;
    let Query(query) = query.map_err(|error| ProviderError::query(&error))?;
    let stored = find(&simulator.archive, &id)?;
    let mut items: Vec<&Value> = stored.earlier.iter().chain(&stored.input).collect();
    if query.order != Some(ItemsOrder::Asc) {
        items.reverse();
    }
    if let Some(after) = &query.after {
        let at = items.iter().position(|item| item["id"] == after.as_str());
        items.drain(..at.map_or(items.len(), |at| at + 1));
    }
    let limit = query.limit.unwrap_or(ITEMS_SHOWN).clamp(1, ITEMS_SHOWN_MAX);
    let has_more = items.len() > limit;
    items.truncate(limit);
    let id_of = |item: Option<&&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    let list = json!({
        "object": "list", "data": items, "has_more": has_more,
        "first_id": id_of(items.first()), "last_id": id_of(items.last()),
    });
    Ok(Json(list).into_response())
}

fn find(archive: &Archive, id: &str) -> Result<Stored, ProviderError> {
    archive.get(id).ok_or_else(|| ProviderError::unknown_response(id))
}
