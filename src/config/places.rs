//! Where each setting was made, for faults that are found only when what it names is used.

use std::collections::BTreeMap;

use super::layers::Entry;

/// The settings that were made, each with its place, such as `greenroom.toml:5`.
#[derive(Debug, Clone, Default)]
pub struct Places(BTreeMap<String, String>);

impl Places {
    /// The first entry of a setting is the one that counts.
    pub(super) fn of(entries: &[Entry]) -> Self {
        let places = entries.iter().rev();
        Self(
            places
                .map(|entry| (entry.key.clone(), entry.source.to_string()))
                .collect(),
        )
    }

    /// Where a setting was made, if it was.
    pub fn of_setting(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Where the setting was made that a message begins with: `playbook.dir: …`.
    pub fn told_by(&self, message: &str) -> Option<&str> {
        let (key, _) = message.split_once(':')?;
        self.of_setting(key)
    }
}
