//! Backups of a real data directory, and what becomes of them.

use bytes::Bytes;
use greenroom_session::ports::Blobs as _;
use greenroom_store::{DataDirState, LocalBlobs, SqliteStore, StoreConfig, inspect};
use tempfile::TempDir;

use super::manifest::MANIFEST_FILE;
use super::restore::RestoreError;
use super::*;
use crate::cli::RestoreArgs;
use crate::verify::verify;

/// A data directory, a folder for backups, and somewhere to restore to.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn data_dir(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn backups(&self) -> PathBuf {
        self.0.path().join("backups")
    }

    fn restored(&self) -> PathBuf {
        self.0.path().join("restored")
    }

    async fn store(&self) -> (SqliteStore, LocalBlobs) {
        let store = SqliteStore::open(StoreConfig::new(self.data_dir()))
            .await
            .unwrap();
        let blobs = LocalBlobs::open(self.data_dir().join(BLOBS_FOLDER))
            .await
            .unwrap();
        (store, blobs)
    }

    async fn back_up(&self) -> Result<PathBuf, BackupError> {
        let args = BackupArgs {
            data_dir: self.data_dir(),
            to: self.backups(),
            keep_hourly: 24,
            keep_daily: 30,
        };
        run(&args).await?;
        let newest = *backups(&self.backups())?.last().unwrap();
        Ok(self.backups().join(newest.to_string()))
    }

    /// As if the newest backup had been made long ago.
    fn age(&self, backup: &Path, name: &str) -> PathBuf {
        let aged = self.backups().join(name);
        std::fs::rename(backup, &aged).unwrap();
        aged
    }

    async fn restore(&self, from: &Path) -> Result<(), RestoreError> {
        let args = RestoreArgs {
            from: from.to_owned(),
            data_dir: self.restored(),
        };
        restore(&args).await
    }
}

fn is_one_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    one.metadata().unwrap().ino() == other.metadata().unwrap().ino()
}

#[tokio::test]
async fn what_is_backed_up_while_it_is_in_use_is_restored() {
    let place = Place::new();
    let (store, blobs) = place.store().await;
    blobs
        .put("assets/1.mp3", Bytes::from_static(b"one"))
        .await
        .unwrap();
    blobs
        .put("speech/phrases/2.pcm", Bytes::from_static(b"two"))
        .await
        .unwrap();
    let unfinished = place.data_dir().join("blobs/assets/3.mp3#1");
    std::fs::write(&unfinished, "half").unwrap();
    let backup = place.back_up().await.unwrap();
    blobs
        .put("assets/4.mp3", Bytes::from_static(b"late"))
        .await
        .unwrap();
    store.close().await;
    std::fs::remove_dir_all(place.data_dir()).unwrap();

    place.restore(&place.backups()).await.unwrap();
    let restored = place.restored();
    assert_eq!(
        std::fs::read(restored.join("blobs/assets/1.mp3")).unwrap(),
        b"one"
    );
    assert_eq!(
        std::fs::read(restored.join("blobs/speech/phrases/2.pcm")).unwrap(),
        b"two"
    );
    assert!(!restored.join("blobs/assets/4.mp3").exists() && !restored.join("blobs/assets/3.mp3#1").exists());
    assert!(!is_one_file(
        &restored.join("blobs/assets/1.mp3"),
        &backup.join("blobs/assets/1.mp3")
    ));
    assert!(!restored.join(MANIFEST_FILE).exists());
    SqliteStore::open(StoreConfig::new(restored)).await.unwrap();
}

#[tokio::test]
async fn what_was_backed_up_before_an_upgrade_is_restored_and_brought_up_to_date_by_the_server() {
    let place = Place::new();
    std::fs::create_dir(place.data_dir()).unwrap();
    // No release's schema is older than none at all.
    std::fs::write(place.data_dir().join("greenroom.sqlite"), "").unwrap();
    place.back_up().await.unwrap();

    place.restore(&place.backups()).await.unwrap();
    let found = inspect(&place.restored()).await.unwrap();
    assert!(matches!(found, DataDirState::Ready { schema: 0 }), "{found:?}");
    let store = SqliteStore::open(StoreConfig::new(place.restored()))
        .await
        .unwrap();
    store.close().await;
    assert!(verify(&place.restored()).await.unwrap().findings.is_empty());
}

#[tokio::test]
async fn a_blob_takes_room_once() {
    let place = Place::new();
    let (_store, blobs) = place.store().await;
    blobs
        .put("assets/1.mp3", Bytes::from_static(b"one"))
        .await
        .unwrap();
    let first = place.back_up().await.unwrap();
    assert!(is_one_file(
        &first.join("blobs/assets/1.mp3"),
        &place.data_dir().join("blobs/assets/1.mp3")
    ));
    let first = place.age(&first, "greenroom-20200101T000000Z");
    // The data are on another disk now: what is there is a copy, of the same time.
    let live = place.data_dir().join("blobs/assets/1.mp3");
    let copy = place.data_dir().join("copy");
    copy::copy_file(&live, &copy).unwrap();
    std::fs::rename(&copy, &live).unwrap();
    let known = Manifest::read(&first).unwrap().into_files();
    let second = place.back_up().await.unwrap();
    let entry = &Manifest::read(&second).unwrap().into_files()["blobs/assets/1.mp3"];
    assert_eq!(entry, &known["blobs/assets/1.mp3"]);
}

#[tokio::test]
async fn old_backups_and_unfinished_ones_are_thrown_away() {
    let place = Place::new();
    let (_store, _blobs) = place.store().await;
    let older = [
        "greenroom-20200101T000000Z",
        "greenroom-20200101T003000Z",
        "greenroom-20200102T000000Z",
    ];
    for name in older {
        let made = place.back_up().await.unwrap();
        place.age(&made, name);
    }
    let partial = place.backups().join(".partial-greenroom-20200103T000000Z");
    std::fs::create_dir(&partial).unwrap();
    std::fs::write(place.backups().join("notes.txt"), "mine").unwrap();
    place.back_up().await.unwrap();
    assert!(!partial.exists());
    let kept: Vec<bool> = older
        .iter()
        .map(|name| place.backups().join(name).exists())
        .collect();
    assert_eq!(kept, [false, true, true]);
    assert!(place.backups().join("notes.txt").exists());
}

#[tokio::test]
async fn two_do_not_work_on_one_folder_at_once() {
    let place = Place::new();
    let (_store, _blobs) = place.store().await;
    let held = lock(&place.backups()).unwrap();
    let refused = place.back_up().await.unwrap_err();
    assert!(matches!(refused, BackupError::Busy { .. }), "{refused}");
    drop(held);
    place.back_up().await.unwrap();
}

#[tokio::test]
async fn what_is_no_data_directory_is_not_backed_up() {
    let place = Place::new();
    let refused = place.back_up().await.unwrap_err();
    assert!(matches!(refused, BackupError::NoData { .. }), "{refused}");
    assert_eq!(backups(&place.backups()).unwrap(), []);
}

#[tokio::test]
async fn nothing_is_restored_over_anything() {
    let place = Place::new();
    let (store, _blobs) = place.store().await;
    let backup = place.back_up().await.unwrap();
    let over = |data_dir: PathBuf| RestoreArgs {
        from: backup.clone(),
        data_dir,
    };
    let refused = restore(&over(place.data_dir())).await.unwrap_err();
    assert!(matches!(refused, RestoreError::InUse { .. }), "{refused}");
    store.close().await;
    let refused = restore(&over(place.data_dir())).await.unwrap_err();
    assert!(matches!(refused, RestoreError::NotEmpty { .. }), "{refused}");
    std::fs::create_dir(place.restored()).unwrap();
    place.restore(&backup).await.unwrap();
    let refused = place.restore(&place.data_dir()).await.unwrap_err();
    assert!(matches!(refused, RestoreError::NoBackup { .. }), "{refused}");
}

#[tokio::test]
async fn a_damaged_backup_is_found_out_and_leaves_nothing_in_place() {
    let place = Place::new();
    let (_store, blobs) = place.store().await;
    blobs
        .put("assets/1.mp3", Bytes::from_static(b"one"))
        .await
        .unwrap();
    let backup = place.back_up().await.unwrap();
    let blob = backup.join("blobs/assets/1.mp3");
    for damage in [Some("two"), None] {
        std::fs::remove_file(&blob).unwrap();
        if let Some(text) = damage {
            std::fs::write(&blob, text).unwrap();
        }
        let refused = place.restore(&backup).await.unwrap_err();
        let RestoreError::Damaged { file } = refused else {
            panic!("{refused}")
        };
        assert_eq!(file, blob);
        assert!(!place.restored().exists());
    }
    let manifest = std::fs::read_to_string(backup.join(MANIFEST_FILE)).unwrap();
    let leaving = manifest.replace("blobs/assets/1.mp3", "../outside");
    std::fs::write(backup.join(MANIFEST_FILE), leaving).unwrap();
    let refused = place.restore(&backup).await.unwrap_err();
    assert!(matches!(refused, RestoreError::Files(_)), "{refused}");
}
