//! What the operator's store keeps.

use serde_json::json;

use super::*;
use crate::sqlite::migrations::files_in;

const ROOT: Operator = Operator { uid: 0, pid: Some(7) };

fn act(at_ms: i64, reason: &str) -> Act {
    Act {
        at: Timestamp::from_unix_ms(at_ms),
        by: ROOT,
        reason: (!reason.is_empty()).then(|| reason.to_owned()),
    }
}

#[test]
fn every_file_is_a_migration() {
    assert_eq!(files_in("operator"), MIGRATIONS.files());
}

#[tokio::test]
async fn limits_outlive_the_process_until_they_are_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = OperatorStore::open(folder.path()).await.unwrap();
    let changes = [("turns_per_minute", Some(7)), ("connections", Some(9))];
    store.set_limits(&changes, &act(5, "a crowd")).await.unwrap();
    store
        .set_limits(&[("connections", Some(11))], &act(6, ""))
        .await
        .unwrap();
    drop(store);

    let store = OperatorStore::open(folder.path()).await.unwrap();
    let kept = |name: &str, value, reason: Option<&str>, at_ms| SetLimit {
        name: name.to_owned(),
        value,
        uid: 0,
        reason: reason.map(str::to_owned),
        set_at: Timestamp::from_unix_ms(at_ms),
    };
    let turns = kept("turns_per_minute", 7, Some("a crowd"), 5);
    assert_eq!(
        store.limits().await.unwrap(),
        [kept("connections", 11, None, 6), turns.clone()]
    );
    store
        .set_limits(&[("connections", None)], &act(7, ""))
        .await
        .unwrap();
    assert_eq!(store.limits().await.unwrap(), [turns]);
}

#[tokio::test]
async fn a_change_that_cannot_be_kept_changes_nothing_and_is_no_act() {
    let folder = tempfile::tempdir().unwrap();
    let store = OperatorStore::open(folder.path()).await.unwrap();
    let changes = [("connections", Some(1)), ("uploads", Some(u64::MAX))];
    assert!(store.set_limits(&changes, &act(1, "")).await.is_err());
    assert_eq!(store.limits().await.unwrap(), []);
    assert_eq!(store.audit(10).await.unwrap(), []);
}

#[tokio::test]
async fn the_audit_tells_who_did_what_and_why_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = OperatorStore::open(folder.path()).await.unwrap();
    store
        .set_limits(&[("uploads", Some(2)), ("sessions", None)], &act(1, "memory"))
        .await
        .unwrap();
    store.record_reset("llm", &act(2, "it is back")).await.unwrap();
    store.record_drain(&act(3, "")).await.unwrap();
    let entries = store.audit(10).await.unwrap();
    let told: Vec<_> = entries
        .iter()
        .map(|entry| (entry.action.as_str(), entry.reason.as_deref(), &entry.details))
        .collect();
    assert_eq!(
        told,
        [
            ("drain", None, &Value::Null),
            ("reset", Some("it is back"), &json!({ "provider": "llm" })),
            (
                "limits",
                Some("memory"),
                &json!({ "uploads": 2, "sessions": null })
            ),
        ]
    );
    assert_eq!(serde_json::to_value(&entries[0]).unwrap()["uid"], 0);
    assert_eq!(store.audit(1).await.unwrap(), entries[..1]);
}

#[tokio::test]
async fn whoever_is_refused_again_and_again_is_told_of_once_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let store = OperatorStore::open(folder.path()).await.unwrap();
    let stranger = Operator {
        uid: 1_000,
        pid: None,
    };
    for (by, at_ms) in [
        (stranger, 0),
        (stranger, 59_999),
        (
            Operator {
                uid: 1_001,
                ..stranger
            },
            59_999,
        ),
        (stranger, 60_000),
    ] {
        let at = Timestamp::from_unix_ms(at_ms);
        store.record_refusal(by, at).await.unwrap();
    }
    let entries = store.audit(10).await.unwrap();
    let told: Vec<_> = entries
        .iter()
        .rev()
        .map(|entry| (entry.by.uid, entry.at.unix_ms()))
        .collect();
    assert_eq!(told, [(1_000, 0), (1_001, 59_999), (1_000, 60_000)]);
}

#[tokio::test]
async fn the_oldest_lines_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = OperatorStore::open(folder.path()).await.unwrap();
    store.record_drain(&act(1, "first")).await.unwrap();
    {
        let mut connection = store.connection.lock().await;
        let full = "INSERT INTO audit (id, at, action, uid, details) VALUES (?1, 2, 'drain', 0, 'null')";
        let newest = sqlx::query(full).bind(AUDIT_ROWS_MAX);
        newest.execute(&mut *connection).await.unwrap();
    }
    store.record_drain(&act(3, "last")).await.unwrap();
    let kept: Vec<_> = store.audit(10).await.unwrap();
    assert_eq!(
        kept.iter().map(|entry| entry.at.unix_ms()).collect::<Vec<_>>(),
        [3, 2]
    );
}

#[tokio::test]
async fn a_database_of_a_newer_release_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = OperatorStore::open(folder.path()).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (99, 'newer', 1, x'00', 0)";
    sqlx::query(newer)
        .execute(&mut *store.connection.lock().await)
        .await
        .unwrap();
    drop(store);
    let refused = OperatorStore::open(folder.path()).await.unwrap_err();
    assert!(
        matches!(refused, StoreOpenError::SchemaNewer { found: 99, .. }),
        "{refused:?}"
    );
}
