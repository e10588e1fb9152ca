//! What an operator does to a session: restarts it, stops it; and jobs and turns that nobody need restart.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use greenroom_actors::{ActorsConfig, Refused, Restart};
use greenroom_protocol::{
    CallOutcome, ErrorCode, Event, JobStatus, Millis, Seq, SessionId, StageId, TurnOutcome,
};
use greenroom_session::ports::CallFailure;
use greenroom_session::{Caller, CommandKind, Receipt};
use serde_json::json;
use tokio::sync::watch;

use crate::journal::Fault;
use crate::model::{Step, whole};
use crate::world::{GENERATE, World, code, concierge_output, edit, eventually, pass, say};

const PANIC: &str = "__panic_session__";
const BACKGROUND: CommandKind = CommandKind::Generate {
    draft: false,
    background: true,
};
const REASON: &str = "somebody called";

async fn restart(world: &World, session: SessionId) -> Result<Receipt, Refused> {
    restart_from(world, session, None).await
}

async fn restart_from(
    world: &World,
    session: SessionId,
    from_stage: Option<&str>,
) -> Result<Receipt, Refused> {
    let restart = Restart {
        from_stage: from_stage.map(|stage| stage.parse::<StageId>().unwrap()),
        reason: REASON.to_owned(),
    };
    world.directory.restart(session, restart).await
}

async fn stop(world: &World, session: SessionId) -> Result<Receipt, Refused> {
    world.directory.stop(session, REASON.to_owned()).await
}

fn count(world: &World, session: SessionId, wanted: impl Fn(&Event) -> bool) -> usize {
    let events = world.journal.events(session);
    events.iter().filter(|event| wanted(event)).count()
}

fn is_restart(event: &Event) -> bool {
    matches!(event, Event::SessionRestarted(_))
}

/// The event that an answer is about, with the reason that the log keeps.
fn told(world: &World, session: SessionId, receipt: &Receipt) -> (String, Option<String>) {
    let rows = world.journal.rows(session);
    let row = rows.iter().find(|row| row.frame.seq == receipt.seq).unwrap();
    (
        row.fact.event.event_type().into_owned(),
        row.fact.private.reason.clone(),
    )
}

/// A session whose run hangs at a stage.
async fn hanging_at(world: &World, stage: &str, start: CommandKind) -> SessionId {
    let session = world.create().await;
    world.fill_brief(session).await;
    world.model.script(stage, vec![Step::Hang]);
    world.send(session, start).await.unwrap();
    eventually(|| world.model.calls_for(stage) == 1).await;
    session
}

/// A call that fails, and is not worth making again.
fn refused() -> Vec<Step> {
    vec![Step::Fail(CallFailure {
        code: ErrorCode::LlmUpstream,
        retryable: false,
        retry_after: None,
        reason: "scripted".to_owned(),
        receipt: None,
    })]
}

async fn give_up(world: &World, session: SessionId) {
    for _ in 0..4 {
        assert_eq!(world.send(session, say(PANIC)).await.unwrap_err(), Refused::Lost);
    }
    eventually(|| matches!(world.journal.events(session).last(), Some(Event::Error(_)))).await;
    let refused = world.send(session, edit("nuts")).await.unwrap_err();
    assert_eq!(code(refused), ErrorCode::SessionRestartLimit);
}

/// A session that was given up while a stage was under way; whatever calls the stage from then on gets its reply.
async fn given_up_in_mid_run(world: &World, start: CommandKind) -> SessionId {
    let session = world.create().await;
    world.fill_brief(session).await;
    let gate = Arc::new(watch::Sender::new(false));
    for _ in 0..4 {
        let mut gated = vec![Step::Gate(gate.clone())];
        gated.extend(whole(&concierge_output("scout")));
        world.model.script("scout", gated);
    }
    world.send(session, start).await.unwrap();
    eventually(|| world.model.calls_for("scout") == 1).await;
    give_up(world, session).await;
    gate.send_replace(true);
    session
}

#[tokio::test(start_paused = true)]
async fn a_live_session_is_built_anew_from_its_log() {
    let world = World::new().await;
    let session = hanging_at(&world, "scout", GENERATE).await;
    let mut follower = world.follow(session).await;
    let receipt = restart(&world, session).await.unwrap();
    assert_eq!(receipt.run_id, None);
    assert_eq!(
        told(&world, session, &receipt),
        ("session.restarted".to_owned(), Some(REASON.to_owned()))
    );
    let snapshot = world.directory.inspect(session).await.unwrap();
    assert_eq!((world.journal.opens(session), snapshot.generation), (2, 2));
    assert_eq!(snapshot.restarts, 0, "that is for crashes");
    // The agent that hung is gone; the attempt that was interrupted becomes the next one.
    follower.until_state("SERVED").await;
    assert_eq!(world.model.calls_for("scout"), 2);
    assert_eq!(world.model.under_way(), 0);
    follower.assert_saw_all(&world.journal, session).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_loses_no_command_that_is_on_its_way() {
    for restarts in [true, false] {
        let world = World::new().await;
        let session = world.create().await;
        let mut follower = world.follow(session).await;
        world.journal.hold();
        let (before, operated, after, view, ()) = tokio::join!(
            world.send(session, edit("nuts")),
            async {
                if restarts {
                    restart(&world, session).await
                } else {
                    stop(&world, session).await
                }
            },
            world.send(session, edit("milk")),
            world.directory.view(session, &Caller::Operator),
            async {
                world.journal.until_appends_wait(1).await;
                world.journal.release();
            },
        );
        let (before, operated, after) = (before.unwrap(), operated.unwrap(), after.unwrap());
        assert!(before.seq < operated.seq && operated.seq < after.seq);
        assert!(view.unwrap().as_of_seq >= operated.seq);
        assert_eq!(world.journal.opens(session), 2);
        follower.assert_saw_all(&world.journal, session).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_goes_on_from_its_stage_or_from_an_earlier_one() {
    let world = World::new().await;
    let session = world.create().await;
    world.fill_brief(session).await;
    world.model.script("postcard", refused());
    let first = world.send(session, GENERATE).await.unwrap().run_id;
    let mut follower = world.follow(session).await;
    follower.until_state("GAVE_UP").await;
    let unknown = restart_from(&world, session, Some("dessert")).await.unwrap_err();
    assert_eq!(code(unknown), ErrorCode::InputInvalid);

    world.model.script("postcard", refused());
    let receipt = restart_from(&world, session, Some("postcard")).await.unwrap();
    assert_eq!(receipt.run_id, first, "the same run");
    assert_eq!(world.journal.opens(session), 1, "and the same generation");
    follower.until_state("GAVE_UP").await;
    assert_eq!(world.model.calls_for("postcard"), 2);

    let receipt = restart_from(&world, session, Some("menu")).await.unwrap();
    assert_ne!(receipt.run_id, first);
    follower.until_state("SERVED").await;
    let calls = ["scout", "itinerary", "menu"].map(|stage| world.model.calls_for(stage));
    assert_eq!(calls, [1, 1, 2], "what does not rest on it is adopted");
    let adopted = count(
        &world,
        session,
        |event| matches!(event, Event::StageCompleted(done) if done.attempt == 0 && Some(done.run_id) == receipt.run_id),
    );
    assert_eq!(adopted, 2);
    follower.assert_saw_all(&world.journal, session).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_given_up_lives_again_and_goes_on_with_what_it_had() {
    let world = World::new().await;
    let session = given_up_in_mid_run(&world, BACKGROUND).await;
    let world = world.restart().await;
    let mut follower = world.follow(session).await;
    let receipt = restart(&world, session).await.unwrap();
    assert_eq!(
        told(&world, session, &receipt),
        ("session.restarted".to_owned(), Some(REASON.to_owned()))
    );
    follower.until(is_restart).await;
    let job = follower
        .until(|event| matches!(event, Event::JobUpdated(_)))
        .await;
    assert!(matches!(job, Event::JobUpdated(job) if job.status == JobStatus::Running));
    follower.until_state("SERVED").await;
    follower.assert_saw_all(&world.journal, session).await;
    world.send(session, edit("nuts")).await.unwrap();
    assert_eq!(world.journal.summary(session).state, "SERVED");

    // It may crash as often as any other again.
    assert_eq!(world.send(session, say(PANIC)).await.unwrap_err(), Refused::Lost);
    world.send(session, edit("milk")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_session_is_given_up_again_until_it_can_live() {
    let world = World::new().await;
    let session = world.create().await;
    let world = world.restart().await;
    world.blobs.poisoned.store(true, Ordering::Relaxed);
    assert_eq!(
        world.send(session, edit("milk")).await.unwrap_err(),
        Refused::Lost
    );
    eventually(|| matches!(world.journal.events(session).last(), Some(Event::Error(_)))).await;
    for times in 1..=2 {
        let refused = restart(&world, session).await.unwrap_err();
        assert_eq!(code(refused), ErrorCode::SessionRestartLimit);
        assert_eq!(count(&world, session, is_restart), times);
        eventually(|| matches!(world.journal.events(session).last(), Some(Event::Error(_)))).await;
        assert_eq!(
            world.journal.summary(session).wake_at,
            None,
            "it costs nothing more"
        );
    }
    world.blobs.poisoned.store(false, Ordering::Relaxed);
    restart(&world, session).await.unwrap();
    assert_eq!(world.journal.summary(session).state, "AT_THE_DESK");
    assert_eq!(world.journal.summary(session).wake_at, None);
    world.send(session, edit("milk")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_given_up_session_that_cannot_be_written_to_stays_given_up() {
    let world = World::new().await;
    let session = world.create().await;
    give_up(&world, session).await;
    let facts = world.journal.events(session).len();
    world.journal.fail_next(Fault::Failed);
    let refused = restart(&world, session).await.unwrap_err();
    assert_eq!(code(refused), ErrorCode::DbUnavailable);
    assert_eq!(world.journal.events(session).len(), facts);
    let refused = world.send(session, edit("milk")).await.unwrap_err();
    assert_eq!(code(refused), ErrorCode::SessionRestartLimit);
    world.journal.fail_next(Fault::UnknownWritten);
    assert_eq!(restart(&world, session).await.unwrap_err(), Refused::Lost);
    restart(&world, session).await.unwrap();
    world.send(session, edit("milk")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_up_is_woken_even_if_the_server_dies_before_it_lives() {
    let world = World::new().await;
    let session = given_up_in_mid_run(&world, GENERATE).await;
    // Everything after the supervisor's own append is lost with the server.
    let rows = world.journal.rows(session).len();
    let directory = world.directory.clone();
    let asked = tokio::spawn(async move {
        let reason = REASON.to_owned();
        directory
            .restart(
                session,
                Restart {
                    from_stage: None,
                    reason,
                },
            )
            .await
    });
    eventually(|| world.journal.rows(session).len() > rows).await;
    assert!(world.journal.summary(session).wake_at.is_some());
    asked.abort();
    let world = world.restart().await;
    world.greenroom.recover();
    let mut follower = world.follow(session).await;
    follower.until_state("SERVED").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_up_has_one_generation_whoever_asks_for_it_meanwhile() {
    let world = World::new().await;
    let session = world.create().await;
    give_up(&world, session).await;
    let opens = world.journal.opens(session);
    let viewer = async {
        let refused = world
            .directory
            .view(session, &Caller::Operator)
            .await
            .unwrap_err();
        assert_eq!(code(refused), ErrorCode::SessionRestartLimit);
        // Begun before the supervisor is asked to take the session up; it finds what that has written.
        world.journal.delay_next_open();
        world.directory.view(session, &Caller::Operator).await.unwrap();
    };
    let ((), restarted) = tokio::join!(viewer, restart(&world, session));
    restarted.unwrap();
    world.send(session, edit("milk")).await.unwrap();
    assert_eq!(
        world.journal.opens(session) - opens,
        3,
        "the one that was given up, the supervisor, the one that lives"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_is_deleted_while_it_is_taken_up_is_gone() {
    let world = World::new().await;
    let session = world.create().await;
    give_up(&world, session).await;
    world.journal.hold();
    let (restarted, ()) = tokio::join!(restart(&world, session), async {
        world.journal.until_appends_wait(1).await;
        world.directory.delete(session, &Caller::Operator).await.unwrap();
        world.journal.release();
    });
    assert_eq!(code(restarted.unwrap_err()), ErrorCode::SessionGone);
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_what_an_operator_did() {
    let world = World::new().await;
    let session = world.create().await;
    world.journal.hold();
    let (stopped, ()) = tokio::join!(stop(&world, session), async {
        world.journal.until_appends_wait(1).await;
        assert!(!world.greenroom.quiet(Duration::from_secs(1)).await);
        world.journal.release();
        assert!(world.greenroom.quiet(Duration::from_secs(1)).await);
    });
    stopped.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_came_during_a_restart_is_answered_though_the_journal_fails() {
    for fault in [Fault::Failed, Fault::UnknownLost, Fault::UnknownWritten] {
        let world = World::new().await;
        let session = world.create().await;
        world.journal.hold();
        world.journal.fail_next(fault);
        let (restarted, sent, ()) = tokio::join!(
            restart(&world, session),
            async {
                world.journal.until_appends_wait(1).await;
                world.send(session, edit("nuts")).await
            },
            async {
                world.journal.until_appends_wait(1).await;
                pass(Duration::from_millis(1)).await;
                world.journal.release();
            },
        );
        if fault == Fault::Failed {
            assert_eq!(code(restarted.unwrap_err()), ErrorCode::DbUnavailable);
            assert_eq!(code(sent.unwrap_err()), ErrorCode::DbUnavailable);
        } else {
            assert_eq!(restarted.unwrap_err(), Refused::Lost);
            sent.unwrap();
        }
        let written = usize::from(fault == Fault::UnknownWritten);
        assert_eq!(count(&world, session, is_restart), written);
        restart(&world, session).await.unwrap();
        world.send(session, edit("milk")).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn one_operation_at_a_time() {
    let world = World::new().await;
    let session = world.create().await;
    world.journal.hold();
    let (first, (), ()) = tokio::join!(
        restart(&world, session),
        async {
            world.journal.until_appends_wait(1).await;
            let again = restart(&world, session).await.unwrap_err();
            assert_eq!(code(again), ErrorCode::SessionRestarting);
            let stopped = stop(&world, session).await.unwrap_err();
            assert_eq!(code(stopped), ErrorCode::SessionRestarting);
        },
        async {
            world.journal.until_appends_wait(1).await;
            tokio::task::yield_now().await;
            world.journal.release();
        },
    );
    first.unwrap();
    restart(&world, session).await.unwrap();
    stop(&world, session).await.unwrap();
    assert_eq!(count(&world, session, is_restart), 2);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_restarted_says_why() {
    let world = World::new().await;
    let session = world.create().await;
    let nowhere = SessionId::new(ulid::Ulid::from_parts(1, 999));
    for refused in [
        restart(&world, nowhere).await.unwrap_err(),
        stop(&world, nowhere).await.unwrap_err(),
    ] {
        assert_eq!(code(refused), ErrorCode::SessionNotFound);
    }
    let healthy = restart_from(&world, session, Some("scout")).await.unwrap_err();
    assert_eq!(code(healthy), ErrorCode::InputInvalid);

    let erased = world.create().await;
    world.directory.delete(erased, &Caller::Operator).await.unwrap();
    for refused in [
        restart(&world, erased).await.unwrap_err(),
        stop(&world, erased).await.unwrap_err(),
    ] {
        assert_eq!(code(refused), ErrorCode::SessionGone);
    }

    world.journal.set_writable(false);
    assert_eq!(
        code(restart(&world, session).await.unwrap_err()),
        ErrorCode::DbUnavailable
    );
    world.journal.set_writable(true);

    let world = world.restart().await;
    world.blobs.forget_all();
    let Refused::Rejected(damaged) = restart(&world, session).await.unwrap_err() else {
        panic!("the answer was lost");
    };
    assert_eq!(damaged.code, ErrorCode::SysInternal);
    let reason = damaged.details["reason"].as_str().unwrap();
    assert!(reason.contains("playbook"), "{reason}");
    let Refused::Rejected(damaged) = world.send(session, edit("nuts")).await.unwrap_err() else {
        panic!("the answer was lost");
    };
    assert_eq!(damaged.details, json!(null), "which is nobody else's business");

    world.greenroom.drain();
    for refused in [
        restart(&world, session).await.unwrap_err(),
        stop(&world, session).await.unwrap_err(),
    ] {
        assert_eq!(code(refused), ErrorCode::SysDraining);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_session_leaves_memory_though_somebody_listens() {
    let world = World::new().await;
    let session = hanging_at(&world, "scout", GENERATE).await;
    world.model.script("planner", vec![Step::Hang]);
    world.send(session, say("Hello there")).await.unwrap();
    world.model.until_under_way(2).await;
    let mut follower = world.follow(session).await;
    let receipt = stop(&world, session).await.unwrap();
    world.model.until_under_way(0).await;
    world.until_live(0).await;
    let events = world.journal.events(session);
    assert!(matches!(events.last(), Some(Event::SessionStopped(_))));
    assert!(events.iter().any(
        |event| matches!(event, Event::TurnCompleted(turn) if turn.outcome == TurnOutcome::Interrupted)
    ));
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::RunCancelled(run) if Some(run.run_id) == receipt.run_id))
    );
    let unknown =
        |event: &Event| matches!(event, Event::CallSettled(call) if call.outcome == CallOutcome::Unknown);
    assert_eq!(count(&world, session, unknown), 2);
    let last = world.journal.rows(session).pop().unwrap();
    assert_eq!(last.fact.private.reason.as_deref(), Some(REASON));
    assert_eq!(world.journal.summary(session).wake_at, None);

    // Nothing wakes it but what is asked of it, and whoever listens goes on listening.
    world.greenroom.recover();
    pass(Duration::from_mins(5)).await;
    assert_eq!(world.directory.live(), 0);
    world.model.script("planner", whole(&concierge_output("planner")));
    world.send(session, say("And now?")).await.unwrap();
    follower
        .until(|event| matches!(event, Event::TurnCompleted(turn) if turn.outcome == TurnOutcome::Ok))
        .await;
    follower.assert_saw_all(&world.journal, session).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_of_a_session_that_sleeps_is_told_in_its_log() {
    let world = World::new().await;
    let session = world.create().await;
    world.until_gone_idle().await;
    let receipt = stop(&world, session).await.unwrap();
    assert_eq!(told(&world, session, &receipt).0, "session.stopped");
    assert_eq!(receipt.seq, Seq(world.journal.rows(session).len() as u64));
    world.until_live(0).await;
}

/// A job counts as stuck before the time of its stage, and with it the agent's own patience, is over.
fn impatient(config: &mut ActorsConfig) {
    config.jobs.running = Millis(5_000);
}

fn retries(world: &World, session: SessionId, status: JobStatus) -> Vec<u32> {
    let jobs = world.journal.events(session).into_iter();
    jobs.filter_map(|event| match event {
        Event::JobUpdated(job) if job.status == status => Some(job.retry_count),
        _ => None,
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_agent_tells_nothing_is_begun_again_three_tries_in_all() {
    let world = World::with(impatient).await;
    let stuck = hanging_at(&world, "scout", BACKGROUND).await;
    let mut follower = world.follow(stuck).await;
    follower.until_state("SERVED").await;
    assert_eq!(world.model.calls_for("scout"), 2);
    assert_eq!(retries(&world, stuck, JobStatus::Completed), [1]);
    follower.assert_saw_all(&world.journal, stuck).await;

    let hopeless = world.create().await;
    world.fill_brief(hopeless).await;
    for _ in 0..3 {
        world.model.script("scout", vec![Step::Hang]);
    }
    world.send(hopeless, BACKGROUND).await.unwrap();
    let mut follower = world.follow(hopeless).await;
    follower.until_state("GAVE_UP").await;
    assert_eq!(world.model.calls_for("scout"), 2 + 3);
    assert_eq!(retries(&world, hopeless, JobStatus::Failed), [2]);
    world.model.until_under_way(0).await;
    let codes = world
        .journal
        .events(hopeless)
        .into_iter()
        .filter_map(|event| match event {
            Event::Error(error) => Some(error.error.code),
            _ => None,
        });
    assert_eq!(codes.collect::<Vec<_>>(), [ErrorCode::LlmTimeout]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_left_alone_for_too_long_is_taken_up_at_the_next_start() {
    let world = World::new().await;
    let job = hanging_at(&world, "scout", BACKGROUND).await;
    let world = world.restart().await;
    pass(Duration::from_mins(14)).await;
    let world = world.restart().await;
    pass(Duration::from_mins(2)).await;
    world.greenroom.recover();
    let mut follower = world.follow(job).await;
    follower.until_state("SERVED").await;
    assert_eq!(retries(&world, job, JobStatus::Completed), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_was_left_alone_is_planned_again_or_is_too_old() {
    for (minutes, outcome) in [(4, TurnOutcome::Ok), (5, TurnOutcome::Abandoned)] {
        let world = World::new().await;
        let session = world.create().await;
        world.model.script("planner", vec![Step::Hang]);
        world.send(session, say("Hello there")).await.unwrap();
        world.model.until_under_way(1).await;
        let world = world.restart().await;
        pass(Duration::from_mins(minutes)).await;
        world.greenroom.recover();
        let ended = |event: &Event| matches!(event, Event::TurnCompleted(turn) if turn.outcome == outcome);
        world.follow(session).await.until(ended).await;
        let calls = if outcome == TurnOutcome::Ok { 2 } else { 1 };
        assert_eq!(world.model.calls_for("planner"), calls);
    }
}
