//! Jobs: work that no request waits for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use greenroom_protocol::{ErrorCode, JobId, JobStatus, RunId, SessionId};
use greenroom_session::ports::JobFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{InPath, InQuery, ListQuery};
use super::runs::{accessible_run, accessible_session};
use super::wire::{JobDocument, ListDocument};
use super::{Asker, Failure};
use crate::app::App;

/// Look at a job.
#[utoipa::path(
    get, path = "/api/jobs/{job_id}", tag = "jobs",
    params(("job_id" = String, Path, description = "The job")),
    responses((status = 200, description = "The job", body = JobDocument)),
)]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    asker: Asker,
    InPath(job): InPath<JobId>,
) -> Result<Json<JobDocument>, Failure> {
    let row = app.models.job(&app.tenant, job).await?;
    let row = row.filter(|row| asker.caller.may_access(row.user.as_ref()));
    row.map(|row| Json(row.into()))
        .ok_or(Failure::new(ErrorCode::JobNotFound))
}

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct JobsQuery {
    /// Only of this run.
    #[param(value_type = Option<String>)]
    run_id: Option<RunId>,
    /// Only of this session.
    #[param(value_type = Option<String>)]
    session_id: Option<SessionId>,
    /// Only with this status: queued, running, completed or failed.
    #[param(value_type = Option<String>)]
    status: Option<JobStatus>,
    /// Rows at most, 1 to 200; 50 if left out.
    limit: Option<u32>,
    /// Rows to skip.
    offset: Option<u32>,
}

/// List jobs, newest first: of one session or run, or all of the caller's own.
#[utoipa::path(
    get, path = "/api/jobs", tag = "jobs", params(JobsQuery),
    responses((status = 200, description = "One page", body = ListDocument<JobDocument>)),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    asker: Asker,
    InQuery(query): InQuery<JobsQuery>,
) -> Result<Json<ListDocument<JobDocument>>, Failure> {
    let paging = ListQuery {
        limit: query.limit,
        offset: query.offset,
    }
    .paging();
    if let Some(session) = query.session_id {
        accessible_session(&app, &asker, session).await?;
    }
    if let Some(run) = query.run_id {
        accessible_run(&app, &asker, run).await?;
    }
    let named = query.session_id.is_some() || query.run_id.is_some();
    let user = if named { None } else { asker.user().cloned() };
    if !named && user.is_none() {
        return Ok(Json(ListDocument::empty(paging)));
    }
    let filter = JobFilter {
        session_id: query.session_id,
        run_id: query.run_id,
        status: query.status,
        user,
        stuck: None,
    };
    let page = app.models.jobs(&app.tenant, &filter, paging).await?;
    Ok(Json(ListDocument::of(page, paging, JobDocument::from)))
}
