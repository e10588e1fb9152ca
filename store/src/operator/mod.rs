//! The operator's own store: limits that operators set, and what they did that belongs to no session.
//!
//! A database of its own beside those of the tenants. It is written a few times a week, so one connection serves all,
//! and the rollback journal leaves no file beside it.

mod rows;

use std::path::Path;

use greenroom_protocol::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::Mutex;

use crate::StoreOpenError;
use crate::sqlite::migrations::Migrations;

const DATABASE_FILE: &str = "operator.sqlite";
const MIGRATIONS: Migrations = Migrations(&[(
    1,
    "limits and audit",
    include_str!("../../../migrations/operator/0001_limits_and_audit.sql"),
)]);
/// Rows of the audit that are kept: decades of an operator's work.
const AUDIT_ROWS_MAX: i64 = 100_000;
/// Of one user who is refused again and again this often is enough, so that they cannot push out the rest.
const REFUSAL_INTERVAL_MS: i64 = 60_000;

/// Who acts: the other end of the admin socket, as the system knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Operator {
    /// The user.
    pub uid: u32,
    /// The process, where the system tells it.
    pub pid: Option<i32>,
}

/// A limit that an operator set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetLimit {
    /// Which, as the configuration calls it.
    pub name: String,
    /// What it is now.
    pub value: u64,
    /// The user who set it.
    pub uid: u32,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub set_at: Timestamp,
}

/// What an operator did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Operator,
    /// Why.
    pub reason: Option<String>,
}

/// A line of the audit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// What: `drain`, `limits`, `reset` or `refused`.
    pub action: String,
    /// Who.
    #[serde(flatten)]
    pub by: Operator,
    /// Why.
    pub reason: Option<String>,
    /// Of what, and how.
    pub details: Value,
}

/// The operator's database cannot be used now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the operator's database cannot be used: {0}")]
pub struct OperatorStoreError(String);

/// The operator's store.
#[derive(Debug)]
pub struct OperatorStore {
    connection: Mutex<SqliteConnection>,
}

impl OperatorStore {
    /// Opens and migrates the database in a data directory, which its owner has locked.
    pub async fn open(data_dir: &Path) -> Result<Self, StoreOpenError> {
        let options = SqliteConnectOptions::new()
            .filename(data_dir.join(DATABASE_FILE))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Delete)
            .synchronous(SqliteSynchronous::Full)
            .thread_name(|_| "operator-store".to_owned())
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(StoreOpenError::Database)?;
        MIGRATIONS.apply(&mut connection).await?;
        Ok(Self {
            connection: Mutex::new(connection),
        })
    }

    /// The limits that operators set.
    pub async fn limits(&self) -> Result<Vec<SetLimit>, OperatorStoreError> {
        rows::limits(&mut *self.connection.lock().await).await
    }

    /// Sets limits, or with `None` gives them back to the configuration. All of them and their audit, or nothing.
    pub async fn set_limits(
        &self,
        changes: &[(&str, Option<u64>)],
        act: &Act,
    ) -> Result<(), OperatorStoreError> {
        let mut connection = self.connection.lock().await;
        let mut transaction = connection.begin().await.map_err(unusable)?;
        for (name, value) in changes {
            rows::set_limit(&mut transaction, name, *value, act).await?;
        }
        let details: serde_json::Map<String, Value> = changes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
            .collect();
        rows::record(&mut transaction, "limits", act, &Value::Object(details)).await?;
        transaction.commit().await.map_err(unusable)
    }

    /// Records that the server was told to drain.
    pub async fn record_drain(&self, act: &Act) -> Result<(), OperatorStoreError> {
        self.record("drain", act, &Value::Null).await
    }

    /// Records that the circuit of a provider was closed by hand.
    pub async fn record_reset(&self, provider: &str, act: &Act) -> Result<(), OperatorStoreError> {
        self.record("reset", act, &serde_json::json!({ "provider": provider }))
            .await
    }

    /// Records that somebody was turned away, at most once a minute of each user.
    pub async fn record_refusal(&self, by: Operator, at: Timestamp) -> Result<(), OperatorStoreError> {
        let mut connection = self.connection.lock().await;
        let since = Timestamp::from_unix_ms(at.unix_ms() - REFUSAL_INTERVAL_MS);
        if rows::refused_since(&mut connection, by.uid, since).await? {
            return Ok(());
        }
        let act = Act { at, by, reason: None };
        rows::record(&mut connection, "refused", &act, &Value::Null).await
    }

    /// The newest lines of the audit, newest first.
    pub async fn audit(&self, limit: u32) -> Result<Vec<AuditEntry>, OperatorStoreError> {
        rows::audit(&mut *self.connection.lock().await, limit).await
    }

    async fn record(&self, action: &str, act: &Act, details: &Value) -> Result<(), OperatorStoreError> {
        rows::record(&mut *self.connection.lock().await, action, act, details).await
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn unusable(error: sqlx::Error) -> OperatorStoreError {
    OperatorStoreError(error.to_string())
}

#[cfg(test)]
mod tests;
