//! Events of a session and its turns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Delta, Locale, MessageId, Millis, Modality, Mode, PlaybookRef, Provenance, Role, RunId, SlotPath,
    SlotSource, StageId, TurnId,
};

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

/// `session.restarted`: an operator took the session up again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionRestarted {
    /// The stage that was asked for, if a failed run goes on from a certain one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_stage: Option<StageId>,
    /// The run that goes on; none when the session was not at a failed run and is only built anew from its log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
}

/// `session.stopped`: an operator ended what was under way. The session goes on with the next that is asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionStopped {}

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
    /// The slot that the text asks for, once it asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<SlotPath>,
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
    #[schemars(range(min = 0, max = 1))]
    pub confidence: f64,
    /// Where the value comes from.
    pub source: SlotSource,
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
    /// Until the reply was complete; of one that was spoken live, until its first sound was on its way.
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
    /// From the end of the user's utterance to the end of the reply, or to the first sound of one that was spoken live.
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
