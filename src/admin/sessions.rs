//! Sessions as an operator sees them, and what an operator does to one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use greenroom_actors::{Refused, Restart};
use greenroom_protocol::{ErrorCode, Locale, RunId, Seq, SessionId, StageId};
use greenroom_session::Receipt;
use greenroom_session::ports::{SessionFilter, SessionRow};
use greenroom_store::Operator;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::reason::Reason;
use crate::app::App;
use crate::http::{EventsPage, Failure, InBody, InPath, InQuery, ListQuery, events_page};

#[derive(Debug, Deserialize)]
pub(super) struct SessionsQuery {
    state: Option<String>,
    q: Option<String>,
    limit: Option<u32>,
    offset: Option<u32>,
}

pub(super) async fn list(
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

pub(super) async fn show(
    State(app): State<Arc<App>>,
    InPath(session): InPath<SessionId>,
) -> Result<Json<Value>, Failure> {
    let row = existing(&app, session).await?;
    let cost = app.models.cost(&app.tenant, session).await?;
    // What cannot be woken is what an operator wants to look at most: its row and cost are shown all the same.
    let (actor, actor_error) = match app.directory.inspect(session).await {
        Ok(actor) => (json!(actor), Value::Null),
        Err(refused) => (Value::Null, json!(in_english(refused).into_body(Locale::En))),
    };
    let mut document = row_document(&row);
    document["cost"] = json!(cost);
    document["actor"] = actor;
    document["actor_error"] = actor_error;
    Ok(Json(document))
}

#[derive(Debug, Deserialize)]
pub(super) struct EventsQuery {
    after: Option<u64>,
    limit: Option<usize>,
}

pub(super) async fn events(
    State(app): State<Arc<App>>,
    InPath(session): InPath<SessionId>,
    InQuery(query): InQuery<EventsQuery>,
) -> Result<Json<EventsPage>, Failure> {
    let row = existing(&app, session).await?;
    let page = events_page(&app, &row, Seq(query.after.unwrap_or(0)), query.limit).await?;
    Ok(Json(page))
}

pub(super) async fn existing(app: &App, session: SessionId) -> Result<SessionRow, Failure> {
    let row = app.models.session(&app.tenant, session).await?;
    row.ok_or(Failure::new(ErrorCode::SessionNotFound))
}

/// From where a session is taken up, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RestartBody {
    from_stage: Option<StageId>,
    reason: Reason,
}

/// Why a session is stopped.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StopBody {
    reason: Reason,
}

/// What was done to a session. Why, and that it was, stands in its log.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    session_id: SessionId,
    /// The state that the session is in by now.
    state: String,
    /// The first event that it made.
    seq: Seq,
    /// The run that goes on.
    run_id: Option<RunId>,
}

pub(super) async fn restart(
    State(app): State<Arc<App>>,
    Extension(operator): Extension<Operator>,
    InPath(session): InPath<SessionId>,
    InBody(RestartBody { from_stage, reason }): InBody<RestartBody>,
) -> Result<Json<Done>, Failure> {
    tracing::info!(uid = operator.uid, session_id = %session, "an operator restarts a session");
    let reason = reason.into_text();
    let restart = Restart { from_stage, reason };
    let receipt = app
        .directory
        .restart(session, restart)
        .await
        .map_err(in_english)?;
    Ok(Json(done(&app, session, &receipt).await?))
}

pub(super) async fn stop(
    State(app): State<Arc<App>>,
    Extension(operator): Extension<Operator>,
    InPath(session): InPath<SessionId>,
    InBody(StopBody { reason }): InBody<StopBody>,
) -> Result<Json<Done>, Failure> {
    tracing::info!(uid = operator.uid, session_id = %session, "an operator stops a session");
    let stopped = app.directory.stop(session, reason.into_text()).await;
    let receipt = stopped.map_err(in_english)?;
    Ok(Json(done(&app, session, &receipt).await?))
}

/// A session refuses in its user's language.
fn in_english(refused: Refused) -> Failure {
    Failure::from(refused).retold()
}

async fn done(app: &App, session: SessionId, receipt: &Receipt) -> Result<Done, Failure> {
    let row = existing(app, session).await?;
    Ok(Done {
        session_id: session,
        state: row.summary.state,
        seq: receipt.seq,
        run_id: receipt.run_id,
    })
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
