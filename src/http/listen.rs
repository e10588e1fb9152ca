//! Takes connections, serves HTTP on them, and sees that none of them stands still for ever.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics::gauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};
use tower::Service as _;

use crate::app::App;
use crate::lifecycle::{Phase, PhaseWatch};

/// How long the head of a request may take to arrive, and how long a connection may idle between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a request's head, and of what is buffered of its body.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// A connection whose peer takes nothing for this long is broken off. A socket notices after a third of it and
/// uses the rest to say why.
const WRITE_STALL_MAX: Duration = Duration::from_secs(30);
/// After an accept that failed for want of a file descriptor, connections need time to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address; a proxy's, perhaps.
    pub address: SocketAddr,
    /// What it has taken so far.
    pub progress: WriteProgress,
}

/// Bytes that a connection has handed to the network: grows as long as the peer takes them.
#[derive(Debug, Clone, Default)]
pub struct WriteProgress(Arc<AtomicU64>);

impl WriteProgress {
    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Takes connections until the server closes; the listener is closed when this returns. While the server drains,
/// `/ready` must be able to say so, and a client that comes must be told. Connections end by themselves: idle ones when
/// the server drains, all others when it closes.
pub async fn serve(listener: TcpListener, router: Router, app: Arc<App>) {
    let mut closing = app.lifecycle.watch();
    loop {
        let accepted = tokio::select! {
            () = closing.reached(Phase::Closing) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => admit(stream, address, &router, &app),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit(stream: TcpStream, address: SocketAddr, router: &Router, app: &Arc<App>) {
    let open = app.lifecycle.connections();
    if open >= app.limits.connections() {
        // Closing at once costs least, and whoever is turned away comes back later.
        tracing::warn!(open, "a connection was turned away");
        return;
    }
    // A turn is made of small writes that each matter now.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "nodelay");
    }
    let progress = WriteProgress::default();
    let peer = Peer {
        address,
        progress: progress.clone(),
    };
    let counted = CountedStream {
        stream,
        progress,
        stalled: None,
    };
    let token = app.lifecycle.connection();
    let watch = app.lifecycle.watch();
    let router = router.clone();
    let open_gauge = gauge!("greenroom_connections");
    tokio::spawn(async move {
        open_gauge.increment(1.0);
        serve_connection(counted, peer, router, watch).await;
        open_gauge.decrement(1.0);
        drop(token);
    });
}

async fn serve_connection(stream: CountedStream, peer: Peer, router: Router, mut watch: PhaseWatch) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        // A router is always ready.
        router.clone().call(request)
    });
    // One that comes while the server drains serves one request; a graceful end at once would not let it say any.
    let late = watch.phase() >= Phase::Draining;
    let ends_at = if late { Phase::Closing } else { Phase::Draining };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(!late)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let mut ending = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            () = watch.reached(ends_at), if !ending => {
                connection.as_mut().graceful_shutdown();
                ending = true;
            }
        }
    }
}

/// Whether the failure concerns the one connection that was to be accepted, and not the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// A stream that counts what its peer takes, and breaks off when the peer takes nothing for too long.
struct CountedStream {
    stream: TcpStream,
    progress: WriteProgress,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl CountedStream {
    fn count(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.stalled = None;
                self.progress.add(bytes);
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let stalled = self
                    .stalled
                    .get_or_insert_with(|| Box::pin(sleep(WRITE_STALL_MAX)));
                match stalled.as_mut().poll(context) {
                    Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }
}

impl AsyncRead for CountedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for CountedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.count(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.count(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
