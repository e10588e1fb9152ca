//! Panics on demand, for tests of the built server. Compiled in only with debug assertions.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use greenroom_actors::SessionFault;
use greenroom_protocol::SessionId;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::http::{Failure, InBody};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/faults", post(provoke))
}

/// Who is to panic.
#[derive(Debug, Deserialize)]
#[serde(tag = "fault", deny_unknown_fields)]
enum Panics {
    /// The actor of a session.
    #[serde(rename = "session_panic")]
    Session { session_id: SessionId },
    /// The agents of a session that are under way.
    #[serde(rename = "agent_panic")]
    Agent { session_id: SessionId },
    /// The line of a session that listens, or else speaks.
    #[serde(rename = "line_panic")]
    Line { session_id: SessionId },
    /// The journal's writer.
    #[serde(rename = "writer_panic")]
    Writer {},
}

async fn provoke(State(app): State<Arc<App>>, InBody(who): InBody<Panics>) -> Result<Json<Value>, Failure> {
    let directory = &app.directory;
    let provoked = match who {
        Panics::Session { session_id } => directory.provoke(session_id, SessionFault::Session).await,
        Panics::Agent { session_id } => directory.provoke(session_id, SessionFault::Agents).await,
        Panics::Line { session_id } => directory.provoke_line(session_id),
        Panics::Writer {} => (app.panic_writer)(),
    };
    Ok(Json(json!({ "provoked": provoked })))
}
