//! How a run goes on as a job.

use greenroom_protocol::{Millis, Timestamp};
use serde::{Deserialize, Serialize};

use super::Run;

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
    /// When its job counts as stuck if nothing happens to it until then; never if no job stands for it.
    pub fn stuck_at(&self) -> Option<Timestamp> {
        let patience = self.job.patience.filter(|_| self.job_id.is_some())?;
        Some(self.progressed_at.after(patience))
    }
}
