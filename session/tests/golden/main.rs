//! Journals as each release wrote them, folded from then on: what a release folds to something else, or cannot fold any
//! more, is somebody's session.
//!
//! `<release>/<kind>.jsonl` has the rows of a session as its journal stores them, `<release>/<kind>.snapshot.json` what
//! they fold to. `README.md` beside them says how those of the next release are recorded.

mod journal;
#[allow(dead_code, reason = "the decider's own tests play more than is recorded")]
#[path = "../decider/outputs.rs"]
mod outputs;
#[allow(dead_code, reason = "the decider's own tests play more than is recorded")]
#[path = "../decider/play.rs"]
mod play;
mod sessions;
mod speech;

use std::collections::BTreeSet;

use greenroom_protocol::{Event, Seq};
use greenroom_session::snapshot::{self, FOLD_VERSION};
use greenroom_session::{due, state::Phase};
use serde_json::Value;

use journal::{Expected, Journal, RELEASE};

/// Types of events that this release knows and writes nowhere.
const NEVER_WRITTEN: [&str; 1] = ["budget.warning"];

/// Asks for the journals of this release to be written anew: by the deciders as they are now.
const RECORD: &str = "GREENROOM_RECORD";
/// Asks for what journals fold to to be written anew, where the version of the fold is another.
const REGENERATE: &str = "GREENROOM_REGENERATE";

#[test]
fn this_release_has_journals_of_every_kind() {
    let kinds = sessions::all();
    if std::env::var_os(RECORD).is_some() {
        for (kind, play) in &kinds {
            Journal::record(kind, &play.log, play.state.id).expect("the journal is written");
        }
    }
    let recorded: BTreeSet<String> = Journal::of(RELEASE).into_iter().map(|found| found.kind).collect();
    let expected: BTreeSet<String> = kinds.iter().map(|(kind, _)| (*kind).to_owned()).collect();
    assert_eq!(
        recorded, expected,
        "release {RELEASE} has other journals; record them by\n    \
         {RECORD}=1 cargo test -p greenroom-session --test golden this_release"
    );
}

#[test]
fn every_journal_folds_to_what_was_recorded() {
    for journal in Journal::all() {
        let folded = journal::kept_as_json(&journal.fold());
        let mut expected = journal.expected();
        if std::env::var_os(REGENERATE).is_some() && expected.fold_version != FOLD_VERSION {
            expected = Expected {
                fold_version: FOLD_VERSION,
                state: folded.clone(),
            };
            journal.expect(&expected).expect("it is written");
        }
        assert_eq!(
            expected.fold_version, FOLD_VERSION,
            "{journal}: another version of the fold made what it is to fold to; look at what changed, then run\n    \
             {REGENERATE}=1 cargo test -p greenroom-session --test golden every_journal"
        );
        // As texts, because the order of keys is a part of the state.
        let (as_recorded, as_folded) = (expected.state.to_string(), folded.to_string());
        assert!(
            as_recorded == as_folded,
            "{journal}: it folds to something else, so snapshots that are kept are not understood any more or say \
             something else: raise `snapshot::FOLD_VERSION`\n{}",
            difference(&expected.state, &folded)
        );
    }
}

#[test]
fn what_was_kept_by_this_version_of_the_fold_can_be_read() {
    for journal in Journal::all() {
        let expected = journal.expected();
        if expected.fold_version == FOLD_VERSION {
            let kept = expected.state.to_string();
            let state =
                snapshot::decode(kept.as_bytes()).unwrap_or_else(|error| panic!("{journal}: {error}"));
            assert_eq!(state, journal.fold(), "{journal}");
        }
    }
}

#[test]
fn every_row_says_what_it_said() {
    for journal in Journal::all() {
        for (row, fact) in journal.rows.iter().zip(journal.facts()) {
            let data = fact.event.data_json().expect("it is JSON");
            let (said, says): (Value, Value) = (
                serde_json::from_str(row.data.get()).expect("it is JSON"),
                serde_json::from_str(&data).expect("it is JSON"),
            );
            assert_eq!(says, said, "{journal}: {} of event {}", row.event_type, row.seq);
        }
    }
}

#[test]
fn every_beginning_of_a_journal_is_a_session_that_can_go_on() {
    for journal in Journal::all() {
        let mut state = journal.begin();
        for (fact, seq) in journal.facts().iter().skip(1).zip(2..) {
            state.evolve(fact);
            assert_eq!(state.head, Seq(seq), "{journal}");
            for call in due(&state).calls {
                assert!(
                    state.open_calls.contains_key(&call.stamp.call_id),
                    "{journal} after {seq}: what is due was reserved"
                );
            }
        }
    }
}

#[test]
fn together_the_journals_have_every_type_of_event_in_them() {
    let mut types = BTreeSet::new();
    let mut phases = BTreeSet::new();
    for journal in Journal::of(RELEASE) {
        types.extend(journal.facts().iter().map(|fact| match &fact.event {
            Event::StageDelta(_) => Event::STAGE_DELTA.to_owned(),
            event => event.event_type().into_owned(),
        }));
        phases.insert(match journal.fold().phase {
            Phase::Collecting => "collecting",
            Phase::Ready => "ready",
            Phase::Running(_) => "running",
            Phase::Failed(_) => "failed",
            Phase::Done { .. } => "done",
        });
    }
    let known = Event::TYPES.iter().chain([&Event::STAGE_DELTA]);
    let missing: Vec<&&str> = known
        .filter(|known| !types.contains(**known) && !NEVER_WRITTEN.contains(*known))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(phases.len(), 5, "sessions in every phase: {phases:?}");
}

/// The first place where two documents differ.
fn difference(expected: &Value, found: &Value) -> String {
    fn first(path: &str, expected: &Value, found: &Value) -> Option<String> {
        if expected == found {
            return None;
        }
        let told = || Some(format!("{path}: {found} instead of {expected}"));
        match (expected, found) {
            (Value::Object(expected), Value::Object(found)) => {
                let keys: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
                let mut places = keys.into_iter().filter_map(|key| {
                    let value = |object: &serde_json::Map<String, Value>| object.get(key).cloned();
                    match (value(expected), value(found)) {
                        (Some(expected), Some(found)) => first(&format!("{path}/{key}"), &expected, &found),
                        (Some(_), None) => Some(format!("{path}/{key} is missing")),
                        (None, Some(_)) => Some(format!("{path}/{key} is new")),
                        (None, None) => None,
                    }
                });
                places.next().or_else(told)
            }
            (Value::Array(before), Value::Array(now)) if before.len() == now.len() => {
                let mut pairs = before.iter().zip(now).enumerate();
                let place = pairs.find_map(|(at, (before, now))| first(&format!("{path}/{at}"), before, now));
                place.or_else(told)
            }
            _ => told(),
        }
    }
    first("", expected, found).unwrap_or_else(|| "nothing differs but the order of keys".to_owned())
}
