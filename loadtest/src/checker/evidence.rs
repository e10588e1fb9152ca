//! What the checker is given.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use greenroom_protocol::{Seq, SessionId, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Promise;
use crate::client::{RecordLine, Saw, SeenEvent};
use crate::provider::BilledCall;

/// Everything that is held against each other.
#[derive(Debug, Default)]
pub struct Evidence {
    /// The whole journal of each session, as the server gave it to clients.
    pub journals: BTreeMap<SessionId, Vec<SeenEvent>>,
    /// What each client saw.
    pub records: Vec<ClientRecord>,
    /// What the simulator counted; none if no simulator was there, so that no call is held against it.
    pub bill: Option<Vec<BilledCall>>,
    /// Rows as an operator sees them, if any were given.
    pub operator: Vec<OperatorRow>,
    /// What clients were promised, if they kept count.
    pub promises: Vec<Promise>,
    /// Sessions that were erased: they have no journal any more, and must not.
    pub erased: BTreeMap<SessionId, Erasure>,
}

/// An erased session, as far as anything is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Erasure {
    /// Its journal as it was read last.
    pub journal: Vec<SeenEvent>,
    /// When that was.
    pub read_at: Timestamp,
    /// From when on nothing could come of it any more.
    pub over_at: Timestamp,
}

/// What one client saw.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClientRecord {
    /// The client's name: that of its file.
    pub name: String,
    /// Its lines, oldest first.
    pub lines: Vec<RecordLine>,
}

/// A row of a journal as an operator sees it: the envelope, and what clients never see.
#[derive(Debug, Deserialize)]
pub struct OperatorRow {
    /// The session.
    pub session_id: SessionId,
    /// Its number.
    pub seq: Seq,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Its data, byte for byte.
    pub data: Box<RawValue>,
    /// What is folded and never sent.
    #[serde(default)]
    pub private: Value,
}

impl ClientRecord {
    /// Reads a record. A torn last line, as a kill leaves it, is left out.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the record {}", path.display()))?;
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut lines = Vec::new();
        for (index, line) in text.split_inclusive('\n').enumerate() {
            match serde_json::from_str(line) {
                Ok(line) => lines.push(line),
                Err(_) if !line.ends_with('\n') => {}
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("line {} of {} is no record", index + 1, path.display()));
                }
            }
        }
        Ok(Self { name, lines })
    }

    /// The sessions that it connected to.
    pub fn sessions(&self) -> BTreeSet<SessionId> {
        let session = |line: &RecordLine| match &line.saw {
            Saw::Connected { session_id, .. } => Some(*session_id),
            Saw::Sent { .. } | Saw::Event(_) | Saw::Signal { .. } | Saw::Closed { .. } => None,
        };
        self.lines.iter().filter_map(session).collect()
    }
}

/// Reads every `*.jsonl` of a folder as a client's record, in the order of their names.
pub fn read_records(folder: &Path) -> anyhow::Result<Vec<ClientRecord>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    paths.iter().map(|path| ClientRecord::read(path)).collect()
}
