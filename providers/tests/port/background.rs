//! Replies that are begun in the background, taken up again, lost, and abandoned.

use std::time::Duration;

use futures_util::StreamExt as _;
use greenroom_protocol::ErrorCode;
use greenroom_providers::{ApiStyle, BackgroundMode, CircuitLimits, CircuitPhase, OpenAi, OpenAiConfig};
use greenroom_session::ports::{
    Background, CallFailure, CallReceipt, LanguageModel as _, ModelEvent, ModelRequest,
};
use greenroom_session::{CallCost, Usage};
use serde_json::{Value, json};

use crate::scripted_server::{
    Exchange, KEY, ScriptedServer, WORDS, call_id, collect, failure, provider, request,
};

type Events = Vec<Result<ModelEvent, CallFailure>>;

const SEARCH: &str = include_str!("../../fixtures/responses_search.sse");
const RESPONSE: &str = "resp_68af4030baa48193b0b43b4c2a176a1a0e6967589f080e77";
/// What OpenAI answers when the stream is asked for too late.
const TOO_OLD: &str = r#"{"error":{"message":"This response can no longer be streamed because it is more than 5 minutes old","type":"invalid_request_error","param":"stream","code":null}}"#;
const UNKNOWN: &str =
    r#"{"error":{"message":"Response not found.","type":"invalid_request_error","param":null,"code":null}}"#;

fn model(server: &ScriptedServer, background: BackgroundMode) -> OpenAi {
    provider(OpenAiConfig {
        api: ApiStyle::Responses,
        background,
        ..server.config()
    })
}

fn allowed() -> ModelRequest {
    ModelRequest {
        background: Background::Allowed,
        search: true,
        ..request()
    }
}

fn taken_up() -> ModelRequest {
    ModelRequest {
        background: Background::TakenUp {
            response_id: RESPONSE.to_owned(),
        },
        ..allowed()
    }
}

fn text(events: &Events) -> String {
    let texts = events.iter().filter_map(|event| match event {
        Ok(ModelEvent::Text(text)) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn receipt(events: &Events) -> &CallReceipt {
    match events.last() {
        Some(Ok(ModelEvent::Completed(receipt))) => receipt,
        other => panic!("not completed: {other:?}"),
    }
}

fn lost(events: &Events) -> &str {
    match events.last() {
        Some(Ok(ModelEvent::Lost { reason })) => reason,
        other => panic!("not lost: {other:?}"),
    }
}

/// The whole response, as its last event has it.
fn document() -> Value {
    let last = SEARCH.lines().rev().find_map(|line| line.strip_prefix("data: "));
    let event: Value = serde_json::from_str(last.unwrap()).unwrap();
    event["response"].clone()
}

/// What comes of taking the response up at a server that does this.
async fn take_up(script: impl AsyncFnOnce(&ScriptedServer)) -> Events {
    let server = ScriptedServer::start();
    let model = model(&server, BackgroundMode::On);
    let (events, ()) = tokio::join!(collect(&model, taken_up()), script(&server));
    assert_eq!(
        model.status().circuit.phase,
        CircuitPhase::Closed,
        "that is no fault of the provider's"
    );
    events
}

async fn answer(server: &ScriptedServer, status: &str, body: &str) {
    server
        .next()
        .await
        .answer(status, "content-type: application/json\r\n", body)
        .await;
}

#[tokio::test]
async fn what_may_be_is_begun_in_the_background_and_says_which_response_it_is() {
    let server = ScriptedServer::start();
    let model = model(&server, BackgroundMode::On);
    assert!(model.can_take_up());
    let (events, exchange) = tokio::join!(collect(&model, allowed()), async {
        let mut exchange = server.next().await;
        exchange.stream(SEARCH).await;
        exchange
    });
    assert_eq!(exchange.json()["background"], true);
    assert_eq!(exchange.json()["store"], true, "OpenAI wants it");
    let begun = ModelEvent::Begun {
        response_id: RESPONSE.to_owned(),
    };
    assert_eq!(events.first(), Some(&Ok(begun)));
    receipt(&events);
}

#[tokio::test]
async fn nothing_else_is_left_with_the_provider() {
    let server = ScriptedServer::start();
    for (mode, request) in [
        (BackgroundMode::Off, allowed()),
        (BackgroundMode::Auto, allowed()),
        (BackgroundMode::On, request()),
    ] {
        let model = model(&server, mode);
        assert_eq!(model.can_take_up(), mode == BackgroundMode::On, "{mode:?}");
        let (events, exchange) = tokio::join!(collect(&model, request), async {
            let mut exchange = server.next().await;
            exchange.stream(SEARCH).await;
            exchange
        });
        assert_eq!(exchange.json().get("background"), None, "{mode:?}");
        assert_eq!(exchange.json()["store"], false, "{mode:?}");
        assert!(
            matches!(events.first(), Some(Ok(ModelEvent::Source(_)))),
            "{events:?}"
        );
    }
}

#[tokio::test]
async fn what_was_begun_is_told_from_its_first_event_and_nothing_is_asked_for_anew() {
    let server = ScriptedServer::start();
    let model = model(&server, BackgroundMode::On);
    let (events, exchange) = tokio::join!(collect(&model, taken_up()), async {
        let mut exchange = server.next().await;
        exchange.stream(SEARCH).await;
        exchange
    });
    let asked = format!(
        "get /v1/responses/{RESPONSE}?stream=true&include%5b%5d=web_search_call.action.sources\
         &include%5b%5d=web_search_call.results http/1.1"
    );
    assert!(exchange.head.starts_with(&asked), "{}", exchange.head);
    assert!(exchange.head.contains(&format!("authorization: bearer {KEY}")));
    assert!(
        exchange
            .head
            .contains(&format!("x-client-request-id: {}", call_id()).to_lowercase())
    );
    assert_eq!(exchange.body, b"");
    assert_eq!(text(&events), "{\"signal\":\"저자극 스킨케어 수요 증가 📈\"}");
    let receipt = receipt(&events);
    assert_eq!(receipt.response_id.as_deref(), Some(RESPONSE));
    assert_eq!(receipt.cost, CallCost::Known(500 + 1_250 + 500 + 10_000));
    assert!(!server.has_visitor());
}

#[tokio::test]
async fn what_can_no_longer_be_streamed_is_looked_at_until_it_has_ended() {
    let streamed = take_up(async |server| server.next().await.stream(SEARCH).await).await;
    let looked = take_up(async |server| {
        answer(server, "400 Bad Request", TOO_OLD).await;
        let under_way = json!({ "id": RESPONSE, "status": "in_progress", "output": [], "error": null });
        let mut exchange = server.next().await;
        assert!(
            exchange
                .head
                .starts_with(&format!("get /v1/responses/{RESPONSE}?include"))
        );
        assert!(!exchange.head.contains("stream=true"), "{}", exchange.head);
        exchange
            .answer(
                "200 OK",
                "content-type: application/json\r\n",
                under_way.to_string(),
            )
            .await;
        // Until it has read that, and waits.
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
        }
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(2)).await;
        tokio::time::resume();
        answer(server, "200 OK", &document().to_string()).await;
    })
    .await;
    assert_eq!(text(&looked), text(&streamed));
    let without_request_id = |events: &Events| CallReceipt {
        request_id: None,
        ..receipt(events).clone()
    };
    assert_eq!(without_request_id(&looked), without_request_id(&streamed));
    let sources = |events: &Events| -> Vec<String> {
        let sources = events.iter().filter_map(|event| match event {
            Ok(ModelEvent::Source(source)) => Some(source.url.clone()),
            _ => None,
        });
        sources.collect()
    };
    assert_eq!(sources(&looked), sources(&streamed));
    let place = |events: &Events, is: fn(&ModelEvent) -> bool| {
        events
            .iter()
            .position(|event| event.as_ref().is_ok_and(is))
            .unwrap()
    };
    assert!(
        place(&looked, |event| matches!(event, ModelEvent::Source(_)))
            < place(&looked, |event| matches!(event, ModelEvent::Text(_))),
        "what was found is known before what rests on it"
    );
}

#[tokio::test]
async fn what_the_provider_does_not_know_or_could_not_finish_is_lost() {
    let failed = json!({
        "type": "response.failed",
        "response": { "id": RESPONSE, "status": "failed", "error": { "code": "server_error", "message": WORDS } },
    });
    let begun = SEARCH.split_inclusive("\n\n").take(12).collect::<String>();
    let documents = |status: &str| {
        json!({ "id": RESPONSE, "status": status, "output": [], "error": null, "usage": null }).to_string()
    };
    let unknown = "the provider does not have the response any more";

    let events = take_up(async |server| answer(server, "404 Not Found", UNKNOWN).await).await;
    assert_eq!((lost(&events), events.len()), (unknown, 1));

    let stream = format!("{begun}data: {failed}\n\n");
    let events = take_up(async |server| server.next().await.stream(&stream).await).await;
    assert_eq!(lost(&events), "what was taken up had failed (server_error)");

    let events = take_up(async |server| server.next().await.stream(&begun).await).await;
    assert_eq!(lost(&events), "what was taken up ended without a reply");

    for status in ["cancelled", "failed", "expired"] {
        let events = take_up(async |server| {
            answer(server, "400 Bad Request", TOO_OLD).await;
            answer(server, "200 OK", &documents(status)).await;
        })
        .await;
        assert_eq!(lost(&events), "what was taken up had failed", "{status}");
    }

    for status in ["400 Bad Request", "404 Not Found"] {
        let events = take_up(async |server| {
            answer(server, "400 Bad Request", TOO_OLD).await;
            answer(server, status, UNKNOWN).await;
        })
        .await;
        assert_eq!((lost(&events), events.len()), (unknown, 1), "{status}");
    }
}

#[tokio::test]
async fn a_provider_that_cannot_say_fails_the_call_and_nobody_knows_what_it_cost() {
    for (status, retryable) in [
        ("401 Unauthorized", false),
        ("429 Too Many Requests", true),
        ("503 Service Unavailable", true),
    ] {
        let server = ScriptedServer::start();
        let model = model(&server, BackgroundMode::On);
        let (failure, ()) = tokio::join!(failure(&model, taken_up()), answer(&server, status, "{}"));
        assert_eq!(
            (failure.code, failure.retryable),
            (ErrorCode::LlmUpstream, retryable),
            "{status}"
        );
        let cost = failure.receipt.unwrap().cost;
        assert_eq!(cost, CallCost::Unknown, "{status}: it was paid for before");
    }
}

#[tokio::test]
async fn while_calls_are_suspended_nothing_is_taken_up_for_free() {
    let server = ScriptedServer::start();
    let mut config = server.config();
    config.api = ApiStyle::Responses;
    config.background = BackgroundMode::On;
    config.endpoint.circuit = CircuitLimits {
        consecutive_failures_max: 1,
        ..CircuitLimits::default()
    };
    let model = provider(config);
    let (_, ()) = tokio::join!(failure(&model, request()), answer(&server, "500 Oops", ""));
    let suspended = failure(&model, taken_up()).await;
    assert_eq!(suspended.code, ErrorCode::LlmCircuitOpen);
    assert_eq!(suspended.receipt.unwrap().cost, CallCost::Unknown);
}

#[tokio::test]
async fn a_reply_that_was_cut_at_its_limit_is_not_lost() {
    let mut response = document();
    response["status"] = "incomplete".into();
    response["incomplete_details"] = json!({ "reason": "max_output_tokens" });
    let events = take_up(async |server| {
        answer(server, "400 Bad Request", TOO_OLD).await;
        answer(server, "200 OK", &response.to_string()).await;
    })
    .await;
    let failure = events.last().unwrap().as_ref().unwrap_err();
    assert_eq!(failure.code, ErrorCode::LlmJsonInvalid);
    let usage = failure.receipt.as_ref().unwrap().usage;
    assert_eq!(usage.map(|usage: Usage| usage.output_tokens), Some(50));
}

#[tokio::test]
async fn what_is_abandoned_is_cancelled_and_what_is_dropped_is_not() {
    let server = ScriptedServer::start();
    let model = model(&server, BackgroundMode::On);
    let (stream, exchange) = tokio::join!(async { model.generate(allowed()).await.unwrap() }, async {
        let mut exchange = server.next().await;
        exchange.begin_stream().await;
        exchange
            .send(SEARCH.split_inclusive("\n\n").next().unwrap())
            .await;
        exchange
    });
    let mut stream = stream;
    assert!(matches!(stream.next().await, Some(Ok(ModelEvent::Begun { .. }))));
    drop(stream);
    exchange.closed_by_client().await;
    assert!(!server.has_visitor());

    model.abandon(call_id(), RESPONSE);
    let mut exchange: Exchange = server.next().await;
    let asked = format!("post /v1/responses/{RESPONSE}/cancel http/1.1");
    assert!(exchange.head.starts_with(&asked), "{}", exchange.head);
    assert!(exchange.head.contains(&format!("authorization: bearer {KEY}")));
    exchange.answer("200 OK", "", "{}").await;
    let mut exchange = server.next().await;
    let deleted = format!("delete /v1/responses/{RESPONSE} http/1.1");
    assert!(exchange.head.starts_with(&deleted), "{}", exchange.head);
    exchange.answer("404 Not Found", "", UNKNOWN).await;

    model.forget(call_id(), RESPONSE);
    let mut exchange = server.next().await;
    assert!(exchange.head.starts_with(&deleted), "{}", exchange.head);
    exchange.answer("500 Oops", "", "").await;
    assert_eq!(model.status().circuit.calls, 0, "neither is a call");
}

#[tokio::test]
async fn the_other_protocol_stores_nothing_that_could_be_done_with() {
    let server = ScriptedServer::start();
    let model = provider(server.config());
    model.abandon(call_id(), RESPONSE);
    model.forget(call_id(), RESPONSE);
    tokio::task::yield_now().await;
    assert!(!server.has_visitor());
}
