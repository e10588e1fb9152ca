//! Every event: the durable facts of a session, with their data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ErrorBody, RunId, StageId, TurnId};

mod call;
mod conversation;
mod run;
mod terms;

pub use call::{CallOutcome, CallPurpose, CallReserved, CallScope, CallSettled};
pub use conversation::{
    MessageAdded, MessageHeard, PlannerDelta, Segment, SegmentLatency, SessionRestarted, SessionStarted,
    SessionStopped, SlotUpdated, TurnCompleted, TurnLatency, TurnOutcome, TurnStarted,
};
pub use run::{
    AssetReady, BudgetWarning, CheckNote, FrozenSlot, GateJudged, GateWaived, JobStatus, JobType, JobUpdated,
    RunCancelled, RunCompleted, RunStarted, StageChanged, StageCompleted, StageDelta, StageFailure,
    StageStarted, SupportingSource,
};
pub use terms::{Locale, Modality, Mode, PlaybookRef, Provenance, Role};

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

            /// What stands for the type of every stage's deltas where types are listed.
            pub const STAGE_DELTA: &'static str = "<stage>.delta";

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
                    (Self::STAGE_DELTA, generator.subschema_for::<StageDelta>()),
                ]
            }
        }
    };
}

const DELTA_SUFFIX: &str = ".delta";

events! {
    SessionStarted(SessionStarted) = "session.started",
    SessionRestarted(SessionRestarted) = "session.restarted",
    SessionStopped(SessionStopped) = "session.stopped",
    TurnStarted(TurnStarted) = "turn.started",
    MessageAdded(MessageAdded) = "message.added",
    MessageHeard(MessageHeard) = "message.heard",
    PlannerDelta(PlannerDelta) = "planner.delta",
    SlotUpdated(SlotUpdated) = "slot.updated",
    GateReady(GateJudged) = "gate.ready",
    GateChanged(GateJudged) = "gate.changed",
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
