//! Rows as a journal stores them, in files.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use greenroom_protocol::{Event, SessionId, Timestamp};
use greenroom_session::snapshot::{self, FOLD_VERSION};
use greenroom_session::{Fact, Private, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// The release that is being made.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// A row of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub session_id: SessionId,
    pub seq: u64,
    #[serde(rename = "type")]
    pub event_type: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
    pub data: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<Box<RawValue>>,
}

/// What a journal folds to.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// By which version of the fold.
    pub fold_version: u32,
    /// The state, as it is kept.
    pub state: Value,
}

/// One session's journal.
#[derive(Debug)]
pub struct Journal {
    /// What kind of session it is of.
    pub kind: String,
    pub rows: Vec<Row>,
    file: PathBuf,
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())
    }
}

impl Journal {
    /// The journals of all releases.
    pub fn all() -> Vec<Self> {
        let mut releases: Vec<String> = entries(&root())
            .filter(|path| path.is_dir())
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect();
        releases.sort();
        releases.iter().flat_map(|release| Self::of(release)).collect()
    }

    /// The journals of a release.
    pub fn of(release: &str) -> Vec<Self> {
        let mut files: Vec<PathBuf> = entries(&root().join(release))
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        files.sort();
        files.into_iter().map(Self::read).collect()
    }

    /// Writes the journal of a session of this release, and what it folds to.
    pub fn record(kind: &str, log: &[Fact], session: SessionId) -> io::Result<()> {
        let folder = root().join(RELEASE);
        std::fs::create_dir_all(&folder)?;
        let rows: Vec<Row> = log
            .iter()
            .zip(1..)
            .map(|(fact, seq)| row(session, fact, seq))
            .collect();
        let mut text = String::new();
        for row in &rows {
            text += &serde_json::to_string(row).expect("a row is JSON");
            text.push('\n');
        }
        let journal = Self {
            kind: kind.to_owned(),
            rows,
            file: folder.join(kind).with_extension("jsonl"),
        };
        if journal.file.exists() {
            Self::read(journal.file.clone()).must_have_folded_alike();
        }
        std::fs::write(&journal.file, text)?;
        journal.expect(&Expected {
            fold_version: FOLD_VERSION,
            state: kept_as_json(&journal.fold()),
        })
    }

    fn read(file: PathBuf) -> Self {
        let kind = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).expect("the journal can be read");
        let rows = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("a row"));
        let rows: Vec<Row> = rows.collect();
        assert!(rows.iter().map(|row| row.seq).eq(1..=rows.len() as u64));
        Self { kind, rows, file }
    }

    /// What its rows say.
    pub fn facts(&self) -> Vec<Fact> {
        let fact = |row: &Row| Fact {
            at: Timestamp::from_unix_ms(row.created_at),
            event: Event::from_json(&row.event_type, row.data.get())
                .unwrap_or_else(|error| panic!("{self}: event {}: {error}", row.seq)),
            private: row.private.as_ref().map_or_else(Private::none, |private| {
                serde_json::from_str(private.get())
                    .unwrap_or_else(|error| panic!("{self}: private part of event {}: {error}", row.seq))
            }),
        };
        self.rows.iter().map(fact).collect()
    }

    /// The state after its first row.
    pub fn begin(&self) -> State {
        State::begin(self.rows[0].session_id, &self.facts()[0])
            .unwrap_or_else(|error| panic!("{self}: {error}"))
    }

    /// What it folds to now.
    pub fn fold(&self) -> State {
        let mut state = self.begin();
        for fact in &self.facts()[1..] {
            state.evolve(fact);
        }
        state
    }

    /// That it folds to something else needs another version of the fold, before what it is to fold to is forgotten.
    fn must_have_folded_alike(&self) {
        let expected = self.expected();
        let folds_alike = || expected.state == kept_as_json(&self.fold());
        assert!(
            expected.fold_version != FOLD_VERSION || folds_alike(),
            "{self}: it folds to something else: raise `snapshot::FOLD_VERSION` before it is recorded anew"
        );
    }

    /// What it is to fold to.
    pub fn expected(&self) -> Expected {
        let text = std::fs::read_to_string(self.expectation()).expect("what it folds to");
        serde_json::from_str(&text).expect("what it folds to")
    }

    /// Writes what it is to fold to.
    pub fn expect(&self, expected: &Expected) -> io::Result<()> {
        let text = serde_json::to_string_pretty(expected).expect("it is JSON") + "\n";
        std::fs::write(self.expectation(), text)
    }

    fn expectation(&self) -> PathBuf {
        self.file.with_extension("snapshot.json")
    }
}

/// A state as it is kept.
pub fn kept_as_json(state: &State) -> Value {
    serde_json::from_slice(&snapshot::encode(state)).expect("it is JSON")
}

fn row(session_id: SessionId, fact: &Fact, seq: u64) -> Row {
    let raw = |json: String| RawValue::from_string(json).expect("it is JSON");
    let private = (!fact.private.is_empty())
        .then(|| raw(serde_json::to_string(&fact.private).expect("a private part is JSON")));
    Row {
        session_id,
        seq,
        event_type: fact.event.event_type().into_owned(),
        created_at: fact.at.unix_ms(),
        data: raw(fact.event.data_json().expect("an event is JSON")),
        private,
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.expect("an entry").path())
}
