//! Streams in the form that OpenAI documents, whole, in pieces and broken.

use std::sync::Arc;

use greenroom_protocol::{CallId, Millis};
use greenroom_session::ports::{
    Background, ModelEvent, ModelSize, OutputSchema, PromptMessage, SearchSource,
};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::failure::Failing;
use crate::reply::replay;

const SEARCH: &str = include_str!("../../fixtures/responses_search.sse");
const REFUSAL: &str = include_str!("../../fixtures/responses_refusal.sse");

fn read(stream: &str) -> (Reply, Vec<ModelEvent>) {
    replay(ResponsesReader::default(), &[stream.as_bytes()])
}

fn events(values: &[Value]) -> String {
    values.iter().fold(String::new(), |stream, value| {
        stream + &format!("data: {value}\n\n")
    })
}

fn fault(stream: &str) -> Fault {
    read(stream).0.outcome().unwrap().clone().unwrap_err()
}

fn source(url: &str, title: Option<&str>) -> ModelEvent {
    ModelEvent::Source(SearchSource {
        url: url.to_owned(),
        title: title.map(str::to_owned),
        passage: None,
    })
}

#[test]
fn a_searching_reply_yields_sources_text_and_usage() {
    let (reply, events) = read(SEARCH);
    let text = |text: &str| ModelEvent::Text(text.to_owned());
    let expected = [
        source("https://example.com/beauty-2026", None),
        source("https://example.org/리포트", None),
        text("{\"signal\":\""),
        text("저자극 "),
        text("스킨케어 "),
        text("수요 증가 📈"),
        text("\"}"),
        source("https://example.com/beauty-2026", Some("2026 뷰티 트렌드")),
    ];
    assert_eq!(events, expected);
    assert_eq!(reply.outcome(), Some(&Ok(())));
    assert_eq!(
        reply.told().response_id.as_deref(),
        Some("resp_68af4030baa48193b0b43b4c2a176a1a0e6967589f080e77")
    );
    assert_eq!(reply.told().model.as_deref(), Some("gpt-4o-2024-08-06"));
    let usage = Usage {
        input_tokens: 1200,
        cached_tokens: 1000,
        output_tokens: 50,
        searches: 1,
        ..Usage::default()
    };
    assert_eq!(reply.told().usage, Some(usage));
}

fn searched(call: &Value) -> Vec<SearchSource> {
    let item = json!({"type": "response.output_item.done", "item": call});
    let (reply, events) = read(&events(&[
        item,
        json!({"type": "response.completed", "response": {}}),
    ]));
    assert_eq!(reply.outcome(), Some(&Ok(())));
    let sources = events.into_iter().map(|event| match event {
        ModelEvent::Source(source) => source,
        other => panic!("not a source: {other:?}"),
    });
    sources.collect()
}

#[test]
fn a_passage_is_what_a_result_of_the_search_says() {
    let check = |result: Value, title: Option<&str>, passage: Option<&str>| {
        let call = json!({"type": "web_search_call", "results": [result]});
        let expected = SearchSource {
            url: "https://a".to_owned(),
            title: title.map(str::to_owned),
            passage: passage.map(str::to_owned),
        };
        assert_eq!(searched(&call), [expected], "{call}");
    };
    let a = "https://a";
    check(
        json!({"type": "web_result", "url": a, "title": "A", "snippet": "수요 증가"}),
        Some("A"),
        Some("수요 증가"),
    );
    check(json!({"url": a, "text": "p"}), None, Some("p"));
    check(json!({"url": a, "snippet": "s", "text": "t"}), None, Some("s"));
    check(json!({"url": a, "title": null, "snippet": "  "}), None, None);
}

#[test]
fn results_and_sources_of_one_search_are_one_list() {
    let call = json!({
        "type": "web_search_call",
        "action": {"type": "search", "sources": [{"type": "url", "url": "https://a"}, {"type": "url", "url": "https://b"}]},
        "results": [{"url": "https://a", "title": "A", "snippet": "p"}],
    });
    let told: Vec<_> = searched(&call)
        .into_iter()
        .map(|source| (source.url, source.passage))
        .collect();
    let expected = [
        ("https://a".to_owned(), Some("p".to_owned())),
        ("https://b".to_owned(), None),
    ];
    assert_eq!(told, expected);
}

#[test]
fn results_that_cannot_be_read_say_nothing_and_fail_nothing() {
    for results in [
        json!(null),
        json!(7),
        json!({"url": "https://a"}),
        json!([7, {"title": "A"}, {"url": 7}, {"url": "https://a", "snippet": ["s"]}]),
    ] {
        assert_eq!(
            searched(&json!({"type": "web_search_call", "results": results})),
            [],
            "{results}"
        );
    }
}

#[test]
fn the_words_that_a_citation_points_at_are_the_models_own() {
    let delta = json!({"type": "response.output_text.delta", "delta": "Demand grows."});
    let citation =
        json!({"type": "url_citation", "start_index": 0, "end_index": 13, "url": "https://a", "title": "A"});
    let added = json!({"type": "response.output_text.annotation.added", "annotation": citation});
    let (_, events) = read(&events(&[delta, added]));
    assert_eq!(events[1..], [source("https://a", Some("A"))]);
}

#[test]
fn a_refusal_is_read_to_its_end_so_that_its_cost_is_known() {
    let (reply, events) = read(REFUSAL);
    assert_eq!(events, []);
    let fault = reply.outcome().unwrap().clone().unwrap_err();
    assert_eq!((fault.failing, fault.retryable), (Failing::Refused, false));
    assert!(!fault.reason.contains("sorry"), "{}", fault.reason);
    assert_eq!(reply.told().usage.unwrap().output_tokens, 12);
    let cut = REFUSAL.split("event: response.completed").next().unwrap();
    assert_eq!(
        self::fault(cut).failing,
        Failing::Refused,
        "a refusal stays one when the stream is cut"
    );
}

#[test]
fn what_a_reply_may_end_with() {
    let usage = json!({"input_tokens": 5, "output_tokens": 7});
    let check = |end: Value, code, retryable| {
        let stream = events(&[
            json!({"type": "response.output_text.delta", "delta": "비밀"}),
            end.clone(),
        ]);
        let fault = fault(&stream);
        assert_eq!((fault.failing, fault.retryable), (code, retryable), "{end}");
        assert!(!fault.reason.contains("비밀"), "{}", fault.reason);
    };
    let incomplete = |details: Value| json!({"type": "response.incomplete", "response": {"incomplete_details": details, "usage": usage}});
    check(
        incomplete(json!({"reason": "max_output_tokens"})),
        Failing::Overlong,
        true,
    );
    check(
        incomplete(json!({"reason": "content_filter"})),
        Failing::Refused,
        false,
    );
    check(incomplete(json!({"reason": "another"})), Failing::Upstream, true);
    check(incomplete(Value::Null), Failing::Upstream, true);
    let failed = |code: &str| {
        let error = json!({"code": code, "message": "비밀"});
        json!({"type": "response.failed", "response": {"id": "r", "error": error, "usage": null}})
    };
    check(failed("rate_limit_exceeded"), Failing::Upstream, true);
    check(failed("server_error"), Failing::Upstream, true);
    check(failed("invalid_prompt"), Failing::Upstream, false);
    let flat = json!({"type": "error", "code": "server_error", "message": "비밀", "param": null});
    check(flat, Failing::Upstream, true);
    let nested = json!({"type": "error", "error": {"type": "insufficient_quota", "message": "비밀"}});
    check(nested, Failing::Upstream, false);
}

#[test]
fn the_usage_of_a_reply_cut_at_its_limit_is_kept() {
    let end = json!({
        "type": "response.incomplete",
        "response": {
            "incomplete_details": {"reason": "max_output_tokens"},
            "usage": {"input_tokens": 5, "output_tokens": 7},
        },
    });
    let (reply, _) = read(&events(&[end]));
    assert_eq!(
        reply.told().usage,
        Some(Usage {
            input_tokens: 5,
            output_tokens: 7,
            ..Usage::default()
        })
    );
}

#[test]
fn a_stream_without_a_last_event_was_cut() {
    let delta = json!({"type": "response.output_text.delta", "delta": "저자"});
    for stream in [
        String::new(),
        events(std::slice::from_ref(&delta)),
        events(&[delta]) + "data: [DONE]\n\n",
    ] {
        assert_eq!(fault(&stream), Fault::cut());
    }
}

#[test]
fn unknown_events_are_ignored_and_malformed_ones_are_not() {
    let end = json!({"type": "response.completed", "response": {}});
    let unknown = json!({"type": "response.hologram.delta", "delta": {"x": 1}});
    let odd_item = json!({"type": "response.output_item.done", "item": {"type": "hologram"}});
    let odd_annotation =
        json!({"type": "response.output_text.annotation.added", "annotation": {"type": "file"}});
    let (reply, seen) = read(&events(&[unknown, odd_item, odd_annotation, end]));
    assert_eq!((reply.outcome(), seen), (Some(&Ok(())), vec![]));
    for malformed in [
        "data: {\"type\": 비밀\n\n",
        "data: 7\n\n",
        "data: {\"type\":\"response.output_text.delta\"}\n\n",
    ] {
        let fault = fault(malformed);
        assert_eq!((fault.failing, fault.retryable), (Failing::Upstream, true));
        assert!(!fault.reason.contains("비밀"), "{}", fault.reason);
    }
}

proptest! {
    #[test]
    fn pieces_do_not_matter(cuts in prop::collection::vec(0..SEARCH.len(), 0..40)) {
        let mut cuts = cuts;
        cuts.extend([0, SEARCH.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &SEARCH.as_bytes()[pair[0]..pair[1]]).collect();
        let (reply, events) = replay(ResponsesReader::default(), &pieces);
        let (whole_reply, whole_events) = read(SEARCH);
        prop_assert_eq!(events, whole_events);
        prop_assert_eq!(reply.outcome(), whole_reply.outcome());
        prop_assert_eq!(reply.told().usage, whole_reply.told().usage);
    }

    #[test]
    fn a_reply_cut_anywhere_is_never_complete(cut in 0..SEARCH.len()) {
        let (reply, _) = replay(ResponsesReader::default(), &[&SEARCH.as_bytes()[..cut]]);
        // All but the last byte, the line feed that ends the last event.
        prop_assert!(reply.outcome().unwrap().is_err());
    }
}

#[test]
fn the_request_is_what_openai_documents() {
    let message = |role, text: &str| PromptMessage {
        role,
        text: text.to_owned(),
    };
    let mut request = ModelRequest {
        call_id: "call_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse::<CallId>().unwrap(),
        size: ModelSize::Large,
        instructions: "Be brief.".to_owned(),
        messages: vec![
            message(PromptRole::Assistant, "이름은요?"),
            message(PromptRole::User, "루미세럼"),
        ],
        output: Some(OutputSchema {
            name: "plan".to_owned(),
            schema: Arc::new(json!({"type": "object"})),
        }),
        search: true,
        output_tokens_max: 800,
        timeout: Millis(1),
        stall_timeout: Millis(1),
        background: Background::Never,
    };
    let sent =
        |request: &ModelRequest| serde_json::from_slice::<Value>(&body(request, "gpt-5", false)).unwrap();
    let expected = json!({
        "model": "gpt-5",
        "instructions": "Be brief.",
        "input": [{"role": "assistant", "content": "이름은요?"}, {"role": "user", "content": "루미세럼"}],
        "stream": true,
        "store": false,
        "max_output_tokens": 800,
        "metadata": {"call_id": "call_01ARZ3NDEKTSV4RRFFQ69G5FAV"},
        "text": {"format": {"type": "json_schema", "name": "plan", "strict": true, "schema": {"type": "object"}}},
        "tools": [{"type": "web_search"}],
        "include": ["web_search_call.action.sources", "web_search_call.results"],
    });
    assert_eq!(sent(&request), expected);
    request.search = false;
    request.output = None;
    for absent in ["tools", "include", "text"] {
        assert_eq!(sent(&request).get(absent), None, "{absent}");
    }
}
