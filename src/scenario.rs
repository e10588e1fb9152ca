//! `greenroom scenario`: plays scenario files on a playbook, and records a session as one.

use std::path::{Path, PathBuf};

use greenroom_protocol::{Envelope, SessionId};
use greenroom_session::playbook::Playbook;
use greenroom_session::scenario::{Mismatch, RecordError, Scenario, ScenarioFault, play, record};
use serde::Deserialize;
use serde_json::Value;

use crate::admin::{self, AskError};
use crate::cli::{ScenarioArgs, ScenarioTask};
use crate::playbooks::{self, PlaybooksError};

/// Events that are asked for at once.
const PAGE_EVENTS: usize = 1_000;

/// Why a scenario was not recorded, or does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// A file or folder cannot be read.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Files have faults.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Faults(Vec<ScenarioFault>),
    /// There is nothing to play.
    #[error("there is no scenario file (*.toml) there")]
    NoFiles,
    /// The playbook cannot be used.
    #[error(transparent)]
    Playbook(#[from] PlaybooksError),
    /// The server does not answer.
    #[error(transparent)]
    Unanswered(#[from] AskError),
    /// The events are no session's.
    #[error(transparent)]
    Unrecorded(#[from] RecordError),
    /// What was played did not turn out as expected.
    #[error("{failed} of {played} scenarios failed")]
    Failed {
        /// How many failed.
        failed: usize,
        /// How many were played.
        played: usize,
    },
}

/// Does what is asked, and prints what came of it.
pub async fn run(args: &ScenarioArgs) -> Result<(), ScenarioError> {
    match &args.task {
        ScenarioTask::Record { source, socket } => {
            let events = match (&source.events, source.session) {
                (Some(file), _) => events_of(file)?,
                (None, Some(session)) => ask_for_events(session, socket.as_deref()).await?,
                (None, None) => Vec::new(),
            };
            print!("{}", record(&events)?);
            Ok(())
        }
        ScenarioTask::Run { paths, playbook } => play_all(paths, playbook.as_deref()),
    }
}

fn play_all(paths: &[PathBuf], playbook: Option<&Path>) -> Result<(), ScenarioError> {
    let playbook = playbooks::one(playbook)?;
    let mut files = Vec::new();
    for path in paths {
        find_files(path, &mut files)?;
    }
    let (mut scenarios, mut faults) = (Vec::new(), Vec::new());
    for file in &files {
        match Scenario::read(&file.display().to_string(), &read(file)?) {
            Ok(found) => scenarios.extend(found),
            Err(found) => faults.extend(found),
        }
    }
    if !faults.is_empty() {
        return Err(ScenarioError::Faults(faults));
    }
    if scenarios.is_empty() {
        return Err(ScenarioError::NoFiles);
    }
    let failed = scenarios
        .iter()
        .filter(|scenario| !holds(scenario, &playbook))
        .count();
    println!("{} scenarios, {failed} failed", scenarios.len());
    match failed {
        0 => Ok(()),
        failed => Err(ScenarioError::Failed {
            failed,
            played: scenarios.len(),
        }),
    }
}

/// Plays a scenario and prints its line, with what was not as expected below it.
fn holds(scenario: &Scenario, playbook: &Playbook) -> bool {
    let mismatches = play(scenario, playbook).mismatches;
    let verdict = if mismatches.is_empty() { "ok    " } else { "FAILED" };
    println!(
        "{verdict}  {}:{}  {}",
        scenario.file, scenario.line, scenario.name
    );
    for Mismatch {
        line,
        expected,
        found,
    } in &mismatches
    {
        println!(
            "    {}:{line}\n        expected {expected}\n        found    {found}",
            scenario.file
        );
    }
    mismatches.is_empty()
}

/// A file, or every `*.toml` of a folder and of those in it.
fn find_files(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), ScenarioError> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let unreadable = |error: std::io::Error| ScenarioError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let entries = std::fs::read_dir(path).map_err(unreadable)?;
    let mut inside = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    inside.sort();
    for path in inside {
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "toml") {
            find_files(&path, files)?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, ScenarioError> {
    std::fs::read_to_string(path).map_err(|error| ScenarioError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// A page of events, as the admin socket and REST give them.
#[derive(Deserialize)]
struct Page {
    events: Vec<Envelope>,
    next_after: u64,
    head: u64,
}

async fn ask_for_events(session: SessionId, socket: Option<&Path>) -> Result<Vec<Envelope>, ScenarioError> {
    let mut events = Vec::new();
    let mut after = 0;
    loop {
        let answer = admin::get(
            socket,
            &format!("/sessions/{session}/events?after={after}&limit={PAGE_EVENTS}"),
        )
        .await?;
        let page: Page =
            serde_json::from_value(answer).map_err(|error| AskError::Unreadable(error.to_string()))?;
        let is_last = page.events.is_empty() || page.next_after >= page.head;
        after = page.next_after;
        events.extend(page.events);
        if is_last {
            return Ok(events);
        }
    }
}

/// The events of a file: a page, a list, or one event a line.
fn events_of(file: &Path) -> Result<Vec<Envelope>, ScenarioError> {
    let text = read(file)?;
    let unreadable = |error: serde_json::Error| ScenarioError::Unreadable {
        path: file.to_owned(),
        reason: format!("these are no events: {error}"),
    };
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&text).into_iter().collect();
    let mut values = values.map_err(unreadable)?;
    let listed = match values.as_mut_slice() {
        [Value::Array(_)] => values.remove(0),
        [Value::Object(page)] if page.contains_key("events") => page.remove("events").unwrap_or_default(),
        _ => Value::Array(values),
    };
    serde_json::from_value(listed).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLDS: &str = r#"
[[scenario]]
name = "a name"
locale = "en"
model = false

[[scenario.step]]
user = "The name is Lumi Serum"
expect = { filled = { "product.name" = "Lumi Serum" } }
"#;

    #[test]
    fn files_and_folders_are_played_on_the_built_in_playbook() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        std::fs::write(folder.path().join("inner/a.toml"), HOLDS).unwrap();
        std::fs::write(folder.path().join("notes.md"), "no scenario").unwrap();
        play_all(&[folder.path().to_owned()], None).unwrap();

        std::fs::write(
            folder.path().join("b.toml"),
            HOLDS.replace("= \"Lumi Serum\" }", "= \"Lumi\" }"),
        )
        .unwrap();
        let failed = play_all(&[folder.path().to_owned()], None).unwrap_err();
        assert_eq!(failed.to_string(), "1 of 2 scenarios failed");

        std::fs::write(folder.path().join("c.toml"), "[[scenario]]\nname = 7\n").unwrap();
        let faulty = play_all(&[folder.path().to_owned()], None)
            .unwrap_err()
            .to_string();
        assert!(faulty.contains("c.toml:2: "), "{faulty}");
    }

    #[test]
    fn the_shipped_scenarios_hold_for_who_runs_the_command() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/launch/scenarios");
        play_all(&[shipped], None).unwrap();
    }

    #[test]
    fn events_are_read_from_a_page_a_list_or_lines() {
        let event = r#"{"event_id":"evt_00001","seq":1,"session_id":"sess_00000000000000000000000007","type":"turn.started","created_at":"2026-02-19T15:00:00.000Z","data":{}}"#;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events.json");
        for text in [
            format!("[{event}]"),
            format!("{{\"events\":[{event}],\"next_after\":1,\"head\":1}}"),
            format!("{event}\n"),
        ] {
            std::fs::write(&file, &text).unwrap();
            let events = events_of(&file).unwrap();
            assert_eq!(events.len(), 1, "{text}");
            assert!(matches!(
                record(&events),
                Err(RecordError::Event { .. } | RecordError::NoBeginning)
            ));
        }
        std::fs::write(&file, "not events").unwrap();
        assert!(
            events_of(&file)
                .unwrap_err()
                .to_string()
                .contains("events.json: these are no events")
        );
    }
}
