//! The machine that servers run on one after the other, and how they start and end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use greenroom_actors::{ActorsConfig, Directory, Greenroom, PlaybookLibrary, Ports};
use greenroom_protocol::SessionId;
use greenroom_session::blob_names::playbook_blob;
use greenroom_session::ports::{
    Blobs as _, Capabilities, LanguageModel as _, ModelIdentity, ModerationPolicy, Moderator as _,
};
use serde_json::Value;

use super::fate::Fate;
use super::journal::{Disk, UnsteadyJournal};
use super::playbooks;
use super::providers::{UnsteadyModel, UnsteadyModerator};
use super::sources::{Ids, UnsteadyBlobs, WallClock};
use crate::model::ScriptedModel;
use crate::moderator::ScriptedModerator;
use crate::outputs;
use crate::world::{MemoryBlobs, concierge_output};

/// Turns of the scheduler in which everything that was killed is gone.
const DEATH_YIELDS: usize = 200;

/// Whether what is said is checked, and what is written.
#[derive(Clone, Copy)]
pub struct Policies {
    pub input: ModerationPolicy,
    pub output: ModerationPolicy,
}

/// What outlives a server.
pub struct Machine {
    pub disk: Arc<Disk>,
    pub clock: Arc<WallClock>,
    fate: Arc<Fate>,
    blobs: Arc<UnsteadyBlobs>,
    /// Which of the playbooks new sessions have.
    playbook: usize,
    policies: Policies,
    /// Whether replies go on while nobody waits for them.
    takes_up: bool,
    config: ActorsConfig,
}

/// One process.
pub struct Server {
    pub directory: Directory,
    greenroom: Option<Greenroom>,
    journal: Arc<UnsteadyJournal>,
    model: Arc<UnsteadyModel>,
    moderator: Arc<UnsteadyModerator>,
}

impl Machine {
    pub fn new(fate: Arc<Fate>, playbook: usize, policies: Policies, config: ActorsConfig) -> Self {
        Self {
            disk: Arc::new(Disk::new(fate.clone())),
            clock: Arc::new(WallClock::new()),
            blobs: Arc::new(UnsteadyBlobs {
                blobs: MemoryBlobs::default(),
                fate: fate.clone(),
            }),
            takes_up: fate.chance.one_in(2),
            fate,
            playbook,
            policies,
            config,
        }
    }

    /// Keeps the playbook where sessions find it that outlive the configuration.
    async fn install(&self) {
        let (bundle, playbook) = &playbooks::all()[self.playbook];
        let name = playbook_blob(&playbook.reference.hash);
        let kept = self.blobs.blobs.put(&name, Bytes::from(bundle.to_json())).await;
        kept.expect("memory takes every blob");
    }

    /// Starts a server; `knows_playbook` is false for one that has only those that its sessions are pinned to.
    pub async fn start(&self, knows_playbook: bool) -> Server {
        if knows_playbook {
            self.install().await;
        }
        let journal = Arc::new(UnsteadyJournal::new(self.disk.clone(), self.fate.clone()));
        let usual = if self.playbook == 0 {
            concierge_output
        } else {
            outputs::launch as fn(&str) -> Value
        };
        let model = Arc::new(UnsteadyModel {
            model: ScriptedModel::new(usual),
            disk: self.disk.clone(),
            fate: self.fate.clone(),
            usual,
        });
        let moderator = Arc::new(UnsteadyModerator {
            moderator: ScriptedModerator::default(),
            disk: self.disk.clone(),
            fate: self.fate.clone(),
        });
        let (_, playbook) = &playbooks::all()[self.playbook];
        let known = if knows_playbook {
            vec![playbook.clone()]
        } else {
            Vec::new()
        };
        let ports = Ports {
            journal: journal.clone(),
            erasures: self.disk.rows.clone(),
            blobs: self.blobs.clone(),
            model: model.clone(),
            moderator: moderator.clone(),
            capabilities: self.capabilities(&model, &moderator),
            clock: self.clock.clone(),
            ids: Arc::new(Ids::factory(self.fate.clone(), self.clock.clone())),
            playbooks: Arc::new(PlaybookLibrary::new(
                playbook.reference.name.clone(),
                known,
                self.blobs.clone(),
            )),
        };
        let greenroom = Greenroom::start(self.config.clone(), ports).await;
        let greenroom = greenroom.expect("a supervisor starts");
        greenroom.recover();
        greenroom.sweep();
        Server {
            directory: greenroom.directory(),
            greenroom: Some(greenroom),
            journal,
            model,
            moderator,
        }
    }

    fn capabilities(&self, model: &UnsteadyModel, moderator: &UnsteadyModerator) -> Capabilities {
        let scripted = |model: &str| ModelIdentity {
            provider: "scripted".to_owned(),
            model: model.to_owned(),
            simulated: true,
        };
        Capabilities {
            llm: model.identity(),
            search: model.can_search(),
            take_up: self.takes_up,
            stt: Some(scripted("ears")),
            tts: Some(scripted("voice")),
            moderation: moderator.identity(),
            moderate_input: self.policies.input,
            moderate_output: self.policies.output,
        }
    }
}

impl Server {
    /// The process is gone at once.
    pub async fn kill(&mut self) {
        self.journal.die();
        self.greenroom = None;
        for _ in 0..DEATH_YIELDS {
            tokio::task::yield_now().await;
        }
    }

    /// The server is asked to end, and has so long for what is under way.
    pub async fn drain(&mut self, deadline: Duration) {
        if let Some(greenroom) = self.greenroom.take() {
            greenroom.shutdown(deadline).await;
        }
        self.kill().await;
    }

    /// The sessions that are in memory or listened to.
    pub fn awake(&self) -> BTreeSet<SessionId> {
        let activity = self.directory.activity().into_iter();
        activity.map(|session| session.session_id).collect()
    }

    /// Calls that providers are busy with.
    pub fn calls_under_way(&self) -> usize {
        self.model.model.under_way() + self.moderator.moderator.under_way()
    }
}
