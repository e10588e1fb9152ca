//! The planner's side of a turn: what it reads, what it must write, how its reply is read as it comes.

use std::sync::Arc;

use greenroom_protocol::{CallId, DeltaChange, Millis, Role, SlotPath};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::agent::{AgentStep, ProposedSlot};
use crate::partial_json::Step;
use crate::playbook::{Playbook, SlotKind, SlotSpec};
use crate::ports::{ModelRequest, OutputSchema, PromptMessage, PromptRole};
use crate::state::{Phase, State};

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

/// The request of a planner's attempt; none when no turn is being answered.
pub(crate) fn request(
    state: &State,
    playbook: &Playbook,
    call_id: CallId,
    timeout: Millis,
) -> Option<ModelRequest> {
    let conversation = &playbook.conversation;
    let agent = &conversation.planner;
    let context = serde_json::to_string_pretty(&context(state, playbook)).ok()?;
    let instructions = format!(
        "{}\n\n## Context\n\n```json\n{context}\n```\n",
        conversation.planner_prompt.trim_end()
    );
    let skip = state
        .conversation
        .messages
        .len()
        .saturating_sub(conversation.history_messages_max);
    let messages = state
        .conversation
        .messages
        .iter()
        .skip(skip)
        .map(|message| PromptMessage {
            role: match message.role {
                Role::User => PromptRole::User,
                Role::Assistant => PromptRole::Assistant,
            },
            text: message.text.clone(),
        })
        .collect();
    Some(ModelRequest {
        call_id,
        size: agent.model_size(state.mode),
        instructions,
        messages,
        output: Some(OutputSchema {
            name: "planner".to_owned(),
            schema: Arc::new(output_schema(playbook)),
        }),
        search: false,
        output_tokens_max: agent.output_tokens_max,
        timeout,
        stall_timeout: agent.stall_timeout,
    })
}

fn context(state: &State, playbook: &Playbook) -> Value {
    let slots: Vec<Value> = playbook
        .slots
        .iter()
        .filter(|spec| is_said(spec))
        .map(|spec| {
            let filled = state.brief.get(&spec.path);
            json!({
                "path": spec.path,
                "kind": kind_name(spec),
                "expects": spec.expected(),
                "required": spec.required,
                "value": filled.map(|slot| &slot.value),
                "confidence": filled.map(|slot| slot.confidence),
            })
        })
        .collect();
    let interrupted: Vec<&str> = state
        .conversation
        .interrupted
        .iter()
        .map(|(_, words)| words.as_str())
        .collect();
    json!({
        "locale": state.locale,
        "state": state.wire_state,
        "run_active": state.active_run().is_some(),
        "slots": slots,
        "ask_order": ask_order(state, playbook),
        "asked": state.conversation.asked,
        "gate": state.gate,
        "offer_draft": offers_draft(state, playbook),
        "interrupted": interrupted,
    })
}

/// Whether users speak of the slot at all; a picture's slots are filled by the picture.
fn is_said(spec: &SlotSpec) -> bool {
    spec.labels.values().any(|labels| !labels.is_empty())
}

fn kind_name(spec: &SlotSpec) -> &'static str {
    match spec.kind {
        SlotKind::Text => "text",
        SlotKind::TextList { .. } => "list of text",
        SlotKind::Choice { .. } => "choice",
        SlotKind::PriceBand { .. } => "price band",
        SlotKind::Number { .. } => "number",
    }
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

/// Turns the steps of the planner's document into what the session decides upon.
#[derive(Debug, Default)]
pub(crate) struct PlannerReader {
    answered: bool,
    asking: bool,
    slots_known: bool,
    ask: AskField,
    /// A question that came before it was known what it asks for and what is filled.
    held: String,
}

/// The field that says what the question asks for.
#[derive(Debug, Default)]
enum AskField {
    #[default]
    Unread,
    Read(Option<SlotPath>),
}

impl PlannerReader {
    pub(crate) fn step(&mut self, step: Step) -> Option<AgentStep> {
        match step {
            Step::Delta(delta) => match (delta.path.as_str(), delta.change) {
                ("/answer", DeltaChange::Append(text)) => {
                    self.answered = true;
                    Some(AgentStep::Answer(text))
                }
                ("/question", DeltaChange::Append(text)) => {
                    self.held.push_str(&text);
                    self.question()
                }
                (_, DeltaChange::Append(_) | DeltaChange::Value(_)) => None,
            },
            Step::Element { value, .. } => serde_json::from_value(value).ok().map(AgentStep::Slot),
            Step::Closed { path, value } => {
                match path.as_str() {
                    "/ask" => self.ask = AskField::Read(serde_json::from_value(value).ok()),
                    SLOT_UPDATES => self.slots_known = true,
                    _ => return None,
                }
                self.question()
            }
        }
    }

    /// What there is of the question, once it may be shown.
    fn question(&mut self) -> Option<AgentStep> {
        let AskField::Read(ask) = &self.ask else {
            return None;
        };
        if !self.slots_known || self.held.is_empty() {
            return None;
        }
        let separator = if self.answered && !self.asking { " " } else { "" };
        self.asking = true;
        let text = format!("{separator}{}", std::mem::take(&mut self.held));
        Some(AgentStep::Question {
            ask: ask.clone(),
            text,
        })
    }
}
