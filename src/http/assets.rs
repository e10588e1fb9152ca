//! Generated media, by names that cannot be guessed.

use std::ops::RangeInclusive;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use greenroom_protocol::ErrorCode;
use greenroom_session::blob_names::asset_blob;
use greenroom_session::ports::BlobError;
use http_range_header::{EndPosition, StartPosition, SyntacticallyCorrectRange, parse_range_header};

use super::Failure;
use super::access::text;
use crate::app::App;
use crate::voice::{is_asset_name, media_type_of};

/// An asset never changes under its name, and is its listener's own: a shared cache keeps none.
const CACHE_FOR_GOOD: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// An asset, whole or in part. A browser's media elements can send no token, so none is asked for: the name is the key.
#[utoipa::path(
    get, path = "/static/assets/{name}", tag = "assets", security(()),
    params(
        ("name" = String, Path, description = "As in `audio_url`, or in the `url` of `asset.ready`"),
        ("Range" = Option<String>, Header, description = "One range of bytes; of several, the whole is sent"),
    ),
    responses(
        (status = 200, description = "The asset", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, description = "The range that was asked for", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 416, description = "There is no such range in it"),
    ),
)]
pub(super) async fn asset(
    State(app): State<Arc<App>>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let unknown = || Failure::unrouted(StatusCode::NOT_FOUND, "there is no such asset");
    let Path(name) = name.map_err(|_| unknown())?;
    let media_type = media_type_of(&name).filter(|_| is_asset_name(&name));
    let media_type = media_type.ok_or_else(unknown)?;
    let bytes = match app.blobs.get(&asset_blob(&name)).await {
        Ok(bytes) => bytes,
        Err(BlobError::NotFound | BlobError::InvalidName) => return Err(unknown()),
        Err(BlobError::Unavailable(reason)) => return Err(unreadable(&reason)),
    };
    let mut response = blob_part(bytes, &headers, &name);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, CACHE_FOR_GOOD);
    Ok(response)
}

/// An asset that is there and cannot be read now.
pub(super) fn unreadable(reason: &str) -> Failure {
    tracing::warn!(reason, "an asset cannot be read");
    Failure::new(ErrorCode::DbUnavailable)
}

/// What of an asset was asked for, under a name by which it can be recognised when it is asked for again.
pub(super) fn blob_part(bytes: Bytes, headers: &HeaderMap, name: &str) -> Response {
    let entity_tag = format!("\"{name}\"");
    let mut response = part(bytes, headers, &entity_tag);
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(entity_tag) = HeaderValue::from_str(&entity_tag) {
        headers.insert(header::ETAG, entity_tag);
    }
    response
}

/// What of it was asked for. A header that is no range of bytes, or several of them, asks for the whole (RFC 9110).
fn part(bytes: Bytes, headers: &HeaderMap, entity_tag: &str) -> Response {
    let same = text(headers, header::IF_RANGE).is_none_or(|known| known == entity_tag);
    let range = text(headers, header::RANGE).filter(|_| same);
    let parsed = range.and_then(|range| parse_range_header(range).ok());
    let Some(parsed) = parsed.filter(|parsed| parsed.ranges.len() == 1) else {
        return Response::new(Body::from(bytes));
    };
    let total = bytes.len() as u64;
    let Some(range) = within(&parsed.ranges[0], total) else {
        let content_range = [(header::CONTENT_RANGE, format!("bytes */{total}"))];
        return (StatusCode::RANGE_NOT_SATISFIABLE, content_range).into_response();
    };
    let content_range = format!("bytes {}-{}/{total}", range.start(), range.end());
    let content_range = [(header::CONTENT_RANGE, content_range)];
    let slice = bytes.slice(to_index(*range.start())..=to_index(*range.end()));
    (StatusCode::PARTIAL_CONTENT, content_range, slice).into_response()
}

/// The bytes that a range means, if there are any.
fn within(range: &SyntacticallyCorrectRange, total: u64) -> Option<RangeInclusive<u64>> {
    let last = total.checked_sub(1)?;
    let start = match range.start {
        StartPosition::Index(start) => start,
        StartPosition::FromLast(length) => total.saturating_sub(length),
    };
    let end = match range.end {
        EndPosition::Index(end) => end.min(last),
        EndPosition::LastByte => last,
    };
    (start <= end).then_some(start..=end)
}

/// A place in what is in memory fits.
fn to_index(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: &str, status: u16, content_range: &str, body: &str) {
        check_if(range, None, status, content_range, body);
    }

    fn check_if(range: &str, if_range: Option<&str>, status: u16, content_range: &str, body: &str) {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        if let Some(if_range) = if_range {
            headers.insert(header::IF_RANGE, if_range.parse().unwrap());
        }
        let response = part(Bytes::from_static(b"0123456789"), &headers, "\"tag\"");
        assert_eq!(response.status().as_u16(), status, "{range}");
        let found = text(response.headers(), header::CONTENT_RANGE).unwrap_or_default();
        assert_eq!(found, content_range, "{range}");
        let found = futures_util::FutureExt::now_or_never(axum::body::to_bytes(response.into_body(), 100));
        assert_eq!(found.unwrap().unwrap(), body.as_bytes(), "{range}");
    }

    #[test]
    fn one_range_is_sent_and_what_is_none_is_the_whole() {
        check("bytes=0-0", 206, "bytes 0-0/10", "0");
        check("bytes=2-4", 206, "bytes 2-4/10", "234");
        check("bytes=7-", 206, "bytes 7-9/10", "789");
        check("bytes=-3", 206, "bytes 7-9/10", "789");
        check("bytes=-99", 206, "bytes 0-9/10", "0123456789");
        check("bytes=8-99", 206, "bytes 8-9/10", "89");
        check("bytes=10-", 416, "bytes */10", "");
        check("bytes=0-1,5-6", 200, "", "0123456789");
        check("lines=1-2", 200, "", "0123456789");
        check("bytes=nonsense", 200, "", "0123456789");
    }

    #[test]
    fn a_range_of_another_asset_is_the_whole() {
        check_if("bytes=0-0", Some("\"tag\""), 206, "bytes 0-0/10", "0");
        check_if("bytes=0-0", Some("\"other\""), 200, "", "0123456789");
    }
}
