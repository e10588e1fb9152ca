//! How a run goes on as a job.

use greenroom_protocol::{Millis, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Run, StageProgress};

/// How a run goes on as a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProgress {
    /// How long nothing may happen to it before it counts as stuck; none once it has ended.
    pub patience: Option<Millis>,
    /// How often it was begun again because it was stuck, since the run was last begun.
    pub retry_count: u32,
    /// When that last happened.
    pub last_retry_at: Option<Timestamp>,
}

impl Run {
    /// When its job counts as stuck if nothing happens to it until then; never if no job stands for it. A stage that waits
    /// for its next attempt is not stuck before that could begin.
    pub fn stuck_at(&self) -> Option<Timestamp> {
        let patience = self.job.patience.filter(|_| self.job_id.is_some())?;
        let retries = self.stages.values().filter_map(retry_at);
        let expected_at = retries.fold(self.progressed_at, Timestamp::max);
        Some(expected_at.after(patience))
    }
}

/// When the next attempt at a stage may begin, if it waits for that.
fn retry_at(progress: &StageProgress) -> Option<Timestamp> {
    match progress {
        StageProgress::Backoff(backoff) => Some(backoff.retry_at),
        StageProgress::Waiting
        | StageProgress::Running(_)
        | StageProgress::Checking(_)
        | StageProgress::Completed { .. }
        | StageProgress::Failed { .. } => None,
    }
}
