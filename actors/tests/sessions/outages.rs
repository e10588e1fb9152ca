//! The journal fails, falls silent, and comes back.

use std::sync::Arc;
use std::time::Duration;

use greenroom_actors::{CreateSession, Refused};
use greenroom_protocol::{ErrorCode, Event, Locale, Mode};
use greenroom_session::{Caller, CommandKind};
use tokio::sync::watch;

use crate::journal::Fault;
use crate::model::{Step, whole};
use crate::world::{GENERATE, World, code, concierge_output, edit, eventually, pass, say};

#[tokio::test(start_paused = true)]
async fn while_the_journal_is_away_commands_are_refused() {
    let world = World::new().await;
    let session = world.create().await;
    world.journal.set_writable(false);
    assert_eq!(
        code(world.send(session, edit("nuts")).await.unwrap_err()),
        ErrorCode::DbUnavailable
    );
    let new = CreateSession {
        user: None,
        locale: Locale::En,
        mode: Mode::Standard,
        playbook: None,
    };
    assert_eq!(
        code(world.directory.create(new).await.unwrap_err()),
        ErrorCode::DbUnavailable
    );
    assert!(
        world.directory.view(session, &Caller::Operator).await.is_ok(),
        "what is in memory can be seen"
    );
    world.journal.set_writable(true);
    world.send(session, edit("nuts")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn while_the_disk_is_nearly_full_nothing_new_begins_and_what_is_under_way_ends() {
    let world = World::new().await;
    let session = world.create().await;
    world.fill_brief(session).await;
    let gate = Arc::new(watch::Sender::new(false));
    let mut steps = whole(&concierge_output("itinerary"));
    steps.insert(0, Step::Gate(gate.clone()));
    world.model.script("itinerary", steps);
    world.send(session, GENERATE).await.unwrap();
    let mut follower = world.follow(session).await;
    follower
        .until(|event| matches!(event, Event::StageCompleted(done) if done.stage.as_str() == "menu"))
        .await;
    world.journal.set_full(true);
    for begins in [
        say("Hello there"),
        GENERATE,
        CommandKind::RetryRun { run_id: None },
    ] {
        let refused = world.send(session, begins).await.unwrap_err();
        assert_eq!(code(refused), ErrorCode::DbUnavailable);
    }
    gate.send_replace(true);
    follower.until_state("SERVED").await;
    world.send(session, edit("nuts")).await.unwrap();

    world.journal.set_full(false);
    let receipt = world.send(session, say("Hello there")).await.unwrap();
    assert!(receipt.turn_id.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_on_when_the_journal_is_back() {
    let world = World::new().await;
    let session = world.create().await;
    world.fill_brief(session).await;
    let mut follower = world.follow(session).await;
    let begun = Step::Text("{\"hours\":[{\"place\":\"Mar".to_owned());
    world.model.script(
        "itinerary",
        vec![Step::Pause(Duration::from_secs(1)), begun, Step::Hang],
    );
    world.send(session, GENERATE).await.unwrap();
    follower
        .until(|event| matches!(event, Event::StageCompleted(done) if done.stage.as_str() == "menu"))
        .await;
    // The stream goes on, and what it brings cannot be written.
    world.journal.set_writable(false);
    pass(Duration::from_secs(2)).await;
    world.until_live(0).await;
    assert_eq!(world.model.under_way(), 0);

    world.journal.set_writable(true);
    follower.until_state("SERVED").await;
    assert_eq!(
        world.model.calls(),
        ["scout", "itinerary", "menu", "itinerary", "postcard"]
    );
    follower.assert_saw_all(&world.journal, session).await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_an_outage_cut_off_is_answered_afterwards() {
    let world = World::new().await;
    let session = world.create().await;
    let mut follower = world.follow(session).await;
    // The message is committed; the first words of the reply meet the outage.
    let words = Step::Text("{\"answer\":\"Let me".to_owned());
    world.model.script(
        "planner",
        vec![Step::Pause(Duration::from_secs(1)), words, Step::Hang],
    );
    world.send(session, say("Hello there")).await.unwrap();
    world.model.until_under_way(1).await;
    world.journal.set_writable(false);
    pass(Duration::from_secs(2)).await;
    world.until_live(0).await;
    assert_eq!(world.model.under_way(), 0, "its agent was killed with it");
    pass(Duration::from_secs(20)).await;
    assert_eq!(world.model.calls_for("planner"), 1);

    world.journal.set_writable(true);
    follower
        .until(|event| matches!(event, Event::TurnCompleted(_)))
        .await;
    assert_eq!(world.model.calls_for("planner"), 2);
    assert_eq!(
        world.directory.inspect(session).await.unwrap().restarts,
        0,
        "such drops are no crashes"
    );
    follower.assert_saw_all(&world.journal, session).await;
}

#[tokio::test(start_paused = true)]
async fn a_command_of_unknown_outcome_is_found_under_its_id() {
    let world = World::new().await;
    let session = world.create().await;
    let mut follower = world.follow(session).await;
    for (id, fault, was_written) in [
        ("a", Fault::UnknownWritten, true),
        ("b", Fault::UnknownLost, false),
    ] {
        world.journal.fail_next(fault);
        assert_eq!(
            world.send_as(session, Some(id), edit(id)).await.unwrap_err(),
            Refused::Lost
        );
        let receipt = world.send_as(session, Some(id), edit(id)).await.unwrap();
        assert_eq!(receipt.duplicate, was_written);
    }
    follower.assert_saw_all(&world.journal, session).await;
}

#[tokio::test(start_paused = true)]
async fn what_an_unknown_append_wrote_is_shown_at_last() {
    let world = World::new().await;
    let session = world.create().await;
    let mut follower = world.follow(session).await;
    world.journal.fail_next(Fault::UnknownWritten);
    assert_eq!(
        world.send(session, edit("nuts")).await.unwrap_err(),
        Refused::Lost
    );
    // Nobody asks again: the supervisor activates it, and `open` publishes the head.
    follower
        .until(|event| matches!(event, Event::SlotUpdated(_)))
        .await;
    follower.assert_saw_all(&world.journal, session).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_facts_are_refused_is_tried_ever_more_rarely() {
    let world = World::new().await;
    let session = world.create().await;
    world.model.script("planner", vec![Step::Hang]);
    world.send(session, say("Hello there")).await.unwrap();
    world.model.until_under_way(1).await;
    world.journal.refuse_appends(true);
    assert_eq!(
        code(world.send(session, edit("nuts")).await.unwrap_err()),
        ErrorCode::DbUnavailable
    );
    pass(Duration::from_mins(1)).await;
    let opens = world.journal.opens(session);
    assert!((4..=12).contains(&opens), "{opens}");

    world.journal.refuse_appends(false);
    pass(Duration::from_secs(30)).await;
    eventually(|| world.model.calls_for("planner") == 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_read_now_is_no_damage() {
    let world = World::new().await;
    let session = world.create().await;
    let world = world.restart().await;
    world.journal.fail_next_read();
    assert_eq!(
        code(world.send(session, edit("nuts")).await.unwrap_err()),
        ErrorCode::DbUnavailable
    );
    // It was parked, and is there again without being asked.
    pass(Duration::from_secs(1)).await;
    assert_eq!(world.directory.live(), 1);
    world.send(session, edit("nuts")).await.unwrap();
}
