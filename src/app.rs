//! What every route, socket and operator's question needs: the seams, and the rules of the door.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use greenroom_actors::{Directory, PlaybookLibrary};
use greenroom_session::ports::{Blobs, Journal, ReadModels, TenantId};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::config::LimitSettings;
use crate::http::{Access, Documents};
use crate::lifecycle::Lifecycle;
use crate::providers::Providers;
use crate::rate::RateLimit;
use crate::voice::Voice;

/// The server's parts, shared by everything that answers.
pub struct App {
    /// The way to every session.
    pub directory: Directory,
    /// Lists and look-ups.
    pub models: Arc<dyn ReadModels>,
    /// The log, for pages of it.
    pub journal: Arc<dyn Journal>,
    /// Whether the journal can be written, as it changes.
    pub writable: watch::Receiver<bool>,
    /// The playbooks that sessions are pinned to.
    pub playbooks: Arc<PlaybookLibrary>,
    /// Generated media, among others.
    pub blobs: Arc<dyn Blobs>,
    /// The providers, for operators' eyes.
    pub providers: Providers,
    /// Ears and mouth for recordings and texts.
    pub voice: Voice,
    /// Live voice on sockets.
    pub live_voice: greenroom_actors::voice::Voice,
    /// Who may come in.
    pub access: Access,
    /// How much they may ask for.
    pub limits: Limits,
    /// How far the server is on its way out.
    pub lifecycle: Lifecycle,
    /// All metrics as text; none where nobody records them.
    pub metrics: Option<PrometheusHandle>,
    /// The API's description and the pages.
    pub documents: Documents,
    /// Whose database: there is one for now.
    pub tenant: TenantId,
    /// Makes the journal's writer panic, and says whether it will.
    #[cfg(debug_assertions)]
    pub panic_writer: Box<dyn Fn() -> bool + Send + Sync>,
}

/// What one client, and all together, may ask for; changed while the server runs.
#[derive(Debug)]
pub struct Limits {
    /// Requests of one client.
    pub requests: RateLimit,
    /// Turns of one client.
    pub turns: RateLimit,
    connections: AtomicUsize,
}

impl Limits {
    /// The configured limits.
    pub fn new(settings: &LimitSettings) -> Self {
        Self {
            requests: RateLimit::new(settings.requests_per_minute),
            turns: RateLimit::new(settings.turns_per_minute),
            connections: AtomicUsize::new(settings.connections),
        }
    }

    /// Takes over changed settings.
    pub fn apply(&self, settings: &LimitSettings) {
        self.requests.set(settings.requests_per_minute);
        self.turns.set(settings.turns_per_minute);
        self.connections.store(settings.connections, Ordering::Relaxed);
    }

    /// Connections at once.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}
