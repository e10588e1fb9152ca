//! Every event: the durable facts of a session, with their data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    AssetId, CallId, Delta, ErrorBody, Gate, JobId, MessageId, Millis, RunId, SlotPath, SlotSource, StageId,
    TurnId,
};

/// The language that a session speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Locale {
    /// Korean.
    #[default]
    Ko,
    /// English.
    En,
}

/// How a session spends: `fast` uses the playbook's smaller models and skips what it marks as optional.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Smaller models, optional stages skipped.
    Fast,
    /// Everything.
    #[default]
    Standard,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person.
    User,
    /// Greenroom.
    Assistant,
}

/// How a text came in or goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// Typed or read.
    Text,
    /// Spoken.
    Voice,
}

/// Where a text comes from. Nothing is stored without one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Provenance {
    /// A model's reply. Its cost is kept with the call.
    Model {
        /// The provider's configured name.
        provider: String,
        /// The model that answered, as the provider names it.
        model: String,
        /// The call that produced the text.
        call_id: CallId,
        /// Whether the provider is a simulator.
        simulated: bool,
    },
    /// The user's own words.
    User {
        /// The turn in which they were said.
        turn_id: TurnId,
    },
    /// A phrase of the playbook: a question or a notice, never content.
    Playbook {
        /// The phrase's key.
        key: String,
        /// The playbook's content hash.
        hash: String,
    },
    /// An operator's words.
    Operator,
}

/// Which playbook a session is pinned to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct PlaybookRef {
    /// The playbook's name, such as `launch`.
    pub name: String,
    /// SHA-256 of its content, hexadecimal.
    pub hash: String,
}

/// `session.started`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionStarted {
    /// The language to begin with.
    pub locale: Locale,
    /// How the session spends.
    pub mode: Mode,
    /// The playbook it is pinned to.
    pub playbook: PlaybookRef,
    /// The state it begins in.
    pub state: String,
}

/// `session.restarted`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionRestarted {
    /// The stage it goes on from, if a run was restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_stage: Option<StageId>,
    /// The run that goes on, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
}

/// `turn.started`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnStarted {
    /// The turn.
    pub turn_id: TurnId,
    /// 1 for the session's first turn.
    pub turn: u32,
    /// How the user spoke.
    pub modality: Modality,
}

/// `message.added`: a final text, added when it is complete or its turn ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageAdded {
    /// The message.
    pub message_id: MessageId,
    /// The turn it belongs to; the greeting has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
    /// Who speaks.
    pub role: Role,
    /// Typed or spoken.
    pub modality: Modality,
    /// The text.
    pub text: String,
    /// Where the text comes from.
    pub provenance: Provenance,
    /// Whether the text was cut off because its turn ended.
    pub truncated: bool,
    /// The slot that the text asks for, if it asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<SlotPath>,
    /// The language that the text is in, where it can be told; a user's switches the session's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
}

/// `message.heard`: how much of a spoken reply was heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageHeard {
    /// The message that was spoken.
    pub message_id: MessageId,
    /// Its turn.
    pub turn_id: TurnId,
    /// How many milliseconds of it were played.
    pub heard_ms: Millis,
    /// The words that were heard.
    pub text: String,
}

/// `planner.delta`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannerDelta {
    /// The turn that is being answered.
    pub turn_id: TurnId,
    /// 1 for the first attempt; a higher one voids what lower ones showed.
    pub attempt: u32,
    /// Where the text belongs: `/reply`.
    #[serde(flatten)]
    pub delta: Delta,
}

/// `slot.updated`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SlotUpdated {
    /// The turn in which it happened; an edit in the page has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
    /// Which slot.
    pub path: SlotPath,
    /// A text, a list of texts, a number, or null when the slot was cleared.
    pub value: Value,
    /// How sure the value is, 0 to 1.
    pub confidence: f64,
    /// Where the value comes from.
    pub source: SlotSource,
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

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TurnOutcome {
    /// The reply is complete.
    Ok,
    /// A new turn or the user ended it.
    Interrupted,
    /// No reply could be made.
    Failed,
    /// The server went away and the turn was too old to take up again.
    Abandoned,
}

/// One contiguous part of the time that a user waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    /// From the end of speech until the endpoint was found.
    Endpointing,
    /// Until the words were known.
    Transcription,
    /// Until the planner's first token.
    PlannerFirstToken,
    /// Until the first sentence was complete.
    FirstSentence,
    /// Until the voice's first byte.
    VoiceFirstByte,
    /// Until the reply was delivered in full.
    Delivery,
}

/// How long one segment took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SegmentLatency {
    /// Which part.
    pub segment: Segment,
    /// Its length.
    pub ms: Millis,
}

/// What the user waited for; the segments are contiguous and sum to the total.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TurnLatency {
    /// From the end of the user's utterance to the end of the reply.
    pub total_ms: Millis,
    /// The parts, in order.
    pub segments: Vec<SegmentLatency>,
}

/// `turn.completed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnCompleted {
    /// The turn.
    pub turn_id: TurnId,
    /// How it ended.
    pub outcome: TurnOutcome,
    /// Where the time went.
    pub latency: TurnLatency,
}

/// A slot of the brief that a run was started with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FrozenSlot {
    /// Which slot.
    pub path: SlotPath,
    /// Its value.
    pub value: Value,
    /// How sure it was.
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
    pub progress: u8,
    /// The run it belongs to.
    pub run_id: RunId,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
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
    pub used: f64,
}

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallPurpose {
    /// The planner's reply to a turn.
    Plan,
    /// A stage's output.
    Stage,
    /// The repair of a stage's output that broke its schema.
    Repair,
}

/// What a call belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CallScope {
    /// An attempt at a stage of a run.
    Stage {
        /// The run.
        run_id: RunId,
        /// The stage.
        stage: StageId,
        /// The attempt.
        attempt: u32,
    },
    /// An attempt at a turn's reply.
    Turn {
        /// The turn.
        turn_id: TurnId,
        /// The attempt.
        attempt: u32,
    },
}

/// `call.reserved`: committed before the request leaves. One HTTP request is one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallReserved {
    /// The call.
    pub call_id: CallId,
    /// What it is for.
    pub purpose: CallPurpose,
    /// What it belongs to.
    #[serde(flatten)]
    pub scope: CallScope,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// The reply arrived whole.
    Ok,
    /// It failed; nothing usable arrived.
    Failed,
    /// Nobody knows: it was cancelled or its process died. Booked at its reservation.
    Unknown,
}

/// `call.settled`: provider, usage and cost are for the operator's eyes and not in here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallSettled {
    /// The call.
    pub call_id: CallId,
    /// What it was for.
    pub purpose: CallPurpose,
    /// How it ended.
    pub outcome: CallOutcome,
}

/// `error`: something failed that the user should know of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorEvent {
    /// The turn it happened in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
    /// The run it happened in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// The stage it happened in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageId>,
    /// The attempt that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Whether the server tries again by itself.
    pub will_retry: bool,
    /// What failed.
    #[serde(flatten)]
    pub error: ErrorBody,
}

macro_rules! events {
    ($($variant:ident($data:ty) = $name:literal,)+) => {
        /// One durable fact of a session, with its data.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Event {
            $(
                #[doc = concat!("`", $name, "`")]
                $variant($data),
            )+
            /// `<stage>.delta`: one type that carries its stage.
            StageDelta(StageDelta),
        }

        impl Event {
            /// The types with a fixed name, in the order of the contract.
            pub const TYPES: &'static [&'static str] = &[$($name),+];

            /// The event's type on the wire.
            pub fn event_type(&self) -> std::borrow::Cow<'static, str> {
                match self {
                    $(Self::$variant(_) => $name.into(),)+
                    Self::StageDelta(delta) => format!("{}{DELTA_SUFFIX}", delta.stage).into(),
                }
            }

            /// The event's data as JSON text.
            pub fn data_json(&self) -> Result<String, serde_json::Error> {
                match self {
                    $(Self::$variant(data) => serde_json::to_string(data),)+
                    Self::StageDelta(data) => serde_json::to_string(data),
                }
            }

            /// Reads an event from its type and data. An unknown type is an error.
            pub fn from_parts(event_type: &str, data: &Value) -> Result<Self, serde_json::Error> {
                match event_type {
                    $($name => <$data>::deserialize(data).map(Self::$variant),)+
                    other => Self::stage_delta(other, StageDelta::deserialize(data)),
                }
            }

            /// Reads an event from its type and data as JSON text. An unknown type is an error.
            pub fn from_json(event_type: &str, data_json: &str) -> Result<Self, serde_json::Error> {
                match event_type {
                    $($name => serde_json::from_str::<$data>(data_json).map(Self::$variant),)+
                    other => Self::stage_delta(other, serde_json::from_str(data_json)),
                }
            }

            /// The JSON Schema of each type's data; `<stage>.delta` stands for every stage.
            pub fn data_schemas(
                generator: &mut schemars::SchemaGenerator,
            ) -> Vec<(&'static str, schemars::Schema)> {
                vec![
                    $(($name, generator.subschema_for::<$data>()),)+
                    ("<stage>.delta", generator.subschema_for::<StageDelta>()),
                ]
            }
        }
    };
}

const DELTA_SUFFIX: &str = ".delta";

events! {
    SessionStarted(SessionStarted) = "session.started",
    SessionRestarted(SessionRestarted) = "session.restarted",
    TurnStarted(TurnStarted) = "turn.started",
    MessageAdded(MessageAdded) = "message.added",
    MessageHeard(MessageHeard) = "message.heard",
    PlannerDelta(PlannerDelta) = "planner.delta",
    SlotUpdated(SlotUpdated) = "slot.updated",
    GateReady(Gate) = "gate.ready",
    GateChanged(Gate) = "gate.changed",
    GateWaived(GateWaived) = "gate.waived",
    TurnCompleted(TurnCompleted) = "turn.completed",
    RunStarted(RunStarted) = "run.started",
    StageChanged(StageChanged) = "stage.changed",
    StageStarted(StageStarted) = "stage.started",
    StageCompleted(StageCompleted) = "stage.completed",
    AssetReady(AssetReady) = "asset.ready",
    JobUpdated(JobUpdated) = "job.updated",
    RunCancelled(RunCancelled) = "run.cancelled",
    RunCompleted(RunCompleted) = "run.completed",
    BudgetWarning(BudgetWarning) = "budget.warning",
    CallReserved(CallReserved) = "call.reserved",
    CallSettled(CallSettled) = "call.settled",
    Error(ErrorEvent) = "error",
}

impl Event {
    fn stage_delta(
        event_type: &str,
        data: Result<StageDelta, serde_json::Error>,
    ) -> Result<Self, serde_json::Error> {
        use serde::de::Error as _;
        let Some(stage) = event_type.strip_suffix(DELTA_SUFFIX) else {
            return Err(serde_json::Error::custom(format_args!(
                "unknown event type {event_type}"
            )));
        };
        let delta = data?;
        if delta.stage.as_str() == stage {
            Ok(Self::StageDelta(delta))
        } else {
            Err(serde_json::Error::custom(
                "the delta's stage is not the one its type names",
            ))
        }
    }
}
