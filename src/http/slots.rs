//! The user's own edits of the brief.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use greenroom_protocol::{ErrorCode, SessionId, limits};
use greenroom_session::{Command, CommandKind, SlotEdit};

use super::asker::IdempotencyKey;
use super::extract::{InBody, InPath};
use super::object::Object;
use super::wire::{SessionDocument, SlotEditBody};
use super::{Asker, Failure, send};
use crate::app::App;

/// Edit slots, all or none.
#[utoipa::path(
    patch, path = "/api/chat/session/{session_id}/slots", tag = "sessions",
    params(("session_id" = String, Path, description = "The session"), IdempotencyKey),
    request_body = Vec<SlotEditBody>,
    responses((status = 200, description = "The session after the edits", body = SessionDocument)),
)]
pub(super) async fn edit(
    State(app): State<Arc<App>>,
    asker: Asker,
    InPath(session): InPath<SessionId>,
    IdempotencyKey(id): IdempotencyKey,
    InBody(edits): InBody<Vec<Object<SlotEditBody>>>,
) -> Result<Json<SessionDocument>, Failure> {
    if !(1..=limits::SLOT_EDITS_MAX).contains(&edits.len()) {
        let reason = format!("a request holds 1 to {} edits", limits::SLOT_EDITS_MAX);
        return Err(Failure::with_details(ErrorCode::InputInvalid, reason));
    }
    let edits = edits
        .into_iter()
        .map(|Object(edit)| SlotEdit {
            path: edit.path,
            value: edit.value,
        })
        .collect();
    let command = Command {
        id,
        caller: asker.caller.clone(),
        kind: CommandKind::SetSlots { edits },
    };
    send(&app.directory, session, command).await?;
    let view = app.directory.view(session, &asker.caller).await?;
    Ok(Json(view.into()))
}
