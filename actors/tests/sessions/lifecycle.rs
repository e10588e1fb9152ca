//! Coming into memory and leaving it: passivation, recovery, shutdown.

use std::time::Duration;

use greenroom_protocol::{ErrorCode, Event, SessionId, TurnOutcome};
use greenroom_session::{Caller, CommandKind};

use crate::model::{Step, answer, failure, pieces, whole};
use crate::world::{GENERATE, World, code, concierge_output, edit, pass, say};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_needs_leaves_memory_and_comes_back() {
    let world = World::new().await;
    let session = world.create().await;
    pass(MINUTE / 2).await;
    world.send(session, edit("nuts")).await.unwrap();
    pass(MINUTE / 2).await;
    assert_eq!(world.directory.live(), 1, "it was needed half a minute ago");
    pass(MINUTE).await;
    world.until_live(0).await;

    world.send(session, edit("milk")).await.unwrap();
    assert_eq!(world.journal.opens(session), 2);
    assert_eq!(world.directory.live(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_listener_keeps_its_session_in_memory() {
    let world = World::new().await;
    let session = world.create().await;
    let mut follower = world.follow(session).await;
    pass(MINUTE * 10).await;
    assert_eq!(world.directory.live(), 1);
    // The events were given back meanwhile; they are read from the journal.
    follower.assert_saw_all(&world.journal, session).await;
    assert_eq!(world.journal.frames_read(), 1);
    world.send(session, edit("nuts")).await.unwrap();
    follower.assert_saw_all(&world.journal, session).await;
    assert_eq!(world.journal.frames_read(), 1);
    assert_eq!(world.journal.opens(session), 1);

    drop(follower);
    pass(MINUTE * 2).await;
    world.until_live(0).await;
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_sleeping_session_after_the_end_is_told() {
    let world = World::new().await;
    let session = world.create().await;
    world.until_gone_idle().await;
    world.greenroom.shutdown(MINUTE).await;
    let client = Caller::Client(None);
    let answer = tokio::time::timeout(MINUTE, world.directory.view(session, &client)).await;
    assert_eq!(
        code(answer.expect("there is an answer").unwrap_err()),
        ErrorCode::SysDraining
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn that_there_is_no_such_session_is_said_however_soon_it_is_known() {
    let world = World::new().await;
    for number in 1..300 {
        let nobody = SessionId::new(ulid::Ulid(number));
        let refused = world
            .directory
            .view(nobody, &Caller::Client(None))
            .await
            .unwrap_err();
        assert_eq!(code(refused), ErrorCode::SessionNotFound, "at {number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_with_work_under_way_stays_in_memory() {
    let world = World::with(|config| config.passivate_after = Duration::from_secs(1)).await;
    let session = world.create().await;
    let slow = vec![
        Step::Pause(Duration::from_secs(7)),
        Step::Text(answer("Yes.").to_string()),
        Step::Done,
    ];
    world.model.script("planner", slow);
    world.send(session, say("Hello there")).await.unwrap();
    pass(Duration::from_secs(6)).await;
    assert_eq!(world.directory.live(), 1);
    pass(Duration::from_secs(4)).await;
    world.until_live(0).await;
    let ended = world.journal.events(session).into_iter().any(
        |event| matches!(event, Event::TurnCompleted(completed) if completed.outcome == TurnOutcome::Ok),
    );
    assert!(ended);
    assert_eq!(world.journal.opens(session), 1);
}

#[tokio::test(start_paused = true)]
async fn no_command_is_lost_to_a_session_that_is_leaving() {
    let world = World::with(|config| config.passivate_after = Duration::from_millis(2)).await;
    let session = world.create().await;
    let mut sent = 0;
    for round in 0..300_u64 {
        pass(Duration::from_millis(round % 4)).await;
        for _ in 0..round % 3 {
            tokio::task::yield_now().await;
        }
        world.send(session, edit(round)).await.unwrap();
        sent += 1;
    }
    let updates = world
        .journal
        .events(session)
        .into_iter()
        .filter(|event| matches!(event, Event::SlotUpdated(_)));
    assert_eq!(updates.count(), sent);
    assert!(world.journal.opens(session) > 50, "it left again and again");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_cut_off_goes_on_after_a_restart() {
    let world = World::new().await;
    let session = world.create().await;
    world.fill_brief(session).await;
    world.model.script("itinerary", vec![Step::Hang]);
    world.send(session, GENERATE).await.unwrap();
    // Scout and menu are done, the itinerary hangs.
    let mut follower = world.follow(session).await;
    follower
        .until(|event| matches!(event, Event::StageCompleted(done) if done.stage.as_str() == "menu"))
        .await;
    world.model.until_under_way(1).await;
    drop(follower);

    let world = world.restart().await;
    world.model.until_under_way(0).await;
    world.greenroom.recover();
    pass(Duration::from_secs(1)).await;
    let mut follower = world.follow(session).await;
    follower.until_state("SERVED").await;
    assert_eq!(
        world.model.calls(),
        ["scout", "itinerary", "menu", "itinerary", "postcard"]
    );
    follower.assert_saw_all(&world.journal, session).await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_waits_for_its_time_is_made_after_a_restart() {
    let world = World::new().await;
    let session = world.create().await;
    world.fill_brief(session).await;
    world
        .model
        .script("scout", vec![failure(ErrorCode::LlmUpstream, Some(6_000))]);
    world.send(session, GENERATE).await.unwrap();
    let mut follower = world.follow(session).await;
    follower
        .until(|event| matches!(event, Event::Error(error) if error.will_retry))
        .await;
    drop(follower);

    let world = world.restart().await;
    world.greenroom.recover();
    pass(Duration::from_secs(1)).await;
    assert_eq!(world.directory.live(), 1, "it is woken ahead of its time");
    assert_eq!(world.model.calls_for("scout"), 1, "and minds its time itself");
    let mut follower = world.follow(session).await;
    follower.until_state("SERVED").await;
    assert_eq!(world.model.calls_for("scout"), 2);
}

#[tokio::test(start_paused = true)]
async fn recovery_wakes_all_that_is_due_and_nothing_else() {
    let world = World::new().await;
    let mut busy = Vec::new();
    for number in 0..40 {
        let session = world.create().await;
        if number % 2 == 0 {
            world.model.script("planner", vec![Step::Hang]);
            world.send(session, say("Hello there")).await.unwrap();
            busy.push(session);
        }
    }
    world.model.until_under_way(20).await;
    let world = world.restart().await;
    world.model.until_under_way(0).await;
    world.greenroom.recover();
    pass(Duration::from_secs(5)).await;
    assert_eq!(world.directory.live(), 20);
    for session in busy {
        let view = world.directory.view(session, &Caller::Operator).await.unwrap();
        assert_eq!(view.turn_id, None, "its turn was answered");
    }
    assert_eq!(world.model.calls_for("planner"), 40);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_cannot_be_activated_is_not_woken_again_and_again() {
    let world = World::new().await;
    let session = world.create().await;
    world.model.script("planner", vec![Step::Hang]);
    world.send(session, say("Hello there")).await.unwrap();
    world.model.until_under_way(1).await;
    let world = world.restart().await;
    // Its playbook is gone for good.
    world.blobs.forget_all();
    world.greenroom.recover();
    pass(Duration::from_secs(5)).await;
    let opened = world.journal.opens(session);
    assert_eq!(opened, 2, "it was tried");
    pass(Duration::from_hours(1)).await;
    assert_eq!(world.journal.opens(session), opened, "and costs nothing more");
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_is_made_again_in_its_time() {
    let world = World::new().await;
    let session = world.create().await;
    world.fill_brief(session).await;
    world
        .model
        .script("scout", vec![failure(ErrorCode::LlmUpstream, None)]);
    let began = tokio::time::Instant::now();
    world.send(session, GENERATE).await.unwrap();
    let mut follower = world.follow(session).await;
    follower.until_state("SERVED").await;
    assert_eq!(
        began.elapsed().as_secs(),
        2,
        "after the first pause of the schedule"
    );
    assert_eq!(world.model.calls_for("scout"), 2);
}

#[tokio::test(start_paused = true)]
async fn shutdown_refuses_commands_and_lets_what_is_under_way_finish() {
    let world = World::new().await;
    let session = world.create().await;
    world.model.script(
        "planner",
        pieces(
            &answer("A long answer, in many words."),
            3,
            Duration::from_millis(50),
        ),
    );
    world.send(session, say("Hello there")).await.unwrap();
    world.model.until_under_way(1).await;

    let shutdown = world.greenroom.shutdown(Duration::from_secs(30));
    let refused = async {
        pass(Duration::from_millis(10)).await;
        world.send(session, edit("nuts")).await.unwrap_err()
    };
    let ((), refused) = tokio::join!(shutdown, refused);
    assert_eq!(code(refused), ErrorCode::SysDraining);
    assert!(matches!(
        world.journal.events(session).last(),
        Some(Event::TurnCompleted(_))
    ));
    assert_eq!(world.directory.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn shutdown_does_not_wait_beyond_its_deadline() {
    let world = World::new().await;
    let session = world.create().await;
    world.model.script("planner", vec![Step::Hang]);
    world.send(session, say("Hello there")).await.unwrap();
    world.model.until_under_way(1).await;
    let began = tokio::time::Instant::now();
    world.greenroom.shutdown(Duration::from_secs(3)).await;
    assert_eq!(began.elapsed().as_secs(), 3);
    assert_eq!(world.model.under_way(), 0, "the call was cancelled");

    let world = world.restart().await;
    world.greenroom.recover();
    let mut follower = world.follow(session).await;
    follower
        .until(|event| matches!(event, Event::TurnCompleted(_)))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_stops_its_agents() {
    let world = World::new().await;
    let session = world.create().await;
    world.fill_brief(session).await;
    world.model.script("itinerary", vec![Step::Hang]);
    world.model.script("menu", vec![Step::Hang]);
    world.send(session, GENERATE).await.unwrap();
    world.model.until_under_way(2).await;
    let snapshot = world.directory.inspect(session).await.unwrap();
    assert_eq!(snapshot.children.len(), 2);
    assert_eq!(snapshot.stages.len(), 2);
    world
        .send(session, CommandKind::CancelRun { run_id: None })
        .await
        .unwrap();
    world.model.until_under_way(0).await;
    assert_eq!(world.directory.inspect(session).await.unwrap().children, []);

    world.model.script("scout", whole(&concierge_output("scout")));
    world.send(session, GENERATE).await.unwrap();
    world.follow(session).await.until_state("SERVED").await;
}
