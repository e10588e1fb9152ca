//! Blobs as files of one folder on the local disk, durable before anybody names them.

use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use greenroom_session::ports::{BlobError, Blobs};
use object_store::ObjectStoreExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path as BlobPath;

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
    /// Opens the folder, which is created if it is not there.
    pub async fn open(folder: PathBuf) -> Result<Self, BlobError> {
        let opened = tokio::task::spawn_blocking(move || {
            folder::create_durably(&folder)?;
            LocalFileSystem::new_with_prefix(&folder).map_err(io::Error::other)
        })
        .await;
        let files = opened
            .map_err(|error| BlobError::Unavailable(error.to_string()))?
            .map_err(|error| BlobError::Unavailable(error.to_string()))?;
        // Without it a blob could vanish in a loss of power after the event that names it was committed.
        Ok(Self {
            files: files.with_fsync(true),
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
