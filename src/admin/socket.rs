//! Makes the socket, and serves on it.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::task::AbortOnDropHandle;
use tower::Service as _;

use super::routes::router;
use crate::app::App;

/// The socket's name in the data directory.
pub(super) const SOCKET_NAME: &str = "admin.sock";
/// Connections at once: operators are few.
const CONNECTIONS_MAX: usize = 32;

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
    path: PathBuf,
    _serving: AbortOnDropHandle<()>,
}

impl AdminSocket {
    /// Listens until it is dropped.
    pub async fn listen(data_dir: &Path, app: Arc<App>) -> Result<Self, AdminSocketError> {
        let path = data_dir.join(SOCKET_NAME);
        let listener = bind(&path).await?;
        let serving = AbortOnDropHandle::new(tokio::spawn(serve(listener, app)));
        Ok(Self {
            path,
            _serving: serving,
        })
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        // One that stays behind is replaced at the next start.
        std::fs::remove_file(&self.path).ok();
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

async fn serve(listener: UnixListener, app: Arc<App>) {
    let router = router(app);
    // Dropped with this task, and every connection with it.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the admin socket accepts nothing");
                return;
            }
        };
        if connections.len() >= CONNECTIONS_MAX {
            continue;
        }
        let router = router.clone();
        connections.spawn(async move {
            let service = service_fn(move |request: hyper::Request<Incoming>| {
                router.clone().call(request.map(Body::new))
            });
            if let Err(error) = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await
            {
                tracing::debug!(%error, "an admin connection broke");
            }
        });
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
