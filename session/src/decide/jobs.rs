//! Jobs: how long one may make no progress, and what becomes of one that made none for that long.

use greenroom_protocol::{ErrorCode, JobStatus, Millis, RunId};

use super::Decider;
use super::agents::Failure;
use crate::playbook::StageSpec;
use crate::state::{JobProgress, StageProgress};

/// How long a job may make no progress, and how often it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLimits {
    /// For one that is under way.
    pub running: Millis,
    /// For one that has not begun.
    pub queued: Millis,
    /// How often it is tried in all before it has failed.
    pub tries_max: u32,
}

impl Default for JobLimits {
    fn default() -> Self {
        Self {
            running: Millis(15 * 60 * 1_000),
            queued: Millis(30 * 60 * 1_000),
            tries_max: 3,
        }
    }
}

impl JobLimits {
    /// How long a job may stand like this; for ever, once it has ended.
    pub fn patience(&self, status: JobStatus) -> Option<Millis> {
        match status {
            JobStatus::Queued => Some(self.queued),
            JobStatus::Running => Some(self.running),
            JobStatus::Completed | JobStatus::Failed => None,
        }
    }
}

/// What becomes of a job that made no progress for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stuck {
    /// It is begun again; that is recorded.
    BegunAgain,
    /// Its tries are used up.
    UsedUp,
}

impl Decider<'_, '_> {
    /// Whether the job of the run under way is stuck. One that is begun again is counted here; by whom it goes on is up
    /// to the caller.
    pub(super) fn judge_job(&mut self) -> Option<Stuck> {
        let run = self.state.active_run()?;
        let stuck_at = run.stuck_at()?;
        if stuck_at > self.context.now {
            return None;
        }
        let job = run.job;
        if job.retry_count.saturating_add(1) >= self.context.jobs.tries_max {
            return Some(Stuck::UsedUp);
        }
        let again = JobProgress {
            retry_count: job.retry_count + 1,
            last_retry_at: Some(self.context.now),
            ..job
        };
        self.tell_job(JobStatus::Running, again, None);
        Some(Stuck::BegunAgain)
    }

    /// Takes up a job whose agents are there and have told nothing for too long: they are given up.
    pub(super) fn tick_job(&mut self) {
        let Some(stuck) = self.judge_job() else { return };
        let playbook = self.context.playbook;
        for (run_id, stage, progress) in self.interrupted_stages() {
            let Some(spec) = playbook.stage(&stage) else {
                continue;
            };
            match stuck {
                Stuck::BegunAgain => self.begin_stuck_stage_again(run_id, spec, progress),
                Stuck::UsedUp => self.fail_stuck_stage(run_id, spec, &progress),
            }
        }
    }

    fn begin_stuck_stage_again(&mut self, run_id: RunId, spec: &StageSpec, progress: StageProgress) {
        match progress {
            StageProgress::Running(attempt) => {
                self.settle_orphan(attempt.call.as_ref().map(|call| call.call_id));
                self.begin_attempt(run_id, spec, attempt.number + 1, attempt.budget, true);
            }
            StageProgress::Checking(checked) => self.take_check_up_again(run_id, spec, &checked),
            StageProgress::Waiting
            | StageProgress::Backoff(_)
            | StageProgress::Completed { .. }
            | StageProgress::Failed { .. } => {}
        }
    }

    /// A stage of a job whose tries are used up has failed.
    pub(super) fn fail_stuck_stage(&mut self, run_id: RunId, spec: &StageSpec, progress: &StageProgress) {
        self.settle_orphan(progress.call().map(|call| call.call_id));
        let failure = Failure {
            error: self.error_body(ErrorCode::LlmTimeout),
            retryable: false,
            retry_after: None,
            reason: format!(
                "the job made no progress in {} tries",
                self.context.jobs.tries_max
            ),
        };
        self.stage_failed(run_id, spec, &failure);
    }
}
