//! Runs: start one and wait or not, look at its package, cancel it, take it up again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use greenroom_protocol::{ErrorCode, JobStatus, RunId, SessionId};
use greenroom_session::ports::{RunRow, SessionRow};
use greenroom_session::{Command, CommandKind, Receipt};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::asker::IdempotencyKey;
use super::extract::{InOptionalBody, InPath, InQuery, ListQuery};
use super::object::Object;
use super::run_end::wait_for_end;
use super::wire::{GenerateBody, JobReceipt, ListDocument, RunItem, RunReceipt};
use super::{Asker, Failure, package, send};
use crate::app::App;

/// Run all stages and wait for the end.
#[utoipa::path(
    post, path = "/api/runs/{session_id}/generate", tag = "runs",
    params(("session_id" = String, Path, description = "The session"), IdempotencyKey),
    request_body(content = GenerateBody, description = "May be left out"),
    responses((status = 200, description = "The run has ended", body = RunReceipt)),
)]
pub(super) async fn generate(
    State(app): State<Arc<App>>,
    asker: Asker,
    InPath(session): InPath<SessionId>,
    key: IdempotencyKey,
    InOptionalBody(Object(body)): InOptionalBody<Object<GenerateBody>>,
) -> Result<Json<RunReceipt>, Failure> {
    let kind = CommandKind::Generate {
        draft: body.draft.unwrap_or_default(),
        background: false,
    };
    let receipt = ask(&app, &asker, session, key, kind).await?;
    let run_id = run_of(&receipt)?;
    wait_for_end(&app, &asker, session, run_id).await.map(Json)
}

/// Run all stages in the background.
#[utoipa::path(
    post, path = "/api/runs/{session_id}/generate/async", tag = "runs",
    params(("session_id" = String, Path, description = "The session"), IdempotencyKey),
    request_body(content = GenerateBody, description = "May be left out"),
    responses((status = 202, description = "The job that stands for the run", body = JobReceipt)),
)]
pub(super) async fn generate_async(
    State(app): State<Arc<App>>,
    asker: Asker,
    InPath(session): InPath<SessionId>,
    key: IdempotencyKey,
    InOptionalBody(Object(body)): InOptionalBody<Object<GenerateBody>>,
) -> Result<(StatusCode, Json<JobReceipt>), Failure> {
    let kind = CommandKind::Generate {
        draft: body.draft.unwrap_or_default(),
        background: true,
    };
    let receipt = ask(&app, &asker, session, key, kind).await?;
    let run_id = run_of(&receipt)?;
    let job_id = receipt.job_id.ok_or_else(|| {
        tracing::error!("a background run was taken without a job");
        Failure::new(ErrorCode::SysInternal)
    })?;
    let row = app.models.job(&app.tenant, job_id).await?;
    let status = row.map_or(JobStatus::Queued, |row| row.status);
    Ok((
        StatusCode::ACCEPTED,
        Json(JobReceipt {
            job_id,
            session_id: session,
            run_id,
            status,
        }),
    ))
}

/// Look at a run: its state, and the package as far as it is complete, with the provenance of every part.
#[utoipa::path(
    get, path = "/api/runs/{run_id}", tag = "runs",
    params(("run_id" = String, Path, description = "The run")),
    responses((status = 200, description = "The package", body = package::Package)),
)]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    asker: Asker,
    InPath(run): InPath<RunId>,
) -> Result<Json<Value>, Failure> {
    let row = accessible_run(&app, &asker, run).await?;
    let playbook = package::playbook_of(&app, row.session_id).await?;
    Ok(Json(package::assemble(&row, &playbook)))
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RunsQuery {
    /// Of which session.
    #[param(value_type = String)]
    session_id: SessionId,
    /// Rows at most, 1 to 200; 50 if left out.
    limit: Option<u32>,
    /// Rows to skip.
    offset: Option<u32>,
}

/// List the runs of a session, newest first.
#[utoipa::path(
    get, path = "/api/runs", tag = "runs", params(RunsQuery),
    responses((status = 200, description = "One page", body = ListDocument<RunItem>)),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    asker: Asker,
    InQuery(query): InQuery<RunsQuery>,
) -> Result<Json<ListDocument<RunItem>>, Failure> {
    accessible_session(&app, &asker, query.session_id).await?;
    let paging = ListQuery {
        limit: query.limit,
        offset: query.offset,
    }
    .paging();
    let page = app.models.runs(&app.tenant, query.session_id, paging).await?;
    Ok(Json(ListDocument::of(page, paging, RunItem::from)))
}

/// Cancel a run that is under way.
#[utoipa::path(
    post, path = "/api/runs/{run_id}/cancel", tag = "runs",
    params(("run_id" = String, Path, description = "The run"), IdempotencyKey),
    responses((status = 200, description = "It is cancelled", body = RunReceipt)),
)]
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    asker: Asker,
    InPath(run): InPath<RunId>,
    key: IdempotencyKey,
) -> Result<Json<RunReceipt>, Failure> {
    let kind = CommandKind::CancelRun { run_id: Some(run) };
    act_on(&app, &asker, run, key, kind).await.map(Json)
}

/// Take a failed run up again, from the stage that failed.
#[utoipa::path(
    post, path = "/api/runs/{run_id}/retry", tag = "runs",
    params(("run_id" = String, Path, description = "The run"), IdempotencyKey),
    responses((status = 202, description = "It goes on", body = RunReceipt)),
)]
pub(super) async fn retry(
    State(app): State<Arc<App>>,
    asker: Asker,
    InPath(run): InPath<RunId>,
    key: IdempotencyKey,
) -> Result<(StatusCode, Json<RunReceipt>), Failure> {
    let kind = CommandKind::RetryRun { run_id: Some(run) };
    let receipt = act_on(&app, &asker, run, key, kind).await?;
    Ok((StatusCode::ACCEPTED, Json(receipt)))
}

async fn act_on(
    app: &App,
    asker: &Asker,
    run_id: RunId,
    key: IdempotencyKey,
    kind: CommandKind,
) -> Result<RunReceipt, Failure> {
    let session_id = accessible_run(app, asker, run_id).await?.session_id;
    ask(app, asker, session_id, key, kind).await?;
    let state = app.directory.view(session_id, &asker.caller).await?.state;
    Ok(RunReceipt {
        run_id,
        session_id,
        state,
    })
}

async fn ask(
    app: &App,
    asker: &Asker,
    session: SessionId,
    IdempotencyKey(id): IdempotencyKey,
    kind: CommandKind,
) -> Result<Receipt, Failure> {
    let command = Command {
        id,
        caller: asker.caller.clone(),
        kind,
    };
    Ok(send(&app.directory, session, command).await?)
}

fn run_of(receipt: &Receipt) -> Result<RunId, Failure> {
    let run_id = receipt.run_id.ok_or_else(|| {
        tracing::error!("a run was taken without an id");
        Failure::new(ErrorCode::SysInternal)
    })?;
    tracing::Span::current().record("run_id", tracing::field::display(run_id));
    Ok(run_id)
}

/// A run, if it is one that the client may see.
pub(super) async fn accessible_run(app: &App, asker: &Asker, run: RunId) -> Result<RunRow, Failure> {
    let row = app.models.run(&app.tenant, run).await?;
    let row = row.filter(|row| asker.caller.may_access(row.user.as_ref()));
    row.ok_or(Failure::new(ErrorCode::RunNotFound))
}

/// A session, if it is one that the client may see.
pub(super) async fn accessible_session(
    app: &App,
    asker: &Asker,
    session: SessionId,
) -> Result<SessionRow, Failure> {
    let row = app.models.session(&app.tenant, session).await?;
    let row = row.filter(|row| asker.caller.may_access(row.summary.user.as_ref()));
    row.ok_or(Failure::new(ErrorCode::SessionNotFound))
}
