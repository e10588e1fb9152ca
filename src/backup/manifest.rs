//! What is in a backup, so that a damaged one is found out before it is used.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Component, Path};
use std::time::UNIX_EPOCH;

use greenroom_protocol::Timestamp;
use greenroom_session::ports::Clock as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::system::SystemClock;

/// Its name in the backup. Written last.
pub const MANIFEST_FILE: &str = "manifest.json";

/// Everything that is in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The release that made it.
    pub greenroom: String,
    /// When.
    pub created_at: Timestamp,
    /// Its files.
    pub files: Vec<FileEntry>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Where it is, from the backup's folder on.
    pub name: String,
    /// Its size.
    pub size_bytes: u64,
    /// When it was written.
    pub modified_ms: u64,
    /// What it holds, in hexadecimal digits.
    pub sha256: String,
}

impl FileEntry {
    /// The entry of a file that is there. One that an earlier backup knows is not read again, for that would be reading
    /// all blobs for every backup.
    pub fn of(folder: &Path, name: String, known: &HashMap<String, Self>) -> io::Result<Self> {
        let path = folder.join(&name);
        let metadata = path.metadata()?;
        let size_bytes = metadata.len();
        let since_1970 = metadata.modified()?.duration_since(UNIX_EPOCH);
        let modified_ms = since_1970.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        let known = known
            .get(&name)
            .filter(|known| known.size_bytes == size_bytes && known.modified_ms == modified_ms);
        let sha256 = match known {
            Some(known) => known.sha256.clone(),
            None => digest(&path)?,
        };
        Ok(Self {
            name,
            size_bytes,
            modified_ms,
            sha256,
        })
    }
}

impl Manifest {
    /// Of these files, made now.
    pub fn new(files: Vec<FileEntry>) -> Self {
        Self {
            greenroom: env!("CARGO_PKG_VERSION").to_owned(),
            created_at: SystemClock.now(),
            files,
        }
    }

    /// Of a backup.
    pub fn read(backup: &Path) -> io::Result<Self> {
        let text = std::fs::read(backup.join(MANIFEST_FILE))?;
        let invalid = |reason| io::Error::new(io::ErrorKind::InvalidData, reason);
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| invalid(error.to_string()))?;
        let leaves = |file: &&FileEntry| {
            let mut parts = Path::new(&file.name).components();
            !parts.all(|part| matches!(part, Component::Normal(_)))
        };
        match manifest.files.iter().find(leaves) {
            Some(file) => Err(invalid(format!(
                "it names a file outside of the backup: {}",
                file.name
            ))),
            None => Ok(manifest),
        }
    }

    /// Writes it into a backup; durable when it returns.
    pub fn write(&self, backup: &Path) -> io::Result<()> {
        let mut file = File::create_new(backup.join(MANIFEST_FILE))?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()
    }

    /// Its files by their names.
    pub fn into_files(self) -> HashMap<String, FileEntry> {
        let files = self.files.into_iter();
        files.map(|file| (file.name.clone(), file)).collect()
    }
}

/// What a file holds, in hexadecimal digits.
pub fn digest(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(format!("{:x}", hasher.finalize()))
}
