//! One transaction of the writer: everything that many sessions have to say, behind one fsync.
//!
//! A session occurs at most once in a batch, so the order of its requests does not matter. The batch is first
//! staged together. If a fence does not hold or a constraint is broken, everything is rolled back and staged again
//! session by session, each within a savepoint, so that only the offender is refused.

use greenroom_protocol::{Seq, SessionId};
use greenroom_session::ports::{
    AppendOutcome, Epoch, EraseError, Erasure, OpenError, OpenMode, Opened, Purged,
};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::fault::Fault;
use super::prepared::{Key, PreparedAppend};
use super::projection::Projection;
use super::{erase, shape, tables};

/// Bytes that the probe makes the journal grow by: more than free room in pages already there can take.
const PROBE_BYTES: i64 = 64 * 1024;

/// One thing that a session asks of the writer.
#[derive(Debug, Clone, Copy)]
pub enum Ask<'a> {
    /// Append these events.
    Append(&'a PreparedAppend),
    /// Take the session over.
    Open(SessionId, OpenMode),
    /// End the session for good.
    Erase(&'a Erasure),
    /// Remove a part of what is left of an erased session.
    Purge(SessionId),
}

/// What becomes of an ask if its transaction commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The answer to an append.
    Appended(AppendOutcome),
    /// The answer to an open.
    Opened(Result<Opened, OpenError>),
    /// The answer to an erasure.
    Erased(Result<(), EraseError>),
    /// The answer to the removal of a part.
    Purged(Result<Purged, EraseError>),
}

/// A transaction that did not go through.
#[derive(Debug)]
pub enum TransactionError {
    /// It failed before its commit: nothing was written.
    Staging(sqlx::Error),
    /// Its commit failed: only the database knows. The verdicts hold if it was written.
    Committing(sqlx::Error, Vec<Verdict>),
}

/// Writes a batch; the verdicts stand in the order of the asks.
pub async fn write(
    connection: &mut SqliteConnection,
    asks: &[Ask<'_>],
) -> Result<Vec<Verdict>, TransactionError> {
    let verdicts = stage(connection, asks).await.map_err(TransactionError::Staging)?;
    match run(connection, "COMMIT").await {
        Ok(()) => Ok(verdicts),
        Err(error) => Err(TransactionError::Committing(error, verdicts)),
    }
}

/// Undoes whatever is left of a failed transaction; an error means that the connection is of no more use.
pub async fn roll_back(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    run(connection, "ROLLBACK").await
}

/// Whether what a transaction with a failed commit was to append, and whom it was to erase, shows that it was written
/// after all.
pub async fn was_committed(
    connection: &mut SqliteConnection,
    appends: impl IntoIterator<Item = &PreparedAppend>,
    erased: impl IntoIterator<Item = SessionId>,
) -> Result<bool, sqlx::Error> {
    for session_id in erased {
        if !erase::is_buried(connection, session_id).await? {
            return Ok(false);
        }
    }
    for append in appends {
        let found = sqlx::query("SELECT 1 FROM heads WHERE session_id = ?1 AND epoch = ?2 AND head = ?3")
            .bind(append.fence.session.blob())
            .bind(append.fence.epoch)
            .bind(append.fence.head)
            .fetch_optional(&mut *connection)
            .await?;
        if found.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Proves that the journal can grow, and leaves nothing behind.
pub async fn probe(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    run(connection, "BEGIN IMMEDIATE").await?;
    sqlx::query("INSERT INTO write_probe (filler) VALUES (zeroblob(?1))")
        .bind(PROBE_BYTES)
        .execute(&mut *connection)
        .await?;
    run(connection, "DELETE FROM write_probe").await?;
    run(connection, "COMMIT").await
}

async fn stage(connection: &mut SqliteConnection, asks: &[Ask<'_>]) -> Result<Vec<Verdict>, sqlx::Error> {
    run(connection, "BEGIN IMMEDIATE").await?;
    let together = stage_together(connection, asks).await;
    match together {
        Ok(Some(verdicts)) => return Ok(verdicts),
        Ok(None) => {}
        Err(error) => match Fault::of(&error) {
            Fault::Refused(_) => {}
            Fault::Unavailable(_) => return Err(error),
        },
    }
    roll_back(connection).await?;
    run(connection, "BEGIN IMMEDIATE").await?;
    let mut verdicts = Vec::with_capacity(asks.len());
    for ask in asks {
        verdicts.push(stage_alone(connection, *ask).await?);
    }
    Ok(verdicts)
}

/// Stages the whole batch by multi-row statements; `None` if some fence does not hold.
async fn stage_together(
    connection: &mut SqliteConnection,
    asks: &[Ask<'_>],
) -> Result<Option<Vec<Verdict>>, sqlx::Error> {
    let appends: Vec<&PreparedAppend> = asks
        .iter()
        .filter_map(|ask| match ask {
            Ask::Append(append) => Some(*append),
            Ask::Open(..) | Ask::Erase(_) | Ask::Purge(_) => None,
        })
        .collect();
    if !stage_appends(connection, &appends).await? {
        return Ok(None);
    }
    let mut verdicts = Vec::with_capacity(asks.len());
    for ask in asks {
        verdicts.push(match ask {
            Ask::Append(append) => Verdict::Appended(AppendOutcome::Committed { head: append.head }),
            Ask::Open(session_id, mode) => Verdict::Opened(take_over(connection, *session_id, *mode).await?),
            Ask::Erase(erasure) => Verdict::Erased(erase::bury(connection, erasure).await?),
            Ask::Purge(session_id) => Verdict::Purged(erase::purge(connection, *session_id).await?),
        });
    }
    Ok(Some(verdicts))
}

async fn stage_alone(connection: &mut SqliteConnection, ask: Ask<'_>) -> Result<Verdict, sqlx::Error> {
    let append = match ask {
        Ask::Append(append) => append,
        Ask::Open(session_id, mode) => {
            return take_over(connection, session_id, mode).await.map(Verdict::Opened);
        }
        Ask::Erase(erasure) => return erase::bury(connection, erasure).await.map(Verdict::Erased),
        Ask::Purge(session_id) => {
            return erase::purge(connection, session_id).await.map(Verdict::Purged);
        }
    };
    run(connection, "SAVEPOINT one_session").await?;
    let outcome = match stage_appends(connection, &[append]).await {
        Ok(true) => AppendOutcome::Committed { head: append.head },
        Ok(false) => AppendOutcome::Fenced,
        Err(error) => match Fault::of(&error) {
            Fault::Refused(reason) => AppendOutcome::Failed(reason),
            Fault::Unavailable(_) => return Err(error),
        },
    };
    if !matches!(outcome, AppendOutcome::Committed { .. }) {
        run(connection, "ROLLBACK TO one_session").await?;
    }
    run(connection, "RELEASE one_session").await?;
    Ok(Verdict::Appended(outcome))
}

/// Stages events and read models; false if some fence does not hold.
async fn stage_appends(
    connection: &mut SqliteConnection,
    appends: &[&PreparedAppend],
) -> Result<bool, sqlx::Error> {
    let moved = shape::execute(connection, appends.iter().map(|append| &append.fence)).await?;
    if moved != appends.len() as u64 {
        return Ok(false);
    }
    shape::execute(connection, appends.iter().flat_map(|append| &append.events)).await?;
    let projections: Vec<&Projection> = appends
        .iter()
        .filter_map(|append| append.projection.as_ref())
        .collect();
    stage_projections(connection, &projections).await?;
    Ok(true)
}

/// Stages what the read models follow with.
pub async fn stage_projections(
    connection: &mut SqliteConnection,
    projections: &[&Projection],
) -> Result<(), sqlx::Error> {
    let all = || projections.iter();
    shape::execute(connection, all().map(|projection| &projection.session)).await?;
    shape::execute(connection, all().flat_map(|projection| &projection.messages)).await?;
    shape::execute(connection, all().flat_map(|projection| &projection.slots)).await?;
    shape::execute(connection, all().flat_map(|projection| &projection.reserved)).await?;
    shape::execute(connection, all().flat_map(|projection| &projection.settled)).await?;
    for projection in projections {
        for change in &projection.changes {
            tables::write_change(connection, projection.session.session, change).await?;
        }
    }
    Ok(())
}

/// Gives a session a new epoch. A session without any event does not exist yet: whoever began it never got as far
/// as its first append, and is fenced off.
async fn take_over(
    connection: &mut SqliteConnection,
    session_id: SessionId,
    mode: OpenMode,
) -> Result<Result<Opened, OpenError>, sqlx::Error> {
    let key = Key::new(session_id.ulid());
    let statement = match mode {
        OpenMode::Existing => sqlx::query(
            "UPDATE heads SET epoch = epoch + 1 WHERE session_id = ?1 AND head > 0 AND tombstone = 0 \
             RETURNING epoch, head",
        ),
        OpenMode::New => sqlx::query(
            "INSERT INTO heads (session_id, epoch, head) VALUES (?1, 1, 0) \
             ON CONFLICT (session_id) DO UPDATE SET epoch = epoch + 1 WHERE head = 0 AND tombstone = 0 \
             RETURNING epoch, head",
        ),
    };
    if let Some(row) = statement
        .bind(key.blob())
        .fetch_optional(&mut *connection)
        .await?
    {
        return opened(&row).map(Ok);
    }
    let deleted: Option<bool> = sqlx::query_scalar("SELECT tombstone FROM heads WHERE session_id = ?1")
        .bind(key.blob())
        .fetch_optional(&mut *connection)
        .await?;
    Ok(Err(match (deleted, mode) {
        (Some(true), _) => OpenError::Gone,
        (Some(false), OpenMode::New) => OpenError::Exists,
        (Some(false), OpenMode::Existing) | (None, _) => OpenError::NotFound,
    }))
}

fn opened(row: &SqliteRow) -> Result<Opened, sqlx::Error> {
    let out_of_range = |error| sqlx::Error::Decode(Box::new(error));
    let epoch = u64::try_from(row.try_get::<i64, _>(0)?).map_err(out_of_range)?;
    let head = u64::try_from(row.try_get::<i64, _>(1)?).map_err(out_of_range)?;
    Ok(Opened {
        epoch: Epoch(epoch),
        head: Seq(head),
    })
}

async fn run(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(statement).execute(connection).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use greenroom_protocol::{Role, TurnId};
    use greenroom_session::ports::Journal;
    use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};
    use tempfile::TempDir;

    use super::*;
    use crate::sqlite::facts::{self, Author, fresh};
    use crate::sqlite::journal::{DUE, EVENTS_AFTER};
    use crate::sqlite::prepared::FenceRow;
    use crate::sqlite::shape::Row as _;
    use crate::{SqliteStore, StoreConfig};

    /// Sessions in a database, and a connection as the writer's.
    async fn sessions(data_dir: &TempDir, count: usize) -> (Vec<Author>, SqliteConnection) {
        let store = SqliteStore::open(StoreConfig::new(data_dir.path()))
            .await
            .unwrap();
        let journal: Arc<dyn Journal> = store.journal();
        let mut authors = Vec::new();
        for _ in 0..count {
            authors.push(Author::started(&journal).await);
        }
        store.close().await;
        let options = crate::sqlite::writer_options(&data_dir.path().join("greenroom.sqlite"));
        (authors, options.connect().await.unwrap())
    }

    fn prepared(author: &mut Author, events: Vec<greenroom_protocol::Event>) -> PreparedAppend {
        PreparedAppend::new(&author.events(events)).unwrap()
    }

    async fn heads(connection: &mut SqliteConnection) -> Vec<(i64, i64)> {
        let rows = sqlx::query(
            "SELECT h.head, (SELECT count(*) FROM events e WHERE e.session_id = h.session_id) FROM heads h \
             ORDER BY h.session_id",
        );
        rows.fetch_all(connection)
            .await
            .unwrap()
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect()
    }

    #[tokio::test]
    async fn offenders_and_the_fenced_are_refused_alone_within_one_batch() {
        let data_dir = TempDir::new().unwrap();
        let (mut authors, mut connection) = sessions(&data_dir, 5).await;
        let turn_id = TurnId::new(fresh());
        let forged = facts::message(Some(turn_id), Role::User, facts::model(), "말한 적 없는 말");
        authors[1].epoch = Epoch(7);
        let appends = [
            prepared(&mut authors[0], vec![facts::gate_changed(0.1)]),
            prepared(&mut authors[1], vec![facts::gate_changed(0.1)]),
            prepared(&mut authors[2], vec![facts::gate_changed(0.1), forged]),
            prepared(
                &mut authors[3],
                vec![facts::planner_delta(turn_id, "네"), facts::gate_changed(0.1)],
            ),
        ];
        let mut asks: Vec<Ask<'_>> = appends.iter().map(Ask::Append).collect();
        asks.push(Ask::Open(authors[4].session_id, OpenMode::Existing));

        let verdicts = write(&mut connection, &asks).await.unwrap();
        assert_eq!(
            verdicts[0],
            Verdict::Appended(AppendOutcome::Committed { head: Seq(2) })
        );
        assert_eq!(verdicts[1], Verdict::Appended(AppendOutcome::Fenced));
        let Verdict::Appended(AppendOutcome::Failed(reason)) = &verdicts[2] else {
            panic!("{:?}", verdicts[2])
        };
        assert!(reason.contains("message_has_provenance"), "{reason}");
        assert_eq!(
            verdicts[3],
            Verdict::Appended(AppendOutcome::Committed { head: Seq(3) })
        );
        assert_eq!(
            verdicts[4],
            Verdict::Opened(Ok(Opened {
                epoch: Epoch(2),
                head: Seq(1)
            }))
        );
        assert_eq!(
            heads(&mut connection).await,
            [(2, 2), (1, 1), (1, 1), (3, 3), (1, 1)]
        );
    }

    #[tokio::test]
    async fn the_database_tells_whether_a_transaction_was_committed() {
        let data_dir = TempDir::new().unwrap();
        let (mut authors, mut connection) = sessions(&data_dir, 2).await;
        let first = prepared(&mut authors[0], vec![facts::gate_changed(0.1)]);
        let second = prepared(&mut authors[1], vec![facts::gate_changed(0.1)]);
        assert!(
            !was_committed(&mut connection, [&first, &second], [])
                .await
                .unwrap()
        );
        write(&mut connection, &[Ask::Append(&first)]).await.unwrap();
        assert!(was_committed(&mut connection, [&first], []).await.unwrap());
        assert!(
            !was_committed(&mut connection, [&first, &second], [])
                .await
                .unwrap()
        );
        write(
            &mut connection,
            &[Ask::Open(authors[0].session_id, OpenMode::Existing)],
        )
        .await
        .unwrap();
        assert!(
            !was_committed(&mut connection, [&first], []).await.unwrap(),
            "the epoch is another's"
        );
    }

    #[tokio::test]
    async fn a_probe_leaves_nothing_behind() {
        let data_dir = TempDir::new().unwrap();
        let (_, mut connection) = sessions(&data_dir, 1).await;
        probe(&mut connection).await.unwrap();
        probe(&mut connection).await.unwrap();
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM write_probe")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(left, 0);
    }

    #[tokio::test]
    async fn the_hot_paths_use_their_indexes() {
        let data_dir = TempDir::new().unwrap();
        let (_, mut connection) = sessions(&data_dir, 1).await;
        let fences = |power| {
            (
                FenceRow::shape().text(power).to_string(),
                "SEARCH heads USING PRIMARY KEY",
            )
        };
        for (statement, index) in [
            fences(0),
            fences(1),
            fences(8),
            (
                DUE.to_owned(),
                "SEARCH sessions USING COVERING INDEX sessions_by_wake_at",
            ),
            (
                EVENTS_AFTER.to_owned(),
                "SEARCH events USING INDEX sqlite_autoindex_events_1",
            ),
        ] {
            let explained = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let plan = sqlx::query(explained).fetch_all(&mut connection).await.unwrap();
            let steps: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
            assert!(steps.iter().any(|step| step.starts_with(index)), "{steps:?}");
            assert!(
                !steps.iter().any(|step| step.contains("TEMP B-TREE")),
                "{steps:?}"
            );
        }
    }
}
