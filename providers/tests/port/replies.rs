//! Calls that succeed: what is sent, what comes out, what it cost.

use greenroom_providers::{ApiStyle, EndpointConfig, OpenAiConfig};
use greenroom_session::ports::{
    CallFailure, CallReceipt, LanguageModel as _, LlmIdentity, ModelEvent, ModelRequest, ModelSize,
    SearchSource,
};
use greenroom_session::{CallCost, Usage};

use crate::scripted_server::{KEY, ScriptedServer, WORDS, collect, provider, request};

const SEARCH: &str = include_str!("../../fixtures/responses_search.sse");
const CHAT: &str = include_str!("../../fixtures/chat.sse");

fn receipt(events: &[Result<ModelEvent, CallFailure>]) -> CallReceipt {
    match events.last() {
        Some(Ok(ModelEvent::Completed(receipt))) => receipt.clone(),
        other => panic!("not completed: {other:?}"),
    }
}

fn text(events: &[Result<ModelEvent, CallFailure>]) -> String {
    events
        .iter()
        .filter_map(|event| {
            if let Ok(ModelEvent::Text(text)) = event {
                Some(text.as_str())
            } else {
                None
            }
        })
        .collect()
}

#[tokio::test]
async fn a_responses_call_from_request_to_receipt() {
    let server = ScriptedServer::start();
    let model = provider(OpenAiConfig {
        api: ApiStyle::Responses,
        ..server.config()
    });
    let identity = LlmIdentity {
        provider: "scripted".to_owned(),
        model: "sim-large".to_owned(),
        small_model: "sim-small".to_owned(),
        simulated: true,
    };
    assert_eq!(model.identity(), Some(identity));
    assert!(model.can_search());
    let searching = ModelRequest {
        search: true,
        ..request()
    };
    let (events, exchange) = tokio::join!(collect(&model, searching), async {
        let mut exchange = server.next().await;
        exchange.stream(SEARCH).await;
        exchange
    });

    assert!(
        exchange.head.starts_with("post /v1/responses http/1.1"),
        "{}",
        exchange.head
    );
    for header in [
        &format!("authorization: bearer {KEY}"),
        "content-type: application/json",
        "accept: text/event-stream",
        concat!("user-agent: greenroom/", env!("CARGO_PKG_VERSION")),
        "x-client-request-id: call_01arz3ndektsv4rrffq69g5fav",
    ] {
        assert!(exchange.head.contains(header), "{header} in {}", exchange.head);
    }
    assert_eq!(exchange.json()["model"], "sim-large");
    assert_eq!(exchange.json()["input"][0]["content"], WORDS);
    assert_eq!(exchange.json()["tools"][0]["type"], "web_search");

    assert_eq!(text(&events), "{\"signal\":\"저자극 스킨케어 수요 증가 📈\"}");
    let source = SearchSource {
        url: "https://example.org/리포트".to_owned(),
        title: None,
        passage: None,
    };
    assert!(events.contains(&Ok(ModelEvent::Source(source))));
    // 200 tokens read and 1,000 read again, 50 written, one search, at the prices of gpt-4o.
    let cost = CallCost::Known(500 + 1_250 + 500 + 10_000);
    let expected = CallReceipt {
        provider: "scripted".to_owned(),
        model: "gpt-4o-2024-08-06".to_owned(),
        simulated: true,
        response_id: Some("resp_68af4030baa48193b0b43b4c2a176a1a0e6967589f080e77".to_owned()),
        request_id: Some("req_1".to_owned()),
        usage: Some(Usage {
            input_tokens: 1200,
            cached_tokens: 1000,
            output_tokens: 50,
            searches: 1,
            ..Usage::default()
        }),
        cost,
    };
    assert_eq!(receipt(&events), expected);
}

#[tokio::test]
async fn a_chat_call_from_request_to_receipt() {
    let server = ScriptedServer::start();
    let model = provider(OpenAiConfig::new(server.endpoint("big"), "gpt-4o-mini"));
    assert!(!model.can_search());
    assert!(!model.identity().unwrap().simulated);
    let small = ModelRequest {
        size: ModelSize::Small,
        ..request()
    };
    let (events, exchange) = tokio::join!(collect(&model, small), async {
        let mut exchange = server.next().await;
        exchange.stream(CHAT).await;
        exchange
    });

    assert!(
        exchange.head.starts_with("post /v1/chat/completions http/1.1"),
        "{}",
        exchange.head
    );
    assert!(
        exchange
            .head
            .contains("x-client-request-id: call_01arz3ndektsv4rrffq69g5fav")
    );
    assert_eq!(exchange.json()["model"], "gpt-4o-mini");
    assert_eq!(text(&events), "{\"signal\":\"저자극 스킨케어 수요 증가 📈\"}");
    let expected = CallReceipt {
        provider: "scripted".to_owned(),
        model: "gpt-4o-mini-2024-07-18".to_owned(),
        simulated: false,
        response_id: Some("chatcmpl-CdZ0Q".to_owned()),
        request_id: Some("req_1".to_owned()),
        usage: Some(Usage {
            input_tokens: 300,
            cached_tokens: 100,
            output_tokens: 20,
            searches: 0,
            ..Usage::default()
        }),
        // 30 + 7.5 + 12, rounded up.
        cost: CallCost::Known(50),
    };
    assert_eq!(receipt(&events), expected);
}

#[tokio::test]
async fn without_usage_or_price_the_cost_is_unknown() {
    let server = ScriptedServer::start();
    let model = provider(OpenAiConfig::new(server.endpoint("qwen3:8b"), "qwen3:1b"));
    let no_usage = r#"data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#;
    let no_price =
        r#"data: {"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
    for (events, usage) in [(no_usage, None), (no_price, Some((1, 1)))] {
        let (events, ()) = tokio::join!(collect(&model, request()), async {
            server
                .next()
                .await
                .stream(&format!("{events}\n\ndata: [DONE]\n\n"))
                .await;
        });
        let receipt = receipt(&events);
        assert_eq!(receipt.cost, CallCost::Unknown);
        assert_eq!(
            receipt
                .usage
                .map(|usage| (usage.input_tokens, usage.output_tokens)),
            usage
        );
        assert_eq!((receipt.model.as_str(), receipt.simulated), ("qwen3:8b", false));
    }
}

#[tokio::test]
async fn a_local_server_is_called_without_a_key() {
    let server = ScriptedServer::start();
    let endpoint = EndpointConfig {
        api_key: None,
        ..server.endpoint("sim-large")
    };
    let model = provider(OpenAiConfig::new(endpoint, "sim-small"));
    let (events, exchange) = tokio::join!(collect(&model, request()), async {
        let mut exchange = server.next().await;
        exchange.stream(CHAT).await;
        exchange
    });
    receipt(&events);
    assert!(!exchange.head.contains("authorization"), "{}", exchange.head);
}

#[tokio::test]
async fn calls_are_counted_by_outcome_and_timed() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let server = ScriptedServer::start();
    let model = provider(server.config());
    let (_, ()) = tokio::join!(collect(&model, request()), async {
        server.next().await.stream(CHAT).await;
    });
    let (_, ()) = tokio::join!(collect(&model, request()), async {
        server.next().await.answer("500 Oops", "", "").await;
    });
    let (stream, _) = crate::scripted_server::call_under_way(&model, &server).await;
    drop(stream);
    let page = handle.render();
    for outcome in ["completed", "LLM_UPSTREAM", "cancelled"] {
        let line = format!(
            "greenroom_llm_calls_total{{provider=\"scripted\",model=\"sim-large\",outcome=\"{outcome}\"}} 1"
        );
        assert!(page.contains(&line), "{line} in {page}");
    }
    let first_tokens = "greenroom_llm_first_token_seconds_count{provider=\"scripted\",model=\"sim-large\"} 2";
    assert!(page.contains(first_tokens), "{page}");
}
