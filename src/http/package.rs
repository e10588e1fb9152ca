//! The package of a run: what it produced, out of which brief, and where every part comes from.

use std::sync::Arc;

use greenroom_protocol::{
    ErrorCode, Event, FrozenSlot, Locale, Provenance, RunStarted, Seq, SessionId, StageCompleted,
};
use greenroom_session::playbook::{Playbook, SlotSpec};
use greenroom_session::ports::RunRow;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{Failure, schemas};
use crate::app::App;

/// What a run produced. Each stage files its output under a key of its own, which the playbook names
/// (`research_snapshot`, `strategy_plan`, `creative_assets`, `voice_assets` in the launch playbook), and the playbook
/// may lift fields such as `kpi_next_actions` to the top.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the document; a package is assembled by the playbook's own keys"
)]
pub(super) struct Package {
    #[schema(schema_with = schemas::run_id)]
    run_id: String,
    #[schema(schema_with = schemas::session_id)]
    session_id: String,
    /// The session's state as of the run's last change.
    state: String,
    #[schema(schema_with = schemas::run_status)]
    status: String,
    /// Whether the gate was waived for it.
    draft: bool,
    /// What the waiver passed over; of a draft only.
    #[schema(required = false)]
    waiver: Value,
    /// Why it failed, stage by stage.
    failures: Value,
    /// How it spends.
    #[schema(schema_with = schemas::mode)]
    mode: String,
    /// The language that it writes.
    #[schema(schema_with = schemas::locale)]
    locale: String,
    /// The brief that it was started with, a line for each slot.
    brief_summary: String,
    /// Whether a simulated provider wrote any of it.
    simulated: bool,
    /// Where each part comes from, by its key.
    provenance: Value,
    #[schema(schema_with = schemas::timestamp)]
    created_at: String,
    #[schema(schema_with = schemas::timestamp)]
    updated_at: String,
}

/// The playbook that a session is pinned to, by the first event of its log, without waking the session.
pub(super) async fn playbook_of(app: &App, session: SessionId) -> Result<Arc<Playbook>, Failure> {
    let internal = |reason: String| {
        tracing::error!(reason, "the playbook of a session cannot be had");
        Failure::new(ErrorCode::SysInternal)
    };
    let frames = app.journal.frames(&app.tenant, session, Seq::ZERO, 1).await?;
    let first = frames
        .first()
        .ok_or_else(|| internal("the log is empty".to_owned()))?;
    let event = Event::from_json(first.event_type(), first.data_json());
    match event.map_err(|error| internal(error.to_string()))? {
        Event::SessionStarted(started) => {
            let playbook = app.playbooks.pinned(&started.playbook.hash).await;
            playbook.map_err(|error| internal(error.to_string()))
        }
        other => Err(internal(format!("the log begins with {}", other.event_type()))),
    }
}

/// Assembles the package from the rows of a run.
pub(super) fn assemble(row: &RunRow, playbook: &Playbook) -> Value {
    let started = serde_json::from_value::<RunStarted>(row.started.clone()).ok();
    let draft = started.as_ref().is_some_and(|started| started.draft);
    let mut package = Map::new();
    let mut put = |key: &str, value: Value| package.insert(key.to_owned(), value);
    put("run_id", row.run_id.to_string().into());
    put("session_id", row.session_id.to_string().into());
    put("state", row.state.clone().into());
    put("status", json!(row.status));
    put("draft", draft.into());
    if let Some(waiver) = row.waiver.as_ref().filter(|_| draft) {
        put("waiver", waiver.clone());
    }
    put(
        "failures",
        if row.failures.is_null() {
            json!([])
        } else {
            row.failures.clone()
        },
    );
    if let Some(started) = &started {
        put("mode", json!(started.mode));
        put("locale", json!(started.locale));
        put(
            "brief_summary",
            brief_summary(&started.brief, started.locale, playbook).into(),
        );
    }
    let outputs = row
        .outputs
        .iter()
        .filter_map(|data| serde_json::from_value(data.clone()).ok());
    let (provenance, simulated) = put_outputs(&mut package, outputs, playbook);
    package.insert("simulated".to_owned(), simulated.into());
    package.insert("provenance".to_owned(), provenance.into());
    package.insert("created_at".to_owned(), row.created_at.to_string().into());
    package.insert("updated_at".to_owned(), row.updated_at.to_string().into());
    Value::Object(package)
}

/// Files each output under its stage's key, and lifts what the playbook lifts; answers where each comes
/// from, and whether any comes from a simulator.
fn put_outputs(
    package: &mut Map<String, Value>,
    outputs: impl Iterator<Item = StageCompleted>,
    playbook: &Playbook,
) -> (Map<String, Value>, bool) {
    let mut provenance = Map::new();
    let mut simulated = false;
    for completed in outputs {
        simulated |= matches!(completed.provenance, Provenance::Model { simulated: true, .. });
        let Some(stage) = playbook.stage(&completed.stage) else {
            continue;
        };
        for field in &stage.lift {
            if let Some(value) = completed.output.get(field) {
                package.insert(field.clone(), value.clone());
            }
        }
        let source = json!({
            "stage": completed.stage,
            "attempt": completed.attempt,
            "source": completed.provenance,
            "dropped": completed.dropped,
            "notes": completed.notes,
            "sources": completed.sources,
        });
        provenance.insert(stage.package_key.clone(), source);
        package.insert(stage.package_key.clone(), completed.output);
    }
    (provenance, simulated)
}

/// The brief as text: a line for each slot, in the playbook's order, under the name that users know it by.
fn brief_summary(brief: &[FrozenSlot], locale: Locale, playbook: &Playbook) -> String {
    let line = |slot: &SlotSpec| {
        let frozen = brief.iter().find(|frozen| frozen.path == slot.path)?;
        let label = slot.label(locale).unwrap_or(slot.path.as_str());
        Some(format!("{label}: {}", readable(&frozen.value)))
    };
    playbook
        .slots
        .iter()
        .filter_map(line)
        .collect::<Vec<_>>()
        .join("\n")
}

fn readable(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(readable).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::Timestamp;
    use greenroom_session::ports::RunStatus;

    use super::*;
    use crate::config::PlaybookSettings;
    use crate::playbooks::Playbooks;

    fn launch() -> Arc<Playbook> {
        let settings = PlaybookSettings {
            dir: None,
            default: "launch".to_owned(),
        };
        Playbooks::load(&settings).unwrap().all().remove(0)
    }

    fn slot(path: &str, value: &Value) -> Value {
        json!({ "path": path, "value": value, "confidence": 0.9, "source": { "kind": "edit" } })
    }

    fn row(draft: bool, outputs: Vec<Value>) -> RunRow {
        let brief = [
            slot("goal.video_seconds", &json!(10)),
            slot("product.name", &json!("루미세럼")),
            slot("product.features", &json!(["저자극", "비건"])),
        ];
        RunRow {
            run_id: "run_00000000000000000000000001".parse().unwrap(),
            session_id: "sess_00000000000000000000000002".parse().unwrap(),
            user: None,
            status: RunStatus::Completed,
            state: "DONE".to_owned(),
            started: json!({
                "run_id": "run_00000000000000000000000001", "mode": "standard", "locale": "ko", "brief": brief,
                "draft": draft, "stages": ["research", "strategy"], "budget_ms": 600_000,
            }),
            waiver: Some(json!({ "missing_required": ["target.who"] })),
            failures: Value::Null,
            outputs,
            created_at: Timestamp::from_unix_ms(0),
            updated_at: Timestamp::from_unix_ms(1),
        }
    }

    fn output(stage: &str, output: &Value) -> Value {
        let provenance = json!({
            "kind": "model", "provider": "openai", "model": "sim-large", "call_id": "call_00000000000000000000000003",
            "simulated": true,
        });
        json!({
            "run_id": "run_00000000000000000000000001", "stage": stage, "attempt": 1, "output": output,
            "provenance": provenance, "dropped": 1,
        })
    }

    #[test]
    fn the_brief_is_rendered_in_the_playbooks_order_and_words() {
        let package = assemble(&row(false, vec![]), &launch());
        let summary = package["brief_summary"].as_str().unwrap();
        let lines: Vec<&str> = summary.lines().collect();
        assert_eq!(lines.len(), 3, "{summary}");
        assert!(
            lines[0].ends_with(": 루미세럼") && !lines[0].starts_with("product."),
            "{summary}"
        );
        assert!(lines[1].ends_with(": 저자극, 비건"), "{summary}");
        assert!(lines[2].ends_with(": 10"), "{summary}");
    }

    #[test]
    fn outputs_are_filed_by_stage_with_their_provenance_and_lifted_fields() {
        let plan = json!({ "weekly_plan": [], "kpi_next_actions": [{ "kpi": "k" }] });
        let outputs = vec![
            output("research", &json!({ "evidence": [] })),
            output("strategy", &plan),
        ];
        let package = assemble(&row(false, outputs), &launch());
        assert_eq!(package["research_snapshot"], json!({ "evidence": [] }));
        assert_eq!(package["strategy_plan"], plan);
        assert_eq!(package["kpi_next_actions"], json!([{ "kpi": "k" }]));
        assert_eq!(
            package["provenance"]["strategy_plan"]["source"]["simulated"],
            true
        );
        assert_eq!(package["simulated"], true);
        assert_eq!(package["provenance"]["research_snapshot"]["dropped"], 1);
        assert!(package.get("creative_assets").is_none());
        assert_eq!(
            (package["state"].as_str(), package["status"].as_str()),
            (Some("DONE"), Some("completed"))
        );
    }

    #[test]
    fn the_waiver_is_repeated_in_a_draft_only() {
        assert_eq!(
            assemble(&row(true, vec![]), &launch())["waiver"],
            json!({ "missing_required": ["target.who"] })
        );
        assert!(assemble(&row(false, vec![]), &launch()).get("waiver").is_none());
    }
}
