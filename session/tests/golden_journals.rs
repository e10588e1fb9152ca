//! Folds journals that earlier releases wrote. They are never written anew: a release that cannot read one of them
//! loses somebody's session.

use std::path::Path;

use greenroom_protocol::{CallPurpose, Event, Role, Timestamp};
use greenroom_session::state::{Phase, PlanProgress, StageProgress};
use greenroom_session::{CommandKind, Fact, Private, State, due};
use serde::Deserialize;
use serde_json::{Value, json};

/// A row as the journal has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(rename = "type")]
    event_type: String,
    at_ms: i64,
    data: Value,
    #[serde(default)]
    private: Option<Private>,
}

fn journal(name: &str) -> Vec<Fact> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/journals")
        .join(name);
    let text = std::fs::read_to_string(file).expect("the journal");
    let fact = |line: &str| {
        let row: Row = serde_json::from_str(line).expect("a row");
        let event = Event::from_json(&row.event_type, &row.data.to_string()).expect("an event");
        assert_eq!(
            serde_json::from_str::<Value>(&event.data_json().expect("it is JSON")).expect("it is JSON"),
            row.data,
            "an event says what it said"
        );
        Fact {
            at: Timestamp::from_unix_ms(row.at_ms),
            event,
            private: row.private.unwrap_or_default(),
        }
    };
    text.lines().map(fact).collect()
}

fn fold(log: &[Fact]) -> State {
    let session_id = "sess_00000000000000000000000007".parse().expect("a session id");
    let mut state = State::begin(session_id, &log[0]).expect("a beginning");
    for fact in &log[1..] {
        state.evolve(fact);
    }
    state
}

/// A typed session of the release before speech and moderation. A reply was interrupted, another was made at the
/// second attempt; a run was interrupted by a crash, repaired, failed at strategy, was taken up again and completed; one
/// was cancelled. A draft is under way, and so is a reply.
#[test]
fn a_typed_session_from_before_speech_is_what_it_was() {
    let state = fold(&journal("before-speech.jsonl"));
    assert_eq!((state.head.0, state.wire_state.as_str()), (271, "GEN_STRATEGY"));
    assert!(!state.gate.ready);
    assert_eq!(json!(state.gate.missing_required), json!(["product.category"]));
    let features = state.brief.get(&"product.features".parse().expect("a path"));
    assert_eq!(
        features.map(|slot| slot.value.clone()),
        Some(json!(["저자극", "빠른흡수", "비건"]))
    );
    let conversation = &state.conversation;
    assert_eq!((conversation.turns, conversation.messages.len()), (5, 11));
    assert!(conversation.asks.is_empty() && conversation.asked.is_none());
    assert!(conversation.interrupted.is_empty() && conversation.unchecked.is_empty());
    assert_eq!(conversation.edited_after.len(), 8);
    let cut_off = conversation.messages.iter().find(|message| message.truncated);
    assert_eq!(
        cut_off.map(|message| (message.role, message.text.as_str())),
        Some((Role::Assistant, "스킨케어군요. 어떤"))
    );
    assert_eq!(
        state
            .runs
            .values()
            .map(|run| run.started_seq.0)
            .collect::<Vec<_>>(),
        [55, 232, 240]
    );

    let planning = state.planning().expect("a reply is being made");
    assert_eq!(
        (planning.words.as_str(), planning.reply.as_str()),
        ("얼마나 걸려요?", "곧 끝나요. 지금")
    );
    assert!(matches!(&planning.progress, PlanProgress::Calling(attempt) if attempt.budget.0 == 30_000));
    let Phase::Running(run) = &state.phase else {
        panic!("a run is under way: {:?}", state.phase);
    };
    assert_eq!(json!(run.gaps), json!(["product.category"]));
    assert_eq!(run.sources.len(), 1);
    let progress: Vec<&StageProgress> = run.stages.values().collect();
    assert!(matches!(
        progress.as_slice(),
        [
            StageProgress::Completed { completed },
            StageProgress::Running(_),
            StageProgress::Waiting,
            StageProgress::Waiting
        ] if completed.attempt == 1
    ));
    let due: Vec<(CallPurpose, u64)> = due(&state)
        .calls
        .iter()
        .map(|call| (call.stamp.purpose, call.reserved_seq.0))
        .collect();
    assert_eq!(due, [(CallPurpose::Plan, 268), (CallPurpose::Stage, 265)]);
    assert_eq!(state.open_calls.len(), 2);
}

/// Each beginning of the journal is a state that a crash may have left, and could be folded then.
#[test]
fn every_beginning_of_it_folds_with_every_call_due_or_settled() {
    let log = journal("before-speech.jsonl");
    for length in 1..=log.len() {
        let state = fold(&log[..length]);
        assert_eq!(state.head.0, length as u64);
        for call in due(&state).calls {
            assert!(
                state.open_calls.contains_key(&call.stamp.call_id),
                "after {length}"
            );
        }
    }
}

/// A key that a client used then is recognised when it comes again: what is asked for has the digest that it had.
#[test]
fn what_was_asked_for_then_has_the_same_digest_now() {
    let log = journal("before-speech.jsonl");
    let digest_of = |id: &str| {
        let mut records = log.iter().filter_map(|fact| fact.private.command.as_ref());
        let record = records.find(|record| record.id.to_string() == id);
        record.map(|record| record.digest.clone())
    };
    let text = "제품명은 루미세럼, 가격은 29000원".to_owned();
    for (id, kind) in [
        ("turn-1", CommandKind::UserMessage { text, spoken: None }),
        (
            "run-1",
            CommandKind::Generate {
                draft: false,
                background: true,
            },
        ),
        ("retry-1", CommandKind::RetryRun { run_id: None }),
        (
            "run-3",
            CommandKind::Generate {
                draft: true,
                background: false,
            },
        ),
    ] {
        assert_eq!(digest_of(id), Some(kind.digest()), "{id}");
    }
}
