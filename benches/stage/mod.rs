//! What the benchmarks of the root package play with: the launch playbook as it lies in the tree, and the real clock.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use greenroom_protocol::Timestamp;
use greenroom_session::playbook::{Bundle, Playbook};
use greenroom_session::ports::Clock;

/// The launch playbook.
pub fn launch() -> Arc<Playbook> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/launch");
    let mut files = BTreeMap::new();
    read_folder(&folder, "", &mut files);
    Arc::new(Playbook::from_bundle(&Bundle { files }).expect("a sound playbook"))
}

fn read_folder(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            read_folder(&path, &format!("{prefix}{name}/"), files);
        } else {
            let text = std::fs::read_to_string(&path).expect("a text");
            files.insert(format!("{prefix}{name}"), text);
        }
    }
}

/// The system's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        Timestamp::from_unix_ms(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }
}
