//! The log of a session: as a stream, or in pages.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse as _, Response};
use greenroom_protocol::{ErrorBody, ErrorCode, EventId, Seq, SessionId, limits};
use greenroom_session::ports::SessionRow;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::access::text;
use super::extract::{InPath, InQuery};
use super::{Asker, Failure, schemas, sse};
use crate::app::App;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Events of a page if the client does not say.
const PAGE_EVENTS_DEFAULT: usize = 100;

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// Only what came after this number (pages).
    after: Option<u64>,
    /// Events at most, 1 to 1000; 100 if left out (pages).
    limit: Option<usize>,
    /// Only what came after this event (stream), for clients that cannot send the header.
    last_event_id: Option<String>,
}

/// A page of the log.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventsPage {
    /// The events, oldest first.
    #[schema(schema_with = schemas::envelopes)]
    events: Vec<Box<RawValue>>,
    /// What to ask for next as `after`.
    next_after: u64,
    /// The number of the last event of the log.
    head: u64,
}

/// Read the log: with `Accept: application/json` a page of it, else a stream that is replayed and then live.
#[utoipa::path(
    get, path = "/api/chat/session/{session_id}/events", tag = "events",
    params(
        ("session_id" = String, Path, description = "The session"),
        ("Last-Event-ID" = Option<String>, Header, description = "Only what came after this event (stream)"),
        EventsQuery,
    ),
    responses((status = 200, description = "The events", content(
        (EventsPage = "application/json"),
        (String = "text/event-stream"),
    ))),
)]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    asker: Asker,
    InPath(session): InPath<SessionId>,
    InQuery(query): InQuery<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    if wants_page(text(&headers, header::ACCEPT).unwrap_or_default()) {
        let row = app.models.session(&app.tenant, session).await?;
        let row = row.filter(|row| asker.caller.may_access(row.summary.user.as_ref()));
        let row = row.ok_or(Failure::new(ErrorCode::SessionNotFound))?;
        let after = Seq(query.after.unwrap_or(0));
        return Ok(Json(page(&app, &row, after, query.limit).await?).into_response());
    }
    // A page that has seen nothing yet may send it empty.
    let last_seen = text(&headers, LAST_EVENT_ID).filter(|id| !id.trim().is_empty());
    let after = match last_seen.or(query.last_event_id.as_deref()) {
        Some(id) => parse_event_id(id)?,
        None => Seq(query.after.unwrap_or(0)),
    };
    let (cursor, _) = app.directory.cursor(session, &asker.caller, Some(after)).await?;
    Ok(sse::log(cursor, app.lifecycle.watch()))
}

/// Whether an `Accept` asks for a page. One that names the stream with the same weight is content with it.
fn wants_page(accept: &str) -> bool {
    weight(accept, "application/json") > weight(accept, "text/event-stream")
}

/// The weight that an `Accept` gives to a media type by its name; 0 if it does not name it.
fn weight(accept: &str, media_type: &str) -> f32 {
    let range = accept
        .split(',')
        .map(|range| range.split(';').map(str::trim))
        .find_map(|mut parts| parts.next()?.eq_ignore_ascii_case(media_type).then_some(parts));
    let Some(mut parameters) = range else { return 0.0 };
    let quality = parameters.find_map(|parameter| parameter.strip_prefix("q="));
    quality.and_then(|quality| quality.parse().ok()).unwrap_or(1.0)
}

/// A page of a session's log; nothing that happens meanwhile is missed, for the next page begins where it ends.
pub async fn page(
    app: &App,
    row: &SessionRow,
    after: Seq,
    limit: Option<usize>,
) -> Result<EventsPage, Failure> {
    if after > row.head {
        // As a stream tells it, in the session's language.
        let error = ErrorBody::new(ErrorCode::SessionEventAhead, row.summary.locale);
        let error = error.with_details(json!({ "head": row.head }));
        return Err(Failure::Told(Box::new(error)));
    }
    let limit = limit
        .unwrap_or(PAGE_EVENTS_DEFAULT)
        .clamp(1, limits::EVENTS_PAGE_MAX);
    let frames = app
        .journal
        .frames(&app.tenant, row.session_id, after, limit)
        .await?;
    let next_after = frames.last().map_or(after, |frame| frame.seq);
    let events = frames
        .iter()
        .map(greenroom_protocol::Frame::raw)
        .collect::<Result<_, _>>();
    let events = events.map_err(|error| {
        tracing::error!(%error, "a stored envelope is not JSON");
        Failure::new(ErrorCode::SysInternal)
    })?;
    Ok(EventsPage {
        events,
        next_after: next_after.0,
        head: row.head.max(next_after).0,
    })
}

/// Reads an event id as a client sends it back.
pub fn parse_event_id(id: &str) -> Result<Seq, Failure> {
    let parsed = id.trim().parse::<EventId>();
    parsed
        .map(|EventId(seq)| seq)
        .map_err(|error| Failure::with_details(ErrorCode::InputInvalid, format!("last event id: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_for_who_would_rather_have_it() {
        let check = |accept, expected| assert_eq!(wants_page(accept), expected, "{accept}");
        check("application/json", true);
        check("Application/JSON; charset=utf-8", true);
        check("application/json, text/event-stream;q=0.9", true);
        check("text/event-stream;q=0.5, application/json;q=0.8, */*;q=0.1", true);
        check("", false);
        check("*/*", false);
        check("text/event-stream", false);
        check("text/event-stream, application/json", false);
        check("application/json;q=0.8, text/event-stream", false);
        check("application/jsonish", false);
    }
}
