//! Events of a run, its stages, assets and jobs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    AssetId, Delta, ErrorBody, Gate, JobId, Locale, Millis, Mode, Provenance, RunId, SlotPath, SlotSource,
    StageId, Timestamp, TurnId,
};

/// `gate.ready` and `gate.changed`: the gate as it now stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateJudged {
    /// The turn that changed it; an edit in the page has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
    /// The gate.
    #[serde(flatten)]
    pub gate: Gate,
}

/// `gate.waived`: the user chose a draft; for this run only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateWaived {
    /// The run that the waiver is for.
    pub run_id: RunId,
    /// Required slots without a value.
    pub missing_required: Vec<SlotPath>,
    /// Slots whose confidence is too low.
    pub low_confidence: Vec<SlotPath>,
}

/// A slot of the brief that a run was started with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FrozenSlot {
    /// Which slot.
    pub path: SlotPath,
    /// Its value.
    pub value: Value,
    /// How sure it was, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub confidence: f64,
    /// Where it came from.
    pub source: SlotSource,
}

/// `run.started`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunStarted {
    /// The run.
    pub run_id: RunId,
    /// The job that stands for it when it was started asynchronously.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// How it spends.
    pub mode: Mode,
    /// The language that its texts are written in.
    pub locale: Locale,
    /// The brief, as it stood.
    pub brief: Vec<FrozenSlot>,
    /// Whether the gate was waived for it.
    pub draft: bool,
    /// The stages it goes through, in the playbook's order; what the mode skips is left out.
    pub stages: Vec<StageId>,
    /// Until when it must be done, in milliseconds from its start.
    pub budget_ms: Millis,
    /// The failed run whose brief it takes over, and the outputs of the stages before `from_stage` with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_run: Option<RunId>,
    /// The stage that it begins with, when it takes another run over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_stage: Option<StageId>,
}

/// `stage.changed`: the session's state on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageChanged {
    /// The new state.
    pub state: String,
    /// The run that brought it about, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// What failed, when the state is `FAILED`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<StageFailure>,
}

/// A stage that used up its attempts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageFailure {
    /// The stage.
    pub stage: StageId,
    /// Its last attempt.
    pub attempt: u32,
    /// Why.
    pub error: ErrorBody,
}

/// `stage.started`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageStarted {
    /// The run.
    pub run_id: RunId,
    /// The stage.
    pub stage: StageId,
    /// 1 for the first attempt.
    pub attempt: u32,
}

/// `<stage>.delta`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageDelta {
    /// The run.
    pub run_id: RunId,
    /// The stage; the event's type is this name and `.delta`.
    pub stage: StageId,
    /// The attempt; a higher one voids what lower ones showed.
    pub attempt: u32,
    /// What changes, and where.
    #[serde(flatten)]
    pub delta: Delta,
}

/// A text that the server put into a stage's output after a check, with its own provenance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckNote {
    /// JSON pointer of the text within the output.
    pub path: String,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// A search result that an element of a stage's output rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SupportingSource {
    /// Where it is; `https` only.
    pub url: String,
    /// Its title, as the search gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The passage that the search returned or the provider cited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage: Option<String>,
}

/// `stage.completed`: the validated output, authoritative over the deltas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageCompleted {
    /// The run.
    pub run_id: RunId,
    /// The stage.
    pub stage: StageId,
    /// The attempt that succeeded; 0 for an output adopted from an earlier run.
    pub attempt: u32,
    /// The output, valid against the stage's schema.
    pub output: Value,
    /// Which call wrote it.
    pub provenance: Provenance,
    /// Elements that a check dropped.
    pub dropped: u32,
    /// The search results of this run that the elements left rest on, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SupportingSource>,
    /// Notices that the checks put into the output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<CheckNote>,
}

/// `asset.ready`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AssetReady {
    /// The asset.
    pub asset_id: AssetId,
    /// The run it belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// What it is, such as `poster`.
    pub kind: String,
    /// Where it can be fetched.
    pub url: String,
    /// Its media type.
    pub media_type: String,
    /// Its size.
    pub size_bytes: u64,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobType {
    /// A whole run.
    Run,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Accepted, not begun.
    Queued,
    /// Under way.
    Running,
    /// Done.
    Completed,
    /// Ended without a result; the error says why.
    Failed,
}

/// `job.updated`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobUpdated {
    /// The job.
    pub job_id: JobId,
    /// What it does.
    #[serde(rename = "type")]
    pub job_type: JobType,
    /// Where it stands.
    pub status: JobStatus,
    /// 0 to 100.
    #[schemars(range(max = 100))]
    pub progress: u8,
    /// The run it belongs to.
    pub run_id: RunId,
    /// How often it was begun again because it had made no progress, since its run was last begun.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retry_count: u32,
    /// When that last happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_retry_at: Option<Timestamp>,
    /// Why it failed; none when its run was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference in")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// `run.cancelled`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunCancelled {
    /// The run.
    pub run_id: RunId,
}

/// `run.completed`: the package is read with `GET /api/runs/{run_id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunCompleted {
    /// The run.
    pub run_id: RunId,
    /// Whether it was a draft.
    pub draft: bool,
}

/// `budget.warning`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetWarning {
    /// What is running out, such as `run`.
    pub budget: String,
    /// How much of it is used, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub used: f64,
}
