//! What is found when what is stored does not agree with itself, and that nothing is found when it does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(dead_code, reason = "shared with the suite")]
#[path = "suite/facts.rs"]
mod facts;

use std::path::Path;

use async_trait::async_trait;
use facts::{Author, fresh};
use greenroom_protocol::{
    AssetId, AssetReady, CallId, CallOutcome, Event, JobId, JobStatus, RunId, SessionId, Timestamp, TurnId,
};
use greenroom_session::CallCost;
use greenroom_session::ports::{ErasedBy, Erasure, OpenMode, SessionSummary, Snapshot, StoredFact, TenantId};
use greenroom_store::{
    Finding, FindingKind, Refold, SessionEnd, SqliteStore, StoreConfig, StoreOpenError, Verified, Verifier,
};
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tempfile::TempDir;

/// Says of each session what its author says of it, and counts what it was told.
struct Retold {
    summary: SessionSummary,
    facts: u64,
    kept: Vec<Snapshot>,
    breaks_at: Option<u64>,
}

impl Retold {
    fn new(summary: &SessionSummary) -> Self {
        Self {
            summary: summary.clone(),
            facts: 0,
            kept: Vec::new(),
            breaks_at: None,
        }
    }
}

#[async_trait]
impl Refold for Retold {
    fn kept(&mut self, snapshot: Snapshot) {
        self.kept.push(snapshot);
    }

    fn fold(&mut self, fact: &StoredFact) -> Result<(), Finding> {
        self.facts += 1;
        if Some(fact.frame.seq.0) == self.breaks_at {
            return Err(Finding {
                session_id: None,
                kind: FindingKind::Fold,
                detail: "as the test wants it".to_owned(),
            });
        }
        Ok(())
    }

    async fn summary(&mut self) -> Result<SessionSummary, Finding> {
        Ok(self.summary.clone())
    }
}

/// A session with something in every read model, told under two epochs, with far more facts than are rebuilt at once.
async fn lively(store: &SqliteStore) -> Author {
    let journal = store.journal();
    let mut author = Author::started(&journal).await;
    author.summary.title = Some("루미세럼".to_owned());
    let (turn_id, call_id) = (TurnId::new(fresh()), CallId::new(fresh()));
    let (run_id, job_id) = (RunId::new(fresh()), JobId::new(fresh()));
    author
        .tell(vec![
            facts::turn_started(turn_id, 1),
            facts::user_message(turn_id, "제품명은 루미세럼"),
            facts::slot_updated(turn_id, "product.name", json!("루미세럼")),
            facts::call_reserved(call_id, turn_id),
        ])
        .await;
    let settled = facts::call_settled(call_id, turn_id, CallOutcome::Ok, CallCost::Known(7));
    author.confide(settled.0, settled.1).await;
    for _ in 0..3 {
        author.tell(vec![facts::planner_delta(turn_id, "네"); 300]).await;
    }
    let mut author = Author {
        summary: author.summary.clone(),
        now: author.now,
        ..Author::open(&journal, author.session_id, OpenMode::Existing).await
    };
    let asset = AssetReady {
        asset_id: AssetId::new(fresh()),
        run_id: None,
        kind: "speech".to_owned(),
        url: "/static/assets/1.mp3".to_owned(),
        media_type: "audio/mpeg".to_owned(),
        size_bytes: 4_096,
        provenance: facts::model(),
    };
    author
        .tell(vec![
            facts::assistant_message(turn_id, "반갑습니다"),
            facts::turn_completed(turn_id),
            Event::AssetReady(asset),
            facts::run_started(run_id, Some(job_id)),
            facts::job_updated(job_id, run_id, JobStatus::Running, 10),
            facts::state_changed(run_id, "RUN_RESEARCH"),
            facts::stage_started(run_id, "research", 1),
            facts::stage_completed(run_id, "research", facts::model()),
        ])
        .await;
    author.summary.wake_at = Some(Timestamp::from_unix_ms(facts::START));
    author.tell(vec![facts::gate_changed(0.5)]).await;
    author
}

async fn open(data_dir: &TempDir) -> SqliteStore {
    SqliteStore::open(StoreConfig::new(data_dir.path()))
        .await
        .unwrap()
}

async fn looked_at(data_dir: &Path, author: &Author) -> Verified {
    let mut verifier = Verifier::open(data_dir).await.unwrap();
    let mut retold = Retold::new(&author.summary);
    verifier.session(author.session_id, &mut retold).await.unwrap()
}

async fn sessions(data_dir: &Path) -> Vec<SessionId> {
    let mut verifier = Verifier::open(data_dir).await.unwrap();
    let mut sessions = Vec::new();
    while let Some(session) = verifier.next_session(sessions.last().copied()).await.unwrap() {
        sessions.push(session);
    }
    sessions
}

fn files(data_dir: &Path) -> Vec<String> {
    let mut files: Vec<String> = std::fs::read_dir(data_dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn what_was_stored_agrees_with_itself_beside_a_server_and_without_one() {
    let data_dir = TempDir::new().unwrap();
    let store = open(&data_dir).await;
    let author = lively(&store).await;
    let other = Author::started(&store.journal()).await;
    let empty = Author::begin(&store.journal()).await;
    let check = async || {
        let mut verifier = Verifier::open(data_dir.path()).await.unwrap();
        assert_eq!(verifier.database().await.unwrap(), []);
        let looked = looked_at(data_dir.path(), &author).await;
        assert_eq!(looked.findings, []);
        assert_eq!((looked.events, looked.end), (author.head.0, SessionEnd::Present));
        assert_eq!(looked.assets.len(), 1);
        assert_eq!(looked_at(data_dir.path(), &other).await.findings, []);
        assert_eq!(looked_at(data_dir.path(), &empty).await.findings, []);
        let expected = [author.session_id, other.session_id, empty.session_id];
        assert_eq!(sessions(data_dir.path()).await, expected);
        assert!(verifier.is_named("/static/assets/1.mp3").await.unwrap());
        assert!(!verifier.is_named("/static/assets/2.mp3").await.unwrap());
        assert!(verifier.is_present(other.session_id).await.unwrap());
    };
    check().await;
    store.close().await;
    let before = files(data_dir.path());
    check().await;
    assert_eq!(files(data_dir.path()), before, "nothing is made");
}

#[tokio::test]
async fn nobody_takes_a_directory_that_is_looked_at_over_and_who_has_it_keeps_it() {
    let data_dir = TempDir::new().unwrap();
    let store = open(&data_dir).await;
    let mut author = Author::started(&store.journal()).await;
    let verifier = Verifier::open(data_dir.path()).await.unwrap();
    author.tell(vec![facts::gate_changed(0.5)]).await;
    drop(verifier);
    store.close().await;
    let verifier = Verifier::open(data_dir.path()).await.unwrap();
    let second = Verifier::open(data_dir.path()).await.unwrap();
    let refused = SqliteStore::open(StoreConfig::new(data_dir.path())).await.err();
    assert!(
        matches!(refused, Some(StoreOpenError::Locked { .. })),
        "{refused:?}"
    );
    drop((verifier, second));
    open(&data_dir).await;
}

/// Damages a database behind the store's back; the one finding is of this kind, and says this.
async fn check(damage: &str, kind: FindingKind, told: &str) {
    let data_dir = TempDir::new().unwrap();
    let store = open(&data_dir).await;
    let author = lively(&store).await;
    store.close().await;
    tamper(data_dir.path(), damage).await;
    let looked = looked_at(data_dir.path(), &author).await;
    let [finding] = looked.findings.as_slice() else {
        panic!("{damage}: {:?}", looked.findings)
    };
    assert_eq!(
        (finding.session_id, finding.kind),
        (Some(author.session_id), kind),
        "{damage}: {finding:?}"
    );
    assert!(finding.detail.contains(told), "{damage}: {finding:?}");
    assert!(
        !finding.detail.contains("루미세럼"),
        "what was said is nobody's business: {finding:?}"
    );
}

async fn tamper(data_dir: &Path, damage: &str) {
    let database = SqliteConnectOptions::new().filename(data_dir.join("greenroom.sqlite"));
    let mut connection = database.foreign_keys(false).connect().await.unwrap();
    let done = sqlx::query(AssertSqlSafe(damage.to_owned()))
        .execute(&mut connection)
        .await;
    assert!(done.unwrap().rows_affected() > 0, "{damage}");
    connection.close().await.unwrap();
}

#[tokio::test]
async fn damage_to_the_journal_is_found() {
    use FindingKind::{Fold, Journal};
    check(
        "DELETE FROM events WHERE seq = 1",
        Journal,
        "event 2 follows event 0",
    )
    .await;
    check(
        "DELETE FROM events WHERE seq = 7",
        Journal,
        "event 8 follows event 6",
    )
    .await;
    check(
        "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)",
        Journal,
        "its head is 915 and its last event 914",
    )
    .await;
    check(
        "UPDATE heads SET head = head + 1",
        Journal,
        "its head is 916 and its last event 915",
    )
    .await;
    check(
        "UPDATE events SET epoch = 2 WHERE seq = 3",
        Journal,
        "event 4 has epoch 1, after 2 and of 2",
    )
    .await;
    check(
        "UPDATE events SET epoch = 7 WHERE seq = 915",
        Journal,
        "event 915 has epoch 7, after 2 and of 2",
    )
    .await;
    check(
        "UPDATE events SET data = '{\"turn_id\":' WHERE seq = 2",
        Journal,
        "the data of event 2 (turn.started)",
    )
    .await;
    check(
        "UPDATE events SET private = '{' WHERE seq = 6",
        Journal,
        "the private part of event 6",
    )
    .await;
    check(
        "UPDATE events SET schema_version = 9 WHERE seq = 2",
        Journal,
        "schema version 9",
    )
    .await;
    check("DELETE FROM heads", Journal, "it has rows and no head").await;
    let data_dir = TempDir::new().unwrap();
    let author = lively(&open(&data_dir).await).await;
    let mut verifier = Verifier::open(data_dir.path()).await.unwrap();
    let mut retold = Retold::new(&author.summary);
    retold.breaks_at = Some(9);
    let looked = verifier.session(author.session_id, &mut retold).await.unwrap();
    assert_eq!(looked.findings[0].kind, Fold);
    assert_eq!(retold.facts, 9);
}

#[tokio::test]
async fn damage_to_the_read_models_is_found() {
    use FindingKind::ReadModel;
    let says = "is not what the journal says";
    check(
        "UPDATE messages SET text = '다른 말' WHERE role = 'user'",
        ReadModel,
        &format!("{says}: text"),
    )
    .await;
    check(
        "DELETE FROM messages WHERE role = 'assistant'",
        ReadModel,
        "is missing",
    )
    .await;
    check(
        "UPDATE brief_slots SET value = '\"x\"', confidence = 0.1",
        ReadModel,
        &format!("'product.name' {says}: value, confidence"),
    )
    .await;
    check("INSERT INTO brief_slots SELECT session_id, 'target.who', value, confidence, source, seq, updated_at FROM brief_slots", ReadModel, "'target.who' follows from no event").await;
    check(
        "UPDATE sessions SET title = NULL",
        ReadModel,
        &format!("{says}: title"),
    )
    .await;
    check(
        "UPDATE sessions SET wake_at = NULL",
        ReadModel,
        &format!("{says}: wake_at"),
    )
    .await;
    check(
        "UPDATE runs SET status = 'failed'",
        ReadModel,
        &format!("{says}: status"),
    )
    .await;
    check(
        "UPDATE run_outputs SET attempt = 2",
        ReadModel,
        &format!("{says}: attempt"),
    )
    .await;
    check(
        "UPDATE jobs SET progress = 99",
        ReadModel,
        &format!("{says}: progress"),
    )
    .await;
    check(
        "UPDATE usage SET cost_micro_usd = 0",
        ReadModel,
        &format!("{says}: cost_micro_usd"),
    )
    .await;
    check("DELETE FROM media_assets", ReadModel, "media_assets").await;
}

#[tokio::test]
async fn what_an_erased_session_has_left_is_found() {
    let data_dir = TempDir::new().unwrap();
    let store = open(&data_dir).await;
    let author = lively(&store).await;
    let erasure = Erasure {
        tenant: TenantId::default(),
        session_id: author.session_id,
        by: ErasedBy::Client,
        at: Timestamp::from_unix_ms(facts::START),
        only_if_idle_since: None,
    };
    store.erasures().erase(erasure).await.unwrap();
    let looked = looked_at(data_dir.path(), &author).await;
    assert_eq!(
        (looked.end, looked.findings),
        (SessionEnd::Unfinished, Vec::new())
    );
    store
        .erasures()
        .purge(&TenantId::default(), author.session_id)
        .await
        .unwrap();
    let looked = looked_at(data_dir.path(), &author).await;
    assert_eq!((looked.end, looked.findings), (SessionEnd::Erased, Vec::new()));
    store.close().await;

    tamper(
        data_dir.path(),
        "INSERT INTO events SELECT session_id, 1, 9, 'gate.changed', 0, '{}', NULL, 1 FROM heads",
    )
    .await;
    let looked = looked_at(data_dir.path(), &author).await;
    assert_eq!(looked.findings.len(), 1);
    assert_eq!(looked.findings[0].kind, FindingKind::Tombstone);
    assert!(looked.findings[0].detail.contains("rows in events"), "{looked:?}");
}

#[tokio::test]
async fn what_is_no_database_of_this_release_is_not_looked_at() {
    let data_dir = TempDir::new().unwrap();
    let refused = Verifier::open(data_dir.path()).await.err().unwrap();
    assert!(matches!(refused, StoreOpenError::DataDir { .. }), "{refused}");
    open(&data_dir).await.close().await;
    tamper(
        data_dir.path(),
        "DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)",
    )
    .await;
    let refused = Verifier::open(data_dir.path()).await.err().unwrap();
    assert!(matches!(refused, StoreOpenError::SchemaOlder { .. }), "{refused}");
}
