//! Puts the parts together, serves, and takes them apart again in the right order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use greenroom_actors::{ActorsConfig, Greenroom, PlaybookLibrary, Ports, StartError};
use greenroom_session::ports::{BlobError, Blobs, IdSource, Journal, TenantId};
use greenroom_store::{LocalBlobs, SqliteStore, StoreConfig, StoreOpenError};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use crate::admin::{self, AdminSocketError};
use crate::app::{App, Limits};
use crate::cli::ServeArgs;
use crate::config::{self, Config, ConfigFaults, Dependency};
use crate::http::{self, Access, Documents};
use crate::lifecycle::{Lifecycle, Phase};
use crate::llm::{Llm, LlmError};
use crate::playbooks::{Playbooks, PlaybooksError};
use crate::signals::{Signal, Signals};
use crate::startup;
use crate::system::{RandomIds, SystemClock};
use crate::telemetry::{Telemetry, TelemetryError};

/// How often it is looked whether the journal can be written.
const JOURNAL_CHECK: Duration = Duration::from_millis(250);
/// How long connections may take to end after everything that they waited for is over.
const CONNECTIONS_END: Duration = Duration::from_secs(5);

/// Why the server does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigFaults),
    /// Logs or metrics cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The playbooks cannot be used.
    #[error(transparent)]
    Playbooks(#[from] PlaybooksError),
    /// The language model's settings are wrong.
    #[error(transparent)]
    Llm(#[from] LlmError),
    /// What must work does not.
    #[error("server.require names `{}`, which is not configured; {}", .0.name(), startup::LLM_HINT)]
    Required(Dependency),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// The blobs cannot be opened.
    #[error("the folder of the blobs cannot be used: {0}")]
    Blobs(#[from] BlobError),
    /// The actors cannot be started.
    #[error(transparent)]
    Actors(#[from] StartError),
    /// The admin socket cannot be made.
    #[error(transparent)]
    Admin(#[from] AdminSocketError),
    /// The signals of the system cannot be heard.
    #[error("signals cannot be heard: {0}")]
    Signals(io::Error),
}

/// A server that serves.
struct Server {
    app: Arc<App>,
    greenroom: Greenroom,
    store: SqliteStore,
    telemetry: Telemetry,
    accepting: JoinHandle<()>,
    _admin: AbortOnDropHandle<()>,
    _journal_watch: AbortOnDropHandle<()>,
}

/// Serves until the system asks the process to end.
pub async fn run(args: &ServeArgs) -> Result<(), ServeError> {
    let config = config::load(args)?;
    let mut signals = Signals::listen().map_err(ServeError::Signals)?;
    let server = Server::start(&config).await?;
    loop {
        match signals.next().await {
            Signal::Reload => server.reload(args),
            Signal::Stop => break,
        }
    }
    tracing::info!("draining");
    // Whoever asks twice does not want to wait.
    tokio::select! {
        () = server.stop(config.server.drain) => tracing::info!("stopped"),
        () = signals.stop() => tracing::warn!("stopped at once; what was under way is taken up at the next start"),
    }
    Ok(())
}

impl Server {
    async fn start(config: &Config) -> Result<Self, ServeError> {
        let telemetry = Telemetry::install(&config.log)?;
        let playbooks = Playbooks::load(&config.playbook)?;
        let llm = Llm::from_settings(&config.llm)?;
        if let Some(missing) = config
            .server
            .require
            .iter()
            .find(|dependency| !llm.meets(**dependency))
        {
            return Err(ServeError::Required(*missing));
        }
        // Before anything is touched: a second server on one address must not get as far as the database.
        let address = config.server.listen;
        let listening = TcpListener::bind(address).await;
        let listener = listening.map_err(|source| ServeError::Listen { address, source })?;

        let store = SqliteStore::open(StoreConfig {
            page_limit: config.store.page_limit,
            min_free_disk_bytes: config.store.min_free_disk_bytes,
            ..StoreConfig::new(&config.server.data_dir)
        })
        .await?;
        let blobs: Arc<dyn Blobs> = Arc::new(LocalBlobs::open(config.server.data_dir.join("blobs")).await?);
        playbooks.store(&*blobs).await?;
        let library = PlaybookLibrary::new(&config.playbook.default, playbooks.all(), Arc::clone(&blobs));
        let library = Arc::new(library);
        let ports = Ports {
            journal: store.journal(),
            blobs,
            model: llm.port(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(|| Box::new(RandomIds::default()) as Box<dyn IdSource>),
            playbooks: Arc::clone(&library),
        };
        let greenroom = Greenroom::start(actors_config(config), ports).await?;
        let (writable, journal_watch) = watch_journal(store.journal());
        let app = Arc::new(App {
            directory: greenroom.directory(),
            models: store.read_models(),
            journal: store.journal(),
            writable,
            playbooks: library,
            llm,
            access: Access::new(&config.server),
            limits: Limits::new(&config.limits),
            lifecycle: Lifecycle::default(),
            metrics: Some(telemetry.metrics()),
            documents: Documents::make(),
            tenant: TenantId::default(),
        });
        let admin = admin::listen(&config.server.data_dir, Arc::clone(&app)).await?;
        greenroom.recover();
        let address = listener.local_addr().unwrap_or(address);
        let accepting = tokio::spawn(http::serve(
            listener,
            http::router(Arc::clone(&app)),
            Arc::clone(&app),
        ));
        startup::announce(address, config, &app, playbooks.names());
        Ok(Self {
            app,
            greenroom,
            store,
            telemetry,
            accepting,
            _admin: admin,
            _journal_watch: journal_watch,
        })
    }

    /// Takes over what can be changed while the server runs. A faulty configuration changes nothing.
    fn reload(&self, args: &ServeArgs) {
        let config = match config::load(args) {
            Ok(config) => config,
            Err(faults) => {
                tracing::error!(%faults, "the configuration is not reread");
                return;
            }
        };
        self.store.set_page_limit(config.store.page_limit);
        self.app.limits.apply(&config.limits);
        if let Err(error) = self.telemetry.set_level(&config.log.level) {
            tracing::error!(%error, "the log's level is not changed");
        }
        tracing::info!("the configuration was reread: store.page_limit, limits, log.level");
    }

    /// Takes no new connections, lets what is under way finish, tells everybody, and closes the journal last.
    async fn stop(self, drain: Duration) {
        let lifecycle = &self.app.lifecycle;
        lifecycle.advance(Phase::Draining);
        if let Err(error) = self.accepting.await {
            tracing::error!(%error, "the listener did not end well");
        }
        self.greenroom.shutdown(drain).await;
        lifecycle.advance(Phase::Closing);
        if !lifecycle.connections_ended(CONNECTIONS_END).await {
            tracing::warn!(open = lifecycle.connections(), "connections were cut off");
        }
        self.store.close().await;
    }
}

fn actors_config(config: &Config) -> ActorsConfig {
    ActorsConfig {
        sessions_live_max: config.limits.sessions,
        #[cfg(debug_assertions)]
        faults: config.faults.clone(),
        ..ActorsConfig::default()
    }
}

/// Turns what the journal knows of itself into something that sockets can wait for.
fn watch_journal(journal: Arc<dyn Journal>) -> (watch::Receiver<bool>, AbortOnDropHandle<()>) {
    let (sender, receiver) = watch::channel(journal.writable());
    let watching = tokio::spawn(async move {
        let mut checks = tokio::time::interval(JOURNAL_CHECK);
        loop {
            checks.tick().await;
            let writable = journal.writable();
            sender.send_if_modified(|known| std::mem::replace(known, writable) != writable);
        }
    });
    (receiver, AbortOnDropHandle::new(watching))
}
