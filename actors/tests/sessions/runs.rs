//! Runs and replies, from the model's stream to the log.

use std::time::Duration;

use greenroom_protocol::{DeltaChange, ErrorCode, Event, limits};
use serde_json::json;

use crate::model::{Step, answer, pieces, whole};
use crate::world::{GENERATE, World, eventually, pass, say, set_slots};

#[tokio::test(start_paused = true)]
async fn a_run_goes_through_its_stages_to_the_end() {
    let world = World::new().await;
    let session = world.create().await;
    world.fill_brief(session).await;
    let receipt = world.send(session, GENERATE).await.unwrap();
    let mut follower = world.follow(session).await;
    follower.until_state("SERVED").await;
    assert_eq!(world.model.calls(), ["scout", "itinerary", "menu", "postcard"]);
    follower.assert_saw_all(&world.journal, session).await;
    let completed = world
        .journal
        .events(session)
        .into_iter()
        .find_map(|event| match event {
            Event::RunCompleted(completed) => Some(completed.run_id),
            _ => None,
        });
    assert_eq!(completed, receipt.run_id);
}

#[tokio::test(start_paused = true)]
async fn the_launch_playbook_reaches_done() {
    let world = World::launch().await;
    let session = world.create().await;
    let edits = [
        ("product.name", json!("루미세럼")),
        ("product.category", json!("스킨케어")),
        ("product.features", json!(["저자극", "빠른흡수", "비건"])),
        ("product.price_band", json!("mid")),
        ("target.who", json!("20대 여성")),
        ("target.why", json!("트러블 진정")),
        ("channel.channels", json!(["인스타"])),
        ("goal.weekly_goal", json!("purchase")),
        ("goal.video_seconds", json!(10)),
    ];
    world.send(session, set_slots(&edits)).await.unwrap();
    for run in 1..=2 {
        world.send(session, GENERATE).await.unwrap();
        let mut follower = world.follow_from(session, None).await;
        follower.until_state("DONE").await;
        assert_eq!(
            world.model.calls().len(),
            4 * run,
            "two runs, each through its four stages"
        );
    }
    world
        .follow(session)
        .await
        .assert_saw_all(&world.journal, session)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_shown_as_it_comes_and_its_small_steps_are_joined() {
    let world = World::new().await;
    let session = world.create().await;
    let text = "word ".repeat(100);
    world.model.script(
        "planner",
        pieces(&answer(text.trim()), 1, Duration::from_millis(2)),
    );
    world.send(session, say("Hello there")).await.unwrap();
    let mut follower = world.follow(session).await;
    follower
        .until(|event| matches!(event, Event::TurnCompleted(_)))
        .await;
    let events = world.journal.events(session);
    let deltas = events
        .iter()
        .filter(|event| matches!(event, Event::PlannerDelta(_)))
        .count();
    // 499 characters at 2 ms each are about a second: 20 ms windows.
    assert!((45..=55).contains(&deltas), "{deltas}");
    let said = events
        .iter()
        .any(|event| matches!(event, Event::MessageAdded(said) if said.text == text.trim()));
    assert!(said, "nothing of it was lost");
}

#[tokio::test(start_paused = true)]
async fn what_came_last_is_shown_before_the_reply_is_complete() {
    let world = World::new().await;
    let session = world.create().await;
    // All at once: what follows the first step waits in the agent when the reply ends.
    world
        .model
        .script("planner", pieces(&answer("one two three"), 4, Duration::ZERO));
    world.send(session, say("Hello there")).await.unwrap();
    let mut follower = world.follow(session).await;
    follower
        .until(|event| matches!(event, Event::TurnCompleted(_)))
        .await;
    let shown: String = world
        .journal
        .events(session)
        .into_iter()
        .filter_map(|event| match event {
            Event::PlannerDelta(delta) => Some(delta.delta.change),
            _ => None,
        })
        .map(|change| match change {
            DeltaChange::Append(text) => text,
            DeltaChange::Value(value) => panic!("a reply only grows: {value}"),
        })
        .collect();
    assert!(shown.starts_with("one two three"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_journal_costs_fewer_events_not_memory() {
    let world = World::new().await;
    let session = world.create().await;
    let text = "word ".repeat(400);
    world.model.script(
        "planner",
        pieces(&answer(text.trim()), 1, Duration::from_millis(2)),
    );
    world.send(session, say("Hello there")).await.unwrap();
    world.model.until_under_way(1).await;
    world.journal.hold();
    pass(Duration::from_secs(3)).await;
    let waiting = world.directory.inspect(session).await.unwrap().facts_waiting;
    assert!(waiting <= 4, "{waiting}");
    world.journal.release();
    let mut follower = world.follow(session).await;
    follower
        .until(|event| matches!(event, Event::TurnCompleted(_)))
        .await;
    let said = world
        .journal
        .events(session)
        .into_iter()
        .any(|event| matches!(event, Event::MessageAdded(said) if said.text == text.trim()));
    assert!(said, "nothing of it was lost");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_keeps_no_deadline_is_cut_off() {
    let world = World::new().await;
    let session = world.create().await;
    world.model.script(
        "planner",
        vec![Step::Text("{\"answer\":\"Let me".to_owned()), Step::Hang],
    );
    let began = tokio::time::Instant::now();
    world.send(session, say("Hello there")).await.unwrap();
    let mut follower = world.follow(session).await;
    let error = follower.until(|event| matches!(event, Event::Error(_))).await;
    assert!(matches!(error, Event::Error(error) if error.error.code == ErrorCode::LlmTimeout));
    assert_eq!(
        began.elapsed().as_secs(),
        8 + 5,
        "the planner's budget and the grace"
    );
    follower
        .until(|event| matches!(event, Event::TurnCompleted(_)))
        .await;
    eventually(|| world.model.under_way() == 0).await;
    let partial = world
        .journal
        .rows(session)
        .into_iter()
        .find_map(|row| row.fact.private.partial);
    assert_eq!(partial.as_deref(), Some("{\"answer\":\"Let me"));
}

#[tokio::test(start_paused = true)]
async fn a_reply_without_end_is_cut_off() {
    let world = World::new().await;
    let session = world.create().await;
    world.fill_brief(session).await;
    let endless = "x".repeat(limits::MODEL_OUTPUT_BYTES_MAX / 4);
    let mut steps = vec![Step::Text("{\"places\":[{\"name\":\"".to_owned())];
    steps.extend((0..4).map(|_| Step::Text(endless.clone())));
    steps.push(Step::Hang);
    world.model.script("scout", steps);
    world.send(session, GENERATE).await.unwrap();
    let mut follower = world.follow(session).await;
    let error = follower.until(|event| matches!(event, Event::Error(_))).await;
    assert!(matches!(error, Event::Error(error) if error.error.code == ErrorCode::LlmJsonInvalid));
    follower.until_state("SERVED").await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_early_is_a_failure() {
    let world = World::new().await;
    let session = world.create().await;
    world.fill_brief(session).await;
    world
        .model
        .script("scout", vec![Step::Text("{\"places\":[".to_owned())]);
    world.send(session, GENERATE).await.unwrap();
    let mut follower = world.follow(session).await;
    let error = follower.until(|event| matches!(event, Event::Error(_))).await;
    assert!(matches!(error, Event::Error(error) if error.error.code == ErrorCode::LlmUpstream));
    follower.until_state("SERVED").await;
}

#[tokio::test(start_paused = true)]
async fn a_breach_is_repaired_by_a_call_of_its_own() {
    let world = World::new().await;
    let session = world.create().await;
    world.fill_brief(session).await;
    world.model.script("menu", whole(&json!({ "dishes": [] })));
    world.send(session, GENERATE).await.unwrap();
    let mut follower = world.follow(session).await;
    follower.until_state("SERVED").await;
    assert_eq!(world.model.calls_for("menu"), 2);
    let reserved = world
        .journal
        .events(session)
        .into_iter()
        .filter(|event| matches!(event, Event::CallReserved(_)));
    assert_eq!(reserved.count(), 5);
}
