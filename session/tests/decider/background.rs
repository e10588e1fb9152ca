//! Replies that a provider goes on with while nobody waits: noted, taken up after a crash, given up, lost.

use greenroom_protocol::{
    CallId, CallOutcome, CallPurpose, CallScope, DeltaChange, ErrorCode, Event, Millis,
};
use greenroom_session::ports::{Background, LlmIdentity};
use greenroom_session::{AgentReport, CommandKind, Private, Stamp, due};
use serde_json::{Value, json};

use crate::outputs;
use crate::play::{Play, plan_reply, types};

const RESPONSE: &str = "resp_of_research";

/// The launch playbook in its first stage, at a provider whose replies can be taken up.
fn researching() -> Play {
    let mut play = Play::launch();
    play.capabilities.take_up = true;
    play.fill_launch_brief();
    play.generate().expect("started");
    play
}

/// The same, and the provider has told which response the call is.
fn begun() -> Play {
    let mut play = researching();
    begin(&mut play);
    play
}

fn begin(play: &mut Play) -> Vec<Event> {
    let stamp = play.stage_stamp("research");
    let response_id = RESPONSE.to_owned();
    play.report(&stamp, AgentReport::Begun { response_id })
}

fn lose(play: &mut Play, stamp: &Stamp) -> Vec<Event> {
    let reason = "the provider does not know it any more".to_owned();
    play.report(stamp, AgentReport::Lost { reason })
}

fn attempt(stamp: &Stamp) -> u32 {
    match stamp.scope {
        CallScope::Stage { attempt, .. } => attempt,
        CallScope::Turn { .. } | CallScope::Session {} => panic!("not a stage's"),
    }
}

fn reserved(play: &Play) -> Vec<CallId> {
    let facts = play.log.iter();
    let reserved = facts.filter_map(|fact| match &fact.event {
        Event::CallReserved(reserved) => Some(reserved.call_id),
        _ => None,
    });
    reserved.collect()
}

/// How each call was settled, and which response was done with.
fn settled(play: &Play) -> Vec<(CallId, CallOutcome, Option<&str>)> {
    let facts = play.log.iter();
    let settled = facts.filter_map(|fact| match &fact.event {
        Event::CallSettled(settled) => Some((
            settled.call_id,
            settled.outcome,
            fact.private.response_id.as_deref(),
        )),
        _ => None,
    });
    settled.collect()
}

fn voids(events: &[Event]) -> usize {
    let void = |event: &&Event| {
        matches!(event, Event::StageDelta(delta)
            if delta.delta.path.is_empty() && delta.delta.change == DeltaChange::Value(Value::Null))
    };
    events.iter().filter(void).count()
}

#[test]
fn a_response_is_noted_at_once_and_once() {
    let mut play = researching();
    let events = begin(&mut play);
    assert_eq!(
        (types(&events), voids(&events)),
        (vec!["research.delta".to_owned()], 1)
    );
    let told = play.log.last().expect("a fact");
    let expected = Private {
        response_id: Some(RESPONSE.to_owned()),
        ..Private::none()
    };
    assert_eq!(told.private, expected);
    assert_eq!(begin(&mut play), []);
    play.stage("research", &outputs::research());
    let [(_, outcome, done_with)] = settled(&play)[..] else {
        panic!("one call")
    };
    assert_eq!((outcome, done_with), (CallOutcome::Ok, Some(RESPONSE)));
}

#[test]
fn only_stages_may_go_on_in_the_background() {
    let mut play = researching();
    assert_eq!(
        play.request(&play.stage_stamp("research")).background,
        Background::Allowed
    );
    play.say("안녕하세요");
    let stamp = play.plan_stamp();
    assert_eq!(play.request(&stamp).background, Background::Never);
    let response_id = RESPONSE.to_owned();
    assert_eq!(play.report(&stamp, AgentReport::Begun { response_id }), []);
    let events = play.crash_and_return(1_000);
    assert!(
        types(&events).contains(&"call.reserved".to_owned()),
        "a turn is planned anew"
    );
    play.plan(&plan_reply("안녕하세요.", None, ""));
}

#[test]
fn an_interrupted_stage_goes_on_with_its_call_and_shows_it_anew() {
    let mut play = begun();
    let first = play.stage_stamp("research");
    let text = outputs::research().to_string();
    play.stream(&first, &text[..80], &[]);
    let budget = play.request(&first).timeout;

    let events = play.crash_and_return(5_000);
    assert_eq!(types(&events), ["stage.started"]);
    let second = play.stage_stamp("research");
    assert_eq!((second.call_id, attempt(&second)), (first.call_id, 2));
    let request = play.request(&second);
    let response_id = RESPONSE.to_owned();
    assert_eq!(
        request.background,
        Background::TakenUp {
            response_id: response_id.clone()
        }
    );
    assert_eq!(request.timeout, budget, "the time away is not the stage's");
    assert_eq!(
        play.report(&first, AgentReport::Begun { response_id }),
        [],
        "a stale stamp"
    );

    assert_eq!(begin(&mut play), [], "it is known already");
    play.stage("research", &outputs::research());
    assert_eq!(reserved(&play)[..1], [first.call_id]);
    assert_eq!(settled(&play), [(first.call_id, CallOutcome::Ok, Some(RESPONSE))]);
    let completed = play.log.iter().find_map(|fact| match &fact.event {
        Event::StageCompleted(completed) => Some(completed.attempt),
        _ => None,
    });
    assert_eq!(completed, Some(2));
    for (name, output) in [
        ("strategy", outputs::strategy()),
        ("creative", outputs::creative()),
        ("voice", outputs::voice()),
    ] {
        play.stage(name, &output);
    }
    assert_eq!(
        (play.state.wire_state.as_str(), reserved(&play).len()),
        ("DONE", 4)
    );
}

#[test]
fn a_call_is_taken_up_until_it_was_interrupted_too_often_and_is_then_given_up() {
    let mut play = begun();
    let call = play.stage_stamp("research").call_id;
    for interrupted in 1..=3 {
        play.crash_and_return(1_000);
        let stamp = play.stage_stamp("research");
        assert_eq!((stamp.call_id, attempt(&stamp)), (call, interrupted + 1));
    }
    play.crash_and_return(1_000);
    assert_eq!(play.state.wire_state, "FAILED");
    assert_eq!(settled(&play), [(call, CallOutcome::Unknown, Some(RESPONSE))]);
    assert_eq!(due(&play.state).calls, []);
}

#[test]
fn a_response_that_cannot_be_taken_up_is_given_up_and_paid_again() {
    let elsewhere = LlmIdentity {
        provider: "another".into(),
        model: "large".into(),
        small_model: "small".into(),
        simulated: false,
    };
    let check = |change: fn(&mut Play, LlmIdentity), done_with: Option<&str>| {
        let mut play = begun();
        let first = play.stage_stamp("research");
        change(&mut play, elsewhere.clone());
        play.crash_and_return(1_000);
        let second = play.stage_stamp("research");
        assert_eq!(attempt(&second), 2);
        assert_ne!(second.call_id, first.call_id);
        assert_eq!(play.request(&second).background, Background::Allowed);
        assert_eq!(settled(&play), [(first.call_id, CallOutcome::Unknown, done_with)]);
    };
    check(|play, _| play.capabilities.take_up = false, Some(RESPONSE));
    check(|play, elsewhere| play.capabilities.llm = Some(elsewhere), None);
}

#[test]
fn a_call_whose_response_is_not_known_yet_is_made_anew() {
    let mut play = researching();
    let first = play.stage_stamp("research");
    play.crash_and_return(1_000);
    assert_ne!(play.stage_stamp("research").call_id, first.call_id);
    assert_eq!(settled(&play), [(first.call_id, CallOutcome::Unknown, None)]);
}

#[test]
fn a_lost_response_is_called_for_anew_within_the_same_attempt_and_is_no_retry() {
    let mut play = begun();
    play.crash_and_return(1_000);
    let lost = play.stage_stamp("research");
    play.stream(&lost, "{\"market_signals\":[{\"signal\":\"SHOWN", &[]);
    let events = lose(&mut play, &lost);
    assert_eq!(
        types(&events),
        ["call.settled", "research.delta", "call.reserved"]
    );
    assert_eq!(voids(&events), 1, "what it showed is void");
    assert_eq!(
        settled(&play),
        [(lost.call_id, CallOutcome::Unknown, Some(RESPONSE))]
    );
    let anew = play.stage_stamp("research");
    assert_eq!((attempt(&anew), anew.purpose), (2, CallPurpose::Stage));
    assert_eq!(play.request(&anew).background, Background::Allowed);

    // Its retries are all there still: it has one, and fails for good with the second failure.
    play.fail(&anew, ErrorCode::LlmUpstream, true);
    play.wait(2_400);
    let third = play.stage_stamp("research");
    assert_eq!(attempt(&third), 3);
    play.fail(&third, ErrorCode::LlmUpstream, true);
    assert_eq!(play.state.wire_state, "FAILED");
}

#[test]
fn a_lost_response_for_which_no_time_is_left_fails_its_stage() {
    let mut play = begun();
    play.crash_and_return(1_000);
    let lost = play.stage_stamp("research");
    play.now = play.now.after(Millis(60_000));
    let events = lose(&mut play, &lost);
    assert!(
        !types(&events).contains(&"call.reserved".to_owned()),
        "{:?}",
        types(&events)
    );
    let error = events.iter().find_map(|event| match event {
        Event::Error(error) => Some((error.error.code, error.will_retry)),
        _ => None,
    });
    assert_eq!(error, Some((ErrorCode::LlmTimeout, false)));
}

#[test]
fn a_call_that_was_not_taken_up_cannot_be_lost_for_nothing() {
    let mut play = begun();
    let stamp = play.stage_stamp("research");
    let events = lose(&mut play, &stamp);
    assert!(
        types(&events).contains(&"error".to_owned()),
        "it counts as a retry"
    );
    assert!(!types(&events).contains(&"call.reserved".to_owned()));
}

#[test]
fn a_repair_is_taken_up_as_well() {
    let mut play = researching();
    play.stage("research", &json!({ "market_signals": 7 }));
    let repair = play.stage_stamp("research");
    assert_eq!(repair.purpose, CallPurpose::Repair);
    begin(&mut play);
    play.crash_and_return(1_000);
    let again = play.stage_stamp("research");
    assert_eq!(
        (again.call_id, again.purpose),
        (repair.call_id, CallPurpose::Repair)
    );
    let events = play.stage("research", &outputs::research());
    assert!(
        types(&events).contains(&"stage.completed".to_owned()),
        "{:?}",
        types(&events)
    );
}

#[test]
fn whatever_ends_a_call_early_gives_its_response_up() {
    let check = |end: fn(&mut Play, &Stamp)| {
        let mut play = begun();
        let stamp = play.stage_stamp("research");
        end(&mut play, &stamp);
        assert_eq!(
            settled(&play)[0],
            (stamp.call_id, CallOutcome::Unknown, Some(RESPONSE))
        );
    };
    check(|play, _| {
        play.send(CommandKind::CancelRun { run_id: None })
            .expect("cancelled");
    });
    check(|play, stamp| {
        play.fail(stamp, ErrorCode::LlmTimeout, true);
    });
    check(|play, stamp| {
        let reason = "the agent panicked".to_owned();
        play.report(stamp, AgentReport::Crashed { reason });
    });
}
