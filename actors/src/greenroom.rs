//! The whole of it: starts the supervisor, recovers what was under way, and shuts down.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ractor::{Actor, ActorRef};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::sessions::{Sessions, SessionsMessage};
use crate::shared::{Shared, lock};
use crate::{ActorsConfig, Directory, Ports, recovery, sweeping};

/// How long the actors may take to stop, once they have nothing under way or may not wait for it.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Why the actors could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the supervisor of the sessions could not be started: {0}")]
pub struct StartError(#[from] ractor::SpawnErr);

/// All sessions of this server. Dropping it ends them at once; see [`Self::shutdown`].
pub struct Greenroom {
    shared: Arc<Shared>,
    sessions: ActorRef<SessionsMessage>,
    directory: Directory,
    recovery: Mutex<Option<AbortOnDropHandle<()>>>,
    sweeping: Mutex<Option<AbortOnDropHandle<()>>>,
}

impl Greenroom {
    /// Starts the supervisor. No session is activated before somebody asks for it, or [`Self::recover`].
    pub async fn start(config: ActorsConfig, ports: Ports) -> Result<Self, StartError> {
        let shared = Arc::new(Shared::new(config, ports));
        let (sessions, _ends_with_self) = Sessions::spawn(None, Sessions, shared.clone()).await?;
        let directory = Directory::new(shared.clone(), sessions.clone());
        Ok(Self {
            shared,
            sessions,
            directory,
            recovery: Mutex::default(),
            sweeping: Mutex::default(),
        })
    }

    /// The one way to a session.
    pub fn directory(&self) -> Directory {
        self.directory.clone()
    }

    /// Wakes the sessions that have something due, at a pace that leaves room for others, and goes on watching
    /// for those whose time comes. Returns at once.
    pub fn recover(&self) {
        let recovering = recovery::run(self.shared.clone(), self.directory.clone());
        *lock(&self.recovery) = Some(AbortOnDropHandle::new(tokio::spawn(recovering)));
    }

    /// Removes what erased sessions left, sessions that were kept long enough, and blobs that nothing names: now, and
    /// from then on. Returns at once.
    pub fn sweep(&self) {
        let sweeping = sweeping::run(self.shared.clone(), self.directory.clone());
        *lock(&self.sweeping) = Some(AbortOnDropHandle::new(tokio::spawn(sweeping)));
    }

    /// Takes no more commands from now on, but those that tell what came of a call that was reserved, and what live voice
    /// needs for who is connected already; what is under way goes on.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
    }

    /// Drains, and waits until nothing is under way, calls made outside among it, or the deadline has passed.
    /// Says whether all is quiet. Sessions still answer questions afterwards.
    pub async fn quiet(&self, deadline: Duration) -> bool {
        self.drain();
        lock(&self.recovery).take();
        lock(&self.sweeping).take();
        timeout(deadline, self.shared.quiet()).await.is_ok()
    }

    /// Waits like [`Self::quiet`], and stops. What is cut off then is taken up again at the next start.
    pub async fn shutdown(&self, deadline: Duration) {
        if !self.quiet(deadline).await {
            tracing::warn!("shutting down with sessions that have something under way");
        }
        self.sessions
            .stop_children_and_wait(None, Some(STOP_TIMEOUT))
            .await;
        if let Err(error) = self.sessions.stop_and_wait(None, Some(STOP_TIMEOUT)).await {
            tracing::warn!(%error, "the supervisor of the sessions did not stop in time");
        }
    }
}

impl Drop for Greenroom {
    fn drop(&mut self) {
        self.sessions.kill();
    }
}
