//! Blobs as files of one folder on the local disk, durable before anybody names them.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use greenroom_protocol::Timestamp;
use greenroom_session::ports::{BlobEntry, BlobError, BlobStream, Blobs};
use object_store::local::LocalFileSystem;
use object_store::path::Path as BlobPath;
use object_store::{ObjectMeta, ObjectStore as _, ObjectStoreExt as _};

use crate::folder;

/// Bytes of a blob's whole name; every file system takes as much.
const NAME_BYTES_MAX: usize = 200;

/// Blobs under one folder. A name is one or more parts joined by `/`; each part is letters, digits, `-`, `_` and
/// `.`, and starts with none of the latter, so that no name leaves the folder or meets a file that is being written.
#[derive(Debug)]
pub struct LocalBlobs {
    files: LocalFileSystem,
}

impl LocalBlobs {
    /// Opens the folder, which is created if it is not there. It must be nobody else's: what a process before this one
    /// was writing when it ended is removed.
    pub async fn open(folder: PathBuf) -> Result<Self, BlobError> {
        let opened = tokio::task::spawn_blocking(move || {
            folder::create_durably(&folder)?;
            remove_unfinished(&folder)?;
            LocalFileSystem::new_with_prefix(&folder).map_err(io::Error::other)
        })
        .await;
        let files = opened
            .map_err(|error| BlobError::Unavailable(error.to_string()))?
            .map_err(|error| BlobError::Unavailable(error.to_string()))?;
        // Without it a blob could vanish in a loss of power after the event that names it was committed.
        Ok(Self {
            files: files.with_fsync(true).with_automatic_cleanup(true),
        })
    }

    /// Opens a folder that may be somebody else's, to read only: nothing is made or removed.
    pub async fn open_to_read(folder: PathBuf) -> Result<Self, BlobError> {
        let opened = tokio::task::spawn_blocking(move || LocalFileSystem::new_with_prefix(&folder)).await;
        let files = opened.map_err(|error| BlobError::Unavailable(error.to_string()))?;
        Ok(Self {
            files: files.map_err(blob_error)?,
        })
    }
}

#[async_trait]
impl Blobs for LocalBlobs {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), BlobError> {
        let path = blob_path(name)?;
        self.files
            .put(&path, bytes.into())
            .await
            .map(|_| ())
            .map_err(blob_error)
    }

    async fn get(&self, name: &str) -> Result<Bytes, BlobError> {
        let path = blob_path(name)?;
        let found = self.files.get(&path).await.map_err(blob_error)?;
        found.bytes().await.map_err(blob_error)
    }

    async fn delete(&self, name: &str) -> Result<(), BlobError> {
        let path = blob_path(name)?;
        match self.files.delete(&path).await.map_err(blob_error) {
            Ok(()) | Err(BlobError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn list(&self, folder: &str) -> BlobStream {
        let prefix = match folder {
            "" => None,
            folder => match blob_path(folder) {
                Ok(path) => Some(path),
                Err(error) => return stream::iter([Err(error)]).boxed(),
            },
        };
        let listed = self.files.list(prefix.as_ref());
        listed
            .filter_map(async |found| match found.map_err(blob_error) {
                Ok(found) => Some(Ok(blob_entry(&found))),
                // It went while the folder was read, or the folder is not there.
                Err(BlobError::NotFound) => None,
                Err(error) => Some(Err(error)),
            })
            .boxed()
    }
}

fn blob_entry(found: &ObjectMeta) -> BlobEntry {
    BlobEntry {
        name: found.location.to_string(),
        size_bytes: found.size,
        modified: Timestamp::from_unix_ms(found.last_modified.timestamp_millis()),
    }
}

/// Removes what a process left that was killed: files that were being written, which have the name of the blob, `#` and a
/// number, and empty folders.
fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_unfinished = name
            .to_str()
            .and_then(|name| name.rsplit_once('#'))
            .is_some_and(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
        if entry.file_type()?.is_dir() {
            remove_unfinished(&entry.path())?;
            remove_if_empty(&entry.path())?;
        } else if is_unfinished {
            tracing::info!("removed a blob that was not written to its end");
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A folder goes with its last blob, unless the process ended in between.
fn remove_if_empty(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn blob_path(name: &str) -> Result<BlobPath, BlobError> {
    let is_part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    if name.len() <= NAME_BYTES_MAX && name.split('/').all(is_part) {
        Ok(BlobPath::from(name))
    } else {
        Err(BlobError::InvalidName)
    }
}

fn blob_error(error: object_store::Error) -> BlobError {
    match error {
        object_store::Error::NotFound { .. } => BlobError::NotFound,
        other => BlobError::Unavailable(other.to_string()),
    }
}
