//! The whole over real sockets and in real time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use greenroom_protocol::SessionId;
use loadtest::load::{Output, Recordings, VoiceOptions, VoiceReport, serve_floor, voice};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::fake::{Fake, Out, Wrong};
use super::{options, recordings};

#[derive(Default)]
struct World {
    sessions: AtomicU64,
    heard_a_frame: Notify,
}

/// A server on loopback.
async fn serve() -> (String, Arc<World>) {
    let world = Arc::new(World::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/api/chat/session", post(create))
        .route("/api/chat/session/{session}/ws", get(open))
        .with_state(Arc::clone(&world));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, world)
}

async fn create(State(world): State<Arc<World>>) -> Json<Value> {
    let number = world.sessions.fetch_add(1, Ordering::Relaxed);
    let gate = json!({ "ready": false, "missing_required": [], "low_confidence": [], "completeness": 0.0 });
    Json(
        json!({ "session_id": format!("sess_{number:026}"), "state": "CHAT_COLLECTING", "mode": "standard",
        "locale": "en", "brief_slots": { "product": { "name": null } }, "gate": gate, "assistant_message": "Hello" }),
    )
}

async fn open(
    State(world): State<Arc<World>>,
    Path(session): Path<SessionId>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade
        .protocols(["greenroom.v1"])
        .on_upgrade(move |socket| talk(world, session, socket))
}

async fn talk(world: Arc<World>, session: SessionId, mut socket: WebSocket) {
    let began = Instant::now();
    let mut fake = Fake::new(session, recordings(), Wrong::Nothing);
    let mut ticks = interval(Duration::from_millis(5));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            received = socket.recv() => match received {
                Some(Ok(Message::Binary(frame))) => {
                    world.heard_a_frame.notify_one();
                    fake.frame(began.elapsed(), &frame);
                }
                Some(Ok(Message::Text(text))) => fake.text(&text),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
        }
        for out in fake.poll(began.elapsed()) {
            let message = match out {
                Out::Text(text) => Message::text(text),
                Out::Audio(frame) => Message::Binary(frame),
            };
            if socket.send(message).await.is_err() {
                return;
            }
        }
    }
}

fn figures(report: &VoiceReport) -> Value {
    serde_json::to_value(report).unwrap()
}

/// How late things are depends on the machine, so what is not found here is how much; that is tested in virtual time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_talk_are_answered_and_leave() {
    let (url, _) = serve().await;
    let asked = VoiceOptions {
        url,
        sessions: 3,
        duration: Duration::from_secs(7),
        barge_in: 0.5,
        server_pid: Some(std::process::id()),
        lead: Duration::from_secs(5),
        ..options()
    };
    let report = figures(&voice(asked, std::future::pending()).await.unwrap());
    assert_eq!(report["schema"], "greenroom.loadtest.voice/1");
    assert_eq!(report["was_interrupted"], false);
    assert_eq!(report["sessions"]["connected"], 3);
    let counts = &report["counts"];
    assert!(counts["answered"].as_u64().unwrap() >= 3, "{counts}");
    assert_eq!(
        counts["answered"], counts["utterances"],
        "{:#}",
        report["violations"]
    );
    let is_late = |kind: &&String| ["underrun", "too_far_ahead"].contains(&kind.as_str());
    let by_kind = report["violations"]["by_kind"].as_object().unwrap();
    assert_eq!(
        by_kind.keys().filter(|kind| !is_late(kind)).count(),
        0,
        "{:#}",
        report["violations"]
    );
    assert!(report["tester"]["lag_ms"]["count"].as_u64().unwrap() >= 3 * 7 * 50 - 3);
    assert!(report["server"]["cpu_ms_per_session_second"].as_f64().unwrap() >= 0.0);
    assert!(report["server"]["threads"].as_u64().unwrap() > 0);
    let felt = &report["latency_ms"]["felt"];
    assert!(
        felt["count"].as_u64().unwrap() > 0 && felt["p50"].as_f64().unwrap() >= 900.0,
        "{felt}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_test_still_reports() {
    let (url, world) = serve().await;
    let asked = VoiceOptions {
        url,
        duration: Duration::from_hours(1),
        every: Duration::from_millis(500),
        ..options()
    };
    let report = voice(asked, world.heard_a_frame.notified()).await.unwrap();
    assert!(report.is_clean());
    let report = figures(&report);
    assert_eq!(report["was_interrupted"], true);
    assert!(report["sessions"]["measured_s"].as_f64().unwrap() < 3_600.0);
    assert!(report["counts"]["frames_sent"].as_u64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_cannot_come_is_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let asked = VoiceOptions {
        url,
        sessions: 2,
        duration: Duration::from_hours(1),
        ..options()
    };
    let report = voice(asked, std::future::pending()).await.unwrap();
    assert_eq!(report.violation_count(), 2);
    let report = figures(&report);
    assert_eq!(report["violations"]["by_kind"], json!({ "not_connected": 2 }));
    assert_eq!(report["sessions"]["connected"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_floor_reads_what_it_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let floor = tokio::spawn(serve_floor(listener, std::future::pending()));
    let asked = VoiceOptions {
        url,
        sessions: 2,
        duration: Duration::from_secs(1),
        floor: true,
        ..options()
    };
    let report = voice(asked, std::future::pending()).await.unwrap();
    assert!(report.is_clean(), "{report}");
    let report = figures(&report);
    assert!(report["counts"]["frames_sent"].as_u64().unwrap() >= 2 * 49);
    assert_eq!(report["counts"]["frames_received"], 0);
    floor.abort();
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anybody_comes() {
    let refused = [
        VoiceOptions {
            sessions: 0,
            ..options()
        },
        VoiceOptions {
            duration: Duration::ZERO,
            ..options()
        },
        VoiceOptions {
            barge_in: 1.5,
            ..options()
        },
        VoiceOptions {
            every: Duration::ZERO,
            ..options()
        },
        VoiceOptions {
            server_pid: Some(u32::MAX),
            ..options()
        },
    ];
    for asked in refused {
        assert!(
            voice(asked.clone(), std::future::pending()).await.is_err(),
            "{asked:?}"
        );
    }
    assert!("opus@48000".parse::<Output>().is_ok());
    let mut shape = options().input;
    shape.frame = Duration::from_millis(7);
    assert!(Recordings::shipped(shape).is_err());
}
