//! A finished run as one archive, to be kept and passed on.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use greenroom_protocol::{AssetReady, ErrorCode, GateWaived, RunId, RunStarted, Seq, StageCompleted};
use greenroom_session::blob_names::asset_blob;
use greenroom_session::playbook::Playbook;
use greenroom_session::ports::{BlobError, RunRow, RunStatus};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::extract::InPath;
use super::runs::accessible_run;
use super::{Asker, Failure, package};
use crate::app::App;
use crate::export::{self, Export, ExportedAsset, FinishedRun};
use crate::voice::is_asset_name;

/// Bytes of all media of one export; what would go beyond is left out, and named in `provenance.json`.
const ASSET_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Events that are read of the log at once.
const EVENTS_PAGE: usize = 1_000;

/// Take a finished run away: a ZIP archive with a page to read and print (`index.html`), the same as Markdown, the
/// package and its provenance as JSON, subtitles and a sheet of the ad copies where the run wrote them.
#[utoipa::path(
    get, path = "/api/runs/{run_id}/export", tag = "runs",
    params(("run_id" = String, Path, description = "The run")),
    responses((status = 200, description = "The archive", body = Vec<u8>, content_type = "application/zip")),
)]
pub(super) async fn export(
    State(app): State<Arc<App>>,
    asker: Asker,
    InPath(run): InPath<RunId>,
) -> Result<Response, Failure> {
    answer(&app, &asker, run).await
}

/// The same, for clients that ask for actions by POST. Nothing is changed by it.
#[utoipa::path(
    post, path = "/api/runs/{run_id}/export", tag = "runs",
    params(("run_id" = String, Path, description = "The run")),
    responses((status = 200, description = "The archive", body = Vec<u8>, content_type = "application/zip")),
)]
pub(super) async fn export_by_post(
    State(app): State<Arc<App>>,
    asker: Asker,
    InPath(run): InPath<RunId>,
) -> Result<Response, Failure> {
    answer(&app, &asker, run).await
}

async fn answer(app: &App, asker: &Asker, run: RunId) -> Result<Response, Failure> {
    let row = accessible_run(app, asker, run).await?;
    if row.status != RunStatus::Completed {
        let details = json!({ "status": row.status, "state": row.state });
        return Err(Failure::with_details(ErrorCode::RunNotCompleted, details));
    }
    let playbook = package::playbook_of(app, row.session_id).await?;
    let assets = assets(app, &row).await?;
    // Laying out and compressing takes a processor for some milliseconds.
    let written = tokio::task::spawn_blocking(move || written(&row, &playbook, &assets)).await;
    let export = written.map_err(|error| internal(&error))??;
    let disposition = export::attachment(&export.title, &run.to_string());
    let disposition = HeaderValue::try_from(disposition).map_err(|error| internal(&error))?;
    let headers = HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("application/zip")),
        (header::CONTENT_DISPOSITION, disposition),
    ]);
    Ok((headers, Body::from(export.bytes)).into_response())
}

fn written(row: &RunRow, playbook: &Playbook, assets: &[ExportedAsset]) -> Result<Export, Failure> {
    let started: RunStarted = stored(&row.started)?;
    let waiver: Option<GateWaived> = row
        .waiver
        .as_ref()
        .filter(|_| started.draft)
        .map(stored)
        .transpose()?;
    let outputs: Vec<StageCompleted> = row.outputs.iter().map(stored).collect::<Result<_, _>>()?;
    let run = FinishedRun {
        package: &package::assemble(row, playbook),
        playbook,
        started: &started,
        waiver: waiver.as_ref(),
        outputs: &outputs,
        ended_at: row.updated_at,
        assets,
    };
    run.export().map_err(|error| internal(&error))
}

/// The media that the session's log says belong to a run, in their order.
async fn assets(app: &App, row: &RunRow) -> Result<Vec<ExportedAsset>, Failure> {
    let mut assets = Vec::new();
    let mut bytes_left = ASSET_BYTES_MAX;
    let mut after = Seq::ZERO;
    loop {
        let page = app
            .journal
            .frames(&app.tenant, row.session_id, after, EVENTS_PAGE)
            .await?;
        let Some(last) = page.last() else {
            return Ok(assets);
        };
        after = last.seq;
        for frame in page.iter().filter(|frame| frame.event_type() == "asset.ready") {
            let ready: AssetReady =
                serde_json::from_str(frame.data_json()).map_err(|error| unreadable(&error))?;
            if ready.run_id != Some(row.run_id) {
                continue;
            }
            let bytes = match bytes_left.checked_sub(ready.size_bytes) {
                Some(left) => {
                    bytes_left = left;
                    asset_bytes(app, &ready).await?
                }
                None => None,
            };
            assets.push(ExportedAsset { ready, bytes });
        }
    }
}

/// What is in an asset; none of one that is gone.
async fn asset_bytes(app: &App, ready: &AssetReady) -> Result<Option<Bytes>, Failure> {
    let name = ready.url.rsplit('/').next().filter(|name| is_asset_name(name));
    let Some(name) = name else { return Ok(None) };
    match app.blobs.get(&asset_blob(name)).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(BlobError::NotFound | BlobError::InvalidName) => Ok(None),
        Err(BlobError::Unavailable(reason)) => {
            tracing::warn!(reason, "an asset cannot be read");
            Err(Failure::new(ErrorCode::DbUnavailable))
        }
    }
}

fn stored<T: DeserializeOwned>(data: &Value) -> Result<T, Failure> {
    T::deserialize(data).map_err(|error| unreadable(&error))
}

/// What is stored is not what it should be. The error itself may quote it, and so what people said.
fn unreadable(error: &serde_json::Error) -> Failure {
    let (category, line, column) = (error.classify(), error.line(), error.column());
    internal(&format_args!(
        "what is stored is malformed ({category:?} error at {line}:{column})"
    ))
}

fn internal(error: &impl std::fmt::Display) -> Failure {
    tracing::error!(%error, "a run cannot be exported");
    Failure::new(ErrorCode::SysInternal)
}
