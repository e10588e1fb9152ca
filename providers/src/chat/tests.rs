//! Streams in the form that OpenAI documents and that others send, whole, in pieces and broken.

use std::sync::Arc;

use greenroom_protocol::{CallId, Millis};
use greenroom_session::ports::{Background, ModelEvent, ModelSize, OutputSchema, PromptMessage};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::failure::Failing;
use crate::reply::replay;

const CHAT: &str = include_str!("../../fixtures/chat.sse");
const REFUSAL: &str = include_str!("../../fixtures/chat_refusal.sse");

fn read(stream: &str) -> (Reply, Vec<ModelEvent>) {
    replay(ChatReader::default(), &[stream.as_bytes()])
}

fn chunks(values: &[Value]) -> String {
    values.iter().fold(String::new(), |stream, value| {
        stream + &format!("data: {value}\n\n")
    })
}

fn text(text: &str) -> Value {
    json!({"choices": [{"delta": {"content": text}, "finish_reason": null}]})
}

fn finish(reason: &str) -> Value {
    json!({"choices": [{"delta": {}, "finish_reason": reason}]})
}

fn fault(stream: &str) -> Fault {
    read(stream).0.outcome().unwrap().clone().unwrap_err()
}

#[test]
fn a_reply_yields_text_and_usage() {
    let (reply, events) = read(CHAT);
    let expected = ["{\"signal\":\"", "저자극 ", "스킨케어 ", "수요 증가 📈", "\"}"];
    assert_eq!(events, expected.map(|text| ModelEvent::Text(text.to_owned())));
    assert_eq!(reply.outcome(), Some(&Ok(())));
    assert_eq!(
        (reply.told().response_id.as_deref(), reply.told().model.as_deref()),
        (Some("chatcmpl-CdZ0Q"), Some("gpt-4o-mini-2024-07-18"))
    );
    let usage = Usage {
        input_tokens: 300,
        cached_tokens: 100,
        output_tokens: 20,
        searches: 0,
        ..Usage::default()
    };
    assert_eq!(reply.told().usage, Some(usage));
}

#[test]
fn a_refusal_is_read_to_its_end_so_that_its_cost_is_known() {
    let (reply, events) = read(REFUSAL);
    assert_eq!(events, []);
    let fault = reply.outcome().unwrap().clone().unwrap_err();
    assert_eq!((fault.failing, fault.retryable), (Failing::Refused, false));
    assert!(!fault.reason.contains("sorry"), "{}", fault.reason);
    assert_eq!(reply.told().usage.unwrap().output_tokens, 12);
}

#[test]
fn what_a_reply_may_end_with() {
    let check = |chunk: Value, code, retryable| {
        let fault = fault(&(chunks(&[text("비밀"), chunk.clone()]) + "data: [DONE]\n\n"));
        assert_eq!((fault.failing, fault.retryable), (code, retryable), "{chunk}");
        assert!(!fault.reason.contains("비밀"), "{}", fault.reason);
    };
    check(finish("length"), Failing::Overlong, true);
    check(finish("content_filter"), Failing::Refused, false);
    check(finish("error"), Failing::Upstream, true);
    check(
        json!({"error": {"message": "비밀", "type": "server_error"}}),
        Failing::Upstream,
        true,
    );
    check(
        json!({"error": {"message": "비밀", "code": "context_length_exceeded"}}),
        Failing::Upstream,
        false,
    );
    check(json!({"error": "비밀"}), Failing::Upstream, true);
    check(json!({"choices": []}), Failing::Upstream, true);
}

#[test]
fn other_servers_end_a_reply_in_their_own_way() {
    let check = |stream: String| assert_eq!(read(&stream).0.outcome(), Some(&Ok(())), "{stream}");
    check(chunks(&[text("a"), finish("stop")]));
    check(chunks(&[text("a"), finish("eos_token")]) + "data: [DONE]\n\n");
    check(chunks(&[
        json!({"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}),
    ]));
    let usage = json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}});
    let (reply, _) = read(&chunks(&[usage]));
    assert_eq!(reply.told().usage.unwrap().input_tokens, 1);
}

#[test]
fn a_stream_without_a_finish_reason_was_cut() {
    for stream in [
        String::new(),
        chunks(&[text("저자")]),
        chunks(&[text("저자")]) + "data: [DONE]\n\n",
    ] {
        assert_eq!(fault(&stream), Fault::cut());
    }
}

#[test]
fn what_is_malformed_fails_and_is_not_quoted() {
    for malformed in [
        "data: {\"choices\": 비밀\n\n",
        "data: {\"choices\": \"비밀\"}\n\n",
    ] {
        let fault = fault(malformed);
        assert_eq!((fault.failing, fault.retryable), (Failing::Upstream, true));
        assert!(!fault.reason.contains("비밀"), "{}", fault.reason);
    }
}

proptest! {
    #[test]
    fn pieces_do_not_matter(cuts in prop::collection::vec(0..CHAT.len(), 0..40)) {
        let mut cuts = cuts;
        cuts.extend([0, CHAT.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &CHAT.as_bytes()[pair[0]..pair[1]]).collect();
        let (reply, events) = replay(ChatReader::default(), &pieces);
        let (whole_reply, whole_events) = read(CHAT);
        prop_assert_eq!(events, whole_events);
        prop_assert_eq!(reply.outcome(), whole_reply.outcome());
        prop_assert_eq!(reply.told().usage, whole_reply.told().usage);
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
        search: false,
        output_tokens_max: 800,
        timeout: Millis(1),
        stall_timeout: Millis(1),
        background: Background::Never,
    };
    let sent = |request: &ModelRequest, limit_field| {
        serde_json::from_slice::<Value>(&body(request, "qwen3:8b", limit_field)).unwrap()
    };
    let expected = json!({
        "model": "qwen3:8b",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "assistant", "content": "이름은요?"},
            {"role": "user", "content": "루미세럼"},
        ],
        "stream": true,
        "stream_options": {"include_usage": true},
        "max_completion_tokens": 800,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "plan", "strict": true, "schema": {"type": "object"}},
        },
    });
    assert_eq!(sent(&request, OutputLimitField::MaxCompletionTokens), expected);
    request.output = None;
    let old = sent(&request, OutputLimitField::MaxTokens);
    assert_eq!(old["max_tokens"], 800);
    for absent in ["max_completion_tokens", "response_format"] {
        assert_eq!(old.get(absent), None, "{absent}");
    }
}
