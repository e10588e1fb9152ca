//! Blobs on the local disk.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use greenroom_session::ports::{BlobError, Blobs as _};
use greenroom_store::LocalBlobs;
use tempfile::TempDir;

async fn open(folder: &TempDir) -> LocalBlobs {
    LocalBlobs::open(folder.path().join("data").join("blobs"))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_blob_is_there_again_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let blobs = open(&folder).await;
    let first = Bytes::from_static(b"first");
    blobs.put("playbooks/5e5e.json", first).await.unwrap();
    let second = Bytes::from(vec![7; 3_000_000]);
    blobs.put("playbooks/5e5e.json", second.clone()).await.unwrap();
    blobs.put("poster.png", Bytes::new()).await.unwrap();
    drop(blobs);

    let blobs = open(&folder).await;
    assert_eq!(blobs.get("playbooks/5e5e.json").await.unwrap(), second);
    assert_eq!(blobs.get("poster.png").await.unwrap(), Bytes::new());
    let written = std::fs::read(folder.path().join("data/blobs/playbooks/5e5e.json")).unwrap();
    assert_eq!(written, second);
    let left_over = std::fs::read_dir(folder.path().join("data/blobs/playbooks"))
        .unwrap()
        .count();
    assert_eq!(left_over, 1, "no file that was being written is left");
}

#[tokio::test]
async fn what_was_deleted_is_not_found_and_may_be_deleted_again() {
    let folder = TempDir::new().unwrap();
    let blobs = open(&folder).await;
    blobs.put("poster.png", Bytes::from_static(b"png")).await.unwrap();
    blobs.delete("poster.png").await.unwrap();
    blobs.delete("poster.png").await.unwrap();
    assert_eq!(blobs.get("poster.png").await, Err(BlobError::NotFound));
}

async fn names(blobs: &LocalBlobs, folder: &str) -> Vec<String> {
    let mut names: Vec<String> = blobs
        .list(folder)
        .map_ok(|entry| entry.name)
        .try_collect()
        .await
        .unwrap();
    names.sort();
    names
}

#[tokio::test]
async fn a_folder_is_listed_with_what_is_in_its_folders() {
    let folder = TempDir::new().unwrap();
    let blobs = open(&folder).await;
    assert!(names(&blobs, "").await.is_empty() && names(&blobs, "speech").await.is_empty());
    for name in [
        "poster.png",
        "speech/a/1.json",
        "speech/b/2.json",
        "speechless/3.json",
    ] {
        blobs.put(name, Bytes::from_static(b"four")).await.unwrap();
    }
    assert_eq!(
        names(&blobs, "").await,
        [
            "poster.png",
            "speech/a/1.json",
            "speech/b/2.json",
            "speechless/3.json"
        ]
    );
    assert_eq!(
        names(&blobs, "speech").await,
        ["speech/a/1.json", "speech/b/2.json"]
    );
    assert_eq!(names(&blobs, "speech/b").await, ["speech/b/2.json"]);
    let entry = blobs.list("speech/b").try_next().await.unwrap().unwrap();
    assert_eq!(entry.size_bytes, 4);
    assert!(entry.modified.unix_ms() > 1_700_000_000_000, "{entry:?}");
    assert_eq!(
        blobs.list("../data").try_next().await,
        Err(BlobError::InvalidName)
    );
}

#[tokio::test]
async fn a_folder_goes_with_the_last_blob_in_it() {
    let folder = TempDir::new().unwrap();
    let blobs = open(&folder).await;
    blobs.put("speech/a/1.json", Bytes::new()).await.unwrap();
    blobs.put("speech/a/2.json", Bytes::new()).await.unwrap();
    blobs.delete("speech/a/1.json").await.unwrap();
    assert!(folder.path().join("data/blobs/speech/a").exists());
    blobs.delete("speech/a/2.json").await.unwrap();
    assert!(!folder.path().join("data/blobs/speech").exists());
    blobs.put("speech/a/3.json", Bytes::new()).await.unwrap();
    assert_eq!(names(&blobs, "speech").await, ["speech/a/3.json"]);
}

#[tokio::test]
async fn what_was_not_written_to_its_end_is_removed_at_the_next_start() {
    let folder = TempDir::new().unwrap();
    open(&folder)
        .await
        .put("speech/a/1.json", Bytes::new())
        .await
        .unwrap();
    let unfinished = folder.path().join("data/blobs/speech/a/2.json#1");
    std::fs::write(&unfinished, "half of").unwrap();
    // Its blobs were removed, and then the process was killed.
    let emptied = folder.path().join("data/blobs/speech/b/c");
    std::fs::create_dir_all(&emptied).unwrap();
    let blobs = open(&folder).await;
    assert!(!unfinished.exists());
    assert!(!folder.path().join("data/blobs/speech/b").exists());
    assert_eq!(names(&blobs, "").await, ["speech/a/1.json"]);
}

#[tokio::test]
async fn no_name_leaves_the_folder() {
    let folder = TempDir::new().unwrap();
    let outside = folder.path().join("data").join("secret");
    let blobs = open(&folder).await;
    std::fs::write(&outside, "a secret").unwrap();
    let too_long = "a".repeat(201);
    for name in [
        "",
        ".",
        "..",
        "../secret",
        "a/../../secret",
        "/etc/passwd",
        "a//b",
        "a/",
        ".hidden",
        "a/.hidden",
        "a\\b",
        "a%2f..%2fb",
        "poster#1",
        "a b",
        "포스터",
        "a\0b",
        outside.to_str().unwrap(),
        &too_long,
    ] {
        assert_eq!(
            blobs.put(name, Bytes::from_static(b"x")).await,
            Err(BlobError::InvalidName),
            "{name:?}"
        );
        assert_eq!(blobs.get(name).await, Err(BlobError::InvalidName), "{name:?}");
        assert_eq!(blobs.delete(name).await, Err(BlobError::InvalidName), "{name:?}");
    }
    assert_eq!(std::fs::read(&outside).unwrap(), b"a secret");
}

#[cfg(unix)]
#[tokio::test]
async fn new_folders_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    open(&folder).await;
    for part in ["data", "data/blobs"] {
        let mode = std::fs::metadata(folder.path().join(part))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700, "{part}");
    }
}
