//! Turns: a typed message, answered whole or as a stream.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use greenroom_actors::Cursor;
use greenroom_protocol::{ErrorCode, Seq, SessionId};
use greenroom_session::SessionView;
use greenroom_session::{Command, CommandKind};
use metrics::counter;

use super::asker::IdempotencyKey;
use super::extract::{InBody, InPath};
use super::object::Object;
use super::sse;
use super::turn::{TurnEvents, TurnSummary, gather_within};
use super::wire::{MessageBody, TurnDocument};
use super::{Asker, Failure, send};
use crate::app::App;
use crate::lifecycle::Phase;

/// Say something and wait for the reply. A client that goes away cancels nothing.
#[utoipa::path(
    post, path = "/api/chat/session/{session_id}/message", tag = "turns",
    params(("session_id" = String, Path, description = "The session"), IdempotencyKey),
    request_body = MessageBody,
    responses((status = 200, description = "The turn", body = TurnDocument)),
)]
pub(super) async fn message(
    State(app): State<Arc<App>>,
    asker: Asker,
    InPath(session): InPath<SessionId>,
    key: IdempotencyKey,
    InBody(Object(body)): InBody<Object<MessageBody>>,
) -> Result<Json<TurnDocument>, Failure> {
    let _answering = app.lifecycle.answer();
    let turn = begin(&app, &asker, session, key, body.message).await?;
    let (summary, view) = complete(&app, &asker, turn).await?;
    Ok(Json(TurnDocument {
        session_id: session,
        state: view.state,
        assistant_message: summary.assistant_message(),
        slot_updates: summary.slot_updates,
        brief_slots: view.brief_slots,
        gate: view.gate,
    }))
}

/// Say something and watch the turn. Each event's `event` is its type, `id` its id and `data` its data; the last
/// one is the turn's `turn.completed`.
#[utoipa::path(
    post, path = "/api/chat/session/{session_id}/message/stream", tag = "turns",
    params(("session_id" = String, Path, description = "The session"), IdempotencyKey),
    request_body = MessageBody,
    responses((status = 200, description = "The turn's events", body = String, content_type = "text/event-stream")),
)]
pub(super) async fn message_stream(
    State(app): State<Arc<App>>,
    asker: Asker,
    InPath(session): InPath<SessionId>,
    key: IdempotencyKey,
    InBody(Object(body)): InBody<Object<MessageBody>>,
) -> Result<Response, Failure> {
    let turn = begin(&app, &asker, session, key, body.message).await?;
    Ok(sse::turn(turn.events, app.lifecycle.watch()))
}

/// A turn that has begun.
pub(super) struct BegunTurn {
    /// Its events, from the first.
    pub(super) events: TurnEvents<Cursor>,
    /// The session, no earlier than at its beginning.
    pub(super) view: SessionView,
}

/// Waits until the turn is over; answers with what it brought about, and the session after it.
pub(super) async fn complete(
    app: &App,
    asker: &Asker,
    turn: BegunTurn,
) -> Result<(TurnSummary, SessionView), Failure> {
    let BegunTurn { events, view } = turn;
    let playbook = app.playbooks.pinned(&view.playbook.hash).await?;
    let gathering = gather_within(events, &playbook);
    let gathered = app
        .lifecycle
        .watch()
        .unless_reached(Phase::Closing, gathering)
        .await;
    let (summary, end) = gathered.ok_or_else(Failure::closing)??;
    let summary = summary.failure().map_err(Failure::Told)?;
    // A turn without a model is often over before anyone looked: then the view is recent enough already.
    let view = if view.as_of_seq >= end {
        view
    } else {
        app.directory.view(view.session_id, &asker.caller).await?
    };
    Ok((summary, view))
}

/// Takes a turn from what the client may have of them.
pub(super) fn take_turn(app: &App, asker: &Asker) -> Result<(), Failure> {
    app.limits.turns.take(&asker.client).map_err(|retry_after_s| {
        counter!("greenroom_rate_limited_total", "what" => "turn").increment(1);
        Failure::rate_limited(retry_after_s)
    })
}

async fn begin(
    app: &App,
    asker: &Asker,
    session: SessionId,
    IdempotencyKey(id): IdempotencyKey,
    text: String,
) -> Result<BegunTurn, Failure> {
    take_turn(app, asker)?;
    let command = Command {
        id,
        caller: asker.caller.clone(),
        kind: CommandKind::UserMessage { text, spoken: None },
    };
    let receipt = send(&app.directory, session, command).await?;
    let turn_id = receipt.turn_id.ok_or_else(|| {
        tracing::error!("a message was taken without a turn");
        Failure::new(ErrorCode::SysInternal)
    })?;
    let before = Seq(receipt.seq.0.saturating_sub(1));
    let (cursor, view) = app.directory.cursor(session, &asker.caller, Some(before)).await?;
    Ok(BegunTurn {
        events: TurnEvents::new(cursor, turn_id),
        view,
    })
}
