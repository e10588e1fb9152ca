//! Calls that are cancelled, and calls that are suspended.

use std::time::Duration;

use greenroom_protocol::{ErrorCode, Millis};
use greenroom_providers::{CircuitLimits, CircuitPhase, EndpointConfig, OpenAi, OpenAiConfig};
use greenroom_session::CallCost;
use greenroom_session::ports::LanguageModel as _;

use crate::scripted_server::{ScriptedServer, call_under_way, collect, failure, provider, request};

const CHAT: &str = include_str!("../../fixtures/chat.sse");

/// A provider that suspends calls after one failure.
fn touchy(server: &ScriptedServer, cool_down: Duration) -> OpenAi {
    let circuit = CircuitLimits {
        consecutive_failures_max: 1,
        cool_down,
        ..CircuitLimits::default()
    };
    let endpoint = EndpointConfig {
        circuit,
        ..server.endpoint("sim-large")
    };
    provider(OpenAiConfig::new(endpoint, "sim-small"))
}

async fn fail_once(model: &OpenAi, server: &ScriptedServer, status: &str, headers: &str) {
    let (failure, ()) = tokio::join!(failure(model, request()), async {
        server.next().await.answer(status, headers, "").await;
    });
    assert_eq!(failure.code, ErrorCode::LlmUpstream);
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let server = ScriptedServer::start();
    let model = provider(server.config());
    let (stream, exchange) = call_under_way(&model, &server).await;
    drop(stream);
    exchange.closed_by_client().await;
    assert_eq!(
        model.status().circuit.calls,
        0,
        "a cancelled call says nothing of the provider"
    );
}

#[tokio::test]
async fn giving_up_before_the_answer_closes_the_connection() {
    let server = ScriptedServer::start();
    let model = provider(server.config());
    let exchange = tokio::select! {
        _ = model.generate(request()) => panic!("nobody answered"),
        exchange = server.next() => exchange,
    };
    exchange.closed_by_client().await;
    assert_eq!(model.status().circuit.calls, 0);
}

#[tokio::test]
async fn an_open_circuit_sends_nothing_and_says_when_to_come_back() {
    let server = ScriptedServer::start();
    let model = touchy(&server, Duration::from_secs(15));
    fail_once(&model, &server, "503 Service Unavailable", "retry-after: 40\r\n").await;
    let suspended = failure(&model, request()).await;
    assert_eq!(
        (suspended.code, suspended.retryable),
        (ErrorCode::LlmCircuitOpen, true)
    );
    let Millis(retry_after_ms) = suspended.retry_after.unwrap();
    assert!((30_000..=40_000).contains(&retry_after_ms), "{retry_after_ms}");
    assert_eq!(suspended.receipt.unwrap().cost, CallCost::Known(0));
    assert!(!server.has_visitor());
    let circuit = model.status().circuit;
    assert_eq!(
        (circuit.phase, circuit.last_error),
        (CircuitPhase::Open, Some(ErrorCode::LlmUpstream))
    );
}

#[tokio::test]
async fn our_own_faults_leave_the_circuit_closed() {
    let server = ScriptedServer::start();
    let model = touchy(&server, Duration::from_secs(15));
    for status in [
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
    ] {
        fail_once(&model, &server, status, "").await;
        let circuit = model.status().circuit;
        assert_eq!(
            (circuit.phase, circuit.last_error),
            (CircuitPhase::Closed, Some(ErrorCode::LlmUpstream)),
            "{status}"
        );
        let (events, ()) = tokio::join!(collect(&model, request()), async {
            server.next().await.stream(CHAT).await;
        });
        assert!(events.last().unwrap().is_ok());
        let circuit = model.status().circuit;
        assert_eq!(circuit.last_error, None, "a success after {status}");
    }
}

#[tokio::test]
async fn a_cancelled_probe_lets_the_next_call_find_out() {
    let server = ScriptedServer::start();
    let model = touchy(&server, Duration::ZERO);
    fail_once(&model, &server, "500 Oops", "").await;
    let (probe, _exchange) = call_under_way(&model, &server).await;
    assert_eq!(
        failure(&model, request()).await.code,
        ErrorCode::LlmCircuitOpen,
        "one probe at a time"
    );
    drop(probe);
    let (events, ()) = tokio::join!(collect(&model, request()), async {
        server.next().await.stream(CHAT).await;
    });
    assert!(events.last().unwrap().is_ok());
    let circuit = model.status().circuit;
    assert_eq!(circuit.phase, CircuitPhase::Closed);
    assert!(circuit.first_token_ms.is_some());
}
