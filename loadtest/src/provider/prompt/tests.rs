//! Both forms of a request, and what is refused of them.

use super::testing::read;
use super::*;

#[test]
fn both_forms_say_the_same() {
    let schema = json!({ "type": "object", "additionalProperties": false, "required": [], "properties": {} });
    let responses = read(
        Api::Responses,
        json!({
            "model": "sim-large", "instructions": "be brief", "stream": true, "max_output_tokens": 19,
            "input": [{ "role": "user", "content": [{ "type": "input_text", "text": "hello" }] }],
            "text": { "format": { "type": "json_schema", "name": "s", "schema": schema, "strict": true } },
        }),
    )
    .unwrap();
    let chat = read(Api::Chat, json!({
        "model": "sim-large", "stream": true, "max_completion_tokens": 19,
        "messages": [{ "role": "system", "content": "be brief" }, { "role": "user", "content": "hello" }],
        "response_format": { "type": "json_schema", "json_schema": { "name": "s", "schema": schema, "strict": true } },
    }))
    .unwrap();
    assert_eq!(responses.fingerprint(), chat.fingerprint());
    assert_eq!(responses.format, chat.format);
    assert_eq!(responses.output_tokens_max, chat.output_tokens_max);
    assert_eq!(chat.last_user_text(), "hello");
}

#[test]
fn what_openai_refuses_is_refused() {
    let refused = [
        (json!({ "input": "x" }), "model"),
        (json!({ "model": "sim-large" }), "input"),
        (
            json!({ "model": "sim-large", "input": "x", "max_tokens": 1 }),
            "max_tokens",
        ),
        (json!({ "model": "sim-large", "input": [] }), "empty array"),
        (
            json!({ "model": "sim-large", "input": "x", "metadata": { "n": 1 } }),
            "metadata",
        ),
        (
            json!({ "model": "sim-large", "input": "x", "text": { "format": {
            "type": "json_schema", "name": "bad name", "schema": {} } } }),
            "name",
        ),
        (
            json!({ "model": "sim-large", "input": "x", "text": { "format": {
            "type": "json_schema", "name": "s", "strict": true, "schema": { "type": "object" } } } }),
            "additionalProperties",
        ),
    ];
    let unstored =
        json!({ "model": "sim-large", "metadata": {}, "messages": [{ "role": "user", "content": "x" }] });
    assert!(read(Api::Chat, unstored).unwrap_err().message.contains("store"));
    for (request, word) in refused {
        let error = read(Api::Responses, request.clone()).unwrap_err();
        assert!(error.message.contains(word), "{request}: {}", error.message);
    }
}

#[test]
fn what_could_not_be_honoured_is_refused() {
    let responses = |extra: Value| merged(json!({ "model": "sim-large", "input": "x" }), extra);
    let chat = |extra: Value| {
        merged(
            json!({ "model": "sim-large", "messages": [{ "role": "user", "content": "x" }] }),
            extra,
        )
    };
    for (api, request, word) in [
        (Api::Chat, chat(json!({ "n": 2 })), "'n'"),
        (Api::Chat, chat(json!({ "logprobs": true })), "'logprobs'"),
        (
            Api::Chat,
            chat(json!({ "stream_options": { "include_usage": true } })),
            "stream_options",
        ),
        (
            Api::Chat,
            chat(json!({ "response_format": { "type": "xml" } })),
            "json_schema",
        ),
        (Api::Chat, chat(json!({ "tool_choice": "auto" })), "tool_choice"),
        (
            Api::Chat,
            chat(json!({ "messages": [{ "role": "user", "content": "x", "mood": "glad" }] })),
            "mood",
        ),
        (
            Api::Responses,
            responses(json!({ "max_output_tokens": 3 })),
            ">= 16",
        ),
        (
            Api::Responses,
            responses(json!({ "tools": [{ "type": "file_search" }] })),
            "file_search",
        ),
        (
            Api::Responses,
            responses(json!({ "include": ["message.output_text.logprobs"] })),
            "logprobs",
        ),
        (
            Api::Responses,
            responses(json!({ "conversation": "conv_1" })),
            "conversation",
        ),
        (
            Api::Responses,
            responses(json!({ "text": { "colour": "red" } })),
            "text.colour",
        ),
        (
            Api::Responses,
            responses(
                json!({ "input": [{ "role": "user", "content": [{ "type": "input_image", "image_url": "" }] }] }),
            ),
            "input_image",
        ),
        (
            Api::Responses,
            responses(
                json!({ "input": [{ "type": "function_call_output", "call_id": "call_1", "output": "" }] }),
            ),
            "call_1",
        ),
    ] {
        let error = read(api, request.clone()).unwrap_err();
        assert!(error.message.contains(word), "{request}: {}", error.message);
    }
}

#[test]
fn a_function_is_called_when_it_is_meant_and_until_it_has_answered() {
    let tools = json!([
        { "type": "function", "function": { "name": "get_weather" } },
        { "type": "function", "function": { "name": "find_flights" } },
    ]);
    let wanted = |extra: Value| -> Vec<String> {
        let request = json!({ "model": "sim-large", "tools": tools,
            "messages": [{ "role": "user", "content": "What's the weather like?" }] });
        let prompt = read(Api::Chat, merged(request, extra)).unwrap();
        let functions = prompt.tools.wanted(&prompt.messages);
        functions.iter().map(|function| function.name.clone()).collect()
    };
    let both = json!([{ "role": "user", "content": "Flights and weather, please" }]);
    assert_eq!(wanted(json!({})), ["get_weather"]);
    assert_eq!(
        wanted(json!({ "messages": both })),
        ["get_weather", "find_flights"]
    );
    assert_eq!(
        wanted(json!({ "messages": both, "parallel_tool_calls": false })),
        ["get_weather"]
    );
    assert_eq!(wanted(json!({ "tool_choice": "none" })), [""; 0]);
    let named = json!({ "type": "function", "function": { "name": "find_flights" } });
    assert_eq!(wanted(json!({ "tool_choice": named })), ["find_flights"]);
    let small_talk = json!([{ "role": "user", "content": "hello" }]);
    assert_eq!(wanted(json!({ "messages": small_talk })), [""; 0]);
    assert_eq!(
        wanted(json!({ "messages": small_talk, "tool_choice": "required" })),
        ["get_weather"]
    );
    let answered = json!([
        { "role": "user", "content": "What's the weather like?" },
        { "role": "assistant", "content": null, "tool_calls": [{ "id": "call_1", "type": "function",
            "function": { "name": "get_weather", "arguments": "{}" } }] },
        { "role": "tool", "tool_call_id": "call_1", "content": "sunny" },
    ]);
    assert_eq!(wanted(json!({ "messages": answered })), [""; 0]);
}

fn merged(mut request: Value, extra: Value) -> Value {
    let Value::Object(extra) = extra else {
        panic!("extra fields are an object")
    };
    request.as_object_mut().unwrap().extend(extra);
    request
}
