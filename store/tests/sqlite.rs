//! The suite on SQLite, and what only SQLite has: files, locks, limits, faults of the disk.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[macro_use]
mod suite;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use greenroom_protocol::{
    AssetId, AssetReady, CallId, CallOutcome, CallPurpose, CallReserved, CallScope, CallSettled, Event,
    MessageHeard, Millis, Seq, SessionId, TurnId,
};
use greenroom_session::ports::{
    AppendOutcome, Journal, ModelIdentity, OpenError, OpenMode, Snapshot, TenantId,
};
use greenroom_session::{CallCost, CallRecord, Checked, Private, Usage};
use greenroom_store::{SqliteStore, StoreConfig, StoreOpenError};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use suite::facts::{self, Author, fresh};
use suite::{Backend, Ports};
use tempfile::TempDir;
use tokio::sync::Mutex;

suite!(
    SqliteBackend::new(),
    [
        order_is_kept_without_a_gap,
        what_is_read_is_what_was_appended,
        a_page_ends_before_it_is_too_large,
        an_old_epoch_is_refused_alone,
        a_gap_or_a_repetition_is_refused,
        a_malformed_append_is_refused,
        only_the_offender_is_refused,
        open_modes,
        a_restart_keeps_everything,
        an_abandoned_append_counts,
        one_session_may_queue_several_appends,
        due_reads_who_must_wake,
        large_appends_are_committed,
        a_session_shows_its_last_summary,
        sessions_are_listed_filtered_and_paged,
        a_run_follows_its_events,
        a_failed_run_can_go_on,
        a_session_that_fails_fails_what_it_has_under_way,
        runs_are_listed_by_session,
        a_job_follows_its_events,
        jobs_are_listed_filtered_and_paged,
        a_session_costs_what_its_calls_cost,
        nothing_is_stored_without_fitting_provenance,
        a_stage_is_completed_once,
        the_newest_snapshot_is_kept,
        a_snapshot_is_fenced,
        many_snapshots_at_once_are_kept,
        an_erased_session_is_gone,
        a_session_is_erased_once,
        what_an_erased_session_left_is_removed_in_parts,
        a_snapshot_is_erased_with_its_session,
        sessions_are_kept_while_something_happens_in_them,
        what_keeps_a_blob_is_found,
    ]
);

/// Long enough that a test which needs it fails by its own assertion instead.
const LONG: Duration = Duration::from_mins(1);

struct SqliteBackend {
    data_dir: TempDir,
    store: Mutex<Option<SqliteStore>>,
}

impl SqliteBackend {
    fn new() -> Self {
        Self {
            data_dir: TempDir::new().unwrap(),
            store: Mutex::new(None),
        }
    }
}

#[async_trait]
impl Backend for SqliteBackend {
    async fn open(&self) -> Ports {
        let store = SqliteStore::open(StoreConfig::new(self.data_dir.path()))
            .await
            .unwrap();
        let ports = Ports {
            journal: store.journal(),
            read_models: store.read_models(),
            erasures: store.erasures(),
        };
        *self.store.lock().await = Some(store);
        ports
    }

    async fn close(&self) {
        self.store
            .lock()
            .await
            .take()
            .expect("the store is open")
            .close()
            .await;
    }
}

fn config(data_dir: &TempDir) -> StoreConfig {
    StoreConfig::new(data_dir.path())
}

/// Another program that has the database open.
async fn foreign(data_dir: &Path) -> SqliteConnection {
    let database = SqliteConnectOptions::new().filename(data_dir.join("greenroom.sqlite"));
    database.busy_timeout(LONG).connect().await.unwrap()
}

async fn until(mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, waiting)
        .await
        .expect("the condition comes true");
}

async fn events_stored(journal: &Arc<dyn Journal>, session_id: SessionId) -> usize {
    journal
        .frames(&TenantId::default(), session_id, Seq::ZERO, usize::MAX)
        .await
        .unwrap()
        .len()
}

/// An event that does not fit into room that is there already.
fn large_event() -> Event {
    facts::planner_delta(TurnId::new(fresh()), &"가".repeat(40_000))
}

#[tokio::test]
async fn the_data_directory_belongs_to_one_store() {
    let data_dir = TempDir::new().unwrap();
    let first = SqliteStore::open(config(&data_dir)).await.unwrap();
    let refused = SqliteStore::open(config(&data_dir))
        .await
        .err()
        .expect("it is locked");
    assert!(matches!(refused, StoreOpenError::Locked { .. }));
    assert!(
        refused.to_string().contains("in use by another process"),
        "{refused}"
    );
    first.close().await;
    SqliteStore::open(config(&data_dir)).await.unwrap();
}

#[tokio::test]
async fn closing_folds_the_log_into_the_database() {
    let data_dir = TempDir::new().unwrap();
    let store = SqliteStore::open(config(&data_dir)).await.unwrap();
    let mut author = Author::started(&store.journal()).await;
    author.tell(vec![facts::gate_changed(0.5)]).await;
    // A reader that is still connected keeps the log where it is.
    assert!(events_stored(&store.journal(), author.session_id).await > 0);
    let log = data_dir.path().join("greenroom.sqlite-wal");
    assert!(log.exists(), "what was appended is in the log first");
    store.close().await;
    assert!(!log.exists(), "the log is left over");
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_made_is_named() {
    let data_dir = TempDir::new().unwrap();
    let file = data_dir.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let refused = SqliteStore::open(StoreConfig::new(file.join("data")))
        .await
        .err()
        .expect("it is no directory");
    assert!(matches!(refused, StoreOpenError::DataDir { .. }), "{refused}");
}

#[tokio::test]
async fn dropping_the_store_frees_the_directory() {
    let data_dir = TempDir::new().unwrap();
    let store = SqliteStore::open(config(&data_dir)).await.unwrap();
    let author = Author::started(&store.journal()).await;
    drop((store, author));
    let reopened = async {
        while SqliteStore::open(config(&data_dir)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, reopened)
        .await
        .expect("the writer ends");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let data_dir = TempDir::new().unwrap();
    SqliteStore::open(config(&data_dir)).await.unwrap().close().await;
    let mut newer = foreign(data_dir.path()).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'of the future', 1, x'00', 0)",
    )
    .execute(&mut newer)
    .await
    .unwrap();
    newer.close().await.unwrap();
    let refused = SqliteStore::open(config(&data_dir))
        .await
        .err()
        .expect("it is newer");
    assert!(
        matches!(refused, StoreOpenError::SchemaNewer { found: 9999, .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("schema version 9999"), "{refused}");
}

#[tokio::test]
async fn what_is_full_is_held_refused_after_a_while_and_goes_on_when_there_is_room() {
    let data_dir = TempDir::new().unwrap();
    let hold = Duration::from_millis(200);
    let store = SqliteStore::open(StoreConfig {
        hold,
        ..config(&data_dir)
    })
    .await
    .unwrap();
    let journal = store.journal();
    let mut author = Author::started(&journal).await;
    let mut new = Author::begin(&journal).await;

    store.set_page_limit(Some(1));
    let began = std::time::Instant::now();
    let outcome = author.try_tell(vec![large_event()]).await;
    assert!(
        matches!(&outcome, AppendOutcome::Failed(reason) if reason.contains("full")),
        "{outcome:?}"
    );
    assert!(began.elapsed() >= hold);
    assert!(!journal.writable());
    assert_eq!(events_stored(&journal, author.session_id).await, 1);

    store.set_page_limit(None);
    until(|| journal.writable()).await;
    author.tell(vec![large_event()]).await;
    new.tell(vec![facts::session_started()]).await;
    assert_eq!(events_stored(&journal, author.session_id).await, 2);
}

#[tokio::test]
async fn what_is_held_is_committed_as_soon_as_there_is_room() {
    let data_dir = TempDir::new().unwrap();
    let page_limit = Some(1);
    let store = SqliteStore::open(StoreConfig {
        hold: LONG,
        page_limit,
        ..config(&data_dir)
    })
    .await
    .unwrap();
    let journal = store.journal();
    let mut author = Author::started(&journal).await;
    let lift = async {
        until(|| !journal.writable()).await;
        store.set_page_limit(None);
    };
    tokio::join!(author.tell(vec![large_event()]), lift);
    assert!(journal.writable());
    assert_eq!(events_stored(&journal, author.session_id).await, 2);
}

#[tokio::test]
async fn a_busy_database_is_waited_for() {
    let data_dir = TempDir::new().unwrap();
    let store = SqliteStore::open(StoreConfig {
        hold: LONG,
        ..config(&data_dir)
    })
    .await
    .unwrap();
    let journal = store.journal();
    let mut author = Author::started(&journal).await;
    let mut backup = foreign(data_dir.path()).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut backup).await.unwrap();
    let release = async {
        until(|| !journal.writable()).await;
        sqlx::query("COMMIT").execute(&mut backup).await.unwrap();
    };
    tokio::join!(author.tell(vec![facts::gate_changed(0.5)]), release);
    until(|| journal.writable()).await;
}

#[tokio::test]
async fn below_the_minimum_of_free_disk_nothing_new_is_begun() {
    let data_dir = TempDir::new().unwrap();
    let store = SqliteStore::open(config(&data_dir)).await.unwrap();
    let author = Author::started(&store.journal()).await;
    assert!(store.journal().has_room().await, "there is no minimum");
    store.close().await;

    let store = SqliteStore::open(StoreConfig {
        min_free_disk_bytes: u64::MAX,
        ..config(&data_dir)
    })
    .await
    .unwrap();
    let journal = store.journal();
    let refused = journal
        .open(&TenantId::default(), SessionId::new(fresh()), OpenMode::New)
        .await;
    assert!(matches!(refused, Err(OpenError::Unavailable(_))), "{refused:?}");
    assert!(!journal.has_room().await);
    let mut author = Author::open(&journal, author.session_id, OpenMode::Existing).await;
    author.tell(vec![facts::gate_changed(0.5)]).await;
    store.close().await;

    let store = SqliteStore::open(StoreConfig {
        min_free_disk_bytes: 1,
        ..config(&data_dir)
    })
    .await
    .unwrap();
    assert!(store.journal().has_room().await);
}

#[tokio::test]
async fn what_was_acknowledged_survives_the_death_of_the_process() {
    let data_dir = TempDir::new().unwrap();
    let store = SqliteStore::open(config(&data_dir)).await.unwrap();
    let mut author = Author::started(&store.journal()).await;
    for completeness in [0.1, 0.2, 0.3] {
        author.tell(vec![facts::gate_changed(completeness)]).await;
    }
    // What a kill leaves behind: the files as they are, with the store still open.
    let left_behind = TempDir::new().unwrap();
    for file in ["greenroom.sqlite", "greenroom.sqlite-wal"] {
        std::fs::copy(data_dir.path().join(file), left_behind.path().join(file)).unwrap();
    }
    let journal = store.journal();
    let acknowledged = journal
        .frames(&TenantId::default(), author.session_id, Seq::ZERO, 100)
        .await
        .unwrap();

    let recovered = SqliteStore::open(config(&left_behind)).await.unwrap().journal();
    let frames = recovered
        .frames(&TenantId::default(), author.session_id, Seq::ZERO, 100)
        .await
        .unwrap();
    assert_eq!(frames, acknowledged);
    let next = Author::open(&recovered, author.session_id, OpenMode::Existing).await;
    assert_eq!(next.head, Seq(4));
    assert!(next.epoch > author.epoch);
}

#[tokio::test]
async fn a_deleted_session_is_gone() {
    let data_dir = TempDir::new().unwrap();
    let store = SqliteStore::open(config(&data_dir)).await.unwrap();
    let journal = store.journal();
    let mut author = Author::started(&journal).await;
    let mut database = foreign(data_dir.path()).await;
    sqlx::query("UPDATE heads SET tombstone = 1")
        .execute(&mut database)
        .await
        .unwrap();
    for mode in [OpenMode::Existing, OpenMode::New] {
        let refused = journal.open(&TenantId::default(), author.session_id, mode).await;
        assert_eq!(refused, Err(OpenError::Gone));
    }
    assert_eq!(
        author.try_tell(vec![facts::gate_changed(0.5)]).await,
        AppendOutcome::Fenced
    );
}

#[tokio::test]
async fn a_row_of_an_unknown_version_or_type_is_damaged_and_says_nothing_of_its_words() {
    let data_dir = TempDir::new().unwrap();
    let store = SqliteStore::open(config(&data_dir)).await.unwrap();
    let journal = store.journal();
    let author = Author::started(&journal).await;
    let mut database = foreign(data_dir.path()).await;
    for damage in [
        "UPDATE events SET data = '{\"locale\": \"비밀\"}'",
        "UPDATE events SET type = 'session.ended'",
        "UPDATE events SET schema_version = 2",
    ] {
        sqlx::query(damage).execute(&mut database).await.unwrap();
        let error = journal
            .read(&TenantId::default(), author.session_id, Seq::ZERO, 10)
            .await
            .err()
            .unwrap();
        let text = error.to_string();
        assert!(text.starts_with("the stored data is damaged"), "{text}");
        assert!(!text.contains("비밀"), "{text}");
    }
}

#[tokio::test]
async fn the_schema_itself_refuses_texts_without_provenance() {
    let data_dir = TempDir::new().unwrap();
    let store = SqliteStore::open(config(&data_dir)).await.unwrap();
    let mut author = Author::started(&store.journal()).await;
    author
        .tell(vec![facts::run_started(
            greenroom_protocol::RunId::new(fresh()),
            None,
        )])
        .await;
    let mut database = foreign(data_dir.path()).await;
    let of_model = r#"'{"kind":"model","provider":"p","model":"m","call_id":"c"}'"#;
    let message = |role: &str, provenance: &str| {
        format!(
            "INSERT INTO messages (session_id, message_id, seq, role, modality, text, truncated, provenance, \
             created_at) SELECT session_id, randomblob(16), 1, '{role}', 'text', 't', 0, {provenance}, 0 FROM sessions"
        )
    };
    let output = |provenance: &str| {
        format!(
            "INSERT INTO run_outputs (run_id, stage, attempt, seq, data, provenance, created_at) \
             SELECT run_id, hex(randomblob(4)), 1, 1, '{{}}', {provenance}, 0 FROM runs"
        )
    };
    for provenance in [
        "NULL",
        "''",
        "'null'",
        "'{}'",
        "'\"model\"'",
        "'[]'",
        r#"'{"kind":null}'"#,
        r#"'{"kind":"invented"}'"#,
        r#"'{"kind":"model"}'"#,
        r#"'{"kind":"model","provider":"p","model":"m"}'"#,
        r#"'{"kind":"model","provider":"p","call_id":"c"}'"#,
        r#"'{"kind":"user"}'"#,
        r#"'{"kind":"playbook","key":"k"}'"#,
    ] {
        for statement in [
            message("assistant", provenance),
            message("user", provenance),
            output(provenance),
        ] {
            let refused = sqlx::query(sqlx::AssertSqlSafe(statement.clone()))
                .execute(&mut database)
                .await;
            assert!(refused.is_err(), "{statement}");
        }
    }
    let refused = sqlx::query(sqlx::AssertSqlSafe(message("user", of_model)))
        .execute(&mut database)
        .await;
    assert!(refused.is_err());
    for statement in [message("assistant", of_model), output(of_model)] {
        let inserted = sqlx::query(sqlx::AssertSqlSafe(statement))
            .execute(&mut database)
            .await
            .unwrap();
        assert_eq!(inserted.rows_affected(), 1);
    }
}

async fn texts(data_dir: &TempDir, query: &'static str) -> Vec<String> {
    let mut database = foreign(data_dir.path()).await;
    sqlx::query_scalar(query).fetch_all(&mut database).await.unwrap()
}

#[tokio::test]
async fn messages_slots_and_assets_have_their_rows() {
    let data_dir = TempDir::new().unwrap();
    let store = SqliteStore::open(config(&data_dir)).await.unwrap();
    let mut author = Author::started(&store.journal()).await;
    let turn_id = TurnId::new(fresh());
    let spoken = facts::assistant_message(turn_id, "반갑습니다. 제품명이 무엇인가요?");
    let Event::MessageAdded(message) = &spoken else {
        panic!("it is a message")
    };
    let heard = MessageHeard {
        message_id: message.message_id,
        turn_id,
        heard_ms: Millis(900),
        text: "반갑".into(),
    };
    let asset = AssetReady {
        asset_id: AssetId::new(fresh()),
        run_id: None,
        kind: "poster".to_owned(),
        url: "/static/assets/x.png".to_owned(),
        media_type: "image/png".to_owned(),
        size_bytes: 4_096,
        provenance: facts::model(),
    };
    author
        .tell(vec![
            facts::user_message(turn_id, "안녕하세요"),
            facts::slot_updated(turn_id, "product.name", json!("루미")),
            facts::slot_updated(turn_id, "product.name", json!("루미세럼")),
            facts::slot_updated(turn_id, "product.category", json!("스킨케어")),
            facts::slot_updated(turn_id, "product.category", json!(null)),
            spoken.clone(),
            Event::MessageHeard(heard),
            Event::AssetReady(asset),
        ])
        .await;

    let messages = "SELECT json_array(role, text, json_extract(provenance, '$.kind'), heard_ms, heard_text) \
                    FROM messages ORDER BY seq";
    assert_eq!(
        texts(&data_dir, messages).await,
        [
            r#"["user","안녕하세요","user",null,null]"#,
            r#"["assistant","반갑습니다. 제품명이 무엇인가요?","model",900,"반갑"]"#,
        ]
    );
    let slots = "SELECT json_array(path, json(value), json_extract(source, '$.kind'), seq) FROM brief_slots";
    assert_eq!(
        texts(&data_dir, slots).await,
        [
            r#"["product.category",null,"turn",6]"#,
            r#"["product.name","루미세럼","turn",4]"#
        ]
    );
    let assets = "SELECT json_array(kind, media_type, size_bytes) FROM media_assets";
    assert_eq!(texts(&data_dir, assets).await, [r#"["poster","image/png",4096]"#]);
}

#[tokio::test]
async fn a_call_has_one_row_from_its_reservation_to_its_settlement() {
    let data_dir = TempDir::new().unwrap();
    let store = SqliteStore::open(config(&data_dir)).await.unwrap();
    let mut author = Author::started(&store.journal()).await;
    let (call_id, turn_id) = (CallId::new(fresh()), TurnId::new(fresh()));
    let calls = "SELECT json_array(purpose, outcome, provider, model, response_id, cost_micro_usd, \
                 json_extract(usage, '$.input_tokens'), attempt, settled_at - reserved_at) FROM usage";
    let meant = ModelIdentity {
        provider: "openai".into(),
        model: "gpt-5.2-mini".into(),
        simulated: false,
    };
    author
        .confide(
            facts::call_reserved(call_id, turn_id),
            Private {
                model: Some(meant),
                ..Private::none()
            },
        )
        .await;
    assert_eq!(
        texts(&data_dir, calls).await,
        [r#"["plan","reserved","openai","gpt-5.2-mini",null,null,null,1,null]"#]
    );
    let (settled, private) = facts::call_settled(call_id, turn_id, CallOutcome::Ok, CallCost::Known(77));
    author.confide(settled, private).await;
    assert_eq!(
        texts(&data_dir, calls).await,
        [r#"["plan","ok","openai","gpt-5.2","resp_1",77,812,1,1]"#]
    );
}

#[tokio::test]
async fn calls_for_speech_and_checks_have_rows_of_their_own() {
    let data_dir = TempDir::new().unwrap();
    let store = SqliteStore::open(config(&data_dir)).await.unwrap();
    let mut author = Author::started(&store.journal()).await;
    let turn = CallScope::Turn {
        turn_id: TurnId::new(fresh()),
        attempt: 1,
    };
    for (purpose, scope) in [
        (CallPurpose::Transcribe, turn.clone()),
        (CallPurpose::Moderate, turn),
        (CallPurpose::Speak, CallScope::Session {}),
    ] {
        let call_id = CallId::new(fresh());
        author
            .tell(vec![Event::CallReserved(CallReserved {
                call_id,
                purpose,
                scope: scope.clone(),
            })])
            .await;
        let call = CallRecord {
            provider: "openai".to_owned(),
            model: "speech".to_owned(),
            response_id: None,
            request_id: None,
            usage: Some(Usage {
                audio_ms: 2_500,
                ..Usage::default()
            }),
            cost: CallCost::Known(40),
        };
        let settled = Event::CallSettled(CallSettled {
            call_id,
            purpose,
            scope,
            outcome: CallOutcome::Ok,
        });
        let private = Private {
            call: Some(call),
            checked: (purpose == CallPurpose::Moderate).then_some(Checked::Passed),
            ..Private::none()
        };
        author.confide(settled, private).await;
    }
    let calls = "SELECT json_array(purpose, outcome, turn_id IS NOT NULL, run_id, attempt, \
                 json_extract(usage, '$.audio_ms'), cost_micro_usd) FROM usage ORDER BY call_id";
    assert_eq!(
        texts(&data_dir, calls).await,
        [
            r#"["transcribe","ok",1,null,1,2500,40]"#,
            r#"["moderate","ok",1,null,1,2500,40]"#,
            r#"["speak","ok",0,null,null,2500,40]"#,
        ]
    );
}

#[tokio::test]
async fn an_asset_that_is_told_of_twice_is_one_asset() {
    let data_dir = TempDir::new().unwrap();
    let store = SqliteStore::open(config(&data_dir)).await.unwrap();
    let mut author = Author::started(&store.journal()).await;
    let speech = Event::AssetReady(AssetReady {
        asset_id: AssetId::new(fresh()),
        run_id: None,
        kind: "speech".to_owned(),
        url: "/static/assets/speech.mp3".to_owned(),
        media_type: "audio/mpeg".to_owned(),
        size_bytes: 9_000,
        provenance: facts::model(),
    });
    author.tell(vec![speech.clone()]).await;
    author.tell(vec![speech]).await;
    let assets = "SELECT json_array(kind, media_type, run_id, size_bytes, seq) FROM media_assets";
    assert_eq!(
        texts(&data_dir, assets).await,
        [r#"["speech","audio/mpeg",null,9000,2]"#]
    );
}

#[tokio::test]
async fn a_snapshot_that_does_not_fit_costs_no_append() {
    let data_dir = TempDir::new().unwrap();
    let store = SqliteStore::open(config(&data_dir)).await.unwrap();
    let mut author = Author::started(&store.journal()).await;
    let pages: u32 = sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(&mut foreign(data_dir.path()).await)
        .await
        .unwrap();
    store.set_page_limit(Some(pages + 64));
    let journal = store.journal();
    let keep = |author: &Author, size_bytes: usize| {
        let snapshot = Snapshot {
            head: author.head,
            fold_version: 1,
            state: vec![b' '; size_bytes].into(),
        };
        journal.keep_snapshot(&TenantId::default(), author.session_id, author.epoch, snapshot);
    };
    keep(&author, 100);
    author.tell(vec![facts::gate_changed(0.5)]).await;
    // More than the pages that are left.
    keep(&author, 4_096 * 65);
    for _ in 0..20 {
        author.tell(vec![facts::gate_changed(0.5)]).await;
        assert!(journal.writable());
    }
    store.close().await;
    drop((journal, store));

    let store = SqliteStore::open(config(&data_dir)).await.unwrap();
    let kept = store
        .journal()
        .snapshot(&TenantId::default(), author.session_id)
        .await
        .unwrap()
        .expect("the one before is left");
    assert_eq!((kept.head, kept.state.len()), (Seq(1), 100));
}

/// A file may not grow: the writes of a commit fail as they would on a broken disk.
#[cfg(target_os = "linux")]
mod broken_disk {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::*;

    /// Set in the process of its own that the limit needs: it holds for all files of a process.
    const INNER: &str = "GREENROOM_TEST_WITH_FILE_LIMIT";

    #[test]
    fn a_commit_that_fails_is_looked_up_and_nothing_is_lost() {
        const NAME: &str = "broken_disk::a_commit_that_fails_is_looked_up_and_nothing_is_lost";
        if std::env::var_os(INNER).is_some() {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            return runtime.block_on(fail_and_recover());
        }
        // Without the trap the kernel would end the process instead of failing the write.
        let inner = std::process::Command::new("sh")
            .args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(INNER, "1")
            .output()
            .unwrap();
        let told =
            String::from_utf8_lossy(&inner.stdout).into_owned() + &String::from_utf8_lossy(&inner.stderr);
        assert!(inner.status.success() && told.contains("1 passed"), "{told}");
    }

    async fn fail_and_recover() {
        let data_dir = TempDir::new().unwrap();
        let hold = Duration::from_millis(200);
        let store = SqliteStore::open(StoreConfig {
            hold,
            ..config(&data_dir)
        })
        .await
        .unwrap();
        let journal = store.journal();
        let mut author = Author::started(&journal).await;
        // So that the log is the largest file, and the limit keeps nothing but it from growing.
        author.tell(vec![large_event()]).await;
        let unlimited = getrlimit(Resource::Fsize);
        let log = data_dir.path().join("greenroom.sqlite-wal");
        let current = Some(std::fs::metadata(log).unwrap().len());
        setrlimit(Resource::Fsize, Rlimit { current, ..unlimited }).unwrap();

        let outcome = author.try_tell(vec![large_event()]).await;
        assert!(
            matches!(&outcome, AppendOutcome::Failed(reason) if reason.contains("I/O")),
            "{outcome:?}"
        );
        assert!(!journal.writable());

        setrlimit(Resource::Fsize, unlimited).unwrap();
        until(|| journal.writable()).await;
        author.tell(vec![large_event()]).await;
        assert_eq!(events_stored(&journal, author.session_id).await, 3);
    }
}

#[tokio::test]
async fn an_erased_session_leaves_nothing_but_a_tombstone_and_an_entry_without_content() {
    const SECRET: &str = "아무도 모르는 제품 이름";
    let data_dir = TempDir::new().unwrap();
    let store = SqliteStore::open(config(&data_dir)).await.unwrap();
    let mut author = Author::started(&store.journal()).await;
    let (turn_id, call_id) = (TurnId::new(fresh()), CallId::new(fresh()));
    let settled = facts::call_settled(call_id, turn_id, CallOutcome::Ok, CallCost::Known(7));
    author
        .tell(vec![
            facts::turn_started(turn_id, 1),
            facts::user_message(turn_id, SECRET),
            facts::slot_updated(turn_id, "product.name", json!(SECRET)),
            facts::call_reserved(call_id, turn_id),
        ])
        .await;
    author.confide(settled.0, settled.1).await;
    let session = author.session_id;
    let erasures = store.erasures();
    erasures.erase(suite::erasure(session)).await.unwrap();
    erasures.purge(&TenantId::default(), session).await.unwrap();
    store.close().await;

    let mut database = foreign(data_dir.path()).await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' \
         AND name NOT LIKE '_sqlx%' ORDER BY name",
    )
    .fetch_all(&mut database)
    .await
    .unwrap();
    let mut left = Vec::new();
    for table in tables {
        let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let rows: i64 = sqlx::query_scalar(count).fetch_one(&mut database).await.unwrap();
        if rows > 0 {
            left.push((table, rows));
        }
    }
    assert_eq!(left, [("audit".to_owned(), 1), ("heads".to_owned(), 1)]);
    let audit: (i64, String, String, Vec<u8>) =
        sqlx::query_as("SELECT at, actor, action, session_id FROM audit")
            .fetch_one(&mut database)
            .await
            .unwrap();
    let session = session.ulid().to_bytes().to_vec();
    assert_eq!(
        audit,
        (
            facts::START,
            "client".to_owned(),
            "session.erased".to_owned(),
            session
        )
    );
    database.close().await.unwrap();
    let bytes = std::fs::read(data_dir.path().join("greenroom.sqlite")).unwrap();
    let found = bytes
        .windows(SECRET.len())
        .any(|window| window == SECRET.as_bytes());
    assert!(!found, "what was said is overwritten, not only given free");
}
