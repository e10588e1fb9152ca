//! The conversation that a request brings along: who said what, which functions were called and what they answered.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Message, Role};
use crate::provider::error::ProviderError;
use crate::provider::parameters;

/// Messages of a conversation, those of the system and the developer apart.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) instructions: Vec<String>,
    pub(super) messages: Vec<Message>,
    /// Calls that were made and not answered yet.
    open_calls: BTreeSet<String>,
}

impl Conversation {
    /// Reads the messages of chat.
    pub(super) fn of_chat(items: &[Value]) -> Result<Self, ProviderError> {
        let mut conversation = Self::default();
        for (index, item) in items.iter().enumerate() {
            conversation.add_chat_message(item, &format!("messages[{index}]"))?;
        }
        conversation.check_answered("messages", |id| {
            format!(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
                 'tool_call_id'. The following tool_call_ids did not have response messages: {id}"
            )
        })?;
        conversation.check_not_empty("messages")
    }

    /// Reads the input of the Responses API, which goes on with what was said before.
    pub(super) fn of_responses(earlier: &[Value], input: &Value) -> Result<Self, ProviderError> {
        let mut conversation = Self::default();
        for item in earlier {
            conversation.add_item(item, "input")?;
        }
        match input {
            Value::String(text) => conversation.say(Role::User, text.clone()),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    conversation.add_item(item, &format!("input[{index}]"))?;
                }
            }
            other => return Err(parameters::wrong_type("input", "a string or an array", other)),
        }
        conversation.check_answered("input", |id| {
            format!("No tool output found for function call {id}.")
        })?;
        conversation.check_not_empty("input")
    }

    fn add_chat_message(&mut self, item: &Value, param: &str) -> Result<(), ProviderError> {
        let known = [
            "role",
            "content",
            "name",
            "refusal",
            "tool_calls",
            "tool_call_id",
            "annotations",
            "audio",
        ];
        parameters::known_fields(item, &known, param)?;
        let text = content(&item["content"], param)?;
        match item["role"].as_str() {
            Some("system" | "developer") => self.instructions.push(text),
            Some("user") => {
                self.check_answered(param, |id| {
                    format!(
                        "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
                         'tool_call_id'. The following tool_call_ids did not have response messages: {id}"
                    )
                })?;
                self.say(Role::User, text);
            }
            Some("assistant") => {
                for call in item["tool_calls"].as_array().into_iter().flatten() {
                    let id = call["id"]
                        .as_str()
                        .ok_or_else(|| parameters::missing(&format!("{param}.tool_calls[0].id")))?;
                    self.open_calls.insert(id.to_owned());
                }
                self.say(Role::Assistant, text);
            }
            Some("tool") => {
                let id = item["tool_call_id"].as_str();
                let id = id.ok_or_else(|| parameters::missing(&format!("{param}.tool_call_id")))?;
                if !self.open_calls.remove(id) {
                    let message = "Invalid parameter: messages with role 'tool' must be a response to a preceeding \
                                   message with 'tool_calls'.";
                    return Err(ProviderError::invalid(
                        &format!("{param}.role"),
                        "invalid_value",
                        message,
                    ));
                }
                self.say(Role::Tool, text);
            }
            _ => {
                let known = ["system", "assistant", "user", "tool", "developer"];
                return Err(parameters::unknown_value(
                    &format!("{param}.role"),
                    &item["role"],
                    &known,
                ));
            }
        }
        Ok(())
    }

    fn add_item(&mut self, item: &Value, param: &str) -> Result<(), ProviderError> {
        match item["type"].as_str() {
            None | Some("message") => {
                let known = ["type", "role", "content", "id", "status", "phase"];
                parameters::known_fields(item, &known, param)?;
                let text = content(&item["content"], param)?;
                match item["role"].as_str() {
                    Some("system" | "developer") => self.instructions.push(text),
                    Some("user") => self.say(Role::User, text),
                    Some("assistant") => self.say(Role::Assistant, text),
                    _ => {
                        let known = ["assistant", "system", "developer", "user"];
                        return Err(parameters::unknown_value(
                            &format!("{param}.role"),
                            &item["role"],
                            &known,
                        ));
                    }
                }
            }
            Some("function_call") => {
                let id = item["call_id"].as_str();
                let id = id.ok_or_else(|| parameters::missing(&format!("{param}.call_id")))?;
                self.open_calls.insert(id.to_owned());
            }
            Some("function_call_output") => {
                let id = item["call_id"].as_str();
                let id = id.ok_or_else(|| parameters::missing(&format!("{param}.call_id")))?;
                if !self.open_calls.remove(id) {
                    let message = format!("No tool call found for function call output with call_id {id}.");
                    return Err(ProviderError::invalid(param, "invalid_value", message));
                }
                let text = content(&item["output"], param)?;
                self.say(Role::Tool, text);
            }
            // What the model itself did on the way; its texts stand in the messages.
            Some("web_search_call" | "reasoning") => {}
            Some(_) => {
                let known = [
                    "message",
                    "function_call",
                    "function_call_output",
                    "web_search_call",
                    "reasoning",
                ];
                return Err(parameters::unknown_value(
                    &format!("{param}.type"),
                    &item["type"],
                    &known,
                ));
            }
        }
        Ok(())
    }

    fn say(&mut self, role: Role, text: String) {
        self.messages.push(Message { role, text });
    }

    fn check_answered(&self, param: &str, message: impl Fn(&str) -> String) -> Result<(), ProviderError> {
        match self.open_calls.first() {
            Some(id) => Err(ProviderError::invalid(param, "invalid_value", message(id))),
            None => Ok(()),
        }
    }

    fn check_not_empty(self, param: &str) -> Result<Self, ProviderError> {
        if self.messages.is_empty() && self.instructions.is_empty() {
            let message = format!("Invalid '{param}': empty array. Expected an array with minimum length 1.");
            return Err(ProviderError::invalid(param, "empty_array", message));
        }
        Ok(self)
    }
}

/// The text of a message: a string, or the texts of its parts. Pictures, sounds and files are refused.
fn content(content: &Value, param: &str) -> Result<String, ProviderError> {
    let parts = match content {
        Value::Null => return Ok(String::new()),
        Value::String(text) => return Ok(text.clone()),
        Value::Array(parts) => parts,
        other => {
            let param = format!("{param}.content");
            return Err(parameters::wrong_type(&param, "a string or an array", other));
        }
    };
    let mut texts = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let param = format!("{param}.content[{index}]");
        let field = match part["type"].as_str() {
            Some("text" | "input_text" | "output_text") => "text",
            Some("refusal") => "refusal",
            Some(kind) => {
                let message = format!("Invalid content type. {kind} is only supported by certain models.");
                return Err(ProviderError::invalid(
                    &format!("{param}.type"),
                    "unsupported_value",
                    message,
                ));
            }
            None => return Err(parameters::missing(&format!("{param}.type"))),
        };
        let text = part[field].as_str();
        texts.push(text.ok_or_else(|| parameters::missing(&format!("{param}.{field}")))?);
    }
    Ok(texts.join("\n"))
}
