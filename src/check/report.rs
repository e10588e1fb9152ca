//! What a check found, for people and for programs.

use greenroom_protocol::Millis;
use greenroom_session::playbook::Severity;
use serde::Serialize;
use serde_json::{Value, json};

use crate::admin::table;

/// How something fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// As it should.
    Ok,
    /// The server would start and something would be missing.
    Note,
    /// The server would not start, or would fail whoever needs this.
    Fault,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    pub(super) subject: String,
    pub(super) state: State,
    /// Where it is.
    #[serde(rename = "where")]
    pub(super) place: Option<String>,
    pub(super) model: Option<String>,
    #[serde(rename = "latency_ms")]
    pub(super) latency: Option<Millis>,
    pub(super) simulated: bool,
    /// What was found, and what to do.
    pub(super) detail: Option<String>,
}

/// Everything that was looked at.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) rows: Vec<Row>,
}

impl State {
    /// As bad as a playbook's fault.
    pub(super) const fn of(severity: Severity) -> Self {
        match severity {
            Severity::Error => Self::Fault,
            Severity::Warning => Self::Note,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Fault => "FAULT",
        }
    }
}

impl Row {
    /// A row with nothing to add.
    pub(super) fn new(subject: &str, state: State) -> Self {
        Self {
            subject: subject.to_owned(),
            state,
            place: None,
            model: None,
            latency: None,
            simulated: false,
            detail: None,
        }
    }
}

impl Report {
    /// Whether anything is as it must not be.
    pub(super) fn has_fault(&self) -> bool {
        self.rows.iter().any(|row| row.state == State::Fault)
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        let status = if self.has_fault() { "fault" } else { "ok" };
        json!({ "status": status, "rows": self.rows })
    }

    /// A table, and below it what to do in full: a table's cells are short.
    pub(super) fn to_text(&self) -> String {
        let cell = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let lines: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| {
                let model = row.model.as_ref().map(|model| {
                    if row.simulated {
                        format!("{model} (SIMULATED)")
                    } else {
                        model.clone()
                    }
                });
                vec![
                    row.subject.clone(),
                    row.state.name().to_owned(),
                    cell(row.place.clone()),
                    cell(model),
                    cell(row.latency.map(|latency| format!("{} ms", latency.0))),
                ]
            })
            .collect();
        let mut text = table::render(&["SUBJECT", "STATE", "WHERE", "MODEL", "LATENCY"], &lines);
        let details = self.rows.iter().filter_map(|row| {
            let detail = row.detail.as_ref()?;
            let place = row
                .place
                .as_ref()
                .map_or_else(String::new, |place| format!(" ({place})"));
            Some(format!(
                "\n{:<6}{}{place}: {detail}",
                row.state.name(),
                row.subject
            ))
        });
        text.extend(details);
        let faults = self.rows.iter().filter(|row| row.state == State::Fault).count();
        let counted = match faults {
            0 => "no faults".to_owned(),
            1 => "1 fault".to_owned(),
            several => format!("{several} faults"),
        };
        text.extend(["\n\n", &counted, "\n"]);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_table_and_what_to_do_in_full() {
        let long = "a long explanation ".repeat(20);
        let report = Report {
            rows: vec![
                Row::new("configuration", State::Ok),
                Row {
                    place: Some("http://127.0.0.1:9/v1".to_owned()),
                    model: Some("sim-large".to_owned()),
                    latency: Some(Millis(7)),
                    simulated: true,
                    detail: Some(long.clone()),
                    ..Row::new("llm", State::Fault)
                },
            ],
        };
        let text = report.to_text();
        assert!(text.starts_with("SUBJECT        STATE  WHERE"), "{text}");
        assert!(
            text.contains("llm            FAULT  http://127.0.0.1:9/v1  sim-large (SIMULATED)  7 ms"),
            "{text}"
        );
        assert!(
            text.contains(&format!("FAULT llm (http://127.0.0.1:9/v1): {long}")),
            "{text}"
        );
        assert!(text.ends_with("\n1 fault\n"), "{text}");
        let json = report.to_json();
        assert_eq!(
            (&json["status"], &json["rows"][1]["latency_ms"]),
            (&json!("fault"), &json!(7))
        );
        assert_eq!(
            (&json["rows"][1]["where"], &json["rows"][1]["state"]),
            (&json!("http://127.0.0.1:9/v1"), &json!("fault"))
        );
    }

    #[test]
    fn a_note_is_no_fault() {
        let report = Report {
            rows: vec![Row::new("stt", State::Note)],
        };
        assert!(!report.has_fault() && report.to_text().ends_with("no faults\n"));
        assert_eq!(report.to_json()["status"], "ok");
    }
}
