//! Sessions: begin one, look at one, list one's own.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use greenroom_actors::CreateSession;
use greenroom_protocol::SessionId;
use greenroom_session::ports::SessionFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{InOptionalBody, InPath, InQuery, ListQuery};
use super::object::Object;
use super::wire::{CreateSessionBody, CreatedSession, ListDocument, SessionDocument, SessionItem};
use super::{Asker, Failure};
use crate::app::App;

/// Begin a session.
#[utoipa::path(
    post, path = "/api/chat/session", tag = "sessions",
    request_body(content = CreateSessionBody, description = "May be left out"),
    responses((status = 200, description = "The session, with its greeting", body = CreatedSession)),
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    asker: Asker,
    InOptionalBody(Object(body)): InOptionalBody<Object<CreateSessionBody>>,
) -> Result<Json<CreatedSession>, Failure> {
    let user = asker.user().cloned();
    let locale = body.locale.unwrap_or(asker.locale);
    let new = CreateSession {
        user,
        locale,
        mode: body.mode.unwrap_or_default(),
        playbook: body.playbook,
    };
    let view = app.directory.create(new).await?;
    tracing::Span::current().record("session_id", tracing::field::display(view.session_id));
    Ok(Json(view.into()))
}

/// Look at a session.
#[utoipa::path(
    get, path = "/api/chat/session/{session_id}", tag = "sessions",
    params(("session_id" = String, Path, description = "The session")),
    responses((status = 200, description = "The session as it stands", body = SessionDocument)),
)]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    asker: Asker,
    InPath(session): InPath<SessionId>,
) -> Result<Json<SessionDocument>, Failure> {
    let view = app.directory.view(session, &asker.caller).await?;
    Ok(Json(view.into()))
}

/// Erase a session with everything that is known of it: its log, its runs and jobs, its recordings and speech. What it has
/// under way is cancelled, and its sockets are closed with 4004. From then on it is `SESSION_GONE`.
#[utoipa::path(
    delete, path = "/api/chat/session/{session_id}", tag = "sessions",
    params(("session_id" = String, Path, description = "The session")),
    responses((status = 204, description = "It is gone")),
)]
pub(super) async fn erase(
    State(app): State<Arc<App>>,
    asker: Asker,
    InPath(session): InPath<SessionId>,
) -> Result<StatusCode, Failure> {
    app.directory.delete(session, &asker.caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SessionsQuery {
    /// Only those whose title contains this.
    q: Option<String>,
    /// Only those in this state.
    state: Option<String>,
    /// Rows at most, 1 to 200; 50 if left out.
    limit: Option<u32>,
    /// Rows to skip.
    offset: Option<u32>,
}

/// List the caller's own sessions, newest change first. Sessions without an owner are in nobody's list.
#[utoipa::path(
    get, path = "/api/chat/sessions", tag = "sessions", params(SessionsQuery),
    responses((status = 200, description = "One page", body = ListDocument<SessionItem>)),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    asker: Asker,
    InQuery(query): InQuery<SessionsQuery>,
) -> Result<Json<ListDocument<SessionItem>>, Failure> {
    let paging = ListQuery {
        limit: query.limit,
        offset: query.offset,
    }
    .paging();
    let Some(user) = asker.user().cloned() else {
        return Ok(Json(ListDocument::empty(paging)));
    };
    let filter = SessionFilter {
        user: Some(user),
        text: query.q,
        state: query.state,
    };
    let page = app.models.sessions(&app.tenant, &filter, paging).await?;
    Ok(Json(ListDocument::of(page, paging, SessionItem::from)))
}
