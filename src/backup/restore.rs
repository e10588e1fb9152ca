//! A data directory from a backup: whole, and verified if it is of this release, or not at all.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use greenroom_store::{DataDirState, StoreOpenError, inspect};

use super::copy::copy_file;
use super::manifest::{MANIFEST_FILE, Manifest, digest};
use super::{BackupError, backups, blocking, make_folder, megabytes, sync_folder};
use crate::cli::RestoreArgs;
use crate::verify::{Report, VerifyError, verify};

/// Why nothing was restored, or not what was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is no backup.
    #[error("{} is no backup, and has none in it", from.display())]
    NoBackup {
        /// Where it was looked for.
        from: PathBuf,
    },
    /// A server has the data directory.
    #[error("{} is in use by a server: stop it, and move its data away", data_dir.display())]
    InUse {
        /// Which.
        data_dir: PathBuf,
    },
    /// There is something in the data directory.
    #[error("{} is not empty: move away what is in it, or name another directory", data_dir.display())]
    NotEmpty {
        /// Which.
        data_dir: PathBuf,
    },
    /// A file of the backup is not what it was.
    #[error("{} is damaged: it does not hold what was backed up; use another backup", file.display())]
    Damaged {
        /// Which.
        file: PathBuf,
    },
    /// What was restored does not agree with itself.
    #[error("everything was restored, and the backup had these findings already:\n{0}")]
    Findings(String),
    /// Something cannot be read or written.
    #[error(transparent)]
    Files(#[from] BackupError),
    /// The data directory cannot be looked at.
    #[error(transparent)]
    Open(#[from] StoreOpenError),
    /// What was restored cannot be looked at.
    #[error("what was restored cannot be verified: {0}")]
    Verify(#[from] VerifyError),
}

/// Restores, verifies, and says how long that took.
pub async fn run(args: &RestoreArgs) -> Result<(), RestoreError> {
    let began = Instant::now();
    let backup = chosen(&args.from)?;
    require_empty(&args.data_dir).await?;
    let manifest = Manifest::read(&backup).map_err(BackupError::at(&backup.join(MANIFEST_FILE)))?;
    let partial = partial_of(&args.data_dir);
    match std::fs::remove_dir_all(&partial) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(BackupError::at(&partial)(error).into()),
    }
    let size_bytes: u64 = manifest.files.iter().map(|file| file.size_bytes).sum();
    let files = manifest.files.len();
    let damaged = {
        let (backup, partial) = (backup.clone(), partial.clone());
        blocking(&partial.clone(), move || fill(&backup, &manifest, &partial)).await?
    };
    if let Some(file) = damaged {
        return Err(RestoreError::Damaged {
            file: backup.join(file),
        });
    }
    let copied = began.elapsed();
    let verifying = Instant::now();
    let report = report_of(&partial).await?;
    let verified = verifying.elapsed();
    install(&partial, &args.data_dir).map_err(BackupError::at(&args.data_dir))?;
    print!(
        "{}: {} files, {:.1} MB of {}, copied in {:.1} s",
        args.data_dir.display(),
        files,
        megabytes(size_bytes),
        backup.display(),
        copied.as_secs_f64(),
    );
    let Some(report) = report else {
        println!("; an older release made it: start the server on it once, then run `greenroom verify`");
        return Ok(());
    };
    println!(
        " and verified in {:.1} s: {} sessions, {} events",
        verified.as_secs_f64(),
        report.counts.sessions,
        report.counts.events,
    );
    told(&report, &args.data_dir)
}

/// What was found, unless an older release made the backup: its files are what they were, and nobody can say more until
/// a server has brought it up to date.
async fn report_of(data_dir: &Path) -> Result<Option<Report>, VerifyError> {
    match verify(data_dir).await {
        Ok(report) => Ok(Some(report)),
        Err(VerifyError::Open(StoreOpenError::SchemaOlder { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

fn told(report: &Report, data_dir: &Path) -> Result<(), RestoreError> {
    if report.findings.is_empty() {
        Ok(())
    } else {
        Err(RestoreError::Findings(report.to_text(data_dir)))
    }
}

/// The backup that is meant: this one, or the newest in the folder.
fn chosen(from: &Path) -> Result<PathBuf, RestoreError> {
    if from.join(MANIFEST_FILE).is_file() {
        return Ok(from.to_owned());
    }
    let none = || RestoreError::NoBackup {
        from: from.to_owned(),
    };
    let all = backups(from).map_err(|_| none())?;
    let newest = all.last().ok_or_else(none)?;
    Ok(from.join(newest.to_string()))
}

async fn require_empty(data_dir: &Path) -> Result<(), RestoreError> {
    if inspect(data_dir).await? == DataDirState::InUse {
        return Err(RestoreError::InUse {
            data_dir: data_dir.to_owned(),
        });
    }
    let is_empty = match std::fs::read_dir(data_dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(BackupError::at(data_dir)(error).into()),
    };
    if is_empty {
        return Ok(());
    }
    Err(RestoreError::NotEmpty {
        data_dir: data_dir.to_owned(),
    })
}

/// Where a data directory is made ready, on the same disk.
fn partial_of(data_dir: &Path) -> PathBuf {
    let mut name = data_dir.as_os_str().to_owned();
    name.push(".restoring");
    PathBuf::from(name)
}

/// Copies all files, none of which the restored data share with the backup. Names the first that is not what it was.
fn fill(backup: &Path, manifest: &Manifest, folder: &Path) -> io::Result<Option<String>> {
    make_folder(folder)?;
    let mut folders = vec![folder.to_owned()];
    for file in &manifest.files {
        let (from, to) = (backup.join(&file.name), folder.join(&file.name));
        if let Some(parent) = to.parent()
            && !parent.is_dir()
        {
            make_folder(parent)?;
            folders.push(parent.to_owned());
        }
        match copy_file(&from, &to) {
            Ok(()) if digest(&to)? == file.sha256 => {}
            Ok(()) => return Ok(Some(file.name.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(file.name.clone())),
            Err(error) => return Err(error),
        }
    }
    make_folder(&folder.join(super::BLOBS_FOLDER))?;
    folders.iter().try_for_each(|folder| sync_folder(folder))?;
    Ok(None)
}

/// Puts the directory in its place.
fn install(partial: &Path, data_dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir(data_dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    std::fs::rename(partial, data_dir)?;
    match data_dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        Some(_) | None => sync_folder(Path::new(".")),
    }
}
