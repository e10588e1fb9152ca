//! A look at a data directory that changes nothing in it.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::data_dir::{LockState, lock_state};
use super::{DATABASE_FILE, StoreOpenError, schema};

/// How a data directory would be found by the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataDirState {
    /// There is nothing yet, and it can be made.
    New,
    /// There is a database that this release can use.
    Ready {
        /// Its schema's version; 0 for one that nothing was written to.
        schema: i64,
    },
    /// Another process has it.
    InUse,
}

/// Looks whether a store could be opened in a directory, without making, locking or migrating anything.
pub async fn inspect(data_dir: &Path) -> Result<DataDirState, StoreOpenError> {
    let unusable = |source| StoreOpenError::DataDir {
        data_dir: data_dir.to_owned(),
        source,
    };
    let is_new = is_new(data_dir).map_err(unusable)?;
    if is_new {
        return Ok(DataDirState::New);
    }
    match lock_state(data_dir).map_err(unusable)? {
        LockState::Taken => return Ok(DataDirState::InUse),
        LockState::Free => {}
    }
    let database_file = data_dir.join(DATABASE_FILE);
    if !database_file.exists() {
        return Ok(DataDirState::New);
    }
    // Immutable: SQLite makes no file beside it. What its log has not handed over yet is not seen.
    let options = SqliteConnectOptions::new()
        .filename(&database_file)
        .read_only(true)
        .immutable(true)
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(StoreOpenError::Database)?;
    let found = schema::usable_version(&mut connection).await;
    connection.close().await.map_err(StoreOpenError::Database)?;
    Ok(DataDirState::Ready { schema: found? })
}

/// Whether the directory is still to be made; an error if it cannot be made, or not be written to.
fn is_new(data_dir: &Path) -> io::Result<bool> {
    let writable =
        |folder: &Path| access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(io::Error::from);
    if data_dir.try_exists()? {
        if !data_dir.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        writable(data_dir)?;
        return Ok(false);
    }
    let mut folder: PathBuf = std::path::absolute(data_dir)?;
    while folder.pop() {
        if folder.try_exists()? {
            writable(&folder)?;
            return Ok(true);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SqliteStore, StoreConfig};

    fn listing(folder: &Path) -> Vec<(String, u64)> {
        let mut files: Vec<(String, u64)> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                (
                    entry.file_name().into_string().unwrap(),
                    entry.metadata().unwrap().len(),
                )
            })
            .collect();
        files.sort();
        files
    }

    #[tokio::test]
    async fn a_directory_is_looked_at_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("a/data");
        assert_eq!(inspect(&data_dir).await.unwrap(), DataDirState::New);
        assert!(!folder.path().join("a").exists(), "nothing was made");

        let store = SqliteStore::open(StoreConfig::new(&data_dir)).await.unwrap();
        assert_eq!(inspect(&data_dir).await.unwrap(), DataDirState::InUse);
        store.close().await;
        let before = listing(&data_dir);
        let found = inspect(&data_dir).await.unwrap();
        assert!(
            matches!(found, DataDirState::Ready { schema } if schema > 0),
            "{found:?}"
        );
        assert_eq!(listing(&data_dir), before);
        SqliteStore::open(StoreConfig::new(&data_dir)).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_no_directory_or_no_database_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert!(matches!(
            inspect(&file).await,
            Err(StoreOpenError::DataDir { .. })
        ));
        let data_dir = folder.path().join("data");
        std::fs::create_dir(&data_dir).unwrap();
        std::fs::write(
            data_dir.join(DATABASE_FILE),
            "this is no database at all".repeat(100),
        )
        .unwrap();
        assert!(matches!(
            inspect(&data_dir).await,
            Err(StoreOpenError::Database(_))
        ));
    }
}
