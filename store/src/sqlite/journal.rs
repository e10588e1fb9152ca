//! The port `Journal`: writes go through the writer's queue, reads through the readers.

use std::borrow::Cow;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use greenroom_protocol::{Event, Frame, Seq, SessionId, Timestamp, limits};
use greenroom_session::ports::{
    Append, AppendOutcome, Epoch, Journal, OpenError, OpenMode, Opened, ReadError, ReadModels as _,
    SessionRow, Snapshot, StoredFact, TenantId,
};
use greenroom_session::{Fact, Private};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Database;
use super::fault::read_error;
use super::prepared::{Key, PreparedAppend, SCHEMA_VERSION};
use super::read_models::id;
use super::snapshots::{self, PreparedSnapshot};
use super::transaction::Verdict;
use super::writer::{Request, Work};

const CLOSED: &str = "the journal is closed";

/// The events of a session after a number.
pub const EVENTS_AFTER: &str = "SELECT seq, type, created_at, data, private, schema_version FROM events \
     WHERE session_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
/// The sessions with something due.
pub const DUE: &str = "SELECT session_id FROM sessions WHERE wake_at <= ?1 ORDER BY wake_at LIMIT ?2";

/// A row of the journal, as this release understands it.
pub(super) struct StoredRow {
    pub(super) frame: Frame,
    at: Timestamp,
    private: Option<String>,
}

/// What of a row depends on its schema version.
struct RowTexts<'r> {
    event_type: Cow<'r, str>,
    data: Cow<'r, str>,
    private: Option<Cow<'r, str>>,
}

impl Database {
    /// Hands work to the writer; `Err` if it is closed, `Ok(None)` if the writer lost it.
    pub(super) async fn ask(&self, work: Work, since: Instant) -> Result<Option<Verdict>, &'static str> {
        let (reply, verdict) = oneshot::channel();
        self.queue
            .send(Request { work, since, reply })
            .await
            .map_err(|_| CLOSED)?;
        Ok(verdict.await.ok())
    }

    /// The rows after a number, each as `read` makes it of them, up to a page.
    async fn page<T>(
        &self,
        session: SessionId,
        after: Seq,
        limit: usize,
        read: impl Fn(StoredRow) -> Result<T, ReadError>,
    ) -> Result<Vec<T>, ReadError> {
        // A number that no row can have has nothing after it.
        let after = i64::try_from(after.0).unwrap_or(i64::MAX);
        let mut rows = sqlx::query(EVENTS_AFTER)
            .bind(Key::new(session.ulid()).blob())
            .bind(after)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch(&self.readers);
        let (mut page, mut bytes) = (Vec::new(), 0);
        while bytes < limits::EVENTS_PAGE_BYTES_MAX
            && let Some(row) = rows.try_next().await.map_err(|error| read_error(&error))?
        {
            let row = stored_row(session, &row)?;
            bytes += row.frame.bytes().len() + row.private.as_ref().map_or(0, String::len);
            page.push(read(row)?);
        }
        Ok(page)
    }
}

#[async_trait]
impl Journal for Database {
    async fn open(
        &self,
        _tenant: &TenantId,
        session: SessionId,
        mode: OpenMode,
    ) -> Result<Opened, OpenError> {
        let since = Instant::now();
        match mode {
            OpenMode::New => self.free_disk.check().await.map_err(OpenError::Unavailable)?,
            OpenMode::Existing => {}
        }
        let unavailable = |reason: &str| Err(OpenError::Unavailable(reason.to_owned()));
        match self.ask(Work::Open(session, mode), since).await {
            Ok(Some(Verdict::Opened(opened))) => opened,
            Ok(Some(Verdict::Appended(_) | Verdict::Erased(_) | Verdict::Purged(_)) | None) => {
                unavailable("the journal's writer failed")
            }
            Err(reason) => unavailable(reason),
        }
    }

    async fn append(&self, append: Append) -> AppendOutcome {
        let since = Instant::now();
        let prepared = match PreparedAppend::new(&append) {
            Ok(prepared) => Box::new(prepared),
            Err(defect) => return AppendOutcome::Failed(defect.to_string()),
        };
        match self.ask(Work::Append(prepared), since).await {
            Ok(Some(Verdict::Appended(outcome))) => outcome,
            Ok(Some(Verdict::Opened(_) | Verdict::Erased(_) | Verdict::Purged(_)) | None) => {
                AppendOutcome::Unknown
            }
            Err(reason) => AppendOutcome::Failed(reason.to_owned()),
        }
    }

    async fn read(
        &self,
        _tenant: &TenantId,
        session: SessionId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<StoredFact>, ReadError> {
        self.page(session, after, limit, stored_fact).await
    }

    async fn frames(
        &self,
        _tenant: &TenantId,
        session: SessionId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Frame>, ReadError> {
        self.page(session, after, limit, |row| Ok(row.frame)).await
    }

    fn keep_snapshot(&self, _tenant: &TenantId, session: SessionId, epoch: Epoch, snapshot: Snapshot) {
        if let Some(prepared) = PreparedSnapshot::new(session, epoch, snapshot) {
            self.snapshots.hand_in(prepared);
        }
    }

    async fn snapshot(&self, _tenant: &TenantId, session: SessionId) -> Result<Option<Snapshot>, ReadError> {
        snapshots::read(&self.readers, session).await
    }

    async fn due(
        &self,
        _tenant: &TenantId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<SessionId>, ReadError> {
        let rows = sqlx::query(DUE)
            .bind(now.unix_ms())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await
            .map_err(|error| read_error(&error))?;
        rows.iter()
            .map(|row| id(row, "session_id").map(SessionId::new))
            .collect()
    }

    async fn listed(&self, tenant: &TenantId, session: SessionId) -> Result<Option<SessionRow>, ReadError> {
        self.session(tenant, session).await
    }

    fn writable(&self) -> bool {
        self.health.is_writable()
    }

    async fn has_room(&self) -> bool {
        let checked = self.free_disk.check().await;
        checked
            .inspect_err(|reason| tracing::warn!(reason, "new work is refused"))
            .is_ok()
    }
}

pub(super) fn stored_row(session: SessionId, row: &SqliteRow) -> Result<StoredRow, ReadError> {
    let column = |error| read_error(&error);
    let seq: i64 = row.try_get("seq").map_err(column)?;
    let seq = Seq(u64::try_from(seq).map_err(|error| ReadError::Damaged(error.to_string()))?);
    let at = Timestamp::from_unix_ms(row.try_get("created_at").map_err(column)?);
    let texts = RowTexts {
        event_type: row.try_get::<&str, _>("type").map_err(column)?.into(),
        data: row.try_get::<&str, _>("data").map_err(column)?.into(),
        private: row
            .try_get::<Option<&str>, _>("private")
            .map_err(column)?
            .map(Into::into),
    };
    let texts = upcast(row.try_get("schema_version").map_err(column)?, texts)?;
    Ok(StoredRow {
        frame: Frame::new(session, seq, &texts.event_type, at, &texts.data),
        at,
        private: texts.private.map(Cow::into_owned),
    })
}

pub(super) fn stored_fact(row: StoredRow) -> Result<StoredFact, ReadError> {
    // Of the error only its kind and place: its text may quote what people said.
    let damaged = |part: &str, error: &serde_json::Error| {
        ReadError::Damaged(format!(
            "the {part} of event {} ({}) is no longer understood: {:?} error at column {}",
            row.frame.seq,
            row.frame.event_type(),
            error.classify(),
            error.column()
        ))
    };
    let event = Event::from_json(row.frame.event_type(), row.frame.data_json())
        .map_err(|error| damaged("data", &error))?;
    let private = match &row.private {
        Some(private) => serde_json::from_str(private).map_err(|error| damaged("private part", &error))?,
        None => Private::none(),
    };
    Ok(StoredFact {
        fact: Fact {
            at: row.at,
            event,
            private,
        },
        frame: row.frame,
    })
}

/// Brings the texts of an older row to the current version. Rows are never rewritten.
fn upcast(version: i64, texts: RowTexts<'_>) -> Result<RowTexts<'_>, ReadError> {
    match version {
        SCHEMA_VERSION => Ok(texts),
        other => Err(ReadError::Damaged(format!(
            "a row has schema version {other}, which this release does not know"
        ))),
    }
}
