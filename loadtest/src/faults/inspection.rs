//! What is looked at when everything is over: the journals, the records, the bill, the log, the data directory.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use greenroom_protocol::SessionId;
use tokio::process::Command;

use super::finding::Finding;
use crate::checker::{Erasure, Evidence, Promise, read_records};
use crate::client::{Client, ClientError};
use crate::provider::read_bill;
use crate::world::{Program, World};

/// What a data directory may hold when no server runs.
const FILES: [&str; 3] = ["greenroom.sqlite", "greenroom.lock", "operator.sqlite"];
/// SQLite's own files beside a database, which it folds into it when the last one leaves.
const OF_SQLITE: [&str; 2] = ["-wal", "-shm"];
/// The folder of the blobs, whose names nobody can guess.
const BLOBS: &str = "blobs";
/// What a panic is told by in the log.
const PANICKED: &str = "a thread panicked";

/// Everything that the checker is given.
pub(super) async fn evidence(
    world: &World,
    records: &Path,
    promises: Vec<Promise>,
    erased: BTreeMap<SessionId, Erasure>,
) -> anyhow::Result<Evidence> {
    let mut evidence = Evidence {
        bill: Some(read_bill(&world.bill())?),
        records: read_records(records)?,
        promises,
        erased,
        ..Evidence::default()
    };
    for session in world.sessions().await? {
        let journal = world.journal(session).await;
        evidence.journals.insert(
            session,
            journal.with_context(|| format!("the journal of {session}"))?,
        );
    }
    evidence.operator = super::database::settlements(&world.data_dir()).await?;
    Ok(evidence)
}

/// Sessions that were erased are gone for everybody.
pub(super) async fn erased_are_gone(world: &World, evidence: &Evidence) -> anyhow::Result<Vec<Finding>> {
    let client = Client::new(&world.server_url())?;
    let mut findings = Vec::new();
    for session in evidence.erased.keys() {
        let answer = client.session(*session).await;
        let status = answer.as_ref().err().and_then(ClientError::status);
        let reason = if evidence.journals.contains_key(session) {
            Some("the operator still lists it".to_owned())
        } else if status != Some(410) {
            Some(format!("its owner is answered {status:?}, not 410"))
        } else {
            None
        };
        findings.extend(reason.map(|reason| Finding::NotErased {
            session: session.to_string(),
            reason,
        }));
    }
    Ok(findings)
}

/// Panics in the server's log that nobody provoked; and how many there were in all.
pub(super) fn panics(log: &Path) -> anyhow::Result<(usize, Vec<Finding>)> {
    let log = std::fs::read(log).context("the server's log cannot be read")?;
    // A kill may have cut a line anywhere.
    let log = String::from_utf8_lossy(&log);
    let panics: Vec<&str> = log.lines().filter(|line| line.contains(PANICKED)).collect();
    let unprovoked = panics.iter().filter(|line| !line.contains("provoke"));
    let findings = unprovoked.map(|line| Finding::Panicked {
        line: (*line).to_owned(),
    });
    Ok((panics.len(), findings.collect()))
}

/// What lies in the data directory of a server that has ended, and belongs to nothing.
pub(super) fn leftovers(data_dir: &Path) -> anyhow::Result<Vec<Finding>> {
    let mut left = Vec::new();
    let mut folders = vec![data_dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in
            std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let file = path
                .strip_prefix(data_dir)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            if !belongs(&file) {
                left.push(Finding::FileLeft { file });
            }
        }
    }
    Ok(left)
}

/// `greenroom verify`, if this server has it.
pub(super) async fn verified(server: &Program, data_dir: &Path) -> anyhow::Result<Option<Vec<Finding>>> {
    let run = async |args: &[&str]| {
        let mut command = Command::new(&server.path);
        command.args(&server.args).args(args).env_clear();
        command.envs(crate::world::inherited_env()).output().await
    };
    let is_there = run(&["verify", "--help"]).await?.status.success();
    if !is_there {
        return Ok(None);
    }
    let folder = data_dir.to_str().context("the folder has a readable name")?;
    let verified = run(&["verify", "--data-dir", folder]).await?;
    if verified.status.success() {
        return Ok(Some(Vec::new()));
    }
    let mut said = String::from_utf8_lossy(&verified.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&verified.stderr));
    Ok(Some(vec![Finding::NotVerified { said }]))
}

/// Whether a file, by its path in the data directory, is one that a server leaves there on purpose.
fn belongs(file: &str) -> bool {
    let of_sqlite = |name: &str| OF_SQLITE.iter().any(|end| file.strip_suffix(end) == Some(name));
    let is_ours = FILES.iter().any(|name| file == *name || of_sqlite(name));
    // What is being written has a `#` in its name until it is complete.
    is_ours || (file.starts_with(BLOBS) && !file.contains('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_keeps_belongs_and_nothing_else_does() {
        for file in [
            "greenroom.sqlite",
            "greenroom.sqlite-wal",
            "greenroom.lock",
            "blobs/speech/ab12.mp3",
        ] {
            assert!(belongs(file), "{file}");
        }
        for file in [
            "admin.sock",
            "core",
            "blobs/recordings/ab12#1",
            "greenroom.sqlite-journal2",
            "x-wal",
        ] {
            assert!(!belongs(file), "{file}");
        }
    }

    #[test]
    fn a_panic_that_was_provoked_is_told_from_one_that_was_not() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("server.log");
        let lines = "INFO all is well\n\
                     ERROR a thread panicked location=actors/src/provoke.rs:9:5\n\
                     ERROR a thread panicked location=session/src/evolve.rs:9:5\n";
        std::fs::write(&log, lines).unwrap();
        let (count, findings) = panics(&log).unwrap();
        assert_eq!(count, 2);
        assert!(
            matches!(&findings[..], [Finding::Panicked { line }] if line.contains("evolve.rs")),
            "{findings:?}"
        );
    }
}
