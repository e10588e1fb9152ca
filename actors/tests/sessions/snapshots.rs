//! Folds that are kept: when, of what, and what comes of one that cannot be used.

use std::time::Duration;

use bytes::Bytes;
use greenroom_actors::{Refused, Restart};
use greenroom_protocol::{ErrorCode, Event, Locale, Seq, SessionId};
use greenroom_session::ports::Snapshot;
use greenroom_session::{Caller, SessionView, State};

use crate::world::{World, code, edit, pass, say};

const PANIC: &str = "__panic_session__";
/// Facts after which a session that lives is kept.
const INTERVAL: usize = 1_000;

async fn edits(world: &World, session: SessionId, count: usize) {
    for number in 0..count {
        world.send(session, edit(number)).await.unwrap();
    }
}

/// A session with so many facts that a snapshot of it was kept while it lived.
async fn long_session(world: &World) -> SessionId {
    let session = world.create().await;
    edits(world, session, INTERVAL + 20).await;
    session
}

/// What the first facts of a session fold to.
fn folded(world: &World, session: SessionId, head: Seq) -> State {
    let rows = world.journal.rows(session);
    let mut state = State::begin(session, &rows[0].fact).unwrap();
    for row in rows.iter().take_while(|row| row.frame.seq <= head).skip(1) {
        state.evolve(&row.fact);
    }
    state
}

async fn view(world: &World, session: SessionId) -> SessionView {
    world.directory.view(session, &Caller::Operator).await.unwrap()
}

/// Facts that are read when the session, which is not in memory, is looked at.
async fn facts_read_to_wake(world: &World, session: SessionId) -> usize {
    let before = world.journal.facts_read();
    view(world, session).await;
    world.journal.facts_read() - before
}

#[tokio::test(start_paused = true)]
async fn a_session_that_grows_long_is_kept_while_it_lives() {
    let world = World::new().await;
    let session = world.create().await;
    edits(&world, session, INTERVAL - 20).await;
    assert_eq!(world.journal.kept(session), None);
    edits(&world, session, 40).await;
    let kept = world.journal.kept(session).unwrap();
    assert_eq!(kept, Snapshot::of(&folded(&world, session, kept.head)));
    edits(&world, session, INTERVAL - 40).await;
    assert_eq!(world.journal.times_kept(session), 1);
    edits(&world, session, 40).await;
    assert_eq!(world.journal.times_kept(session), 2);
}

#[tokio::test(start_paused = true)]
async fn it_comes_back_from_what_was_kept_and_the_rest_of_its_log() {
    let world = World::new().await;
    let session = long_session(&world).await;
    let before = view(&world, session).await;
    let kept = world.journal.kept(session).unwrap().head;
    let since = world.journal.rows(session).len() - usize::try_from(kept.0).unwrap();

    let world = world.restart().await;
    let read = facts_read_to_wake(&world, session).await;
    assert_eq!(
        read,
        since + 1,
        "the last fact, and what was committed since it was kept"
    );
    assert_eq!(view(&world, session).await, before);
    edits(&world, session, INTERVAL - since - 5).await;
    assert_eq!(
        world.journal.times_kept(session),
        1,
        "it is counted from what was kept"
    );
    edits(&world, session, 10).await;
    assert_eq!(world.journal.times_kept(session), 2);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_kept_when_it_leaves_memory_if_its_log_is_worth_it() {
    let world = World::new().await;
    let (short, long) = (world.create().await, world.create().await);
    edits(&world, short, 100).await;
    edits(&world, long, INTERVAL / 2 + 100).await;
    world.until_gone_idle().await;
    assert_eq!(world.journal.kept(short), None);
    let head = Seq(world.journal.rows(long).len() as u64);
    assert_eq!(
        world.journal.kept(long),
        Some(Snapshot::of(&folded(&world, long, head)))
    );
    assert_eq!(facts_read_to_wake(&world, long).await, 1, "the last fact alone");
    world.until_gone_idle().await;
    assert_eq!(world.journal.times_kept(long), 1, "nothing came to it");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_committed_is_not_kept() {
    let world = World::new().await;
    let session = world.create().await;
    edits(&world, session, INTERVAL - 20).await;
    world.journal.hold();
    // The first append is held, and all that comes meanwhile is in the state already.
    let many = futures_util::future::join_all((0..64).map(|number| world.send(session, edit(number))));
    let released = async {
        world.journal.until_appends_wait(1).await;
        pass(Duration::from_millis(1)).await;
        world.journal.release();
    };
    let (answers, ()) = tokio::join!(many, released);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let batches = world.journal.batches(session);
    assert!(batches.last().is_some_and(|facts| *facts > 30), "{batches:?}");
    let kept = world.journal.kept(session).unwrap();
    assert_eq!(kept, Snapshot::of(&folded(&world, session, kept.head)));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_used_is_as_good_as_nothing() {
    let mut world = World::new().await;
    let session = long_session(&world).await;
    let other = long_session(&world).await;
    let before = view(&world, session).await;
    let kept = world.journal.kept(session).unwrap();
    let rows = world.journal.rows(session).len();
    let others = world.journal.kept(other).unwrap();
    let mut ahead = folded(&world, session, kept.head);
    ahead.head = Seq(rows as u64 + 1);
    for unusable in [
        Snapshot {
            fold_version: kept.fold_version + 1,
            ..kept.clone()
        },
        Snapshot {
            state: Bytes::from_static(b"{\"id\":"),
            ..kept.clone()
        },
        Snapshot {
            state: kept.state.slice(..kept.state.len() / 2),
            ..kept.clone()
        },
        Snapshot {
            head: kept.head.next(),
            ..kept.clone()
        },
        others,
        Snapshot::of(&ahead),
    ] {
        world.journal.forge_snapshot(session, Some(unusable.clone()));
        world = world.restart().await;
        let read = facts_read_to_wake(&world, session).await;
        assert!(read >= rows, "{read} facts of {rows} with {unusable:?}");
        assert_eq!(view(&world, session).await, before);
    }
}

/// A server whose snapshot of a session is well formed and wrong, as one may be that makes a session panic; and how the
/// session looks by its log.
async fn with_a_wrong_snapshot() -> (World, SessionId, SessionView) {
    let world = World::new().await;
    let session = long_session(&world).await;
    let right = view(&world, session).await;
    let kept = world.journal.kept(session).unwrap();
    let mut wrong = folded(&world, session, kept.head);
    wrong.locale = Locale::Ko;
    world.journal.forge_snapshot(session, Some(Snapshot::of(&wrong)));
    let world = world.restart().await;
    let from_snapshot = view(&world, session).await;
    assert_eq!(
        (from_snapshot.locale, right.locale),
        (Locale::Ko, Locale::En),
        "it is read"
    );
    (world, session, right)
}

#[tokio::test(start_paused = true)]
async fn after_a_panic_the_log_is_folded_from_its_first_fact() {
    let (world, session, right) = with_a_wrong_snapshot().await;
    assert_eq!(world.send(session, say(PANIC)).await.unwrap_err(), Refused::Lost);
    assert_eq!(view(&world, session).await, right);
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_restarts_is_folded_from_its_first_fact() {
    let (world, session, right) = with_a_wrong_snapshot().await;
    let restart = Restart {
        from_stage: None,
        reason: "it looks wrong".to_owned(),
    };
    world.directory.restart(session, restart).await.unwrap();
    let rebuilt = view(&world, session).await;
    assert_eq!(
        (rebuilt.locale, &rebuilt.brief_slots),
        (Locale::En, &right.brief_slots)
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_given_up_is_not_folded_however_long_it_is() {
    let world = World::with(|config| config.restarts_max = 0).await;
    let session = long_session(&world).await;
    assert!(world.journal.kept(session).is_some());
    let mut follower = world.follow(session).await;
    assert_eq!(world.send(session, say(PANIC)).await.unwrap_err(), Refused::Lost);
    follower
        .until(|event| matches!(event, Event::Error(error) if error.error.code == ErrorCode::SessionRestartLimit))
        .await;
    drop(follower);

    let world = world.restart().await;
    let before = world.journal.facts_read();
    let refused = world.send(session, edit("nuts")).await.unwrap_err();
    assert_eq!(code(refused), ErrorCode::SessionRestartLimit);
    assert_eq!(world.journal.facts_read() - before, 1, "the last fact alone");
}
