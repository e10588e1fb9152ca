//! A session in which nothing is wrong, and every violation provoked in it.

use greenroom_protocol::{CallId, Event, RunId, Seq, SessionId, Timestamp, TurnId};
use serde_json::{Value, json};
use ulid::Ulid;

use super::*;
use crate::client::{Origin, RecordLine, Saw, SeenEvent};
use crate::provider::BilledCall;

fn session() -> SessionId {
    SessionId::new(Ulid(1))
}

fn run() -> RunId {
    RunId::new(Ulid(2))
}

fn turn() -> TurnId {
    TurnId::new(Ulid(3))
}

fn call(number: u128) -> CallId {
    CallId::new(Ulid(100 + number))
}

fn model(number: u128) -> Value {
    json!({ "kind": "model", "provider": "sim", "model": "sim-large", "call_id": call(number), "simulated": true })
}

fn error() -> Value {
    json!({ "code": "LLM_UPSTREAM", "message": "m", "details": null, "retryable": true, "retry_after": null })
}

fn reserved(number: u128) -> (&'static str, Value) {
    let stage = json!({ "call_id": call(number), "purpose": "stage", "run_id": run(), "stage": "research", "attempt": 1 });
    ("call.reserved", stage)
}

fn settled(number: u128, outcome: &str) -> (&'static str, Value) {
    (
        "call.settled",
        json!({ "call_id": call(number), "purpose": "stage", "run_id": run(), "stage": "research", "attempt": 1, "outcome": outcome }),
    )
}

fn stage_started() -> (&'static str, Value) {
    (
        "stage.started",
        json!({ "run_id": run(), "stage": "research", "attempt": 1 }),
    )
}

fn stage_completed(provenance: &Value) -> (&'static str, Value) {
    let data = json!({ "run_id": run(), "stage": "research", "attempt": 1, "output": {}, "provenance": provenance, "dropped": 0 });
    ("stage.completed", data)
}

fn changed(state: &str) -> (&'static str, Value) {
    ("stage.changed", json!({ "state": state, "run_id": run() }))
}

fn message(role: &str, provenance: &Value) -> (&'static str, Value) {
    let data = json!({
        "message_id": "msg_00000000000000000000000009", "turn_id": turn(), "role": role, "modality": "text",
        "text": "hello", "provenance": provenance, "truncated": false,
    });
    ("message.added", data)
}

fn turn_completed() -> (&'static str, Value) {
    (
        "turn.completed",
        json!({ "turn_id": turn(), "outcome": "ok", "latency": { "total_ms": 1, "segments": [] } }),
    )
}

/// One turn and one run, both to their end.
fn journal() -> Vec<(&'static str, Value)> {
    vec![
        (
            "session.started",
            json!({ "locale": "ko", "mode": "standard", "playbook": { "name": "launch", "hash": "0".repeat(64) }, "state": "CHAT_COLLECTING" }),
        ),
        (
            "turn.started",
            json!({ "turn_id": turn(), "turn": 1, "modality": "text" }),
        ),
        message("user", &json!({ "kind": "user", "turn_id": turn() })),
        (
            "call.reserved",
            json!({ "call_id": call(1), "purpose": "plan", "turn_id": turn(), "attempt": 1 }),
        ),
        settled(1, "ok"),
        message("assistant", &model(1)),
        turn_completed(),
        (
            "run.started",
            json!({ "run_id": run(), "mode": "standard", "locale": "ko", "brief": [], "draft": false, "stages": ["research"], "budget_ms": 600_000 }),
        ),
        stage_started(),
        reserved(2),
        (
            "research.delta",
            json!({ "run_id": run(), "stage": "research", "attempt": 1, "path": "/a", "append": "b" }),
        ),
        settled(2, "ok"),
        stage_completed(&model(2)),
        ("run.completed", json!({ "run_id": run(), "draft": false })),
        changed("DONE"),
    ]
}

fn held(events: &[(&'static str, Value)]) -> Vec<SeenEvent> {
    let number = |index: usize| Seq(u64::try_from(index).unwrap() + 1);
    events
        .iter()
        .enumerate()
        .map(|(index, (event_type, data))| {
            let event = Event::from_parts(event_type, data).unwrap();
            let data = event.data_json().unwrap();
            SeenEvent {
                seq: number(index),
                event_type: (*event_type).to_owned(),
                data,
            }
        })
        .collect()
}

fn billed(n: u64, call_id: Option<CallId>, outcome: &str) -> BilledCall {
    serde_json::from_value(json!({
        "n": n, "call_id": call_id, "api": "responses", "model": "sim-large", "purpose": "text", "schema": null,
        "started_at": "2026-02-19T15:00:00.000Z", "ended_at": null, "outcome": outcome, "fault": null, "status": null,
        "usage": { "input_tokens": 10, "output_tokens": 20, "searches": 0 }, "cost_micro_usd": 1,
    }))
    .unwrap()
}

fn line(connection: u32, saw: Saw) -> RecordLine {
    RecordLine {
        at: Timestamp::default(),
        connection,
        saw,
    }
}

/// A client that saw the first events, lost its connection, and came back for the rest.
fn record(journal: &[SeenEvent]) -> ClientRecord {
    let (first, rest) = journal.split_at(5);
    let session_id = session();
    let mut lines = vec![line(
        1,
        Saw::Connected {
            session_id,
            from: Origin::Snapshot,
        },
    )];
    let snapshot = json!({ "type": "session.snapshot", "as_of_seq": 1 }).to_string();
    lines.push(line(1, Saw::Signal { text: snapshot }));
    lines.extend(first[1..].iter().map(|event| line(1, Saw::Event(event.clone()))));
    lines.push(line(1, Saw::Closed { code: None }));
    lines.push(line(
        2,
        Saw::Connected {
            session_id,
            from: Origin::After(Seq(5)),
        },
    ));
    lines.extend(rest.iter().map(|event| line(2, Saw::Event(event.clone()))));
    lines.push(line(
        2,
        Saw::Signal {
            text: json!({ "type": "replay.done", "seq": 15 }).to_string(),
        },
    ));
    ClientRecord {
        name: "ada".to_owned(),
        lines,
    }
}

fn evidence_of(events: &[(&'static str, Value)]) -> Evidence {
    let journal = held(events);
    Evidence {
        journals: [(session(), journal)].into(),
        ..Evidence::default()
    }
}

fn whole() -> Evidence {
    let journal = held(&journal());
    let bill = [1, 2].map(|number| billed(number, Some(call(number.into())), "completed"));
    Evidence {
        records: vec![record(&journal)],
        journals: [(session(), journal)].into(),
        bill: Some(bill.to_vec()),
        ..Evidence::default()
    }
}

/// The kinds of the violations found, in their order.
fn kinds(evidence: &Evidence, expectation: Expectation) -> Vec<String> {
    let report = check(evidence, expectation);
    assert_eq!(
        report.is_clean(),
        report.to_string().ends_with("nothing is wrong")
    );
    let kind = |violation: &Violation| json!(violation)["kind"].as_str().unwrap().to_owned();
    report.violations.iter().map(kind).collect()
}

/// Checks a journal that differs from the whole one.
fn check_journal(change: impl FnOnce(&mut Vec<(&'static str, Value)>), expected: &[&str]) {
    let mut events = journal();
    change(&mut events);
    assert_eq!(kinds(&evidence_of(&events), Expectation::AtRest), expected);
}

/// Checks evidence that differs from the whole one.
fn check_evidence(change: impl FnOnce(&mut Evidence), expected: &[&str]) {
    let mut evidence = whole();
    change(&mut evidence);
    assert_eq!(kinds(&evidence, Expectation::AtRest), expected);
}

/// The data of the client's `index`-th event.
fn seen(evidence: &mut Evidence, index: usize) -> &mut SeenEvent {
    let events = evidence.records[0]
        .lines
        .iter_mut()
        .filter_map(|line| match &mut line.saw {
            Saw::Event(event) => Some(event),
            _ => None,
        });
    events.into_iter().nth(index).unwrap()
}

#[test]
fn a_whole_session_is_clean_and_counted() {
    let report = check(&whole(), Expectation::AtRest);
    assert_eq!(report.violations, []);
    let expected = Counts {
        sessions: 1,
        events: 15,
        clients: 1,
        connections: 2,
        seen: 14,
        turns: 1,
        runs: 1,
        runs_done: 1,
        stages_completed: 1,
        calls_reserved: 2,
        calls_settled: 2,
        calls_billed: 2,
        ..Counts::default()
    };
    assert_eq!(report.counts, expected);
}

#[test]
fn what_a_client_saw_is_in_the_journal_byte_for_byte() {
    check_evidence(|evidence| seen(evidence, 3).data.push(' '), &["seen_differs"]);
    check_evidence(
        |evidence| seen(evidence, 3).event_type = "turn.started".to_owned(),
        &["seen_differs"],
    );
    check_evidence(
        |evidence| {
            evidence.journals.get_mut(&session()).unwrap().pop();
        },
        &["run_end", "seen_not_in_journal"],
    );
    check_evidence(
        |evidence| evidence.journals.clear(),
        &["journal_missing", "billed_not_reserved", "billed_not_reserved"],
    );
    check_evidence(
        |evidence| {
            let text = r#"{"event_id":"evt_00007","seq":8,"type":"error"}"#.to_owned();
            evidence.records[0].lines.push(line(2, Saw::Signal { text }));
        },
        &["frame_unreadable"],
    );
}

#[test]
fn numbers_have_no_gap_and_no_duplicate() {
    check_evidence(
        |evidence| drop(evidence.records[0].lines.remove(4)),
        &["seq_broken"],
    );
    check_evidence(
        |evidence| {
            let again = evidence.records[0].lines[4].clone();
            evidence.records[0].lines.insert(4, again);
        },
        &["seq_broken"],
    );
    // The first event after coming back is lost.
    check_evidence(
        |evidence| drop(evidence.records[0].lines.remove(8)),
        &["seq_broken"],
    );
    check_evidence(
        |evidence| {
            evidence.records.clear();
            drop(evidence.journals.get_mut(&session()).unwrap().remove(10));
        },
        &["seq_broken"],
    );
    check_evidence(
        |evidence| {
            evidence.records.clear();
            let journal = evidence.journals.get_mut(&session()).unwrap();
            journal.insert(10, journal[10].clone());
        },
        &["seq_broken"],
    );
}

#[test]
fn the_stream_of_a_turn_may_leave_out_what_is_not_its_own() {
    check_evidence(
        |evidence| {
            let session_id = session();
            evidence.records[0].lines = [(2, 3), (4, 6)]
                .iter()
                .flat_map(|(first, last)| *first..=*last)
                .map(|seq: usize| line(1, Saw::Event(evidence.journals[&session_id][seq].clone())))
                .collect();
            evidence.records[0].lines.insert(
                0,
                line(
                    1,
                    Saw::Connected {
                        session_id,
                        from: Origin::Turn,
                    },
                ),
            );
            evidence.records[0].lines.remove(2);
        },
        &[],
    );
}

#[test]
fn an_event_that_nobody_knows_is_found() {
    check_evidence(
        |evidence| {
            evidence.records.clear();
            evidence.journals.get_mut(&session()).unwrap()[10].event_type = "mystery".to_owned();
        },
        &["event_unreadable"],
    );
}

#[test]
fn a_finished_stage_is_never_taken_up_again() {
    check_journal(
        |events| events.insert(13, stage_started()),
        &["stage_called_again"],
    );
    check_journal(
        |events| {
            events
                .splice(13..13, [reserved(3), settled(3, "failed")])
                .for_each(drop);
        },
        &["stage_called_again"],
    );
    check_journal(
        |events| events.insert(13, events[10].clone()),
        &["stage_called_again"],
    );
    check_journal(
        |events| events.insert(13, stage_completed(&model(2))),
        &["stage_called_again"],
    );
    check_journal(|events| events.insert(7, stage_started()), &["stage_without_run"]);
}

/// What follows when a run of two stages fails at the second, and an operator has a new one take it over.
fn taken_over(adopted: &Value) -> Vec<(&'static str, Value)> {
    let again = RunId::new(Ulid(20));
    let failures = json!([{ "stage": "strategy", "attempt": 1, "error": error() }]);
    vec![
        (
            "stage.changed",
            json!({ "state": "FAILED", "run_id": run(), "failures": failures }),
        ),
        (
            "session.restarted",
            json!({ "from_stage": "strategy", "run_id": again }),
        ),
        (
            "run.started",
            json!({
                "run_id": again, "mode": "standard", "locale": "ko", "brief": [], "draft": false,
                "stages": ["research", "strategy"], "budget_ms": 600_000, "from_run": run(), "from_stage": "strategy",
            }),
        ),
        (
            "stage.completed",
            json!({ "run_id": again, "stage": "research", "attempt": 0, "output": {}, "provenance": adopted, "dropped": 0 }),
        ),
        ("run.cancelled", json!({ "run_id": again })),
    ]
}

#[test]
fn an_output_is_adopted_only_from_the_failed_run_that_had_it() {
    let end_with = |adopted: Value| {
        move |events: &mut Vec<(&'static str, Value)>| {
            events[7].1["stages"] = json!(["research", "strategy"]);
            events.splice(13.., taken_over(&adopted)).for_each(drop);
        }
    };
    check_journal(end_with(model(2)), &[]);
    check_journal(end_with(model(1)), &["provenance"]);
    check_journal(
        |events| {
            end_with(model(2))(events);
            events[15].1["from_run"] = Value::Null;
        },
        &["provenance"],
    );
    check_journal(
        |events| {
            end_with(model(2))(events);
            events.remove(13);
        },
        &["run_end", "run_end"],
    );
}

#[test]
fn a_stop_leaves_nothing_under_way() {
    let stopped = ("session.stopped", json!({}));
    let cancelled = ("run.cancelled", json!({ "run_id": run() }));
    check_journal(|events| events.push(stopped.clone()), &[]);
    check_journal(
        |events| {
            events
                .splice(11.., [settled(2, "unknown"), cancelled.clone(), stopped.clone()])
                .for_each(drop);
        },
        &[],
    );
    check_journal(
        |events| {
            events
                .splice(11.., [stopped.clone(), settled(2, "unknown"), cancelled.clone()])
                .for_each(drop);
        },
        &["run_end", "call_booking"],
    );
}

#[test]
fn no_text_is_without_provenance() {
    let phrase = json!({ "kind": "playbook", "key": "greeting", "hash": "0".repeat(64) });
    check_journal(|events| events[5] = message("assistant", &phrase), &[]);
    check_journal(|events| events[2] = message("user", &phrase), &["provenance"]);
    check_journal(
        |events| events[5] = message("assistant", &json!({ "kind": "user", "turn_id": turn() })),
        &["provenance"],
    );
    check_journal(
        |events| events[5] = message("assistant", &model(9)),
        &["provenance"],
    );
    check_journal(|events| events[12] = stage_completed(&phrase), &["provenance"]);
    check_journal(|events| events[12] = stage_completed(&model(9)), &["provenance"]);
}

#[test]
fn a_run_ends_in_one_of_three_ways() {
    let failed = |failures: Value| {
        (
            "stage.changed",
            json!({ "state": "FAILED", "run_id": run(), "failures": failures }),
        )
    };
    let failure = json!([{ "stage": "research", "attempt": 2, "error": error() }]);
    let cancelled = ("run.cancelled", json!({ "run_id": run() }));
    // Failed, cancelled, and failed, then taken up again with success.
    check_journal(
        |events| events.splice(12.., [failed(failure.clone())]).for_each(drop),
        &[],
    );
    check_journal(
        |events| events.splice(12.., [cancelled.clone()]).for_each(drop),
        &[],
    );
    check_journal(
        |events| {
            events
                .splice(
                    12..12,
                    [failed(failure.clone()), changed("RUN_RESEARCH"), stage_started()],
                )
                .for_each(drop);
        },
        &[],
    );
    check_journal(
        |events| events.splice(12.., [failed(json!([]))]).for_each(drop),
        &["run_end"],
    );
    check_journal(|events| events.truncate(12), &["run_end"]);
    check_journal(|events| events.truncate(14), &["run_end"]);
    check_journal(|events| drop(events.remove(12)), &["run_end"]);
    check_journal(|events| events.push(cancelled.clone()), &["run_end"]);
    check_journal(|events| events.push(failed(failure.clone())), &["run_end"]);
    check_journal(
        |events| {
            events
                .splice(12.., [cancelled.clone(), stage_started()])
                .for_each(drop);
        },
        &["stage_called_again"],
    );
}

#[test]
fn a_turn_ends_exactly_once() {
    check_journal(|events| drop(events.remove(6)), &["turn_end"]);
    check_journal(|events| events.insert(6, turn_completed()), &["turn_end"]);
}

#[test]
fn a_call_is_reserved_once_and_settled_once() {
    check_journal(|events| drop(events.remove(11)), &["call_booking"]);
    check_journal(|events| events.insert(11, settled(2, "ok")), &["call_booking"]);
    check_journal(|events| events.insert(11, settled(9, "ok")), &["call_booking"]);
    check_journal(|events| events.insert(10, reserved(2)), &["call_booking"]);
}

#[test]
fn a_call_may_be_finished_by_a_later_attempt_and_stays_one_entry_of_the_bill() {
    let mut events = journal();
    let place =
        |events: &[(&str, Value)], wanted: &str| events.iter().position(|(kind, _)| *kind == wanted).unwrap();
    let again = json!({ "run_id": run(), "stage": "research", "attempt": 2 });
    let delta = json!({ "run_id": run(), "stage": "research", "attempt": 2, "path": "/a", "append": "b" });
    let at = place(&events, "research.delta") + 1;
    events.splice(at..at, [("stage.started", again), ("research.delta", delta)]);
    let at = place(&events, "stage.completed");
    events[at].1["attempt"] = 2.into();
    let mut evidence = evidence_of(&events);
    let bill = [1, 2].map(|n| billed(n, Some(call(n.into())), "completed"));
    evidence.bill = Some(bill.to_vec());
    assert_eq!(kinds(&evidence, Expectation::AtRest), Vec::<String>::new());
}

#[test]
fn what_is_under_way_is_open_only_while_it_is() {
    let mut events = journal();
    events.truncate(11);
    events.remove(6);
    let evidence = evidence_of(&events);
    assert_eq!(kinds(&evidence, Expectation::UnderWay), Vec::<String>::new());
    assert_eq!(
        kinds(&evidence, Expectation::AtRest),
        ["turn_end", "run_end", "call_booking"]
    );
    let mut given_up = error();
    given_up["code"] = "SESSION_RESTART_LIMIT".into();
    given_up["will_retry"] = false.into();
    events.push(("error", given_up));
    assert_eq!(
        kinds(&evidence_of(&events), Expectation::AtRest),
        Vec::<String>::new()
    );
}

#[test]
fn every_counted_call_was_reserved_and_every_whole_one_was_counted() {
    let bill = |evidence: &mut Evidence, call: BilledCall| evidence.bill.as_mut().unwrap().push(call);
    let known = Some(call(2));
    check_evidence(
        |evidence| bill(evidence, billed(3, Some(call(9)), "completed")),
        &["billed_not_reserved"],
    );
    check_evidence(
        |evidence| bill(evidence, billed(3, None, "client_gone")),
        &["billed_not_reserved"],
    );
    check_evidence(
        |evidence| bill(evidence, billed(3, known, "completed")),
        &["billed_twice"],
    );
    check_evidence(
        |evidence| drop(evidence.bill.as_mut().unwrap().pop()),
        &["settled_not_billed"],
    );
    check_evidence(
        |evidence| evidence.bill.as_mut().unwrap()[1] = billed(2, Some(call(2)), "faulted"),
        &["settled_not_billed"],
    );
    check_evidence(|evidence| evidence.bill = None, &[]);
}

#[test]
fn an_operator_sees_what_the_journal_holds_and_the_simulator_counted() {
    let row = |data: &str, output_tokens: u64| -> OperatorRow {
        let private = json!({ "call": { "usage": { "input_tokens": 10, "output_tokens": output_tokens } } });
        let text = format!(
            r#"{{"session_id":"{}","seq":12,"type":"call.settled","data":{data},"private":{private}}}"#,
            session()
        );
        serde_json::from_str(&text).unwrap()
    };
    let data = held(&journal())[11].data.clone();
    check_evidence(|evidence| evidence.operator.push(row(&data, 20)), &[]);
    check_evidence(
        |evidence| evidence.operator.push(row(&data, 21)),
        &["operator_differs"],
    );
    check_evidence(
        |evidence| evidence.operator.push(row("{}", 20)),
        &["operator_differs"],
    );
    let absent = OperatorRow {
        seq: Seq(99),
        ..row(&data, 20)
    };
    check_evidence(|evidence| evidence.operator.push(absent), &["operator_differs"]);
}

#[test]
fn nothing_is_acted_upon_or_stands_while_its_check_is_open() {
    let turn_scope = |mut data: Value| {
        data["turn_id"] = json!(turn());
        data["attempt"] = json!(1);
        data
    };
    let stage_scope = |mut data: Value| {
        data["run_id"] = json!(run());
        data["stage"] = json!("research");
        data["attempt"] = json!(1);
        data
    };
    let check = |number: u128| json!({ "call_id": call(number), "purpose": "moderate" });
    let passed = |number: u128| json!({ "call_id": call(number), "purpose": "moderate", "outcome": "ok" });
    // Where a check of the words, of the reply and of the output is reserved, and where it must have been settled.
    for (reserved_at, settled_at, first_late_at) in [(3, 3, 4), (5, 5, 6), (12, 12, 13)] {
        let scoped = |data: Value| {
            if reserved_at < 7 {
                turn_scope(data)
            } else {
                stage_scope(data)
            }
        };
        check_journal(
            |events| {
                events.insert(settled_at, ("call.settled", scoped(passed(3))));
                events.insert(reserved_at, ("call.reserved", scoped(check(3))));
            },
            &[],
        );
        check_journal(
            |events| {
                events.insert(first_late_at, ("call.settled", scoped(passed(3))));
                events.insert(reserved_at, ("call.reserved", scoped(check(3))));
            },
            &["unchecked"],
        );
    }
}

fn said(is_answered: bool) -> Promise {
    Promise::Said {
        session: session(),
        text: "hello".to_owned(),
        is_answered,
    }
}

#[test]
fn what_was_promised_is_there_and_counts_once() {
    let run_of = |number| Promise::Run {
        session: session(),
        run: RunId::new(Ulid(number)),
    };
    check_evidence(
        |evidence| evidence.promises = vec![said(false), said(true), run_of(2)],
        &[],
    );
    check_evidence(
        |evidence| evidence.promises = vec![run_of(77)],
        &["promise_broken"],
    );
    let other = |is_answered| Promise::Said {
        session: session(),
        text: "bye".to_owned(),
        is_answered,
    };
    // What nobody answered may have been lost on its way.
    check_evidence(
        |evidence| evidence.promises = vec![other(false), other(true)],
        &["promise_broken"],
    );
    let mut twice = journal();
    twice.insert(3, twice[2].clone());
    let mut evidence = evidence_of(&twice);
    evidence.promises = vec![said(false)];
    assert_eq!(kinds(&evidence, Expectation::AtRest), ["counted_again"]);
}

#[test]
fn what_was_accepted_is_there_and_always_as_the_same() {
    let accepted = |turn_id: TurnId| {
        let text = json!({ "type": "accepted", "id": "a", "turn_id": turn_id, "seq": 2, "duplicate": false })
            .to_string();
        line(2, Saw::Signal { text })
    };
    check_evidence(
        |evidence| {
            evidence.records[0]
                .lines
                .extend([accepted(turn()), accepted(turn())]);
        },
        &[],
    );
    let other = TurnId::new(Ulid(78));
    check_evidence(
        |evidence| evidence.records[0].lines.push(accepted(other)),
        &["promise_broken"],
    );
    check_evidence(
        |evidence| {
            evidence.records[0]
                .lines
                .extend([accepted(turn()), accepted(other)]);
        },
        &["promise_broken", "counted_again"],
    );
}

#[test]
fn an_erased_session_has_no_journal_and_its_calls_are_not_held_against_anybody() {
    let erase = |evidence: &mut Evidence, read: usize| {
        let mut journal = evidence.journals.remove(&session()).unwrap();
        journal.truncate(read);
        let began = evidence.bill.as_ref().unwrap()[0].started_at;
        let erasure = Erasure {
            journal,
            read_at: Timestamp::from_unix_ms(began.unix_ms() + 1),
            over_at: Timestamp::from_unix_ms(began.unix_ms() + 5),
        };
        evidence.erased = [(session(), erasure)].into();
    };
    check_evidence(|evidence| erase(evidence, 15), &[]);
    // The second call is not known to be of the session that was erased, unless it came while that went on.
    check_evidence(|evidence| erase(evidence, 5), &["billed_not_reserved"]);
    check_evidence(
        |evidence| {
            erase(evidence, 5);
            let call = &mut evidence.bill.as_mut().unwrap()[1];
            call.started_at = Timestamp::from_unix_ms(call.started_at.unix_ms() + 3);
        },
        &[],
    );
}
