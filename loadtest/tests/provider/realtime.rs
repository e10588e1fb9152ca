//! Transcription in real time over real sockets: sessions, utterances, and what is refused.

use axum::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use futures_util::{SinkExt as _, StreamExt as _};
use loadtest::provider::{Api, BillOutcome, ProviderConfig};
use reqwest::StatusCode;
use reqwest::header::HeaderName;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::caller::{Caller, Came, append, connect, kinds, recording, silence, told};
use crate::world::Simulator;

/// The event without the ids that the simulator chose.
fn without_ids(mut event: Value) -> Value {
    for name in ["event_id", "item_id", "obfuscation", "previous_item_id"] {
        event.as_object_mut().unwrap().remove(name);
    }
    event
}

#[tokio::test]
async fn words_are_told_while_they_are_said() {
    let simulator = Simulator::fast().await;
    let mut caller = Caller::with_model(&simulator, "sim-live-transcribe").await;
    let (samples, text) = recording("brief-04-features");
    caller.say(&samples).await;
    let mut events = vec![caller.event().await, caller.event().await];
    assert_eq!(kinds(&events), ["delta", "delta"], "before anything is committed");
    caller.commit("call_1").await;
    events.extend(caller.item().await);

    let item_id = events[0]["item_id"].clone();
    let about: Vec<&Value> = events
        .iter()
        .filter(|event| event.get("item_id").is_some())
        .collect();
    assert!(
        about.iter().all(|event| event["item_id"] == item_id),
        "one item all along: {about:?}"
    );
    let kinds = kinds(&events);
    let committed = kinds
        .iter()
        .position(|kind| *kind == "input_audio_buffer.committed")
        .unwrap();
    assert_eq!(
        &kinds[committed..committed + 3],
        [
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done"
        ]
    );
    assert_eq!(events[committed]["previous_item_id"], Value::Null);
    assert_eq!(events[committed + 1]["item"]["id"], item_id);
    assert_eq!(told(&events), text);
    assert_eq!(
        without_ids(events.pop().unwrap()),
        json!({
            "type": "conversation.item.input_audio_transcription.completed", "content_index": 0, "transcript": text,
            "usage": { "type": "duration", "seconds": samples.len().div_ceil(24_000) },
        })
    );
    let call = simulator.last_call().await;
    assert_eq!(
        (call.call_id.as_deref(), call.api),
        (Some("call_1"), Api::Realtime)
    );
    assert_eq!(
        (call.purpose.as_str(), call.model.as_str()),
        ("transcription", "sim-live-transcribe")
    );
    assert_eq!(call.outcome, Some(BillOutcome::Completed));
    assert_eq!(call.usage.heard_ms, samples.len() as u64 / 24);
    assert!(call.cost_micro_usd > 0);
    simulator.stop().await;
}

#[tokio::test]
async fn other_models_tell_nothing_before_the_commit() {
    let simulator = Simulator::fast().await;
    let (samples, text) = recording("brief-05-price");
    for (model, usage) in [
        (
            "sim-transcribe",
            json!({
                "type": "tokens", "input_tokens": 30, "output_tokens": 4, "total_tokens": 34,
                "input_token_details": { "text_tokens": 0, "audio_tokens": 30 },
            }),
        ),
        ("sim-whisper", json!({ "type": "duration", "seconds": 3 })),
    ] {
        let mut caller = Caller::with_model(&simulator, model).await;
        caller.say(&samples).await;
        caller.send(json!({ "type": "nope" })).await;
        assert_eq!(
            caller.event().await["type"],
            "error",
            "the next event, so that none was before it"
        );
        caller.commit("call_2").await;
        let events = caller.item().await;
        assert_eq!(told(&events), text);
        let deltas = kinds(&events).iter().filter(|kind| **kind == "delta").count();
        assert_eq!(deltas == 1, model == "sim-whisper", "{deltas}");
        assert_eq!(events.last().unwrap()["usage"], usage, "{model}");
    }
    simulator.stop().await;
}

#[tokio::test]
async fn one_connection_transcribes_one_utterance_after_the_other() {
    let simulator = Simulator::fast().await;
    let mut caller = Caller::with_model(&simulator, "sim-live-transcribe").await;
    let mut previous = Value::Null;
    for (number, id) in ["wait-stop", "brief-02-name", "uh-huh"].into_iter().enumerate() {
        let (samples, text) = recording(id);
        caller.say(&silence(300)).await;
        caller.say(&samples).await;
        caller.say(&silence(500)).await;
        caller.commit(&format!("call_{number}")).await;
        let events = caller.item().await;
        let committed = events
            .iter()
            .find(|event| event["type"] == "input_audio_buffer.committed")
            .unwrap();
        assert_eq!(committed["previous_item_id"], previous);
        previous = committed["item_id"].clone();
        let completed = events.last().unwrap();
        assert_eq!(
            (completed["transcript"].as_str(), &completed["item_id"]),
            (Some(text), &previous)
        );
    }
    let ids: Vec<_> = simulator
        .bill()
        .await
        .calls
        .into_iter()
        .map(|call| call.call_id)
        .collect();
    assert_eq!(ids, ["call_0", "call_1", "call_2"].map(|id| Some(id.to_owned())));
    simulator.stop().await;
}

#[tokio::test]
async fn what_nobody_said_is_an_empty_transcript_and_costs() {
    let simulator = Simulator::fast().await;
    let mut caller = Caller::with_model(&simulator, "sim-live-transcribe").await;
    caller.say(&silence(1_500)).await;
    caller.commit("call_1").await;
    let events = caller.item().await;
    assert_eq!(told(&events), "");
    let completed = events.last().unwrap();
    assert_eq!(completed["transcript"], "");
    assert_eq!(completed["usage"], json!({ "type": "duration", "seconds": 2 }));
    assert_eq!(simulator.last_call().await.usage.heard_ms, 1_500);
    simulator.stop().await;
}

#[tokio::test]
async fn what_is_cleared_was_never_said() {
    let simulator = Simulator::fast().await;
    let mut caller = Caller::with_model(&simulator, "sim-transcribe").await;
    caller.say(&recording("brief-05-price").0).await;
    caller.send(json!({ "type": "input_audio_buffer.clear" })).await;
    assert_eq!(
        without_ids(caller.event().await),
        json!({ "type": "input_audio_buffer.cleared" })
    );
    let (samples, text) = recording("wait-stop");
    caller.say(&samples).await;
    caller.commit("call_1").await;
    assert_eq!(caller.item().await.last().unwrap()["transcript"], text);
    assert_eq!(
        simulator.bill().await.calls.len(),
        1,
        "what is not committed is no call"
    );
    simulator.stop().await;
}

#[tokio::test]
async fn without_a_model_an_item_is_made_and_not_transcribed() {
    let simulator = Simulator::fast().await;
    let mut caller = Caller::connected(&simulator).await;
    caller.send(append(&silence(200))).await;
    let refused = caller.event().await;
    assert!(
        refused["error"]["message"]
            .as_str()
            .unwrap()
            .contains("turn_detection"),
        "{refused}"
    );
    caller
        .update(json!({ "transcription": null, "turn_detection": null }))
        .await;
    caller.event().await;
    caller.send(append(&silence(200))).await;
    caller.commit("call_1").await;
    let events = [caller.event().await, caller.event().await, caller.event().await];
    assert_eq!(
        kinds(&events),
        [
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done"
        ]
    );
    caller.send(json!({ "type": "nope" })).await;
    assert_eq!(caller.event().await["type"], "error");
    assert_eq!(simulator.bill().await.totals.calls, 0);
    simulator.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_and_the_session_goes_on() {
    let simulator = Simulator::fast().await;
    let mut caller = Caller::with_model(&simulator, "sim-live-transcribe").await;
    caller.commit("commit_10").await;
    assert_eq!(
        without_ids(caller.event().await),
        json!({ "type": "error", "error": {
            "type": "invalid_request_error", "code": "input_audio_buffer_commit_empty", "param": null,
            "message": "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, \
                        but buffer only has 0.00ms of audio.",
            "event_id": "commit_10",
        } })
    );
    caller.say(&silence(50)).await;
    caller.commit("commit_11").await;
    let error = caller.event().await;
    assert_eq!(error["error"]["code"], "input_audio_buffer_commit_empty");
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .ends_with("only has 50.00ms of audio.")
    );

    caller.stream.send(Message::text("not json")).await.unwrap();
    assert_eq!(caller.event().await["error"]["code"], "invalid_json");
    caller.stream.send(Message::binary(vec![0; 64])).await.unwrap();
    assert_eq!(caller.event().await["error"]["code"], "invalid_event");
    for (event, code) in [
        (json!({ "type": "nope" }), "invalid_value"),
        (
            json!({ "type": "input_audio_buffer.append", "audio": "%%%" }),
            "invalid_value",
        ),
        (
            json!({ "type": "input_audio_buffer.append", "audio": "AAAA" }),
            "invalid_value",
        ),
        (
            json!({ "type": "session.update", "session": { "type": "realtime" } }),
            "invalid_parameter",
        ),
    ] {
        caller.send(event).await;
        assert_eq!(caller.event().await["error"]["code"], code);
    }
    let (samples, text) = recording("wait-stop");
    caller.say(&samples).await;
    caller.commit("call_1").await;
    assert_eq!(caller.item().await.last().unwrap()["transcript"], text);
    simulator.stop().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let simulator = Simulator::fast().await;
    let mut caller = Caller::with_model(&simulator, "sim-transcribe").await;
    caller.send(append(&vec![0; 15 * 512 * 1024 + 2])).await;
    let error = caller.event().await;
    assert_eq!(error["error"]["param"], "audio");
    // One that is allowed lasts more than five minutes; twice that is more than the buffer takes.
    for _ in 0..2 {
        caller.send(append(&vec![0; 15 * 512 * 1024])).await;
    }
    caller.send(append(&silence(20))).await;
    assert_eq!(caller.event().await["error"]["code"], "input_audio_buffer_full");
    let huge = "A".repeat(22 * 1024 * 1024);
    // The simulator may close while the message is still on its way.
    let _ = caller.stream.send(Message::text(huge)).await;
    let came = caller.came().await;
    assert!(matches!(came, Came::Closed(1_009, _) | Came::Broken), "{came:?}");
    simulator.stop().await;
}

#[tokio::test]
async fn a_key_is_needed_in_the_header_or_the_subprotocol() {
    let simulator = Simulator::start(ProviderConfig {
        require_key: Some("right".to_owned()),
        ..ProviderConfig::default()
    })
    .await;
    let first = async |headers: &[(HeaderName, &str)]| {
        let (stream, answered) = connect(&simulator, "?intent=transcription", headers)
            .await
            .unwrap();
        let mut caller = Caller { stream };
        let first = caller.event().await;
        (first, caller, answered)
    };
    let (created, _, _) = first(&[(AUTHORIZATION, "Bearer right")]).await;
    assert_eq!(created["type"], "session.created");
    let offered = "realtime, openai-insecure-api-key.right";
    let (created, _, answered) = first(&[(SEC_WEBSOCKET_PROTOCOL, offered)]).await;
    assert_eq!(created["type"], "session.created");
    assert_eq!(answered[SEC_WEBSOCKET_PROTOCOL], "realtime");

    let (refused, mut caller, _) = first(&[(AUTHORIZATION, "Bearer wrong")]).await;
    assert_eq!(refused["error"]["code"], "invalid_api_key");
    assert!(!refused.to_string().contains("wrong"), "{refused}");
    let reason = "invalid_request_error.invalid_api_key".to_owned();
    assert_eq!(caller.came().await, Came::Closed(3_000, reason));
    let (refused, mut caller, _) = first(&[]).await;
    assert_eq!(refused["error"]["code"], Value::Null);
    assert_eq!(
        caller.came().await,
        Came::Closed(3_000, "invalid_request_error".to_owned())
    );
    simulator.stop().await;
}

#[tokio::test]
async fn other_sessions_are_refused() {
    let simulator = Simulator::fast().await;
    for (query, headers, code) in [
        ("", &[][..], "missing_model"),
        ("?model=gpt-realtime", &[], "invalid_model"),
        (
            "?intent=transcription&model=sim-live-transcribe",
            &[],
            "invalid_model",
        ),
        (
            "?intent=transcription",
            &[(HeaderName::from_static("openai-beta"), "realtime=v1")],
            "beta_api_shape_disabled",
        ),
    ] {
        let (stream, _) = connect(&simulator, query, headers).await.unwrap();
        let mut caller = Caller { stream };
        assert_eq!(caller.event().await["error"]["code"], code, "{query}");
        let reason = format!("invalid_request_error.{code}");
        assert_eq!(caller.came().await, Came::Closed(4_000, reason));
    }
    let url = format!("{}/v1/realtime?intent=transcription", simulator.url);
    let plain = simulator.http.get(url).send().await.unwrap();
    assert_eq!(plain.status(), StatusCode::BAD_REQUEST);
    let plain: Value = plain.json().await.unwrap();
    assert_eq!(plain["error"]["type"], "invalid_request_error");
    simulator.stop().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_not_read_either_and_loses_nothing() {
    const EVENTS: usize = 30_000;
    let simulator = Simulator::fast().await;
    let caller = Caller::with_model(&simulator, "sim-transcribe").await;
    let (mut sink, mut stream) = caller.stream.split();
    let sending = tokio::spawn(async move {
        for number in 0..EVENTS {
            let event = json!({ "type": "nope", "event_id": number.to_string() });
            sink.send(Message::text(event.to_string())).await.unwrap();
        }
        sink
    });
    let mut other = Caller::with_model(&simulator, "sim-transcribe").await;
    let (samples, text) = recording("wait-stop");
    other.say(&samples).await;
    other.commit("call_1").await;
    assert_eq!(
        other.item().await.last().unwrap()["transcript"],
        text,
        "others are served meanwhile"
    );
    for number in 0..EVENTS {
        let Some(Ok(Message::Text(text))) = stream.next().await else {
            panic!("{number} errors came")
        };
        let event: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(event["error"]["event_id"], number.to_string());
    }
    drop(sending.await.unwrap());
    simulator.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_pays_only_for_what_it_committed() {
    let simulator = Simulator::start(ProviderConfig {
        first_token: std::time::Duration::from_hours(1),
        ..ProviderConfig::default()
    })
    .await;
    let (samples, _) = recording("brief-05-price");
    let mut leaving = Caller::with_model(&simulator, "sim-live-transcribe").await;
    leaving.say(&samples).await;
    assert_eq!(kinds(&[leaving.event().await]), ["delta"]);
    drop(leaving);
    let mut leaving = Caller::with_model(&simulator, "sim-live-transcribe").await;
    leaving.say(&samples).await;
    leaving.commit("call_1").await;
    while leaving.event().await["type"] != "conversation.item.done" {}
    drop(leaving);
    let bill = simulator.bill().await;
    assert_eq!(bill.calls.len(), 1, "{bill:?}");
    assert_eq!(bill.calls[0].outcome, Some(BillOutcome::ClientGone));
    simulator.stop().await;
}

#[tokio::test]
async fn a_simulator_that_stops_ends_its_sessions() {
    let simulator = Simulator::fast().await;
    let mut caller = Caller::with_model(&simulator, "sim-transcribe").await;
    simulator.stop().await;
    assert_eq!(caller.came().await, Came::Broken);
}
