//! What an operator asks for: restarts of failed runs and of sessions, and stops.

use greenroom_protocol::{
    CallOutcome, ErrorBody, ErrorCode, ErrorEvent, Event, JobStatus, Locale, Provenance, RunId, RunStarted,
    SessionRestarted, StageChanged, StageCompleted, TurnOutcome,
};
use greenroom_session::state::{Phase, Turn};
use greenroom_session::{Answer, CommandKind, OutsideCall, due};
use serde_json::json;

use crate::outputs;
use crate::play::{Play, load, plan_reply, scripted, stage, types};

const REASON: &str = "the provider is back";

fn restart(play: &mut Play, from_stage: Option<&str>) -> (Vec<Event>, Answer) {
    play.operate(CommandKind::Restart {
        from_stage: from_stage.map(stage),
        reason: REASON.to_owned(),
    })
}

fn stop(play: &mut Play) -> Vec<Event> {
    let (events, answer) = play.operate(CommandKind::Stop {
        reason: REASON.to_owned(),
    });
    answer.expect("whatever is under way can be stopped");
    events
}

fn running(background: bool) -> Play {
    let mut play = Play::launch();
    play.fill_launch_brief();
    play.send(CommandKind::Generate {
        draft: false,
        background,
    })
    .expect("started");
    play
}

/// A run that has failed at creative; research and strategy are complete.
fn failed_at_creative(background: bool) -> Play {
    let mut play = running(background);
    play.stage("research", &outputs::research());
    play.stage("strategy", &outputs::strategy());
    let stamp = play.stage_stamp("creative");
    play.fail(&stamp, ErrorCode::LlmUpstream, false);
    assert_eq!(play.state.wire_state, "FAILED");
    play
}

fn reasons(play: &Play) -> Vec<&str> {
    let told = play
        .log
        .iter()
        .filter(|fact| matches!(fact.event, Event::SessionRestarted(_) | Event::SessionStopped(_)));
    told.filter_map(|fact| fact.private.reason.as_deref()).collect()
}

fn restarted(events: &[Event]) -> SessionRestarted {
    match &events[0] {
        Event::SessionRestarted(restarted) => restarted.clone(),
        other => panic!("the first fact of a restart is {other:?}"),
    }
}

fn completed(play: &Play, run_id: RunId) -> Vec<StageCompleted> {
    let events = play.log.iter().filter_map(|fact| match &fact.event {
        Event::StageCompleted(completed) if completed.run_id == run_id => Some(completed.clone()),
        _ => None,
    });
    events.collect()
}

fn call_of(completed: &StageCompleted) -> greenroom_protocol::CallId {
    match &completed.provenance {
        Provenance::Model { call_id, .. } => *call_id,
        other => panic!("a stage's output comes from {other:?}"),
    }
}

fn calls_reserved(events: &[Event]) -> usize {
    events
        .iter()
        .filter(|event| matches!(event, Event::CallReserved(_)))
        .count()
}

#[test]
fn no_client_may_restart_or_stop() {
    for kind in [
        CommandKind::Restart {
            from_stage: None,
            reason: REASON.to_owned(),
        },
        CommandKind::Stop {
            reason: REASON.to_owned(),
        },
    ] {
        let mut play = failed_at_creative(false);
        let events = play.log.len();
        assert_eq!(
            play.send(kind).expect_err("refused").code,
            ErrorCode::AuthForbidden
        );
        assert_eq!(play.log.len(), events);
    }
}

#[test]
fn a_failed_run_goes_on_from_where_it_failed() {
    // `voice` was not reached yet: it cannot be begun before what failed.
    for from_stage in [None, Some("creative"), Some("voice")] {
        let mut play = failed_at_creative(true);
        let run_id = play.state.newest_run;
        let (events, answer) = restart(&mut play, from_stage);
        let receipt = answer.expect("restarted");
        assert_eq!((receipt.run_id, receipt.job_id.is_some()), (run_id, true));
        assert_eq!(
            types(&events),
            [
                "session.restarted",
                "stage.changed",
                "job.updated",
                "stage.started",
                "call.reserved"
            ],
            "{from_stage:?}"
        );
        let told = restarted(&events);
        assert_eq!((told.run_id, told.from_stage), (run_id, from_stage.map(stage)));
        assert_eq!(reasons(&play), [REASON]);
        play.stage("creative", &outputs::creative());
        play.stage("voice", &outputs::voice());
        assert_eq!(play.state.wire_state, "DONE");
    }
}

#[test]
fn an_earlier_stage_is_done_again_in_a_new_run_that_adopts_what_does_not_rest_on_it() {
    let mut play = failed_at_creative(true);
    let (old, brief) = match &play.state.phase {
        Phase::Failed(run) => (run.run_id, run.brief.clone()),
        other => panic!("failed: {other:?}"),
    };
    play.set("product.name", json!("루미앰플"))
        .expect("the brief may change");
    let (events, answer) = restart(&mut play, Some("strategy"));
    let receipt = answer.expect("restarted");
    let new = receipt.run_id.expect("a run");
    assert_ne!(new, old);
    assert_eq!(
        types(&events),
        [
            "session.restarted",
            "run.started",
            "stage.completed",
            "job.updated",
            "stage.changed",
            "stage.started",
            "call.reserved"
        ]
    );
    assert_eq!(restarted(&events).run_id, Some(new));
    let Event::RunStarted(RunStarted {
        from_run,
        from_stage,
        job_id,
        brief: frozen,
        ..
    }) = &events[1]
    else {
        panic!("a run begins: {:?}", events[1]);
    };
    assert_eq!(
        (*from_run, from_stage.clone()),
        (Some(old), Some(stage("strategy")))
    );
    assert_eq!(*job_id, receipt.job_id);
    assert_eq!(*frozen, *brief, "the same frozen brief");

    let (before, adopted) = (completed(&play, old), completed(&play, new));
    assert_eq!(adopted.len(), 1, "strategy and what rests on it are done again");
    let again = StageCompleted {
        run_id: old,
        attempt: before[0].attempt,
        ..adopted[0].clone()
    };
    assert_eq!(again, before[0], "the same output with the same provenance");
    assert_eq!(adopted[0].attempt, 0);
    assert_eq!(call_of(&adopted[0]), call_of(&before[0]));
    assert!(
        play.state.active_run().is_some_and(|run| !run.sources.is_empty()),
        "what it rests on stays evidence"
    );

    play.stage("strategy", &outputs::strategy());
    play.stage("creative", &outputs::creative());
    play.stage("voice", &outputs::voice());
    assert_eq!(play.state.wire_state, "DONE");
    assert_eq!(play.state.runs.len(), 2);
}

#[test]
fn the_first_stage_again_adopts_nothing() {
    let mut play = failed_at_creative(false);
    let (events, answer) = restart(&mut play, Some("research"));
    let new = answer.expect("restarted").run_id.expect("a run");
    assert!(completed(&play, new).is_empty());
    assert!(play.state.active_run().is_some_and(|run| run.sources.is_empty()));
    assert_eq!(calls_reserved(&events), 1);
    assert_eq!(play.state.wire_state, "RUN_RESEARCH");
}

#[test]
fn a_sibling_that_does_not_rest_on_the_stage_is_adopted() {
    let mut play = Play::of(
        load("tests/playbooks/concierge"),
        greenroom_protocol::Mode::Standard,
    );
    play.send(CommandKind::Generate {
        draft: true,
        background: false,
    })
    .expect("started");
    play.stage("scout", &outputs::concierge("scout"));
    play.stage("menu", &outputs::concierge("menu"));
    play.stage("itinerary", &outputs::concierge("itinerary"));
    let stamp = play.stage_stamp("postcard");
    play.fail(&stamp, ErrorCode::LlmUpstream, false);
    let old = play.state.newest_run.expect("a run");
    let (events, answer) = restart(&mut play, Some("itinerary"));
    let new = answer.expect("restarted").run_id.expect("a run");
    let adopted: Vec<String> = completed(&play, new)
        .iter()
        .map(|completed| completed.stage.to_string())
        .collect();
    assert_eq!(adopted, ["scout", "menu"]);
    assert_eq!(
        completed(&play, old).len(),
        3,
        "what the failed run has stays as it is"
    );
    // The waiver is the new run's too, and names the same gaps.
    let waivers: Vec<_> = play
        .log
        .iter()
        .filter_map(|fact| match &fact.event {
            Event::GateWaived(waived) => Some(waived.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(waivers.len(), 2);
    assert_eq!(waivers[1].run_id, new);
    assert_eq!(waivers[0].missing_required, waivers[1].missing_required);
    assert_eq!(waivers[0].low_confidence, waivers[1].low_confidence);
    assert!(types(&events).contains(&"gate.waived".to_owned()));
}

#[test]
fn a_restart_that_cannot_be_is_refused_and_changes_nothing() {
    let mut failed = failed_at_creative(false);
    let events = failed.log.len();
    let error = restart(&mut failed, Some("poster")).1.expect_err("unknown");
    assert_eq!(error.code, ErrorCode::InputInvalid);
    assert_eq!(
        error.details["stages"],
        json!(["research", "strategy", "creative", "voice"])
    );
    assert_eq!(failed.log.len(), events);

    let mut healthy = running(false);
    let events = healthy.log.len();
    let error = restart(&mut healthy, Some("research")).1.expect_err("not failed");
    assert_eq!(error.code, ErrorCode::InputInvalid);
    assert_eq!(error.details["reason"], json!("the session has not failed"));
    assert_eq!(healthy.log.len(), events);

    let mut failed = failed_at_creative(false);
    failed.capabilities.llm = None;
    let error = restart(&mut failed, None).1.expect_err("no model");
    assert_eq!(error.code, ErrorCode::LlmNotConfigured);
}

#[test]
fn a_session_that_has_not_failed_is_only_marked() {
    let mut idle = Play::launch();
    let mut busy = running(false);
    busy.say("어때요?");
    for play in [&mut idle, &mut busy] {
        let before = (play.state.phase.clone(), play.state.turn.clone());
        let due_before = due(&play.state);
        let (events, answer) = restart(play, None);
        assert_eq!(answer.expect("restarted").run_id, None);
        assert_eq!(types(&events), ["session.restarted"]);
        assert_eq!((&play.state.phase, &play.state.turn), (&before.0, &before.1));
        assert_eq!(due(&play.state), due_before, "the next generation takes it up");
        assert_eq!(reasons(play), [REASON]);
    }
}

#[test]
fn what_was_interrupted_too_often_may_go_on_after_a_restart() {
    for is_restarted in [false, true] {
        let mut play = running(false);
        for _ in 0..3 {
            play.crash_and_return(0);
        }
        if is_restarted {
            restart(&mut play, None).1.expect("restarted");
        }
        play.crash_and_return(0);
        let expected = if is_restarted { "RUN_RESEARCH" } else { "FAILED" };
        assert_eq!(play.state.wire_state, expected);
    }
}

#[test]
fn a_stop_ends_what_is_under_way() {
    let mut play = running(true);
    play.stage("research", &outputs::research());
    play.say("어때요?");
    play.capabilities.tts = Some(scripted("sim-voice"));
    let call = OutsideCall::Speak { turn_id: None };
    play.send(CommandKind::ReserveCall { call }).expect("reserved");
    let events = stop(&mut play);
    assert_eq!(types(&events).last().map(String::as_str), Some("session.stopped"));
    assert_eq!(play.state.turn, Turn::Idle);
    assert_eq!(play.outcomes().last(), Some(&TurnOutcome::Interrupted));
    assert!(types(&events).contains(&"run.cancelled".to_owned()));
    assert!(play.state.active_run().is_none());
    assert!(play.state.open_calls.is_empty());
    let unknown = events
        .iter()
        .filter(|event| matches!(event, Event::CallSettled(call) if call.outcome == CallOutcome::Unknown));
    assert_eq!(
        unknown.count(),
        3,
        "the planner's, the stage's, and the speech outside"
    );
    assert!(events.iter().any(
        |event| matches!(event, Event::JobUpdated(job) if job.status == JobStatus::Failed && job.error.is_none())
    ));
    assert_eq!(due(&play.state), greenroom_session::Due::default());
    assert_eq!(play.state.wire_state, "BRIEF_READY");
    assert_eq!(reasons(&play), [REASON]);
    play.say("다시 할게요");
    play.plan(&plan_reply("네.", None, ""));
    assert_eq!(
        play.outcomes().last(),
        Some(&TurnOutcome::Ok),
        "it goes on when it is asked"
    );
}

#[test]
fn a_stop_of_what_rests_is_told_and_leaves_a_failure_to_be_taken_up() {
    let mut idle = Play::launch();
    assert_eq!(types(&stop(&mut idle)), ["session.stopped"]);
    let mut failed = failed_at_creative(false);
    assert_eq!(types(&stop(&mut failed)), ["session.stopped"]);
    restart(&mut failed, None).1.expect("the failure is still there");
}

fn given_up() -> [Event; 2] {
    [
        Event::StageChanged(StageChanged {
            state: "FAILED".to_owned(),
            run_id: None,
            failures: Vec::new(),
        }),
        Event::Error(ErrorEvent {
            turn_id: None,
            run_id: None,
            stage: None,
            attempt: None,
            will_retry: false,
            error: ErrorBody::new(ErrorCode::SessionRestartLimit, Locale::Ko),
        }),
    ]
}

/// A session that was given up and is restarted: what clients are told of where it stands.
fn stands(mut play: Play) -> (Vec<String>, Play) {
    play.supervisor_writes(given_up());
    assert_eq!(play.state.wire_state, "FAILED");
    play.supervisor_writes([Event::SessionRestarted(SessionRestarted {
        from_stage: None,
        run_id: None,
    })]);
    let events = play.crash_and_return(0);
    let again = play.crash_and_return(0);
    assert!(
        !again
            .iter()
            .any(|event| matches!(event, Event::StageChanged(changed) if changed.run_id.is_none())),
        "it is told once"
    );
    (types(&events), play)
}

#[test]
fn who_was_given_up_says_where_it_stands_when_it_lives_again() {
    let (told, play) = stands(Play::launch());
    assert_eq!(told, ["stage.changed"]);
    assert_eq!(play.state.wire_state, "CHAT_COLLECTING");

    let mut ready = Play::launch();
    ready.fill_launch_brief();
    let (told, play) = stands(ready);
    assert_eq!(told, ["stage.changed"]);
    assert_eq!(play.state.wire_state, "BRIEF_READY");

    let (told, play) = stands(running(true));
    assert_eq!(
        told,
        [
            "job.updated",
            "stage.changed",
            "call.settled",
            "stage.started",
            "call.reserved"
        ]
    );
    assert_eq!(play.state.wire_state, "RUN_RESEARCH");

    let (told, mut play) = stands(failed_at_creative(false));
    assert_eq!(told, ["stage.changed"], "though it is the same");
    assert!(matches!(play.state.phase, Phase::Failed(_)));
    restart(&mut play, None)
        .1
        .expect("and the run can be taken up again");

    let mut done = running(false);
    for (name, output) in [
        ("research", outputs::research()),
        ("strategy", outputs::strategy()),
        ("creative", outputs::creative()),
        ("voice", outputs::voice()),
    ] {
        done.stage(name, &output);
    }
    let (told, play) = stands(done);
    assert_eq!(told, ["stage.changed"]);
    assert_eq!(play.state.wire_state, "DONE");
}
