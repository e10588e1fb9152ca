//! What the planner is given to read: its prompt, the conversation, and how the brief stands.

use std::sync::Arc;

use greenroom_protocol::{CallId, MessageAdded, Millis, Role, SlotSource};
use serde_json::{Value, json};

use super::{ask_order, is_said, offers_draft, output_schema};
use crate::playbook::{Playbook, SlotKind, SlotSpec};
use crate::ports::{Background, ModelRequest, OutputSchema, PromptMessage, PromptRole};
use crate::state::State;

/// What follows a text of the assistant that the user did not let it finish, or did not hear to its end.
const CUT_OFF: &str = " […]";

/// The request of a planner's attempt.
pub(crate) fn request(state: &State, playbook: &Playbook, call_id: CallId, timeout: Millis) -> ModelRequest {
    let conversation = &playbook.conversation;
    let agent = &conversation.planner;
    let context = fenced(&context(state, playbook));
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
        .map(|message| prompt_message(message, state.conversation.known_text(message)))
        .collect();
    ModelRequest {
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
        // Somebody waits for it: the background begins later.
        background: Background::Never,
    }
}

/// A message as the model reads it again: what the user knows of it.
fn prompt_message(message: &MessageAdded, known: &str) -> PromptMessage {
    let role = match message.role {
        Role::User => PromptRole::User,
        Role::Assistant => PromptRole::Assistant,
    };
    let is_whole = !message.truncated && known.len() >= message.text.trim_end().len();
    let cut_off = if is_whole { "" } else { CUT_OFF };
    PromptMessage {
        role,
        text: format!("{known}{cut_off}").trim_start().to_owned(),
    }
}

/// The context as JSON that cannot end the fence around it, whatever the user's words in it are.
fn fenced(context: &Value) -> String {
    context.to_string().replace('`', "\\u0060")
}

fn context(state: &State, playbook: &Playbook) -> Value {
    let slots: Vec<Value> = playbook
        .slots
        .iter()
        .filter(|spec| is_said(spec))
        .map(|spec| {
            let filled = state.brief.get(&spec.path);
            let is_new = filled.is_some_and(|slot| match &slot.source {
                SlotSource::Turn { turn_id, .. } => Some(*turn_id) == state.conversation.last_turn,
                SlotSource::Edit | SlotSource::Picture { .. } => false,
            });
            json!({
                "path": spec.path,
                "kind": kind_name(spec),
                "expects": spec.expected(),
                "required": spec.required,
                "value": filled.map(|slot| &slot.value),
                "confidence": filled.map(|slot| slot.confidence),
                "just_filled": is_new,
                "asked_times": state.conversation.asks.get(&spec.path).copied().unwrap_or(0),
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
        "turn": state.conversation.turns,
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

fn kind_name(spec: &SlotSpec) -> &'static str {
    match spec.kind {
        SlotKind::Text => "text",
        SlotKind::TextList { .. } => "list of text",
        SlotKind::Choice { .. } => "choice",
        SlotKind::PriceBand { .. } => "price band",
        SlotKind::Number { .. } => "number",
    }
}
