//! Calls that fail: each fault of a provider, and the class that it is given.

use std::time::Duration;

use futures_util::StreamExt as _;
use greenroom_protocol::{ErrorCode, Millis};
use greenroom_providers::{
    ApiStyle, BuildError, EndpointConfig, OpenAi, OpenAiConfig, PriceTable, Unconfigured,
};
use greenroom_session::CallCost;
use greenroom_session::ports::{CallFailure, LanguageModel, ModelEvent, ModelRequest};
use secrecy::SecretString;
use tokio::time::Instant;

use crate::scripted_server::{
    Exchange, KEY, ScriptedServer, WORDS, assert_waited, call_under_way, chat_text, collect, failure,
    provider, request,
};

/// What a call fails with when the server does this.
async fn fails(script: impl AsyncFnOnce(&mut Exchange)) -> CallFailure {
    let server = ScriptedServer::start();
    let model = provider(server.config());
    let (failure, _exchange) = tokio::join!(failure(&model, request()), async {
        let mut exchange = server.next().await;
        script(&mut exchange).await;
        drop(exchange);
    });
    failure
}

async fn answered(status: &str, headers: &str, body: &str) -> CallFailure {
    fails(async |exchange| exchange.answer(status, headers, body).await).await
}

#[tokio::test]
async fn refused_requests_are_classified_and_cost_nothing() {
    let check = async |status, headers, body, retryable, retry_after: Option<u64>, reason: &str| {
        let failure = answered(status, headers, body).await;
        assert_eq!(failure.code, ErrorCode::LlmUpstream);
        assert_eq!(
            (failure.retryable, failure.retry_after),
            (retryable, retry_after.map(Millis)),
            "{status}"
        );
        assert_eq!(failure.reason, reason);
        assert_eq!(failure.receipt.unwrap().cost, CallCost::Known(0));
    };
    let key = r#"{"error":{"message":"Incorrect API key: hunter2_key","type":"invalid_request_error","code":"invalid_api_key"}}"#;
    let reason = "the provider answered 401 (invalid_request_error, invalid_api_key)";
    check("401 Unauthorized", "", key, false, None, reason).await;
    check(
        "404 Not Found",
        "",
        "<html>",
        false,
        None,
        "the provider answered 404",
    )
    .await;
    let limit = r#"{"error":{"message":"m","type":"tokens","code":"rate_limit_exceeded"}}"#;
    let reason = "the provider answered 429 (tokens, rate_limit_exceeded)";
    check(
        "429 Too Many Requests",
        "retry-after: 7\r\n",
        limit,
        true,
        Some(7_000),
        reason,
    )
    .await;
    check(
        "429 Too Many Requests",
        "retry-after-ms: 40\r\n",
        limit,
        true,
        Some(40),
        reason,
    )
    .await;
    let spent = r#"{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    let reason = "the provider answered 429 (insufficient_quota, insufficient_quota)";
    check("429 Too Many Requests", "", spent, false, None, reason).await;
}

#[tokio::test]
async fn a_broken_server_is_retryable_and_nobody_knows_what_it_charges() {
    let failure = answered("500 Internal Server Error", "x-request-id: req_9\r\n", "boom").await;
    assert_eq!((failure.code, failure.retryable), (ErrorCode::LlmUpstream, true));
    let receipt = failure.receipt.unwrap();
    assert_eq!(
        (receipt.request_id.as_deref(), receipt.cost),
        (Some("req_9"), CallCost::Unknown)
    );
    assert_eq!(
        (receipt.provider.as_str(), receipt.model.as_str()),
        ("scripted", "sim-large")
    );
}

#[tokio::test]
async fn one_call_is_one_request_even_when_the_connection_is_closed_on_it() {
    let server = ScriptedServer::start();
    let model = provider(server.config());
    let (failure, ()) = tokio::join!(failure(&model, request()), async { drop(server.next().await) });
    assert_eq!((failure.code, failure.retryable), (ErrorCode::LlmUpstream, true));
    assert!(
        failure.reason.starts_with("the connection broke: "),
        "{}",
        failure.reason
    );
    assert_eq!(failure.receipt.unwrap().cost, CallCost::Unknown);
    assert!(!server.has_visitor());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let failure = answered("302 Found", "location: http://127.0.0.1:1/elsewhere\r\n", "").await;
    assert_eq!(
        (failure.reason.as_str(), failure.retryable),
        ("the provider answered 302", false)
    );
}

#[tokio::test]
async fn an_answer_that_is_no_stream_is_not_worth_a_retry() {
    let failure = answered("200 OK", "content-type: text/html\r\n", WORDS).await;
    assert_eq!((failure.code, failure.retryable), (ErrorCode::LlmUpstream, false));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_retryable() {
    let server = ScriptedServer::start();
    let model = provider(server.config());
    drop(server);
    let failure = failure(&model, request()).await;
    assert_eq!((failure.code, failure.retryable), (ErrorCode::LlmUpstream, true));
    assert!(
        failure.reason.starts_with("could not connect: "),
        "{}",
        failure.reason
    );
}

#[tokio::test]
async fn a_server_that_hangs_before_its_answer_is_given_up() {
    let check = async |timeout, stall_timeout, waited, reason: &str| {
        let server = ScriptedServer::start();
        let model = provider(server.config());
        let request = ModelRequest {
            timeout,
            stall_timeout,
            ..request()
        };
        let started = Instant::now();
        let (failure, exchange) = tokio::join!(failure(&model, request), async {
            let exchange = server.next().await;
            tokio::time::pause();
            exchange
        });
        assert_waited(started, waited);
        assert_eq!((failure.code, failure.retryable), (ErrorCode::LlmTimeout, true));
        assert_eq!(failure.reason, reason);
        tokio::time::resume();
        exchange.closed_by_client().await;
    };
    let silent = "the provider was silent for 8000 ms";
    check(Millis(60_000), Millis(8_000), Duration::from_secs(8), silent).await;
    let late = "the call took longer than 60000 ms";
    check(Millis(60_000), Millis(u64::MAX), Duration::from_mins(1), late).await;
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_given_up() {
    let server = ScriptedServer::start();
    let model = provider(server.config());
    let (mut stream, exchange) = call_under_way(&model, &server).await;
    tokio::time::pause();
    let silent_since = Instant::now();
    let failure = stream.next().await.unwrap().unwrap_err();
    assert_waited(silent_since, Duration::from_secs(30));
    assert_eq!((failure.code, failure.retryable), (ErrorCode::LlmTimeout, true));
    assert_eq!(failure.reason, "the provider was silent for 30000 ms");
    assert_eq!(failure.receipt.unwrap().request_id.as_deref(), Some("req_1"));
    assert_eq!(stream.next().await, None);
    tokio::time::resume();
    // The stream is still held: its end alone closes the connection.
    exchange.closed_by_client().await;
}

#[tokio::test]
async fn a_stream_that_drips_forever_meets_the_deadline_of_the_call() {
    let server = ScriptedServer::start();
    let model = provider(server.config());
    let (mut stream, mut exchange) = call_under_way(&model, &server).await;
    tokio::time::pause();
    let mut drips = 0;
    let failure = loop {
        tokio::time::advance(Duration::from_secs(20)).await;
        exchange.send(": still here\n\n").await;
        exchange.send(&chat_text("극")).await;
        match stream.next().await.unwrap() {
            Ok(_) => drips += 1,
            Err(failure) => break failure,
        }
    };
    assert_eq!(failure.reason, "the call took longer than 60000 ms");
    assert!((1..=3).contains(&drips), "{drips}");
}

#[tokio::test]
async fn a_stream_cut_in_mid_word_keeps_what_came_and_fails() {
    for politely in [true, false] {
        let server = ScriptedServer::start();
        let model = provider(server.config());
        let (events, ()) = tokio::join!(collect(&model, request()), async {
            let mut exchange = server.next().await;
            exchange.begin_stream().await;
            exchange.send(&chat_text("저자")).await;
            exchange.send("data: {\"choices\":[{\"delta\":{\"cont").await;
            if politely {
                exchange.end_stream().await;
            }
        });
        assert_eq!(events[0], Ok(ModelEvent::Text("저자".to_owned())));
        let failure = events[1].clone().unwrap_err();
        assert_eq!((failure.code, failure.retryable), (ErrorCode::LlmUpstream, true));
        assert_eq!(events.len(), 2);
        let receipt = failure.receipt.unwrap();
        assert_eq!(
            (receipt.response_id.as_deref(), receipt.cost),
            (Some("c1"), CallCost::Unknown)
        );
    }
}

#[tokio::test]
async fn a_malformed_stream_fails() {
    for events in ["data: {\"choices\": 비밀 신제품}\n\n", "data: 비밀 신제품\n\n"] {
        let failure = fails(async |exchange| exchange.stream(events).await).await;
        assert_eq!((failure.code, failure.retryable), (ErrorCode::LlmUpstream, true));
        assert!(failure.reason.contains("malformed"), "{}", failure.reason);
    }
}

#[tokio::test]
async fn a_line_without_end_is_not_read_without_end() {
    let server = ScriptedServer::start();
    let model = provider(server.config());
    let (failure, ()) = tokio::join!(failure(&model, request()), async {
        let mut exchange = server.next().await;
        exchange.begin_stream().await;
        let piece = "x".repeat(16 * 1024);
        for _ in 0..=64 {
            exchange.send(&piece).await;
        }
        exchange.closed_by_client().await;
    });
    assert_eq!((failure.code, failure.retryable), (ErrorCode::LlmUpstream, false));
    assert!(failure.reason.contains("larger than"), "{}", failure.reason);
}

#[tokio::test]
async fn a_reply_without_end_is_not_read_without_end() {
    let server = ScriptedServer::start();
    let model = provider(server.config());
    let (failure, ()) = tokio::join!(failure(&model, request()), async {
        let mut exchange = server.next().await;
        exchange.begin_stream().await;
        let piece = chat_text(&"가".repeat(8 * 1024));
        for _ in 0..11 {
            exchange.send(&piece).await;
        }
        exchange.closed_by_client().await;
    });
    assert_eq!(
        (failure.code, failure.retryable),
        (ErrorCode::LlmJsonInvalid, true)
    );
}

#[tokio::test]
async fn a_failure_keeps_what_the_provider_said_of_its_usage() {
    let cut = r#"data: {"id":"c1","choices":[{"finish_reason":"length"}],"usage":{"prompt_tokens":1000,"completion_tokens":100}}"#;
    let failure = fails(async |exchange| exchange.stream(&format!("{cut}\n\n")).await).await;
    assert_eq!(failure.code, ErrorCode::LlmJsonInvalid);
    let receipt = failure.receipt.unwrap();
    assert_eq!(receipt.usage.unwrap().output_tokens, 100);
    assert_eq!(receipt.cost, CallCost::Known(10 + 4));
}

#[tokio::test]
async fn the_key_is_never_repeated_even_by_a_provider_that_says_it() {
    let server = ScriptedServer::start();
    let model = provider(server.config());
    let body = format!(r#"{{"error":{{"message":"{KEY}","type":"{KEY}","code":"{KEY}"}}}}"#);
    let (refused, ()) = tokio::join!(failure(&model, request()), async {
        server
            .next()
            .await
            .answer("400 Bad Request", &format!("x-request-id: {KEY}\r\n"), &body)
            .await;
    });
    assert!(refused.reason.contains("[redacted]"), "{}", refused.reason);
    let chunk = format!(r#"data: {{"id":"{KEY}","model":"{KEY}","choices":[{{"finish_reason":"stop"}}]}}"#);
    let (completed, ()) = tokio::join!(collect(&model, request()), async {
        server
            .next()
            .await
            .stream(&format!("{chunk}\n\ndata: [DONE]\n\n"))
            .await;
    });
    let config = server.config();
    for shown in [
        format!("{refused:?}"),
        format!("{completed:?}"),
        format!("{model:?}"),
        format!("{config:?}"),
    ] {
        assert!(!shown.contains(KEY), "{shown}");
    }
}

#[tokio::test]
async fn a_placeholder_for_a_key_is_no_secret() {
    let server = ScriptedServer::start();
    let endpoint = EndpointConfig {
        api_key: Some(SecretString::from("mini")),
        ..server.endpoint("sim-large")
    };
    let model = provider(OpenAiConfig::new(endpoint, "sim-small"));
    let (events, ()) = tokio::join!(collect(&model, request()), async {
        server
            .next()
            .await
            .stream(include_str!("../../fixtures/chat.sse"))
            .await;
    });
    let shown = format!("{events:?}");
    assert!(
        shown.contains("gpt-4o-mini-2024-07-18") && !shown.contains("redacted"),
        "{shown}"
    );
}

#[tokio::test]
async fn the_persons_words_are_never_repeated_even_by_a_provider_that_quotes_them() {
    let body = format!(r#"{{"error":{{"message":"bad input: {WORDS}","type":"{WORDS}","code":"{WORDS}"}}}}"#);
    let failure = answered("400 Bad Request", "", &body).await;
    assert!(!format!("{failure:?}").contains("비밀"), "{failure:?}");
}

#[tokio::test]
async fn a_server_without_a_provider_says_so() {
    assert_eq!(LanguageModel::identity(&Unconfigured), None);
    let failure = Unconfigured.generate(request()).await.err().unwrap();
    assert_eq!(
        (failure.code, failure.retryable),
        (ErrorCode::LlmNotConfigured, false)
    );
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused() {
    let check = |config: OpenAiConfig, expected: BuildError| {
        assert_eq!(OpenAi::new(config, PriceTable::built_in()).err(), Some(expected));
    };
    let server = ScriptedServer::start();
    let openai = EndpointConfig::new("openai", "gpt-5");
    check(
        OpenAiConfig::new(openai.clone(), "gpt-5-mini"),
        BuildError::KeyMissing,
    );
    let explicit = EndpointConfig {
        base_url: Some("https://api.openai.com/v1".to_owned()),
        ..openai
    };
    check(OpenAiConfig::new(explicit, "gpt-5-mini"), BuildError::KeyMissing);
    let local = server.config();
    check(
        OpenAiConfig::new(local.endpoint.clone(), " "),
        BuildError::NameMissing,
    );
    for key in ["", "two words", "line\nbreak", "열쇠"] {
        let endpoint = EndpointConfig {
            api_key: Some(SecretString::from(key)),
            ..server.endpoint("sim-large")
        };
        check(OpenAiConfig::new(endpoint, "sim-small"), BuildError::KeyInvalid);
    }
    let status = provider(OpenAiConfig {
        api: ApiStyle::Responses,
        ..local
    })
    .status();
    assert_eq!(
        (status.name.as_str(), status.api, status.simulated),
        ("scripted", "responses", true)
    );
}
