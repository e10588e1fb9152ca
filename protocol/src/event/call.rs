//! Events of the calls to providers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CallId, RunId, StageId, TurnId};

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
    /// The check of a text before it is acted upon or shown for good.
    Moderate,
    /// The words of a spoken utterance.
    Transcribe,
    /// A text, spoken.
    Speak,
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
    /// An attempt at a turn's reply. The turn of a transcription begins only once its words are known.
    Turn {
        /// The turn.
        turn_id: TurnId,
        /// The attempt.
        attempt: u32,
    },
    /// Nothing but the session, such as speech that a client asked for. Last, because it matches anything.
    Session {},
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
    /// What it belonged to.
    #[serde(flatten)]
    pub scope: CallScope,
    /// How it ended.
    pub outcome: CallOutcome,
}
