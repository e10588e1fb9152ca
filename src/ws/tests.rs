//! A connection over a socket made of memory.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use axum::Error;
use axum::extract::ws::Message;
use bytes::Bytes;
use futures_util::{Sink, Stream};
use greenroom_protocol::{Locale, Seq, SessionId};
use greenroom_session::Caller;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::close::CloseReason;
use super::connection::{Connection, Entrance};
use crate::http::{Asker, WriteProgress};
use crate::lifecycle::Phase;
use crate::rate;
use crate::testing::TestServer;
use crate::voice::tests::scripted::{Scripted, hears};

/// Both ends of a socket: what the client sent, what it has taken, and whether it takes anything.
#[derive(Default)]
struct Wire {
    sent: VecDeque<Message>,
    taken: Vec<Message>,
    takes_nothing: bool,
    left: bool,
    /// The client's goodbye was read: as in the library, its answer leaves when the socket is flushed.
    goodbye_due: bool,
    server: Option<Waker>,
    client: Option<Waker>,
}

#[derive(Clone, Default)]
struct MemorySocket(Arc<Mutex<Wire>>);

impl Stream for MemorySocket {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut wire = self.0.lock().unwrap();
        wire.server = Some(context.waker().clone());
        match wire.sent.pop_front() {
            Some(message) => {
                wire.goodbye_due |= matches!(message, Message::Close(_));
                Poll::Ready(Some(Ok(message)))
            }
            None if wire.left => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl Sink<Message> for MemorySocket {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.0.lock().unwrap().takes_nothing {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        let mut wire = self.0.lock().unwrap();
        wire.left |= matches!(message, Message::Close(_));
        wire.taken.push(message);
        if let Some(client) = wire.client.take() {
            client.wake();
        }
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let ready = self.as_mut().poll_ready(context);
        if ready.is_ready() && std::mem::take(&mut self.0.lock().unwrap().goodbye_due) {
            self.start_send(Message::Close(None))?;
        }
        ready
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}

/// The client's end.
struct Client {
    socket: MemorySocket,
    read: usize,
    ended: JoinHandle<CloseReason>,
}

impl Client {
    async fn connect(server: &TestServer, session: &str, after: Option<Seq>, takes_nothing: bool) -> Self {
        let session: SessionId = session.parse().unwrap();
        let caller = Caller::Client(None);
        let client = rate::Client {
            address: [127, 0, 0, 1].into(),
            user: None,
        };
        let asker = Asker {
            caller: caller.clone(),
            client,
            locale: Locale::En,
        };
        let (cursor, view) = server
            .app
            .directory
            .cursor(session, &caller, after)
            .await
            .unwrap();
        let playbook = server.app.playbooks.pinned(&view.playbook.hash).await;
        let playbook = Ok(playbook.unwrap());
        let socket = MemorySocket::default();
        socket.0.lock().unwrap().takes_nothing = takes_nothing;
        let app = Arc::clone(&server.app);
        let entrance = Entrance {
            cursor,
            view,
            playbook,
            replay_from: after,
        };
        let progress = WriteProgress::default();
        let connection = Connection::new(app, asker, progress, socket.clone(), entrance);
        Self {
            socket,
            read: 0,
            ended: tokio::spawn(connection.run()),
        }
    }

    fn send(&self, message: impl Into<Message>) {
        let mut wire = self.socket.0.lock().unwrap();
        wire.sent.push_back(message.into());
        if let Some(server) = wire.server.take() {
            server.wake();
        }
    }

    fn say(&self, message: &Value) {
        self.send(Message::Text(message.to_string().into()));
    }

    /// The next text message.
    async fn next(&mut self) -> Value {
        let message = std::future::poll_fn(|context| {
            let mut wire = self.socket.0.lock().unwrap();
            wire.client = Some(context.waker().clone());
            wire.taken
                .get(self.read)
                .cloned()
                .map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        self.read += 1;
        match message {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => json!({ "type": format!("{other:?}") }),
        }
    }

    /// Skips to the next message of a type.
    async fn find(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    fn last_close_code(&self) -> Option<u16> {
        match self.socket.0.lock().unwrap().taken.last() {
            Some(Message::Close(Some(frame))) => Some(frame.code),
            _ => None,
        }
    }
}

#[tokio::test]
async fn a_fresh_client_begins_with_a_snapshot_and_sees_its_turn() {
    let server = TestServer::new().await;
    let session = server.session().await;
    let mut client = Client::connect(&server, &session, None, false).await;
    let snapshot = client.next().await;
    assert_eq!(snapshot["type"], "session.snapshot");
    client.say(&json!({ "type": "user.message", "id": "m1", "text": "루미세럼" }));
    let accepted = client.find("accepted").await;
    assert_eq!(
        (accepted["id"].as_str(), accepted["duplicate"].as_bool()),
        (Some("m1"), Some(false))
    );
    client.say(&json!({ "type": "user.message", "id": "m1", "text": "루미세럼" }));
    let again = client.find("accepted").await;
    assert_eq!(again["duplicate"], true);
    assert_eq!(again["turn_id"], accepted["turn_id"]);
    assert_eq!(again["seq"], accepted["seq"]);
}

#[tokio::test]
async fn a_client_that_comes_back_gets_what_it_missed_then_the_mark() {
    let server = TestServer::new().await;
    let session = server.session().await;
    let mut client = Client::connect(&server, &session, Some(Seq(1)), false).await;
    let mut seqs = Vec::new();
    loop {
        let message = client.next().await;
        if message["type"] == "replay.done" {
            assert_eq!(message["seq"].as_u64(), seqs.last().copied());
            break;
        }
        seqs.push(message["seq"].as_u64().unwrap());
    }
    assert_eq!(seqs, (2..2 + seqs.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_cannot_be_done_is_rejected_and_the_socket_stays_open() {
    let server = TestServer::new().await;
    let session = server.session().await;
    let mut client = Client::connect(&server, &session, None, false).await;
    client.say(&json!({ "type": "run.generate", "id": "g" }));
    let rejected = client.find("rejected").await;
    assert_eq!(
        (rejected["id"].as_str(), rejected["error"]["code"].as_str()),
        (Some("g"), Some("GATE_NOT_READY"))
    );
    client.send(Message::Binary(vec![0; 320].into()));
    assert_eq!(client.find("rejected").await["error"]["code"], "INPUT_INVALID");
    client.say(&json!({ "type": "ping", "id": "p" }));
    assert_eq!(client.find("pong").await["id"], "p");
}

#[tokio::test]
async fn nonsense_without_end_is_abuse() {
    let server = TestServer::new().await;
    let session = server.session().await;
    let client = Client::connect(&server, &session, None, false).await;
    for _ in 0..=greenroom_protocol::limits::ABUSE_REJECTS_MAX {
        client.send(Message::Text("nonsense".into()));
    }
    let socket = client.socket.clone();
    assert_eq!(client.ended.await.unwrap(), CloseReason::Abuse);
    assert!(
        matches!(socket.0.lock().unwrap().taken.last(), Some(Message::Close(Some(frame))) if frame.code == 1008)
    );
}

#[tokio::test]
async fn a_message_that_was_sent_before_leaving_still_counts_and_the_goodbye_is_answered() {
    let server = TestServer::new().await;
    let session = server.session().await;
    let client = Client::connect(&server, &session, None, false).await;
    let socket = client.socket.clone();
    client.say(&json!({ "type": "user.message", "text": "루미세럼" }));
    client.send(Message::Close(None));
    assert_eq!(client.ended.await.unwrap(), CloseReason::ClientLeft);
    assert!(matches!(
        socket.0.lock().unwrap().taken.last(),
        Some(Message::Close(_))
    ));
    let (_, document) = server
        .ask("GET", &format!("/api/chat/session/{session}"), None)
        .await;
    assert_eq!(document["brief_slots"]["product"]["name"], "루미세럼");
}

/// Two seconds of sound at 24 kHz.
const REPLY_BYTES: usize = 2 * 2 * 24_000;

#[tokio::test]
async fn what_was_heard_of_a_reply_is_known_before_the_turn_that_cuts_it_off() {
    let server = TestServer::with_ports(&[], |ports| {
        ports.transcriber = hears("");
        ports.speaker = Scripted::new(|_| async { Ok(Bytes::from(vec![0; REPLY_BYTES])) });
    })
    .await;
    let session = server.session().await;
    let mut client = Client::connect(&server, &session, None, false).await;
    let output = json!({ "codec": "pcm_s16le", "sample_rate": 24_000 });
    client.say(&json!({
        "type": "audio.start", "id": "a1", "codec": "pcm_s16le", "sample_rate": 16_000, "channels": 1, "output": output,
    }));
    assert_eq!(client.find("accepted").await["id"], "a1");
    client.say(&json!({ "type": "user.message", "text": "루미세럼" }));
    client.find("audio.begin").await;
    // They keep their order, and nothing else waits for them.
    client.say(&json!({ "type": "user.message", "id": "m2", "text": "카테고리는 스킨케어" }));
    client.say(&json!({ "type": "response.cancel", "id": "c3" }));
    client.say(&json!({ "type": "ping", "id": "p4" }));
    let mut told: Vec<String> = Vec::new();
    // Answers and events are told side by side, so that the last answer may come before the first event.
    let awaited = ["pong", "m2", "c3", "message.heard", "turn.started"];
    while awaited
        .iter()
        .any(|awaited| !told.iter().any(|told| told == awaited))
    {
        let message = client.next().await;
        let kind = match message["type"].as_str().unwrap() {
            "accepted" => &message["id"],
            "pong" | "message.heard" | "turn.started" => &message["type"],
            _ => continue,
        };
        told.push(kind.as_str().unwrap().to_owned());
    }
    let place = |kind: &str| told.iter().position(|told| told == kind).unwrap();
    assert!(place("message.heard") < place("turn.started"), "{told:?}");
    assert!(
        place("pong") < place("m2") && place("m2") < place("c3"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_server_that_stops_says_so_before_it_closes() {
    let server = TestServer::new().await;
    let session = server.session().await;
    let mut client = Client::connect(&server, &session, None, false).await;
    server.app.lifecycle.advance(Phase::Draining);
    assert!(client.find("server.draining").await["reconnect_after_ms"].is_u64());
    server.app.lifecycle.advance(Phase::Closing);
    assert_eq!((&mut client.ended).await.unwrap(), CloseReason::Restarting);
    assert_eq!(client.last_close_code(), Some(1012));
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_closed_as_too_slow() {
    let server = TestServer::new().await;
    let session = server.session().await;
    let client = Client::connect(&server, &session, None, true).await;
    // From here on nothing needs the database, so that time may run ahead.
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    assert_eq!(client.ended.await.unwrap(), CloseReason::TooSlow);
    assert!(began.elapsed().as_secs() >= 10);
}

#[tokio::test]
async fn a_client_that_answers_no_pings_is_let_go() {
    let server = TestServer::new().await;
    let session = server.session().await;
    let client = Client::connect(&server, &session, None, false).await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    assert_eq!(client.ended.await.unwrap(), CloseReason::Silent);
    assert_eq!(began.elapsed().as_secs(), 60);
    let wire = client.socket.0.lock().unwrap();
    assert_eq!(
        wire.taken
            .iter()
            .filter(|message| matches!(message, Message::Ping(_)))
            .count(),
        2
    );
}
