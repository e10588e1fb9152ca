//! Lists and look-ups beside the log.

use async_trait::async_trait;
use greenroom_protocol::{JobId, JobStatus, JobType, RunId, Seq, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ReadError, SessionSummary, TenantId};
use crate::UserKey;

/// A page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// Rows at most.
    pub limit: u32,
    /// Rows to skip.
    pub offset: u32,
}

/// Rows of one page with the number of all.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How many there are in all.
    pub total: u64,
}

/// A row of the list of sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRow {
    /// Which session.
    pub session_id: SessionId,
    /// What the list shows.
    pub summary: SessionSummary,
    /// The last committed event.
    pub head: Seq,
    /// When it began.
    pub created_at: Timestamp,
    /// When its last event was made, deltas aside.
    pub updated_at: Timestamp,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Under way.
    Running,
    /// All its stages are complete.
    Completed,
    /// A stage used up its attempts.
    Failed,
    /// The user cancelled it.
    Cancelled,
}

/// A run in the read model.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// Which run.
    pub run_id: RunId,
    /// Whose.
    pub session_id: SessionId,
    /// The owner of the session.
    pub user: Option<UserKey>,
    /// Where it stands.
    pub status: RunStatus,
    /// The session's state on the wire as of the run's last change.
    pub state: String,
    /// The data of its `run.started`.
    pub started: Value,
    /// The data of its `gate.waived`, if it is a draft.
    pub waiver: Option<Value>,
    /// The failures of its last `stage.changed`, if it failed, else an empty list.
    pub failures: Value,
    /// The data of each `stage.completed`, in the order of their completion.
    pub outputs: Vec<Value>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A job in the read model.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRow {
    /// Which job.
    pub job_id: JobId,
    /// What it does.
    pub job_type: JobType,
    /// Where it stands.
    pub status: JobStatus,
    /// 0 to 100.
    pub progress: u8,
    /// Whose.
    pub session_id: SessionId,
    /// The owner of the session.
    pub user: Option<UserKey>,
    /// The run it belongs to.
    pub run_id: RunId,
    /// Why it failed, as an error body, else null.
    pub error: Value,
    /// How often it was begun again because it had made no progress, since its run was last begun.
    pub retry_count: u32,
    /// When that last happened.
    pub last_retry_at: Option<Timestamp>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Which sessions to list.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Only this user's; none means everybody's (the operator's view).
    pub user: Option<UserKey>,
    /// Title contains this.
    pub text: Option<String>,
    /// Only in this state.
    pub state: Option<String>,
}

/// Since when a job has not changed for it to count as stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StuckSince {
    /// One that runs.
    pub running: Timestamp,
    /// One that waits.
    pub queued: Timestamp,
}

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Only of this session.
    pub session_id: Option<SessionId>,
    /// Only of this run.
    pub run_id: Option<RunId>,
    /// Only with this status.
    pub status: Option<JobStatus>,
    /// Only those that have not changed for longer than they should.
    pub stuck: Option<StuckSince>,
    /// Only of sessions of this user; none together with a session or run id means whoever asks by id.
    pub user: Option<UserKey>,
}

/// Lists and look-ups that no session's own state answers. Written with the events they follow from.
#[async_trait]
pub trait ReadModels: Send + Sync + 'static {
    /// One session.
    async fn session(&self, tenant: &TenantId, id: SessionId) -> Result<Option<SessionRow>, ReadError>;
    /// Sessions, newest change first.
    async fn sessions(
        &self,
        tenant: &TenantId,
        filter: &SessionFilter,
        paging: Paging,
    ) -> Result<Page<SessionRow>, ReadError>;
    /// One run with its outputs.
    async fn run(&self, tenant: &TenantId, id: RunId) -> Result<Option<RunRow>, ReadError>;
    /// Runs of a session, newest first, without their outputs.
    async fn runs(
        &self,
        tenant: &TenantId,
        session: SessionId,
        paging: Paging,
    ) -> Result<Page<RunRow>, ReadError>;
    /// One job.
    async fn job(&self, tenant: &TenantId, id: JobId) -> Result<Option<JobRow>, ReadError>;
    /// Jobs, newest first.
    async fn jobs(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        paging: Paging,
    ) -> Result<Page<JobRow>, ReadError>;
    /// Cost of a session so far in millionths of a US dollar, as far as it is known, and its unsettled or
    /// unpriced calls.
    async fn cost(&self, tenant: &TenantId, session: SessionId) -> Result<SessionCost, ReadError>;
}

/// What a session has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCost {
    /// Calls reserved.
    pub calls: u64,
    /// Sum of the known costs.
    pub micro_usd: u64,
    /// Calls whose cost nobody knows.
    pub unknown_calls: u64,
}
