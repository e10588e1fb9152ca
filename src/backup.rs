//! `greenroom backup` and `greenroom restore`: whole copies of a data directory, each complete in a folder of its own.
//!
//! A copy is made while a server writes. Blobs never change and are stored before anything names them, so they are taken
//! before the database and again after it; a disk that can link files holds each blob once, however many copies there are.

mod copy;
mod manifest;
mod restore;
mod rotation;

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use greenroom_store::{CopyError, copy_database};
use jiff::Timestamp;

use crate::cli::{BackupArgs, RestoreArgs};
use copy::{Copied, copy_blobs};
use manifest::{FileEntry, Manifest};
use restore::RestoreError;
use rotation::{BackupName, outdated};

/// Locked by the process that works on a folder of backups.
const LOCK_FILE: &str = "backup.lock";
/// What the name of a backup begins with that is not complete.
const PARTIAL_PREFIX: &str = ".partial-";
/// The folder of the blobs, in a data directory and in a backup.
const BLOBS_FOLDER: &str = "blobs";
/// What the files of databases end with.
const DATABASE_SUFFIX: &str = ".sqlite";

/// Why there is no new backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no data to copy.
    #[error("{} is no data directory: there is no database in it", data_dir.display())]
    NoData {
        /// Where it was looked for.
        data_dir: PathBuf,
    },
    /// Another backup is being made.
    #[error("another process works on the backups in {}", folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder has a backup of this second.
    #[error("there is a backup of this second already: {}", backup.display())]
    Exists {
        /// Which.
        backup: PathBuf,
    },
    /// A database cannot be copied.
    #[error("a database cannot be copied: {0}")]
    Database(#[from] CopyError),
    /// Something cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl BackupError {
    /// What is wrong with a path.
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// Makes a backup, says where it is, and throws away those that need not be kept.
pub async fn run(args: &BackupArgs) -> Result<(), BackupError> {
    let began = Instant::now();
    let _lock = lock(&args.to)?;
    let name = BackupName::of(Timestamp::now());
    let backup = args.to.join(name.to_string());
    if backup.exists() {
        return Err(BackupError::Exists { backup });
    }
    let existing = backups(&args.to)?;
    let partial = args.to.join(format!("{PARTIAL_PREFIX}{name}"));
    make_folder(&partial).map_err(BackupError::at(&partial))?;
    let previous = existing.last().map(|name| args.to.join(name.to_string()));
    let manifest = fill(&args.data_dir, &partial, previous).await?;
    std::fs::rename(&partial, &backup).map_err(BackupError::at(&backup))?;
    sync_folder(&args.to).map_err(BackupError::at(&args.to))?;
    tell(&format!(
        "{}: {} files, {:.1} MB, in {:.1} s",
        backup.display(),
        manifest.files.len(),
        megabytes(manifest.files.iter().map(|file| file.size_bytes).sum()),
        began.elapsed().as_secs_f64()
    ));
    let mut all = existing;
    all.push(name);
    for name in outdated(&all, args.keep_hourly, args.keep_daily) {
        let folder = args.to.join(name.to_string());
        std::fs::remove_dir_all(&folder).map_err(BackupError::at(&folder))?;
        tell(&format!("{}: removed, as newer ones are kept", folder.display()));
    }
    Ok(())
}

/// Prints a line. That nobody reads on keeps no backup from being made, and no old one.
fn tell(line: &str) {
    // A closed pipe is the reader's choice.
    let _closed = writeln!(io::stdout(), "{line}");
}

/// Makes a data directory of a backup.
pub async fn restore(args: &RestoreArgs) -> Result<(), RestoreError> {
    restore::run(args).await
}

/// Copies everything into an empty folder, and lists it there.
async fn fill(data_dir: &Path, folder: &Path, previous: Option<PathBuf>) -> Result<Manifest, BackupError> {
    let databases = databases(data_dir)?;
    if databases.is_empty() {
        return Err(BackupError::NoData {
            data_dir: data_dir.to_owned(),
        });
    }
    // One that cannot be read only costs time.
    let known = previous
        .as_deref()
        .and_then(|previous| Manifest::read(previous).ok());
    let known = known.map(Manifest::into_files).unwrap_or_default();
    let blobs = || async {
        let (from, to) = (data_dir.join(BLOBS_FOLDER), folder.join(BLOBS_FOLDER));
        let previous = previous.as_ref().map(|previous| previous.join(BLOBS_FOLDER));
        blocking(&from.clone(), move || copy_blobs(&from, &to, previous.as_deref())).await
    };
    // What a session has that is erased meanwhile is named by the database and gone afterwards.
    let mut copied: Copied = blobs().await?;
    for database in &databases {
        copy_database(data_dir, database, &folder.join(database)).await?;
    }
    copied.extend(blobs().await?);
    let folder = folder.to_owned();
    blocking(&folder.clone(), move || {
        let mut files = Vec::new();
        for database in databases {
            files.push(FileEntry::of(&folder, database, &known)?);
        }
        for name in copied {
            files.push(FileEntry::of(&folder, format!("{BLOBS_FOLDER}/{name}"), &known)?);
        }
        let manifest = Manifest::new(files);
        manifest.write(&folder)?;
        sync_folder(&folder)?;
        Ok(manifest)
    })
    .await
}

/// Runs what waits for the disk where it keeps nobody else waiting.
async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, BackupError> {
    let worked = tokio::task::spawn_blocking(work).await;
    worked
        .map_err(io::Error::other)
        .flatten()
        .map_err(BackupError::at(path))
}

/// The files of databases in a data directory.
fn databases(data_dir: &Path) -> Result<Vec<String>, BackupError> {
    let entries = match std::fs::read_dir(data_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(BackupError::at(data_dir)(error)),
    };
    let mut databases = Vec::new();
    for entry in entries {
        let name = entry.map_err(BackupError::at(data_dir))?.file_name();
        databases.extend(
            name.into_string()
                .ok()
                .filter(|name| name.ends_with(DATABASE_SUFFIX)),
        );
    }
    databases.sort();
    Ok(databases)
}

/// Makes the folder if need be, keeps others out of it, and removes what one that was killed has left.
fn lock(folder: &Path) -> Result<File, BackupError> {
    std::fs::create_dir_all(folder).map_err(BackupError::at(folder))?;
    let path = folder.join(LOCK_FILE);
    let file = File::create(&path).map_err(BackupError::at(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            return Err(BackupError::Busy {
                folder: folder.to_owned(),
            });
        }
        Err(std::fs::TryLockError::Error(error)) => return Err(BackupError::at(&path)(error)),
    }
    for name in names_in(folder).map_err(BackupError::at(folder))? {
        if name.starts_with(PARTIAL_PREFIX) {
            let partial = folder.join(name);
            std::fs::remove_dir_all(&partial).map_err(BackupError::at(&partial))?;
        }
    }
    Ok(file)
}

/// The backups in a folder, oldest first.
fn backups(folder: &Path) -> Result<Vec<BackupName>, BackupError> {
    let names = names_in(folder).map_err(BackupError::at(folder))?;
    let mut backups: Vec<BackupName> = names.iter().filter_map(|name| name.parse().ok()).collect();
    backups.sort();
    Ok(backups)
}

fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}

/// A folder that is its owner's alone: people's words are in it.
fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[expect(clippy::cast_precision_loss, reason = "it is shown with one decimal")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}

#[cfg(test)]
mod tests;
