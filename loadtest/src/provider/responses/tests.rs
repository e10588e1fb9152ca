//! The events of a response, and its document.

use serde_json::json;

use std::sync::Arc;

use super::*;
use crate::provider::api::Api;
use crate::provider::prompt::testing::read;

fn rendering(request: Value) -> Arc<Rendering> {
    let prompt = read(Api::Responses, request).unwrap();
    let reply = Reply::compose(&prompt, 1, None).unwrap();
    Arc::new(Rendering::new(prompt, reply, Chance::new(1, "test"), 0))
}

fn events(request: Value) -> Vec<Value> {
    rendering(request)
        .frames()
        .map(|frame| {
            let text = std::str::from_utf8(&frame.bytes).unwrap().to_owned();
            let (event, data) = text
                .strip_prefix("event: ")
                .unwrap()
                .split_once("\ndata: ")
                .unwrap();
            let data: Value = serde_json::from_str(data.trim_end()).unwrap();
            assert_eq!(data["type"], event);
            data
        })
        .collect()
}

#[test]
fn the_events_of_a_stream_stand_in_openais_order() {
    let events = events(json!({ "model": "sim-large", "input": "hello", "stream": true,
        "tools": [{ "type": "web_search" }], "include": ["web_search_call.action.sources"] }));
    let mut kinds: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.web_search_call.in_progress",
            "response.web_search_call.searching",
            "response.web_search_call.completed",
            "response.output_item.done",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.annotation.added",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], index);
    }
    let text: String = events
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta")
        .map(|event| event["delta"].as_str().unwrap())
        .collect();
    let response = &events.last().unwrap()["response"];
    assert_eq!(response["output"][1]["content"][0]["text"], text);
    let sources = response["output"][0]["action"]["sources"].as_array().unwrap();
    let citations = response["output"][1]["content"][0]["annotations"]
        .as_array()
        .unwrap();
    assert_eq!(sources.len(), citations.len());
    let cited: String = text
        .chars()
        .skip(usize::try_from(citations[0]["start_index"].as_u64().unwrap()).unwrap())
        .take(sources[0]["url"].as_str().unwrap().len())
        .collect();
    assert_eq!(cited, sources[0]["url"].as_str().unwrap());
}

#[test]
fn a_text_beyond_the_tokens_allowed_is_cut_and_said_to_be() {
    let events = events(json!({ "model": "sim-large", "input": "hello", "max_output_tokens": 16 }));
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(
        last["response"]["incomplete_details"]["reason"],
        "max_output_tokens"
    );
    assert_eq!(last["response"]["usage"]["output_tokens"], 16);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_taken_up_within_five_minutes_and_no_later() {
    let request = json!({ "model": "sim-large", "input": "hello", "background": true, "stream": true });
    let rendering = rendering(request);
    let events = rendering
        .frames()
        .map(|frame| Ok::<_, std::io::Error>(frame.bytes));
    let body = axum::body::Body::from_stream(futures_util::stream::iter(events));
    let background = Background::start(rendering, body, true);
    let minutes = |minutes| tokio::time::advance(std::time::Duration::from_mins(minutes));
    minutes(5).await;
    assert!(!background.is_too_old());
    minutes(1).await;
    assert!(background.is_too_old());
}
