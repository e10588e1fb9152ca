//! Takes typed settings out of the layers, and notes everything that is wrong on the way.

use std::str::FromStr;

use secrecy::SecretString;

use super::layers::{Entry, Layers, Raw, Source, environment_name};
use super::{ConfigFault, Places};

/// How alike two names must be for one to be a guess at the other (Jaro-Winkler, 0 to 1).
const LIKENESS_MIN: f64 = 0.75;

/// Reads settings by key. Every key that was asked for is a known one.
pub(super) struct Reader {
    entries: Vec<Entry>,
    known: Vec<&'static str>,
    faults: Vec<ConfigFault>,
}

impl Reader {
    pub(super) fn new(layers: Layers) -> Self {
        Self {
            entries: layers.entries,
            known: Vec::new(),
            faults: layers.faults,
        }
    }

    /// A text, not empty.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.parse(key, "a text that is not empty", |text| {
            (!text.trim().is_empty()).then(|| text.to_owned())
        })
    }

    /// Anything that has a textual form, described by `expected`.
    pub(super) fn value<T: FromStr>(&mut self, key: &'static str, expected: &str) -> Option<T> {
        self.parse(key, expected, |text| text.trim().parse().ok())
    }

    /// A whole number within a range.
    pub(super) fn number(&mut self, key: &'static str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.take(key, &expected, |raw| {
            let number = match raw {
                Raw::Integer(number) => u64::try_from(*number).ok(),
                Raw::Text(text) => text.trim().parse().ok(),
                Raw::String(_) | Raw::List(_) | Raw::Other(_) => None,
            };
            number.filter(|number| range.contains(number))
        })
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, options: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
        let expected = format!("one of {}", names.join(", "));
        self.parse(key, &expected, |text| {
            options
                .iter()
                .find(|(name, _)| *name == text.trim())
                .map(|(_, option)| *option)
        })
    }

    /// A list; in the environment its items are separated by commas. A bad item is a fault of its own.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        item: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let texts: Vec<String> = self.take(key, "a list of texts", |raw| match raw {
            Raw::List(texts) => Some(texts.clone()),
            Raw::Text(text) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Some(items.map(str::to_owned).collect())
            }
            Raw::String(_) | Raw::Integer(_) | Raw::Other(_) => None,
        })?;
        let mut items = Vec::with_capacity(texts.len());
        for text in texts {
            match item(text.trim()) {
                Some(item) => items.push(item),
                None => self.fault(key, &format!("`{text}` is not {expected}")),
            }
        }
        Some(items)
    }

    /// A secret; it is never repeated in a fault.
    pub(super) fn secret(&mut self, key: &'static str) -> Option<SecretString> {
        self.known.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        match &entry.raw {
            Raw::Text(text) | Raw::String(text) if !text.trim().is_empty() => {
                Some(SecretString::from(text.trim().to_owned()))
            }
            Raw::Text(_) | Raw::String(_) | Raw::Integer(_) | Raw::List(_) | Raw::Other(_) => {
                self.fault(key, "must be a text that is not empty");
                None
            }
        }
    }

    /// Notes that a setting is wrong, at the place where it was made, if it was made at all.
    pub(super) fn fault(&mut self, key: &str, problem: &str) {
        let message = format!("{key}: {problem}");
        let source = self
            .entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| entry.source.to_string());
        self.faults.push(ConfigFault { message, source });
    }

    /// Refuses settings of the file that only the environment may make.
    pub(super) fn refuse_in_file(&mut self, key: &str) {
        for entry in self.entries.iter().filter(|entry| entry.key == key) {
            if let Source::File { .. } = entry.source {
                let message = format!(
                    "{key}: a key does not belong into a file that is copied and committed; set {} in the \
                     environment or in .env, and replace the key if others have seen this file",
                    environment_name(key)
                );
                self.faults.push(ConfigFault::new(message, &entry.source));
            }
        }
    }

    /// Where the settings were made.
    pub(super) fn places(&self) -> Places {
        Places::of(&self.entries)
    }

    /// All faults, those of unknown keys included.
    pub(super) fn finish(mut self) -> Vec<ConfigFault> {
        for entry in &self.entries {
            if !self.known.contains(&entry.key.as_str()) {
                self.faults.push(unknown(entry, &self.known));
            }
        }
        self.faults
    }

    fn parse<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.take(key, expected, |raw| match raw {
            Raw::Text(text) | Raw::String(text) => parse(text),
            Raw::Integer(_) | Raw::List(_) | Raw::Other(_) => None,
        })
    }

    fn take<T>(&mut self, key: &'static str, expected: &str, read: impl Fn(&Raw) -> Option<T>) -> Option<T> {
        self.known.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        let value = read(&entry.raw);
        if value.is_none() {
            let written = match &entry.raw {
                Raw::Text(text) | Raw::String(text) => format!("`{text}`"),
                Raw::Integer(number) => number.to_string(),
                Raw::List(_) => "a list".to_owned(),
                Raw::Other(kind) => (*kind).to_owned(),
            };
            self.fault(key, &format!("expected {expected}, found {written}"));
        }
        value
    }
}

fn unknown(entry: &Entry, known: &[&'static str]) -> ConfigFault {
    let in_file = matches!(entry.source, Source::File { .. });
    let spelled = |key: &str| {
        if in_file {
            key.to_owned()
        } else {
            environment_name(key)
        }
    };
    let nearest = known
        .iter()
        .map(|key| (strsim::jaro_winkler(key, &entry.key), *key))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(left, _), (right, _)| left.total_cmp(right));
    let hint = match nearest {
        Some((_, key)) => format!("; did you mean `{}`?", spelled(key)),
        None => format!("; the known ones are {}", known.join(", ")),
    };
    ConfigFault::new(
        format!("there is no setting `{}`{hint}", spelled(&entry.key)),
        &entry.source,
    )
}
