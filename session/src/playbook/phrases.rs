//! The playbook's own sentences: questions and notices in each language.

use std::collections::{BTreeMap, BTreeSet};

use greenroom_protocol::Locale;

use super::Bundle;
use super::document::{Document, Faults, Located, hint};
use super::load::{PLAYBOOK_FILE, named_file};

/// The phrases that the core itself speaks; every playbook must have them.
/// `greeting` and `turn.noted` come before a question and hold none themselves.
pub const CORE_PHRASES: [&str; 9] = [
    "greeting",
    "turn.offer_draft",
    "turn.ready",
    "turn.run_active",
    "turn.noted",
    "turn.ask_how_to_help",
    "run.started",
    "run.draft_started",
    "voice.not_understood",
];

/// Phrases that a question follows at once.
const PHRASES_BEFORE_A_QUESTION: [&str; 2] = ["greeting", "turn.noted"];

/// A text of the playbook in each language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// Korean.
    pub ko: String,
    /// English.
    pub en: String,
}

impl Phrase {
    /// The text in a language.
    pub fn text(&self, locale: Locale) -> &str {
        match locale {
            Locale::Ko => &self.ko,
            Locale::En => &self.en,
        }
    }
}

/// A phrase that `playbook.toml` names.
pub(super) struct PhraseUse {
    pub(super) key: String,
    /// Where it is named.
    pub(super) line: Option<usize>,
}

/// Reads the phrases of both languages. What the core and `playbook.toml` name must be there, in both; what nobody
/// names is most likely misspelt.
pub(super) fn read(bundle: &Bundle, uses: &[PhraseUse], faults: &Faults) -> BTreeMap<String, Phrase> {
    let named: BTreeSet<&str> = CORE_PHRASES
        .into_iter()
        .chain(uses.iter().map(|used| used.key.as_str()))
        .collect();
    let korean = read_language(bundle, Locale::Ko, &named, faults);
    let english = read_language(bundle, Locale::En, &named, faults);
    for (locale, texts) in [(Locale::Ko, &korean), (Locale::En, &english)] {
        let Some(texts) = texts else { continue };
        report_missing(locale, texts, uses, faults);
    }
    let (mut korean, english) = (korean.unwrap_or_default(), english.unwrap_or_default());
    let pairs = english.into_iter().filter_map(|(key, en)| {
        let ko = korean.remove(&key)?.value;
        Some((key, Phrase { ko, en: en.value }))
    });
    pairs.collect()
}

fn file_name(locale: Locale) -> &'static str {
    match locale {
        Locale::Ko => "phrases.ko.toml",
        Locale::En => "phrases.en.toml",
    }
}

fn read_language(
    bundle: &Bundle,
    locale: Locale,
    named: &BTreeSet<&str>,
    faults: &Faults,
) -> Option<BTreeMap<String, Located<String>>> {
    let file = file_name(locale);
    let text = named_file(bundle, file, None, faults)?;
    let document = Document::parse(file, text, faults)?;
    let root = document.root();
    let known: Vec<&str> = named.iter().copied().collect();
    let texts: BTreeMap<String, Located<String>> = root.flat_texts().into_iter().collect();
    // A faulty playbook may have meant to name them.
    let all_named = !faults.any_in(PLAYBOOK_FILE);
    for (key, text) in &texts {
        if all_named && !named.contains(key.as_str()) {
            root.fault(
                Some(text.line),
                format!("nothing speaks the phrase `{key}`; {}", hint(key, &known)),
            );
        }
        let questions = text.value.matches(['?', '？']).count();
        let questions_max = usize::from(!PHRASES_BEFORE_A_QUESTION.contains(&key.as_str()));
        if questions > questions_max {
            root.fault(
                Some(text.line),
                format!("the phrase `{key}` asks {questions} questions; it may ask {questions_max}"),
            );
        }
    }
    Some(texts)
}

fn report_missing(
    locale: Locale,
    texts: &BTreeMap<String, Located<String>>,
    uses: &[PhraseUse],
    faults: &Faults,
) {
    let file = file_name(locale);
    for key in CORE_PHRASES.into_iter().filter(|key| !texts.contains_key(*key)) {
        faults.add(
            file,
            None,
            format!("the phrase `{key}` is missing; every playbook has it, in both languages"),
        );
    }
    let missing = uses.iter().filter(|used| !texts.contains_key(&used.key));
    for PhraseUse { key, line } in missing {
        faults.add(
            PLAYBOOK_FILE,
            *line,
            format!("the phrase `{key}` is not in {file}; add it there"),
        );
    }
}
