//! Snapshots of folds. They have a queue and transactions of their own, so that no append ever waits for one in its
//! batch, or fails because one does not fit.

use std::time::Duration;

use bytes::Bytes;
use greenroom_protocol::{Seq, SessionId};
use greenroom_session::ports::{Epoch, ReadError, Snapshot};
use metrics::Counter;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Row as _, SqliteExecutor};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::fault::read_error;
use super::prepared::Key;

/// Snapshots that may wait; those that come while so many do are dropped.
pub const QUEUE_SNAPSHOTS_MAX: usize = 256;
/// How long snapshots wait at most for a moment without appends.
pub const WAIT_MAX: Duration = Duration::from_secs(1);
/// Snapshots in one transaction.
const LOT_SNAPSHOTS_MAX: usize = 32;
/// Bytes in one transaction, unless a single snapshot has more: what is written in a few milliseconds, as appends may
/// come meanwhile.
const LOT_BYTES_MAX: usize = 1024 * 1024;

/// Only by whom the session belongs to now, and only of what is committed.
const KEEP: &str = "INSERT INTO snapshots (session_id, head, fold_version, state) \
     SELECT session_id, ?3, ?4, ?5 FROM heads \
     WHERE session_id = ?1 AND epoch = ?2 AND head >= ?3 AND tombstone = 0 \
     ON CONFLICT (session_id) DO UPDATE SET head = excluded.head, fold_version = excluded.fold_version, \
     state = excluded.state";
const READ: &str = "SELECT head, fold_version, state FROM snapshots WHERE session_id = ?1";

/// A snapshot as the writer takes it.
#[derive(Debug)]
pub struct PreparedSnapshot {
    session_id: SessionId,
    epoch: i64,
    head: i64,
    fold_version: u32,
    state: Bytes,
}

impl PreparedSnapshot {
    /// Converts a snapshot; `None` if its numbers are beyond what a row can hold, so that no epoch or head is like it.
    pub fn new(session_id: SessionId, epoch: Epoch, snapshot: Snapshot) -> Option<Self> {
        let Snapshot {
            head,
            fold_version,
            state,
        } = snapshot;
        Some(Self {
            session_id,
            epoch: i64::try_from(epoch.0).ok()?,
            head: i64::try_from(head.0).ok()?,
            fold_version,
            state,
        })
    }
}

/// Where sessions hand in their snapshots.
pub struct SnapshotInlet {
    queue: mpsc::Sender<PreparedSnapshot>,
    dropped: Counter,
}

impl SnapshotInlet {
    /// Hands a snapshot in, or drops it.
    pub fn hand_in(&self, snapshot: PreparedSnapshot) {
        if self.queue.try_send(snapshot).is_err() {
            self.dropped.increment(1);
        }
    }
}

/// The snapshots that wait for the writer.
pub struct SnapshotQueue {
    queue: mpsc::Receiver<PreparedSnapshot>,
    /// The one that was waited for, or did not fit into the lot before.
    next: Option<PreparedSnapshot>,
    /// When the last lot was taken.
    taken_at: Instant,
    kept: Counter,
    refused: Counter,
    failed: Counter,
}

/// A queue for snapshots.
pub fn queue() -> (SnapshotInlet, SnapshotQueue) {
    metrics::describe_counter!(
        "greenroom_journal_snapshots_total",
        "Snapshots of sessions that were handed in, by what became of them"
    );
    let counter =
        |outcome: &'static str| metrics::counter!("greenroom_journal_snapshots_total", "outcome" => outcome);
    let (sender, receiver) = mpsc::channel(QUEUE_SNAPSHOTS_MAX);
    let inlet = SnapshotInlet {
        queue: sender,
        dropped: counter("dropped"),
    };
    let queue = SnapshotQueue {
        queue: receiver,
        next: None,
        taken_at: Instant::now(),
        kept: counter("kept"),
        refused: counter("refused"),
        failed: counter("failed"),
    };
    (inlet, queue)
}

impl SnapshotQueue {
    /// Waits until there is a snapshot; false once none can come any more. Nothing is lost when it is dropped.
    pub async fn wait(&mut self) -> bool {
        if self.next.is_none() {
            self.next = self.queue.recv().await;
        }
        self.next.is_some()
    }

    /// Whether snapshots may have waited so long that they go before appends.
    pub fn is_overdue(&self) -> bool {
        self.taken_at.elapsed() >= WAIT_MAX
    }

    /// Takes what one transaction is to have of those that wait.
    pub fn take_lot(&mut self) -> Vec<PreparedSnapshot> {
        self.taken_at = Instant::now();
        let mut lot = Vec::new();
        let mut size_bytes = 0;
        while lot.len() < LOT_SNAPSHOTS_MAX
            && let Some(snapshot) = self.next.take().or_else(|| self.queue.try_recv().ok())
        {
            size_bytes += snapshot.state.len();
            if !lot.is_empty() && size_bytes > LOT_BYTES_MAX {
                self.next = Some(snapshot);
                break;
            }
            lot.push(snapshot);
        }
        lot
    }

    /// Notes what became of a lot.
    pub fn told(&self, lot: usize, kept: Result<u64, sqlx::Error>) {
        match kept {
            Ok(kept) => {
                self.kept.increment(kept);
                self.refused.increment((lot as u64).saturating_sub(kept));
            }
            Err(error) => {
                self.failed.increment(lot as u64);
                tracing::warn!(%error, snapshots = lot, "snapshots were not kept");
            }
        }
    }
}

/// Writes a lot; returns how many were kept. The others came from who was fenced off. After an error the transaction is
/// still to be rolled back.
pub async fn keep(connection: &mut SqliteConnection, lot: &[PreparedSnapshot]) -> Result<u64, sqlx::Error> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    let mut kept = 0;
    for snapshot in lot {
        let written = sqlx::query(KEEP)
            .bind(Key::new(snapshot.session_id.ulid()).blob())
            .bind(snapshot.epoch)
            .bind(snapshot.head)
            .bind(snapshot.fold_version)
            .bind(snapshot.state.as_ref())
            .execute(&mut *connection)
            .await?;
        kept += written.rows_affected();
    }
    sqlx::query("COMMIT").execute(connection).await?;
    Ok(kept)
}

/// The snapshot of a session.
pub async fn read(
    readers: impl SqliteExecutor<'_>,
    session: SessionId,
) -> Result<Option<Snapshot>, ReadError> {
    let row = sqlx::query(READ)
        .bind(Key::new(session.ulid()).blob())
        .fetch_optional(readers)
        .await
        .map_err(|error| read_error(&error))?;
    let Some(row) = row else { return Ok(None) };
    let column = |error| read_error(&error);
    let head: i64 = row.try_get("head").map_err(column)?;
    let head = u64::try_from(head).map_err(|error| ReadError::Damaged(error.to_string()))?;
    Ok(Some(Snapshot {
        head: Seq(head),
        fold_version: row.try_get("fold_version").map_err(column)?,
        state: Bytes::from(row.try_get::<Vec<u8>, _>("state").map_err(column)?),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::facts::fresh;

    fn of_bytes(size_bytes: usize) -> PreparedSnapshot {
        let snapshot = Snapshot {
            head: Seq(1),
            fold_version: 1,
            state: vec![b' '; size_bytes].into(),
        };
        PreparedSnapshot::new(SessionId::new(fresh()), Epoch(1), snapshot).unwrap()
    }

    /// How many snapshots are in each lot, when snapshots of these sizes wait.
    fn lots(sizes: &[usize]) -> Vec<usize> {
        let (inlet, mut queue) = queue();
        for size in sizes {
            inlet.hand_in(of_bytes(*size));
        }
        let lots = std::iter::repeat_with(|| queue.take_lot().len());
        lots.take_while(|lot| *lot > 0).collect()
    }

    #[test]
    fn a_transaction_has_a_bounded_share_of_what_waits() {
        assert_eq!(lots(&[]), [0; 0]);
        assert_eq!(lots(&[10; LOT_SNAPSHOTS_MAX + 1]), [LOT_SNAPSHOTS_MAX, 1]);
        assert_eq!(lots(&[LOT_BYTES_MAX / 2; 5]), [2, 2, 1]);
        assert_eq!(lots(&[10, LOT_BYTES_MAX * 3, 10]), [1, 1, 1]);
        let all: usize = lots(&[10; QUEUE_SNAPSHOTS_MAX + 5]).iter().sum();
        assert_eq!(all, QUEUE_SNAPSHOTS_MAX, "no more may wait");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_waits_for_ever_while_others_append() {
        let (inlet, mut queue) = queue();
        inlet.hand_in(of_bytes(10));
        assert!(!queue.is_overdue());
        tokio::time::advance(WAIT_MAX).await;
        assert!(queue.is_overdue());
        assert_eq!(queue.take_lot().len(), 1);
        assert!(!queue.is_overdue());
    }
}
