//! An append made ready for the writer: everything that can be computed before the transaction is computed here,
//! in the task of the session that appends.

use std::sync::Arc;

use greenroom_protocol::{Seq, SessionId};
use greenroom_session::ports::{Append, Entry};
use sqlx::Arguments as _;
use sqlx::error::BoxDynError;
use sqlx::sqlite::SqliteArguments;

use super::projection::Projection;
use super::shape::{Row, Shape};

/// The version of a row of the journal as this release writes it.
pub const SCHEMA_VERSION: i64 = 1;

/// An id as it is stored: the 16 bytes of its ULID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// The stored form of an id's ULID.
    pub fn new(ulid: ulid::Ulid) -> Self {
        Self(ulid.to_bytes())
    }

    /// As a value to bind.
    pub fn blob(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

/// An append as the writer takes it.
#[derive(Debug)]
pub struct PreparedAppend {
    /// Whose events they are.
    pub session_id: SessionId,
    /// The head after them.
    pub head: Seq,
    /// Rough size of what is written.
    pub size_bytes: usize,
    pub(super) fence: FenceRow,
    pub(super) events: Vec<EventRow>,
    pub(super) projection: Option<Projection>,
}

/// Why an append cannot be written at all.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendDefect {
    /// There is nothing to append.
    #[error("the append has no entries")]
    Empty,
    /// The numbers do not follow one another.
    #[error("the entries are not numbered one after another")]
    NotConsecutive,
    /// A number is beyond what a row can hold.
    #[error("an epoch or a number is out of range")]
    OutOfRange,
    /// Something cannot be written as JSON.
    #[error("an entry cannot be serialized: {0}")]
    Unserializable(String),
}

impl From<serde_json::Error> for AppendDefect {
    fn from(error: serde_json::Error) -> Self {
        Self::Unserializable(error.to_string())
    }
}

impl PreparedAppend {
    /// Checks and converts an append.
    pub fn new(append: &Append) -> Result<Self, AppendDefect> {
        let first = append.entries.first().ok_or(AppendDefect::Empty)?.frame.seq;
        let numbered = append.entries.iter().zip(first.0..);
        if !numbered
            .into_iter()
            .all(|(entry, number)| entry.frame.seq.0 == number)
        {
            return Err(AppendDefect::NotConsecutive);
        }
        let before = first.0.checked_sub(1).ok_or(AppendDefect::NotConsecutive)?;
        let head = append.entries.last().map_or(first, |entry| entry.frame.seq);
        let fence = FenceRow {
            session: Key::new(append.session_id.ulid()),
            epoch: stored(append.epoch.0)?,
            before: stored(before)?,
            head: stored(head.0)?,
        };
        let events = append
            .entries
            .iter()
            .map(|entry| EventRow::new(&fence, entry))
            .collect::<Result<Vec<_>, _>>()?;
        let size_bytes = events.iter().map(EventRow::size_bytes).sum();
        let projection = Projection::new(append)?;
        Ok(Self {
            session_id: append.session_id,
            head,
            size_bytes,
            fence,
            events,
            projection,
        })
    }

    /// How many events it appends.
    pub fn events_len(&self) -> usize {
        self.events.len()
    }
}

/// Moves the head of a session, if the append has its epoch and goes on where the session stands.
#[derive(Debug)]
pub struct FenceRow {
    pub session: Key,
    pub epoch: i64,
    pub before: i64,
    pub head: i64,
}

impl Row for FenceRow {
    fn shape() -> &'static Shape {
        // The plus signs keep SQLite from scanning all heads for the few that are named: without them it takes an
        // index over the values, built on the fly, for the better plan.
        static SHAPE: Shape = Shape::new(
            "UPDATE heads SET head = append.column4 FROM (VALUES",
            4,
            ") AS append WHERE heads.session_id = +append.column1 AND heads.epoch = +append.column2 \
             AND heads.head = +append.column3 AND heads.tombstone = 0",
        );
        &SHAPE
    }

    fn bind(&self, arguments: &mut SqliteArguments) -> Result<(), BoxDynError> {
        arguments.add(self.session.blob())?;
        arguments.add(self.epoch)?;
        arguments.add(self.before)?;
        arguments.add(self.head)
    }
}

/// A row of the journal.
#[derive(Debug)]
pub struct EventRow {
    session: Key,
    seq: i64,
    epoch: i64,
    event_type: Arc<str>,
    created_at: i64,
    data: Arc<str>,
    private: Option<Arc<str>>,
}

impl EventRow {
    fn new(fence: &FenceRow, entry: &Entry) -> Result<Self, AppendDefect> {
        let private = if entry.fact.private.is_empty() {
            None
        } else {
            Some(serde_json::to_string(&entry.fact.private)?.into())
        };
        Ok(Self {
            session: fence.session,
            seq: stored(entry.frame.seq.0)?,
            epoch: fence.epoch,
            event_type: entry.frame.event_type().into(),
            created_at: entry.fact.at.unix_ms(),
            data: entry.frame.data_json().into(),
            private,
        })
    }

    fn size_bytes(&self) -> usize {
        self.data.len() + self.private.as_ref().map_or(0, |private| private.len())
    }
}

impl Row for EventRow {
    fn shape() -> &'static Shape {
        static SHAPE: Shape = Shape::new(
            "INSERT INTO events (session_id, seq, epoch, type, created_at, data, private, schema_version) VALUES",
            8,
            "",
        );
        &SHAPE
    }

    fn bind(&self, arguments: &mut SqliteArguments) -> Result<(), BoxDynError> {
        arguments.add(self.session.blob())?;
        arguments.add(self.seq)?;
        arguments.add(self.epoch)?;
        arguments.add(self.event_type.clone())?;
        arguments.add(self.created_at)?;
        arguments.add(self.data.clone())?;
        arguments.add(self.private.clone())?;
        arguments.add(SCHEMA_VERSION)
    }
}

fn stored(number: u64) -> Result<i64, AppendDefect> {
    i64::try_from(number).map_err(|_| AppendDefect::OutOfRange)
}
