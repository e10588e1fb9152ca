//! The port `ReadModels`: lists and look-ups.

use std::str::FromStr;

use async_trait::async_trait;
use greenroom_protocol::{JobId, JobStatus, RunId, Seq, SessionId, Timestamp};
use greenroom_session::UserKey;
use greenroom_session::ports::{
    JobFilter, JobRow, Page, Paging, ReadError, ReadModels, RunRow, SessionCost, SessionFilter, SessionRow,
    SessionSummary, StuckSince, TenantId,
};
use serde::Deserialize;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as WordError, StrDeserializer};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, QueryBuilder, Row as _, Sqlite, Type};

use super::Database;
use super::fault::read_error;
use super::prepared::Key;

const SESSION_COLUMNS: &str = "s.session_id, s.user_key, s.state, s.mode, s.locale, s.playbook, s.title, \
     s.completeness, s.wake_at, s.created_at, s.updated_at, h.head";
const SESSION_TABLES: &str = " FROM sessions s JOIN heads h ON h.session_id = s.session_id WHERE 1 = 1";

const RUN_COLUMNS: &str = "r.run_id, r.session_id, s.user_key, r.status, r.state, r.started, w.data AS waiver, \
     r.failures, r.created_at, r.updated_at";
const RUN_TABLES: &str = " FROM runs r JOIN sessions s ON s.session_id = r.session_id \
     LEFT JOIN run_waivers w ON w.run_id = r.run_id WHERE 1 = 1";

const JOB_COLUMNS: &str = "j.job_id, j.type, j.status, j.progress, j.session_id, s.user_key, j.run_id, j.error, \
     j.retry_count, j.last_retry_at, j.created_at, j.updated_at";
const JOB_TABLES: &str = " FROM jobs j JOIN sessions s ON s.session_id = j.session_id WHERE 1 = 1";

/// A `SELECT` whose conditions are added as they are asked for.
struct Selection {
    columns: &'static str,
    tables: &'static str,
    conditions: Vec<Condition>,
}

/// Text, a value, and more text.
struct Condition {
    before: &'static str,
    value: ConditionValue,
    after: &'static str,
}

enum ConditionValue {
    Id(Key),
    Text(String),
    Time(Timestamp),
}

impl Selection {
    fn new(columns: &'static str, tables: &'static str) -> Self {
        Self {
            columns,
            tables,
            conditions: Vec::new(),
        }
    }

    fn id(&mut self, before: &'static str, id: Option<ulid::Ulid>) {
        if let Some(id) = id {
            self.conditions.push(Condition {
                before,
                value: ConditionValue::Id(Key::new(id)),
                after: "",
            });
        }
    }

    fn text(&mut self, before: &'static str, text: Option<String>, after: &'static str) {
        if let Some(text) = text {
            self.conditions.push(Condition {
                before,
                value: ConditionValue::Text(text),
                after,
            });
        }
    }

    fn time(&mut self, before: &'static str, time: Timestamp, after: &'static str) {
        self.conditions.push(Condition {
            before,
            value: ConditionValue::Time(time),
            after,
        });
    }

    fn query(&self, columns: &str) -> QueryBuilder<Sqlite> {
        let mut query = QueryBuilder::new("SELECT ");
        query.push(columns).push(self.tables);
        for condition in &self.conditions {
            query.push(" AND ").push(condition.before);
            match &condition.value {
                ConditionValue::Id(key) => query.push_bind(key.blob()),
                ConditionValue::Text(text) => query.push_bind(text.clone()),
                ConditionValue::Time(time) => query.push_bind(time.unix_ms()),
            };
            query.push(condition.after);
        }
        query
    }

    async fn one(&self, database: &Database) -> Result<Option<SqliteRow>, ReadError> {
        let mut query = self.query(self.columns);
        query
            .build()
            .fetch_optional(&database.readers)
            .await
            .map_err(|error| read_error(&error))
    }

    /// One page in an order, which must be total, with the number of all rows.
    async fn page<T>(
        &self,
        database: &Database,
        order: &'static str,
        paging: Paging,
        read: impl Fn(&SqliteRow) -> Result<T, ReadError>,
    ) -> Result<Page<T>, ReadError> {
        let unread = |error| read_error(&error);
        let total: i64 = self
            .query("count(*)")
            .build_query_scalar()
            .fetch_one(&database.readers)
            .await
            .map_err(unread)?;
        let mut query = self.query(self.columns);
        query
            .push(order)
            .push(" LIMIT ")
            .push_bind(paging.limit)
            .push(" OFFSET ")
            .push_bind(paging.offset);
        let rows = query.build().fetch_all(&database.readers).await.map_err(unread)?;
        let items = rows.iter().map(read).collect::<Result<Vec<T>, ReadError>>()?;
        Ok(Page {
            items,
            total: number(total)?,
        })
    }
}

#[async_trait]
impl ReadModels for Database {
    async fn session(&self, _tenant: &TenantId, id: SessionId) -> Result<Option<SessionRow>, ReadError> {
        let mut selection = Selection::new(SESSION_COLUMNS, SESSION_TABLES);
        selection.id("s.session_id = ", Some(id.ulid()));
        match selection.one(self).await? {
            Some(row) => session_row(&row).map(Some),
            None if self.is_buried(id).await? => Err(ReadError::Gone),
            None => Ok(None),
        }
    }

    async fn sessions(
        &self,
        _tenant: &TenantId,
        filter: &SessionFilter,
        paging: Paging,
    ) -> Result<Page<SessionRow>, ReadError> {
        let mut selection = Selection::new(SESSION_COLUMNS, SESSION_TABLES);
        selection.text(
            "s.user_key = ",
            filter.user.as_ref().map(|user| user.reveal().to_owned()),
            "",
        );
        selection.text("s.state = ", filter.state.clone(), "");
        // Both in lower case as far as SQLite can: a text in Korean has none.
        selection.text("instr(lower(s.title), lower(", filter.text.clone(), ")) > 0");
        selection
            .page(
                self,
                " ORDER BY s.updated_at DESC, s.session_id DESC",
                paging,
                session_row,
            )
            .await
    }

    async fn run(&self, _tenant: &TenantId, id: RunId) -> Result<Option<RunRow>, ReadError> {
        let mut selection = Selection::new(RUN_COLUMNS, RUN_TABLES);
        selection.id("r.run_id = ", Some(id.ulid()));
        let Some(row) = selection.one(self).await? else {
            return Ok(None);
        };
        let mut run = run_row(&row)?;
        let outputs = sqlx::query("SELECT data FROM run_outputs WHERE run_id = ?1 ORDER BY seq")
            .bind(Key::new(id.ulid()).blob())
            .fetch_all(&self.readers)
            .await
            .map_err(|error| read_error(&error))?;
        run.outputs = outputs
            .iter()
            .map(|row| json(row, "data"))
            .collect::<Result<_, _>>()?;
        Ok(Some(run))
    }

    async fn runs(
        &self,
        _tenant: &TenantId,
        session: SessionId,
        paging: Paging,
    ) -> Result<Page<RunRow>, ReadError> {
        let mut selection = Selection::new(RUN_COLUMNS, RUN_TABLES);
        selection.id("r.session_id = ", Some(session.ulid()));
        selection
            .page(
                self,
                " ORDER BY r.created_at DESC, r.run_id DESC",
                paging,
                run_row,
            )
            .await
    }

    async fn job(&self, _tenant: &TenantId, id: JobId) -> Result<Option<JobRow>, ReadError> {
        let mut selection = Selection::new(JOB_COLUMNS, JOB_TABLES);
        selection.id("j.job_id = ", Some(id.ulid()));
        selection.one(self).await?.as_ref().map(job_row).transpose()
    }

    async fn jobs(
        &self,
        _tenant: &TenantId,
        filter: &JobFilter,
        paging: Paging,
    ) -> Result<Page<JobRow>, ReadError> {
        let mut selection = Selection::new(JOB_COLUMNS, JOB_TABLES);
        selection.id("j.session_id = ", filter.session_id.map(SessionId::ulid));
        selection.id("j.run_id = ", filter.run_id.map(RunId::ulid));
        selection.text("j.status = ", filter.status.map(status_word), "");
        if let Some(StuckSince { running, queued }) = filter.stuck {
            let running_before =
                "j.status IN ('running', 'queued') AND (j.status <> 'running' OR j.updated_at <= ";
            selection.time(running_before, running, ")");
            selection.time("(j.status <> 'queued' OR j.updated_at <= ", queued, ")");
        }
        selection.text(
            "s.user_key = ",
            filter.user.as_ref().map(|user| user.reveal().to_owned()),
            "",
        );
        selection
            .page(
                self,
                " ORDER BY j.created_at DESC, j.job_id DESC",
                paging,
                job_row,
            )
            .await
    }

    async fn cost(&self, _tenant: &TenantId, session: SessionId) -> Result<SessionCost, ReadError> {
        let row = sqlx::query(
            "SELECT count(*) AS calls, coalesce(sum(cost_micro_usd), 0) AS micro_usd, \
             count(*) - count(cost_micro_usd) AS unknown_calls FROM usage WHERE session_id = ?1",
        )
        .bind(Key::new(session.ulid()).blob())
        .fetch_one(&self.readers)
        .await
        .map_err(|error| read_error(&error))?;
        Ok(SessionCost {
            calls: number(column(&row, "calls")?)?,
            micro_usd: number(column(&row, "micro_usd")?)?,
            unknown_calls: number(column(&row, "unknown_calls")?)?,
        })
    }
}

fn status_word(status: JobStatus) -> String {
    let word = match status {
        JobStatus::Queued => "queued",
        JobStatus::Running => "running",
        JobStatus::Completed => "completed",
        JobStatus::Failed => "failed",
    };
    word.to_owned()
}

fn session_row(row: &SqliteRow) -> Result<SessionRow, ReadError> {
    Ok(SessionRow {
        session_id: id(row, "session_id").map(SessionId::new)?,
        summary: SessionSummary {
            user: user(row)?,
            state: column(row, "state")?,
            mode: word(row, "mode")?,
            locale: word(row, "locale")?,
            playbook: column(row, "playbook")?,
            title: column(row, "title")?,
            completeness: column(row, "completeness")?,
            wake_at: column::<Option<i64>>(row, "wake_at")?.map(Timestamp::from_unix_ms),
        },
        head: Seq(number(column(row, "head")?)?),
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

fn run_row(row: &SqliteRow) -> Result<RunRow, ReadError> {
    Ok(RunRow {
        run_id: id(row, "run_id").map(RunId::new)?,
        session_id: id(row, "session_id").map(SessionId::new)?,
        user: user(row)?,
        status: word(row, "status")?,
        state: column(row, "state")?,
        started: json(row, "started")?,
        waiver: optional_json(row, "waiver")?,
        failures: json(row, "failures")?,
        outputs: Vec::new(),
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

fn job_row(row: &SqliteRow) -> Result<JobRow, ReadError> {
    Ok(JobRow {
        job_id: id(row, "job_id").map(JobId::new)?,
        job_type: word(row, "type")?,
        status: word(row, "status")?,
        progress: column(row, "progress")?,
        session_id: id(row, "session_id").map(SessionId::new)?,
        user: user(row)?,
        run_id: id(row, "run_id").map(RunId::new)?,
        error: optional_json(row, "error")?.unwrap_or_default(),
        retry_count: column(row, "retry_count")?,
        last_retry_at: optional_time(row, "last_retry_at")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

/// An id of any kind.
pub fn id(row: &SqliteRow, name: &str) -> Result<ulid::Ulid, ReadError> {
    let bytes: &[u8] = column(row, name)?;
    let bytes = bytes.try_into().map_err(|_| damaged(name, "is not an id"))?;
    Ok(ulid::Ulid::from_bytes(bytes))
}

fn column<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(row: &'r SqliteRow, name: &str) -> Result<T, ReadError> {
    row.try_get(name).map_err(|error| read_error(&error))
}

fn time(row: &SqliteRow, name: &str) -> Result<Timestamp, ReadError> {
    column(row, name).map(Timestamp::from_unix_ms)
}

fn optional_time(row: &SqliteRow, name: &str) -> Result<Option<Timestamp>, ReadError> {
    let unix_ms: Option<i64> = column(row, name)?;
    Ok(unix_ms.map(Timestamp::from_unix_ms))
}

fn user(row: &SqliteRow) -> Result<Option<UserKey>, ReadError> {
    let key: Option<&str> = column(row, "user_key")?;
    key.map(UserKey::from_str)
        .transpose()
        .map_err(|_| damaged("user_key", "is not a user key"))
}

fn json(row: &SqliteRow, name: &str) -> Result<Value, ReadError> {
    optional_json(row, name)?.ok_or_else(|| damaged(name, "is missing"))
}

fn optional_json(row: &SqliteRow, name: &str) -> Result<Option<Value>, ReadError> {
    let text: Option<&str> = column(row, name)?;
    text.map(serde_json::from_str)
        .transpose()
        .map_err(|_| damaged(name, "is not JSON"))
}

/// A plain variant by the word that stands for it on the wire.
fn word<'r, T: Deserialize<'r>>(row: &'r SqliteRow, name: &str) -> Result<T, ReadError> {
    let text: &str = column(row, name)?;
    let text: StrDeserializer<'_, WordError> = text.into_deserializer();
    T::deserialize(text).map_err(|_| damaged(name, "is not a word that this release knows"))
}

fn number(stored: i64) -> Result<u64, ReadError> {
    u64::try_from(stored).map_err(|_| ReadError::Damaged(format!("{stored} is below zero")))
}

/// Says what is wrong without quoting what is stored.
fn damaged(name: &str, what: &str) -> ReadError {
    ReadError::Damaged(format!("column {name} {what}"))
}
