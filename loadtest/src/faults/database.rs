//! The server's database, opened by somebody else: to hold its lock, and to read what clients never see.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use greenroom_protocol::{Seq, SessionId};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use crate::checker::OperatorRow;

/// The database in a data directory.
const DATABASE_FILE: &str = "greenroom.sqlite";
/// How long the server's own transactions are waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Holds the lock for writing for so long, as a careless program of somebody else's does.
pub(super) async fn hold(data_dir: &Path, length: Duration) -> anyhow::Result<()> {
    let mut connection = open(data_dir).await?;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut connection)
        .await
        .context("the lock was not to be had")?;
    tokio::time::sleep(length).await;
    sqlx::query("ROLLBACK").execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Every settlement of a call with what is private of it.
pub(super) async fn settlements(data_dir: &Path) -> anyhow::Result<Vec<OperatorRow>> {
    let mut connection = open(data_dir).await?;
    let rows = sqlx::query(
        "SELECT session_id, seq, type, data, private FROM events WHERE type = 'call.settled' ORDER BY rowid",
    )
    .fetch_all(&mut connection)
    .await
    .context("the journal cannot be read")?;
    connection.close().await?;
    rows.iter()
        .map(|row| {
            let id: [u8; 16] = row
                .get::<Vec<u8>, _>(0)
                .try_into()
                .map_err(|_| anyhow::anyhow!("a session's id has 16 bytes"))?;
            let private: Option<String> = row.get(4);
            Ok(OperatorRow {
                session_id: SessionId::new(ulid::Ulid::from_bytes(id)),
                seq: Seq(u64::try_from(row.get::<i64, _>(1))?),
                event_type: row.get(2),
                data: serde_json::value::RawValue::from_string(row.get(3))?,
                private: private
                    .as_deref()
                    .map(serde_json::from_str)
                    .transpose()?
                    .unwrap_or_default(),
            })
        })
        .collect()
}

async fn open(data_dir: &Path) -> anyhow::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(data_dir.join(DATABASE_FILE))
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging();
    options.connect().await.context("the database cannot be opened")
}
