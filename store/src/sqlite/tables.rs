//! How the rows of the read models are written.

use std::sync::Arc;

use sqlx::error::BoxDynError;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments as _, Sqlite};

use super::prepared::Key;
use super::projection::{
    AssetValues, Change, JobValues, MessageRow, ReservedRow, RunChange, SessionValues, SettledRow, SlotRow,
};
use super::shape::{Row, Shape};

type Statement = Query<'static, Sqlite, SqliteArguments>;

impl Row for SessionValues {
    fn shape() -> &'static Shape {
        // Whose it is, by which playbook and since when never changes.
        static SHAPE: Shape = Shape::new(
            "INSERT INTO sessions (session_id, user_key, state, mode, locale, playbook, title, completeness, wake_at, \
             created_at, updated_at) VALUES",
            11,
            "ON CONFLICT (session_id) DO UPDATE SET state = excluded.state, mode = excluded.mode, \
             locale = excluded.locale, title = excluded.title, completeness = excluded.completeness, \
             wake_at = excluded.wake_at, updated_at = excluded.updated_at",
        );
        &SHAPE
    }

    fn bind(&self, arguments: &mut SqliteArguments) -> Result<(), BoxDynError> {
        arguments.add(self.session.blob())?;
        arguments.add(self.user.clone())?;
        arguments.add(self.state.clone())?;
        arguments.add(self.mode.clone())?;
        arguments.add(self.locale.clone())?;
        arguments.add(self.playbook.clone())?;
        arguments.add(self.title.clone())?;
        arguments.add(self.completeness)?;
        arguments.add(self.wake_at)?;
        arguments.add(self.created_at)?;
        arguments.add(self.updated_at)
    }
}

impl Row for MessageRow {
    fn shape() -> &'static Shape {
        static SHAPE: Shape = Shape::new(
            "INSERT INTO messages (session_id, message_id, seq, turn_id, role, modality, text, truncated, asks, \
             locale, provenance, created_at) VALUES",
            12,
            "",
        );
        &SHAPE
    }

    fn bind(&self, arguments: &mut SqliteArguments) -> Result<(), BoxDynError> {
        arguments.add(self.session.blob())?;
        arguments.add(self.message.blob())?;
        arguments.add(self.seq)?;
        arguments.add(self.turn.map(Key::blob))?;
        arguments.add(self.role.clone())?;
        arguments.add(self.modality.clone())?;
        arguments.add(self.text.clone())?;
        arguments.add(self.truncated)?;
        arguments.add(self.asks.clone())?;
        arguments.add(self.locale.clone())?;
        arguments.add(self.provenance.clone())?;
        arguments.add(self.created_at)
    }
}

impl Row for SlotRow {
    fn shape() -> &'static Shape {
        static SHAPE: Shape = Shape::new(
            "INSERT INTO brief_slots (session_id, path, value, confidence, source, seq, updated_at) VALUES",
            7,
            "ON CONFLICT (session_id, path) DO UPDATE SET value = excluded.value, \
             confidence = excluded.confidence, source = excluded.source, seq = excluded.seq, \
             updated_at = excluded.updated_at",
        );
        &SHAPE
    }

    fn bind(&self, arguments: &mut SqliteArguments) -> Result<(), BoxDynError> {
        arguments.add(self.session.blob())?;
        arguments.add(self.path.clone())?;
        arguments.add(self.value.clone())?;
        arguments.add(self.confidence)?;
        arguments.add(self.source.clone())?;
        arguments.add(self.seq)?;
        arguments.add(self.updated_at)
    }
}

impl Row for ReservedRow {
    fn shape() -> &'static Shape {
        static SHAPE: Shape = Shape::new(
            "INSERT INTO usage (session_id, call_id, purpose, turn_id, run_id, stage, attempt, provider, model, \
             reserved_at) VALUES",
            10,
            "",
        );
        &SHAPE
    }

    fn bind(&self, arguments: &mut SqliteArguments) -> Result<(), BoxDynError> {
        arguments.add(self.session.blob())?;
        arguments.add(self.call.blob())?;
        arguments.add(self.purpose.clone())?;
        arguments.add(self.turn.map(Key::blob))?;
        arguments.add(self.run.map(Key::blob))?;
        arguments.add(self.stage.clone())?;
        arguments.add(self.attempt)?;
        arguments.add(self.provider.clone())?;
        arguments.add(self.model.clone())?;
        arguments.add(self.at)
    }
}

impl Row for SettledRow {
    fn shape() -> &'static Shape {
        // A call whose reservation is missing is booked all the same.
        static SHAPE: Shape = Shape::new(
            "INSERT INTO usage (session_id, call_id, purpose, outcome, provider, model, response_id, request_id, \
             usage, cost_micro_usd, settled_at) VALUES",
            11,
            "ON CONFLICT (call_id) DO UPDATE SET outcome = excluded.outcome, \
             provider = coalesce(excluded.provider, provider), model = coalesce(excluded.model, model), \
             response_id = excluded.response_id, request_id = excluded.request_id, usage = excluded.usage, \
             cost_micro_usd = excluded.cost_micro_usd, settled_at = excluded.settled_at",
        );
        &SHAPE
    }

    fn bind(&self, arguments: &mut SqliteArguments) -> Result<(), BoxDynError> {
        arguments.add(self.session.blob())?;
        arguments.add(self.call.blob())?;
        arguments.add(self.purpose.clone())?;
        arguments.add(self.outcome.clone())?;
        arguments.add(self.provider.clone())?;
        arguments.add(self.model.clone())?;
        arguments.add(self.response_id.clone())?;
        arguments.add(self.request_id.clone())?;
        arguments.add(self.usage.clone())?;
        arguments.add(self.cost_micro_usd)?;
        arguments.add(self.at)
    }
}

/// Writes one of the rarer changes of a session.
pub async fn write_change(
    connection: &mut SqliteConnection,
    session: Key,
    change: &Change,
) -> Result<(), sqlx::Error> {
    let statement = match change {
        Change::Heard {
            message,
            heard_ms,
            text,
        } => sqlx::query(
            "UPDATE messages SET heard_ms = ?3, heard_text = ?4 WHERE session_id = ?1 AND message_id = ?2",
        )
        .bind(session.blob())
        .bind(message.blob())
        .bind(*heard_ms)
        .bind(text.clone()),
        Change::Run { run, at, change } => run_statement(session, *run, *at, change),
        Change::Asset(asset) => asset_statement(session, asset),
        Change::Job(job) => job_statement(session, job),
        Change::Failed { state, error, at } => {
            fail_runs(session, state, *at).execute(&mut *connection).await?;
            fail_jobs(session, error.as_ref(), *at)
        }
    };
    statement.execute(connection).await.map(|_| ())
}

fn run_statement(session: Key, run: Key, at: i64, change: &RunChange) -> Statement {
    match change {
        RunChange::Waived { data } => {
            sqlx::query("INSERT INTO run_waivers (run_id, session_id, data) VALUES (?1, ?2, ?3)")
                .bind(run.blob())
                .bind(session.blob())
                .bind(data.clone())
        }
        RunChange::Started { state, data } => sqlx::query(
            "INSERT INTO runs (run_id, session_id, status, state, started, created_at, updated_at) \
             VALUES (?1, ?2, 'running', ?3, ?4, ?5, ?5)",
        )
        .bind(run.blob())
        .bind(session.blob())
        .bind(state.clone())
        .bind(data.clone())
        .bind(at),
        RunChange::State {
            state,
            failed,
            failures,
        } => sqlx::query(
            "UPDATE runs SET state = ?2, failures = ?4, updated_at = ?5, \
             status = CASE WHEN ?3 THEN 'failed' WHEN status = 'failed' THEN 'running' ELSE status END \
             WHERE run_id = ?1",
        )
        .bind(run.blob())
        .bind(state.clone())
        .bind(*failed)
        .bind(failures.clone())
        .bind(at),
        RunChange::Resumed => sqlx::query(
            "UPDATE runs SET status = 'running', failures = '[]', updated_at = ?2 \
             WHERE run_id = ?1 AND status = 'failed'",
        )
        .bind(run.blob())
        .bind(at),
        RunChange::Ended { status } => {
            sqlx::query("UPDATE runs SET status = ?2, failures = '[]', updated_at = ?3 WHERE run_id = ?1")
                .bind(run.blob())
                .bind(status.clone())
                .bind(at)
        }
        RunChange::Output {
            stage,
            attempt,
            seq,
            data,
            provenance,
        } => sqlx::query(
            "INSERT INTO run_outputs (run_id, stage, attempt, seq, data, provenance, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .bind(run.blob())
        .bind(stage.clone())
        .bind(*attempt)
        .bind(*seq)
        .bind(data.clone())
        .bind(provenance.clone())
        .bind(at),
    }
}

fn fail_runs(session: Key, state: &Arc<str>, at: i64) -> Statement {
    sqlx::query(
        "UPDATE runs SET status = 'failed', state = ?2, updated_at = ?3 \
         WHERE session_id = ?1 AND status = 'running'",
    )
    .bind(session.blob())
    .bind(state.clone())
    .bind(at)
}

fn fail_jobs(session: Key, error: Option<&Arc<str>>, at: i64) -> Statement {
    sqlx::query(
        "UPDATE jobs SET status = 'failed', error = ?2, updated_at = ?3 \
         WHERE session_id = ?1 AND status IN ('queued', 'running')",
    )
    .bind(session.blob())
    .bind(error.cloned())
    .bind(at)
}

fn asset_statement(session: Key, asset: &AssetValues) -> Statement {
    sqlx::query(
        "INSERT INTO media_assets (asset_id, session_id, run_id, kind, url, media_type, size_bytes, provenance, seq, \
         created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (asset_id) DO NOTHING",
    )
    .bind(asset.asset.blob())
    .bind(session.blob())
    .bind(asset.run.map(Key::blob))
    .bind(asset.kind.clone())
    .bind(asset.url.clone())
    .bind(asset.media_type.clone())
    .bind(asset.size_bytes)
    .bind(asset.provenance.clone())
    .bind(asset.seq)
    .bind(asset.at)
}

fn job_statement(session: Key, job: &JobValues) -> Statement {
    sqlx::query(
        "INSERT INTO jobs (job_id, session_id, run_id, type, status, progress, error, created_at, updated_at, \
         retry_count, last_retry_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, ?10) \
         ON CONFLICT (job_id) DO UPDATE SET status = excluded.status, progress = excluded.progress, \
         error = excluded.error, updated_at = excluded.updated_at, retry_count = excluded.retry_count, \
         last_retry_at = excluded.last_retry_at",
    )
    .bind(job.job.blob())
    .bind(session.blob())
    .bind(job.run.blob())
    .bind(job.job_type.clone())
    .bind(job.status.clone())
    .bind(job.progress)
    .bind(job.error.clone())
    .bind(job.at)
    .bind(job.retry_count)
    .bind(job.last_retry_at)
}
