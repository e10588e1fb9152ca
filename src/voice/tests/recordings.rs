//! Recordings become turns, and what is none does not.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use greenroom_audio::wav::speech_wav_header;
use greenroom_audio::{DecodeLimits, UPLOAD_BYTES_MAX};
use greenroom_protocol::ErrorCode;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::scripted::{self, Ears, MP3, Scripted, WAV};
use super::{answer, form, form_request, log, refusal, told, voice_turn, wait_for};
use crate::lifecycle::Phase;
use crate::testing::TestServer;

const CALLS: [&str; 3] = ["call.reserved", "call.settled", "turn.started"];

async fn server_that(ears: &Arc<Ears>) -> TestServer {
    let ears = Arc::clone(ears);
    TestServer::with_ports(&[], |ports| ports.transcriber = ears).await
}

#[tokio::test]
async fn a_recording_becomes_a_turn_of_the_words_in_it() {
    let ears = scripted::hears("제품명은 루미세럼");
    let server = server_that(&ears).await;
    let session = server.session().await;
    for audio in [WAV, MP3] {
        let (status, turn) =
            voice_turn(&server, &session, None, &[("audio", audio), ("locale", b"ko")]).await;
        assert_eq!(status, 200, "{turn}");
        assert_eq!(turn["transcript"], "제품명은 루미세럼");
        assert_eq!(turn["brief_slots"]["product"]["name"], "루미세럼");
        assert!(!turn["next_question"].as_str().unwrap().is_empty());
        assert!(turn.get("audio_url").is_none() && turn.get("audio_error").is_none());
    }
    let told = told(&server, &session, &CALLS).await;
    assert_eq!(told, [CALLS, CALLS].concat());
    let events = log(&server, &session).await;
    let data = |event_type: &str| {
        let event = events.iter().find(|(found, _)| found == event_type);
        event.unwrap().1.clone()
    };
    assert_eq!(data("turn.started")["modality"], "voice");
    let reserved = data("call.reserved");
    assert_eq!(reserved["purpose"], "transcribe");
    assert_eq!(reserved["turn_id"], data("turn.started")["turn_id"]);
}

#[tokio::test]
async fn recognition_is_told_the_language_and_the_words_that_the_brief_holds() {
    let (asked, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let ears = Scripted::new(move |request: greenroom_session::ports::TranscriptionRequest| {
        asked.send(request).unwrap();
        async { Err(scripted::failure(ErrorCode::SttFailed)) }
    });
    let server = server_that(&ears).await;
    let session = server.session().await;
    let name = json!({ "message": "제품명은 루미세럼" });
    server
        .ask(
            "POST",
            &format!("/api/chat/session/{session}/message"),
            Some(name),
        )
        .await;
    voice_turn(&server, &session, None, &[("locale", b"en"), ("audio", WAV)]).await;
    let request = heard.recv().await.unwrap();
    assert_eq!(request.language, Some(greenroom_protocol::Locale::En));
    assert_eq!(request.vocabulary, ["루미세럼"]);
    let audio_ms = request.audio.duration().0;
    assert_eq!(request.timeout.0, 30_000 + audio_ms);
    // What recognition is told does not change what the session speaks.
    let (_, view) = server
        .ask("GET", &format!("/api/chat/session/{session}"), None)
        .await;
    assert_eq!(view["locale"], "ko");
}

#[tokio::test]
async fn what_nobody_understands_is_no_turn_and_asks_for_text() {
    for text in ["", " \u{200b} "] {
        let ears = scripted::hears(text);
        let server = server_that(&ears).await;
        let session = server.session().await;
        let (status, turn) = voice_turn(&server, &session, None, &[("audio", WAV)]).await;
        assert_eq!((status, turn["transcript"].as_str()), (200, Some("")), "{turn}");
        let question = turn["next_question"].as_str().unwrap();
        assert!(question.contains("글로"), "{question}");
        assert_eq!(turn["gate"]["ready"], false);
        assert_eq!(
            told(&server, &session, &CALLS).await,
            ["call.reserved", "call.settled"]
        );

        let request = form_request(&session, "voice-turn/stream", None, form(&[("audio", WAV)]));
        let (_, stream) = answer(&server, request).await;
        let stream = String::from_utf8(stream.to_vec()).unwrap();
        let data = stream.strip_prefix("event: notice\ndata: ").unwrap();
        let data: Value = serde_json::from_str(data.trim()).unwrap();
        assert_eq!(data, json!({ "transcript": "", "next_question": question }));
    }
}

#[tokio::test]
async fn a_streamed_recording_is_its_turn_from_beginning_to_end() {
    let server = server_that(&scripted::hears("루미세럼")).await;
    let session = server.session().await;
    let request = form_request(&session, "voice-turn/stream", None, form(&[("audio", WAV)]));
    let (status, stream) = answer(&server, request).await;
    assert_eq!(status, 200);
    let stream = String::from_utf8(stream.to_vec()).unwrap();
    let types: Vec<&str> = stream
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    assert_eq!(
        (types.first(), types.last()),
        (Some(&"turn.started"), Some(&"turn.completed"))
    );
    assert!(stream.contains("루미세럼"));
}

#[tokio::test]
async fn recognition_that_fails_is_told_and_settled_and_the_next_recording_is_heard() {
    for (code, status) in [(ErrorCode::SttFailed, 502), (ErrorCode::SttTimeout, 504)] {
        let server = server_that(&scripted::fails(code)).await;
        let session = server.session().await;
        // More often than calls may be open at once.
        for _ in 0..5 {
            let failed = voice_turn(&server, &session, None, &[("audio", WAV)]).await;
            assert_eq!(refusal(&failed), (status, code.as_str()));
        }
        let types = ["call.reserved", "call.settled", "error", "turn.started"];
        let expected = ["call.reserved", "call.settled", "error"].repeat(5);
        assert_eq!(told(&server, &session, &types).await, expected);
    }
}

#[tokio::test]
async fn a_transcript_that_is_no_message_is_refused_and_its_call_is_settled() {
    let long: &'static str = "가".repeat(3_001).leak();
    let server = server_that(&scripted::hears(long)).await;
    let session = server.session().await;
    let refused = voice_turn(&server, &session, None, &[("audio", WAV)]).await;
    assert_eq!(refusal(&refused), (422, "INPUT_TOO_LONG"));
    assert_eq!(
        told(&server, &session, &CALLS).await,
        ["call.reserved", "call.settled"]
    );
}

#[tokio::test]
async fn a_form_that_is_not_right_is_refused_before_anything_is_spent() {
    let ears = scripted::hears("never heard");
    let server = server_that(&ears).await;
    let session = server.session().await;
    let check = async |parts: &[(&str, &[u8])], field: &str| {
        let refused = voice_turn(&server, &session, None, parts).await;
        assert_eq!(refusal(&refused), (422, "INPUT_INVALID"), "{field}");
        assert_eq!(refused.1["error"]["details"]["field"], field, "{}", refused.1);
        refused.1["error"]["details"].clone()
    };
    check(&[], "audio").await;
    check(&[("locale", b"ko")], "audio").await;
    check(&[("audio", b"")], "audio").await;
    check(&[("audio", WAV), ("audio", WAV)], "audio").await;
    check(&[("audio", WAV), ("file", WAV)], "file").await;
    check(&[("locale", b"fr"), ("audio", WAV)], "locale").await;
    check(&[("locale", b"ko"), ("audio", WAV), ("locale", b"ko")], "locale").await;
    check(&[("audio", WAV), ("voice_preset", &[b'x'; 65])], "voice_preset").await;
    let details = check(&[("audio", WAV), ("voice_preset", b"shrill")], "voice_preset").await;
    assert_eq!(details["presets"], json!(["warm", "calm", "bright"]));

    let whole = form(&[("audio", WAV)]);
    let send = async |content_type: &str, body: Vec<u8>| {
        let mut request = form_request(&session, "voice-turn", None, body);
        request
            .headers_mut()
            .insert("content-type", content_type.parse().unwrap());
        let (status, body) = answer(&server, request).await;
        let answer: Value = serde_json::from_slice(&body).unwrap();
        (status, answer["error"]["code"].as_str().unwrap().to_owned())
    };
    let invalid = (422, "INPUT_INVALID".to_owned());
    let unsupported = (415, "INPUT_UNSUPPORTED_MEDIA".to_owned());
    let multipart = format!("multipart/form-data; boundary={}", super::BOUNDARY);
    assert_eq!(send("multipart/form-data", whole.clone()).await, invalid);
    assert_eq!(send("audio/wav", WAV.to_vec()).await, unsupported);
    assert_eq!(send(&multipart, whole[..whole.len() / 2].to_vec()).await, invalid);
    assert_eq!(send(&multipart, b"no form at all".to_vec()).await, invalid);

    let nobodys = "sess_00000000000000000000000001";
    let foreign = voice_turn(&server, nobodys, None, &[("audio", WAV)]).await;
    assert_eq!(refusal(&foreign), (404, "SESSION_NOT_FOUND"));
    assert_eq!(ears.calls(), 0);
    assert!(told(&server, &session, &CALLS).await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_decoded_is_a_clear_error() {
    let ears = scripted::hears("never heard");
    let server = server_that(&ears).await;
    let session = server.session().await;
    let check = async |audio: &[u8], status: u16, code: &str| {
        let refused = voice_turn(&server, &session, None, &[("audio", audio)]).await;
        assert_eq!(refusal(&refused), (status, code), "{}", refused.1);
        refused.1["error"]["details"].clone()
    };
    let png =
        b"\x89PNG\r\n\x1a\n and so on, long enough to be something, though it is nothing that could be heard";
    let details = check(png, 415, "INPUT_UNSUPPORTED_MEDIA").await;
    assert!(details["formats"].as_array().unwrap().contains(&json!("WAV")));
    check(&WAV[..30], 422, "INPUT_INVALID").await;
    let mut forged = WAV.to_vec();
    forged[24..28].copy_from_slice(&u32::MAX.to_le_bytes());
    check(&forged, 422, "INPUT_INVALID").await;

    let seconds = usize::try_from(DecodeLimits::default().duration_max.as_secs()).unwrap() + 1;
    let pcm_bytes = seconds * 32_000;
    let mut too_long = speech_wav_header(pcm_bytes).to_vec();
    too_long.resize(too_long.len() + pcm_bytes, 0);
    let details = check(&too_long, 413, "INPUT_TOO_LARGE").await;
    assert_eq!(details["seconds_max"], 300);
    let mut too_large = WAV.to_vec();
    too_large.resize(UPLOAD_BYTES_MAX + 1, 0);
    let details = check(&too_large, 413, "INPUT_TOO_LARGE").await;
    assert_eq!(details["bytes_max"], UPLOAD_BYTES_MAX);
    assert_eq!(ears.calls(), 0);
    assert!(told(&server, &session, &CALLS).await.is_empty());
}

#[tokio::test]
async fn the_same_key_is_heard_once_whether_it_comes_again_or_at_the_same_time() {
    let let_through = Arc::new(Semaphore::new(0));
    let ears = scripted::hears_when_let("루미세럼", Arc::clone(&let_through));
    let server = server_that(&ears).await;
    let session = server.session().await;
    let say = || voice_turn(&server, &session, Some("k1"), &[("audio", WAV)]);
    let both = async { tokio::join!(say(), say()) };
    let (both, ()) = tokio::join!(both, async {
        wait_for(&server, &session, "call.reserved").await;
        let_through.add_permits(9);
    });
    let later = say().await;
    assert_eq!(both.0.0, 200, "{}", both.0.1);
    assert_eq!((&both.0, &both.0), (&both.1, &later));
    assert_eq!(ears.calls(), 1);
    assert_eq!(told(&server, &session, &CALLS).await, CALLS);

    let other = voice_turn(&server, &session, Some("k1"), &[("audio", MP3)]).await;
    assert_eq!(refusal(&other), (422, "INPUT_ID_REUSED"));
    assert_eq!(ears.calls(), 1);
}

#[tokio::test]
async fn a_client_that_goes_away_amid_recognition_cancels_nothing() {
    let let_through = Arc::new(Semaphore::new(0));
    let server = server_that(&scripted::hears_when_let("루미세럼", Arc::clone(&let_through))).await;
    let session = server.session().await;
    tokio::select! {
        answer = voice_turn(&server, &session, None, &[("audio", WAV)]) => panic!("{answer:?}"),
        () = wait_for(&server, &session, "call.reserved") => {}
    }
    let_through.add_permits(1);
    wait_for(&server, &session, "turn.completed").await;
    assert_eq!(told(&server, &session, &CALLS).await, CALLS);
}

#[tokio::test]
async fn four_recordings_of_a_session_wait_and_the_fifth_is_told_to_come_later() {
    let let_through = Arc::new(Semaphore::new(0));
    let ears = scripted::hears_when_let("루미세럼", Arc::clone(&let_through));
    let server = server_that(&ears).await;
    let session = server.session().await;
    let say = || voice_turn(&server, &session, None, &[("audio", WAV)]);
    let waiting = async { tokio::join!(say(), say(), say(), say()) };
    let (waiting, ()) = tokio::join!(waiting, async {
        while ears.calls() < 4 {
            tokio::task::yield_now().await;
        }
        let refused = say().await;
        assert_eq!(refusal(&refused), (503, "SYS_OVERLOADED"));
        let_through.add_permits(4);
    });
    for (status, answer) in [waiting.0, waiting.1, waiting.2, waiting.3] {
        assert!(status == 200 && answer["transcript"] == "루미세럼", "{answer}");
    }
}

#[tokio::test]
async fn uploads_have_a_limited_number_of_places() {
    let ears = scripted::hears("루미세럼");
    let limit = [("GREENROOM_LIMITS__UPLOADS", "1")];
    let ports = Arc::clone(&ears);
    let server = TestServer::with_ports(&limit, |replaced| replaced.transcriber = ports).await;
    let session = server.session().await;
    let (begun, is_begun) = tokio::sync::oneshot::channel();
    let first_piece = Bytes::from(form(&[("audio", WAV)])).slice(..100);
    let endless = futures_util::stream::once(async {
        begun.send(()).unwrap();
        Ok::<_, std::io::Error>(first_piece)
    });
    let endless = Body::from_stream(endless.chain(futures_util::stream::pending()));
    let mut stalled = Box::pin(server.send(form_request(&session, "voice-turn", None, endless)));
    tokio::select! {
        response = &mut stalled => panic!("{response:?}"),
        begun = is_begun => begun.unwrap(),
    }
    let refused = voice_turn(&server, &session, None, &[("audio", WAV)]).await;
    assert_eq!(refusal(&refused), (503, "SYS_OVERLOADED"));
    assert_eq!(refused.1["error"]["retry_after"], 5);
    drop(stalled);
    let heard = voice_turn(&server, &session, None, &[("audio", WAV)]).await;
    assert_eq!(heard.0, 200, "{}", heard.1);
}

#[tokio::test]
async fn who_has_no_ears_says_so_and_takes_no_recording() {
    let server = TestServer::new().await;
    let session = server.session().await;
    let refused = voice_turn(&server, &session, None, &[("audio", WAV)]).await;
    assert_eq!(refusal(&refused), (503, "STT_NOT_CONFIGURED"));
}

#[tokio::test]
async fn a_server_that_drains_hears_what_it_began_to_hear_and_begins_nothing() {
    let let_through = Arc::new(Semaphore::new(0));
    let server = server_that(&scripted::hears_when_let("루미세럼", Arc::clone(&let_through))).await;
    let session = server.session().await;
    let (heard, refused) = tokio::join!(voice_turn(&server, &session, None, &[("audio", WAV)]), async {
        wait_for(&server, &session, "call.reserved").await;
        server.drain();
        let refused = voice_turn(&server, &session, None, &[("audio", MP3)]).await;
        let_through.add_permits(1);
        refused
    });
    assert_eq!(refusal(&refused), (503, "SYS_DRAINING"));
    assert_eq!((heard.0, heard.1["transcript"].as_str()), (200, Some("루미세럼")));
    assert_eq!(told(&server, &session, &CALLS).await, CALLS);
}

#[tokio::test]
async fn a_server_that_closes_does_not_wait_for_recognition() {
    let never = Arc::new(Semaphore::new(0));
    let server = server_that(&scripted::hears_when_let("never", never)).await;
    let session = server.session().await;
    let (refused, ()) = tokio::join!(voice_turn(&server, &session, None, &[("audio", WAV)]), async {
        wait_for(&server, &session, "call.reserved").await;
        server.app.lifecycle.advance(Phase::Closing);
    });
    assert_eq!(refusal(&refused), (503, "SYS_DRAINING"));
}

#[tokio::test]
async fn a_recogniser_that_panics_costs_its_call_and_nothing_else() {
    let ears: Arc<Ears> = Scripted::new(|_| async { panic!("as the test wants it") });
    let server = server_that(&ears).await;
    let session = server.session().await;
    let failed = voice_turn(&server, &session, None, &[("audio", WAV)]).await;
    assert_eq!(refusal(&failed), (500, "SYS_INTERNAL"));
    let types = ["call.reserved", "call.settled", "error", "turn.started"];
    assert_eq!(told(&server, &session, &types).await, types[..3]);
    let events = log(&server, &session).await;
    let settled = events.iter().find(|(found, _)| found == "call.settled").unwrap();
    assert_eq!(settled.1["outcome"], "unknown", "nobody knows what it cost");
}
