//! Crashes: of an agent, of a session, again and again; and reports that come too late.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use greenroom_actors::{CreateSession, Refused};
use greenroom_protocol::{CallOutcome, ErrorCode, Event, Locale, Mode, Seq, TurnOutcome};
use greenroom_session::ports::SessionSummary;
use greenroom_session::{Caller, UserKey};
use tokio::sync::watch;

use crate::journal::Fault;
use crate::model::{Step, answer, whole};
use crate::world::{Follower, GENERATE, World, code, concierge_output, edit, eventually, pass, say};

const PANIC: &str = "__panic_session__";

#[tokio::test(start_paused = true)]
async fn a_panic_in_an_agent_costs_one_attempt() {
    let world = World::new().await;
    let session = world.create().await;
    world.fill_brief(session).await;
    world
        .model
        .script("scout", vec![Step::Text("{\"places\":[".to_owned()), Step::Panic]);
    world.send(session, GENERATE).await.unwrap();
    let mut follower = world.follow(session).await;
    let error = follower.until(|event| matches!(event, Event::Error(_))).await;
    let Event::Error(error) = error else {
        unreachable!()
    };
    assert_eq!((error.attempt, error.will_retry), (Some(1), true));
    follower.until_state("SERVED").await;
    assert_eq!(world.model.calls_for("scout"), 2);
    let rows = world.journal.rows(session);
    let reasons = rows.iter().filter_map(|row| row.fact.private.reason.as_deref());
    let reasons: BTreeSet<&str> = reasons.collect();
    assert_eq!(
        reasons,
        BTreeSet::from(["the agent panicked"]),
        "what is stored never quotes the panic"
    );
    assert_eq!(
        world.journal.opens(session),
        1,
        "the session itself was not touched"
    );
}

#[tokio::test(start_paused = true)]
async fn an_agent_panics_once_for_a_message_that_asks_for_it() {
    let world = World::new().await;
    let session = world.create().await;
    world
        .send(session, say("please __panic_agent__ now"))
        .await
        .unwrap();
    let mut follower = world.follow(session).await;
    follower
        .until(|event| matches!(event, Event::TurnCompleted(_)))
        .await;
    assert_eq!(
        world.model.calls(),
        Vec::<String>::new(),
        "the call was never made"
    );
    world.send(session, say("and again")).await.unwrap();
    follower
        .until(|event| matches!(event, Event::TurnCompleted(_)))
        .await;
    assert_eq!(world.model.calls(), ["planner"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_panics_goes_on_from_its_log() {
    let world = World::new().await;
    let session = world.create().await;
    world.fill_brief(session).await;
    let mut follower = world.follow(session).await;
    world.model.script("itinerary", vec![Step::Hang]);
    world.send(session, GENERATE).await.unwrap();
    follower
        .until(|event| matches!(event, Event::StageCompleted(done) if done.stage.as_str() == "menu"))
        .await;

    assert_eq!(world.send(session, say(PANIC)).await.unwrap_err(), Refused::Lost);
    // The run goes on by itself: the attempt that was interrupted becomes the next one.
    follower.until_state("SERVED").await;
    assert_eq!(
        world.model.calls(),
        ["scout", "itinerary", "menu", "itinerary", "postcard"]
    );
    assert_eq!(world.directory.inspect(session).await.unwrap().restarts, 1);
    assert_eq!(world.journal.opens(session), 2);
    follower.assert_saw_all(&world.journal, session).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_takes_nothing_with_it_that_was_committed() {
    let world = World::new().await;
    let session = world.create().await;
    let other = world.create().await;
    let mut follower = world.follow(session).await;
    let (edited, panicked, asked) = tokio::join!(
        world.send(session, edit("nuts")),
        world.send(session, say(PANIC)),
        world.send_as(session, Some("again"), edit("milk")),
    );
    // The first was decided and not acknowledged, the last was still in the mailbox: nobody can know.
    assert_eq!(edited.unwrap_err(), Refused::Lost);
    assert_eq!(panicked.unwrap_err(), Refused::Lost);
    assert_eq!(asked.unwrap_err(), Refused::Lost);
    world.send_as(session, Some("again"), edit("milk")).await.unwrap();
    follower.assert_saw_all(&world.journal, session).await;
    world.send(other, edit("nuts")).await.unwrap();
    assert_eq!(world.journal.opens(other), 1, "a crash is local");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_crashes_too_often_is_given_up() {
    let world = World::new().await;
    let session = world.create().await;
    let mut follower = world.follow(session).await;
    for _ in 0..4 {
        assert_eq!(world.send(session, say(PANIC)).await.unwrap_err(), Refused::Lost);
    }
    follower.until_state("FAILED").await;
    follower
        .until(|event| matches!(event, Event::Error(error) if error.error.code == ErrorCode::SessionRestartLimit))
        .await;
    follower.assert_saw_all(&world.journal, session).await;
    for _ in 0..3 {
        let refused = world.send(session, edit("nuts")).await.unwrap_err();
        assert_eq!(code(refused), ErrorCode::SessionRestartLimit);
    }
    drop(follower);
    pass(Duration::from_mins(2)).await;
    let refused = world
        .directory
        .view(session, &Caller::Operator)
        .await
        .unwrap_err();
    assert_eq!(
        code(refused),
        ErrorCode::SessionRestartLimit,
        "time alone heals nothing"
    );

    let world = world.restart().await;
    // Who reads on and who reads anew see the log; nobody else does, and a view of it is not to be had.
    for after in [Seq(1), Seq::ZERO] {
        let mut follower = world.follow_from(session, Some(after)).await;
        assert_eq!(
            follower.cursor.committed().0,
            world.journal.rows(session).len() as u64
        );
        follower.until_state("FAILED").await;
        assert_eq!(follower.seen[0].seq, after.next());
    }
    let (_, view) = world
        .directory
        .cursor(session, &Caller::Operator, Some(Seq::ZERO))
        .await
        .unwrap();
    assert_eq!((view.state.as_str(), view.locale), ("FAILED", Locale::En));
    let ahead = Some(view.as_of_seq.next());
    for (after, expected) in [
        (None, ErrorCode::SessionRestartLimit),
        (ahead, ErrorCode::SessionEventAhead),
    ] {
        let refused = world.directory.cursor(session, &Caller::Operator, after).await;
        assert_eq!(code(refused.err().unwrap()), expected);
    }

    world.greenroom.recover();
    let refused = world.send(session, edit("nuts")).await.unwrap_err();
    assert_eq!(code(refused), ErrorCode::SessionRestartLimit, "its log says so");
    let facts = world.journal.events(session).len();
    pass(Duration::from_mins(2)).await;
    assert_eq!(world.journal.events(session).len(), facts);
}

#[tokio::test(start_paused = true)]
async fn panics_that_lie_far_apart_are_survived() {
    let world = World::new().await;
    let session = world.create().await;
    for _ in 0..10 {
        assert_eq!(world.send(session, say(PANIC)).await.unwrap_err(), Refused::Lost);
        world.send(session, edit("nuts")).await.unwrap();
        pass(Duration::from_secs(21)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_given_up_as_soon_as_the_journal_can_say_so() {
    let world = World::new().await;
    let session = world.create().await;
    let mut follower = world.follow(session).await;
    for _ in 0..3 {
        assert_eq!(world.send(session, say(PANIC)).await.unwrap_err(), Refused::Lost);
    }
    world.journal.fail_next(Fault::Failed);
    assert_eq!(world.send(session, say(PANIC)).await.unwrap_err(), Refused::Lost);
    let refused = world.send(session, edit("nuts")).await.unwrap_err();
    assert_eq!(code(refused), ErrorCode::SessionRestartLimit);
    follower.until_state("FAILED").await;
    follower.assert_saw_all(&world.journal, session).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_cannot_be_marked_as_failed_is_tried_ever_more_rarely() {
    let world = World::new().await;
    let session = world.create().await;
    for _ in 0..3 {
        assert_eq!(world.send(session, say(PANIC)).await.unwrap_err(), Refused::Lost);
    }
    world.send(session, edit("nuts")).await.unwrap();
    let before = world.journal.opens(session);
    world.journal.refuse_appends(true);
    assert_eq!(world.send(session, say(PANIC)).await.unwrap_err(), Refused::Lost);
    pass(Duration::from_mins(10)).await;
    let opens = world.journal.opens(session) - before;
    assert!((10..40).contains(&opens), "{opens} times in ten minutes");
    world.journal.refuse_appends(false);
    pass(Duration::from_secs(31)).await;
    let marked = |event: &Event| matches!(event, Event::Error(error) if error.error.code == ErrorCode::SessionRestartLimit);
    eventually(|| world.journal.events(session).last().is_some_and(marked)).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_cannot_even_be_loaded_is_given_up() {
    let world = World::new().await;
    let session = world.create().await;
    world.fill_brief(session).await;
    let listed = world.journal.summary(session);
    assert_eq!((listed.title.as_deref(), listed.completeness), (Some("Kim"), 1.0));
    let world = world.restart().await;
    world.blobs.poisoned.store(true, Ordering::Relaxed);
    assert_eq!(
        world.send(session, edit("milk")).await.unwrap_err(),
        Refused::Lost
    );
    eventually(|| matches!(world.journal.events(session).last(), Some(Event::Error(_)))).await;
    assert_eq!(
        world.journal.opens(session),
        1 + 4 + 1,
        "four tries, then the supervisor's own"
    );
    let refused = world.send(session, edit("milk")).await.unwrap_err();
    assert_eq!(code(refused), ErrorCode::SessionRestartLimit);
    let failed = SessionSummary {
        state: "FAILED".to_owned(),
        wake_at: None,
        ..listed
    };
    assert_eq!(world.journal.summary(session), failed, "nothing else is touched");
}

#[tokio::test(start_paused = true)]
async fn the_log_of_a_session_that_cannot_be_loaded_is_its_owners() {
    let world = World::new().await;
    let owner = Some("ann".parse::<UserKey>().unwrap());
    let new = CreateSession {
        user: owner.clone(),
        locale: Locale::En,
        mode: Mode::Standard,
        playbook: None,
    };
    let session = world.directory.create(new).await.unwrap().session_id;
    let world = world.restart().await;
    world.blobs.forget_all();
    let cursor = |caller| {
        let directory = world.directory.clone();
        async move { directory.cursor(session, &caller, Some(Seq::ZERO)).await }
    };
    let (cursor_of_owner, _) = cursor(Caller::Client(owner)).await.unwrap();
    let mut follower = Follower::new(cursor_of_owner);
    follower.assert_saw_all(&world.journal, session).await;
    for stranger in [None, Some("ben".parse().unwrap())] {
        let refused = cursor(Caller::Client(stranger)).await.err().unwrap();
        assert_eq!(code(refused), ErrorCode::SessionNotFound);
    }
}

#[tokio::test(start_paused = true)]
async fn an_interruption_kills_the_planner_at_once() {
    let world = World::new().await;
    let session = world.create().await;
    world.model.script(
        "planner",
        vec![Step::Text("{\"answer\":\"Let me".to_owned()), Step::Hang],
    );
    world.send(session, say("Hello there")).await.unwrap();
    world.model.until_under_way(1).await;
    let mut follower = world.follow(session).await;
    follower
        .until(|event| matches!(event, Event::PlannerDelta(_)))
        .await;

    world.journal.hold();
    let interrupting = world.send(session, say("Wait, something else"));
    let killed = async {
        world.journal.until_appends_wait(1).await;
        let asked_at = tokio::time::Instant::now();
        world.model.until_under_way(0).await;
        assert_eq!(asked_at.elapsed(), Duration::ZERO, "killed, not timed out");
        assert!(
            !follower.cursor.behind(),
            "killed before the interruption is committed"
        );
        assert_eq!(
            world.model.calls_for("planner"),
            1,
            "and nothing is started before"
        );
        world.journal.release();
    };
    let (answer, ()) = tokio::join!(interrupting, killed);
    answer.unwrap();
    let ended = follower
        .until(|event| matches!(event, Event::TurnCompleted(_)))
        .await;
    assert!(matches!(ended, Event::TurnCompleted(turn) if turn.outcome == TurnOutcome::Interrupted));
}

#[tokio::test(start_paused = true)]
async fn a_report_that_comes_too_late_is_dropped() {
    let world = World::new().await;
    let session = world.create().await;
    let gate = Arc::new(watch::Sender::new(false));
    let gated = vec![
        Step::Gate(gate.clone()),
        Step::Text(answer("Too late.").to_string()),
        Step::Done,
    ];
    world.model.script("planner", gated);
    let first = world.send(session, say("Hello there")).await.unwrap().turn_id;
    world.model.until_under_way(1).await;
    pass(Duration::from_millis(1)).await;

    // The agent wakes first and reports, but the command is in the mailbox before its report.
    let second = Arc::new(watch::Sender::new(false));
    world.model.script(
        "planner",
        vec![
            Step::Gate(second.clone()),
            Step::Text(answer("Yes.").to_string()),
            Step::Done,
        ],
    );
    gate.send_replace(true);
    world.send(session, say("Wait, something else")).await.unwrap();
    assert_eq!(world.model.completed(), 1, "the first reply was read to its end");
    second.send_replace(true);
    let mut follower = world.follow(session).await;
    follower
        .until(|event| matches!(event, Event::TurnCompleted(turn) if Some(turn.turn_id) != first))
        .await;
    let of_first: Vec<Event> = world
        .journal
        .events(session)
        .into_iter()
        .filter(|event| match event {
            Event::PlannerDelta(delta) => Some(delta.turn_id) == first,
            Event::TurnCompleted(turn) => Some(turn.turn_id) == first && turn.outcome == TurnOutcome::Ok,
            _ => false,
        })
        .collect();
    assert_eq!(of_first, []);
    let settled = world
        .journal
        .events(session)
        .into_iter()
        .filter_map(|event| match event {
            Event::CallSettled(settled) => Some(settled.outcome),
            _ => None,
        });
    assert_eq!(
        settled.collect::<Vec<_>>(),
        [CallOutcome::Unknown, CallOutcome::Ok]
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_another_writer_took_over_gives_way() {
    let world = World::new().await;
    let session = world.create().await;
    let mut follower = world.follow(session).await;
    world.model.script("planner", vec![Step::Hang]);
    world.send(session, say("Hello there")).await.unwrap();
    world.model.until_under_way(1).await;
    world.journal.steal(session);
    assert_eq!(
        world
            .send_as(session, Some("fenced"), edit("nuts"))
            .await
            .unwrap_err(),
        Refused::Lost
    );
    world.model.until_under_way(0).await;
    world.until_live(0).await;

    world.model.script("planner", whole(&concierge_output("planner")));
    let receipt = world
        .send_as(session, Some("fenced"), edit("nuts"))
        .await
        .unwrap();
    assert!(!receipt.duplicate, "nothing was written");
    follower
        .until(|event| matches!(event, Event::TurnCompleted(_)))
        .await;
    follower.assert_saw_all(&world.journal, session).await;
    eventually(|| world.model.under_way() == 0).await;
}
