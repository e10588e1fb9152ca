//! The launch playbook, as the extractor and the support rule are measured on it.

use std::collections::BTreeMap;
use std::path::Path;

use greenroom_session::playbook::{Bundle, Playbook};

fn read_files(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            read_files(&path, &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// Reads and validates the playbook.
pub fn playbook() -> Playbook {
    let mut files = BTreeMap::new();
    read_files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../playbooks/launch"),
        "",
        &mut files,
    );
    Playbook::from_bundle(&Bundle { files }).unwrap_or_else(|faults| panic!("{faults:#?}"))
}
