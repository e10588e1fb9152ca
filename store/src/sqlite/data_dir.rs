//! The data directory: owned by one process, with room left or not.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Locked by the process that owns the directory. What the file holds does not matter.
const LOCK_FILE: &str = "greenroom.lock";
/// How long a look at the free disk is good for.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

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

/// Whether somebody owns a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    /// Nobody does.
    Free,
    /// A process does.
    Taken,
}

/// Looks whether a directory is locked, and leaves no lock behind.
pub fn lock_state(data_dir: &Path) -> io::Result<LockState> {
    let file = match File::open(data_dir.join(LOCK_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LockState::Free),
        Err(error) => return Err(error),
    };
    // A shared one: two who look at once must not take each other for the owner.
    match file.try_lock_shared() {
        Ok(()) => Ok(LockState::Free),
        Err(TryLockError::WouldBlock) => Ok(LockState::Taken),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// What keeps the directory as it is while it is only looked at.
#[derive(Debug)]
pub enum DataDirHold {
    /// Nobody owns it, and nobody will meanwhile. Others may look at it too.
    Held {
        /// The lock; nothing to lock in a directory that never had an owner.
        _file: Option<File>,
    },
    /// A process owns it, and goes on writing.
    Owned,
}

impl DataDirHold {
    /// Takes hold of a directory, unless it has an owner.
    pub fn take(data_dir: &Path) -> io::Result<Self> {
        let file = match File::open(data_dir.join(LOCK_FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Held { _file: None }),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Self::Held { _file: Some(file) }),
            Err(TryLockError::WouldBlock) => Ok(Self::Owned),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
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

/// The room that is left on the disk of a directory.
#[derive(Debug)]
pub struct FreeDisk {
    data_dir: PathBuf,
    min_bytes: u64,
    /// The last look, so that many who ask at once cost one.
    seen: Mutex<Option<(Instant, u64)>>,
}

impl FreeDisk {
    /// Of this directory so much must be free.
    pub fn new(data_dir: PathBuf, min_bytes: u64) -> Self {
        Self {
            data_dir,
            min_bytes,
            seen: Mutex::new(None),
        }
    }

    /// Whether new work may begin; else why not.
    pub async fn check(&self) -> Result<(), String> {
        if self.min_bytes == 0 {
            return Ok(());
        }
        let free_bytes = self.free_bytes().await.map_err(|error| error.to_string())?;
        if free_bytes < self.min_bytes {
            return Err(format!(
                "{free_bytes} bytes of disk are free, {} must be",
                self.min_bytes
            ));
        }
        Ok(())
    }

    async fn free_bytes(&self) -> io::Result<u64> {
        let mut seen = self.seen.lock().await;
        if let Some((at, free_bytes)) = *seen
            && at.elapsed() < LOOK_INTERVAL
        {
            return Ok(free_bytes);
        }
        let data_dir = self.data_dir.clone();
        let look = move || rustix::fs::statvfs(&data_dir).map_err(io::Error::from);
        let disk = tokio::task::spawn_blocking(look)
            .await
            .map_err(io::Error::other)??;
        let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
        *seen = Some((Instant::now(), free_bytes));
        Ok(free_bytes)
    }
}
