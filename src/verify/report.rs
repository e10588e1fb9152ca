//! What was found, for people and for programs.

use std::fmt::Write as _;
use std::path::Path;

use greenroom_store::Finding;
use serde::Serialize;
use serde_json::{Value, json};

use crate::admin::table;

/// What was looked at, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Report {
    /// What was looked at.
    pub counts: Counts,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Sessions, all folded.
    pub sessions: u64,
    /// Their events.
    pub events: u64,
    /// Folds that were kept, and are what their sessions fold to.
    pub snapshots: u64,
    /// Sessions that were erased.
    pub erased: u64,
    /// Sessions that were erased and are not gone yet: a server finishes that.
    pub unfinished_erasures: u64,
    /// Assets that events name.
    pub assets: u64,
    /// Blobs.
    pub blobs: u64,
    /// Blobs that nothing names: a server removes them once they are a day old.
    pub orphaned_blobs: u64,
    /// Blobs whose names say nothing to this release, which leaves them alone.
    pub unknown_blobs: u64,
}

impl Report {
    /// For programs.
    pub fn to_json(&self) -> Value {
        let status = if self.findings.is_empty() { "ok" } else { "damaged" };
        json!({ "status": status, "counts": self.counts, "findings": self.findings })
    }

    /// A table, and below it what is wrong in full: a table's cells are short.
    pub fn to_text(&self, data_dir: &Path) -> String {
        let rows = json!(self.counts);
        let rows: Vec<Vec<String>> = rows
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, count)| vec![name.replace('_', " "), count.to_string()])
            .collect();
        let mut text = table::render(&["LOOKED AT", "COUNT"], &rows);
        text.push('\n');
        let place = data_dir.display();
        let verdict = match self.findings.len() {
            0 => "everything agrees".to_owned(),
            1 => "1 finding".to_owned(),
            count => format!("{count} findings"),
        };
        writeln!(text, "{place}: {verdict}").expect("writing to a string never fails");
        for finding in &self.findings {
            let kind = json!(finding.kind);
            let kind = kind.as_str().unwrap_or_default().replace('_', " ");
            let session = finding
                .session_id
                .map_or_else(String::new, |id| format!("{id}: "));
            writeln!(text, "  - {kind}: {session}{}", finding.detail)
                .expect("writing to a string never fails");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::SessionId;
    use greenroom_store::FindingKind;

    use super::*;

    #[test]
    fn what_is_wrong_is_told_in_full_below_the_counts() {
        let mut report = Report::default();
        report.counts.sessions = 2;
        let place = Path::new("data");
        assert!(report.to_text(place).ends_with("\ndata: everything agrees\n"));
        assert_eq!(report.to_json()["status"], "ok");
        let session = SessionId::new(ulid::Ulid(7));
        report.findings.push(Finding {
            session_id: Some(session),
            kind: FindingKind::ReadModel,
            detail: "messages X'07' is missing".to_owned(),
        });
        let text = report.to_text(place);
        assert!(text.contains("\nsessions             2\n"), "{text}");
        let told = format!("\ndata: 1 finding\n  - read model: {session}: messages X'07' is missing\n");
        assert!(text.ends_with(&told), "{text}");
        let json = report.to_json();
        assert_eq!(
            (&json["status"], &json["findings"][0]["kind"]),
            (&json!("damaged"), &json!("read_model"))
        );
    }
}
