//! What goes wrong on purpose with transcription in real time.

use loadtest::provider::{BillOutcome, BilledCall};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;

use crate::caller::{Caller, Came, connect, kinds, recording, told};
use crate::world::Simulator;

/// A session whose next utterance has a fault.
async fn faulty(fault: Value) -> (Simulator, Caller) {
    let simulator = Simulator::fast().await;
    let rule = json!({ "match": { "api": "realtime", "purpose": "transcription" }, "fault": fault });
    simulator.faults(json!([rule])).await;
    let caller = Caller::with_model(&simulator, "sim-live-transcribe").await;
    (simulator, caller)
}

/// Says an utterance and commits it; the connection may have ended meanwhile.
async fn utter(caller: &mut Caller) -> &'static str {
    let (samples, text) = recording("brief-05-price");
    caller.say(&samples).await;
    caller.commit("call_1").await;
    text
}

/// Everything until no more events come.
async fn until_the_end(caller: &mut Caller) -> (Vec<Value>, Came) {
    let mut events = Vec::new();
    loop {
        match caller.came().await {
            Came::Event(event) => events.push(event),
            end => return (events, end),
        }
    }
}

fn check_faulted(call: &BilledCall, fault: &str) {
    assert_eq!(
        (call.outcome, call.fault.as_deref()),
        (Some(BillOutcome::Faulted), Some(fault))
    );
    assert_eq!(call.call_id.as_deref(), Some("call_1"));
}

#[tokio::test]
async fn the_upgrade_fails_with_a_status_or_without_an_answer() {
    let simulator = Simulator::fast().await;
    let rules = json!([
        { "match": { "api": "realtime" }, "fault": { "kind": "status", "code": 429, "retry_after": 7 } },
        { "match": { "purpose": "connection" }, "fault": { "kind": "disconnect_before_headers" } },
    ]);
    simulator.faults(rules).await;
    let refused = connect(&simulator, "?intent=transcription", &[])
        .await
        .unwrap_err();
    let tungstenite::Error::Http(response) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    let body: Value = serde_json::from_slice(response.body().as_ref().unwrap()).unwrap();
    assert_eq!(body["error"]["code"], "rate_limit_exceeded");
    let dropped = connect(&simulator, "?intent=transcription", &[])
        .await
        .unwrap_err();
    assert!(!matches!(dropped, tungstenite::Error::Http(_)), "{dropped:?}");
    let mut caller = Caller::with_model(&simulator, "sim-live-transcribe").await;
    let text = utter(&mut caller).await;
    assert_eq!(caller.item().await.last().unwrap()["transcript"], text);
    assert_eq!(simulator.bill().await.calls.len(), 1, "a connection is no call");
    simulator.stop().await;
}

#[tokio::test]
async fn a_transcription_that_fails_leaves_the_session_open() {
    let (simulator, mut caller) = faulty(json!({ "kind": "fail_transcription" })).await;
    let text = utter(&mut caller).await;
    let events = caller.item().await;
    let failed = events.last().unwrap();
    assert_eq!(
        failed["type"],
        "conversation.item.input_audio_transcription.failed"
    );
    assert_eq!(
        failed["error"],
        json!({
            "type": "transcription_error", "code": "audio_unintelligible", "param": null,
            "message": "The audio could not be transcribed.",
        })
    );
    check_faulted(&simulator.last_call().await, "fail_transcription");
    utter(&mut caller).await;
    assert_eq!(caller.item().await.last().unwrap()["transcript"], text);
    simulator.stop().await;
}

#[tokio::test]
async fn a_hang_after_the_commit_tells_nothing_more() {
    let (simulator, mut caller) = faulty(json!({ "kind": "hang" })).await;
    let (samples, _) = recording("wait-stop");
    caller.say(&samples).await;
    // What the first words were is told; of the commit nothing is.
    caller.commit("call_1").await;
    caller.send(json!({ "type": "input_audio_buffer.clear" })).await;
    caller.stream.close(None).await.unwrap();
    let (events, _) = until_the_end(&mut caller).await;
    assert!(kinds(&events).iter().all(|kind| *kind == "delta"), "{events:?}");
    check_faulted(&simulator.last_call().await, "hang");
    simulator.stop().await;
}

#[tokio::test]
async fn a_hang_amid_the_words_tells_nothing_more() {
    let (simulator, mut caller) = faulty(json!({ "kind": "hang", "after_chars": 5 })).await;
    utter(&mut caller).await;
    caller.stream.close(None).await.unwrap();
    let (events, _) = until_the_end(&mut caller).await;
    assert_eq!(told(&events), "It");
    check_faulted(&simulator.last_call().await, "hang");
    simulator.stop().await;
}

#[tokio::test]
async fn a_cut_breaks_the_connection() {
    let (simulator, mut caller) = faulty(json!({ "kind": "cut", "after_chars": 12 })).await;
    utter(&mut caller).await;
    let (events, end) = until_the_end(&mut caller).await;
    assert_eq!((told(&events).as_str(), end), ("It costs", Came::Broken));
    simulator.stop().await;
}

#[tokio::test]
async fn what_is_malformed_ends_as_if_nothing_were_wrong() {
    let (simulator, mut caller) = faulty(json!({ "kind": "malformed", "after_chars": 1_000 })).await;
    utter(&mut caller).await;
    let whole = caller.item().await;
    assert_eq!(
        whole.last().unwrap()["transcript"],
        "It costs $25.",
        "nothing is so long"
    );
    let rule = json!({ "fault": { "kind": "malformed" } });
    simulator.faults(json!([rule])).await;
    let (samples, _) = recording("uh-huh");
    caller.say(&samples).await;
    caller.commit("call_1").await;
    let (events, garbage) = until_the_end(&mut caller).await;
    assert_eq!(kinds(&events).last(), Some(&"conversation.item.done"));
    assert!(
        matches!(&garbage, Came::Garbage(text) if text.starts_with('{')),
        "{garbage:?}"
    );
    assert_eq!(caller.came().await, Came::Closed(1_000, String::new()));
    check_faulted(&simulator.last_call().await, "malformed");
    simulator.stop().await;
}

#[tokio::test]
async fn the_connection_ends_amid_an_utterance() {
    for (fault, expected) in [
        (json!({ "kind": "close", "after_ms": 1_500 }), Came::Broken),
        (
            json!({ "kind": "close", "after_ms": 1_500, "code": 1_011 }),
            Came::Closed(1_011, "closed by a fault".to_owned()),
        ),
    ] {
        let (simulator, mut caller) = faulty(fault).await;
        let (samples, text) = recording("brief-05-price");
        caller.say(&samples[..1_600 * 24]).await;
        let (events, end) = until_the_end(&mut caller).await;
        assert!(
            text.starts_with(&told(&events)) && !told(&events).is_empty(),
            "{events:?}"
        );
        assert_eq!(end, expected);
        assert_eq!(simulator.bill().await.totals.calls, 0, "nothing was committed");
        simulator.stop().await;
    }
}

#[tokio::test]
async fn what_is_slow_or_misheard_still_comes() {
    let (simulator, mut caller) = faulty(json!({ "kind": "slow", "first_token_ms": 150 })).await;
    let text = utter(&mut caller).await;
    assert_eq!(caller.item().await.last().unwrap()["transcript"], text);
    let call = simulator.last_call().await;
    assert_eq!(
        (call.outcome, call.fault.as_deref()),
        (Some(BillOutcome::Completed), Some("slow"))
    );
    simulator
        .faults(json!([{ "fault": { "kind": "mishear" } }]))
        .await;
    utter(&mut caller).await;
    let events = caller.item().await;
    assert_eq!(told(&events), "これは誰も言っていない言葉です。");
    assert_eq!(events.last().unwrap()["transcript"], told(&events));
    simulator.stop().await;
}
