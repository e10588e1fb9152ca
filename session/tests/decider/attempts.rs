//! Attempts at stages: budgets, waits, partial outputs, failures side by side, fast and draft runs.

use greenroom_protocol::{CallPurpose, CallScope, ErrorCode, Event, Millis, Mode, StageFailure, TurnOutcome};
use greenroom_session::ports::{CallFailure, ModelSize};
use greenroom_session::{AgentReport, CommandKind, Due, due};
use serde_json::json;

use crate::outputs;
use crate::play::{Play, load, plan_reply, stage, types};

fn concierge(mode: Mode) -> Play {
    let mut play = Play::of(load("tests/playbooks/concierge"), mode);
    for (slot, value) in [
        ("guest.name", json!("Kim")),
        ("guest.party", json!(2)),
        ("stay.wishes", json!(["sea", "food"])),
        ("stay.pace", json!("calm")),
    ] {
        play.set(slot, value).expect("a valid edit");
    }
    play.generate().expect("started");
    play
}

/// With `itinerary` and `menu` side by side.
fn side_by_side() -> Play {
    let mut play = concierge(Mode::Standard);
    play.stage("scout", &outputs::concierge("scout"));
    assert_eq!(due(&play.state).calls.len(), 2);
    play
}

fn fail(play: &mut Play, name: &str, retry_after: Option<u64>, partial: &str) -> Vec<Event> {
    let stamp = play.stage_stamp(name);
    let failure = CallFailure {
        code: ErrorCode::LlmUpstream,
        retryable: true,
        retry_after: retry_after.map(Millis),
        reason: "scripted".into(),
        receipt: None,
    };
    play.report(
        &stamp,
        AgentReport::Failed {
            failure,
            partial: partial.into(),
            sources: Vec::new(),
        },
    )
}

fn will_retry(events: &[Event]) -> bool {
    events
        .iter()
        .any(|event| matches!(event, Event::Error(error) if error.will_retry))
}

fn failures(play: &Play) -> Vec<StageFailure> {
    let changed = play.log.iter().rev().find_map(|fact| match &fact.event {
        Event::StageChanged(changed) => Some(changed.failures.clone()),
        _ => None,
    });
    changed.unwrap_or_default()
}

fn attempts(play: &Play, name: &str) -> usize {
    let wanted = stage(name);
    let started = play.log.iter();
    started
        .filter(|fact| matches!(&fact.event, Event::StageStarted(started) if started.stage == wanted))
        .count()
}

#[test]
fn waits_grow_from_attempt_to_attempt_and_the_budget_holds_them_all() {
    let mut play = side_by_side();
    play.stage("menu", &outputs::concierge("menu"));
    let budget_before = play.request(&play.stage_stamp("itinerary")).timeout;
    assert_eq!(budget_before, Millis(10_000));
    assert!(will_retry(&fail(&mut play, "itinerary", None, "")));
    assert_eq!(due(&play.state).wake_at, Some(play.now.after(Millis(2_000))));
    play.wait(2_000);
    assert_eq!(
        play.request(&play.stage_stamp("itinerary")).timeout,
        Millis(8_000),
        "the wait was the stage's"
    );
    play.now = play.now.after(Millis(1_000));
    assert!(will_retry(&fail(&mut play, "itinerary", None, "")));
    assert_eq!(due(&play.state).wake_at, Some(play.now.after(Millis(5_000))));
    play.wait(5_000);
    assert_eq!(
        play.request(&play.stage_stamp("itinerary")).timeout,
        Millis(2_000)
    );
    assert!(
        !will_retry(&fail(&mut play, "itinerary", None, "")),
        "two retries and no more"
    );
    assert_eq!(
        (play.state.wire_state.as_str(), attempts(&play, "itinerary")),
        ("GAVE_UP", 3)
    );
}

#[test]
fn a_provider_that_asks_for_more_time_than_there_is_gets_no_retry() {
    for (asked_ms, fits) in [(9_999, true), (10_000, false), (3_600_000, false)] {
        let mut play = side_by_side();
        let events = fail(&mut play, "itinerary", Some(asked_ms), "");
        assert_eq!(will_retry(&events), fits, "{asked_ms}");
        if fits {
            assert_eq!(
                due(&play.state).wake_at,
                Some(play.now.after(Millis(asked_ms))),
                "no sooner than asked"
            );
        }
    }
}

#[test]
fn a_partial_output_is_kept_for_inspection_and_never_read_again() {
    let mut play = side_by_side();
    fail(&mut play, "itinerary", None, "{\"hours\":[{\"place\":\"HALF");
    let kept = play.log.iter().filter_map(|fact| fact.private.partial.as_deref());
    assert_eq!(kept.collect::<Vec<_>>(), ["{\"hours\":[{\"place\":\"HALF"]);
    assert!(
        !play
            .log
            .iter()
            .any(|fact| format!("{:?}", fact.event).contains("HALF")),
        "nobody is shown it"
    );
    play.wait(2_400);
    let request = play.request(&play.stage_stamp("itinerary"));
    assert_eq!(request.messages.len(), 1, "the next attempt begins anew");
    assert!(!request.messages[0].text.contains("HALF"));
}

#[test]
fn a_partial_output_is_cut_where_it_grows_too_large() {
    let mut play = side_by_side();
    fail(&mut play, "itinerary", None, &"가".repeat(100_000));
    let kept = play
        .log
        .iter()
        .find_map(|fact| fact.private.partial.as_ref())
        .expect("kept");
    assert!(kept.len() <= 64 * 1024 && kept.chars().all(|character| character == '가'));
}

#[test]
fn a_repair_has_what_is_left_of_its_attempts_time_and_none_is_made_without() {
    for (spent_ms, repaired) in [(9_000, true), (10_000, false)] {
        let mut play = side_by_side();
        play.now = play.now.after(Millis(spent_ms));
        let events = play.stage("itinerary", &json!({ "hours": 7 }));
        if repaired {
            let stamp = play.stage_stamp("itinerary");
            assert_eq!(stamp.purpose, CallPurpose::Repair);
            assert_eq!(play.request(&stamp).timeout, Millis(1_000));
        } else {
            assert!(
                !types(&events).contains(&"call.reserved".to_owned()),
                "nothing is paid for that cannot end"
            );
            let told = events.iter().find_map(|event| match event {
                Event::Error(error) => Some((error.error.code, error.will_retry)),
                _ => None,
            });
            assert_eq!(told, Some((ErrorCode::LlmJsonInvalid, false)));
        }
    }
}

#[test]
fn siblings_of_a_failed_stage_finish_their_retries_included_and_failed_names_all() {
    let mut play = side_by_side();
    fail(&mut play, "itinerary", None, "");
    let menu = play.stage_stamp("menu");
    play.fail(&menu, ErrorCode::LlmTimeout, true);
    assert_ne!(
        play.state.wire_state, "GAVE_UP",
        "the sibling waits for its retry"
    );
    play.wait(2_400);
    let itinerary = play.stage_stamp("itinerary");
    play.fail(&itinerary, ErrorCode::LlmUpstream, false);
    assert_eq!(play.state.wire_state, "GAVE_UP");
    let failures = failures(&play);
    let named: Vec<(&str, u32, ErrorCode)> = failures
        .iter()
        .map(|failure| (failure.stage.as_str(), failure.attempt, failure.error.code))
        .collect();
    assert_eq!(
        named,
        [
            ("itinerary", 2, ErrorCode::LlmUpstream),
            ("menu", 1, ErrorCode::LlmTimeout)
        ]
    );

    play.send(CommandKind::RetryRun { run_id: None })
        .expect("taken up");
    let under_way: Vec<String> = due(&play.state)
        .calls
        .iter()
        .filter_map(|call| match &call.stamp.scope {
            CallScope::Stage { stage, attempt, .. } => Some(format!("{stage} {attempt}")),
            CallScope::Turn { .. } | CallScope::Session {} => None,
        })
        .collect();
    assert_eq!(under_way, ["itinerary 3", "menu 2"]);
    for name in ["itinerary", "menu", "postcard"] {
        play.stage(name, &outputs::concierge(name));
    }
    assert_eq!(
        (play.state.wire_state.as_str(), attempts(&play, "scout")),
        ("SERVED", 1)
    );
}

#[test]
fn nothing_new_begins_while_a_failed_stages_sibling_finishes() {
    let mut play = side_by_side();
    let itinerary = play.stage_stamp("itinerary");
    play.fail(&itinerary, ErrorCode::LlmUpstream, false);
    play.stage("menu", &outputs::concierge("menu"));
    assert_eq!(
        (play.state.wire_state.as_str(), attempts(&play, "postcard")),
        ("GAVE_UP", 0)
    );
    play.send(CommandKind::RetryRun { run_id: None })
        .expect("taken up");
    assert_eq!(
        attempts(&play, "menu"),
        1,
        "what is complete is never paid for twice"
    );
    play.stage("itinerary", &outputs::concierge("itinerary"));
    play.stage("postcard", &outputs::concierge("postcard"));
    assert_eq!(play.state.wire_state, "SERVED");
}

#[test]
fn a_run_whose_time_is_used_up_fails_without_another_call_and_a_retry_has_time_anew() {
    let mut play = side_by_side();
    play.now = play.now.after(Millis(60_000));
    play.stage("menu", &outputs::concierge("menu"));
    let events = play.stage("itinerary", &outputs::concierge("itinerary"));
    assert!(!types(&events).contains(&"call.reserved".to_owned()));
    assert_eq!(play.state.wire_state, "GAVE_UP");
    let failures = failures(&play);
    assert_eq!(
        (failures[0].stage.as_str(), failures[0].error.code),
        ("postcard", ErrorCode::LlmTimeout)
    );
    play.send(CommandKind::RetryRun { run_id: None })
        .expect("taken up");
    assert_eq!(play.request(&play.stage_stamp("postcard")).timeout, Millis(5_000));
    play.stage("postcard", &outputs::concierge("postcard"));
    assert_eq!(play.state.wire_state, "SERVED");
}

#[test]
fn fast_runs_use_the_smaller_models_and_skip_what_is_optional() {
    let mut play = concierge(Mode::Fast);
    for name in ["scout", "itinerary", "menu"] {
        let request = play.request(&play.stage_stamp(name));
        assert_eq!(request.size, ModelSize::Small, "{name}");
        assert!(request.messages[0].text.contains("\"mode\": \"fast\""));
        play.stage(name, &outputs::concierge(name));
    }
    assert_eq!(
        (play.state.wire_state.as_str(), attempts(&play, "postcard")),
        ("SERVED", 0)
    );
    let mut play = concierge(Mode::Standard);
    assert_eq!(play.request(&play.stage_stamp("scout")).size, ModelSize::Large);
    play.say("hello");
    assert_eq!(
        play.request(&play.plan_stamp()).size,
        ModelSize::Small,
        "as the playbook says of its planner"
    );
    play.plan(&plan_reply("Hello.", None, ""));
}

#[test]
fn a_draft_keeps_its_waiver_over_a_retry_and_the_next_run_has_none() {
    let mut play = Play::launch();
    play.set("product.name", json!("루미세럼")).expect("an edit");
    let draft = CommandKind::Generate {
        draft: true,
        background: false,
    };
    play.send(draft).expect("a draft");
    let waived = play.log.iter().find_map(|fact| match &fact.event {
        Event::GateWaived(waived) => Some(waived.missing_required.len()),
        _ => None,
    });
    assert_eq!(waived, Some(7));
    let stamp = play.stage_stamp("research");
    play.fail(&stamp, ErrorCode::LlmUpstream, false);
    play.fill_launch_brief();
    play.send(CommandKind::RetryRun { run_id: None })
        .expect("taken up");
    let request = play.request(&play.stage_stamp("research"));
    assert!(
        request.messages[0].text.contains("\"draft\": true"),
        "the frozen brief and its waiver hold"
    );
    assert!(!request.messages[0].text.contains("스킨케어"));
    for (name, output) in [
        ("research", outputs::research()),
        ("strategy", outputs::strategy()),
        ("creative", outputs::creative()),
        ("voice", outputs::voice()),
    ] {
        play.stage(name, &output);
    }
    let drafts = |play: &Play| -> Vec<bool> {
        let completed = play.log.iter().filter_map(|fact| match &fact.event {
            Event::RunCompleted(completed) => Some(completed.draft),
            _ => None,
        });
        completed.collect()
    };
    assert_eq!(drafts(&play), [true]);
    play.generate().expect("a run of the whole brief");
    let request = play.request(&play.stage_stamp("research"));
    assert!(request.messages[0].text.contains("\"draft\": false"));
}

#[test]
fn a_turn_that_a_crash_orphaned_is_planned_again_unless_it_is_five_minutes_old() {
    const AGE_MAX_MS: u64 = 5 * 60 * 1_000;
    for fails_first in [false, true] {
        for (away_ms, is_answered) in [(0, true), (AGE_MAX_MS - 1, true), (AGE_MAX_MS, false)] {
            let mut play = Play::launch();
            play.say("안녕하세요");
            if fails_first {
                let stamp = play.plan_stamp();
                play.fail(&stamp, ErrorCode::LlmUpstream, true);
            }
            let calls = due(&play.state).calls;
            play.crash_and_return(away_ms);
            if !is_answered {
                assert_eq!(play.outcomes(), [TurnOutcome::Abandoned]);
                assert_eq!(due(&play.state), Due::default(), "nothing is paid for any more");
                continue;
            }
            if fails_first && away_ms == 0 {
                // The wait that it was in goes on.
                let wake_at = due(&play.state).wake_at.expect("a wait");
                play.wait(wake_at.since(play.now).0);
            }
            assert!(
                !calls.contains(&due(&play.state).calls[0]),
                "by a call of its own"
            );
            play.plan(&plan_reply("네, 안녕하세요.", None, ""));
            assert_eq!(play.outcomes(), [TurnOutcome::Ok]);
        }
    }
}
