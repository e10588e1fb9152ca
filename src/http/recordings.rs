//! Recordings of live conversations: for whoever the session is open to, and nobody else.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use greenroom_protocol::{AssetId, ErrorCode, SessionId};
use greenroom_session::blob_names::recording_blob;
use greenroom_session::ports::BlobError;

use super::assets::{blob_part, unreadable};
use super::{Asker, Failure};
use crate::app::App;

/// A recording is the people's own: nobody between them and the server keeps it.
const KEPT_BY_NOBODY: HeaderValue = HeaderValue::from_static("private, no-store");

/// A recording of both sides of a live conversation: Ogg/Opus with two channels, left the user, right the assistant.
#[utoipa::path(
    get, path = "/api/chat/session/{session_id}/assets/{asset_id}", tag = "assets",
    params(
        ("session_id" = String, Path, description = "The session"),
        ("asset_id" = String, Path, description = "As in `asset.ready` of kind `recording`"),
        ("Range" = Option<String>, Header, description = "One range of bytes; of several, the whole is sent"),
    ),
    responses(
        (status = 200, description = "The recording", body = Vec<u8>, content_type = "audio/ogg"),
        (status = 206, description = "The range that was asked for", body = Vec<u8>, content_type = "audio/ogg"),
        (status = 416, description = "There is no such range in it"),
    ),
)]
pub(super) async fn recording(
    State(app): State<Arc<App>>,
    asker: Asker,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let unknown = || Failure::unrouted(StatusCode::NOT_FOUND, "the session has no such asset");
    let Path((session, asset)) = path.map_err(|_| unknown())?;
    let session: SessionId = session
        .parse()
        .map_err(|_| Failure::new(ErrorCode::SessionNotFound))?;
    tracing::Span::current().record("session_id", tracing::field::display(session));
    // A foreign session does not exist.
    app.directory.view(session, &asker.caller).await?;
    let asset: AssetId = asset.parse().map_err(|_| unknown())?;
    let bytes = app.blobs.get(&recording_blob(session, asset)).await;
    let bytes = bytes.map_err(|error| match error {
        BlobError::NotFound | BlobError::InvalidName => unknown(),
        BlobError::Unavailable(reason) => unreadable(&reason),
    })?;
    let mut response = blob_part(bytes, &headers, &asset.to_string());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("audio/ogg"));
    headers.insert(header::CACHE_CONTROL, KEPT_BY_NOBODY);
    Ok(response)
}
