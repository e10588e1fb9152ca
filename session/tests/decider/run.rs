//! Runs: stages in their order, attempts, repairs, failures, cancelling, crashes.

use greenroom_protocol::{CallOutcome, CallPurpose, ErrorCode, Event, JobStatus, Mode, StageFailure};
use greenroom_session::{AgentReport, CommandKind, due};
use serde_json::{Value, json};

use crate::outputs;
use crate::play::{Play, load, path, plan_reply, stage, types};

fn launch_running() -> Play {
    let mut play = Play::launch();
    play.fill_launch_brief();
    play.generate().expect("started");
    play
}

/// Each wire state in the order in which it was entered.
fn states(play: &Play) -> Vec<String> {
    play.log
        .iter()
        .filter_map(|fact| match &fact.event {
            Event::StageChanged(changed) => Some(changed.state.clone()),
            _ => None,
        })
        .collect()
}

fn completed_output(events: &[Event]) -> Value {
    let output = events.iter().find_map(|event| match event {
        Event::StageCompleted(completed) => Some(completed.output.clone()),
        _ => None,
    });
    output.expect("the stage is complete")
}

fn failures(events: &[Event]) -> Vec<StageFailure> {
    let changed = events.iter().find_map(|event| match event {
        Event::StageChanged(changed) if !changed.failures.is_empty() => Some(changed.failures.clone()),
        _ => None,
    });
    changed.unwrap_or_default()
}

#[test]
fn a_run_goes_through_its_stages_to_done() {
    let mut play = launch_running();
    play.stage("research", &outputs::research());
    play.stage("strategy", &outputs::strategy());
    play.stage("creative", &outputs::creative());
    let events = play.stage("voice", &outputs::voice());
    assert!(types(&events).ends_with(&["run.completed".into(), "stage.changed".into()]));
    assert_eq!(
        states(&play),
        [
            "BRIEF_READY",
            "RUN_RESEARCH",
            "GEN_STRATEGY",
            "GEN_CREATIVES",
            "DONE"
        ]
    );
    assert!(due(&play.state).calls.is_empty() && play.state.open_calls.is_empty());
}

#[test]
fn after_done_the_brief_may_change_and_another_run_may_follow() {
    let mut play = launch_running();
    let first = play.state.newest_run;
    for (name, output) in [
        ("research", outputs::research()),
        ("strategy", outputs::strategy()),
        ("creative", outputs::creative()),
        ("voice", outputs::voice()),
    ] {
        play.stage(name, &output);
    }
    assert_eq!(play.state.wire_state, "DONE");
    play.set("product.name", json!("루미앰플"))
        .expect("the brief may change");
    let second = play.generate().expect("another run").run_id;
    assert_ne!(second, first);
    let frozen: Vec<Value> = play
        .log
        .iter()
        .filter_map(|fact| match &fact.event {
            Event::RunStarted(run) => run
                .brief
                .iter()
                .find(|slot| slot.path == path("product.name"))
                .cloned(),
            _ => None,
        })
        .map(|slot| slot.value)
        .collect();
    assert_eq!(
        frozen,
        [json!("루미세럼"), json!("루미앰플")],
        "each run keeps the brief that it was started with"
    );
    assert_eq!(play.state.wire_state, "RUN_RESEARCH");
}

#[test]
fn a_second_playbook_with_other_states_runs_to_its_own_end() {
    for (mode, skipped) in [(Mode::Standard, false), (Mode::Fast, true)] {
        let playbook = load("tests/playbooks/concierge");
        let optional: Vec<_> = playbook
            .stages
            .iter()
            .filter(|spec| spec.optional)
            .map(|spec| spec.id.clone())
            .collect();
        assert!(!optional.is_empty());
        let mut play = Play::of(playbook, mode);
        concierge_brief(&mut play);
        play.generate().expect("started");
        let mut most_at_once = 0;
        while let Some(call) = due(&play.state).calls.into_iter().next() {
            most_at_once = most_at_once.max(due(&play.state).calls.len());
            let greenroom_protocol::CallScope::Stage { stage, .. } = &call.stamp.scope else {
                panic!("a stage")
            };
            play.stage(stage.as_str(), &outputs::concierge(stage.as_str()));
        }
        assert_eq!(play.state.wire_state, play.playbook.states.done);
        assert_eq!(most_at_once, 2, "two stages side by side");
        let ran = play
            .log
            .iter()
            .any(|fact| matches!(&fact.event, Event::StageCompleted(c) if optional.contains(&c.stage)));
        assert_eq!(ran, !skipped);
    }
}

/// Fills every required slot of the concierge playbook.
fn concierge_brief(play: &mut Play) {
    use greenroom_session::playbook::SlotKind;
    let required: Vec<_> = play
        .playbook
        .slots
        .iter()
        .filter(|slot| slot.required)
        .cloned()
        .collect();
    for spec in required {
        let value = match &spec.kind {
            SlotKind::Text => json!("부산"),
            SlotKind::TextList { items_min, .. } => json!(
                vec!["하나"; *items_min]
                    .iter()
                    .enumerate()
                    .map(|(n, t)| format!("{t}{n}"))
                    .collect::<Vec<_>>()
            ),
            SlotKind::Choice { options } | SlotKind::PriceBand { options } => json!(options[0].value),
            SlotKind::Number { options, .. } => json!(options[0]),
        };
        play.set(spec.path.as_str(), value).expect("a valid edit");
    }
}

#[test]
fn a_call_is_reserved_in_the_same_batch_as_what_needs_it_and_settled_when_it_ends() {
    let mut play = launch_running();
    let stamp = play.stage_stamp("research");
    assert_eq!(
        play.state.open_calls.keys().copied().collect::<Vec<_>>(),
        [stamp.call_id]
    );
    play.stage("research", &outputs::research());
    let settled = play.log.iter().find_map(|fact| match &fact.event {
        Event::CallSettled(settled) if settled.call_id == stamp.call_id => {
            Some((settled.outcome, fact.private.call.clone()))
        }
        _ => None,
    });
    let (outcome, record) = settled.expect("settled");
    assert_eq!(outcome, CallOutcome::Ok);
    assert_eq!(record.expect("a record").request_id.as_deref(), Some("req_1"));
}

#[test]
fn evidence_that_no_search_returned_is_dropped_and_a_risk_flag_says_so() {
    let mut play = launch_running();
    let urls = [
        "https://news.example/serum",
        "https://made.up/page",
        "http://news.example/serum",
        "https://news.example/serum/",
    ];
    let events = play.stage("research", &outputs::research_with_evidence(&urls));
    let output = completed_output(&events);
    assert_eq!(
        output["evidence"].as_array().map(Vec::len),
        Some(1),
        "unsupported, plain http and twice the same go"
    );
    assert_eq!(
        output["risk_flags"],
        json!([play.phrase("risk.evidence_dropped")])
    );
    let streamed: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            Event::StageDelta(delta) if delta.delta.path.starts_with("/evidence") => {
                Some(delta.delta.path.clone())
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        streamed,
        ["/evidence/0"],
        "what is checked is shown whole, and only what passed"
    );
}

#[test]
fn what_the_schema_does_not_know_is_not_shown() {
    let mut play = launch_running();
    let nested = json!({ "snapshot": { "evidence": [{ "url": "https://made.up/1" }] } });
    let events = play.stage("research", &nested);
    assert!(!types(&events).contains(&"research.delta".to_owned()));
}

#[test]
fn a_run_that_was_superseded_cannot_be_taken_up_again() {
    let mut play = launch_running();
    let first = play.state.newest_run;
    let stamp = play.stage_stamp("research");
    play.fail(&stamp, ErrorCode::LlmUpstream, false);
    play.generate().expect("another run");
    play.send(CommandKind::CancelRun { run_id: None })
        .expect("cancelled");
    let refused = play
        .send(CommandKind::RetryRun { run_id: first })
        .expect_err("it is over");
    assert_eq!(refused.code, ErrorCode::RunNotFound);
}

#[test]
fn the_key_of_a_retry_is_kept_like_that_of_a_start() {
    let mut play = launch_running();
    let stamp = play.stage_stamp("research");
    play.fail(&stamp, ErrorCode::LlmUpstream, false);
    let retry = CommandKind::RetryRun { run_id: None };
    play.send_as(Some("again"), retry.clone()).expect("taken up");
    play.send(CommandKind::CancelRun { run_id: None })
        .expect("cancelled");
    for number in 0..1_100 {
        let edits = vec![greenroom_session::SlotEdit {
            path: path("product.name"),
            value: json!(format!("이름{number}")),
        }];
        play.send_as(Some(&format!("c{number}")), CommandKind::SetSlots { edits })
            .expect("an edit");
    }
    assert!(play.send_as(Some("again"), retry).expect("known").duplicate);
}

#[test]
fn empty_evidence_needs_a_risk_flag() {
    let mut play = launch_running();
    let output = completed_output(&play.stage("research", &outputs::research_with_evidence(&[])));
    assert_eq!(output["risk_flags"], json!([play.phrase("risk.evidence_empty")]));
}

#[test]
fn fewer_than_five_copies_that_pass_the_check_are_a_breach() {
    let mut play = launch_running();
    play.stage("research", &outputs::research());
    play.stage("strategy", &outputs::strategy());
    let mut headlines: Vec<String> = (0..4).map(|number| format!("순한 세럼 {number}")).collect();
    headlines.extend((0..6).map(|number| format!("트러블 완치 {number}")));
    let events = play.stage("creative", &outputs::creative_with(&headlines));
    assert!(!types(&events).contains(&"stage.completed".into()));
    assert_eq!(play.stage_stamp("creative").purpose, CallPurpose::Repair);
}

#[test]
fn a_breach_is_repaired_once_and_the_model_sees_what_was_wrong() {
    let mut play = launch_running();
    let mut broken = outputs::research();
    broken["market_signals"] = json!([]);
    let events = play.stage("research", &broken);
    assert!(!types(&events).contains(&"error".into()));
    let stamp = play.stage_stamp("research");
    assert_eq!(stamp.purpose, CallPurpose::Repair);
    let request = play.request(&stamp);
    assert_eq!(request.messages.len(), 3);
    assert!(
        request.messages[2].text.contains("/market_signals"),
        "{}",
        request.messages[2].text
    );
    assert!(!request.search, "a repair works with what was found");

    let events = play.reply(&stamp, &outputs::research().to_string(), &[]);
    let first_delta = events.iter().find_map(|event| match event {
        Event::StageDelta(delta) => Some(serde_json::to_value(&delta.delta).expect("serializable")),
        _ => None,
    });
    assert_eq!(first_delta, Some(json!({ "path": "", "value": null })));
    // The search of the first call counts for the run.
    assert_eq!(
        completed_output(&events)["evidence"].as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn a_schema_broken_throughout_ends_in_failed_with_its_code_and_nothing_invented() {
    let mut play = launch_running();
    let mut last = Vec::new();
    for attempt in 1..=2 {
        for _ in 0..2 {
            last = play.stage("research", &json!({ "market_signals": 7 }));
        }
        if attempt == 1 {
            assert!(
                play.wait(2_400)
                    .iter()
                    .any(|event| matches!(event, Event::StageStarted(s) if s.attempt == 2))
            );
        }
    }
    assert_eq!(play.state.wire_state, "FAILED");
    let failures = failures(&last);
    assert_eq!((failures[0].stage.as_str(), failures[0].attempt), ("research", 2));
    assert_eq!(failures[0].error.code, ErrorCode::LlmJsonInvalid);
    assert!(
        !play
            .log
            .iter()
            .any(|fact| matches!(fact.event, Event::StageCompleted(_)))
    );
}

#[test]
fn a_failed_run_is_taken_up_again_from_the_stage_that_failed() {
    let mut play = launch_running();
    play.stage("research", &outputs::research());
    let stamp = play.stage_stamp("strategy");
    play.fail(&stamp, ErrorCode::LlmUpstream, false);
    assert_eq!(play.state.wire_state, "FAILED");
    let run_id = play.state.newest_run;

    let receipt = play.send(CommandKind::RetryRun { run_id }).expect("taken up");
    assert_eq!(receipt.run_id, run_id);
    assert_eq!(play.state.wire_state, "GEN_STRATEGY");
    assert_eq!(
        play.state
            .active_run()
            .expect("running")
            .attempt(&stage("strategy"))
            .expect("under way")
            .number,
        2
    );
    play.stage("strategy", &outputs::strategy());
    play.stage("creative", &outputs::creative());
    play.stage("voice", &outputs::voice());
    assert_eq!(play.state.wire_state, "DONE");
    let research_calls = play.log.iter().filter(
        |fact| matches!(&fact.event, Event::StageStarted(started) if started.stage == stage("research")),
    );
    assert_eq!(
        research_calls.count(),
        1,
        "a finished stage is never paid for twice"
    );
}

#[test]
fn a_retry_waits_as_long_as_the_provider_asks() {
    let mut play = launch_running();
    let stamp = play.stage_stamp("research");
    let failure = greenroom_session::ports::CallFailure {
        code: ErrorCode::LlmUpstream,
        retryable: true,
        retry_after: Some(greenroom_protocol::Millis(7_000)),
        reason: "429".into(),
        receipt: None,
    };
    let report = AgentReport::Failed {
        failure,
        partial: String::new(),
        sources: Vec::new(),
    };
    let events = play.report(&stamp, report);
    assert!(
        matches!(events.last(), Some(Event::Error(error)) if error.will_retry && error.error.retry_after == Some(7))
    );
    assert_eq!(
        due(&play.state).wake_at,
        Some(play.now.after(greenroom_protocol::Millis(7_000)))
    );
    assert!(play.wait(6_999).is_empty());
    assert!(!play.wait(1).is_empty());
}

#[test]
fn a_wait_that_does_not_fit_the_budget_fails_the_stage_at_once() {
    let mut play = launch_running();
    let stamp = play.stage_stamp("research");
    play.now = play.now.after(greenroom_protocol::Millis(19_500));
    let events = play.fail(&stamp, ErrorCode::LlmTimeout, true);
    assert_eq!(failures(&events)[0].error.code, ErrorCode::LlmTimeout);
    let settled = events.iter().find_map(|event| match event {
        Event::CallSettled(settled) => Some(settled.outcome),
        _ => None,
    });
    assert_eq!(
        settled,
        Some(CallOutcome::Unknown),
        "nobody knows what a silent call cost"
    );
}

#[test]
fn a_panic_in_an_agent_costs_one_attempt() {
    let mut play = launch_running();
    let stamp = play.stage_stamp("research");
    play.report(
        &stamp,
        AgentReport::Crashed {
            reason: "panicked".into(),
        },
    );
    play.wait(2_400);
    play.stage("research", &outputs::research());
    assert_eq!(play.state.wire_state, "GEN_STRATEGY");
}

#[test]
fn a_cancelled_run_leaves_the_state_to_the_gate_and_late_reports_are_dropped() {
    let mut play = launch_running();
    let stamp = play.stage_stamp("research");
    let receipt = play
        .send(CommandKind::CancelRun { run_id: None })
        .expect("cancelled");
    assert_eq!(play.state.wire_state, "BRIEF_READY");
    assert!(due(&play.state).calls.is_empty() && play.state.open_calls.is_empty());
    assert!(
        play.report(
            &stamp,
            AgentReport::Crashed {
                reason: "late".into()
            }
        )
        .is_empty()
    );
    let again = play
        .send(CommandKind::CancelRun {
            run_id: receipt.run_id,
        })
        .expect("ended already");
    assert_eq!(again.run_id, receipt.run_id);
    play.generate().expect("another run may follow");
}

#[test]
fn one_run_at_a_time_and_the_same_key_never_starts_a_second() {
    let mut play = Play::launch();
    play.fill_launch_brief();
    let generate = CommandKind::Generate {
        draft: false,
        background: true,
    };
    let first = play.send_as(Some("r1"), generate.clone()).expect("started");
    assert_eq!(
        play.send_as(Some("r2"), generate.clone())
            .expect_err("active")
            .code,
        ErrorCode::RunActive
    );
    for number in 0..1_200 {
        play.send_as(
            Some(&format!("c{number}")),
            CommandKind::SetSlots { edits: Vec::new() },
        )
        .expect_err("frozen");
    }
    let again = play.send_as(Some("r1"), generate).expect("known");
    assert!(again.duplicate);
    assert_eq!((first.run_id, first.job_id), (again.run_id, again.job_id));
}

#[test]
fn run_keys_are_kept_for_good_while_others_are_forgotten_after_a_thousand() {
    let mut play = Play::launch();
    play.fill_launch_brief();
    let generate = CommandKind::Generate {
        draft: false,
        background: false,
    };
    let first = play.send_as(Some("r1"), generate.clone()).expect("started");
    play.send(CommandKind::CancelRun { run_id: None })
        .expect("cancelled");
    for number in 0..1_100 {
        let edits = vec![greenroom_session::SlotEdit {
            path: path("product.name"),
            value: json!(format!("이름{number}")),
        }];
        play.send_as(Some(&format!("c{number}")), CommandKind::SetSlots { edits })
            .expect("an edit");
    }
    let again = play.send_as(Some("r1"), generate).expect("known");
    assert!(again.duplicate && again.run_id == first.run_id);
}

#[test]
fn a_job_tells_how_its_run_stands() {
    let mut play = Play::launch();
    play.fill_launch_brief();
    play.send(CommandKind::Generate {
        draft: false,
        background: true,
    })
    .expect("started");
    play.stage("research", &outputs::research());
    let stamp = play.stage_stamp("strategy");
    play.fail(&stamp, ErrorCode::LlmUpstream, false);
    let told: Vec<(JobStatus, u8)> = play
        .log
        .iter()
        .filter_map(|fact| match &fact.event {
            Event::JobUpdated(job) => Some((job.status, job.progress)),
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        [
            (JobStatus::Running, 0),
            (JobStatus::Running, 25),
            (JobStatus::Failed, 25)
        ]
    );
}

#[test]
fn without_a_model_a_run_past_the_gate_is_refused_and_before_it_the_gate_speaks_first() {
    let mut play = Play::launch_without_model();
    assert_eq!(play.generate().expect_err("closed").code, ErrorCode::GateNotReady);
    play.fill_launch_brief();
    assert_eq!(
        play.generate().expect_err("no model").code,
        ErrorCode::LlmNotConfigured
    );
}

#[test]
fn a_crash_makes_the_interrupted_attempt_the_next_one_with_the_budget_it_began_with() {
    let mut play = launch_running();
    let before = play.state.active_run().expect("running").clone();
    let first = play.stage_stamp("research");
    play.now = play.now.after(greenroom_protocol::Millis(15_000));
    let events = play.crash_and_return(3_600_000);
    assert!(types(&events).starts_with(&[
        "call.settled".into(),
        "stage.started".into(),
        "call.reserved".into()
    ]));
    let run = play.state.active_run().expect("running");
    let attempt = run.attempt(&stage("research")).expect("under way");
    assert_eq!(
        (attempt.number, attempt.retries, attempt.interruptions),
        (2, 0, 1)
    );
    assert_eq!(
        attempt.budget,
        before.attempt(&stage("research")).expect("it was").budget
    );
    assert_eq!(
        run.deadline.since(play.now),
        before.budget,
        "the hour away is not the run's"
    );
    assert!(!play.state.open_calls.contains_key(&first.call_id));
    play.stage("research", &outputs::research());
    assert_eq!(play.state.wire_state, "GEN_STRATEGY");
}

#[test]
fn an_attempt_survives_three_interruptions_in_a_row_and_no_more() {
    let mut play = launch_running();
    for _ in 0..3 {
        play.crash_and_return(1_000);
        assert_eq!(play.state.wire_state, "RUN_RESEARCH");
    }
    let events = play.crash_and_return(1_000);
    assert_eq!(failures(&events)[0].error.code, ErrorCode::SysInternal);
}

#[test]
fn a_crash_during_the_wait_for_a_retry_goes_on_with_the_retry() {
    let mut play = launch_running();
    let stamp = play.stage_stamp("research");
    play.fail(&stamp, ErrorCode::LlmUpstream, true);
    play.crash_and_return(3_600_000);
    play.stage("research", &outputs::research());
    assert_eq!(play.state.wire_state, "GEN_STRATEGY");
}

#[test]
fn a_turn_interrupted_by_a_crash_is_planned_again_while_somebody_may_still_wait() {
    let mut play = Play::launch();
    play.say("안녕하세요");
    let stamp = play.plan_stamp();
    play.stream(&stamp, r#"{"answer":"반갑"#, &[]);
    play.crash_and_return(60_000);
    let from = play.log.len();
    play.plan(&plan_reply("반갑습니다.", Some("product.name"), "이름은요?"));
    assert_eq!(play.said(from), ["반갑습니다. 이름은요?"]);

    play.say("음");
    play.crash_and_return(6 * 60_000);
    assert_eq!(
        play.outcomes().last(),
        Some(&greenroom_protocol::TurnOutcome::Abandoned)
    );
    assert!(due(&play.state).calls.is_empty() && play.state.open_calls.is_empty());
}

#[test]
fn side_by_side_siblings_of_a_failed_stage_finish_and_a_retry_runs_what_lacks_its_output() {
    let mut play = Play::of(load("tests/playbooks/concierge"), Mode::Standard);
    concierge_brief(&mut play);
    play.generate().expect("started");
    while due(&play.state).calls.len() < 2 {
        let stamp = due(&play.state).calls[0].stamp.clone();
        let greenroom_protocol::CallScope::Stage { stage, .. } = &stamp.scope else {
            panic!("a stage")
        };
        play.stage(stage.as_str(), &outputs::concierge(stage.as_str()));
    }
    let calls = due(&play.state).calls;
    play.fail(&calls[0].stamp, ErrorCode::LlmUpstream, false);
    assert_ne!(
        play.state.wire_state, play.playbook.states.failed,
        "the sibling is still at work"
    );
    let greenroom_protocol::CallScope::Stage { stage, .. } = &calls[1].stamp.scope else {
        panic!("a stage")
    };
    play.stage(stage.as_str(), &outputs::concierge(stage.as_str()));
    assert_eq!(play.state.wire_state, play.playbook.states.failed);
    play.send(CommandKind::RetryRun { run_id: None })
        .expect("taken up");
    let again = due(&play.state).calls;
    assert_eq!(again.len(), 1, "only what failed runs again");
}
