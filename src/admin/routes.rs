//! What an operator may ask.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use greenroom_protocol::{ErrorCode, Locale, Seq, SessionId};
use greenroom_session::ports::{SessionFilter, SessionRow};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::http::{EventsPage, Failure, InPath, InQuery, ListQuery, events_page, render};

/// The operator's routes. Errors are in English, as the log is.
pub(super) fn router(app: Arc<App>) -> Router {
    let router = Router::new();
    #[cfg(debug_assertions)]
    let router = router.merge(super::faults::routes());
    router
        .route("/sessions", get(sessions))
        .route("/sessions/{session_id}", get(session))
        .route("/sessions/{session_id}/events", get(events))
        .fallback(async || Failure::unrouted(StatusCode::NOT_FOUND, "there is no such question"))
        .method_not_allowed_fallback(async || {
            Failure::unrouted(StatusCode::METHOD_NOT_ALLOWED, "questions are asked by GET")
        })
        .layer(from_fn(async |request: Request, next: Next| -> Response {
            render(next.run(request).await, Locale::En)
        }))
        .with_state(app)
}

#[derive(Debug, Deserialize)]
struct SessionsQuery {
    state: Option<String>,
    q: Option<String>,
    limit: Option<u32>,
    offset: Option<u32>,
}

async fn sessions(
    State(app): State<Arc<App>>,
    InQuery(query): InQuery<SessionsQuery>,
) -> Result<Json<Value>, Failure> {
    let paging = ListQuery {
        limit: query.limit,
        offset: query.offset,
    }
    .paging();
    let filter = SessionFilter {
        user: None,
        text: query.q,
        state: query.state,
    };
    let page = app.models.sessions(&app.tenant, &filter, paging).await?;
    let items: Vec<Value> = page.items.iter().map(row_document).collect();
    Ok(Json(json!({
        "items": items, "total": page.total, "limit": paging.limit, "offset": paging.offset, "live": app.directory.live(),
    })))
}

async fn session(
    State(app): State<Arc<App>>,
    InPath(session): InPath<SessionId>,
) -> Result<Json<Value>, Failure> {
    let row = existing(&app, session).await?;
    let cost = app.models.cost(&app.tenant, session).await?;
    // What cannot be woken is what an operator wants to look at most: its row and cost are shown all the same.
    let (actor, actor_error) = match app.directory.inspect(session).await {
        Ok(actor) => (json!(actor), Value::Null),
        Err(refused) => (Value::Null, json!(Failure::from(refused).into_body(Locale::En))),
    };
    let mut document = row_document(&row);
    document["cost"] = json!(cost);
    document["actor"] = actor;
    document["actor_error"] = actor_error;
    Ok(Json(document))
}

#[derive(Debug, Deserialize)]
struct EventsQuery {
    after: Option<u64>,
    limit: Option<usize>,
}

async fn events(
    State(app): State<Arc<App>>,
    InPath(session): InPath<SessionId>,
    InQuery(query): InQuery<EventsQuery>,
) -> Result<Json<EventsPage>, Failure> {
    let row = existing(&app, session).await?;
    let page = events_page(&app, &row, Seq(query.after.unwrap_or(0)), query.limit).await?;
    Ok(Json(page))
}

async fn existing(app: &App, session: SessionId) -> Result<SessionRow, Failure> {
    let row = app.models.session(&app.tenant, session).await?;
    row.ok_or(Failure::new(ErrorCode::SessionNotFound))
}

/// A row of the list of sessions; the user's key is masked.
fn row_document(row: &SessionRow) -> Value {
    let summary = &row.summary;
    json!({
        "session_id": row.session_id,
        "title": summary.title,
        "state": summary.state,
        "mode": summary.mode,
        "locale": summary.locale,
        "playbook": summary.playbook,
        "user": summary.user.as_ref().map(ToString::to_string),
        "completeness": summary.completeness,
        "head": row.head,
        "wake_at": summary.wake_at,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    })
}
