//! Answers of the socket as tables.

use serde_json::Value;

use super::arguments::AdminQuestion;
use super::table;

/// A column of a table: its heading, and where its cells are in an item.
type Column = (&'static str, &'static str);

const SESSIONS: &[Column] = &[
    ("SESSION", "/session_id"),
    ("STATE", "/state"),
    ("TITLE", "/title"),
    ("USER", "/user"),
    ("COMPLETE", "/completeness"),
    ("EVENTS", "/head"),
    ("UPDATED", "/updated_at"),
];
const EVENTS: &[Column] = &[
    ("EVENT", "/event_id"),
    ("AT", "/created_at"),
    ("TYPE", "/type"),
    ("DATA", "/data"),
];
const JOBS: &[Column] = &[
    ("JOB", "/job_id"),
    ("TYPE", "/type"),
    ("STATUS", "/status"),
    ("PROGRESS", "/progress"),
    ("SESSION", "/session_id"),
    ("RUN", "/run_id"),
    ("ERROR", "/error/code"),
    ("UPDATED", "/updated_at"),
];
const PROVIDERS: &[Column] = &[
    ("NAME", "/name"),
    ("STATE", "/state"),
    ("PROVIDER", "/provider/name"),
    ("MODEL", "/provider/model"),
    ("CIRCUIT", "/provider/circuit/phase"),
    ("CALLS", "/provider/circuit/calls"),
    ("ERROR RATE", "/provider/circuit/error_rate"),
    ("LAST ERROR", "/provider/circuit/last_error"),
    ("FIRST TOKEN MS", "/provider/circuit/first_token_ms"),
    ("RETRY AFTER MS", "/provider/circuit/retry_after"),
];
const TOP: &[Column] = &[
    ("SESSION", "/session_id"),
    ("EVENTS/S", "/events_per_second"),
    ("MAILBOX", "/mailbox"),
    ("CONNECTIONS", "/connections"),
    ("RESTARTS", "/restarts"),
    ("STATE", "/state"),
    ("CALLS", "/cost/calls"),
    ("MICRO USD", "/cost/micro_usd"),
    ("TITLE", "/title"),
];
const AUDIT: &[Column] = &[
    ("AT", "/at"),
    ("ACTION", "/action"),
    ("UID", "/uid"),
    ("PID", "/pid"),
    ("DETAILS", "/details"),
    ("REASON", "/reason"),
];

/// An answer as people read it.
pub(super) fn readable(question: &AdminQuestion, answer: &Value) -> String {
    match question {
        AdminQuestion::Sessions { .. } => {
            let summary = format!(
                "{} of {} sessions, {} in memory\n",
                count(&answer["items"]),
                answer["total"],
                answer["live"]
            );
            list(SESSIONS, &answer["items"]) + &summary
        }
        AdminQuestion::Show { .. } => fields(answer),
        AdminQuestion::Events { .. } => {
            let summary = format!("{} of {} events\n", count(&answer["events"]), answer["head"]);
            list(EVENTS, &answer["events"]) + &summary
        }
        AdminQuestion::Jobs { .. } => {
            let summary = format!("{} of {} jobs\n", count(&answer["items"]), answer["total"]);
            list(JOBS, &answer["items"]) + &summary
        }
        AdminQuestion::Providers { task: None } => list(PROVIDERS, &answer["items"]),
        AdminQuestion::Providers { task: Some(_) } => list(PROVIDERS, &Value::Array(vec![answer.clone()])),
        AdminQuestion::Limits { .. } => limits(answer),
        AdminQuestion::Top { .. } => {
            let summary = format!(
                "{} of {} sessions in memory, within {} ms\n",
                count(&answer["items"]),
                answer["live"],
                answer["window_ms"]
            );
            list(TOP, &answer["items"]) + &summary
        }
        AdminQuestion::Audit { .. } => list(AUDIT, &answer["items"]),
        AdminQuestion::Restart { .. } | AdminQuestion::Stop { .. } | AdminQuestion::Drain { .. } => {
            fields(answer)
        }
    }
}

fn list(columns: &[Column], items: &Value) -> String {
    let heading: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let row = |item: &Value| {
        columns
            .iter()
            .map(|(_, pointer)| item.pointer(pointer).map_or_else(|| cell(&Value::Null), cell))
            .collect()
    };
    let rows: Vec<Vec<String>> = items.as_array().into_iter().flatten().map(row).collect();
    table::render(&heading, &rows)
}

fn count(items: &Value) -> usize {
    items.as_array().map_or(0, Vec::len)
}

fn limits(answer: &Value) -> String {
    let row = |(name, limit): (&String, &Value)| {
        let columns = ["value", "source", "configured", "set_at", "reason"];
        std::iter::once(name.clone())
            .chain(columns.map(|column| cell(&limit[column])))
            .collect()
    };
    let rows: Vec<Vec<String>> = answer.as_object().into_iter().flatten().map(row).collect();
    let heading = ["LIMIT", "VALUE", "SOURCE", "CONFIGURED", "SET AT", "REASON"];
    table::render(&heading, &rows)
}

fn fields(answer: &Value) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut add = |name: String, value: &Value| rows.push(vec![name, cell(value)]);
    for (name, value) in answer.as_object().into_iter().flatten() {
        match value {
            Value::Object(fields) => {
                for (field, value) in fields {
                    add(format!("{name}.{field}"), value);
                }
            }
            Value::Null => {}
            other => add(name.clone(), other),
        }
    }
    table::render(&["FIELD", "VALUE"], &rows)
}

/// A value in the place of one cell.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_of_sessions_is_a_table() {
        let answer = json!({
            "items": [{ "session_id": "sess_1", "state": "DONE", "title": null, "user": "alice…", "completeness": 1.0, "head": 9 }],
            "total": 7, "live": 2,
        });
        let question = AdminQuestion::Sessions {
            state: None,
            limit: 1,
        };
        let text = readable(&question, &answer);
        assert!(text.starts_with("SESSION  STATE  TITLE  USER"), "{text}");
        assert!(text.contains("sess_1   DONE   -      alice…"), "{text}");
        assert!(text.ends_with("1 of 7 sessions, 2 in memory\n"), "{text}");
    }

    #[test]
    fn one_session_is_shown_field_by_field() {
        let text = fields(&json!({ "state": "FAILED", "cost": { "calls": 3 }, "actor_error": null }));
        assert!(
            text.contains("cost.calls  3") && !text.contains("actor_error"),
            "{text}"
        );
    }

    #[test]
    fn a_provider_that_is_not_configured_has_no_circuit() {
        let items = json!([
            { "name": "llm", "state": "failing", "provider": { "name": "openai", "model": "m", "circuit": { "phase": "open", "error_rate": 0.5 } } },
            { "name": "tts", "state": "not_configured", "provider": null },
        ]);
        let text = list(PROVIDERS, &items);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[1].starts_with("llm   failing         openai    m      open     -      0.5"),
            "{text}"
        );
        assert!(
            lines[2].starts_with("tts   not_configured  -         -      -"),
            "{text}"
        );
    }

    #[test]
    fn a_limit_says_whose_it_is() {
        let answer = json!({
            "connections": { "value": 5, "configured": 20, "source": "operator", "reason": "a crowd", "set_at": "2026" },
            "uploads": { "value": 16, "configured": 16, "source": "configuration" },
        });
        let text = limits(&answer);
        assert!(
            text.contains("connections  5      operator       20          2026    a crowd"),
            "{text}"
        );
        assert!(
            text.contains("uploads      16     configuration  16          -       -"),
            "{text}"
        );
    }
}
