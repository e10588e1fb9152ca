//! Hearing, speaking, moderating and painting over real sockets, and what the bill says of them.

use loadtest::provider::{Api, BillOutcome, ProviderConfig};
use loadtest::voice::utterances::shipped;
use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::world::Simulator;

/// 25 MiB and one byte.
const TOO_MANY_BYTES: usize = 25 * 1024 * 1024 + 1;

async fn transcribe(simulator: &Simulator, file: Vec<u8>) -> (StatusCode, Value) {
    let form = Form::new()
        .text("model", "sim-transcribe")
        .part("file", Part::bytes(file).file_name("recording"));
    let url = format!("{}/v1/audio/transcriptions", simulator.url);
    let answer = simulator
        .http
        .post(url)
        .header("x-client-request-id", "call_heard")
        .multipart(form)
        .send()
        .await
        .unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_recording_that_ships_is_heard_and_billed_by_its_length() {
    let simulator = Simulator::fast().await;
    let utterance = &shipped()[0];
    let (status, answer) = transcribe(&simulator, utterance.flac().to_vec()).await;
    assert_eq!(
        (status, answer["text"].as_str()),
        (StatusCode::OK, Some(utterance.text.as_str()))
    );
    let call = simulator.last_call().await;
    assert_eq!(
        (call.api, call.purpose.as_str()),
        (Api::Transcriptions, "transcription")
    );
    assert_eq!(call.call_id.as_deref(), Some("call_heard"));
    assert!(call.usage.heard_ms > 500 && call.cost_micro_usd > 0, "{call:?}");
    assert_eq!(
        Some(call.usage.output_tokens),
        answer["usage"]["output_tokens"].as_u64()
    );
    simulator.stop().await;
}

#[tokio::test]
async fn what_is_no_recording_is_refused_and_what_is_too_large_is_told_so() {
    let simulator = Simulator::fast().await;
    let (status, answer) = transcribe(&simulator, b"no sound at all".repeat(99)).await;
    assert_eq!(
        (status, &answer["error"]["param"]),
        (StatusCode::BAD_REQUEST, &json!("file"))
    );
    assert_eq!(simulator.last_call().await.outcome, Some(BillOutcome::Rejected));
    let (status, answer) = transcribe(&simulator, vec![0; TOO_MANY_BYTES]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{answer}");
    simulator.stop().await;
}

#[tokio::test]
async fn a_refusal_reaches_whoever_is_still_sending() {
    let simulator = Simulator::start(ProviderConfig {
        require_key: Some("right".to_owned()),
        ..ProviderConfig::default()
    })
    .await;
    let (status, _) = transcribe(&simulator, vec![0; TOO_MANY_BYTES]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    simulator.stop().await;
}

#[tokio::test]
async fn speech_is_billed_by_the_character_and_can_be_cut() {
    let simulator = Simulator::fast().await;
    let request =
        json!({ "model": "sim-tts", "voice": "alloy", "input": "Hello there.", "response_format": "wav" });
    let speech = simulator.post("/v1/audio/speech", &request).await.unwrap();
    assert_eq!(speech.headers()["content-type"], "audio/wav");
    let whole = speech.bytes().await.unwrap();
    assert!(whole.starts_with(b"RIFF"));
    assert_eq!(simulator.last_call().await.usage.spoken_chars, 12);
    simulator
        .faults(json!([{ "match": { "api": "speech" }, "fault": { "kind": "cut", "after_chars": 5_000 } }]))
        .await;
    let cut = simulator.post("/v1/audio/speech", &request).await.unwrap();
    assert!(cut.bytes().await.is_err(), "the speech ends before its end");
    assert_eq!(simulator.last_call().await.outcome, Some(BillOutcome::Faulted));
    simulator.stop().await;
}

#[tokio::test]
async fn a_flag_and_a_failure_of_the_moderator_can_be_asked_for() {
    let simulator = Simulator::fast().await;
    let rules = json!([
        { "match": { "purpose": "moderation" }, "fault": { "kind": "flag", "category": "hate" } },
        { "match": { "purpose": "moderation" }, "fault": { "kind": "malformed" } },
    ]);
    simulator.faults(rules).await;
    let request = json!({ "model": "sim-moderation", "input": "hello" });
    let flagged = simulator.post("/v1/moderations", &request).await.unwrap();
    let flagged: Value = flagged.json().await.unwrap();
    assert_eq!(flagged["results"][0]["categories"]["hate"], true);
    let broken = simulator.post("/v1/moderations", &request).await.unwrap();
    assert_eq!(broken.status(), StatusCode::OK);
    assert!(broken.json::<Value>().await.is_err());
    let plain = simulator.post("/v1/moderations", &request).await.unwrap();
    let plain: Value = plain.json().await.unwrap();
    assert_eq!(plain["results"][0]["flagged"], false);
    simulator.stop().await;
}

#[tokio::test]
async fn images_are_counted() {
    let simulator = Simulator::fast().await;
    let request = json!({ "prompt": "a serum", "output_format": "jpeg" });
    let answer = simulator.post("/v1/images/generations", &request).await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert!(
        answer["data"][0]["b64_json"]
            .as_str()
            .unwrap()
            .starts_with("/9j/")
    );
    assert_eq!(simulator.bill().await.totals.images, 1);
    simulator.stop().await;
}
