//! The floor: a bare WebSocket that reads frames and does nothing with them, configured as Greenroom's server is.

use std::future::Future;

use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;

/// As in the server's own socket.
const READ_BUFFER_BYTES: usize = 4 * 1024;
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
const SUBPROTOCOL: &str = "greenroom.v1";

/// Serves until `shutdown` is ready.
pub async fn serve_floor(
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let router = Router::new().route("/api/chat/session/{session_id}/ws", get(open));
    // Sockets that are open when it stops end with the process; nobody waits for them.
    tokio::select! {
        served = axum::serve(listener, router).into_future() => Ok(served?),
        () = shutdown => Ok(()),
    }
}

async fn open(upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .on_upgrade(read)
}

async fn read(mut socket: WebSocket) {
    while let Some(Ok(_)) = socket.recv().await {}
}
