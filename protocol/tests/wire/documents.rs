//! The documents that are made from the types: they are fresh, and they are true.

use std::fmt::Write as _;

use greenroom_protocol::{ApiError, ErrorBody, ErrorCode, Locale, protocol_schema};
use serde_json::{Value, json};

use crate::{check_generated, examples, pretty};

/// Checks documents against one definition of the protocol's schema.
pub struct Definition(jsonschema::Validator);

impl Definition {
    pub fn of(name: &str) -> Self {
        let schema = json!({"$ref": format!("#/$defs/{name}"), "$defs": protocol_schema()["$defs"]});
        Self(
            jsonschema::options()
                .offline()
                .should_validate_formats(true)
                .build(&schema)
                .unwrap(),
        )
    }

    pub fn violations(&self, document: &Value) -> Vec<String> {
        self.0
            .iter_errors(document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    }
}

#[test]
fn the_json_schema_is_fresh() {
    check_generated("docs/protocol.schema.json", &pretty(&protocol_schema()));
}

#[test]
fn the_json_schema_itself_is_valid() {
    jsonschema::meta::validate(&protocol_schema()).unwrap();
}

#[test]
fn the_json_schema_refuses_what_the_server_rejects() {
    let definition = Definition::of("ClientFrame");
    for document in [
        json!({"type": "ping", "x": 1}),
        json!({"type": "ping", "id": ""}),
        json!({"type": "ping", "id": "a b"}),
        json!({"type": "pong"}),
        json!({"type": "user.message"}),
        json!({"type": "slot.set", "path": "name", "value": 1}),
        json!({"type": "audio.start", "codec": "mp3", "sample_rate": 1, "channels": 1}),
    ] {
        assert!(!definition.violations(&document).is_empty(), "{document}");
    }
}

#[test]
fn the_json_schema_tells_events_apart() {
    let definition = Definition::of("Event");
    let mut envelope = json!({
        "event_id": "evt_00001",
        "seq": 1,
        "session_id": examples::session_id(),
        "type": "run.cancelled",
        "created_at": "2026-02-19T15:00:00.123Z",
        "data": {"run_id": examples::run_id()},
    });
    assert!(definition.violations(&envelope).is_empty());
    for other in ["turn.started", "planner.delta", "research.delta", "later.type"] {
        envelope["type"] = json!(other);
        assert!(!definition.violations(&envelope).is_empty(), "{other}");
    }
}

#[test]
fn every_error_is_in_the_json_schema() {
    let definition = Definition::of("ApiError");
    for code in ErrorCode::ALL {
        let error = ApiError {
            error: ErrorBody::new(*code, Locale::Ko),
        };
        assert_eq!(
            definition.violations(&serde_json::to_value(error).unwrap()),
            [""; 0]
        );
    }
}

#[test]
fn the_table_of_errors_is_fresh() {
    check_generated("docs/errors.md", &table_of_errors());
}

fn table_of_errors() -> String {
    let mut page = String::from(
        "# Errors\n\n\
         Made from the table in `protocol/src/error_table.rs` by \
         `GREENROOM_REGENERATE=1 cargo test -p greenroom-protocol`; do not edit.\n\n\
         Every failure is `{\"error\":{\"code\",\"message\",\"details\",\"retryable\",\"retry_after\"}}`. `message` is \
         for the user, in the\nsession's language. `details` is for the developer of the client. `retryable` says \
         whether the same request, sent again\nunchanged, may succeed without anybody doing anything; `retry_after` \
         is in seconds, or null.\n\n\
         | code | status | retryable | user message (ko) | user message (en) | what an operator should do |\n\
         |---|---|---|---|---|---|\n",
    );
    for code in ErrorCode::ALL {
        let retryable = if code.retryable() { "yes" } else { "no" };
        writeln!(
            page,
            "| `{code}` | {} | {retryable} | {} | {} | {} |",
            code.status(),
            code.user_message(Locale::Ko),
            code.user_message(Locale::En),
            code.operator_action(),
        )
        .unwrap();
    }
    page
}
