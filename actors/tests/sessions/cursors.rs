//! Cursors: replay and live are one loop, without a gap and without a duplicate.

use futures_util::FutureExt;
use futures_util::future::join_all;
use greenroom_protocol::{ErrorCode, Seq};
use greenroom_session::Caller;
use greenroom_session::ports::ReadError;

use crate::world::{World, code, edit};

#[tokio::test(start_paused = true)]
async fn replay_and_live_are_one_while_events_are_appended() {
    let world = World::new().await;
    let session = world.create().await;
    for number in 0..20 {
        world.send(session, edit(number)).await.unwrap();
    }
    let appending = join_all((20..60).map(|number| world.send(session, edit(number))));
    let following = async {
        let mut followers = Vec::new();
        for after in [0, 5, 21_usize] {
            followers.push((after, world.follow_from(session, Some(Seq(after as u64))).await));
        }
        followers
    };
    let (answers, followers) = tokio::join!(appending, following);
    assert!(answers.iter().all(Result::is_ok));
    let stored: Vec<_> = world
        .journal
        .rows(session)
        .into_iter()
        .map(|row| row.frame)
        .collect();
    for (after, mut follower) in followers {
        while follower.cursor.behind() {
            let page = follower.cursor.next().await.unwrap();
            follower.seen.extend(page);
        }
        assert_eq!(follower.seen, stored[after..]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_close_reads_the_ring_and_who_is_behind_the_journal() {
    let world = World::with(|config| config.ring_events_max = 4).await;
    let session = world.create().await;
    let (mut close, _) = world
        .directory
        .cursor(session, &Caller::Operator, None)
        .await
        .unwrap();
    for number in 0..600 {
        world.send(session, edit(number)).await.unwrap();
        assert_eq!(close.next().await.unwrap().len(), 1);
    }
    assert_eq!(world.journal.frames_read(), 0);
    assert!(!close.behind());

    let mut behind = world.follow(session).await;
    let first = behind.cursor.next().await.unwrap();
    assert_eq!(first.len(), 256, "a page is short");
    behind.seen.extend(first);
    behind.assert_saw_all(&world.journal, session).await;
    assert!(world.journal.frames_read() >= 3);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_large_events_has_fewer_of_them() {
    let world = World::new().await;
    let session = world.create().await;
    for number in 0..200 {
        world
            .send(session, edit(format!("{number:03}{}", "가".repeat(990))))
            .await
            .unwrap();
    }
    let mut behind = world.follow(session).await;
    for _ in 0..2 {
        let page = behind.cursor.next().await.unwrap();
        let bytes: usize = page.iter().map(|frame| frame.bytes().len()).sum();
        assert!((256 * 1024..260 * 1024).contains(&bytes), "{bytes} bytes");
        behind.seen.extend(page);
    }
    behind.assert_saw_all(&world.journal, session).await;
}

#[tokio::test(start_paused = true)]
async fn a_cursor_cannot_begin_ahead_of_the_log() {
    let world = World::new().await;
    let session = world.create().await;
    let head = world
        .directory
        .view(session, &Caller::Operator)
        .await
        .unwrap()
        .as_of_seq;
    let refused = world
        .directory
        .cursor(session, &Caller::Operator, Some(head.next()))
        .await
        .err()
        .unwrap();
    assert_eq!(code(refused), ErrorCode::SessionEventAhead);

    let (cursor, view) = world
        .directory
        .cursor(session, &Caller::Operator, None)
        .await
        .unwrap();
    assert_eq!(
        (cursor.position(), cursor.committed(), view.as_of_seq),
        (head, head, head)
    );
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_given_up_loses_nothing() {
    let world = World::with(|config| config.ring_events_max = 1).await;
    let session = world.create().await;
    let mut follower = world.follow(session).await;
    // The journal yields before it answers: each of these reads is dropped half way.
    for _ in 0..3 {
        assert!(follower.cursor.next().now_or_never().is_none());
        assert_eq!(follower.cursor.position(), Seq::ZERO);
    }
    follower.assert_saw_all(&world.journal, session).await;
    // Nothing is new: this one is dropped while it waits.
    assert!(follower.cursor.next().now_or_never().is_none());
    world.send(session, edit("nuts")).await.unwrap();
    follower.assert_saw_all(&world.journal, session).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_failed_read_the_cursor_stands_where_it_stood() {
    let world = World::with(|config| config.ring_events_max = 1).await;
    let session = world.create().await;
    let mut follower = world.follow(session).await;
    world.journal.fail_next_read();
    assert!(matches!(
        follower.cursor.next().await,
        Err(ReadError::Unavailable(_))
    ));
    assert_eq!(follower.cursor.position(), Seq::ZERO);
    follower.assert_saw_all(&world.journal, session).await;
}
