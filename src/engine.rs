//! The parts that do the work, put together: store, provider, playbooks, actors. Nothing here listens to anybody.

use std::sync::Arc;
use std::time::Duration;

use greenroom_actors::voice::{
    Voice as LiveVoice, VoicePorts as LiveVoicePorts, VoiceSettings as LiveVoiceSettings,
};
use greenroom_actors::{ActorsConfig, Directory, Greenroom, PlaybookLibrary, Ports, StartError};
use greenroom_session::ports::{BlobError, Blobs, IdSource, Journal, TenantId};
use greenroom_store::{
    LocalBlobs, OperatorStore, OperatorStoreError, SqliteStore, StoreConfig, StoreOpenError,
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::app::App;
use crate::config::{Config, LimitSettings};
use crate::http::{Access, Documents};
use crate::lifecycle::Lifecycle;
use crate::limits::Limits;
use crate::playbooks::{Playbooks, PlaybooksError};
use crate::providers::{ProviderPorts, Providers};
use crate::system::{RandomIds, SystemClock};
use crate::voice::{Voice, VoicePorts};

/// How often it is looked whether the journal can be written.
const JOURNAL_CHECK: Duration = Duration::from_millis(250);

/// Why the parts do not come together.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// What operators set cannot be read.
    #[error(transparent)]
    Operator(#[from] OperatorStoreError),
    /// The blobs cannot be opened.
    #[error("the folder of the blobs cannot be used: {0}")]
    Blobs(#[from] BlobError),
    /// The playbooks cannot be kept.
    #[error(transparent)]
    Playbooks(#[from] PlaybooksError),
    /// The actors cannot be started.
    #[error(transparent)]
    Actors(#[from] StartError),
}

/// The parts, and what they share.
pub struct Engine {
    /// What is shared.
    pub app: Arc<App>,
    /// All sessions.
    pub greenroom: Greenroom,
    /// The journal, the read models and the blobs.
    pub store: SqliteStore,
    _journal_watch: AbortOnDropHandle<()>,
}

impl Engine {
    /// Opens the data directory and starts the actors. No session is woken yet.
    pub async fn start(
        config: &Config,
        playbooks: &Playbooks,
        providers: Providers,
        ports: ProviderPorts,
        metrics: Option<PrometheusHandle>,
    ) -> Result<Self, EngineError> {
        let store = SqliteStore::open(StoreConfig {
            page_limit: config.store.page_limit,
            min_free_disk_bytes: config.store.min_free_disk_bytes,
            ..StoreConfig::new(&config.server.data_dir)
        })
        .await?;
        // The directory is ours by now.
        let operator = OperatorStore::open(&config.server.data_dir).await?;
        let limits = Limits::new(config.limits, operator.limits().await?);
        let effective = limits.effective();
        let blobs = LocalBlobs::open(config.server.data_dir.join("blobs")).await?;
        let blobs: Arc<dyn Blobs> = Arc::new(blobs);
        playbooks.store(&*blobs).await?;
        let library = PlaybookLibrary::new(&config.playbook.default, playbooks.all(), Arc::clone(&blobs));
        let library = Arc::new(library);
        let actor_ports = Ports {
            journal: store.journal(),
            erasures: store.erasures(),
            blobs: Arc::clone(&blobs),
            model: Arc::clone(&ports.model),
            moderator: Arc::clone(&ports.moderator),
            capabilities: ports.capabilities(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(|| Box::new(RandomIds::default()) as Box<dyn IdSource>),
            playbooks: Arc::clone(&library),
        };
        let greenroom = Greenroom::start(actors_config(config, &effective), actor_ports).await?;
        let (writable, journal_watch) = watch_journal(store.journal());
        let lifecycle = Lifecycle::default();
        let live_voice = live_voice(config, &effective, greenroom.directory(), &ports);
        let voice_ports = VoicePorts {
            providers: ports,
            directory: greenroom.directory(),
            blobs: Arc::clone(&blobs),
            phase: lifecycle.watch(),
        };
        let app = Arc::new(App {
            directory: greenroom.directory(),
            models: store.read_models(),
            journal: store.journal(),
            writable,
            playbooks: library,
            blobs,
            providers,
            voice: Voice::new(voice_ports, effective.uploads),
            live_voice,
            access: Access::new(&config.server),
            limits,
            jobs: config.jobs,
            operator,
            lifecycle,
            metrics,
            documents: Documents::make(),
            tenant: TenantId::default(),
            #[cfg(debug_assertions)]
            panic_writer: Box::new(store.writer_fault()),
        });
        Ok(Self {
            app,
            greenroom,
            store,
            _journal_watch: journal_watch,
        })
    }
}

fn live_voice(
    config: &Config,
    limits: &LimitSettings,
    directory: Directory,
    ports: &ProviderPorts,
) -> LiveVoice {
    let ports = LiveVoicePorts {
        transcriber: Arc::clone(&ports.transcriber),
        live_transcriber: ports.live_transcriber.clone(),
        speaker: Arc::clone(&ports.speaker),
    };
    let settings = LiveVoiceSettings {
        lead: config.voice.lead,
        lines_max: limits.voice_lines,
        recording_max: config.voice.recording_max,
        ..LiveVoiceSettings::default()
    };
    LiveVoice::new(directory, ports, settings)
}

fn actors_config(config: &Config, limits: &LimitSettings) -> ActorsConfig {
    ActorsConfig {
        sessions_live_max: limits.sessions,
        sessions_kept: config.retention.sessions,
        jobs: config.jobs,
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
