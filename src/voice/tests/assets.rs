//! What was spoken can be fetched by who knows its name, whole or in part.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, header};
use serde_json::json;

use super::scripted::{self, MP3};
use crate::testing::TestServer;

async fn fetch(
    server: &TestServer,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> (u16, HeaderMap, Bytes) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("accept-encoding", "gzip");
    let request = headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value));
    let response = server.send(request.body(Body::empty()).unwrap()).await;
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 10_000_000).await.unwrap();
    (parts.status.as_u16(), parts.headers, body)
}

/// A server that asks everybody for a token, and where something was spoken.
async fn spoken() -> (TestServer, String) {
    let token = [("GREENROOM_SERVER__TOKEN", "t")];
    let server = TestServer::with_ports(&token, |ports| ports.speaker = scripted::speaks()).await;
    let ask = async |path: String, body: serde_json::Value| {
        let request = Request::post(path)
            .header("host", "localhost")
            .header("authorization", "Bearer t")
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        let (_, body) = super::answer(&server, request).await;
        serde_json::from_slice::<serde_json::Value>(&body).unwrap()
    };
    let session = ask("/api/chat/session".to_owned(), json!({})).await;
    let session = session["session_id"].as_str().unwrap();
    let path = format!("/api/chat/session/{session}/assistant-voice");
    let spoken = ask(path, json!({ "text": "Launch day." })).await;
    let url = spoken["audio_url"].as_str().unwrap().to_owned();
    (server, url)
}

#[tokio::test]
async fn an_asset_is_fetched_whole_or_in_part_without_a_token_and_kept_for_good() {
    let (server, url) = spoken().await;
    let (status, headers, body) = fetch(&server, "GET", &url, &[]).await;
    assert_eq!((status, &body[..]), (200, MP3));
    let header = |name: header::HeaderName| headers[name].to_str().unwrap();
    assert_eq!(header(header::CONTENT_TYPE), "audio/mpeg");
    assert_eq!(header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    assert_eq!(header(header::ACCEPT_RANGES), "bytes");
    assert!(header(header::CACHE_CONTROL).contains("immutable"));
    assert!(!headers.contains_key(header::CONTENT_ENCODING));

    let (status, headers, body) = fetch(&server, "GET", &url, &[("range", "bytes=10-19")]).await;
    assert_eq!((status, &body[..]), (206, &MP3[10..20]));
    let content_range = format!("bytes 10-19/{}", MP3.len());
    assert_eq!(headers[header::CONTENT_RANGE], content_range.as_str());
    let beyond = format!("bytes={}-", MP3.len());
    let (status, _, body) = fetch(&server, "GET", &url, &[("range", &beyond)]).await;
    assert_eq!((status, body.len()), (416, 0));

    let (status, headers, body) = fetch(&server, "HEAD", &url, &[]).await;
    assert_eq!((status, body.len()), (200, 0));
    assert_eq!(headers[header::CONTENT_LENGTH], MP3.len().to_string().as_str());
}

#[tokio::test]
async fn nothing_else_can_be_fetched_there() {
    let (server, url) = spoken().await;
    let name = url.rsplit('/').next().unwrap();
    let other = name.replace(|digit: char| digit.is_ascii_digit(), "0");
    for path in [
        "/static/assets/".to_owned(),
        "/static/assets/x".to_owned(),
        "/static/assets/..%2f..%2fgreenroom.db".to_owned(),
        format!("/static/assets/%2e%2e%2fassets%2f{name}"),
        format!("/static/assets/{name}.html"),
        format!("/static/assets/{}", name.replace(".mp3", ".wav")),
        format!("/static/assets/{other}"),
        format!("/static/assets/{name}/"),
        "/static/assets/%ff".to_owned(),
    ] {
        let (status, _, body) = fetch(&server, "GET", &path, &[("authorization", "Bearer t")]).await;
        assert_eq!(status, 404, "{path}: {body:?}");
    }
}
