//! The append-only log of all sessions.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use greenroom_protocol::{Frame, Locale, Mode, Seq, SessionId, Timestamp};

use super::SessionRow;
use crate::{Fact, UserKey};

/// Whose database a session lives in. There is one for now.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TenantId(String);

impl Default for TenantId {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of one activation of a session; a higher one fences off all lower ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// Whether `open` may begin a session that does not exist yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// The session must exist: it has at least one event.
    Existing,
    /// The session must not exist. One that was opened and never got as far as its first event may be begun again.
    New,
}

/// The answer to `open`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The epoch under which to append.
    pub epoch: Epoch,
    /// The last committed event; zero for a new session.
    pub head: Seq,
}

/// Why a session could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is no such session.
    #[error("no such session")]
    NotFound,
    /// The session was deleted.
    #[error("the session was deleted")]
    Gone,
    /// The session exists already.
    #[error("the session exists already")]
    Exists,
    /// The journal cannot be used now.
    #[error("the journal is unavailable: {0}")]
    Unavailable(String),
}

/// One fact ready to be stored: its envelope is serialized already.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The fact; the read models follow from it.
    pub fact: Fact,
    /// The envelope, with the fact's number.
    pub frame: Frame,
}

/// What the list of sessions shows, as of the last fact of an append.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionSummary {
    /// Whose session it is.
    pub user: Option<UserKey>,
    /// The state on the wire.
    pub state: String,
    /// How it spends.
    pub mode: Mode,
    /// Its language.
    pub locale: Locale,
    /// The playbook's name.
    pub playbook: String,
    /// A name for people: the product's, once it is known.
    pub title: Option<String>,
    /// Share of required slots filled.
    pub completeness: f64,
    /// When something is due: now, a timer, or never.
    pub wake_at: Option<Timestamp>,
}

/// What one session has to append: consecutive facts that become true together.
#[derive(Debug, Clone)]
pub struct Append {
    /// Whose database.
    pub tenant: TenantId,
    /// Which session.
    pub session_id: SessionId,
    /// The epoch of the writer.
    pub epoch: Epoch,
    /// At least one fact; the first number is the committed head plus one.
    pub entries: Vec<Entry>,
    /// The session after these facts.
    pub summary: SessionSummary,
}

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendOutcome {
    /// It is durable.
    Committed {
        /// The new head.
        head: Seq,
    },
    /// Another writer took the session over; nothing was written.
    Fenced,
    /// Nothing was written.
    Failed(String),
    /// Nobody knows whether it was written; fold again.
    Unknown,
}

/// A fact as it was read back.
#[derive(Debug, Clone)]
pub struct StoredFact {
    /// Its envelope.
    pub frame: Frame,
    /// The fact.
    pub fact: Fact,
}

/// The fold of a session's facts up to one of them, as [`crate::snapshot`] writes and reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The last fact in it.
    pub head: Seq,
    /// The version of the fold that made it.
    pub fold_version: u32,
    /// The state.
    pub state: Bytes,
}

/// A read that did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The store cannot be used now.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The session was deleted.
    #[error("the session was deleted")]
    Gone,
    /// What is stored cannot be understood; an operator must look at it.
    #[error("the stored data is damaged: {0}")]
    Damaged(String),
}

/// The append-only log of all sessions.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Takes a session over: returns a new epoch with the head. Goes through the writer's queue.
    async fn open(&self, tenant: &TenantId, session: SessionId, mode: OpenMode) -> Result<Opened, OpenError>;

    /// Appends; returns when the outcome is known.
    async fn append(&self, append: Append) -> AppendOutcome;

    /// Facts after a number, oldest first, for folding: at most `limit`, fewer once they have
    /// [`EVENTS_PAGE_BYTES_MAX`](greenroom_protocol::limits::EVENTS_PAGE_BYTES_MAX), at least one if there is one.
    async fn read(
        &self,
        tenant: &TenantId,
        session: SessionId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<StoredFact>, ReadError>;

    /// Envelopes after a number, oldest first, for clients: as many as [`Self::read`] gives facts.
    async fn frames(
        &self,
        tenant: &TenantId,
        session: SessionId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Frame>, ReadError>;

    /// Hands over a snapshot of committed facts, to be kept in place of the one before it, and returns at once. It is
    /// written when no append waits, or not at all: never by a writer who was fenced off, nor of a session that was
    /// deleted. Whoever reads the log gets along without.
    fn keep_snapshot(&self, tenant: &TenantId, session: SessionId, epoch: Epoch, snapshot: Snapshot);

    /// The snapshot that was kept last, if there is one.
    async fn snapshot(&self, tenant: &TenantId, session: SessionId) -> Result<Option<Snapshot>, ReadError>;

    /// Sessions with something due at `now`, soonest first.
    async fn due(&self, tenant: &TenantId, now: Timestamp, limit: usize)
    -> Result<Vec<SessionId>, ReadError>;

    /// A session as the list shows it, for what must not fold its log.
    async fn listed(&self, tenant: &TenantId, session: SessionId) -> Result<Option<SessionRow>, ReadError>;

    /// Whether appends are being committed now, kept up to date by the writer itself.
    fn writable(&self) -> bool;

    /// Whether there is room enough to begin something new; what is under way goes on without.
    async fn has_room(&self) -> bool;
}
