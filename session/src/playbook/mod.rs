//! A playbook: the data that defines a product of this server. Slots, gate, stages, prompts, schemas, phrases.
//!
//! Its files come in as a [`Bundle`] and are read and validated by [`Playbook::from_bundle`]; nothing here touches
//! a disk.

mod bundle;
mod document;
mod fault;
mod json_place;
mod load;
mod order;
mod phrases;
mod pointer;
mod prompts;
mod rules;
mod slots;
mod stages;
mod voices;

use std::collections::BTreeMap;
use std::sync::Arc;

use greenroom_protocol::{Locale, Millis, Mode, PlaybookRef, Provenance, SlotPath, StageId};
use indexmap::IndexMap;
use serde_json::Value;

use crate::ports::ModelSize;
use phrases::{FIELD_PREFIX, VALUE_PREFIX};

pub use bundle::{Bundle, BundleError, SCENARIOS_FOLDER};
pub use fault::{PlaybookFault, Severity};
pub use load::CheckedPlaybook;
pub use phrases::{CORE_PHRASES, Phrase};
pub use rules::Rule;
pub use voices::VoicePreset;

/// A playbook, read and validated.
#[derive(Debug, Clone)]
pub struct Playbook {
    /// Name and content hash.
    pub reference: PlaybookRef,
    /// The states that are not a stage's.
    pub states: StateNames,
    /// The slots, in the order in which they are asked for.
    pub slots: Vec<SlotSpec>,
    /// Mean confidence of the filled required slots at which the gate opens.
    pub gate_min_confidence: f64,
    /// How the conversation is held.
    pub conversation: ConversationSpec,
    /// How long a run may take in all.
    pub run_budget: Millis,
    /// How long a check of texts may take; it is not made again.
    pub check_budget: Millis,
    /// The stages, in the order of the file; dependencies come before dependents.
    pub stages: Vec<StageSpec>,
    /// Questions and notices, by key, in each language.
    pub phrases: BTreeMap<String, Phrase>,
    /// The slot that names a session in lists, if any.
    pub title_slot: Option<SlotPath>,
    /// How a price becomes a band, if a slot needs it.
    pub price_table: Option<PriceTable>,
    /// The voices that its texts are spoken in; the first is the one of who names none.
    pub voices: Vec<VoicePreset>,
}

/// The names of the states that are not a stage's, as clients see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateNames {
    /// The brief is being collected.
    pub collecting: String,
    /// The gate is open.
    pub ready: String,
    /// A run is complete.
    pub done: String,
    /// A run failed.
    pub failed: String,
}

/// One slot.
#[derive(Debug, Clone, PartialEq)]
pub struct SlotSpec {
    /// Where it stands in the brief.
    pub path: SlotPath,
    /// What may stand in it.
    pub kind: SlotKind,
    /// Whether the gate needs it.
    pub required: bool,
    /// What users call it, in each language; the extractor looks for these before a value.
    pub labels: BTreeMap<String, Vec<String>>,
    /// The key of the phrase that asks for it; empty if nobody ever asks for it.
    pub question: String,
}

/// What may stand in a slot.
#[derive(Debug, Clone, PartialEq)]
pub enum SlotKind {
    /// One text.
    Text,
    /// Several texts.
    TextList {
        /// At least so many.
        items_min: usize,
        /// At most so many.
        items_max: usize,
    },
    /// One of several values.
    Choice {
        /// The values, each with the words that mean it.
        options: Vec<ChoiceOption>,
    },
    /// One of several values, or a price that the price table maps to one.
    PriceBand {
        /// The values, each with the words that mean it.
        options: Vec<ChoiceOption>,
    },
    /// One of several whole numbers.
    Number {
        /// The numbers.
        options: Vec<i64>,
        /// The words that may follow the number, such as `초` or `seconds`.
        units: Vec<String>,
    },
}

/// A value and the words that mean it, in all languages, lowercase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChoiceOption {
    /// The value in the brief.
    pub value: String,
    /// What users say for it.
    pub words: Vec<String>,
}

/// How a bare price becomes a band. Bounds are exclusive upper ones in the currency's own unit.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceTable {
    /// The currency of a number without a mark.
    pub default_currency: String,
    /// Each currency with its marks and bounds.
    pub currencies: Vec<CurrencyBands>,
}

/// One currency of a price table.
#[derive(Debug, Clone, PartialEq)]
pub struct CurrencyBands {
    /// ISO 4217.
    pub code: String,
    /// What stands before or after a price: `₩`, `원`, `won`.
    pub marks: Vec<String>,
    /// The bands in rising order: value of the slot, exclusive upper bound (none for the last).
    pub bands: Vec<(String, Option<f64>)>,
}

/// How the conversation is held.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversationSpec {
    /// How often an unclear slot is asked for before moving on.
    pub asks_in_a_row_max: u32,
    /// After so many turns without an open gate the user is offered a draft.
    pub turns_before_offer: u32,
    /// Messages that the planner reads.
    pub history_messages_max: usize,
    /// The planner's prompt.
    pub planner_prompt: String,
    /// The planner's agent settings.
    pub planner: AgentSpec,
}

/// How an agent calls its model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSpec {
    /// Time for all attempts together.
    pub budget: Millis,
    /// Attempts after the first.
    pub retries: u32,
    /// Silence of a stream that counts as a hang.
    pub stall_timeout: Millis,
    /// Tokens that a reply may have.
    pub output_tokens_max: u32,
    /// The model in `standard` mode.
    pub model: ModelSize,
    /// The model in `fast` mode.
    pub fast_model: ModelSize,
}

/// One stage.
#[derive(Debug, Clone)]
pub struct StageSpec {
    /// Its name.
    pub id: StageId,
    /// The session's state while it is the first unfinished one.
    pub state: String,
    /// Stages whose outputs it needs.
    pub after: Vec<StageId>,
    /// Whether `fast` mode skips it.
    pub optional: bool,
    /// How it calls its model.
    pub agent: AgentSpec,
    /// Whether the model may search the web.
    pub search: bool,
    /// What the model is told.
    pub prompt: String,
    /// What it must write: the strict schema that is sent and obeyed.
    pub schema: Arc<Value>,
    /// Parts that nobody sees before their check.
    pub verify: Vec<VerifySpec>,
    /// What the output must obey beyond its schema; see [`StageSpec::violations`].
    pub rules: Vec<Rule>,
    /// The part of the package under which the output is filed, such as `research_snapshot`.
    pub package_key: String,
    /// Fields of the output that stand at the top of the package as well, such as `kpi_next_actions`.
    pub lift: Vec<String>,
}

/// A part of an output that is checked element by element.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifySpec {
    /// JSON pointer of a list, such as `/evidence`.
    pub path: String,
    /// The check.
    pub check: Check,
    /// Elements that must be left after the check; fewer is a breach.
    pub items_min: usize,
    /// JSON pointer of a list of texts that takes a notice when something was dropped, or nothing is left.
    pub notice_path: Option<String>,
    /// The phrase of the notice when elements were dropped.
    pub dropped_phrase: Option<String>,
    /// The phrase of the notice when the list is empty.
    pub empty_phrase: Option<String>,
}

/// How an element is checked.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// The field `url` (https) must be one that the search tool returned in this run; duplicates are merged.
    SearchedUrl,
    /// None of these texts (lowercase) may occur in the element.
    ForbiddenClaims(Vec<String>),
}

impl AgentSpec {
    /// The model for a mode.
    pub fn model_size(&self, mode: Mode) -> ModelSize {
        match mode {
            Mode::Standard => self.model,
            Mode::Fast => self.fast_model,
        }
    }
}

impl SlotSpec {
    /// What users call it first.
    pub fn label(&self, locale: Locale) -> Option<&str> {
        let language = match locale {
            Locale::Ko => "ko",
            Locale::En => "en",
        };
        self.labels.get(language)?.first().map(String::as_str)
    }
}

impl StageSpec {
    /// The schema of what a JSON pointer of an output leads to, if the schema allows such a part. Digits step into a
    /// list's elements, names into an object's properties.
    pub fn schema_at(&self, pointer: &str) -> Option<&Value> {
        pointer::schema_at(&self.schema, pointer)
    }
}

impl Playbook {
    /// The slot at a path.
    pub fn slot(&self, path: &SlotPath) -> Option<&SlotSpec> {
        self.slots.iter().find(|slot| slot.path == *path)
    }

    /// The stage of a name.
    pub fn stage(&self, id: &StageId) -> Option<&StageSpec> {
        self.stages.iter().find(|stage| stage.id == *id)
    }

    /// The voice of a preset, or the first one for who names none.
    pub fn voice(&self, preset: Option<&str>) -> Option<&VoicePreset> {
        match preset {
            Some(preset) => self.voices.iter().find(|voice| voice.preset == preset),
            None => self.voices.first(),
        }
    }

    /// A phrase in a language; a validated playbook has every phrase that it names.
    pub fn phrase(&self, key: &str, locale: Locale) -> &str {
        self.phrases.get(key).map_or("", |phrase| phrase.text(locale))
    }

    /// The provenance of a phrase: the playbook that it stands in.
    pub fn phrase_provenance(&self, key: &str) -> Provenance {
        let lender = self.phrases.get(key).and_then(|phrase| phrase.lent_by.as_ref());
        Provenance::Playbook {
            key: key.to_owned(),
            hash: lender.unwrap_or(&self.reference.hash).clone(),
        }
    }

    /// What readers call a field of an output or a part of the package, if the playbook has a word for it
    /// (`field.<name>` of the phrases).
    pub fn field_name(&self, field: &str, locale: Locale) -> Option<&str> {
        self.display_name(FIELD_PREFIX, field, locale)
    }

    /// What readers call a value of a closed list, such as a slot's options, an `enum` of a schema or the voices, if the
    /// playbook has a word for it (`value.<value>` of the phrases).
    pub fn value_name(&self, value: &str, locale: Locale) -> Option<&str> {
        self.display_name(VALUE_PREFIX, value, locale)
    }

    /// What readers call a slot, if the playbook has a word for it: a name for its whole path, what users call it first, or
    /// a name for the last part of its path.
    pub fn slot_name<'a>(&'a self, slot: &'a SlotSpec, locale: Locale) -> Option<&'a str> {
        self.field_name(slot.path.as_str(), locale)
            .or_else(|| slot.label(locale))
            .or_else(|| self.field_name(slot.path.parts().1, locale))
    }

    /// Everything that readers have a word for ([`Playbook::field_name`]), each with that word.
    pub fn field_names(&self, locale: Locale) -> impl Iterator<Item = (&str, &str)> {
        self.display_names(FIELD_PREFIX, locale)
    }

    /// All values of closed lists that readers have a word for ([`Playbook::value_name`]), each with that word.
    pub fn value_names(&self, locale: Locale) -> impl Iterator<Item = (&str, &str)> {
        self.display_names(VALUE_PREFIX, locale)
    }

    fn display_names<'a>(
        &'a self,
        prefix: &'a str,
        locale: Locale,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.phrases
            .iter()
            .filter_map(move |(key, phrase)| Some((key.strip_prefix(prefix)?, phrase.text(locale))))
    }

    fn display_name(&self, prefix: &str, name: &str, locale: Locale) -> Option<&str> {
        let phrase = self.phrases.get(&format!("{prefix}{name}"));
        phrase.map(|phrase| phrase.text(locale))
    }

    /// The slots grouped by the first part of their path, in the playbook's order.
    pub fn slot_groups(&self) -> IndexMap<&str, Vec<&SlotSpec>> {
        let mut groups: IndexMap<&str, Vec<&SlotSpec>> = IndexMap::new();
        for slot in &self.slots {
            groups.entry(slot.path.parts().0).or_default().push(slot);
        }
        groups
    }
}
