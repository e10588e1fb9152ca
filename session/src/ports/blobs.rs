//! Large immutable things by name.

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use greenroom_protocol::Timestamp;

/// A blob that could not be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// There is no blob of that name.
    #[error("no such blob")]
    NotFound,
    /// The name is not one that a blob can have.
    #[error("not a blob's name")]
    InvalidName,
    /// The store cannot be used now.
    #[error("the blob store is unavailable: {0}")]
    Unavailable(String),
}

/// A blob in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobEntry {
    /// Its name.
    pub name: String,
    /// Its size.
    pub size_bytes: u64,
    /// When it was stored.
    pub modified: Timestamp,
}

/// Blobs one after another.
pub type BlobStream = BoxStream<'static, Result<BlobEntry, BlobError>>;

/// Large immutable things by name: parts of letters, digits, `-`, `_` and `.`, joined by `/`; a part starts with a
/// letter or a digit.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Stores; durable when it returns. A blob of that name is replaced.
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), BlobError>;
    /// Reads.
    async fn get(&self, name: &str) -> Result<Bytes, BlobError>;
    /// Removes; removing what is not there is no error.
    async fn delete(&self, name: &str) -> Result<(), BlobError>;
    /// All blobs of a folder and of the folders in it, in no order; of a folder that is not there, none. Those that come
    /// or go meanwhile may be missing. An empty name is the folder of all.
    fn list(&self, folder: &str) -> BlobStream;
}
