//! Recordings and speech over the server's own routes, with providers that do what the test says.

mod assets;
mod recordings;
pub(crate) mod scripted;
mod speech;

use axum::body::{Body, Bytes};
use axum::http::Request;
use serde_json::Value;

use crate::testing::TestServer;

const BOUNDARY: &str = "----a-boundary-that-nobody-says";

/// A form of parts: name, and what it holds.
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in parts {
        let heading = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"x\"\r\n\r\n"
        );
        body.extend_from_slice(heading.as_bytes());
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// A request with a form to a route of a session.
fn form_request(session: &str, route: &str, key: Option<&str>, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post(format!("/api/chat/session/{session}/{route}"))
        .header("host", "localhost")
        .header(
            "content-type",
            format!("multipart/form-data; boundary={BOUNDARY}"),
        );
    let request = match key {
        Some(key) => request.header("idempotency-key", key),
        None => request,
    };
    request.body(body.into()).unwrap()
}

/// Sends a request and reads the whole answer.
async fn answer(server: &TestServer, request: Request<Body>) -> (u16, Bytes) {
    let response = server.send(request).await;
    let status = response.status().as_u16();
    (
        status,
        axum::body::to_bytes(response.into_body(), 10_000_000)
            .await
            .unwrap(),
    )
}

/// Sends a recording and reads the JSON answer.
async fn voice_turn(
    server: &TestServer,
    session: &str,
    key: Option<&str>,
    parts: &[(&str, &[u8])],
) -> (u16, Value) {
    let (status, body) = answer(server, form_request(session, "voice-turn", key, form(parts))).await;
    (status, serde_json::from_slice(&body).unwrap())
}

/// The status and the code of a failure.
fn refusal((status, answer): &(u16, Value)) -> (u16, &str) {
    (*status, answer["error"]["code"].as_str().unwrap_or_default())
}

/// The log of a session: type and data of each event.
async fn log(server: &TestServer, session: &str) -> Vec<(String, Value)> {
    let request = Request::get(format!("/api/chat/session/{session}/events?limit=1000"))
        .header("host", "localhost")
        .header("accept", "application/json")
        .body(Body::empty())
        .unwrap();
    let (_, page) = answer(server, request).await;
    let page: Value = serde_json::from_slice(&page).unwrap();
    let events = page["events"].as_array().unwrap().iter();
    events
        .map(|event| (event["type"].as_str().unwrap().to_owned(), event["data"].clone()))
        .collect()
}

/// The types of the events of a session's log that are of these types, in their order.
async fn told(server: &TestServer, session: &str, types: &[&str]) -> Vec<String> {
    let events = log(server, session).await.into_iter();
    events
        .map(|(event_type, _)| event_type)
        .filter(|event_type| types.contains(&event_type.as_str()))
        .collect()
}

/// Waits until the log of a session holds an event of this type.
async fn wait_for(server: &TestServer, session: &str, event_type: &str) {
    let caller = greenroom_session::Caller::Operator;
    let id = session.parse().unwrap();
    let from_start = Some(greenroom_protocol::Seq::ZERO);
    let (mut cursor, _) = server
        .app
        .directory
        .cursor(id, &caller, from_start)
        .await
        .unwrap();
    loop {
        let frames = cursor.next().await.unwrap();
        if frames.iter().any(|frame| frame.event_type() == event_type) {
            return;
        }
    }
}
