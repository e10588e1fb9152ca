//! Replies that the provider goes on with while nobody waits: noted before anything is shown of them, taken up by the next
//! generation, and abandoned only when nobody wants them any more.

use std::sync::Arc;
use std::time::Duration;

use greenroom_protocol::{CallOutcome, CallScope, Event, SessionId};
use greenroom_session::CommandKind;
use greenroom_session::ports::Background;
use tokio::sync::watch;

use crate::journal::Fault;
use crate::model::{Step, whole};
use crate::world::{GENERATE, World, concierge_output, eventually, pass, say};

const RESPONSE: &str = "resp_of_scout";

/// A run whose first stage has begun in the background, and shows something.
async fn begun(steps: Vec<Step>) -> (World, SessionId) {
    let world = World::new().await;
    let session = world.create().await;
    world.fill_brief(session).await;
    let mut script = vec![Step::Begun(RESPONSE)];
    script.extend(steps);
    world.model.script("scout", script);
    world.send(session, GENERATE).await.unwrap();
    let mut follower = world.follow(session).await;
    follower
        .until(|event| matches!(event, Event::StageDelta(_)))
        .await;
    (world, session)
}

fn shown(text: &str) -> Vec<Step> {
    vec![Step::Text(text.to_owned()), Step::Hang]
}

/// The calls of the stage: each with its outcome, if it has one.
fn calls(world: &World, session: SessionId) -> Vec<Option<CallOutcome>> {
    let events = world.journal.events(session);
    let is_scouts =
        |scope: &CallScope| matches!(scope, CallScope::Stage { stage, .. } if stage.as_str() == "scout");
    let reserved = events.iter().filter_map(|event| match event {
        Event::CallReserved(reserved) if is_scouts(&reserved.scope) => Some(reserved.call_id),
        _ => None,
    });
    let outcome = |call| {
        events.iter().find_map(|event| match event {
            Event::CallSettled(settled) if settled.call_id == call => Some(settled.outcome),
            _ => None,
        })
    };
    reserved.map(outcome).collect()
}

fn attempts(world: &World, session: SessionId) -> usize {
    let events = world.journal.events(session).into_iter();
    events
        .filter(|event| matches!(event, Event::StageStarted(started) if started.stage.as_str() == "scout"))
        .count()
}

async fn served(world: &World, session: SessionId) {
    world.follow(session).await.until_state("SERVED").await;
}

#[tokio::test(start_paused = true)]
async fn a_response_is_noted_before_anything_is_shown_of_it() {
    let (world, session) = begun(shown("{\"places\":[")).await;
    let noted = world
        .journal
        .rows(session)
        .into_iter()
        .find(|row| matches!(row.fact.event, Event::StageDelta(_)));
    let response_id = noted.and_then(|row| row.fact.private.response_id);
    assert_eq!(response_id.as_deref(), Some(RESPONSE));
}

#[tokio::test(start_paused = true)]
async fn another_server_takes_the_response_up_and_asks_for_nothing_anew() {
    let (world, session) = begun(shown("{\"places\":[")).await;
    let world = world.restart().await;
    served(&world, session).await;
    let taken_up = Background::TakenUp {
        response_id: RESPONSE.to_owned(),
    };
    assert_eq!(world.model.backgrounds("scout"), [Background::Allowed, taken_up]);
    assert_eq!(calls(&world, session), [Some(CallOutcome::Ok)]);
    assert_eq!(attempts(&world, session), 2);
    assert_eq!(world.model.abandoned(), [] as [String; 0]);
    assert_eq!(world.model.forgotten(), [RESPONSE]);
}

#[tokio::test(start_paused = true)]
async fn a_response_is_forgotten_once_it_is_recorded_and_no_sooner() {
    let gate = Arc::new(watch::Sender::new(false));
    let mut steps = vec![Step::Gate(gate.clone())];
    steps.extend(whole(&concierge_output("scout")));
    let (world, session) = begun(steps).await;
    world.journal.hold();
    gate.send_replace(true);
    world.model.until_under_way(0).await;
    world.journal.until_appends_wait(1).await;
    assert_eq!(world.model.forgotten(), [] as [String; 0]);
    world.journal.release();
    served(&world, session).await;
    assert_eq!(world.model.forgotten(), [RESPONSE]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_panics_takes_its_response_up_as_well() {
    let (world, session) = begun(shown("{\"places\":[")).await;
    // Nobody is told what became of it.
    let _lost = world.send(session, say("__panic_session__")).await;
    served(&world, session).await;
    assert_eq!(calls(&world, session), [Some(CallOutcome::Ok)]);
    assert_eq!(world.model.abandoned(), [] as [String; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_fails_costs_no_response() {
    let (world, session) = begun(shown("{\"places\":[")).await;
    world.journal.fail_next(Fault::Failed);
    let _refused = world.send(session, say("Hello")).await;
    served(&world, session).await;
    assert_eq!(calls(&world, session), [Some(CallOutcome::Ok)]);
    assert_eq!(world.model.abandoned(), [] as [String; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_lost_is_asked_for_anew_by_the_same_attempt() {
    let (world, session) = begun(shown("{\"places\":[")).await;
    world
        .model
        .script("scout", vec![Step::Text("{\"places\":[{".to_owned()), Step::Lost]);
    world.model.script("scout", whole(&concierge_output("scout")));
    let world = world.restart().await;
    served(&world, session).await;
    assert_eq!(
        calls(&world, session),
        [Some(CallOutcome::Unknown), Some(CallOutcome::Ok)]
    );
    assert_eq!(attempts(&world, session), 2);
    assert_eq!(world.model.abandoned(), [RESPONSE]);
    assert!(
        !world
            .journal
            .events(session)
            .iter()
            .any(|event| matches!(event, Event::Error(_)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cancelled_has_the_provider_stop() {
    let (world, session) = begun(shown("{\"places\":[")).await;
    world
        .send(session, CommandKind::CancelRun { run_id: None })
        .await
        .unwrap();
    eventually(|| world.model.under_way() == 0).await;
    assert_eq!(world.model.abandoned(), [RESPONSE]);
    assert_eq!(calls(&world, session), [Some(CallOutcome::Unknown)]);
}

#[tokio::test(start_paused = true)]
async fn a_stage_whose_time_is_up_has_the_provider_stop() {
    let (world, session) = begun(shown("{\"places\":[")).await;
    pass(Duration::from_mins(2)).await;
    eventually(|| !world.model.abandoned().is_empty()).await;
    assert_eq!(world.model.abandoned()[..1], [RESPONSE]);
    assert_eq!(calls(&world, session)[..1], [Some(CallOutcome::Unknown)]);
}

#[tokio::test(start_paused = true)]
async fn a_planner_never_goes_on_in_the_background() {
    let world = World::new().await;
    let session = world.create().await;
    world.send(session, say("Hello there")).await.unwrap();
    let mut follower = world.follow(session).await;
    follower
        .until(|event| matches!(event, Event::TurnCompleted(_)))
        .await;
    assert_eq!(world.model.backgrounds("planner"), [Background::Never]);
}
