//! The slots of a playbook and the table that turns a price into a band, as `playbook.toml` has them.

use std::collections::BTreeMap;

use greenroom_protocol::{SlotPath, limits};

use super::document::{Located, Section, hint};
use super::fault::Place;
use super::phrases::PhraseUse;
use super::{ChoiceOption, CurrencyBands, PriceTable, SlotKind, SlotSpec};

/// The languages in which a slot has labels.
const LANGUAGES: [&str; 2] = ["ko", "en"];

#[derive(Clone, Copy)]
enum KindName {
    Text,
    TextList,
    Choice,
    PriceBand,
    Number,
}

const KINDS: [(&str, KindName); 5] = [
    ("text", KindName::Text),
    ("text_list", KindName::TextList),
    ("choice", KindName::Choice),
    ("price_band", KindName::PriceBand),
    ("number", KindName::Number),
];

/// Reads `[[slots]]`, each with the line that it begins on.
pub(super) fn read(root: &Section<'_>, uses: &mut Vec<PhraseUse>) -> Vec<Located<SlotSpec>> {
    let mut slots: Vec<Located<SlotSpec>> = Vec::new();
    let mut owners = BTreeMap::new();
    let sections = root.sections("slots");
    for section in sections {
        let at = section.at().unwrap_or(Place::START);
        let Some(slot) = read_slot(section, &mut owners, uses) else {
            continue;
        };
        if slots.iter().any(|earlier| earlier.value.path == slot.path) {
            let message = (
                format!("there is a slot `{}` already", slot.path),
                "give each its own path",
            );
            root.fault(Some(at), message);
        }
        slots.push(Located { value: slot, at });
    }
    if !slots.iter().any(|slot| slot.value.required) {
        root.fault(
            None,
            (
                "no slot is required, so the gate would always be open",
                "add a `[[slots]]`",
            ),
        );
    }
    slots
}

/// Who owns each label, so that no label means two slots.
type LabelOwners = BTreeMap<String, SlotPath>;

fn read_slot(section: Section<'_>, owners: &mut LabelOwners, uses: &mut Vec<PhraseUse>) -> Option<SlotSpec> {
    let path = section.text("path").and_then(|text| read_path(&section, &text));
    let required = section.flag("required", true);
    let kind = section
        .word("kind", &KINDS)
        .and_then(|kind| read_kind(&section, kind));
    if kind.is_none() {
        // Of which kind these are keys nobody can tell; the kind is the fault.
        section.pass_over(&["items_min", "items_max", "options", "units"]);
    }
    let labels = section.optional_section("labels");
    let question = section.optional_text("question");
    if labels.is_none() && required == Some(true) {
        section.fault(
            section.at(),
            (
                "`labels` is missing",
                "write `labels.ko = […]` and `labels.en = […]`",
            ),
        );
    }
    let labels = labels
        .map(|labels| read_labels(labels, path.as_ref(), owners))
        .unwrap_or_default();
    let question = match (question, &path, required) {
        (Some(question), ..) => Some(question),
        (None, Some(path), Some(true)) => Some(Located {
            value: format!("question.{path}"),
            at: section.at().unwrap_or(Place::START),
        }),
        (None, ..) => None,
    };
    super::load::note_phrase(question.as_ref(), uses);
    section.close();
    Some(SlotSpec {
        path: path?,
        kind: kind?,
        required: required?,
        labels,
        question: question.map(|question| question.value).unwrap_or_default(),
    })
}

fn read_path(section: &Section<'_>, text: &Located<String>) -> Option<SlotPath> {
    let path = text.value.parse::<SlotPath>();
    if let Err(error) = &path {
        section.fault(
            Some(text.at),
            (format!("`{}` is no slot path", text.value), error.to_string()),
        );
    }
    path.ok()
}

fn read_labels(
    section: Section<'_>,
    path: Option<&SlotPath>,
    owners: &mut LabelOwners,
) -> BTreeMap<String, Vec<String>> {
    let mut labels = BTreeMap::new();
    for language in LANGUAGES {
        let words = lowercase_texts(&section, language);
        if words.is_empty() {
            let message = (
                format!("no label in `{language}`"),
                "write what users call the slot, in both languages",
            );
            section.fault(section.place_of(language), message);
        }
        for word in &words {
            let Some(path) = path else { continue };
            let owner = owners.entry(word.value.clone()).or_insert_with(|| path.clone());
            if owner != path {
                let message = (
                    format!("the label `{}` means `{owner}` already", word.value),
                    "leave it out here",
                );
                section.fault(Some(word.at), message);
            }
        }
        labels.insert(
            language.to_owned(),
            words.into_iter().map(|word| word.value).collect(),
        );
    }
    section.close();
    labels
}

fn read_kind(section: &Section<'_>, kind: KindName) -> Option<SlotKind> {
    match kind {
        KindName::Text => Some(SlotKind::Text),
        KindName::TextList => {
            let ceiling = u64::try_from(limits::SLOT_ITEMS_MAX).ok()?;
            let items_min = section.integer_or("items_min", 1..=ceiling, 1)?;
            let items_max = section.integer_or("items_max", items_min..=ceiling, ceiling)?;
            Some(SlotKind::TextList {
                items_min: usize::try_from(items_min).ok()?,
                items_max: usize::try_from(items_max).ok()?,
            })
        }
        KindName::Choice => Some(SlotKind::Choice {
            options: read_options(section),
        }),
        KindName::PriceBand => Some(SlotKind::PriceBand {
            options: read_options(section),
        }),
        KindName::Number => {
            let options = section.integers("options");
            if options.is_empty() {
                section.fault(
                    section.place_of("options"),
                    (
                        "`options` is empty",
                        "write the numbers, such as `options = [5, 10]`",
                    ),
                );
            }
            let units = lowercase_texts(section, "units")
                .into_iter()
                .map(|unit| unit.value)
                .collect();
            Some(SlotKind::Number { options, units })
        }
    }
}

fn read_options(section: &Section<'_>) -> Vec<ChoiceOption> {
    let mut options: Vec<ChoiceOption> = Vec::new();
    for option in section.sections("options") {
        let value = option.text("value");
        let words = lowercase_texts(&option, "words");
        if words.is_empty() {
            option.fault(
                option.place_of("words"),
                (
                    "`words` is empty",
                    "write what users say for this value, in all languages",
                ),
            );
        }
        if let Some(value) = &value
            && options.iter().any(|earlier| earlier.value == value.value)
        {
            option.fault(
                Some(value.at),
                (
                    format!("`{}` is an option already", value.value),
                    "merge their words",
                ),
            );
        }
        for word in &words {
            if let Some(earlier) = options.iter().find(|earlier| earlier.words.contains(&word.value)) {
                let message = (
                    format!("`{}` means `{}` already", word.value, earlier.value),
                    "leave it out here",
                );
                option.fault(Some(word.at), message);
            }
        }
        option.close();
        let words = words.into_iter().map(|word| word.value).collect();
        options.extend(value.map(|value| ChoiceOption {
            value: value.value,
            words,
        }));
    }
    if options.is_empty() {
        let message = (
            "`options` is empty",
            "write `options = [{ value = \"…\", words = [\"…\"] }]`",
        );
        section.fault(section.place_of("options"), message);
    }
    options
}

/// Words are compared with the user's own in lowercase.
pub(super) fn lowercase_texts(section: &Section<'_>, key: &'static str) -> Vec<Located<String>> {
    let texts = section.texts(key);
    for text in &texts {
        let lowercase = text.value.to_lowercase();
        if lowercase != text.value {
            section.fault(
                Some(text.at),
                (
                    format!("`{}` must be lowercase", text.value),
                    format!("write `{lowercase}`"),
                ),
            );
        }
    }
    texts
}

/// Reads `[price_table]`; a slot of kind `price_band` needs it, and it must know exactly that slot's options.
pub(super) fn read_price_table(root: &Section<'_>, slots: &[Located<SlotSpec>]) -> Option<PriceTable> {
    let mut options: Vec<&str> = Vec::new();
    let table = root.optional_section("price_table");
    for slot in slots {
        let SlotKind::PriceBand { options: bands } = &slot.value.kind else {
            continue;
        };
        if table.is_none() {
            let message = format!(
                "`{}` needs a `[price_table]` that maps prices to its options",
                slot.value.path
            );
            root.fault(Some(slot.at), message);
        }
        options.extend(bands.iter().map(|band| band.value.as_str()));
    }
    let section = table?;
    let default_currency = section.text("default_currency");
    let mut currencies: Vec<CurrencyBands> = Vec::new();
    for currency in section.sections("currencies") {
        let at = currency.at();
        let Some(currency) = read_currency(currency, &options) else {
            continue;
        };
        let taken = |mark: &&String| currencies.iter().any(|earlier| earlier.marks.contains(mark));
        if let Some(mark) = currency.marks.iter().find(taken) {
            section.fault(
                at,
                (
                    format!("the mark `{mark}` stands for another currency already"),
                    "leave it out",
                ),
            );
        }
        currencies.push(currency);
    }
    if let Some(default) = &default_currency
        && !currencies.iter().any(|currency| currency.code == default.value)
    {
        let codes: Vec<&str> = currencies.iter().map(|currency| currency.code.as_str()).collect();
        let message = (
            format!("no currency has the code `{}`", default.value),
            hint(&default.value, &codes),
        );
        section.fault(Some(default.at), message);
    }
    section.close();
    Some(PriceTable {
        default_currency: default_currency?.value,
        currencies,
    })
}

fn read_currency(section: Section<'_>, options: &[&str]) -> Option<CurrencyBands> {
    let code = section.text("code");
    let marks: Vec<String> = lowercase_texts(&section, "marks")
        .into_iter()
        .map(|mark| mark.value)
        .collect();
    if marks.is_empty() {
        section.fault(
            section.place_of("marks"),
            (
                "`marks` is empty",
                "write what stands beside a price, such as `$`",
            ),
        );
    }
    let mut bands: Vec<(String, Option<f64>)> = Vec::new();
    for band in section.sections("bands") {
        let Some(value) = band.text("value") else { continue };
        if !options.contains(&value.value.as_str()) {
            let message = (
                format!("no slot has the option `{}`", value.value),
                hint(&value.value, options),
            );
            band.fault(Some(value.at), message);
        }
        let below = band.optional_number("below").map(|below| below.value);
        let message = match (bands.last(), below) {
            (Some((_, None)), _) => Some((
                "only the last band may lack `below`",
                "write the bound of the one before",
            )),
            (Some((_, Some(earlier))), Some(below)) if below <= *earlier => Some((
                "`below` must be higher than that of the band before",
                "sort the bands by price",
            )),
            (None, Some(below)) if below <= 0.0 => {
                Some(("`below` must be above 0", "write the band's upper bound"))
            }
            (Some(_) | None, Some(_) | None) => None,
        };
        if let Some(message) = message {
            band.fault(band.at(), message);
        }
        band.close();
        bands.push((value.value, below));
    }
    if bands.last().is_some_and(|(_, below)| below.is_some()) {
        section.fault(
            section.at(),
            "the last band must lack `below`, so that every price has a band",
        );
    }
    for option in options
        .iter()
        .filter(|option| !bands.iter().any(|(value, _)| value == *option))
    {
        section.fault(
            section.at(),
            (
                format!("no band has the value `{option}`"),
                format!("add `{{ value = \"{option}\", below = … }}`"),
            ),
        );
    }
    section.close();
    Some(CurrencyBands {
        code: code?.value,
        marks,
        bands,
    })
}
