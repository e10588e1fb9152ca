//! The end of sessions: who is refused afterwards, what is left, and what is found again.

use std::collections::HashSet;

use bytes::Bytes;
use greenroom_protocol::{
    AssetId, AssetReady, CallId, Event, JobId, JobStatus, RunId, Seq, SessionId, Timestamp, TurnId,
};
use greenroom_session::ports::{
    AppendOutcome, EraseError, ErasedBy, Erasure, OpenError, OpenMode, Paging, Purged, ReadError,
    SessionFilter, Snapshot, TenantId,
};
use serde_json::json;

use super::facts::{self, Author, fresh};
use super::{Backend, Ports};

const ALL: Paging = Paging {
    limit: 100,
    offset: 0,
};

/// What erases a session at once.
pub fn erasure(session_id: SessionId) -> Erasure {
    Erasure {
        tenant: TenantId::default(),
        session_id,
        by: ErasedBy::Client,
        at: Timestamp::from_unix_ms(facts::START),
        only_if_idle_since: None,
    }
}

fn asset(url: &str) -> Event {
    Event::AssetReady(AssetReady {
        asset_id: AssetId::new(fresh()),
        run_id: None,
        kind: "speech".to_owned(),
        url: url.to_owned(),
        media_type: "audio/mpeg".to_owned(),
        size_bytes: 4_096,
        provenance: facts::model(),
    })
}

async fn events_left(ports: &Ports, session: SessionId) -> usize {
    let tenant = TenantId::default();
    let mut after = Seq::ZERO;
    let mut left = 0;
    loop {
        let page = ports.journal.read(&tenant, session, after, usize::MAX).await;
        let page = page.expect("what is left can be read");
        let Some(last) = page.last() else { return left };
        after = last.frame.seq;
        left += page.len();
    }
}

/// From its erasure on a session cannot be opened, appended to, or found; its neighbour is as it was.
pub async fn an_erased_session_is_gone(backend: &impl Backend) {
    let ports = backend.open().await;
    let tenant = TenantId::default();
    let mut author = Author::started(&ports.journal).await;
    let mut neighbour = Author::started(&ports.journal).await;
    let (session, run_id, job_id) = (author.session_id, RunId::new(fresh()), JobId::new(fresh()));
    let turn_id = TurnId::new(fresh());
    author
        .tell(vec![
            facts::user_message(turn_id, "안녕하세요"),
            facts::slot_updated(turn_id, "product.name", json!("루미세럼")),
            facts::call_reserved(CallId::new(fresh()), turn_id),
            facts::run_started(run_id, Some(job_id)),
            facts::job_updated(job_id, run_id, JobStatus::Queued, 0),
        ])
        .await;

    ports
        .erasures
        .erase(erasure(session))
        .await
        .expect("it is erased");

    assert_eq!(
        author.try_tell(vec![facts::gate_changed(0.5)]).await,
        AppendOutcome::Fenced,
        "what is appended late"
    );
    for mode in [OpenMode::Existing, OpenMode::New] {
        let opened = ports.journal.open(&tenant, session, mode).await;
        assert_eq!(opened, Err(OpenError::Gone), "{mode:?}");
    }
    assert_eq!(
        ports.read_models.session(&tenant, session).await,
        Err(ReadError::Gone)
    );
    assert_eq!(ports.journal.listed(&tenant, session).await, Err(ReadError::Gone));
    assert_eq!(ports.read_models.run(&tenant, run_id).await, Ok(None));
    assert_eq!(ports.read_models.job(&tenant, job_id).await, Ok(None));
    let listed = ports
        .read_models
        .sessions(&tenant, &SessionFilter::default(), ALL)
        .await
        .expect("sessions are listed");
    let listed: Vec<SessionId> = listed.items.iter().map(|row| row.session_id).collect();
    assert_eq!(listed, [neighbour.session_id]);
    assert_eq!(
        ports
            .read_models
            .cost(&tenant, session)
            .await
            .map(|cost| cost.calls),
        Ok(0)
    );
    neighbour.tell(vec![facts::gate_changed(0.5)]).await;
}

/// One that was erased, or never was, is not erased.
pub async fn a_session_is_erased_once(backend: &impl Backend) {
    let ports = backend.open().await;
    let author = Author::started(&ports.journal).await;
    let empty = Author::begin(&ports.journal).await;
    for unknown in [SessionId::new(fresh()), empty.session_id] {
        let erased = ports.erasures.erase(erasure(unknown)).await;
        assert_eq!(erased, Err(EraseError::NotFound));
        let purged = ports.erasures.purge(&TenantId::default(), unknown).await;
        assert_eq!(purged, Err(EraseError::NotFound));
    }
    let purged = ports
        .erasures
        .purge(&TenantId::default(), author.session_id)
        .await;
    assert_eq!(purged, Err(EraseError::InUse), "it is not erased");
    assert_eq!(events_left(&ports, author.session_id).await, 1);
    assert_eq!(ports.erasures.erase(erasure(author.session_id)).await, Ok(()));
    let again = ports.erasures.erase(erasure(author.session_id)).await;
    assert_eq!(again, Err(EraseError::Gone));
}

/// What is left is remembered over a restart, and removed in parts; then it is forgotten.
pub async fn what_an_erased_session_left_is_removed_in_parts(backend: &impl Backend) {
    let ports = backend.open().await;
    let tenant = TenantId::default();
    let mut author = Author::started(&ports.journal).await;
    let mut neighbour = Author::started(&ports.journal).await;
    let session = author.session_id;
    author
        .tell(vec![asset("/static/assets/1.mp3"), asset("/static/assets/2.mp3")])
        .await;
    for _ in 0..3 {
        author.tell(vec![facts::gate_changed(0.5); 900]).await;
    }
    neighbour.tell(vec![asset("/static/assets/3.mp3")]).await;
    assert_eq!(ports.erasures.unfinished(&tenant, 10).await, Ok(Vec::new()));
    ports
        .erasures
        .erase(erasure(session))
        .await
        .expect("it is erased");
    drop(ports);
    backend.close().await;

    let ports = backend.open().await;
    let erasures = &ports.erasures;
    assert_eq!(erasures.unfinished(&tenant, 10).await, Ok(vec![session]));
    let left = erasures.left_assets(&tenant, session).await;
    assert_eq!(
        left,
        Ok(vec![
            "/static/assets/1.mp3".to_owned(),
            "/static/assets/2.mp3".to_owned()
        ])
    );
    let mut left_after = vec![events_left(&ports, session).await];
    while erasures.purge(&tenant, session).await.expect("a part is removed") == Purged::Partly {
        left_after.push(events_left(&ports, session).await);
    }
    assert!(
        left_after.len() > 2 && left_after.is_sorted_by(|before, after| before > after),
        "{left_after:?}"
    );
    assert_eq!(events_left(&ports, session).await, 0);
    assert_eq!(erasures.unfinished(&tenant, 10).await, Ok(Vec::new()));
    assert_eq!(erasures.left_assets(&tenant, session).await, Ok(Vec::new()));
    assert_eq!(
        erasures.purge(&tenant, session).await,
        Ok(Purged::Wholly),
        "once more"
    );
    assert_eq!(
        ports.journal.open(&tenant, session, OpenMode::New).await,
        Err(OpenError::Gone),
        "its tombstone stays"
    );
    assert_eq!(events_left(&ports, neighbour.session_id).await, 2);
}

/// A snapshot goes with its session, and comes back from nowhere.
pub async fn a_snapshot_is_erased_with_its_session(backend: &impl Backend) {
    let ports = backend.open().await;
    let tenant = TenantId::default();
    let author = Author::started(&ports.journal).await;
    let session = author.session_id;
    let keep = || {
        let snapshot = Snapshot {
            head: Seq(1),
            fold_version: 1,
            state: Bytes::from_static(b"{}"),
        };
        ports
            .journal
            .keep_snapshot(&tenant, session, author.epoch, snapshot);
    };
    keep();
    drop(ports.journal.open(&tenant, session, OpenMode::Existing).await);
    ports
        .erasures
        .erase(erasure(session))
        .await
        .expect("it is erased");
    keep();
    ports
        .erasures
        .purge(&tenant, session)
        .await
        .expect("it is purged");
    assert_eq!(ports.journal.snapshot(&tenant, session).await, Ok(None));
}

/// A session that is in use is not erased when it is only to be if it is not.
pub async fn sessions_are_kept_while_something_happens_in_them(backend: &impl Backend) {
    let ports = backend.open().await;
    let tenant = TenantId::default();
    let at = |ms| Timestamp::from_unix_ms(facts::START + ms);
    let idle = Author::started(&ports.journal).await;
    let mut due = Author::started(&ports.journal).await;
    due.summary.wake_at = Some(at(0));
    due.tell(vec![facts::gate_changed(0.5)]).await;
    let mut later = Author::started(&ports.journal).await;
    later.now = facts::START + 60_000;
    later.tell(vec![facts::gate_changed(0.5)]).await;

    let found = |before, after| ports.erasures.idle_since(&tenant, before, after, 10);
    assert_eq!(found(at(0), None).await, Ok(Vec::new()));
    assert_eq!(found(at(1_000), None).await, Ok(vec![idle.session_id]));
    assert_eq!(found(at(1_000), Some(idle.session_id)).await, Ok(Vec::new()));
    assert_eq!(
        found(at(60_001), None).await,
        Ok(vec![idle.session_id, later.session_id])
    );
    let only_if_idle = |session, since| Erasure {
        by: ErasedBy::Retention,
        only_if_idle_since: Some(since),
        ..erasure(session)
    };
    for (author, since) in [(&due, at(1_000)), (&later, at(60_000)), (&idle, at(0))] {
        let erased = ports.erasures.erase(only_if_idle(author.session_id, since)).await;
        assert_eq!(erased, Err(EraseError::InUse));
    }
    let erased = ports
        .erasures
        .erase(only_if_idle(idle.session_id, at(1_000)))
        .await;
    assert_eq!(erased, Ok(()));
}

/// What keeps a blob is known as long as it is there.
pub async fn what_keeps_a_blob_is_found(backend: &impl Backend) {
    let ports = backend.open().await;
    let tenant = TenantId::default();
    let erasures = &ports.erasures;
    assert_eq!(erasures.named_assets(&tenant, &[]).await, Ok(HashSet::new()));
    assert_eq!(erasures.pinned_playbooks(&tenant).await, Ok(HashSet::new()));
    let mut author = Author::started(&ports.journal).await;
    let other = Author::started(&ports.journal).await;
    author.tell(vec![asset("/static/assets/1.mp3")]).await;

    let urls = ["/static/assets/1.mp3", "/static/assets/2.mp3"].map(str::to_owned);
    assert_eq!(
        erasures.named_assets(&tenant, &urls).await,
        Ok(HashSet::from([urls[0].clone()]))
    );
    let sessions = [author.session_id, other.session_id, SessionId::new(fresh())];
    assert_eq!(
        erasures.present(&tenant, &sessions).await,
        Ok(HashSet::from([author.session_id, other.session_id]))
    );
    assert_eq!(
        erasures.pinned_playbooks(&tenant).await,
        Ok(HashSet::from(["5e".repeat(32)]))
    );
    for session in [author.session_id, other.session_id] {
        erasures.erase(erasure(session)).await.expect("it is erased");
    }
    assert_eq!(erasures.named_assets(&tenant, &urls).await, Ok(HashSet::new()));
    assert_eq!(erasures.present(&tenant, &sessions).await, Ok(HashSet::new()));
    assert_eq!(erasures.pinned_playbooks(&tenant).await, Ok(HashSet::new()));
}
