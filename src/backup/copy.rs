//! The blobs of a data directory, taken over into a backup: linked where the disk can, copied where it cannot.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;

use super::{make_folder, sync_folder};

/// The names of blobs that were taken over.
pub type Copied = BTreeSet<String>;

/// Takes over all blobs that are not there yet; which are there then. What goes away meanwhile is left out, and so is what
/// is still being written.
pub fn copy_blobs(from: &Path, to: &Path, previous: Option<&Path>) -> io::Result<Copied> {
    let mut copied = Copied::new();
    copy_folder(from, to, previous, "", &mut copied)?;
    Ok(copied)
}

fn copy_folder(
    from: &Path,
    to: &Path,
    previous: Option<&Path>,
    prefix: &str,
    copied: &mut Copied,
) -> io::Result<()> {
    let entries = match std::fs::read_dir(from.join(prefix)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let folder = to.join(prefix);
    make_folder(&folder)?;
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let name = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            copy_folder(from, to, previous, &format!("{name}/"), copied)?;
        } else if !name.contains('#')
            && is_taken_over(
                &from.join(&name),
                &to.join(&name),
                previous.map(|previous| previous.join(&name)).as_deref(),
            )?
        {
            copied.insert(name);
        }
    }
    sync_folder(&folder)
}

/// Takes one blob over. Whether it is there now.
fn is_taken_over(from: &Path, to: &Path, previous: Option<&Path>) -> io::Result<bool> {
    match std::fs::hard_link(from, to) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        // Another disk, or one that cannot link.
        Err(_) => {}
    }
    if let Some(previous) = previous
        && is_same(from, previous)
        && std::fs::hard_link(previous, to).is_ok()
    {
        return Ok(true);
    }
    match copy_file(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether two files are one and the same blob: it never changes under its name.
fn is_same(one: &Path, other: &Path) -> bool {
    let (Ok(one), Ok(other)) = (one.metadata(), other.metadata()) else {
        return false;
    };
    one.len() == other.len() && one.modified().ok() == other.modified().ok()
}

/// Copies a file with its time; durable when it returns.
pub fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut copy = File::create_new(to)?;
    io::copy(&mut source, &mut copy)?;
    copy.set_modified(source.metadata()?.modified()?)?;
    copy.sync_all()
}
