//! The WebSocket of a session: the way in. What happens on it afterwards is in [`connection`].

mod close;
mod connection;
mod inbound;
mod outbox;
#[cfg(test)]
mod tests;
mod voice;
mod watch;

use std::sync::Arc;

use axum::Extension;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use greenroom_actors::Refused;
use greenroom_protocol::{Seq, SessionId, Signal, limits};
use metrics::{counter, gauge};
use serde::Deserialize;
use tokio::time::Instant;
use tracing::Instrument as _;
use utoipa::IntoParams;

use crate::app::App;
use crate::http::{Asker, Failure, InQuery, Peer, RequestId, parse_event_id};
use close::CloseReason;
use connection::{Connection, Entrance};

/// The name of the protocol on the socket.
const SUBPROTOCOL: &str = "greenroom.v1";

/// tungstenite clears its whole read buffer at every read: a small one costs a third of the time and a twentieth of
/// the memory of the default.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// Frames that are ready together leave in one write up to this size.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// Nothing larger is ever written: the output of a stage is at most a quarter of it.
const WRITE_BUFFER_BYTES_MAX: usize = 4 * limits::MODEL_OUTPUT_BYTES_MAX;
/// A frame beyond the limits of the protocol is read whole up to this size, so that it can be rejected; beyond it the
/// connection is closed.
const FRAME_BYTES_MAX: usize = 4 * limits::TEXT_FRAME_BYTES_MAX;

/// Where to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConnectQuery {
    /// Replay what came after this event; without it the connection begins with `session.snapshot`.
    last_event_id: Option<String>,
}

/// Open the session's WebSocket, subprotocol `greenroom.v1`. Browsers offer `token.<t>` and `user.<k>` beside it.
#[utoipa::path(
    get, path = "/api/chat/session/{session_id}/ws", tag = "events",
    params(("session_id" = String, Path, description = "The session"), ConnectQuery),
    responses((status = 101, description = "The socket; see docs/protocol.md")),
)]
pub(crate) async fn connect(
    State(app): State<Arc<App>>,
    asker: Asker,
    Extension(peer): Extension<Peer>,
    Extension(request_id): Extension<RequestId>,
    Path(session): Path<String>,
    InQuery(query): InQuery<ConnectQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let upgrade = upgrade.map_err(|rejection| {
        let status = rejection.into_response().status();
        // A plain GET that nobody can upgrade is a client's mistake, not the server's.
        let status = if status.is_client_error() {
            status
        } else {
            StatusCode::BAD_REQUEST
        };
        Failure::unrouted(status, "this path is a WebSocket")
    })?;
    let after = query.last_event_id.as_deref().map(parse_event_id).transpose()?;
    let session = session.parse::<SessionId>().ok();
    tracing::Span::current().record("session_id", session.map(tracing::field::display));
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_message_size(FRAME_BYTES_MAX);
    let span = tracing::info_span!(
        parent: None,
        "socket",
        request_id = request_id.as_str(),
        session_id = session.map(tracing::field::display),
    );
    span.follows_from(tracing::Span::current());
    let guest = Guest {
        app,
        asker,
        peer,
        session,
        after,
    };
    Ok(upgrade.on_upgrade(move |socket| guest.enter(socket).instrument(span)))
}

/// Who comes in, and where they want to begin.
struct Guest {
    app: Arc<App>,
    asker: Asker,
    peer: Peer,
    session: Option<SessionId>,
    after: Option<Seq>,
}

impl Guest {
    async fn enter(self, socket: WebSocket) {
        // The HTTP connection has ended with the upgrade; this one is waited for in its stead.
        let token = self.app.lifecycle.connection();
        let sockets = gauge!("greenroom_sockets");
        sockets.increment(1.0);
        let began = Instant::now();
        let reason = self.attend(socket).await;
        sockets.decrement(1.0);
        counter!("greenroom_socket_closes_total", "reason" => reason.name()).increment(1);
        tracing::info!(
            reason = reason.name(),
            duration_ms = began.elapsed().as_secs_f64() * 1_000.0,
            "the socket ended"
        );
        drop(token);
    }

    async fn attend(self, mut socket: WebSocket) -> CloseReason {
        let Some(session) = self.session else {
            return turn_away(&mut socket, CloseReason::NoSession, None).await;
        };
        match self
            .app
            .directory
            .cursor(session, &self.asker.caller, self.after)
            .await
        {
            Ok((cursor, view)) => {
                // The log of a session whose playbook is damaged is read all the same.
                let playbook = self.app.playbooks.pinned(&view.playbook.hash).await;
                let playbook =
                    playbook.map_err(|error| Box::new(Failure::from(error).into_body(view.locale)));
                let entrance = Entrance {
                    cursor,
                    view,
                    playbook,
                    replay_from: self.after,
                };
                Connection::new(self.app, self.asker, self.peer.progress, socket, entrance)
                    .run()
                    .await
            }
            Err(refused) => {
                let reason = CloseReason::of_refusal(&refused);
                let error = match refused {
                    Refused::Rejected(error) if reason != CloseReason::NoSession => Some(*error),
                    Refused::Rejected(_) | Refused::Lost => None,
                };
                let notice = error.map(|error| Signal::Notice { error });
                turn_away(&mut socket, reason, notice).await
            }
        }
    }
}

async fn turn_away(socket: &mut WebSocket, reason: CloseReason, notice: Option<Signal>) -> CloseReason {
    let notice = notice.and_then(|notice| serde_json::to_string(&notice).ok());
    let messages = notice
        .map(|json| Message::Text(json.into()))
        .into_iter()
        .chain(reason.message());
    for message in messages {
        if socket.send(message).await.is_err() {
            break;
        }
    }
    connection::wait_for_goodbye(socket).await;
    reason
}
