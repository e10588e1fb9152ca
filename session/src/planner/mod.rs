//! The planner's side of a turn: what it reads, what it must write, how its reply is read as it comes.

mod reader;
mod request;
mod speakable;

use greenroom_protocol::SlotPath;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::agent::ProposedSlot;
use crate::playbook::{Playbook, SlotSpec};
use crate::state::{Phase, State};

pub(crate) use reader::{PlannerReader, is_question_mark};
pub(crate) use request::request;

/// Where the planner proposes values; each is read when it is complete.
pub(crate) const SLOT_UPDATES: &str = "/slot_updates";

/// What the planner must write, in this order: the answer is shown while the rest is still being written, and
/// the question only once it is known which slot it asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannerOutput {
    /// Answers the user's own question, or acknowledges.
    pub answer: String,
    /// Values that the user's words give.
    pub slot_updates: Vec<ProposedSlot>,
    /// The slot that the question asks for.
    pub ask: Option<SlotPath>,
    /// One question, or nothing.
    pub question: String,
    /// What the user asks the server to do.
    pub intent: Intent,
}

/// What the user asks the server to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// Nothing.
    None,
    /// Start the run.
    Generate,
    /// Start it with what there is.
    Draft,
    /// Cancel the run.
    CancelRun,
}

/// The slots that may be asked for now, most wanted first: what is missing, else what is unclear. A slot that
/// was asked for as often as the playbook allows in a row goes behind the others and comes back after them.
pub fn ask_order(state: &State, playbook: &Playbook) -> Vec<SlotPath> {
    let wanted = if state.gate.missing_required.is_empty() {
        &state.gate.low_confidence
    } else {
        &state.gate.missing_required
    };
    let mut order = wanted.clone();
    // The sort is stable, so within a round the playbook's order holds.
    order.sort_by_key(|path| ask_round(state, playbook, path));
    order
}

/// How many times the question for a slot went round.
fn ask_round(state: &State, playbook: &Playbook, path: &SlotPath) -> u32 {
    let asks = state.conversation.asks.get(path).copied().unwrap_or(0);
    asks / playbook.conversation.asks_in_a_row_max.max(1)
}

/// Whether the planner may ask this now: something that is wanted, and not before its turn comes again. A
/// question that asks for no slot is free once nothing is wanted. Where a draft is offered, that is the question.
pub fn may_ask(state: &State, playbook: &Playbook, ask: Option<&SlotPath>) -> bool {
    if offers_draft(state, playbook) {
        return false;
    }
    if state.active_run().is_some() {
        return ask.is_none();
    }
    let order = ask_order(state, playbook);
    match (ask, order.first()) {
        (None, None) => true,
        (Some(path), Some(first)) => {
            order.contains(path) && ask_round(state, playbook, path) <= ask_round(state, playbook, first)
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Whether the user is to be offered a draft with what there is, after so many turns without an open gate.
pub fn offers_draft(state: &State, playbook: &Playbook) -> bool {
    let turns = state.conversation.turns;
    let limit = playbook.conversation.turns_before_offer.max(1);
    let collecting = match state.phase {
        Phase::Collecting | Phase::Failed(_) | Phase::Done { .. } => true,
        Phase::Ready | Phase::Running(_) => false,
    };
    collecting && !state.gate.ready && turns > 0 && turns.is_multiple_of(limit)
}

/// The strict JSON Schema of [`PlannerOutput`] for a playbook's slots.
pub fn output_schema(playbook: &Playbook) -> Value {
    let paths: Vec<&SlotPath> = playbook
        .slots
        .iter()
        .filter(|slot| is_said(slot))
        .map(|slot| &slot.path)
        .collect();
    let asked = playbook.slots.iter().filter(|slot| !slot.question.is_empty());
    let mut askable: Vec<Value> = asked.map(|slot| json!(slot.path)).collect();
    askable.push(Value::Null);
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["answer", "slot_updates", "ask", "question", "intent"],
        "properties": {
            "answer": { "type": "string" },
            "slot_updates": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["path", "value", "confidence", "words"],
                    "properties": {
                        "path": { "type": "string", "enum": paths },
                        "value": {
                            "anyOf": [
                                { "type": "string" },
                                { "type": "array", "items": { "type": "string" } },
                                { "type": "number" },
                            ],
                        },
                        "confidence": { "type": "number", "minimum": 0, "maximum": 1 },
                        "words": { "type": "string" },
                    },
                },
            },
            "ask": { "type": ["string", "null"], "enum": askable },
            "question": { "type": "string" },
            "intent": { "type": "string", "enum": ["none", "generate", "draft", "cancel_run"] },
        },
    })
}

/// Whether users speak of the slot at all; a picture's slots are filled by the picture.
fn is_said(spec: &SlotSpec) -> bool {
    spec.labels.values().any(|labels| !labels.is_empty())
}
