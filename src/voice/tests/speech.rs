//! Texts are spoken once, checked where they must be, and never taken for more than they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use greenroom_protocol::ErrorCode;
use greenroom_session::ports::{ModerationPolicy, SpeechRequest};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::scripted::{self, Checker, MP3, Mouth, Scripted, WAV};
use super::{log, refusal, told, voice_turn, wait_for};
use crate::lifecycle::Phase;
use crate::testing::TestServer;

const CALLS: [&str; 4] = ["call.reserved", "call.settled", "error", "asset.ready"];
const SPOKEN: [&str; 3] = ["call.reserved", "call.settled", "asset.ready"];

async fn server_that(mouth: &Arc<Mouth>) -> TestServer {
    let mouth = Arc::clone(mouth);
    TestServer::with_ports(&[], |ports| {
        ports.speaker = mouth;
        ports.transcriber = scripted::hears("루미세럼");
    })
    .await
}

async fn speak(server: &TestServer, session: &str, body: Value) -> (u16, Value) {
    let path = format!("/api/chat/session/{session}/assistant-voice");
    server.ask("POST", &path, Some(body)).await
}

#[tokio::test]
async fn a_text_is_spoken_once_and_measured() {
    let mouth = scripted::speaks();
    let server = server_that(&mouth).await;
    let session = server.session().await;
    let (status, spoken) = speak(
        &server,
        &session,
        json!({ "text": " Launch day. ", "format": "wav" }),
    )
    .await;
    assert_eq!(status, 200, "{spoken}");
    assert_eq!(
        (&spoken["format"], &spoken["bytes_size"]),
        (&json!("wav"), &json!(WAV.len()))
    );
    let samples_ms = (WAV.len() as u64 - 44) / 2 * 1_000 / 16_000;
    let duration_ms = spoken["duration_ms"].as_u64().unwrap();
    assert!(
        duration_ms.abs_diff(samples_ms) <= 1,
        "{duration_ms} is not {samples_ms}"
    );

    assert_eq!(told(&server, &session, &CALLS).await, SPOKEN);
    let again = speak(
        &server,
        &session,
        json!({ "text": "Launch day.", "format": "wav" }),
    )
    .await;
    assert_eq!(again.1, spoken);
    assert_eq!(mouth.calls(), 1);
    assert_eq!(told(&server, &session, &CALLS).await, SPOKEN);

    let asset = log(&server, &session).await.pop().unwrap().1;
    assert_eq!(
        (&asset["kind"], &asset["url"]),
        (&json!("speech"), &spoken["audio_url"])
    );
    assert_eq!(asset["provenance"]["kind"], "model");
    assert_eq!(asset["media_type"], "audio/wav");

    let other_voice = json!({ "text": "Launch day.", "format": "wav", "voice_preset": "calm" });
    let other = speak(&server, &session, other_voice).await;
    assert_ne!(other.1["audio_url"], spoken["audio_url"]);
    let mp3 = speak(&server, &session, json!({ "text": "Launch day." })).await;
    assert_eq!(
        (&mp3.1["format"], &mp3.1["bytes_size"]),
        (&json!("mp3"), &json!(MP3.len()))
    );
    assert_eq!(mouth.calls(), 3);
}

#[tokio::test]
async fn what_the_playbook_says_is_shared_and_what_a_session_says_is_not() {
    let mouth = scripted::speaks();
    let server = server_that(&mouth).await;
    let (one, other) = (server.session().await, server.session().await);
    let phrases = "Got it. What else can I help you with?";
    let url = async |session: &str, text: &str| {
        let (status, spoken) = speak(&server, session, json!({ "text": text })).await;
        assert_eq!(status, 200, "{spoken}");
        spoken["audio_url"].as_str().unwrap().to_owned()
    };
    let shared = url(&one, phrases).await;
    assert!(shared.contains("phrase-"), "{shared}");
    assert_eq!(url(&other, phrases).await, shared);
    assert_eq!(mouth.calls(), 1);
    let own = url(&one, "Got it. Lumi is yours.").await;
    assert!(!own.contains("phrase-"), "{own}");
    assert_ne!(url(&other, "Got it. Lumi is yours.").await, own);
    assert_eq!(mouth.calls(), 3);
}

#[tokio::test]
async fn equal_requests_at_the_same_time_make_one_call_that_outlives_who_asked() {
    let let_through = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&let_through);
    let mouth = Scripted::new(move |_: SpeechRequest| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(Bytes::from_static(MP3))
        }
    });
    let server = server_that(&mouth).await;
    let session = server.session().await;
    let ask = || speak(&server, &session, json!({ "text": "Launch day." }));
    tokio::select! {
        answer = async { tokio::join!(ask(), ask()) } => panic!("{answer:?}"),
        () = wait_for(&server, &session, "call.reserved") => {}
    }
    let_through.add_permits(1);
    wait_for(&server, &session, "asset.ready").await;
    let spoken = ask().await;
    assert_eq!(spoken.0, 200, "{}", spoken.1);
    assert_eq!(mouth.calls(), 1);
}

#[tokio::test]
async fn what_cannot_be_spoken_is_refused_before_anything_is_spent() {
    let mouth = scripted::speaks();
    let server = server_that(&mouth).await;
    let session = server.session().await;
    let check = async |body: Value, code: &str| {
        let refused = speak(&server, &session, body).await;
        assert_eq!(refusal(&refused), (422, code));
        refused.1["error"]["details"].clone()
    };
    check(json!({ "text": " \n?! " }), "INPUT_BLANK").await;
    check(json!({ "text": "가".repeat(2_001) }), "INPUT_TOO_LONG").await;
    check(json!({ "text": "x", "format": "ogg" }), "INPUT_INVALID").await;
    check(json!({}), "INPUT_INVALID").await;
    let details = check(json!({ "text": "x", "voice_preset": "shrill" }), "INPUT_INVALID").await;
    assert_eq!(details["presets"], json!(["warm", "calm", "bright"]));
    assert_eq!(mouth.calls(), 0);
    let longest = speak(&server, &session, json!({ "text": "가".repeat(2_000) })).await;
    assert_eq!(longest.0, 200);

    let mute = TestServer::new().await;
    let session = mute.session().await;
    let refused = speak(&mute, &session, json!({ "text": "x" })).await;
    assert_eq!(refusal(&refused), (503, "TTS_NOT_CONFIGURED"));
}

#[tokio::test]
async fn speech_that_is_none_is_a_failure_and_is_not_kept() {
    let answers: [&'static [u8]; 3] = [b"<html>welcome to our proxy</html>", b"", WAV];
    for bytes in answers {
        let mouth = Scripted::new(move |_: SpeechRequest| async move { Ok(Bytes::from_static(bytes)) });
        let server = server_that(&mouth).await;
        let session = server.session().await;
        let failed = speak(
            &server,
            &session,
            json!({ "text": "Launch day.", "format": "mp3" }),
        )
        .await;
        assert_eq!(refusal(&failed), (502, "TTS_FAILED"));
        assert_eq!(
            told(&server, &session, &CALLS).await,
            ["call.reserved", "call.settled", "error"]
        );
        speak(
            &server,
            &session,
            json!({ "text": "Launch day.", "format": "mp3" }),
        )
        .await;
        assert_eq!(mouth.calls(), 2, "a failure is not remembered");
    }
}

#[tokio::test]
async fn a_spoken_turn_is_answered_in_the_voice_that_was_named() {
    let mouth = scripted::speaks();
    let server = server_that(&mouth).await;
    let session = server.session().await;
    let parts: [(&str, &[u8]); 2] = [("voice_preset", b"calm"), ("audio", WAV)];
    let (status, turn) = voice_turn(&server, &session, Some("k"), &parts).await;
    assert_eq!(status, 200, "{turn}");
    let url = turn["audio_url"].as_str().unwrap();
    let assets = log(&server, &session).await.into_iter();
    let assets: Vec<Value> = assets
        .filter(|(event_type, _)| event_type == "asset.ready")
        .map(|(_, data)| data)
        .collect();
    assert_eq!(assets.len(), 1);
    assert_eq!(assets[0]["url"], url);
    let (_, again) = voice_turn(&server, &session, Some("k"), &parts).await;
    assert_eq!(again, turn);
    assert_eq!(mouth.calls(), 1);
}

#[tokio::test]
async fn speech_that_fails_leaves_the_text_and_says_so() {
    let server = server_that(&scripted::fails(ErrorCode::TtsTimeout)).await;
    let session = server.session().await;
    let parts: [(&str, &[u8]); 2] = [("audio", WAV), ("voice_preset", b"warm")];
    let (status, turn) = voice_turn(&server, &session, None, &parts).await;
    assert_eq!(status, 200, "{turn}");
    assert!(!turn["next_question"].as_str().unwrap().is_empty());
    assert!(turn.get("audio_url").is_none());
    assert_eq!(turn["audio_error"]["code"], "TTS_TIMEOUT");
    let errors = log(&server, &session).await.into_iter();
    let errors: Vec<Value> = errors
        .filter(|(event_type, _)| event_type == "error")
        .map(|(_, data)| data["code"].clone())
        .collect();
    assert_eq!(errors, ["TTS_TIMEOUT"]);
}

async fn checked_server(checker: &Arc<Checker>, policy: ModerationPolicy, mouth: &Arc<Mouth>) -> TestServer {
    let (checker, mouth) = (Arc::clone(checker), Arc::clone(mouth));
    TestServer::with_ports(&[], |ports| {
        ports.speaker = mouth;
        ports.moderator = checker;
        ports.moderate_input = policy;
    })
    .await
}

#[tokio::test]
async fn a_text_of_the_users_own_is_checked_before_it_is_spoken() {
    let (checker, mouth) = (scripted::flags("poison"), scripted::speaks());
    let server = checked_server(&checker, ModerationPolicy::Required, &mouth).await;
    let session = server.session().await;
    let refused = speak(&server, &session, json!({ "text": "poison them" })).await;
    assert_eq!(refusal(&refused), (422, "SAFETY_INPUT"));
    assert_eq!((checker.calls(), mouth.calls()), (1, 0));
    assert_eq!(
        speak(&server, &session, json!({ "text": "greet them" })).await.0,
        200
    );
    assert_eq!((checker.calls(), mouth.calls()), (2, 1));
    assert_eq!(
        speak(&server, &session, json!({ "text": "greet them" })).await.0,
        200
    );
    // Neither what was spoken before, nor what the session or its playbook said.
    let phrase = "What else can I help you with?";
    assert_eq!(speak(&server, &session, json!({ "text": phrase })).await.0, 200);
    let events = log(&server, &session).await;
    let greeting = events.iter().find(|(found, _)| found == "message.added");
    let greeting = greeting.unwrap().1["text"].clone();
    assert_eq!(speak(&server, &session, json!({ "text": greeting })).await.0, 200);
    assert_eq!(checker.calls(), 2);
}

#[tokio::test]
async fn while_nobody_can_check_the_policy_decides() {
    let check = async |policy, expected: (u16, &str)| {
        let (checker, mouth) = (scripted::fails(ErrorCode::SafetyUnavailable), scripted::speaks());
        let server = checked_server(&checker, policy, &mouth).await;
        let session = server.session().await;
        let answer = speak(&server, &session, json!({ "text": "greet them" })).await;
        assert_eq!(refusal(&answer), expected, "{policy:?}");
        assert_eq!(mouth.calls(), u32::from(expected.0 == 200));
        told(&server, &session, &["call.settled", "error"]).await
    };
    let required = check(ModerationPolicy::Required, (503, "SAFETY_UNAVAILABLE")).await;
    assert_eq!(required, ["call.settled", "error"]);
    let best_effort = check(ModerationPolicy::BestEffort, (200, "")).await;
    assert_eq!(best_effort, ["call.settled", "call.settled"]);
    let off = check(ModerationPolicy::Off, (200, "")).await;
    assert_eq!(off, ["call.settled"]);
}

#[tokio::test]
async fn a_server_that_closes_does_not_wait_for_speech() {
    let mouth = Scripted::new(|_: SpeechRequest| std::future::pending());
    let server = server_that(&mouth).await;
    let session = server.session().await;
    let (refused, ()) = tokio::join!(
        speak(&server, &session, json!({ "text": "Launch day." })),
        async {
            wait_for(&server, &session, "call.reserved").await;
            server.app.lifecycle.advance(Phase::Closing);
        }
    );
    assert_eq!(refusal(&refused), (503, "SYS_DRAINING"));
}

#[tokio::test]
async fn a_server_that_drains_speaks_what_it_began_to_speak() {
    let let_through = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&let_through);
    let mouth = Scripted::new(move |_: SpeechRequest| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(Bytes::from_static(MP3))
        }
    });
    let server = server_that(&mouth).await;
    let session = server.session().await;
    let (spoken, refused) = tokio::join!(
        speak(&server, &session, json!({ "text": "Launch day." })),
        async {
            wait_for(&server, &session, "call.reserved").await;
            server.drain();
            let refused = speak(&server, &session, json!({ "text": "Another day." })).await;
            let_through.add_permits(1);
            refused
        }
    );
    assert_eq!(refusal(&refused), (503, "SYS_DRAINING"));
    assert_eq!(spoken.0, 200, "{}", spoken.1);
    assert_eq!(told(&server, &session, &CALLS).await, SPOKEN);
}

#[tokio::test]
async fn a_voice_that_panics_costs_its_call_and_the_next_text_is_spoken() {
    let fails_first = AtomicBool::new(true);
    let mouth = Scripted::new(move |_: SpeechRequest| {
        let fails = fails_first.swap(false, Ordering::Relaxed);
        async move {
            assert!(!fails, "as the test wants it");
            Ok(Bytes::from_static(MP3))
        }
    });
    let server = server_that(&mouth).await;
    let session = server.session().await;
    let say = || speak(&server, &session, json!({ "text": "Launch day." }));
    assert_eq!(refusal(&say().await), (500, "SYS_INTERNAL"));
    assert_eq!(told(&server, &session, &CALLS).await, CALLS[..3]);
    assert_eq!(say().await.0, 200);
}
