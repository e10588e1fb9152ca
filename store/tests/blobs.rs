//! Blobs on the local disk.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bytes::Bytes;
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
