//! The end of sessions: asked for, after the time for which they are kept, and with everything that they leave.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use greenroom_actors::CreateSession;
use greenroom_protocol::{AssetId, ErrorCode, Event, Locale, Mode, SessionId};
use greenroom_session::blob_names::{
    asset_blob, phrases_folder, playbook_blob, recording_blob, recording_url, spoken_folder,
};
use greenroom_session::ports::{Blobs as _, Clock as _, ErasedBy, ReadError};
use greenroom_session::{Caller, CommandKind, KeptRecording, UserKey};
use tokio::time::timeout;

use crate::model::Step;
use crate::world::{GENERATE, World, code, edit, eventually, pass, say};

const DAY: Duration = Duration::from_hours(24);
const CLIENT: Caller = Caller::Client(None);

async fn delete(world: &World, session: SessionId) -> Result<(), ErrorCode> {
    let deleting = world.directory.delete(session, &CLIENT);
    let deleted = timeout(DAY, deleting).await.expect("a deletion ends");
    deleted.map_err(code)
}

/// Every way to the session ends with `SESSION_GONE`.
async fn assert_gone(world: &World, session: SessionId) {
    let directory = &world.directory;
    assert_eq!(delete(world, session).await, Err(ErrorCode::SessionGone));
    let refused = world.send(session, edit("nuts")).await.unwrap_err();
    assert_eq!(code(refused), ErrorCode::SessionGone);
    let refused = directory.view(session, &CLIENT).await.unwrap_err();
    assert_eq!(code(refused), ErrorCode::SessionGone);
    for after in [None, Some(greenroom_protocol::Seq::ZERO)] {
        let refused = directory.cursor(session, &CLIENT, after).await.err().unwrap();
        assert_eq!(code(refused), ErrorCode::SessionGone);
    }
    let refused = directory.inspect(session).await.err().unwrap();
    assert_eq!(code(refused), ErrorCode::SessionGone);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_session_is_gone_and_its_listeners_are_sent_away() {
    let world = World::new().await;
    let session = world.create().await;
    let neighbour = world.create().await;
    world.send(session, say("Hello there")).await.unwrap();
    let mut behind = world.follow(session).await;
    let mut waiting = world.follow(session).await;
    waiting
        .until(|event| matches!(event, Event::TurnCompleted(_)))
        .await;
    let waits = tokio::spawn(async move { waiting.cursor.next().await });
    tokio::task::yield_now().await;

    assert_eq!(delete(&world, session).await, Ok(()));
    assert_eq!(waits.await.unwrap(), Err(ReadError::Gone));
    assert_eq!(
        behind.cursor.next().await,
        Err(ReadError::Gone),
        "nothing more is shown"
    );
    assert_gone(&world, session).await;
    assert!(world.journal.rows(session).is_empty());
    let erasure = &world.journal.erasures()[0];
    assert_eq!((erasure.session_id, erasure.by), (session, ErasedBy::Client));
    world.send(neighbour, edit("nuts")).await.unwrap();
    world.until_live(1).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_deleted_session_had_under_way_is_cancelled() {
    let world = World::new().await;
    let session = world.create().await;
    world.fill_brief(session).await;
    world
        .model
        .script("scout", vec![Step::Begun("resp_1"), Step::Hang]);
    world.send(session, GENERATE).await.unwrap();
    world.model.until_under_way(1).await;
    // Until the response is noted.
    eventually(|| {
        world
            .journal
            .events(session)
            .iter()
            .any(|event| matches!(event, Event::StageDelta(_)))
    })
    .await;

    assert_eq!(delete(&world, session).await, Ok(()));
    world.model.until_under_way(0).await;
    eventually(|| world.model.abandoned() == ["resp_1"]).await;
    assert!(world.greenroom.quiet(DAY).await, "nothing is under way");
}

#[tokio::test(start_paused = true)]
async fn an_append_in_flight_is_no_match_for_a_deletion() {
    let world = World::new().await;
    let session = world.create().await;
    world.journal.hold();
    let (directory, command) = (world.directory.clone(), edit("nuts"));
    let sending = tokio::spawn(async move {
        let command = greenroom_session::Command {
            id: None,
            caller: CLIENT,
            kind: command,
        };
        directory.send(session, command).await
    });
    world.journal.until_appends_wait(1).await;
    assert_eq!(delete(&world, session).await, Ok(()));
    assert_eq!(code(sending.await.unwrap().unwrap_err()), ErrorCode::SessionGone);
    world.journal.release();
    world.until_live(0).await;
    assert!(world.journal.rows(session).is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_who_may_use_a_session_may_delete_it() {
    let world = World::new().await;
    let owner: UserKey = "owner".parse().unwrap();
    let new = CreateSession {
        user: Some(owner.clone()),
        locale: Locale::En,
        mode: Mode::Standard,
        playbook: None,
    };
    let session = world.directory.create(new).await.unwrap().session_id;
    for stranger in [CLIENT, Caller::Client(Some("other".parse().unwrap()))] {
        let refused = world.directory.delete(session, &stranger).await.unwrap_err();
        assert_eq!(code(refused), ErrorCode::SessionNotFound);
    }
    let nobody = SessionId::new(ulid::Ulid(99));
    assert_eq!(delete(&world, nobody).await, Err(ErrorCode::SessionNotFound));
    world
        .directory
        .delete(session, &Caller::Client(Some(owner)))
        .await
        .unwrap();
    assert_gone(&world, session).await;

    let session = world.create().await;
    world.directory.delete(session, &Caller::Operator).await.unwrap();
    assert_eq!(world.journal.erasures()[1].by, ErasedBy::Operator);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_cannot_be_woken_any_more_can_be_deleted() {
    let world = World::new().await;
    let session = world.create().await;
    for _ in 0..4 {
        // Whether it is told or lost: it crashes.
        drop(world.send(session, say("__panic_session__")).await);
    }
    let refused = world.send(session, edit("nuts")).await.unwrap_err();
    assert_eq!(code(refused), ErrorCode::SessionRestartLimit);
    assert_eq!(delete(&world, session).await, Ok(()));
    assert_gone(&world, session).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_while_the_journal_cannot_be_written() {
    let world = World::new().await;
    let session = world.create().await;
    world.journal.set_writable(false);
    assert_eq!(delete(&world, session).await, Err(ErrorCode::DbUnavailable));
    world.journal.set_writable(true);
    world.send(session, edit("nuts")).await.unwrap();
    world.greenroom.drain();
    assert_eq!(delete(&world, session).await, Err(ErrorCode::SysDraining));
}

/// Keeps a blob that an event of the session names.
async fn keep_recording(world: &World, session: SessionId, number: u128) -> String {
    world.send(session, say("Hello there")).await.unwrap();
    let asset_id = AssetId::new(ulid::Ulid(number));
    let blob = recording_blob(session, asset_id);
    world.blobs.put(&blob, Bytes::from_static(b"OggS")).await.unwrap();
    let asset = KeptRecording {
        asset_id,
        url: recording_url(session, asset_id),
        media_type: "audio/ogg".to_owned(),
        size_bytes: 4,
    };
    world
        .send(session, CommandKind::KeepRecording { asset })
        .await
        .unwrap();
    blob
}

async fn put(world: &World, name: String) -> String {
    world.blobs.put(&name, Bytes::from_static(b"x")).await.unwrap();
    name
}

#[tokio::test(start_paused = true)]
async fn blobs_go_with_their_session_even_if_only_later() {
    let world = World::new().await;
    let session = world.create().await;
    let neighbour = world.create().await;
    let before = world.blobs.names();
    let theirs = keep_recording(&world, neighbour, 1).await;
    keep_recording(&world, session, 2).await;
    put(&world, format!("{}/1.json", spoken_folder(session))).await;
    let shared = put(&world, asset_blob("phrase-1.mp3")).await;

    world.blobs.undeletable.store(true, Ordering::Relaxed);
    assert_eq!(delete(&world, session).await, Ok(()), "it is gone all the same");
    assert_gone(&world, session).await;
    assert!(
        !world.journal.rows(session).is_empty(),
        "its events tell what else is to go"
    );

    // The server dies before it is done.
    world.blobs.undeletable.store(false, Ordering::Relaxed);
    let world = world.restart().await;
    world.greenroom.sweep();
    pass(Duration::from_secs(1)).await;
    let mut expected = before;
    expected.extend([theirs, shared]);
    expected.sort();
    assert_eq!(world.blobs.names(), expected);
    assert!(world.journal.rows(session).is_empty());
    assert_gone(&world, session).await;
}

#[tokio::test(start_paused = true)]
async fn sessions_are_kept_as_long_as_the_configuration_says() {
    let world = World::with(|config| config.sessions_kept = Some(3 * DAY)).await;
    let idle = world.create().await;
    let used = world.create().await;
    let watched = world.create().await;
    world.greenroom.sweep();
    let _follower = world.follow(watched).await;
    pass(2 * DAY).await;
    world.send(used, edit("nuts")).await.unwrap();
    pass(Duration::from_hours(23)).await;
    assert!(world.journal.erasures().is_empty(), "nothing is old enough");
    pass(Duration::from_hours(8)).await;
    let erased: Vec<_> = world
        .journal
        .erasures()
        .iter()
        .map(|erasure| erasure.session_id)
        .collect();
    assert_eq!(erased, [idle]);
    assert!(
        world
            .journal
            .erasures()
            .iter()
            .all(|erasure| erasure.by == ErasedBy::Retention)
    );
    assert_gone(&world, idle).await;
    for session in [used, watched] {
        world.directory.view(session, &CLIENT).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn blobs_that_nothing_names_are_swept_once_they_are_old() {
    let world = World::new().await;
    let session = world.create().await;
    let kept = [
        keep_recording(&world, session, 1).await,
        put(&world, format!("{}/1.json", spoken_folder(session))).await,
        put(&world, format!("{}/1.pcm", phrases_folder())).await,
        put(&world, asset_blob("phrase-1.mp3")).await,
        put(&world, "posters/of-a-later-release.png".to_owned()).await,
    ];
    let nobody = SessionId::new(ulid::Ulid(99));
    let orphans = [
        put(&world, asset_blob("0123.mp3")).await,
        put(&world, recording_blob(session, AssetId::new(ulid::Ulid(2)))).await,
        put(&world, format!("{}/1.json", spoken_folder(nobody))).await,
        put(&world, playbook_blob("5e5e")).await,
    ];
    let pinned = world
        .blobs
        .names()
        .into_iter()
        .find(|name| name.starts_with("playbooks/") && !name.contains("5e5e"));
    let now = world.clock.now();
    for name in &orphans {
        world.blobs.set_stored_at(name, now);
    }
    world.greenroom.sweep();
    pass(Duration::from_hours(23)).await;
    for name in kept.iter().chain(&orphans) {
        assert!(world.blobs.names().contains(name), "{name} may be named yet");
    }
    pass(Duration::from_hours(8)).await;
    let mut expected: Vec<String> = kept.into_iter().chain(pinned).collect();
    expected.sort();
    assert_eq!(world.blobs.names(), expected);

    // A playbook that this server does not offer stays as long as a session is pinned to it.
    let world = world.restart_with(Vec::new()).await;
    world.greenroom.sweep();
    pass(DAY).await;
    assert_eq!(world.blobs.names(), expected);
    assert_eq!(delete(&world, session).await, Ok(()));
    pass(DAY).await;
    assert!(
        !world
            .blobs
            .names()
            .iter()
            .any(|name| name.starts_with("playbooks/")),
        "{:?}",
        world.blobs.names()
    );
}
