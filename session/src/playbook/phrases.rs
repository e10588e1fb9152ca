//! The playbook's own sentences: questions and notices in each language.

use std::collections::{BTreeMap, BTreeSet};

use greenroom_protocol::Locale;

use serde_json::Value;

use super::document::{Document, Located, hint};
use super::fault::{Faults, Place};
use super::load::{PLAYBOOK_FILE, named_file};
use super::{Bundle, SlotKind, SlotSpec, StageSpec, VoicePreset};

/// The phrases that the core itself speaks; every playbook must have them, and one that is older than a phrase is lent it.
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

/// Phrases of these tables are not spoken: they are the names that readers of a package find its parts and the values
/// of closed lists under.
pub(super) const FIELD_PREFIX: &str = "field.";
pub(super) const VALUE_PREFIX: &str = "value.";

/// The name of the package as a whole.
const PACKAGE_FIELD: &str = "package";

/// Phrases that a question follows at once.
const PHRASES_BEFORE_A_QUESTION: [&str; 2] = ["greeting", "turn.noted"];

/// A text of the playbook in each language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// Korean.
    pub ko: String,
    /// English.
    pub en: String,
    /// The content hash of the playbook that it was lent by, if it is not the playbook's own.
    pub lent_by: Option<String>,
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
    pub(super) at: Option<Place>,
}

/// The keys of the phrases under which readers would find what a playbook's runs write: slots, parts of the package,
/// fields of outputs, values of closed lists, voices.
pub(super) fn display_names(
    slots: &[Located<SlotSpec>],
    stages: &[StageSpec],
    voices: &[VoicePreset],
) -> BTreeSet<String> {
    let mut fields: BTreeSet<&str> = BTreeSet::from([PACKAGE_FIELD]);
    let mut values: BTreeSet<&str> = voices.iter().map(|voice| voice.preset.as_str()).collect();
    for slot in slots.iter().map(|slot| &slot.value) {
        fields.extend([slot.path.as_str(), slot.path.parts().1]);
        match &slot.kind {
            SlotKind::Choice { options } | SlotKind::PriceBand { options } => {
                values.extend(options.iter().map(|option| option.value.as_str()));
            }
            SlotKind::Text | SlotKind::TextList { .. } | SlotKind::Number { .. } => {}
        }
    }
    for stage in stages {
        fields.insert(&stage.package_key);
        let mut waiting = vec![&*stage.schema];
        while let Some(part) = waiting.pop() {
            let properties = part.get("properties").and_then(Value::as_object);
            fields.extend(
                properties
                    .into_iter()
                    .flat_map(|properties| properties.keys())
                    .map(String::as_str),
            );
            let listed = part.get("enum").and_then(Value::as_array);
            values.extend(listed.into_iter().flatten().filter_map(Value::as_str));
            match part {
                Value::Array(items) => waiting.extend(items),
                Value::Object(members) => waiting.extend(members.values()),
                Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
            }
        }
    }
    let fields = fields.iter().map(|name| format!("{FIELD_PREFIX}{name}"));
    fields
        .chain(values.iter().map(|value| format!("{VALUE_PREFIX}{value}")))
        .collect()
}

/// Reads the phrases of both languages. What the core and `playbook.toml` name must be there, in both; what nobody
/// names is most likely misspelt.
pub(super) fn read(
    bundle: &Bundle,
    uses: &[PhraseUse],
    display_names: &BTreeSet<String>,
    faults: &Faults,
) -> BTreeMap<String, Phrase> {
    let named: BTreeSet<&str> = CORE_PHRASES
        .into_iter()
        .chain(uses.iter().map(|used| used.key.as_str()))
        .chain(display_names.iter().map(String::as_str))
        .collect();
    let korean = read_language(bundle, Locale::Ko, &named, faults);
    let english = read_language(bundle, Locale::En, &named, faults);
    for (locale, texts) in [(Locale::Ko, &korean), (Locale::En, &english)] {
        let Some(texts) = texts else { continue };
        report_missing(locale, texts, uses, faults);
    }
    if let (Some(korean), Some(english)) = (&korean, &english) {
        report_one_sided(Locale::Ko, korean, english, faults);
        report_one_sided(Locale::En, english, korean, faults);
    }
    let (mut korean, english) = (korean.unwrap_or_default(), english.unwrap_or_default());
    let pairs = english.into_iter().filter_map(|(key, en)| {
        let ko = korean.remove(&key)?.value;
        let phrase = Phrase {
            ko,
            en: en.value,
            lent_by: None,
        };
        Some((key, phrase))
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
    // What cannot be read may have named them.
    let all_named = !faults.any();
    for (key, text) in &texts {
        if all_named && !named.contains(key.as_str()) {
            let told = (format!("nothing speaks the phrase `{key}`"), hint(key, &known));
            root.warn(Some(text.at), told);
        }
        let questions = text.value.matches(['?', '？']).count();
        let questions_max = usize::from(!PHRASES_BEFORE_A_QUESTION.contains(&key.as_str()));
        if questions > questions_max {
            let told = (
                format!("the phrase `{key}` asks {questions} questions"),
                format!("it may ask {questions_max}"),
            );
            faults.newer_rule(file, Some(text.at), told);
        }
    }
    Some(texts)
}

/// A name that readers of one language only would find; the others would read the bare key.
fn report_one_sided(
    locale: Locale,
    texts: &BTreeMap<String, Located<String>>,
    others: &BTreeMap<String, Located<String>>,
    faults: &Faults,
) {
    let other = file_name(match locale {
        Locale::Ko => Locale::En,
        Locale::En => Locale::Ko,
    });
    for (key, text) in texts {
        let is_name = key.starts_with(FIELD_PREFIX) || key.starts_with(VALUE_PREFIX);
        if is_name && !others.contains_key(key) {
            let told = (format!("the name `{key}` is not in {other}"), "add it there");
            faults.warning(file_name(locale), Some(text.at), told);
        }
    }
}

fn report_missing(
    locale: Locale,
    texts: &BTreeMap<String, Located<String>>,
    uses: &[PhraseUse],
    faults: &Faults,
) {
    let file = file_name(locale);
    for key in CORE_PHRASES.into_iter().filter(|key| !texts.contains_key(*key)) {
        let told = (
            format!("the phrase `{key}` is missing"),
            "every playbook has it, in both languages",
        );
        faults.newer_rule(file, None, told);
    }
    let missing = uses.iter().filter(|used| !texts.contains_key(&used.key));
    for PhraseUse { key, at } in missing {
        faults.error(
            PLAYBOOK_FILE,
            *at,
            (format!("the phrase `{key}` is not in {file}"), "add it there"),
        );
    }
}
