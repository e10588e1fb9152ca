//! Snapshots of folds: kept in place of one another, by whom the session belongs to, of what is committed.

use std::sync::Arc;

use greenroom_protocol::Seq;
use greenroom_session::ports::{Epoch, Journal, OpenMode, Snapshot, TenantId};

use super::Backend;
use super::facts::{self, Author};

fn snapshot(head: Seq, state: &'static str) -> Snapshot {
    Snapshot {
        head,
        fold_version: 7,
        state: state.as_bytes().into(),
    }
}

fn hand_over(author: &Author, head: Seq, state: &'static str) {
    let kept = snapshot(head, state);
    author
        .journal
        .keep_snapshot(&TenantId::default(), author.session_id, author.epoch, kept);
}

async fn kept(journal: &Arc<dyn Journal>, author: &Author) -> Option<Snapshot> {
    let kept = journal.snapshot(&TenantId::default(), author.session_id).await;
    kept.expect("snapshots can be read")
}

/// The newest snapshot of a session takes the place of the one before, and outlives the store.
pub async fn the_newest_snapshot_is_kept(backend: &impl Backend) {
    let ports = backend.open().await;
    let mut author = Author::started(&ports.journal).await;
    let other = Author::started(&ports.journal).await;
    assert_eq!(kept(&ports.journal, &author).await, None);
    hand_over(&author, author.head, "first");
    author.tell(vec![facts::gate_changed(0.5)]).await;
    hand_over(&author, author.head, "second");
    backend.close().await;

    let ports = backend.open().await;
    assert_eq!(
        kept(&ports.journal, &author).await,
        Some(snapshot(Seq(2), "second"))
    );
    assert_eq!(kept(&ports.journal, &other).await, None);
}

/// A snapshot is kept only under the epoch that the session has, and only of events that it has.
pub async fn a_snapshot_is_fenced(backend: &impl Backend) {
    let ports = backend.open().await;
    let before = Author::started(&ports.journal).await;
    let now = Author::open(&ports.journal, before.session_id, OpenMode::Existing).await;
    hand_over(&now, now.head, "the owner's");
    hand_over(&before, before.head, "of who was fenced off");
    hand_over(&now, now.head.next(), "of what is not committed");
    let later = Author {
        epoch: Epoch(now.epoch.0 + 1),
        ..now.clone()
    };
    hand_over(&later, now.head, "of an epoch to come");
    let unheard_of = Author::begin(&ports.journal).await;
    hand_over(&unheard_of, Seq(1), "of a session without events");
    backend.close().await;

    let ports = backend.open().await;
    let owners = Some(snapshot(Seq(1), "the owner's"));
    assert_eq!(kept(&ports.journal, &now).await, owners);
    assert_eq!(kept(&ports.journal, &unheard_of).await, None);
}

/// Snapshots that come all at once are kept all, as far as the store lets them wait, and appends go on meanwhile.
pub async fn many_snapshots_at_once_are_kept(backend: &impl Backend) {
    const SESSIONS: usize = 100;
    let ports = backend.open().await;
    let mut authors = Vec::new();
    for _ in 0..SESSIONS {
        authors.push(Author::started(&ports.journal).await);
    }
    for author in &mut authors {
        hand_over(author, author.head, "many");
    }
    for author in &mut authors {
        author.tell(vec![facts::gate_changed(0.5)]).await;
    }
    backend.close().await;

    let ports = backend.open().await;
    for author in &authors {
        assert_eq!(kept(&ports.journal, author).await, Some(snapshot(Seq(1), "many")));
    }
}
