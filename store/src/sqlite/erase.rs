//! The port `Erasures`: sessions are ended in one transaction, and removed in parts through the writer's queue.

use std::collections::HashSet;

use async_trait::async_trait;
use greenroom_protocol::{SessionId, Timestamp};
use greenroom_session::ports::{EraseError, ErasedBy, Erasure, Erasures, Purged, ReadError, TenantId};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row as _, Sqlite};
use tokio::time::Instant;

use super::Database;
use super::fault::read_error;
use super::prepared::Key;
use super::read_models::id;
use super::transaction::Verdict;
use super::writer::Work;

/// Events that are removed in one transaction: a few milliseconds' work.
const PURGED_EVENTS_MAX: i64 = 1_000;
/// Sessions whose first event is looked at in one query.
const PINS_PAGE: i64 = 1_000;

/// What the audit calls the end of a session.
const ERASED: &str = "session.erased";

/// Ends a session for good; see [`Erasures::erase`].
pub async fn bury(
    connection: &mut SqliteConnection,
    erasure: &Erasure,
) -> Result<Result<(), EraseError>, sqlx::Error> {
    let session = Key::new(erasure.session_id.ulid());
    let buried = sqlx::query(
        "UPDATE heads SET tombstone = 1, epoch = epoch + 1 WHERE session_id = ?1 AND head > 0 AND tombstone = 0 \
         AND (?2 IS NULL OR EXISTS (SELECT 1 FROM sessions WHERE session_id = ?1 AND updated_at < ?2 \
         AND wake_at IS NULL))",
    )
    .bind(session.blob())
    .bind(erasure.only_if_idle_since.map(Timestamp::unix_ms))
    .execute(&mut *connection)
    .await?;
    if buried.rows_affected() == 0 {
        return refusal(connection, session).await.map(Err);
    }
    sqlx::query(
        "INSERT INTO erasures (session_id, assets) \
         SELECT ?1, json_group_array(url) FROM media_assets WHERE session_id = ?1",
    )
    .bind(session.blob())
    .execute(&mut *connection)
    .await?;
    sqlx::query("INSERT INTO audit (at, actor, action, session_id) VALUES (?1, ?2, ?3, ?4)")
        .bind(erasure.at.unix_ms())
        .bind(actor(erasure.by))
        .bind(ERASED)
        .bind(session.blob())
        .execute(&mut *connection)
        .await?;
    // The other read models go with it.
    sqlx::query("DELETE FROM sessions WHERE session_id = ?1")
        .bind(session.blob())
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM snapshots WHERE session_id = ?1")
        .bind(session.blob())
        .execute(&mut *connection)
        .await?;
    Ok(Ok(()))
}

/// Removes the next part of what is left of an erased session; see [`Erasures::purge`].
pub async fn purge(
    connection: &mut SqliteConnection,
    session_id: SessionId,
) -> Result<Result<Purged, EraseError>, sqlx::Error> {
    let session = Key::new(session_id.ulid());
    match refusal(connection, session).await? {
        EraseError::Gone => {}
        refusal @ (EraseError::NotFound | EraseError::InUse | EraseError::Unavailable(_)) => {
            return Ok(Err(refusal));
        }
    }
    let removed = sqlx::query(
        "DELETE FROM events WHERE session_id = ?1 AND seq IN \
         (SELECT seq FROM events WHERE session_id = ?1 ORDER BY seq LIMIT ?2)",
    )
    .bind(session.blob())
    .bind(PURGED_EVENTS_MAX)
    .execute(&mut *connection)
    .await?;
    if removed.rows_affected() == PURGED_EVENTS_MAX.unsigned_abs() {
        return Ok(Ok(Purged::Partly));
    }
    sqlx::query("DELETE FROM erasures WHERE session_id = ?1")
        .bind(session.blob())
        .execute(connection)
        .await?;
    Ok(Ok(Purged::Wholly))
}

/// Whether a session has a tombstone.
pub async fn is_buried(
    connection: &mut SqliteConnection,
    session_id: SessionId,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM heads WHERE session_id = ?1 AND tombstone = 1)")
        .bind(Key::new(session_id.ulid()).blob())
        .fetch_one(connection)
        .await
}

/// Why a session cannot be erased, by what its head says.
async fn refusal(connection: &mut SqliteConnection, session: Key) -> Result<EraseError, sqlx::Error> {
    let tombstone: Option<bool> =
        sqlx::query_scalar("SELECT tombstone FROM heads WHERE session_id = ?1 AND head > 0")
            .bind(session.blob())
            .fetch_optional(connection)
            .await?;
    Ok(match tombstone {
        None => EraseError::NotFound,
        Some(true) => EraseError::Gone,
        Some(false) => EraseError::InUse,
    })
}

const fn actor(by: ErasedBy) -> &'static str {
    match by {
        ErasedBy::Client => "client",
        ErasedBy::Operator => "operator",
        ErasedBy::Retention => "retention",
    }
}

#[async_trait]
impl Erasures for Database {
    async fn erase(&self, erasure: Erasure) -> Result<(), EraseError> {
        match self.ask(Work::Erase(Box::new(erasure)), Instant::now()).await {
            Ok(Some(Verdict::Erased(erased))) => erased,
            Ok(Some(Verdict::Appended(_) | Verdict::Opened(_) | Verdict::Purged(_)) | None) => Err(lost()),
            Err(reason) => Err(EraseError::Unavailable(reason.to_owned())),
        }
    }

    async fn purge(&self, _tenant: &TenantId, session: SessionId) -> Result<Purged, EraseError> {
        match self.ask(Work::Purge(session), Instant::now()).await {
            Ok(Some(Verdict::Purged(purged))) => purged,
            Ok(Some(Verdict::Appended(_) | Verdict::Opened(_) | Verdict::Erased(_)) | None) => Err(lost()),
            Err(reason) => Err(EraseError::Unavailable(reason.to_owned())),
        }
    }

    async fn left_assets(&self, _tenant: &TenantId, session: SessionId) -> Result<Vec<String>, ReadError> {
        let assets: Option<String> = sqlx::query_scalar("SELECT assets FROM erasures WHERE session_id = ?1")
            .bind(Key::new(session.ulid()).blob())
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| read_error(&error))?;
        match assets {
            Some(assets) => serde_json::from_str(&assets)
                .map_err(|_| ReadError::Damaged("column assets is not a list of texts".to_owned())),
            None => Ok(Vec::new()),
        }
    }

    async fn unfinished(&self, _tenant: &TenantId, limit: usize) -> Result<Vec<SessionId>, ReadError> {
        let rows = sqlx::query("SELECT session_id FROM erasures ORDER BY session_id LIMIT ?1")
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await;
        sessions(&rows.map_err(|error| read_error(&error))?)
    }

    async fn idle_since(
        &self,
        _tenant: &TenantId,
        before: Timestamp,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, ReadError> {
        // Ids begin with the time when they were made: a session that was begun later is not among the idle.
        let begun_before = ulid::Ulid::from_parts(u64::try_from(before.unix_ms()).unwrap_or(0), 0);
        let rows = sqlx::query(
            "SELECT session_id FROM sessions WHERE session_id > ?1 AND session_id < ?2 AND updated_at < ?3 \
             AND wake_at IS NULL ORDER BY session_id LIMIT ?4",
        )
        .bind(
            after
                .map(|after| Key::new(after.ulid()).blob())
                .unwrap_or_default(),
        )
        .bind(Key::new(begun_before).blob())
        .bind(before.unix_ms())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.readers)
        .await;
        sessions(&rows.map_err(|error| read_error(&error))?)
    }

    async fn named_assets(&self, _tenant: &TenantId, urls: &[String]) -> Result<HashSet<String>, ReadError> {
        let rows = self.among(
            "SELECT DISTINCT url FROM media_assets WHERE url IN (",
            urls.iter().cloned(),
        );
        let rows = rows.await?;
        let url = |row: &SqliteRow| row.try_get("url").map_err(|error| read_error(&error));
        rows.iter().map(url).collect()
    }

    async fn present(
        &self,
        _tenant: &TenantId,
        sessions: &[SessionId],
    ) -> Result<HashSet<SessionId>, ReadError> {
        let keys = sessions.iter().map(|session| Key::new(session.ulid()).blob());
        let rows = self
            .among("SELECT session_id FROM sessions WHERE session_id IN (", keys)
            .await?;
        let session = |row: &SqliteRow| id(row, "session_id").map(SessionId::new);
        rows.iter().map(session).collect()
    }

    async fn pinned_playbooks(&self, _tenant: &TenantId) -> Result<HashSet<String>, ReadError> {
        let mut pinned = HashSet::new();
        let mut after = Vec::new();
        loop {
            let rows = sqlx::query(
                "SELECT s.session_id, json_extract(e.data, '$.playbook.hash') AS hash FROM sessions s \
                 JOIN events e ON e.session_id = s.session_id AND e.seq = 1 WHERE s.session_id > ?1 \
                 ORDER BY s.session_id LIMIT ?2",
            )
            .bind(after)
            .bind(PINS_PAGE)
            .fetch_all(&self.readers)
            .await
            .map_err(|error| read_error(&error))?;
            for row in &rows {
                let hash: Option<String> = row.try_get("hash").map_err(|error| read_error(&error))?;
                pinned.extend(hash);
            }
            let Some(last) = rows.last() else {
                return Ok(pinned);
            };
            after = last.try_get("session_id").map_err(|error| read_error(&error))?;
        }
    }
}

impl Database {
    /// Whether a session was erased.
    pub(super) async fn is_buried(&self, session: SessionId) -> Result<bool, ReadError> {
        let mut connection = self.readers.acquire().await.map_err(|error| read_error(&error))?;
        is_buried(&mut connection, session)
            .await
            .map_err(|error| read_error(&error))
    }

    /// The rows of a query that ends with an open list, over these values.
    async fn among<'v, V>(
        &self,
        query: &'static str,
        values: impl Iterator<Item = V>,
    ) -> Result<Vec<SqliteRow>, ReadError>
    where
        V: sqlx::Encode<'v, Sqlite> + sqlx::Type<Sqlite> + 'v,
    {
        let mut query = QueryBuilder::<Sqlite>::new(query);
        let mut list = query.separated(", ");
        for value in values {
            list.push_bind(value);
        }
        query.push(")");
        let found = query.build().fetch_all(&self.readers).await;
        found.map_err(|error| read_error(&error))
    }
}

fn sessions(rows: &[SqliteRow]) -> Result<Vec<SessionId>, ReadError> {
    rows.iter()
        .map(|row| id(row, "session_id").map(SessionId::new))
        .collect()
}

fn lost() -> EraseError {
    EraseError::Unavailable("the journal's writer failed".to_owned())
}
