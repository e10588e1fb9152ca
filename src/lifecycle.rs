//! Whether the server serves, lets live turns finish, or closes.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// How far the server is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It takes new work.
    Serving,
    /// It takes no new work; turns under way may finish.
    Draining,
    /// Every connection ends now.
    Closing,
}

/// The way out of the server, and everything that it waits for.
#[derive(Debug)]
pub struct Lifecycle {
    phase: watch::Sender<Phase>,
    connections: TaskTracker,
    answers: TaskTracker,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Serving),
            connections: TaskTracker::new(),
            answers: TaskTracker::new(),
        }
    }
}

impl Lifecycle {
    /// How far the server is.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Goes one way only: an earlier phase than the present one is ignored.
    pub fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let later = to > *phase;
            *phase = to.max(*phase);
            later
        });
    }

    /// A view of the phase that can be waited on.
    pub fn watch(&self) -> PhaseWatch {
        PhaseWatch(self.phase.subscribe())
    }

    /// Counts a connection until the token is dropped.
    pub fn connection(&self) -> TaskTrackerToken {
        self.connections.token()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Counts a request that waits for work under way and is yet to be answered, until the token is dropped.
    pub fn answer(&self) -> TaskTrackerToken {
        self.answers.token()
    }

    /// Waits until those who waited for work have their answers, but not for long.
    pub async fn answers_given(&self, within: Duration) -> bool {
        self.answers.close();
        tokio::time::timeout(within, self.answers.wait()).await.is_ok()
    }

    /// Waits until every connection has ended, but not for long. Says whether all have.
    pub async fn connections_ended(&self, within: Duration) -> bool {
        self.connections.close();
        tokio::time::timeout(within, self.connections.wait())
            .await
            .is_ok()
    }
}

/// Sees the phase change.
#[derive(Debug, Clone)]
pub struct PhaseWatch(watch::Receiver<Phase>);

impl PhaseWatch {
    /// Waits until the server has come this far; at once if it has already.
    pub async fn reached(&mut self, phase: Phase) {
        // The sender is gone only when the server is, which is as far as it can come.
        self.0.wait_for(|present| *present >= phase).await.ok();
    }

    /// How far the server is.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits for something, but only until the server has come this far: then there is nothing.
    pub async fn unless_reached<T>(mut self, phase: Phase, awaited: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            // What is there already is not thrown away.
            biased;
            there = awaited => Some(there),
            () = self.reached(phase) => None,
        }
    }
}
