//! The playbooks that new sessions may use: the built-in one, and those of `playbook.dir`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use greenroom_session::playbook::{Bundle, CheckedPlaybook, Playbook, PlaybookFault};
use greenroom_session::ports::{BlobError, Blobs};
use include_dir::{Dir, DirEntry, include_dir};

use crate::config::PlaybookSettings;

/// The default playbook ships inside the binary.
static LAUNCH: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/playbooks/launch");

/// Where the default playbook is, in messages.
const BUILT_IN: &str = "built into the server";

/// Bytes of one file of a playbook.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Folders within folders of a playbook.
const DEPTH_MAX: usize = 4;

/// The playbooks, each by its name.
#[derive(Debug)]
pub struct Playbooks {
    by_name: BTreeMap<String, (Arc<Playbook>, Bundle)>,
}

/// Why the playbooks cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaybooksError {
    /// A file or folder cannot be read.
    #[error("playbook.dir: {}: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A playbook has faults.
    #[error("playbook.dir: the playbook {place} is not valid:{}", listed(faults))]
    Invalid {
        /// Where it is.
        place: String,
        /// All of them.
        faults: Vec<PlaybookFault>,
    },
    /// `playbook.default` names none.
    #[error(
        "playbook.default: there is no playbook `{name}`; write one of {present}, or name the folder that holds it in playbook.dir"
    )]
    NoDefault {
        /// What it names.
        name: String,
        /// What there is.
        present: String,
    },
    /// A playbook could not be kept for the sessions that will be pinned to it.
    #[error("a playbook cannot be stored: {0}")]
    NotStored(#[from] BlobError),
}

impl Playbooks {
    /// Reads and validates the built-in playbook and those of the configured folder; answers with every fault of any.
    pub fn load(settings: &PlaybookSettings) -> Result<Self, Vec<PlaybooksError>> {
        let mut playbooks = Self {
            by_name: BTreeMap::new(),
        };
        let mut faults: Vec<_> = playbooks.add(BUILT_IN, built_in()).err().into_iter().collect();
        let folders = settings.dir.as_deref().map_or(Ok(Vec::new()), folders);
        for folder in folders.unwrap_or_else(|error| {
            faults.push(error);
            Vec::new()
        }) {
            let place = folder.display().to_string();
            let added = read_folder(&folder).and_then(|bundle| playbooks.add(&place, bundle));
            faults.extend(added.err());
        }
        if !playbooks.by_name.contains_key(&settings.default) {
            let present = playbooks.names().collect::<Vec<_>>().join(", ");
            faults.push(PlaybooksError::NoDefault {
                name: settings.default.clone(),
                present,
            });
        }
        if faults.is_empty() {
            Ok(playbooks)
        } else {
            Err(faults)
        }
    }

    /// Checks the built-in playbook and those of the configured folder, each with its place.
    pub fn check(settings: &PlaybookSettings) -> Vec<(String, Result<CheckedPlaybook, PlaybooksError>)> {
        let mut checked = vec![(BUILT_IN.to_owned(), Ok(Playbook::check(&built_in())))];
        match settings.dir.as_deref().map_or(Ok(Vec::new()), folders) {
            Ok(folders) => {
                let folders = folders
                    .iter()
                    .map(|folder| (folder.display().to_string(), check_folder(folder)));
                checked.extend(folders);
            }
            Err(error) => checked.push(("playbook.dir".to_owned(), Err(error))),
        }
        checked
    }

    /// Keeps every playbook as a blob under its hash, so that a session that was pinned to it can be folded for as
    /// long as it lives.
    pub async fn store(&self, blobs: &dyn Blobs) -> Result<(), PlaybooksError> {
        for (playbook, bundle) in self.by_name.values() {
            let name = format!("playbooks/{}.json", playbook.reference.hash);
            match blobs.get(&name).await {
                Ok(_) => {}
                Err(BlobError::NotFound) => blobs.put(&name, Bytes::from(bundle.to_json())).await?,
                Err(error @ (BlobError::Unavailable(_) | BlobError::InvalidName)) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// All playbooks.
    pub fn all(&self) -> Vec<Arc<Playbook>> {
        self.by_name
            .values()
            .map(|(playbook, _)| Arc::clone(playbook))
            .collect()
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    fn add(&mut self, place: &str, bundle: Bundle) -> Result<(), PlaybooksError> {
        let playbook = Playbook::from_bundle(&bundle).map_err(|faults| PlaybooksError::Invalid {
            place: place.to_owned(),
            faults,
        })?;
        self.by_name
            .insert(playbook.reference.name.clone(), (Arc::new(playbook), bundle));
        Ok(())
    }
}

/// Checks the playbook of a folder; an error if it cannot be read.
pub fn check_folder(folder: &Path) -> Result<CheckedPlaybook, PlaybooksError> {
    Ok(Playbook::check(&read_folder(folder)?))
}

/// The playbook of a folder, or the built-in one.
pub fn one(folder: Option<&Path>) -> Result<Playbook, PlaybooksError> {
    let (place, bundle) = match folder {
        Some(folder) => (folder.display().to_string(), read_folder(folder)?),
        None => (BUILT_IN.to_owned(), built_in()),
    };
    Playbook::from_bundle(&bundle).map_err(|faults| PlaybooksError::Invalid { place, faults })
}

fn built_in() -> Bundle {
    fn collect(dir: &Dir<'_>, files: &mut BTreeMap<String, String>) {
        for entry in dir.entries() {
            match entry {
                DirEntry::Dir(folder) => collect(folder, files),
                DirEntry::File(file) => {
                    let text = file
                        .contents_utf8()
                        .expect("the built-in playbook is made of texts; a test reads it");
                    files.insert(file.path().to_string_lossy().replace('\\', "/"), text.to_owned());
                }
            }
        }
    }
    let mut files = BTreeMap::new();
    collect(&LAUNCH, &mut files);
    Bundle { files }
}

fn folders(dir: &Path) -> Result<Vec<PathBuf>, PlaybooksError> {
    if !dir.is_dir() {
        let reason = "is no folder; name one that holds a folder for each playbook, or leave the setting out";
        return Err(unreadable(dir, reason));
    }
    let mut folders: Vec<PathBuf> = entries(dir)?.into_iter().filter(|path| path.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

/// Reads a playbook's folder; hidden files, such as an editor's, are left out.
fn read_folder(folder: &Path) -> Result<Bundle, PlaybooksError> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![(folder.to_owned(), 0)];
    while let Some((dir, depth)) = waiting.pop() {
        for path in entries(&dir)? {
            let hidden = path
                .file_name()
                .is_none_or(|name| name.to_string_lossy().starts_with('.'));
            if hidden {
                continue;
            }
            if path.is_dir() {
                if depth == DEPTH_MAX {
                    return Err(unreadable(
                        &path,
                        format!("a playbook has at most {DEPTH_MAX} folders in a row"),
                    ));
                }
                waiting.push((path, depth + 1));
            } else {
                let name = path
                    .strip_prefix(folder)
                    .unwrap_or(&path)
                    .to_string_lossy()
                    .replace('\\', "/");
                files.insert(name, read_file(&path)?);
            }
        }
    }
    Ok(Bundle { files })
}

fn read_file(path: &Path) -> Result<String, PlaybooksError> {
    let size_bytes = std::fs::metadata(path)
        .map_err(|error| unreadable(path, error))?
        .len();
    if size_bytes > FILE_BYTES_MAX {
        return Err(unreadable(
            path,
            format!("a file of a playbook has at most {FILE_BYTES_MAX} bytes"),
        ));
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(path, error))
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, PlaybooksError> {
    let entries = std::fs::read_dir(dir).map_err(|error| unreadable(dir, error))?;
    entries
        .map(|entry| {
            entry
                .map(|entry| entry.path())
                .map_err(|error| unreadable(dir, error))
        })
        .collect()
}

fn unreadable(path: &Path, reason: impl std::fmt::Display) -> PlaybooksError {
    let reason = format!("{reason}");
    PlaybooksError::Unreadable {
        path: path.to_owned(),
        reason,
    }
}

fn listed(faults: &[PlaybookFault]) -> String {
    let lines: Vec<String> = faults.iter().map(|fault| format!("\n    - {fault}")).collect();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(dir: Option<&Path>, default: &str) -> PlaybookSettings {
        PlaybookSettings {
            dir: dir.map(Path::to_owned),
            default: default.to_owned(),
        }
    }

    fn told(faults: &[PlaybooksError]) -> Vec<String> {
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_built_in_playbook_is_valid_and_the_default() {
        let playbooks = Playbooks::load(&settings(None, "launch")).unwrap();
        assert_eq!(playbooks.names().collect::<Vec<_>>(), ["launch"]);
    }

    #[test]
    fn a_default_that_does_not_exist_is_told_with_what_there_is() {
        let faults = Playbooks::load(&settings(None, "lunch")).unwrap_err();
        assert_eq!(
            told(&faults),
            [
                "playbook.default: there is no playbook `lunch`; write one of launch, or name the folder that \
              holds it in playbook.dir"
            ]
        );
    }

    #[test]
    fn a_folder_that_is_none_is_told_with_what_to_name() {
        let faults = Playbooks::load(&settings(Some(Path::new("/nonexistent")), "launch")).unwrap_err();
        assert_eq!(
            told(&faults),
            [
                "playbook.dir: /nonexistent: is no folder; name one that holds a folder for each playbook, or \
              leave the setting out"
            ]
        );
    }

    #[test]
    fn a_folder_of_the_same_name_takes_the_place_of_the_built_in_one() {
        let dir = tempfile::tempdir().unwrap();
        let mut bundle = built_in();
        let planner = bundle.files.get_mut("prompts/planner.md").unwrap();
        planner.push_str("\nBe brief.\n");
        for (name, text) in &bundle.files {
            let path = dir.path().join("mine").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::fs::write(dir.path().join("mine/.hidden"), "x").unwrap();
        let playbooks = Playbooks::load(&settings(Some(dir.path()), "launch")).unwrap();
        assert_eq!(playbooks.all()[0].reference.hash, bundle.hash());
    }

    #[test]
    fn every_bad_playbook_is_told_with_its_place_and_every_fault() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["bad", "worse"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
            std::fs::write(dir.path().join(name).join("playbook.toml"), "name = 'bad'").unwrap();
        }
        let faults = Playbooks::load(&settings(Some(dir.path()), "lunch")).unwrap_err();
        let faults = told(&faults);
        assert_eq!(faults.len(), 3, "{faults:?}");
        for (fault, name) in faults.iter().zip(["bad", "worse"]) {
            assert!(
                fault.starts_with("playbook.dir: ")
                    && fault.contains(&format!("{name} is not valid:\n    - "))
                    && fault.contains("\n    - playbook.toml: "),
                "{fault}"
            );
        }
        assert!(faults[2].starts_with("playbook.default: "), "{faults:?}");
    }
}
