//! What was erased is to leave the log beside the database too. SQLite takes the log up again from its start without
//! emptying it, so that pages from before stay in it for as long as they are not written over.

use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use tokio::time::Instant;

/// How long what was erased may stay in the log: many erasures share one cleaning, for appends wait meanwhile.
pub const REMAINS_MAX: Duration = Duration::from_mins(1);

/// Whether something of erased sessions may be left in the log, and when it is to go.
#[derive(Debug)]
pub struct Remains {
    clean_at: Option<Instant>,
}

impl Remains {
    /// Of a log that was found at the start: nobody knows what is in it.
    pub fn unknown() -> Self {
        Self {
            clean_at: Some(Instant::now() + REMAINS_MAX),
        }
    }

    /// Something was erased just now.
    pub fn left(&mut self) {
        self.clean_at.get_or_insert_with(|| Instant::now() + REMAINS_MAX);
    }

    /// Waits until the log is to be cleaned; for ever if there is no need to.
    pub async fn due(&self) {
        match self.clean_at {
            Some(clean_at) => tokio::time::sleep_until(clean_at).await,
            None => std::future::pending().await,
        }
    }

    /// Whether the log is to be cleaned before anything else.
    pub fn are_due(&self) -> bool {
        self.clean_at.is_some_and(|clean_at| clean_at <= Instant::now())
    }

    /// Notes what became of a cleaning: one that was in vain is tried again.
    pub fn told(&mut self, cleaned: Result<bool, sqlx::Error>) {
        self.clean_at = None;
        match cleaned {
            Ok(true) => {}
            // Somebody still reads what is in the log.
            Ok(false) => self.left(),
            Err(error) => {
                tracing::warn!(%error, "the log may still hold what was erased");
                self.left();
            }
        }
    }
}

/// Copies the log into the database and cuts it to nothing; false if somebody stands in the way.
pub async fn clean(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(connection)
        .await?;
    Ok(busy == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_erasures_share_one_cleaning_and_one_in_vain_is_tried_again() {
        let mut remains = Remains::unknown();
        let began = Instant::now();
        tokio::time::advance(REMAINS_MAX / 2).await;
        remains.left();
        assert!(!remains.are_due());
        remains.due().await;
        assert_eq!(began.elapsed(), REMAINS_MAX);
        assert!(remains.are_due());

        remains.told(Ok(false));
        assert!(!remains.are_due(), "not at once");
        remains.due().await;
        remains.told(Err(sqlx::Error::WorkerCrashed));
        remains.due().await;
        assert_eq!(began.elapsed(), REMAINS_MAX * 3);
        remains.told(Ok(true));
        tokio::time::advance(REMAINS_MAX * 2).await;
        assert!(!remains.are_due(), "nothing is left");
    }
}
