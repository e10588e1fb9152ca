//! Reads `greenroom.toml` into settings that know their line.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::ConfigFault;
use super::layers::{Entry, Raw, Source};

/// The settings of a file, or what is wrong with it.
pub(super) fn read(path: &Path, text: &str) -> (Vec<Entry>, Vec<ConfigFault>) {
    let source = |offset: usize| Source::File {
        path: path.to_owned(),
        line: line_of(text, offset),
    };
    let mut entries = Vec::new();
    let mut faults = Vec::new();
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let offset = error.span().map_or(0, |span| span.start);
            faults.push(ConfigFault::new(
                format!("not TOML: {}", error.message()),
                source(offset),
            ));
            return (entries, faults);
        }
    };
    for (section, value) in root.get_ref() {
        let Some(table) = value.get_ref().as_table() else {
            // Reported as unknown: no setting stands outside a section.
            let key = section.get_ref().to_string();
            entries.push(Entry {
                key,
                raw: raw(value.get_ref()),
                source: source(section.span().start),
            });
            continue;
        };
        for (name, value) in table {
            let key = format!("{}.{}", section.get_ref(), name.get_ref());
            entries.push(Entry {
                key,
                raw: raw(value.get_ref()),
                source: source(name.span().start),
            });
        }
    }
    (entries, faults)
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::String(text.to_string()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            parsed.map_or(Raw::Other("a number out of range"), Raw::Integer)
        }
        DeValue::Array(items) => {
            let texts = items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned));
            texts
                .collect::<Option<Vec<_>>>()
                .map_or(Raw::Other("a list of other things than strings"), Raw::List)
        }
        DeValue::Float(_) => Raw::Other("a number with a fraction"),
        DeValue::Boolean(_) => Raw::Other("a truth value"),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
