//! What the simulator writes: documents that obey their schema and speak of the brief that was sent.

mod bounds;
mod chance;
mod document;
mod facts;
mod labels;
mod pattern;
mod planner;
mod timeline;
pub(crate) mod wording;

use serde_json::Value;

use super::prompt::{OutputFormat, Prompt};
use super::search::SearchHit;

pub(crate) use chance::Chance;
pub(crate) use document::Unsatisfiable;
pub(crate) use facts::{Facts, choose};
pub(crate) use planner::is_planner_schema;
pub(crate) use wording::mark;

/// An address that no search returns: its host is reserved for what does not exist (RFC 2606).
const INVENTED_URL: &str = "https://invented.invalid/sim/claim";

/// Characters of somebody else's words that are repeated.
const QUOTED_CHARS_MAX: usize = 60;

/// Writes the reply's text.
pub(crate) fn author(
    prompt: &Prompt,
    facts: &Facts,
    hits: &[SearchHit],
    chance: Chance,
) -> Result<String, Unsatisfiable> {
    match &prompt.format {
        OutputFormat::Text => Ok(free_text(prompt, facts, hits)),
        OutputFormat::JsonObject => {
            Ok(serde_json::json!({ "answer": free_text(prompt, facts, hits) }).to_string())
        }
        OutputFormat::Schema { schema, .. } => {
            let document = document::write(schema, facts, hits, chance)?;
            let document = if is_planner_schema(schema) {
                planner::plan(prompt, schema, document)
            } else {
                document
            };
            Ok(document.to_string())
        }
    }
}

/// Writes the arguments of a function, as JSON.
pub(crate) fn arguments(schema: &Value, facts: &Facts, chance: Chance) -> Result<String, Unsatisfiable> {
    document::write(schema, facts, &[], chance).map(|arguments| arguments.to_string())
}

/// Why nothing is written.
pub(crate) fn refusal(facts: &Facts) -> &'static str {
    choose(
        facts.locale,
        "[모의] 요청하신 내용은 도와드릴 수 없습니다.",
        "[simulated] I'm sorry, but I can't help with that.",
    )
}

/// A short reply in prose, with what functions answered in it and what was found named at its end.
fn free_text(prompt: &Prompt, facts: &Facts, hits: &[SearchHit]) -> String {
    let quoted = |text: &str| text.chars().take(QUOTED_CHARS_MAX).collect::<String>();
    let asked = quoted(prompt.last_user_text());
    let mut body = facts
        .choose(
            &format!("'{asked}' 말씀에 대한 모의 답변입니다. 실제 모델이 쓴 글이 아닙니다."),
            &format!("This is a simulated reply to '{asked}'. No real model wrote it."),
        )
        .to_owned();
    for result in prompt.tool_results() {
        let result = quoted(result);
        body += facts.choose(
            &format!(" 함수가 답한 내용: {result}"),
            &format!(" The function answered: {result}"),
        );
    }
    let links: Vec<String> = hits
        .iter()
        .map(|hit| format!(" ([{}]({}))", hit.host(), hit.url))
        .collect();
    format!("{}{body}{}", mark(facts.locale), links.concat())
}

/// How a breached reply breaks its schema.
pub(crate) fn break_schema(text: &str, breach: super::fault::BreachMode) -> String {
    use super::fault::BreachMode;
    let document = || serde_json::from_str::<Value>(text).ok();
    match breach {
        BreachMode::Empty => String::new(),
        BreachMode::NotJson => format!("Sure, here it is: {}", text.trim_start_matches('{')),
        BreachMode::MissingField => document().map_or_else(String::new, |mut document| {
            let last = document
                .as_object()
                .and_then(|fields| fields.keys().next_back().cloned());
            if let (Some(fields), Some(last)) = (document.as_object_mut(), last) {
                fields.shift_remove(&last);
            }
            document.to_string()
        }),
        BreachMode::WrongType => document().map_or_else(String::new, |mut document| {
            if let Some(value) = document
                .as_object_mut()
                .and_then(|fields| fields.values_mut().next())
            {
                *value = match value {
                    Value::Number(_) => Value::Bool(true),
                    _ => Value::from(12_345),
                };
            }
            document.to_string()
        }),
        BreachMode::InventedUrl => document().map_or_else(String::new, |mut document| {
            if let Some(url) = first_url(&mut document) {
                *url = Value::from(INVENTED_URL);
            }
            document.to_string()
        }),
    }
}

/// The first address that a document names.
fn first_url(document: &mut Value) -> Option<&mut Value> {
    match document {
        Value::Object(fields) => fields.iter_mut().find_map(|(name, value)| match value {
            Value::String(_) if name == "url" => Some(value),
            _ => first_url(value),
        }),
        Value::Array(items) => items.iter_mut().find_map(first_url),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
