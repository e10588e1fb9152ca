//! The provider simulator: a server that speaks OpenAI's protocol and says of itself that it is none.

mod admission;
mod api;
mod author;
mod bill;
mod chat;
mod error;
mod fault;
mod generate;
mod headers;
mod image;
mod moderation;
mod pace;
mod parameters;
mod play;
mod prompt;
mod realtime;
mod reply;
mod responses;
mod routes;
mod search;
mod simulator;
mod speech;
mod strict;
mod transcription;

use std::convert::Infallible;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

pub use api::Api;
pub use bill::{BillOutcome, BillStatement, BillTotals, BilledCall, BilledUsage, read_bill};
pub use fault::{BreachMode, Fault, FaultMatch, FaultRule, Forever, Nth, Times};
pub use moderation::Category;

pub(crate) use author::Chance;

use admission::Disconnect;
use simulator::Simulator;

/// Connections that may be open at once; more wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 8_192;
/// How long replies may still be read once the simulator stops.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);
/// After a failed accept (no file descriptors left, say) the next one waits.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How the simulator behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderConfig {
    /// Time until the first token.
    pub first_token: Duration,
    /// Tokens written in a second.
    pub tokens_per_second: f64,
    /// Divides the first token's time and multiplies the rate.
    pub speed: f64,
    /// The only key that is let in; none lets every key in.
    pub require_key: Option<String>,
    /// What all choices of content follow from, together with the request.
    pub seed: u64,
    /// What goes wrong from the start.
    pub faults: Vec<FaultRule>,
    /// Where the bill is written, one JSON object a line; a call's last line counts.
    pub bill: Option<PathBuf>,
}

impl Default for ProviderConfig {
    fn default() -> Self {
        Self {
            first_token: Duration::from_millis(120),
            tokens_per_second: 80.0,
            speed: 1.0,
            require_key: None,
            seed: 0,
            faults: Vec::new(),
            bill: None,
        }
    }
}

/// Serves until `shutdown` is ready. Fails if the bill cannot be written or the configuration makes no sense.
pub async fn serve(
    config: ProviderConfig,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let simulator = Simulator::new(&config)?;
    let router = routes::router(&simulator);
    let stopping = CancellationToken::new();
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), stopping.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    simulator.stop();
    stopping.cancel();
    let drained = async {
        while connections.join_next().await.is_some() {}
        simulator.sockets_ended().await;
    };
    // Whoever still reads after the grace is cut off as the connections are dropped.
    let _ = tokio::time::timeout(SHUTDOWN_GRACE, drained).await;
    Ok(())
}

/// A fault closes the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("disconnected by a fault")]
struct Disconnected;

async fn connection(stream: TcpStream, router: Router, stopping: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "nodelay not set");
    }
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let router = router.clone();
        async move {
            let answered: Result<Response<Body>, Infallible> = router.oneshot(request.map(Body::new)).await;
            let Ok(response) = answered;
            if response.extensions().get::<Disconnect>().is_some() {
                Err(Disconnected)
            } else {
                Ok(response)
            }
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stopping.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
