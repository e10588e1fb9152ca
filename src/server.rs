//! Listens, serves, and takes everything apart again in the right order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::admin::{AdminSocket, AdminSocketError};
use crate::cli::ServeArgs;
use crate::config::{self, Config, ConfigFaults};
use crate::engine::{Engine, EngineError};
use crate::http;
use crate::lifecycle::Phase;
use crate::signals::{Signal, Signals};
use crate::startup;
use crate::telemetry::{Telemetry, TelemetryError};

/// How long it may take to answer those who waited for work that has ended.
const ANSWERS_END: Duration = Duration::from_secs(2);
/// How long connections may take to end after everything that they waited for is over. A socket whose client takes
/// nothing needs its whole patience.
const CONNECTIONS_END: Duration = Duration::from_secs(5);

/// How long lines of voice may take to tell their sessions what was heard, once their sockets have ended.
const LINES_END: Duration = Duration::from_secs(2);

/// Why the server does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration is wrong, or names what cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigFaults),
    /// Logs or metrics cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}{}", hint(.source))]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The parts do not come together.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The admin socket cannot be made.
    #[error(transparent)]
    Admin(#[from] AdminSocketError),
    /// The signals of the system cannot be heard.
    #[error("signals cannot be heard: {0}")]
    Signals(io::Error),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => ": stop what listens there, or name another address with --listen",
        io::ErrorKind::AddrNotAvailable => ": this machine does not have that address",
        io::ErrorKind::PermissionDenied => ": ports below 1024 are for root; name another with --listen",
        _ => "",
    }
}

/// A server that serves.
struct Server {
    /// Dropped first: the next server must not find its socket removed by this one.
    admin: AdminSocket,
    engine: Engine,
    accepting: JoinHandle<()>,
}

/// Serves until the system asks the process to end.
pub async fn run(args: &ServeArgs) -> Result<(), ServeError> {
    let config = config::load(args)?;
    let mut signals = Signals::listen().map_err(ServeError::Signals)?;
    let telemetry = Telemetry::install(&config.log)?;
    let server = Server::start(&config, &telemetry).await?;
    let lifecycle = &server.engine.app.lifecycle;
    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Signal::Reload => server.reload(args, &telemetry),
                Signal::Stop => break,
            },
            () = lifecycle.stop_asked() => break,
        }
    }
    tracing::info!("draining");
    // Whoever asks the process twice does not want to wait.
    tokio::select! {
        () = server.stop(config.server.drain) => tracing::info!("stopped"),
        () = signals.stop() => tracing::warn!("stopped at once; what was under way is taken up at the next start"),
    }
    Ok(())
}

impl Server {
    async fn start(config: &Config, telemetry: &Telemetry) -> Result<Self, ServeError> {
        let (playbooks, providers) = startup::prepare(config)?;
        // Before anything is touched: a second server on one address must not get as far as the database.
        let address = config.server.listen;
        let listening = TcpListener::bind(address).await;
        let listener = listening.map_err(|source| ServeError::Listen { address, source })?;
        let address = listener.local_addr().unwrap_or(address);

        let ports = providers.ports();
        let engine = Engine::start(config, &playbooks, providers, ports, Some(telemetry.metrics())).await?;
        let app = &engine.app;
        let admin = AdminSocket::listen(&config.server.data_dir, Arc::clone(app)).await?;
        engine.greenroom.recover();
        engine.greenroom.sweep();
        let accepting = tokio::spawn(http::serve(
            listener,
            http::router(Arc::clone(app)),
            Arc::clone(app),
        ));
        startup::announce(address, config, &app.providers, playbooks.names());
        Ok(Self {
            admin,
            engine,
            accepting,
        })
    }

    /// Takes over what can be changed while the server runs. A faulty configuration changes nothing.
    fn reload(&self, args: &ServeArgs, telemetry: &Telemetry) {
        let config = match config::load(args) {
            Ok(config) => config,
            Err(faults) => {
                tracing::error!(%faults, "the configuration is not reread");
                return;
            }
        };
        self.engine.store.set_page_limit(config.store.page_limit);
        self.engine.app.configure_limits(config.limits);
        if let Err(error) = telemetry.set_level(&config.log.level) {
            tracing::error!(%error, "the log's level is not changed");
        }
        tracing::info!("the configuration was reread: store.page_limit, limits, log.level");
    }

    /// Takes no new work, lets what is under way finish, tells everybody, and closes the journal last.
    async fn stop(self, drain: Duration) {
        let lifecycle = &self.engine.app.lifecycle;
        // Before anybody is told, so that nothing is accepted from those who know already.
        self.engine.greenroom.drain();
        lifecycle.advance(Phase::Draining);
        let began = Instant::now();
        // What ended just now is told while the sessions can still be asked about it.
        let answered =
            !self.engine.greenroom.quiet(drain).await || lifecycle.answers_given(ANSWERS_END).await;
        if !answered {
            tracing::warn!("somebody who waited for work was not answered");
        }
        lifecycle.advance(Phase::Closing);
        if let Err(error) = self.accepting.await {
            tracing::error!(%error, "the listener did not end well");
        }
        if !lifecycle.connections_ended(CONNECTIONS_END).await {
            tracing::warn!(open = lifecycle.connections(), "connections were cut off");
        }
        // Lines of voice hang up with their sockets, and have something to tell their sessions.
        if timeout(LINES_END, self.engine.app.live_voice.quiet())
            .await
            .is_err()
        {
            tracing::warn!(
                lines = self.engine.app.live_voice.lines(),
                "lines of voice were cut off"
            );
        }
        // Operators watch as long as there is something to see, and have their answers.
        if !self.admin.close(ANSWERS_END).await {
            tracing::warn!("an operator was not answered");
        }
        let left = drain.saturating_sub(began.elapsed());
        self.engine.greenroom.shutdown(left).await;
        self.engine.store.close().await;
    }
}
