//! Makes the socket, and serves on it.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tower::Service as _;

use super::peer::Peer;
use super::routes::router;
use crate::app::App;

/// The socket's name in the data directory.
pub(super) const SOCKET_NAME: &str = "admin.sock";
/// Connections at once: operators are few.
const CONNECTIONS_MAX: usize = 32;
/// How long a connection may ask nothing: those that were forgotten are not to keep others out.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// After an accept that failed for want of a file descriptor, connections need time to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AdminSocketError {
    /// Another server answers on it.
    #[error("another server answers on {}; stop it first", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// It cannot be made.
    #[error("the admin socket {} cannot be made: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The socket, as long as it is served.
pub struct AdminSocket {
    file: SocketFile,
    closing: CancellationToken,
    serving: AbortOnDropHandle<()>,
}

/// The socket's place in the file system.
struct SocketFile(PathBuf);

impl AdminSocket {
    /// Listens until it is closed or dropped.
    pub async fn listen(data_dir: &Path, app: Arc<App>) -> Result<Self, AdminSocketError> {
        let path = data_dir.join(SOCKET_NAME);
        let listener = bind(&path).await?;
        let closing = CancellationToken::new();
        let serving = AbortOnDropHandle::new(tokio::spawn(serve(listener, app, closing.clone())));
        Ok(Self {
            file: SocketFile(path),
            closing,
            serving,
        })
    }

    /// Takes no more questions, and answers those that were asked, but not for long. Says whether all were answered.
    pub async fn close(self, within: Duration) -> bool {
        self.closing.cancel();
        let answered = timeout(within, self.serving).await.is_ok();
        drop(self.file);
        answered
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // One that stays behind is replaced at the next start.
        std::fs::remove_file(&self.0).ok();
    }
}

/// A socket that a dead server left behind is replaced; one that somebody answers on is not.
async fn bind(path: &Path) -> Result<UnixListener, AdminSocketError> {
    let failed = |source| AdminSocketError::Io {
        path: path.to_owned(),
        source,
    };
    if UnixStream::connect(path).await.is_ok() {
        return Err(AdminSocketError::Taken {
            path: path.to_owned(),
        });
    }
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    // Bound beside its place and moved there once nobody else may open it.
    let unready = path.with_extension("sock.new");
    if let Err(error) = std::fs::remove_file(&unready)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(failed(error));
    }
    let listener = UnixListener::bind(&unready).map_err(failed)?;
    std::fs::set_permissions(&unready, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    std::fs::rename(&unready, path).map_err(failed)?;
    Ok(listener)
}

async fn serve(listener: UnixListener, app: Arc<App>, closing: CancellationToken) {
    let router = router(app);
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    while let Some(accepted) = closing.run_until_cancelled(listener.accept()).await {
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok(_) if connections.len() >= CONNECTIONS_MAX => {}
            Ok((stream, _)) => {
                connections.spawn(serve_connection(stream, router.clone(), closing.clone()));
            }
            Err(error) => {
                // The operator is needed most while the server is short of something.
                tracing::warn!(%error, "the admin socket cannot accept a connection");
                closing.run_until_cancelled(sleep(ACCEPT_PAUSE)).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve_connection(stream: UnixStream, router: Router, closing: CancellationToken) {
    let peer = Peer::of(&stream);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        // A router is always ready.
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an admin connection broke");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_owner_may_open_it_and_a_stale_one_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SOCKET_NAME);
        let first = bind(&path).await.unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(matches!(bind(&path).await, Err(AdminSocketError::Taken { .. })));
        drop(first);
        assert!(bind(&path).await.is_ok());
    }
}
