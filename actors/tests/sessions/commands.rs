//! Commands: nothing is told before it is true, and what is asked twice is done once.

use std::time::Duration;

use futures_util::future::join_all;
use greenroom_actors::{CreateSession, Refused};
use greenroom_protocol::{ErrorCode, Event, Locale, Mode, Seq, SessionId};
use greenroom_session::{Caller, Command, UserKey};
use tokio::task::yield_now;

use crate::journal::Fault;
use crate::world::{GENERATE, World, code, concierge_bundle, edit, eventually, say};

#[tokio::test(start_paused = true)]
async fn nothing_is_told_or_started_before_it_is_committed() {
    let world = World::new().await;
    let session = world.create().await;
    let mut follower = world.follow(session).await;
    follower.assert_saw_all(&world.journal, session).await;
    let head = follower.cursor.position();

    world.journal.hold();
    let directory = world.directory.clone();
    let command = Command {
        id: None,
        caller: Caller::Client(None),
        kind: say("Hello there"),
    };
    let sending = tokio::spawn(async move { directory.send(session, command).await });
    world.journal.until_appends_wait(1).await;
    for _ in 0..100 {
        yield_now().await;
    }
    assert!(!sending.is_finished(), "no answer");
    assert!(!follower.cursor.behind(), "no event");
    assert_eq!(world.model.calls(), Vec::<String>::new(), "no call");

    world.journal.release();
    let receipt = sending.await.unwrap().unwrap();
    assert_eq!(receipt.seq, head.next());
    assert!(
        follower.cursor.behind(),
        "the events were shown before the answer was given"
    );
    follower
        .until(|event| matches!(event, Event::TurnCompleted(_)))
        .await;
    assert_eq!(world.model.calls(), ["planner"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_decided_during_an_append_joins_the_next() {
    let world = World::new().await;
    let session = world.create().await;
    world.journal.hold();
    let sends = join_all((0..4).map(|number| world.send(session, edit(number))));
    let release = async {
        world.journal.until_appends_wait(1).await;
        while world.directory.inspect(session).await.unwrap().facts_waiting < 3 {
            yield_now().await;
        }
        world.journal.release();
    };
    let (answers, ()) = tokio::join!(sends, release);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(world.journal.batches(session)[1..], [1, 3]);
}

#[tokio::test(start_paused = true)]
async fn the_same_command_at_once_makes_one_turn() {
    let world = World::new().await;
    let session = world.create().await;
    let sends = (0..5).map(|_| world.send_as(session, Some("once"), say("Hello there")));
    let receipts: Vec<_> = join_all(sends).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(receipts.iter().filter(|receipt| !receipt.duplicate).count(), 1);
    assert!(
        receipts
            .iter()
            .all(|receipt| receipt.turn_id == receipts[0].turn_id && receipt.seq == receipts[0].seq)
    );
    let turns = world
        .journal
        .events(session)
        .into_iter()
        .filter(|event| matches!(event, Event::TurnStarted(_)));
    assert_eq!(turns.count(), 1);

    let reused = world.send_as(session, Some("once"), say("Something else")).await;
    assert_eq!(code(reused.unwrap_err()), ErrorCode::InputIdReused);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_waits_for_what_it_follows_from() {
    let world = World::new().await;
    let session = world.create().await;
    world.journal.fail_next(Fault::Failed);
    let (edited, rejected) = tokio::join!(world.send(session, edit("nuts")), world.send(session, GENERATE));
    assert_eq!(code(edited.unwrap_err()), ErrorCode::DbUnavailable);
    assert_eq!(
        code(rejected.unwrap_err()),
        ErrorCode::DbUnavailable,
        "what it was judged by never became true, so neither does the judgement"
    );
    let rejected = world.send(session, GENERATE).await;
    assert_eq!(code(rejected.unwrap_err()), ErrorCode::GateNotReady);
}

#[tokio::test(start_paused = true)]
async fn too_many_waiting_commands_are_refused() {
    let world = World::with(|config| config.commands_waiting_max = 2).await;
    let session = world.create().await;
    world.journal.hold();
    let sends = join_all((0..2).map(|number| world.send(session, edit(number))));
    let third = async {
        world.journal.until_appends_wait(1).await;
        let refused = world.send(session, edit("third")).await;
        assert_eq!(code(refused.unwrap_err()), ErrorCode::SysOverloaded);
        let snapshot = world.directory.inspect(session).await.unwrap();
        assert_eq!(
            snapshot.commands_waiting, 2,
            "an operator still sees what is going on"
        );
        world.journal.release();
    };
    let (answers, ()) = tokio::join!(sends, third);
    assert!(answers.iter().all(Result::is_ok));
    world.send(session, edit("fourth")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn too_many_sessions_are_refused() {
    let world = World::with(|config| config.sessions_live_max = 1).await;
    world.create().await;
    let new = CreateSession {
        user: None,
        locale: Locale::En,
        mode: Mode::Standard,
        playbook: None,
    };
    assert_eq!(
        code(world.directory.create(new).await.unwrap_err()),
        ErrorCode::SysOverloaded
    );
}

#[tokio::test(start_paused = true)]
async fn a_foreign_session_is_not_found() {
    let world = World::new().await;
    let owner: UserKey = "owner-key".parse().unwrap();
    let new = CreateSession {
        user: Some(owner.clone()),
        locale: Locale::En,
        mode: Mode::Standard,
        playbook: None,
    };
    let session = world.directory.create(new).await.unwrap().session_id;

    let foreign = Caller::Client(Some("another-key".parse().unwrap()));
    let refused = world.directory.view(session, &foreign).await.unwrap_err();
    assert_eq!(code(refused), ErrorCode::SessionNotFound);
    let refused = world
        .directory
        .cursor(session, &foreign, None)
        .await
        .err()
        .unwrap();
    assert_eq!(code(refused), ErrorCode::SessionNotFound);
    let command = Command {
        id: None,
        caller: foreign,
        kind: edit("nuts"),
    };
    assert_eq!(
        code(world.directory.send(session, command).await.unwrap_err()),
        ErrorCode::SessionNotFound
    );
    assert!(
        world
            .directory
            .view(session, &Caller::Client(Some(owner)))
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_session_is_not_found_and_leaves_nothing_behind() {
    let world = World::new().await;
    let nobody = SessionId::new(ulid::Ulid::from_parts(9, 9));
    assert_eq!(
        code(world.send(nobody, edit("nuts")).await.unwrap_err()),
        ErrorCode::SessionNotFound
    );
    let refused = world
        .directory
        .cursor(nobody, &Caller::Operator, None)
        .await
        .err()
        .unwrap();
    assert_eq!(code(refused), ErrorCode::SessionNotFound);
    world.until_live(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_session_begins_with_its_greeting() {
    let world = World::new().await;
    let new = CreateSession {
        user: None,
        locale: Locale::En,
        mode: Mode::Fast,
        playbook: None,
    };
    let view = world.directory.create(new.clone()).await.unwrap();
    assert_eq!(view.state, "AT_THE_DESK");
    assert_eq!(view.mode, Mode::Fast);
    assert_eq!(
        view.as_of_seq,
        Seq(world.journal.events(view.session_id).len() as u64)
    );
    assert!(!view.messages.is_empty());

    let unknown = CreateSession {
        playbook: Some("nothing".to_owned()),
        ..new
    };
    assert_eq!(
        code(world.directory.create(unknown).await.unwrap_err()),
        ErrorCode::InputInvalid
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_creation_is_unknown_is_found_if_it_was_written() {
    let world = World::new().await;
    world.journal.fail_next(Fault::UnknownWritten);
    let new = CreateSession {
        user: None,
        locale: Locale::En,
        mode: Mode::Standard,
        playbook: None,
    };
    let view = world.directory.create(new.clone()).await.unwrap();
    assert_eq!(view.state, "AT_THE_DESK");

    world.journal.fail_next(Fault::UnknownLost);
    assert_eq!(world.directory.create(new).await.unwrap_err(), Refused::Lost);
}

#[tokio::test(start_paused = true)]
async fn an_older_session_keeps_its_playbook() {
    let world = World::new().await;
    let session = world.create().await;
    let blob = greenroom_session::blob_names::playbook_blob(&concierge_bundle().hash());

    let world = world.restart().await;
    let view = world.directory.view(session, &Caller::Operator).await.unwrap();
    assert_eq!(view.playbook.name, "concierge", "it was read from its blob");

    greenroom_session::ports::Blobs::delete(world.blobs.as_ref(), &blob)
        .await
        .unwrap();
    let world = world.restart().await;
    let refused = world
        .directory
        .view(session, &Caller::Operator)
        .await
        .unwrap_err();
    assert_eq!(code(refused), ErrorCode::SysInternal);
}

#[tokio::test(start_paused = true)]
async fn a_command_is_carried_out_even_if_nobody_waits_for_it() {
    let world = World::new().await;
    let session = world.create().await;
    world.journal.hold();
    {
        let sending = world.send(session, edit("nuts"));
        tokio::pin!(sending);
        let gave_up = tokio::time::timeout(Duration::from_millis(1), &mut sending).await;
        assert!(gave_up.is_err());
    }
    world.journal.release();
    eventually(|| matches!(world.journal.events(session).last(), Some(Event::SlotUpdated(_)))).await;
    let snapshot = world.directory.inspect(session).await.unwrap();
    assert_eq!(snapshot.commands_waiting, 0);
}
