//! What every route, socket and operator's question needs: the seams, and the rules of the door.

use std::collections::BTreeMap;
use std::sync::Arc;

use greenroom_actors::{Directory, PlaybookLibrary};
use greenroom_session::JobLimits;
use greenroom_session::ports::{Blobs, Journal, ReadModels, TenantId};
use greenroom_store::{Act, OperatorStore, OperatorStoreError};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::config::LimitSettings;
use crate::http::{Access, Documents};
use crate::lifecycle::Lifecycle;
use crate::limits::{LimitName, Limits};
use crate::providers::Providers;
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
    /// How long jobs may make no progress.
    pub jobs: JobLimits,
    /// What operators set and did.
    pub operator: OperatorStore,
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

impl App {
    /// Takes over changed settings, as far as no operator has set something else.
    pub fn configure_limits(&self, settings: LimitSettings) {
        self.limits
            .configure(settings, |settings| self.hold_limits(settings));
    }

    /// Sets limits for an operator, or with `None` gives them back to the configuration.
    pub async fn change_limits(
        &self,
        changes: &BTreeMap<LimitName, Option<u64>>,
        act: &Act,
    ) -> Result<(), OperatorStoreError> {
        let hold = |settings| self.hold_limits(settings);
        self.limits.change(&self.operator, changes, act, hold).await
    }

    /// Tells the limits to those who hold them.
    fn hold_limits(&self, settings: LimitSettings) {
        self.directory.set_live_max(settings.sessions);
        self.live_voice.set_lines_max(settings.voice_lines);
        self.voice.ears.set_uploads_max(settings.uploads);
    }
}
