//! The simulator over real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod caller;
mod kept;
mod media;
mod realtime;
mod realtime_faults;
mod world;

use std::path::Path;
use std::time::{Duration, Instant};

use loadtest::provider::{BillOutcome, ProviderConfig, read_bill};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use world::{Simulator, events, merged};

fn format_of(name: &str) -> Value {
    let schema = json!({ "type": "object", "additionalProperties": false, "required": ["signal", "score"],
        "properties": { "signal": { "type": "string" }, "score": { "type": "number" } } });
    json!({ "format": { "type": "json_schema", "name": name, "strict": true, "schema": schema } })
}

#[tokio::test]
async fn the_same_request_gets_the_same_text_in_every_form() {
    let simulator = Simulator::fast().await;
    let plain: Value = simulator.respond(json!({})).await.unwrap().json().await.unwrap();
    let text = plain["output"][0]["content"][0]["text"].as_str().unwrap();

    let streamed = simulator.respond(json!({ "stream": true })).await.unwrap();
    assert_eq!(
        streamed.headers()["content-type"],
        "text/event-stream; charset=utf-8"
    );
    assert!(streamed.headers().contains_key("x-request-id"));
    assert!(streamed.headers().contains_key("openai-processing-ms"));
    let streamed = events(&streamed.text().await.unwrap());
    let deltas: String = streamed
        .iter()
        .filter_map(|event| event["delta"].as_str())
        .collect();
    assert_eq!(deltas, text);

    let chat = json!({ "model": "sim-large", "messages": [{ "role": "user", "content": "hello" }] });
    let completion: Value = simulator
        .post("/v1/chat/completions", &chat)
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(completion["choices"][0]["message"]["content"], text);

    let chat = merged(
        chat,
        json!({ "stream": true, "stream_options": { "include_usage": true } }),
    );
    let chunks = simulator
        .post("/v1/chat/completions", &chat)
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(chunks.ends_with("data: [DONE]\n\n"));
    let chunks = events(&chunks);
    let deltas: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(deltas, text);
    let usage = &chunks.last().unwrap()["usage"];
    assert_eq!(usage["completion_tokens"], plain["usage"]["output_tokens"]);
    assert_eq!(usage, &completion["usage"]);
    simulator.stop().await;
}

#[tokio::test]
async fn requests_are_refused_in_openais_words() {
    let config = ProviderConfig {
        require_key: Some("right".to_owned()),
        ..ProviderConfig::default()
    };
    let simulator = Simulator::start(config).await;
    let refused = simulator.respond(json!({})).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let error: Value = refused.json().await.unwrap();
    assert_eq!(error["error"]["code"], "invalid_api_key");
    assert_eq!(simulator.last_call().await.outcome, Some(BillOutcome::Rejected));
    simulator.stop().await;

    let simulator = Simulator::fast().await;
    let unknown = simulator.respond(json!({ "model": "gpt-5" })).await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    let error: Value = unknown.json().await.unwrap();
    assert_eq!(error["error"]["code"], "model_not_found");
    let huge = simulator
        .respond(json!({ "input": "x".repeat(9 * 1024 * 1024) }))
        .await;
    assert!(huge.is_err() || huge.unwrap().status() == StatusCode::PAYLOAD_TOO_LARGE);
    let nowhere = simulator.post("/v1/nowhere", &json!({})).await.unwrap();
    assert_eq!(nowhere.status(), StatusCode::NOT_FOUND);
    simulator.stop().await;
}

#[tokio::test]
async fn a_status_fault_says_when_to_come_back() {
    let simulator = Simulator::fast().await;
    simulator
        .faults(json!([{ "fault": { "kind": "status", "code": 429, "retry_after": 7 } }]))
        .await;
    let limited = simulator
        .respond(json!({ "metadata": { "call_id": "call_1" } }))
        .await
        .unwrap();
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.headers()["retry-after"], "7");
    let next = simulator.respond(json!({})).await.unwrap();
    assert_eq!(next.status(), StatusCode::OK, "the rule was for one call");
    next.text().await.unwrap();
    let bill = simulator.bill().await;
    assert_eq!(bill.calls[0].call_id.as_deref(), Some("call_1"));
    assert_eq!(
        (bill.calls[0].outcome, bill.calls[0].status),
        (Some(BillOutcome::Faulted), Some(429))
    );
    assert_eq!(bill.calls[1].outcome, Some(BillOutcome::Completed));
    simulator.stop().await;
}

#[tokio::test]
async fn a_cut_breaks_the_connection_in_both_forms() {
    let simulator = Simulator::fast().await;
    let rule = json!([{ "fault": { "kind": "cut", "after_chars": 10 }, "times": 2 }]);
    simulator.faults(rule).await;
    for is_stream in [true, false] {
        let response = simulator.respond(json!({ "stream": is_stream })).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.text().await.is_err(), "the body ends before its end");
        let call = simulator.last_call().await;
        assert_eq!(
            (call.outcome, call.fault.as_deref()),
            (Some(BillOutcome::Faulted), Some("cut"))
        );
    }
    simulator.stop().await;
}

#[tokio::test]
async fn a_disconnect_answers_nothing_at_all() {
    let simulator = Simulator::fast().await;
    simulator
        .faults(json!([{ "fault": { "kind": "disconnect_before_headers" } }]))
        .await;
    let failure = simulator.respond(json!({})).await.unwrap_err();
    assert!(failure.is_request(), "{failure:?}");
    assert_eq!(simulator.last_call().await.outcome, Some(BillOutcome::Faulted));
    simulator.stop().await;
}

#[tokio::test]
async fn a_hang_lasts_until_the_client_gives_up() {
    let simulator = Simulator::fast().await;
    simulator.faults(json!([{ "fault": { "kind": "hang" } }])).await;
    let impatient = Client::builder()
        .no_proxy()
        .timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let request = json!({ "model": "sim-large", "input": "hello" });
    let failure = impatient
        .post(format!("{}/v1/responses", simulator.url))
        .json(&request)
        .send()
        .await
        .unwrap_err();
    assert!(failure.is_timeout());
    let call = simulator.last_call().await;
    assert_eq!(
        (call.outcome, call.fault.as_deref()),
        (Some(BillOutcome::Faulted), Some("hang"))
    );
    simulator.stop().await;
}

#[tokio::test]
async fn a_slow_reply_takes_its_time_and_is_whole() {
    let simulator = Simulator::fast().await;
    simulator
        .faults(json!([{ "fault": { "kind": "slow", "first_token_ms": 150 } }]))
        .await;
    let began = Instant::now();
    let response: Value = simulator.respond(json!({})).await.unwrap().json().await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(150));
    assert_eq!(response["status"], "completed");
    simulator.stop().await;
}

#[tokio::test]
async fn a_breach_breaks_the_schema_and_nothing_else() {
    let simulator = Simulator::fast().await;
    let request = json!({ "text": format_of("research") });
    let text = async |simulator: &Simulator| -> String {
        let response: Value = simulator
            .respond(request.clone())
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(response["status"], "completed");
        response["output"][0]["content"][0]["text"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let whole: Value = serde_json::from_str(&text(&simulator).await).unwrap();
    assert!(whole["signal"].is_string() && whole["score"].is_number());
    for mode in ["missing_field", "not_json", "empty", "wrong_type"] {
        let fault = json!({ "kind": "breach", "mode": mode });
        simulator
            .faults(json!([
                { "match": { "purpose": "planner" }, "fault": { "kind": "hang" } },
                { "match": { "purpose": "research" }, "fault": fault },
            ]))
            .await;
        let breached = text(&simulator).await;
        let parsed: Option<Value> = serde_json::from_str(&breached).ok();
        match (mode, parsed) {
            ("missing_field", Some(document)) => assert!(document.get("score").is_none(), "{document}"),
            ("wrong_type", Some(document)) => assert!(!document["signal"].is_string(), "{document}"),
            ("not_json", None) => assert!(!breached.is_empty()),
            ("empty", None) => assert_eq!(breached, ""),
            (mode, parsed) => panic!("{mode} gave {parsed:?}"),
        }
        assert_eq!(
            serde_json::from_str::<Value>(&text(&simulator).await).unwrap(),
            whole,
            "once, then as before"
        );
    }
    simulator.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_is_billed_for_what_it_was_sent() {
    let config = ProviderConfig {
        tokens_per_second: 20.0,
        first_token: Duration::ZERO,
        ..ProviderConfig::default()
    };
    let simulator = Simulator::start(config).await;
    let mut response = simulator.respond(json!({ "stream": true })).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("output_text.delta") {
        seen.push_str(&String::from_utf8_lossy(
            &response.chunk().await.unwrap().unwrap(),
        ));
    }
    drop(response);
    let call = simulator.last_call().await;
    assert_eq!(call.outcome, Some(BillOutcome::ClientGone));
    assert!(call.usage.output_tokens > 0 && call.usage.input_tokens > 0);
    assert!(call.cost_micro_usd > 0);
    simulator.stop().await;
}

#[tokio::test]
async fn searches_are_shown_cited_and_billed() {
    let simulator = Simulator::fast().await;
    let request =
        json!({ "tools": [{ "type": "web_search" }], "include": ["web_search_call.action.sources"] });
    let response: Value = simulator.respond(request).await.unwrap().json().await.unwrap();
    let urls = |list: &Value| -> Vec<String> {
        list.as_array()
            .unwrap()
            .iter()
            .map(|item| item["url"].as_str().unwrap().to_owned())
            .collect()
    };
    let sources = urls(&response["output"][0]["action"]["sources"]);
    assert_eq!(sources.len(), 5);
    assert!(
        sources.iter().all(|url| url.starts_with("https://example.")),
        "{sources:?}"
    );
    assert_eq!(urls(&response["output"][1]["content"][0]["annotations"]), sources);
    let call = simulator.last_call().await;
    assert_eq!((call.search_urls, call.usage.searches), (sources, 1));
    simulator.stop().await;
}

#[tokio::test]
async fn the_bill_is_in_its_file_and_can_be_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bill.jsonl");
    let config = ProviderConfig {
        speed: 1_000.0,
        bill: Some(path.clone()),
        ..ProviderConfig::default()
    };
    let simulator = Simulator::start(config).await;
    simulator.respond(json!({})).await.unwrap().text().await.unwrap();
    let read = |path: &Path| read_bill(path).unwrap();
    assert_eq!(read(&path), simulator.bill().await.calls);
    assert_eq!(read(&path)[0].outcome, Some(BillOutcome::Completed));
    let reset = simulator.post("/_sim/reset", &json!({})).await.unwrap();
    assert_eq!(reset.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        (read(&path), simulator.bill().await.totals.calls),
        (Vec::new(), 0)
    );
    simulator.stop().await;
}
