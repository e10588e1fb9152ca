//! A TOML file read key by key: every fault is noted with its place, and reading goes on.

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Faults, Place, Told};

/// Words that a hint lists; whoever is far from all of them is not helped by more.
const LISTED_MAX: usize = 12;

/// One TOML file.
pub(super) struct Document<'a> {
    name: &'a str,
    text: &'a str,
    root: DeTable<'a>,
    faults: &'a Faults,
}

impl<'a> Document<'a> {
    /// Parses a file; breaches of TOML's own syntax are noted, and leave nothing to read.
    pub(super) fn parse(name: &'a str, text: &'a str, faults: &'a Faults) -> Option<Self> {
        let (root, errors) = DeTable::parse_recoverable(text);
        let document = Self {
            name,
            text,
            root: root.into_inner(),
            faults,
        };
        for error in &errors {
            let place = error.span().map(|span| document.place(&span));
            faults.error(name, place, format!("this is not TOML: {}", error.message()));
        }
        errors.is_empty().then_some(document)
    }

    /// The file's outermost table.
    pub(super) fn root(&self) -> Section<'_> {
        Section {
            document: self,
            table: &self.root,
            at: None,
            known: RefCell::default(),
        }
    }

    fn place(&self, span: &Range<usize>) -> Place {
        Place::of(self.text, span.start)
    }
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) at: Place,
}

/// One table of a file. Every key that is asked for counts as known; [`Section::close`] reports the others.
///
/// A required key that is missing or unfit is noted as a fault and read as `None`, so that the caller can go on
/// reading and give up at the end.
pub(super) struct Section<'a> {
    document: &'a Document<'a>,
    table: &'a DeTable<'a>,
    /// Where the table begins; none for the file itself.
    at: Option<Place>,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    /// Notes a fault in this file.
    pub(super) fn fault(&self, at: Option<Place>, told: impl Into<Told>) {
        self.document.faults.error(self.document.name, at, told);
    }

    /// Notes what does no harm but was hardly meant.
    pub(super) fn warn(&self, at: Option<Place>, told: impl Into<Told>) {
        self.document.faults.warning(self.document.name, at, told);
    }

    /// Where the table begins; none for the file itself.
    pub(super) fn at(&self) -> Option<Place> {
        self.at
    }

    /// Where a key stands, or else the table.
    pub(super) fn place_of(&self, key: &str) -> Option<Place> {
        let key = self
            .table
            .get_key_value(key)
            .map(|(key, _)| self.document.place(&key.span()));
        key.or(self.at)
    }

    /// A text that must be there and say something.
    pub(super) fn text(&self, key: &'static str) -> Option<Located<String>> {
        self.required(key, "a text in quotes")?;
        self.optional_text(key)
    }

    /// A text that may be left out, but not blank.
    pub(super) fn optional_text(&self, key: &'static str) -> Option<Located<String>> {
        let value = self.get(key)?;
        self.text_of(key, value)
    }

    /// A list of texts; empty if it is left out.
    pub(super) fn texts(&self, key: &'static str) -> Vec<Located<String>> {
        let Some(items) = self.array(key, "a list of texts in quotes, such as [\"a\", \"b\"]") else {
            return Vec::new();
        };
        items.iter().filter_map(|item| self.text_of(key, item)).collect()
    }

    /// A whole number in a range, which must be there.
    pub(super) fn integer(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let (low, high) = (*range.start(), *range.end());
        let wanted = if high == u64::MAX {
            format!("a whole number of at least {low}")
        } else {
            format!("a whole number from {low} to {high}")
        };
        self.required(key, &wanted)?;
        self.optional_integer(key, range, &wanted)
    }

    /// A whole number in a range, or `default` if it is left out.
    pub(super) fn integer_or(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Option<u64> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        match self.get(key) {
            Some(_) => self.optional_integer(key, range, &wanted),
            None => Some(default),
        }
    }

    /// A list of whole numbers; empty if it is left out.
    pub(super) fn integers(&self, key: &'static str) -> Vec<i64> {
        let wanted = "a list of whole numbers, such as [5, 10]";
        let Some(items) = self.array(key, wanted) else {
            return Vec::new();
        };
        let number = |item: &'a Spanned<DeValue<'a>>| match whole_number(item.get_ref()) {
            Some(number) => Some(number),
            None => self.unfit(key, item, wanted),
        };
        items.iter().filter_map(number).collect()
    }

    /// A number, which may be left out.
    pub(super) fn optional_number(&self, key: &'static str) -> Option<Located<f64>> {
        let item = self.get(key)?;
        let number = match item.get_ref() {
            DeValue::Float(float) => float
                .as_str()
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite()),
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().parse().ok(),
            _ => None,
        };
        match number {
            Some(value) => Some(Located {
                value,
                at: self.document.place(&item.span()),
            }),
            None => self.unfit(key, item, "a number such as 0.7"),
        }
    }

    /// A number, which must be there.
    pub(super) fn number(&self, key: &'static str) -> Option<Located<f64>> {
        self.required(key, "a number such as 0.7")?;
        self.optional_number(key)
    }

    /// `true` or `false`, or `default` if it is left out.
    pub(super) fn flag(&self, key: &'static str, default: bool) -> Option<bool> {
        match self.get(key) {
            None => Some(default),
            Some(item) => match item.get_ref().as_bool() {
                Some(flag) => Some(flag),
                None => self.unfit(key, item, "true or false"),
            },
        }
    }

    /// One of several words, which must be there.
    pub(super) fn word<T: Clone>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.required(key, &format!("one of {}", listed(&names)))?;
        let text = self.optional_text(key)?;
        let meaning = words
            .iter()
            .find(|(word, _)| *word == text.value)
            .map(|(_, meaning)| meaning.clone());
        if meaning.is_none() {
            let hint = hint(&text.value, &names);
            self.fault(
                Some(text.at),
                (format!("`{key}` cannot be `{}`", text.value), hint),
            );
        }
        meaning
    }

    /// A table, which must be there.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'a>> {
        self.required(key, "a table")?;
        self.optional_section(key)
    }

    /// A table, which may be left out.
    pub(super) fn optional_section(&self, key: &'static str) -> Option<Section<'a>> {
        let item = self.get(key)?;
        match item.get_ref() {
            DeValue::Table(table) => Some(self.inner(table, item)),
            _ => self.unfit(key, item, "a table"),
        }
    }

    /// A list of tables; empty if it is left out.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let wanted = "a list of tables";
        let Some(items) = self.array(key, wanted) else {
            return Vec::new();
        };
        let section = |item: &'a Spanned<DeValue<'a>>| match item.get_ref() {
            DeValue::Table(table) => Some(self.inner(table, item)),
            _ => self.unfit(key, item, wanted),
        };
        items.iter().filter_map(section).collect()
    }

    /// Every text of the table and of the tables in it, under its keys joined by dots.
    pub(super) fn flat_texts(&self) -> Vec<(String, Located<String>)> {
        let mut texts = Vec::new();
        self.collect_texts("", self.table, &mut texts);
        texts
    }

    /// Counts keys as known without reading them.
    pub(super) fn pass_over(&self, keys: &[&'static str]) {
        self.known.borrow_mut().extend(keys);
    }

    /// Reports keys that nobody asked for, each with the nearest one that is known here.
    pub(super) fn close(self) {
        let known = self.known.borrow();
        for key in self.table.keys() {
            if !known.contains(&key.get_ref().as_ref()) {
                let at = self.document.place(&key.span());
                self.fault(
                    Some(at),
                    (
                        format!("unknown key `{}`", key.get_ref()),
                        hint(key.get_ref(), &known),
                    ),
                );
            }
        }
    }

    fn get(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        self.table.get(key)
    }

    fn required(&self, key: &'static str, wanted: &str) -> Option<()> {
        if self.get(key).is_none() {
            self.fault(
                self.at,
                (
                    format!("`{key}` is missing"),
                    format!("write `{key} =` and {wanted}"),
                ),
            );
            return None;
        }
        Some(())
    }

    fn unfit<T>(&self, key: &str, item: &Spanned<DeValue<'_>>, wanted: &str) -> Option<T> {
        let at = self.document.place(&item.span());
        let found = item.get_ref().type_str();
        self.fault(
            Some(at),
            (
                format!("`{key}` must not be this {found}"),
                format!("write {wanted}"),
            ),
        );
        None
    }

    fn text_of(&self, key: &str, item: &Spanned<DeValue<'_>>) -> Option<Located<String>> {
        match item.get_ref() {
            DeValue::String(text) if text.trim().is_empty() => {
                let at = self.document.place(&item.span());
                self.fault(
                    Some(at),
                    (format!("`{key}` is blank"), "write its text, or leave it out"),
                );
                None
            }
            DeValue::String(text) => Some(Located {
                value: text.to_string(),
                at: self.document.place(&item.span()),
            }),
            _ => self.unfit(key, item, "a text in quotes"),
        }
    }

    fn array(&self, key: &'static str, wanted: &str) -> Option<&'a [Spanned<DeValue<'a>>]> {
        let item = self.get(key)?;
        match item.get_ref() {
            DeValue::Array(items) => Some(items),
            _ => self.unfit(key, item, wanted),
        }
    }

    fn optional_integer(&self, key: &'static str, range: RangeInclusive<u64>, wanted: &str) -> Option<u64> {
        let item = self.get(key)?;
        let number = whole_number(item.get_ref()).and_then(|number| u64::try_from(number).ok());
        match number.filter(|number| range.contains(number)) {
            Some(number) => Some(number),
            None => self.unfit(key, item, wanted),
        }
    }

    fn inner(&self, table: &'a DeTable<'a>, item: &Spanned<DeValue<'_>>) -> Section<'a> {
        let at = Some(self.document.place(&item.span()));
        Section {
            document: self.document,
            table,
            at,
            known: RefCell::default(),
        }
    }

    fn collect_texts(&self, prefix: &str, table: &DeTable<'_>, texts: &mut Vec<(String, Located<String>)>) {
        for (key, item) in table {
            let path = if prefix.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{prefix}.{}", key.get_ref())
            };
            match item.get_ref() {
                DeValue::Table(inner) => self.collect_texts(&path, inner, texts),
                _ => texts.extend(self.text_of(&path, item).map(|text| (path, text))),
            }
        }
    }
}

/// The word that a misspelt one was most likely meant to be, as advice.
pub(super) fn hint(word: &str, known: &[&str]) -> String {
    // A third of the word may be wrong; more is another word.
    let distance_max = 1 + word.chars().count() / 3;
    let distances = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(word, known), *known));
    match distances.min() {
        Some((distance, nearest)) if distance <= distance_max => format!("did you mean `{nearest}`?"),
        Some(_) => format!("known here: {}", listed(known)),
        None => "nothing is known here".to_owned(),
    }
}

fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words
        .iter()
        .take(LISTED_MAX)
        .map(|word| format!("`{word}`"))
        .collect();
    let more = words.len().saturating_sub(LISTED_MAX);
    if more == 0 {
        quoted.join(", ")
    } else {
        format!("{} and {more} more", quoted.join(", "))
    }
}

fn whole_number(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
