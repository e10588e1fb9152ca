//! The rows of the operator's database, written and read.

use greenroom_protocol::Timestamp;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Decode, Row as _, Sqlite, Type};

use super::{AUDIT_ROWS_MAX, Act, AuditEntry, Operator, OperatorStoreError, SetLimit, unusable};

pub(super) async fn limits(connection: &mut SqliteConnection) -> Result<Vec<SetLimit>, OperatorStoreError> {
    let rows = sqlx::query("SELECT name, value, uid, reason, set_at FROM limits ORDER BY name")
        .fetch_all(connection)
        .await
        .map_err(unusable)?;
    let read = |row: &SqliteRow| {
        Ok(SetLimit {
            name: column(row, "name")?,
            value: number(row, "value")?,
            uid: number(row, "uid")?,
            reason: column(row, "reason")?,
            set_at: Timestamp::from_unix_ms(column(row, "set_at")?),
        })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn set_limit(
    connection: &mut SqliteConnection,
    name: &str,
    value: Option<u64>,
    act: &Act,
) -> Result<(), OperatorStoreError> {
    let query = match value {
        None => sqlx::query("DELETE FROM limits WHERE name = ?1").bind(name),
        Some(value) => sqlx::query(
            "INSERT INTO limits (name, value, uid, reason, set_at) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (name) DO UPDATE SET \
             value = excluded.value, uid = excluded.uid, reason = excluded.reason, set_at = excluded.set_at",
        )
        .bind(name)
        .bind(i64::try_from(value).map_err(|_| too_large(name))?)
        .bind(act.by.uid)
        .bind(act.reason.as_deref())
        .bind(act.at.unix_ms()),
    };
    query.execute(connection).await.map_err(unusable)?;
    Ok(())
}

pub(super) async fn record(
    connection: &mut SqliteConnection,
    action: &str,
    act: &Act,
    details: &Value,
) -> Result<(), OperatorStoreError> {
    sqlx::query("INSERT INTO audit (at, action, uid, pid, reason, details) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
        .bind(act.at.unix_ms())
        .bind(action)
        .bind(act.by.uid)
        .bind(act.by.pid)
        .bind(act.reason.as_deref())
        .bind(details.to_string())
        .execute(&mut *connection)
        .await
        .map_err(unusable)?;
    sqlx::query("DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?1")
        .bind(AUDIT_ROWS_MAX)
        .execute(connection)
        .await
        .map_err(unusable)?;
    Ok(())
}

pub(super) async fn refused_since(
    connection: &mut SqliteConnection,
    uid: u32,
    since: Timestamp,
) -> Result<bool, OperatorStoreError> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM audit WHERE action = 'refused' AND uid = ?1 AND at > ?2)",
    )
    .bind(uid)
    .bind(since.unix_ms())
    .fetch_one(connection)
    .await
    .map_err(unusable)
}

pub(super) async fn audit(
    connection: &mut SqliteConnection,
    limit: u32,
) -> Result<Vec<AuditEntry>, OperatorStoreError> {
    let rows =
        sqlx::query("SELECT at, action, uid, pid, reason, details FROM audit ORDER BY id DESC LIMIT ?1")
            .bind(limit)
            .fetch_all(connection)
            .await
            .map_err(unusable)?;
    rows.iter().map(audit_entry).collect()
}

fn audit_entry(row: &SqliteRow) -> Result<AuditEntry, OperatorStoreError> {
    let details: &str = column(row, "details")?;
    Ok(AuditEntry {
        at: Timestamp::from_unix_ms(column(row, "at")?),
        action: column(row, "action")?,
        by: Operator {
            uid: number(row, "uid")?,
            pid: column(row, "pid")?,
        },
        reason: column(row, "reason")?,
        details: serde_json::from_str(details).map_err(|_| damaged("details"))?,
    })
}

fn column<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(
    row: &'r SqliteRow,
    name: &str,
) -> Result<T, OperatorStoreError> {
    row.try_get(name).map_err(unusable)
}

fn number<T: TryFrom<i64>>(row: &SqliteRow, name: &str) -> Result<T, OperatorStoreError> {
    T::try_from(column::<i64>(row, name)?).map_err(|_| damaged(name))
}

fn damaged(name: &str) -> OperatorStoreError {
    OperatorStoreError(format!("column {name} holds what it cannot hold"))
}

fn too_large(name: &str) -> OperatorStoreError {
    OperatorStoreError(format!("{name} is larger than a database's number"))
}
