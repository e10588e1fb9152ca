//! Folding of signs of life: when something last happened to a run, and how its job goes on.

use greenroom_protocol::{CallScope, Event, JobUpdated, RunId, Timestamp};

use crate::Private;
use crate::state::{JobProgress, State};

impl State {
    /// Something happened; if it did to the run at hand, that goes on.
    pub(super) fn run_progressed(&mut self, event: &Event, at: Timestamp) {
        if let Some(run) = run_of(event).and_then(|run_id| self.run_mut(run_id)) {
            run.progressed_at = at;
        }
    }

    pub(super) fn job_updated(&mut self, updated: &JobUpdated, private: &Private, at: Timestamp) {
        if let Some(run) = self.run_mut(updated.run_id) {
            run.job = JobProgress {
                patience: private.stuck_at.map(|stuck_at| stuck_at.since(at)),
                retry_count: updated.retry_count,
                last_retry_at: updated.last_retry_at,
            };
        }
    }
}

/// The run that something happened to.
fn run_of(event: &Event) -> Option<RunId> {
    match event {
        Event::RunStarted(started) => Some(started.run_id),
        Event::StageChanged(changed) => changed.run_id,
        Event::StageStarted(started) => Some(started.run_id),
        Event::StageDelta(delta) => Some(delta.run_id),
        Event::StageCompleted(completed) => Some(completed.run_id),
        Event::JobUpdated(updated) => Some(updated.run_id),
        Event::CallReserved(reserved) => run_of_call(&reserved.scope),
        Event::CallSettled(settled) => run_of_call(&settled.scope),
        Event::Error(error) => error.run_id,
        Event::AssetReady(asset) => asset.run_id,
        Event::GateWaived(_)
        | Event::RunCancelled(_)
        | Event::RunCompleted(_)
        | Event::SessionStarted(_)
        | Event::SessionRestarted(_)
        | Event::SessionStopped(_)
        | Event::TurnStarted(_)
        | Event::MessageAdded(_)
        | Event::MessageHeard(_)
        | Event::PlannerDelta(_)
        | Event::SlotUpdated(_)
        | Event::GateReady(_)
        | Event::GateChanged(_)
        | Event::TurnCompleted(_)
        | Event::BudgetWarning(_) => None,
    }
}

fn run_of_call(scope: &CallScope) -> Option<RunId> {
    match scope {
        CallScope::Stage { run_id, .. } => Some(*run_id),
        CallScope::Turn { .. } | CallScope::Session {} => None,
    }
}
