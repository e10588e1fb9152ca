//! The client against a small server that speaks the contract, and the `check` command against the same.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use greenroom_protocol::{
    ClientMessage, ErrorBody, ErrorCode, EventId, Frame, Locale, Seq, SessionId, Signal, Timestamp,
};
use loadtest::checker::{ClientRecord, Evidence, Expectation, check, read_records};
use loadtest::client::{
    Client, CreateSession, Incoming, Origin, Reconnect, Recorder, Saw, SeenEvent, Socket, SocketOptions,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const SESSION: &str = "sess_00000000000000000000000001";

fn session() -> SessionId {
    SESSION.parse().unwrap()
}

/// Six events of a session; a connection is dropped after the third.
fn frames() -> Vec<Frame> {
    let turn = "turn_00000000000000000000000002";
    let user = json!({ "kind": "user", "turn_id": turn });
    let phrase = json!({ "kind": "playbook", "key": "ask.name", "hash": "0".repeat(64) });
    let message = |role: &str, provenance: &Value| {
        json!({ "message_id": "msg_00000000000000000000000003", "turn_id": turn, "role": role, "modality": "text",
                "text": "안녕  하세요", "provenance": provenance, "truncated": false })
    };
    let events = [
        (
            "session.started",
            json!({ "locale": "ko", "mode": "standard", "state": "CHAT_COLLECTING",
            "playbook": { "name": "launch", "hash": "0".repeat(64) } }),
        ),
        (
            "turn.started",
            json!({ "turn_id": turn, "turn": 1, "modality": "text" }),
        ),
        ("message.added", message("user", &user)),
        (
            "planner.delta",
            json!({ "turn_id": turn, "attempt": 1, "path": "/reply", "append": "네" }),
        ),
        ("message.added", message("assistant", &phrase)),
        (
            "turn.completed",
            json!({ "turn_id": turn, "outcome": "ok", "latency": { "total_ms": 3, "segments": [] } }),
        ),
    ];
    let numbered = events.iter().zip(1..);
    numbered
        .map(|((event_type, data), seq)| {
            Frame::new(
                session(),
                Seq(seq),
                event_type,
                Timestamp::default(),
                &data.to_string(),
            )
        })
        .collect()
}

async fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let path = |rest: &str| format!("/api/chat/session/{SESSION}{rest}");
    let router = Router::new()
        .route("/api/chat/session", post(create))
        .route(
            &path("/message"),
            post(async || refused(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::InputInvalid)),
        )
        .route(&path("/events"), get(events))
        .route(&path("/ws"), get(socket))
        .fallback(async || refused(StatusCode::NOT_FOUND, ErrorCode::SessionNotFound))
        .with_state(Arc::new(frames()));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

fn refused(status: StatusCode, code: ErrorCode) -> Response {
    (
        status,
        axum::Json(json!({ "error": ErrorBody::new(code, Locale::En) })),
    )
        .into_response()
}

async fn create(headers: HeaderMap) -> Response {
    assert_eq!(headers["x-user-key"], "ada");
    assert_eq!(headers["authorization"], "Bearer secret");
    let gate = json!({ "ready": false, "missing_required": ["product.name"], "low_confidence": [], "completeness": 0.0 });
    axum::Json(
        json!({ "session_id": SESSION, "state": "CHAT_COLLECTING", "mode": "standard", "locale": "ko",
        "brief_slots": { "product": { "name": null } }, "gate": gate, "assistant_message": "안녕하세요" }),
    )
    .into_response()
}

#[derive(Deserialize)]
struct Cursor {
    #[serde(default)]
    after: u64,
    last_event_id: Option<String>,
}

type Log = State<Arc<Vec<Frame>>>;

/// Pages of two events, or a stream of them all.
async fn events(State(log): Log, Query(cursor): Query<Cursor>, headers: HeaderMap) -> Response {
    let accept = headers["accept"].to_str().unwrap();
    let after = headers
        .get("last-event-id")
        .map_or(cursor.after, |id| seq_of(id.to_str().unwrap()));
    let later = log.iter().filter(|frame| frame.seq.0 > after);
    if accept.starts_with("application/json") {
        let page: Vec<&Frame> = later.take(2).collect();
        let next = page.last().map_or(after, |frame| frame.seq.0);
        let bodies: Vec<&str> = page
            .iter()
            .map(|frame| std::str::from_utf8(frame.bytes()).unwrap())
            .collect();
        let body = format!(
            r#"{{"events":[{}],"next_after":{next},"head":{}}}"#,
            bodies.join(","),
            log.len()
        );
        return ([("content-type", "application/json")], body).into_response();
    }
    let mut text = String::new();
    for frame in later {
        let (kind, id, data) = (frame.event_type(), EventId(frame.seq), frame.data_json());
        write!(text, "event: {kind}\nid: {id}\ndata: {data}\n\n").unwrap();
    }
    ([("content-type", "text/event-stream")], text).into_response()
}

fn seq_of(id: &str) -> u64 {
    id.parse::<EventId>().unwrap().0.0
}

async fn socket(State(log): Log, Query(cursor): Query<Cursor>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.protocols(["greenroom.v1"]).on_upgrade(async move |mut socket: WebSocket| {
        let text = |frame: &Frame| Message::text(std::str::from_utf8(frame.bytes()).unwrap());
        match cursor.last_event_id {
            None => {
                let snapshot = json!({ "type": "session.snapshot", "as_of_seq": 1, "session_id": SESSION,
                    "state": "CHAT_COLLECTING", "mode": "standard", "locale": "ko", "brief_slots": {},
                    "gate": { "ready": false, "missing_required": [], "low_confidence": [], "completeness": 0.0 },
                    "messages": [] });
                socket.send(Message::text(snapshot.to_string())).await.unwrap();
                // Dropped without a goodbye, as by a crash.
                for frame in &log[1..3] {
                    socket.send(text(frame)).await.unwrap();
                }
            }
            Some(id) => {
                let after = seq_of(&id);
                for frame in log.iter().filter(|frame| frame.seq.0 > after) {
                    socket.send(text(frame)).await.unwrap();
                }
                let done = json!({ "type": "replay.done", "seq": log.len() });
                socket.send(Message::text(done.to_string())).await.unwrap();
                // Whatever is sent comes back as the id of an answer.
                while let Some(Ok(Message::Text(frame))) = socket.recv().await {
                    let sent: Value = serde_json::from_str(&frame).unwrap();
                    let pong = json!({ "type": "pong", "id": sent["id"] });
                    socket.send(Message::text(pong.to_string())).await.unwrap();
                }
            }
        }
    })
}

/// Everything that comes until the replay is done.
async fn until_replayed(socket: &mut Socket) -> Vec<Incoming> {
    let mut came = Vec::new();
    loop {
        let next = socket.next().await.unwrap();
        let is_done =
            matches!(&next, Incoming::Signal(signal) if matches!(**signal, Signal::ReplayDone { .. }));
        came.push(next);
        if is_done {
            return came;
        }
    }
}

fn numbers(came: &[Incoming]) -> Vec<u64> {
    let number = |incoming: &Incoming| match incoming {
        Incoming::Event(event) => Some(event.seq.0),
        _ => None,
    };
    came.iter().filter_map(number).collect()
}

const RECONNECT: Option<Reconnect> = Some(Reconnect {
    attempts: 3,
    delay: Duration::from_millis(1),
});

/// A client that goes through a break and writes its record.
async fn record_a_session(url: &str, folder: &Path) {
    let recorder = Recorder::create(&folder.join("ada.jsonl")).unwrap();
    let client = Client::new(url).unwrap().with_recorder(recorder);
    let options = SocketOptions {
        last_event_id: None,
        reconnect: RECONNECT,
    };
    let mut socket = client.connect(session(), options).await.unwrap();
    let came = until_replayed(&mut socket).await;
    assert_eq!(numbers(&came), [2, 3, 4, 5, 6]);
    assert!(
        came.contains(&Incoming::Reconnected { after: Some(Seq(3)) }),
        "{came:?}"
    );
    assert_eq!(socket.last_seq(), Some(Seq(6)));
    socket.send(&ClientMessage::Ping {}, Some("p1")).await.unwrap();
    let pong = Incoming::Signal(Box::new(Signal::Pong {
        id: Some("p1".to_owned()),
    }));
    assert_eq!(socket.next().await.unwrap(), pong);
    socket.close().await.unwrap();
}

#[tokio::test]
async fn a_broken_socket_comes_back_where_it_stood_and_its_record_holds_all() {
    let url = serve().await;
    let dir = tempfile::tempdir().unwrap();
    record_a_session(&url, dir.path()).await;

    let records = read_records(dir.path()).unwrap();
    let journal = Client::new(&url).unwrap().journal(session()).await.unwrap();
    assert_eq!(journal.len(), 6);
    assert_eq!(journal[2].data, frames()[2].data_json());
    let evidence = Evidence {
        journals: [(session(), journal)].into(),
        records,
        ..Evidence::default()
    };
    let report = check(&evidence, Expectation::AtRest);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.counts.connections, report.counts.seen), (2, 5));
    let ClientRecord { name, lines } = &evidence.records[0];
    assert_eq!(name, "ada");
    let connected: Vec<Origin> = lines
        .iter()
        .filter_map(|line| match &line.saw {
            Saw::Connected { from, .. } => Some(*from),
            _ => None,
        })
        .collect();
    assert_eq!(connected, [Origin::Snapshot, Origin::After(Seq(3))]);
    assert!(
        lines
            .iter()
            .any(|line| matches!(&line.saw, Saw::Sent { text } if text.contains("p1")))
    );
}

#[tokio::test]
async fn a_socket_without_a_policy_tells_that_it_ended() {
    let client = Client::new(&serve().await).unwrap();
    let mut socket = client.connect(session(), SocketOptions::default()).await.unwrap();
    let mut last = socket.next().await.unwrap();
    while !matches!(last, Incoming::Closed { .. }) {
        last = socket.next().await.unwrap();
    }
    socket.resume().await.unwrap();
    assert_eq!(numbers(&until_replayed(&mut socket).await), [4, 5, 6]);
}

#[tokio::test]
async fn the_log_can_be_followed_as_a_stream() {
    let client = Client::new(&serve().await).unwrap();
    let mut stream = client.follow(session(), Seq(4)).await.unwrap();
    let mut followed: Vec<SeenEvent> = Vec::new();
    while let Some(event) = stream.next().await.unwrap() {
        followed.push(event);
    }
    assert_eq!(followed, client.journal(session()).await.unwrap()[4..]);
}

#[tokio::test]
async fn answers_and_refusals_are_typed() {
    let url = serve().await;
    let client = Client::new(&url)
        .unwrap()
        .with_user_key("ada")
        .with_token("secret");
    let created = client.create_session(&CreateSession::default()).await.unwrap();
    assert_eq!(
        (created.session.session_id, created.assistant_message.as_str()),
        (session(), "안녕하세요")
    );
    let refused = client.message(session(), " ", None).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.status()),
        (Some(ErrorCode::InputInvalid), Some(422))
    );
    let stranger: SessionId = "sess_00000000000000000000000009".parse().unwrap();
    let refused = client
        .connect(stranger, SocketOptions::default())
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), refused.status()),
        (Some(ErrorCode::SessionNotFound), Some(404))
    );
    assert!(Client::new("https://example.com").is_err());
}

#[tokio::test]
async fn the_command_checks_records_against_the_server() {
    let url = serve().await;
    let dir = tempfile::tempdir().unwrap();
    record_a_session(&url, dir.path()).await;
    let command = async || {
        let folder = dir.path().to_str().unwrap();
        let args = ["loadtest", "check", "--url", &url, "--records", folder];
        loadtest::main_with(args.map(Into::into)).await
    };
    command().await.unwrap();

    // The same record with one event left out.
    let path = dir.path().join("ada.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let gap: String = text
        .split_inclusive('\n')
        .filter(|line| !line.contains("planner.delta"))
        .collect();
    assert_ne!(gap, text);
    std::fs::write(&path, gap).unwrap();
    assert_eq!(command().await.unwrap_err().to_string(), "1 violations");
}
