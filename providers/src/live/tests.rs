//! Whatever a provider says, in whatever order, nothing panics, and every utterance has exactly one end.

use std::collections::BTreeMap;

use greenroom_protocol::CallId;
use greenroom_session::ports::LiveTranscriptionEvent;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::utterances::Utterances;
use super::*;

/// What happens on a stream.
#[derive(Debug, Clone)]
enum Step {
    Begin,
    Speak,
    Commit,
    Discard,
    Overflow,
    Wait,
    Hear(String),
}

fn endpoint() -> Arc<Endpoint> {
    let config = EndpointConfig {
        base_url: Some("http://127.0.0.1:9/v1".to_owned()),
        ..EndpointConfig::new("scripted", "sim-ears")
    };
    let endpoint = Endpoint::new(
        Operation::LiveTranscriptions,
        config,
        None,
        PriceTable::built_in(),
    );
    Arc::new(endpoint.unwrap())
}

/// A value of a field that may be right, wrong or missing.
fn field() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..4_u8).prop_map(|number| json!(format!("item_{number}"))),
        (1..6_u8).prop_map(|number| json!(CallId::new(ulid::Ulid(number.into())).to_string())),
        "\\PC{0,8}".prop_map(|text| json!(text)),
        Just(json!({"type": "duration", "seconds": 2})),
        Just(json!("input_audio_buffer_commit_empty")),
        Just(json!([{"code": "ko"}])),
        Just(Value::Null),
        any::<i64>().prop_map(|number| json!(number)),
    ]
}

fn message() -> impl Strategy<Value = String> {
    let kind = prop_oneof![
        Just("session.updated"),
        Just("input_audio_buffer.committed"),
        Just("input_audio_buffer.cleared"),
        Just("conversation.item.input_audio_transcription.delta"),
        Just("conversation.item.input_audio_transcription.completed"),
        Just("conversation.item.input_audio_transcription.failed"),
        Just("error"),
        Just("rate_limits.updated"),
    ];
    let item = prop_oneof![
        4 => (0..4_u8).prop_map(|number| json!(format!("item_{number}"))),
        1 => field(),
    ];
    let error = (field(), field()).prop_map(|(code, event_id)| json!({"code": code, "event_id": event_id}));
    let event = (kind, item, field(), field(), error).prop_map(|(kind, item, text, usage, error)| {
        json!({
            "type": kind, "item_id": item, "delta": text, "transcript": text, "usage": usage, "languages": usage,
            "error": error,
        })
        .to_string()
    });
    prop_oneof![12 => event, 1 => "\\PC{0,40}"]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Begin),
        3 => Just(Step::Speak),
        2 => Just(Step::Commit),
        1 => Just(Step::Discard),
        1 => Just(Step::Overflow),
        1 => Just(Step::Wait),
        6 => message().prop_map(Step::Hear),
    ]
}

/// Plays a stream to its end, as the task does; answers the ends that each utterance had.
fn play(steps: Vec<Step>) -> BTreeMap<CallId, u32> {
    let mut utterances = Utterances::new(endpoint(), None);
    let mut events = Vec::new();
    let mut ends = BTreeMap::new();
    let mut begun = 0_u128;
    let mut outcome = Ok(());
    for step in steps {
        match step {
            Step::Begin => {
                utterances.discard(&mut events);
                begun += 1;
                let id = CallId::new(ulid::Ulid(begun));
                ends.insert(id, 0);
                utterances.begin(id, &mut events);
            }
            Step::Speak => utterances.spoke(2_400),
            Step::Commit => {
                utterances.commit(&mut events);
            }
            Step::Discard => {
                utterances.discard(&mut events);
            }
            Step::Overflow => {
                utterances.fail_open(Fault::upstream(true, "too much"), &mut events);
            }
            Step::Wait => {
                let due = utterances.due().unwrap_or_else(Instant::now);
                outcome = utterances.expire(due, &mut events);
            }
            Step::Hear(message) => {
                outcome = wire::read(&message).and_then(|event| utterances.hear(event, &mut events));
            }
        }
        if outcome.is_err() {
            break;
        }
    }
    let fault = outcome.err().unwrap_or_else(Fault::cut);
    utterances.fail_all(&fault, &mut events);
    for event in events {
        match event {
            LiveTranscriptionEvent::Partial { call_id, text } => {
                assert!(!text.is_empty());
                assert_eq!(ends[&call_id], 0, "words after the end");
            }
            LiveTranscriptionEvent::Final { call_id, .. }
            | LiveTranscriptionEvent::Failed { call_id, .. } => {
                *ends.get_mut(&call_id).unwrap() += 1;
            }
        }
    }
    ends
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_utterance_has_one_end_whatever_is_said(steps in prop::collection::vec(step(), 0..60)) {
        for (call_id, ends) in play(steps) {
            prop_assert_eq!(ends, 1, "{}", call_id);
        }
    }

    #[test]
    fn any_message_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = wire::read(&String::from_utf8_lossy(&bytes));
    }
}
