//! What is set up to go wrong: the simulator's rules, and the launch playbook with other numbers.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use greenroom_demo::session_play::{Stage, StageSpec};
use loadtest::provider::{Fault, FaultMatch, FaultRule, Forever, Times};
use serde_json::json;

/// The next call for this purpose goes wrong: `planner`, or a stage's name.
pub fn once(purpose: &str, fault: Fault) -> FaultRule {
    FaultRule {
        matching: for_purpose(purpose),
        fault,
        times: Times::Count(1),
    }
}

/// Every call for this purpose goes wrong until the rules are lifted.
pub fn always(purpose: &str, fault: Fault) -> FaultRule {
    FaultRule {
        matching: for_purpose(purpose),
        fault,
        times: Times::Forever(Forever::Forever),
    }
}

/// Every call goes wrong until the rules are lifted.
pub fn everything(fault: Fault) -> FaultRule {
    FaultRule {
        matching: FaultMatch::default(),
        fault,
        times: Times::Forever(Forever::Forever),
    }
}

fn for_purpose(purpose: &str) -> FaultMatch {
    FaultMatch {
        purpose: Some(purpose.to_owned()),
        ..FaultMatch::default()
    }
}

/// An answer with this status and nothing else.
pub fn status(code: u16) -> Fault {
    Fault::Status {
        code,
        retry_after: None,
    }
}

/// The reply stops after so many characters, and the connection stays open.
pub fn hang_after(chars: usize) -> Fault {
    Fault::Hang {
        after_chars: Some(chars),
    }
}

/// Sets what goes wrong from now on.
pub async fn set(stage: &Stage, rules: &[FaultRule]) -> anyhow::Result<()> {
    stage.simulate(&json!(rules)).await
}

/// From now on nothing goes wrong any more.
pub async fn lift(stage: &Stage) -> anyhow::Result<()> {
    set(stage, &[]).await
}

/// A world whose launch playbook has other numbers: each is `section.key` as in `playbook.toml`, such as
/// `stages.retries`, and counts for every section of that name.
pub fn with_numbers(numbers: &[(&str, u32)]) -> anyhow::Result<StageSpec> {
    let spec = StageSpec::new()?;
    let playbooks = spec.folder().join("playbooks");
    copy_launch(&playbooks.join("launch"), numbers)?;
    let dir = playbooks
        .to_str()
        .context("a temporary folder has a readable name")?;
    Ok(spec.env("GREENROOM_PLAYBOOK__DIR", dir))
}

fn copy_launch(to: &Path, numbers: &[(&str, u32)]) -> anyhow::Result<()> {
    let mut folders = vec![(
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../playbooks/launch"),
        to.to_owned(),
    )];
    while let Some((from, to)) = folders.pop() {
        std::fs::create_dir_all(&to)?;
        for entry in std::fs::read_dir(&from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push((entry.path(), target));
            } else {
                std::fs::copy(entry.path(), target)?;
            }
        }
    }
    let document = to.join("playbook.toml");
    let changed = change(&std::fs::read_to_string(&document)?, numbers)?;
    Ok(std::fs::write(document, changed)?)
}

/// Replaces numbers line by line, so that everything else stays as it was written.
fn change(document: &str, numbers: &[(&str, u32)]) -> anyhow::Result<String> {
    let mut used = vec![false; numbers.len()];
    let mut section = "";
    let mut changed: Vec<String> = Vec::new();
    for line in document.lines() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        }
        let key = line.split('=').next().unwrap_or_default().trim();
        let place = format!("{section}.{key}");
        let wanted = numbers
            .iter()
            .zip(&mut used)
            .find(|((wanted, _), _)| *wanted == place);
        changed.push(wanted.map_or_else(
            || line.to_owned(),
            |((_, number), used)| {
                *used = true;
                format!("{key} = {number}")
            },
        ));
    }
    for ((number, _), used) in numbers.iter().zip(used) {
        ensure!(used, "the launch playbook has no {number}");
    }
    Ok(changed.join("\n"))
}
