//! Golden files: what stands on the wire, byte for byte. A change here is a change for every client.

use greenroom_protocol::*;
use serde_json::{Map, Value, json};

use crate::{check_generated, examples, pretty};

fn created_at() -> Timestamp {
    "2026-02-19T15:00:00.123Z".parse().unwrap()
}

fn frame(seq: Seq, event: &Event) -> Frame {
    let data = event.data_json().unwrap();
    Frame::new(
        examples::session_id(),
        seq,
        &event.event_type(),
        created_at(),
        &data,
    )
}

/// The documents by type, as one document. Fails if a type occurs twice.
fn by_type(documents: Vec<(String, Value)>) -> Value {
    let count = documents.len();
    let by_type: Map<String, Value> = documents.into_iter().collect();
    assert_eq!(by_type.len(), count, "a type has two examples");
    Value::Object(by_type)
}

fn keys(golden: &Value) -> Vec<&str> {
    golden.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The types that the schema of a tagged enum knows.
fn types_in_schema(definition: &str) -> Vec<String> {
    let schema = protocol_schema();
    let kinds = schema["$defs"][definition]["oneOf"].as_array().unwrap();
    kinds
        .iter()
        .map(|kind| kind["properties"]["type"]["const"].as_str().unwrap().to_owned())
        .collect()
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

#[test]
fn events() {
    let mut documents = Vec::new();
    for (event, seq) in examples::events().into_iter().zip(1..) {
        let frame = frame(Seq(seq), &event);
        let envelope: Value = serde_json::from_slice(frame.bytes()).unwrap();
        assert_eq!(frame.envelope().unwrap().event().unwrap(), event);
        documents.push((event.event_type().into_owned(), envelope));
    }
    let golden = by_type(documents);
    assert_eq!(keys(&golden), [Event::TYPES, &["research.delta"]].concat());
    check_generated("protocol/tests/golden/events.json", &pretty(&golden));
}

#[test]
fn signals() {
    let golden = by_type(
        examples::signals()
            .into_iter()
            .map(|signal| {
                let document = serde_json::to_value(&signal).unwrap();
                assert_eq!(
                    serde_json::from_value::<Signal>(document.clone()).unwrap(),
                    signal
                );
                (document["type"].as_str().unwrap().to_owned(), document)
            })
            .collect(),
    );
    assert_eq!(sorted(keys(&golden)), sorted(types_in_schema("Signal")));
    check_generated("protocol/tests/golden/signals.json", &pretty(&golden));
}

#[test]
fn client_messages() {
    let golden = by_type(
        examples::messages()
            .into_iter()
            .map(|frame| {
                let document = serde_json::to_value(&frame).unwrap();
                assert_eq!(ClientFrame::parse(&document.to_string()).unwrap(), frame);
                (document["type"].as_str().unwrap().to_owned(), document)
            })
            .collect(),
    );
    assert_eq!(sorted(keys(&golden)), sorted(types_in_schema("ClientFrame")));
    check_generated("protocol/tests/golden/client_messages.json", &pretty(&golden));
}

#[test]
fn errors() {
    let body = |code: ErrorCode| {
        let error = ErrorBody::new(code, Locale::En)
            .with_details(json!({"limit": 3_000}))
            .with_retry_after(60);
        let document = serde_json::to_value(ApiError { error: error.clone() }).unwrap();
        assert_eq!(
            serde_json::from_value::<ApiError>(document.clone())
                .unwrap()
                .error,
            error
        );
        (code.as_str().to_owned(), document)
    };
    let golden = by_type(ErrorCode::ALL.iter().copied().map(body).collect());
    check_generated("protocol/tests/golden/errors.json", &pretty(&golden));
}

#[test]
fn the_contracts_own_example_is_an_event() {
    let text = r#"{"event_id":"evt_00124","seq":124,"session_id":"sess_01K0Z6Q7W8X9Y0ABCDEFGHJKMN","type":"stage.changed","created_at":"2026-02-19T15:00:00.123Z","data":{"state":"RUN_RESEARCH"}}"#;
    let event = Event::StageChanged(StageChanged {
        state: "RUN_RESEARCH".to_owned(),
        run_id: None,
        failures: vec![],
    });
    assert_eq!(frame(Seq(124), &event).bytes(), text);
    assert_eq!(
        serde_json::from_str::<Envelope>(text).unwrap().event().unwrap(),
        event
    );
}

#[test]
fn a_frame_gives_its_parts_back() {
    for event in examples::events() {
        let frame = frame(Seq(100_000), &event);
        assert_eq!(frame.event_type(), event.event_type());
        assert_eq!(frame.data_json(), event.data_json().unwrap());
        assert_eq!(frame.raw().unwrap().get().as_bytes(), frame.bytes());
        assert_eq!(frame.envelope().unwrap().event_id.to_string(), "evt_100000");
    }
}

#[test]
fn unknown_fields_of_an_event_are_ignored_and_unknown_types_are_named() {
    for event in examples::events() {
        let mut data: Value = serde_json::from_str(&event.data_json().unwrap()).unwrap();
        data["of_a_later_release"] = json!([1]);
        assert_eq!(Event::from_parts(&event.event_type(), &data).unwrap(), event);
    }
    let mut envelope = frame(Seq(1), &examples::events()[0]).envelope().unwrap();
    envelope.event_type = "later.type".to_owned();
    let error = envelope.event().unwrap_err().to_string();
    assert_eq!(
        error,
        "not an event of type later.type: unknown event type later.type"
    );
}

#[test]
fn a_delta_must_say_what_it_does_and_name_the_stage_of_its_type() {
    let delta = |stage: &str, change: Value| {
        let mut data = json!({"run_id": examples::run_id(), "stage": stage, "attempt": 1, "path": "/a"});
        data.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        Event::from_parts("research.delta", &data)
    };
    assert!(delta("research", json!({"append": "x"})).is_ok());
    assert!(delta("research", json!({"value": null})).is_ok());
    assert!(delta("research", json!({})).is_err());
    assert!(delta("research", json!({"append": 1})).is_err());
    assert!(delta("strategy", json!({"append": "x"})).is_err());
    assert!(
        "planner".parse::<StageId>().is_err(),
        "its deltas could not be told from a turn's"
    );
}

#[test]
fn an_unknown_field_of_a_message_is_rejected() {
    for frame in examples::messages() {
        let mut document = serde_json::to_value(&frame).unwrap();
        document["drafft"] = json!(true);
        let error = ClientFrame::parse(&document.to_string()).unwrap_err();
        assert_eq!(error.code, ErrorCode::InputInvalid, "{document}");
        assert_eq!(error.id.as_deref(), frame.id.as_ref().map(CommandId::as_str));
        assert!(
            error.reason.starts_with("unknown field `drafft`"),
            "{}",
            error.reason
        );
    }
    let nested = r#"{"type":"audio.start","codec":"opus","sample_rate":1,"channels":1,"output":{"codec":"opus","sample_rate":1,"x":1}}"#;
    assert!(ClientFrame::parse(nested).is_err());
}

#[test]
fn what_may_be_left_out_of_a_message_has_its_default() {
    let parse = |text| ClientFrame::parse(text).unwrap().message;
    assert_eq!(
        parse(r#"{"type":"run.generate"}"#),
        ClientMessage::RunGenerate { draft: false }
    );
    assert_eq!(
        parse(r#"{"type":"audio.start","codec":"pcm_s16le","sample_rate":16000,"channels":1}"#),
        ClientMessage::AudioStart {
            codec: AudioCodec::PcmS16le,
            sample_rate: 16_000,
            channels: 1,
            turn_detection: TurnDetection::ServerVad,
            endpointing: None,
            noise_suppression: false,
            output: None,
            record: false,
        }
    );
}

#[track_caller]
fn check_rejected(text: &str, code: ErrorCode, id: Option<&str>, reason: &str) {
    let error = ClientFrame::parse(text).unwrap_err();
    assert_eq!((error.code, error.id.as_deref()), (code, id), "{text}");
    assert!(error.reason.contains(reason), "{}", error.reason);
}

#[test]
fn malformed_frames_are_rejected_with_their_reason() {
    use ErrorCode::{InputInvalid, InputTooLarge};
    check_rejected("", InputInvalid, None, "not JSON");
    check_rejected("ping", InputInvalid, None, "not JSON");
    check_rejected("[]", InputInvalid, None, "a JSON object");
    check_rejected(
        r#"{"id":"c-1"}"#,
        InputInvalid,
        Some("c-1"),
        "missing field `type`",
    );
    check_rejected(
        r#"{"type":"pong","id":"c-1"}"#,
        InputInvalid,
        Some("c-1"),
        "unknown variant `pong`",
    );
    check_rejected(
        r#"{"type":"user.message"}"#,
        InputInvalid,
        None,
        "missing field `text`",
    );
    check_rejected(
        r#"{"type":"slot.set","path":"a.b"}"#,
        InputInvalid,
        None,
        "missing field `value`",
    );
    check_rejected(
        r#"{"type":"slot.set","path":"a","value":1}"#,
        InputInvalid,
        None,
        "a slot path is",
    );
    check_rejected(
        r#"{"type":"ping","id":""}"#,
        InputInvalid,
        Some(""),
        "1 to 128 visible ASCII",
    );
    check_rejected(
        r#"{"type":"ping","id":"a b"}"#,
        InputInvalid,
        Some("a b"),
        "1 to 128 visible ASCII",
    );
    check_rejected(
        r#"{"type":"ping","id":7}"#,
        InputInvalid,
        None,
        "id must be a string",
    );
    let long_id = "x".repeat(129);
    let text = json!({"type": "ping", "id": long_id}).to_string();
    check_rejected(&text, InputInvalid, Some(&long_id), "1 to 128 visible ASCII");
    let text = json!({"type": "user.message", "text": "x".repeat(limits::TEXT_FRAME_BYTES_MAX)}).to_string();
    check_rejected(&text, InputTooLarge, None, "at most 65536 bytes");
}

#[test]
fn a_reason_is_short_however_much_it_quotes() {
    let text = json!({"type": "가".repeat(10_000)}).to_string();
    assert_eq!(ClientFrame::parse(&text).unwrap_err().reason.chars().count(), 300);
}
