//! An agent's way to its session: steps go out coalesced, and never faster than the journal takes them.

use std::sync::Arc;

use greenroom_session::{AgentReport, AgentStep, Stamp};
use ractor::ActorRef;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use super::coalescer::Coalescer;
use crate::session::SessionMessage;

/// Reports of steps that may be on their way to the journal at once. Further steps wait in the agent, joined, so
/// that a slow journal costs fewer events instead of memory.
const REPORTS_UNCOMMITTED_MAX: usize = 4;

pub(crate) struct Outbox {
    session: ActorRef<SessionMessage>,
    stamp: Stamp,
    coalescer: Coalescer,
    credits: Arc<Semaphore>,
}

impl Outbox {
    pub(crate) fn new(session: ActorRef<SessionMessage>, stamp: Stamp) -> Self {
        let credits = Arc::new(Semaphore::new(REPORTS_UNCOMMITTED_MAX));
        Self {
            session,
            stamp,
            coalescer: Coalescer::default(),
            credits,
        }
    }

    pub(crate) fn push(&mut self, step: AgentStep) {
        self.coalescer.push(step);
    }

    /// Waits until steps are due and may go, then sends them. Safe to drop while it waits.
    pub(crate) async fn send_when_due(&mut self) {
        match self.coalescer.due_at(Instant::now()) {
            None => std::future::pending().await,
            Some(due_at) if due_at > Instant::now() => sleep_until(due_at).await,
            Some(_) => {}
        }
        // The semaphore is never closed; were it, the steps would go at the end with `flush`.
        let Ok(credit) = self.credits.clone().acquire_owned().await else {
            return std::future::pending().await;
        };
        let steps = self.coalescer.take(Instant::now());
        self.send(AgentReport::Steps(steps), Some(credit));
    }

    /// Sends what waits, whatever is on its way: the last report follows.
    pub(crate) fn flush(&mut self) {
        let steps = self.coalescer.take(Instant::now());
        if !steps.is_empty() {
            self.send(AgentReport::Steps(steps), None);
        }
    }

    /// Makes a report that others follow. It goes at once: whatever was shown before it is on its way already.
    pub(crate) fn tell(&self, report: AgentReport) {
        self.send(report, None);
    }

    /// Makes the last report.
    pub(crate) fn report(self, report: AgentReport) {
        self.send(report, None);
    }

    fn send(&self, report: AgentReport, credit: Option<tokio::sync::OwnedSemaphorePermit>) {
        let message = SessionMessage::Agent {
            stamp: self.stamp.clone(),
            report: Box::new(report),
            credit,
        };
        // A session that is gone kills its agents; there is nobody left to tell.
        let _gone = self.session.send_message(message);
    }
}
