//! The data directory: owned by one process, with room left or not.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

/// Locked by the process that owns the directory. What the file holds does not matter.
const LOCK_FILE: &str = "greenroom.lock";

/// Keeps other processes out of the data directory for as long as it lives.
#[derive(Debug)]
pub struct DataDirLock {
    _file: File,
}

/// Why the data directory is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("another process has it")]
    Taken,
    /// The lock cannot be used.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl DataDirLock {
    /// Locks the directory, which must exist. The system frees the lock when the process ends, however it ends.
    pub fn take(data_dir: &Path) -> Result<Self, LockError> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(data_dir.join(LOCK_FILE))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Taken),
            Err(TryLockError::Error(error)) => Err(LockError::Io(error)),
        }
    }
}

/// Bytes that are free for us on the disk of a directory.
pub fn free_bytes(data_dir: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(data_dir)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
