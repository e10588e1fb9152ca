//! Checks: what is said is read, and what is written stands, only once a moderator has passed it.

use std::sync::Arc;
use std::time::Duration;

use greenroom_protocol::{CallOutcome, CallPurpose, ErrorCode, Event, Seq, SessionId, TurnOutcome};
use greenroom_session::ports::ModerationPolicy::{self, BestEffort, Off, Required};
use greenroom_session::{Checked, CommandKind, OutsideCall, Settlement};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::moderator::Check;
use crate::world::{Follower, GENERATE, World, eventually, pass, say};

/// A session on a server with these policies, and who follows it.
async fn session(input: ModerationPolicy, output: ModerationPolicy) -> (World, SessionId, Follower) {
    let world = World::checked(input, output).await;
    let session = world.create().await;
    let follower = world.follow(session).await;
    (world, session, follower)
}

async fn outcome(follower: &mut Follower) -> TurnOutcome {
    match follower
        .until(|event| matches!(event, Event::TurnCompleted(_)))
        .await
    {
        Event::TurnCompleted(completed) => completed.outcome,
        _ => unreachable!(),
    }
}

fn errors(world: &World, session: SessionId) -> Vec<(ErrorCode, bool)> {
    let events = world.journal.events(session).into_iter();
    let told = events.filter_map(|event| match event {
        Event::Error(told) => Some((told.error.code, told.will_retry)),
        _ => None,
    });
    told.collect()
}

/// What the settlements say of the checks, oldest first.
fn checks(world: &World, session: SessionId) -> Vec<(CallOutcome, Option<Checked>)> {
    let rows = world.journal.rows(session).into_iter();
    let settled = rows.filter_map(|row| match &row.fact.event {
        Event::CallSettled(call) if call.purpose == CallPurpose::Moderate => {
            Some((call.outcome, row.fact.private.checked))
        }
        _ => None,
    });
    settled.collect()
}

fn gate() -> Arc<watch::Sender<bool>> {
    Arc::new(watch::Sender::new(false))
}

#[tokio::test(start_paused = true)]
async fn words_and_replies_pass_and_the_turn_is_answered() {
    let (world, session, mut follower) = session(Required, Required).await;
    world.send(session, say("Hello there")).await.unwrap();
    assert_eq!(outcome(&mut follower).await, TurnOutcome::Ok);
    assert_eq!(world.moderator.asked(), ["Hello there", "Noted."]);
    assert_eq!(
        checks(&world, session),
        vec![(CallOutcome::Ok, Some(Checked::Passed)); 2]
    );
    follower.assert_saw_all(&world.journal, session).await;
}

#[tokio::test(start_paused = true)]
async fn a_check_leaves_only_once_its_reservation_is_committed_and_the_planner_only_after_it() {
    let (world, session, mut follower) = session(Required, Off).await;
    let gate = gate();
    world.moderator.script(Check::Gate(gate.clone()));
    world.send(session, say("Hello there")).await.unwrap();
    world.moderator.until_under_way(1).await;
    let events = world.journal.events(session);
    assert!(
        matches!(events.last(), Some(Event::CallReserved(call)) if call.purpose == CallPurpose::Moderate)
    );
    pass(Duration::from_secs(5)).await;
    assert!(world.model.calls().is_empty(), "nothing is spent before");
    gate.send_replace(true);
    assert_eq!(outcome(&mut follower).await, TurnOutcome::Ok);
    assert_eq!(world.model.calls(), ["planner"]);
}

#[tokio::test(start_paused = true)]
async fn flagged_words_end_their_turn_and_reach_no_model() {
    let (world, session, mut follower) = session(BestEffort, Off).await;
    world.moderator.script(Check::Flag);
    world.send(session, say("Something bad")).await.unwrap();
    assert_eq!(outcome(&mut follower).await, TurnOutcome::Failed);
    assert_eq!(errors(&world, session), [(ErrorCode::SafetyInput, false)]);
    assert!(world.model.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_moderator_that_is_down_or_panics_refuses_or_lets_pass_as_the_policy_says() {
    for (policy, expected) in [(Required, TurnOutcome::Failed), (BestEffort, TurnOutcome::Ok)] {
        for check in [Check::Down, Check::Panic] {
            let (world, session, mut follower) = session(policy, Off).await;
            world.moderator.script(check);
            world.send(session, say("Hello there")).await.unwrap();
            assert_eq!(outcome(&mut follower).await, expected);
            let answered = expected == TurnOutcome::Ok;
            assert_eq!(world.model.calls_for("planner"), usize::from(answered));
            assert_eq!(errors(&world, session).is_empty(), answered);
            assert_eq!(
                checks(&world, session),
                [(CallOutcome::Unknown, answered.then_some(Checked::Unchecked))]
            );
            assert_eq!(
                world.journal.opens(session),
                1,
                "the session itself was not touched"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_that_is_asked_for_strikes_the_check_as_any_agent() {
    let (world, session, mut follower) = session(Required, Off).await;
    world
        .send(session, say("please __panic_agent__ now"))
        .await
        .unwrap();
    assert_eq!(outcome(&mut follower).await, TurnOutcome::Failed);
    assert!(world.moderator.asked().is_empty() && world.model.calls().is_empty());
    world.send(session, say("and again")).await.unwrap();
    assert_eq!(outcome(&mut follower).await, TurnOutcome::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_moderator_that_hangs_costs_its_ten_seconds_and_no_more() {
    let (world, session, mut follower) = session(Required, Off).await;
    world.moderator.script(Check::Hang);
    let began = Instant::now();
    world.send(session, say("Hello there")).await.unwrap();
    assert_eq!(outcome(&mut follower).await, TurnOutcome::Failed);
    assert_eq!(began.elapsed().as_secs(), 10);
    assert_eq!(errors(&world, session), [(ErrorCode::SafetyUnavailable, false)]);
    eventually(|| world.moderator.under_way() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_user_cancels_is_not_checked_any_further() {
    let (world, session, mut follower) = session(Required, Off).await;
    world.moderator.script(Check::Hang);
    world.send(session, say("Hello there")).await.unwrap();
    world.moderator.until_under_way(1).await;
    world.send(session, CommandKind::CancelResponse).await.unwrap();
    assert_eq!(outcome(&mut follower).await, TurnOutcome::Interrupted);
    world.moderator.until_under_way(0).await;
    world.send(session, say("And again")).await.unwrap();
    assert_eq!(outcome(&mut follower).await, TurnOutcome::Ok);
    assert_eq!(world.moderator.asked(), ["Hello there", "Hello there\nAnd again"]);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_a_crash_interrupts_is_made_again() {
    let (world, session, follower) = session(Required, Off).await;
    world.moderator.script(Check::Hang);
    world.send(session, say("Hello there")).await.unwrap();
    world.moderator.until_under_way(1).await;
    drop(follower);
    let world = world.restart().await;
    world.greenroom.recover();
    let mut follower = world.follow_from(session, Some(Seq::ZERO)).await;
    assert_eq!(outcome(&mut follower).await, TurnOutcome::Ok);
    assert_eq!(world.moderator.asked(), ["Hello there", "Hello there"]);
    assert_eq!(
        checks(&world, session),
        [
            (CallOutcome::Unknown, None),
            (CallOutcome::Ok, Some(Checked::Passed))
        ]
    );
    follower.assert_saw_all(&world.journal, session).await;
}

#[tokio::test(start_paused = true)]
async fn an_output_that_is_flagged_is_a_failed_attempt_and_the_next_one_may_pass() {
    let (world, session, mut follower) = session(Off, Required).await;
    world.fill_brief(session).await;
    world.moderator.script(Check::Flag);
    world.send(session, GENERATE).await.unwrap();
    follower.until_state("SERVED").await;
    assert_eq!(errors(&world, session), [(ErrorCode::SafetyOutput, true)]);
    assert_eq!(
        world.model.calls(),
        ["scout", "scout", "itinerary", "menu", "postcard"]
    );
    assert_eq!(world.moderator.asked().len(), 5);
    follower.assert_saw_all(&world.journal, session).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_while_an_output_is_checked_pays_for_no_output_twice() {
    let (world, session, follower) = session(Off, Required).await;
    world.fill_brief(session).await;
    world.moderator.script(Check::Hang);
    world.send(session, GENERATE).await.unwrap();
    world.moderator.until_under_way(1).await;
    drop(follower);
    let world = world.restart().await;
    world.greenroom.recover();
    let mut follower = world.follow_from(session, Some(Seq::ZERO)).await;
    follower.until_state("SERVED").await;
    assert_eq!(world.model.calls(), ["scout", "itinerary", "menu", "postcard"]);
    follower.assert_saw_all(&world.journal, session).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_waits_in_memory_for_a_call_made_outside_but_not_for_ever() {
    let world = World::checked(Required, Off).await;
    let session = world.create().await;
    let call = OutsideCall::Moderate;
    let reserved = world
        .send(session, CommandKind::ReserveCall { call })
        .await
        .unwrap();
    pass(Duration::from_secs(150)).await;
    assert_eq!(world.directory.live(), 1, "an idle session has left long before");
    let settled = CommandKind::SettleCall {
        call_id: reserved.call_id.unwrap(),
        settlement: Box::new(Settlement {
            outcome: CallOutcome::Ok,
            record: None,
            error: None,
            reason: None,
            asset: None,
        }),
    };
    world.send(session, settled).await.unwrap();
    assert_eq!(
        checks(&world, session),
        [(CallOutcome::Ok, None)],
        "booked as it ended, not as unknown"
    );
    assert_eq!(world.journal.opens(session), 1);
    world.until_gone_idle().await;

    let call = OutsideCall::Moderate;
    world
        .send(session, CommandKind::ReserveCall { call })
        .await
        .unwrap();
    assert!(
        world.journal.summary(session).wake_at.is_some(),
        "somebody looks after it, although whoever makes it may never come back"
    );
    world.until_gone_idle().await;
    assert_eq!(
        checks(&world, session).last(),
        Some(&(CallOutcome::Unknown, None))
    );
    assert_eq!(world.journal.summary(session).wake_at, None);
}
