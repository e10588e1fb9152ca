//! From a bundle of files to a validated playbook, or to everything that is wrong with it.

use std::cell::RefCell;
use std::collections::BTreeSet;

use greenroom_protocol::{Millis, PlaybookRef, SlotPath, StageId};

use super::document::{Document, Located, Section, hint};
use super::fault::{Faults, Place, PlaybookFault, Severity};
use super::phrases::PhraseUse;
use super::{
    AgentSpec, Bundle, CORE_PHRASES, ConversationSpec, Phrase, Playbook, SlotKind, SlotSpec, StateNames,
    phrases, prompts, slots, stages, voices,
};
use crate::ports::ModelSize;

/// The file that everything else is named in.
pub(super) const PLAYBOOK_FILE: &str = "playbook.toml";

/// The planner's prompt, unless `[planner]` names another file.
const PLANNER_PROMPT_FILE: &str = "prompts/planner.md";
/// What a check of texts may take, unless `[moderation]` says otherwise (PRODUCT.md, reference behaviour).
const CHECK_BUDGET_MS: u64 = 10_000;
/// The most that it may take: somebody waits for what is being checked.
const CHECK_BUDGET_MS_MAX: u64 = 60_000;

/// What a check of a playbook found.
#[derive(Debug)]
pub struct CheckedPlaybook {
    /// The playbook; none if it has an error.
    pub playbook: Option<Playbook>,
    /// Everything that is wrong with it, in the order of files and places. Warnings alone keep nobody from using it.
    pub faults: Vec<PlaybookFault>,
}

impl Playbook {
    /// Reads and validates a playbook, and tells everything that is wrong with it.
    pub fn check(bundle: &Bundle) -> CheckedPlaybook {
        check(bundle, Faults::of_offered())
    }

    /// Reads and validates a playbook. The answer to a bad one is every error, in the order of files and places.
    pub fn from_bundle(bundle: &Bundle) -> Result<Self, Vec<PlaybookFault>> {
        usable(Self::check(bundle))
    }

    /// Reads a playbook that sessions are pinned to. An older server may have accepted it: rules that came later do not
    /// bind it, and phrases of the core's that it does not know are lent by the playbook that is offered today.
    pub fn from_pinned(bundle: &Bundle, lender: Option<&Self>) -> Result<Self, Vec<PlaybookFault>> {
        let mut playbook = usable(check(bundle, Faults::of_pinned()))?;
        for key in CORE_PHRASES {
            let Some((lender, phrase)) = lender.and_then(|lender| Some((lender, lender.phrases.get(key)?)))
            else {
                continue;
            };
            let lent = || Phrase {
                lent_by: Some(lender.reference.hash.clone()),
                ..phrase.clone()
            };
            playbook.phrases.entry(key.to_owned()).or_insert_with(lent);
        }
        Ok(playbook)
    }
}

fn check(bundle: &Bundle, faults: Faults) -> CheckedPlaybook {
    let playbook = read_playbook(bundle, &faults);
    let faults = faults.into_sorted();
    let is_usable = faults.iter().all(|fault| fault.severity == Severity::Warning);
    CheckedPlaybook {
        playbook: playbook.filter(|_| is_usable),
        faults,
    }
}

fn usable(checked: CheckedPlaybook) -> Result<Playbook, Vec<PlaybookFault>> {
    let CheckedPlaybook { playbook, mut faults } = checked;
    faults.retain(|fault| fault.severity == Severity::Error);
    playbook.ok_or(faults)
}

fn read_playbook(bundle: &Bundle, faults: &Faults) -> Option<Playbook> {
    let text = named_file(bundle, PLAYBOOK_FILE, None, faults)?;
    let document = Document::parse(PLAYBOOK_FILE, text, faults)?;
    let root = document.root();
    let mut uses = Vec::new();
    let files = FilesRead::default();

    let name = read_name(&root);
    let names = root.section("states").and_then(read_states);
    let gate_min_confidence = root.section("gate").and_then(read_gate);
    let slots = slots::read(&root, &mut uses);
    let title_slot = read_title_slot(&root, &slots);
    let price_table = slots::read_price_table(&root, &slots);
    let reading = Reading {
        bundle,
        faults,
        files: &files,
    };
    let conversation = read_conversation(&root, &reading);
    let run_budget = root.section("run").and_then(read_run_budget);
    let check_budget = read_check_budget(&root);
    let surroundings = stages::Surroundings {
        reading: &reading,
        states: names.as_ref(),
        run_budget,
    };
    let stages = stages::read(&root, &surroundings, &mut uses);
    let voices = voices::read(&root);
    let names_of_parts = phrases::display_names(&slots, &stages, &voices);
    let phrases = phrases::read(bundle, &uses, &names_of_parts, faults);
    root.close();
    prompts::check(&reading, &slots);
    reading.report_unread();

    Some(Playbook {
        reference: PlaybookRef {
            name: name?,
            hash: bundle.hash(),
        },
        states: names?,
        slots: slots.into_iter().map(|slot| slot.value).collect(),
        gate_min_confidence: gate_min_confidence?,
        conversation: conversation?,
        run_budget: run_budget?,
        check_budget: check_budget?,
        stages,
        phrases,
        title_slot,
        price_table,
        voices,
    })
}

/// The files of a playbook while it is read.
pub(super) struct Reading<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) faults: &'a Faults,
    files: &'a FilesRead,
}

/// What was read so far: prompts, and the names of all files.
#[derive(Default)]
struct FilesRead {
    prompts: RefCell<BTreeSet<String>>,
    schemas: RefCell<BTreeSet<String>>,
}

impl Reading<'_> {
    /// The prompts that were read, by file.
    pub(super) fn prompts(&self) -> Vec<(String, &str)> {
        let names = self.files.prompts.borrow();
        let prompt = |name: &String| Some((name.clone(), self.bundle.files.get(name)?.as_str()));
        names.iter().filter_map(prompt).collect()
    }

    /// A schema that `playbook.toml` names.
    pub(super) fn schema(&self, name: &str, at: Option<Place>) -> Option<&str> {
        self.files.schemas.borrow_mut().insert(name.to_owned());
        named_file(self.bundle, name, at, self.faults)
    }

    fn prompt(&self, name: &str, at: Option<Place>) -> Option<&str> {
        self.files.prompts.borrow_mut().insert(name.to_owned());
        named_file(self.bundle, name, at, self.faults)
    }

    /// Warns of prompts and schemas that nothing reads: most likely a stage was renamed without them.
    fn report_unread(&self) {
        // A faulty playbook may have meant to name them.
        if self.faults.any_in(PLAYBOOK_FILE) {
            return;
        }
        for (folder, read) in [
            ("prompts/", &self.files.prompts),
            ("schemas/", &self.files.schemas),
        ] {
            let read = read.borrow();
            let unread = self
                .bundle
                .files
                .keys()
                .filter(|name| name.starts_with(folder) && !read.contains(*name));
            for name in unread {
                let instead = "remove it, or name it in playbook.toml";
                self.faults
                    .warning(name, None, ("nothing reads this file", instead));
            }
        }
    }
}

/// A file of the bundle. A missing one is a fault of the line that names it, or of the file itself.
pub(super) fn named_file<'a>(
    bundle: &'a Bundle,
    name: &str,
    at: Option<Place>,
    faults: &Faults,
) -> Option<&'a str> {
    let text = bundle.files.get(name);
    if text.is_none() {
        let present: Vec<&str> = bundle.files.keys().map(String::as_str).collect();
        let file = if at.is_some() { PLAYBOOK_FILE } else { name };
        faults.error(
            file,
            at,
            (
                format!("there is no file `{name}`"),
                format!("add it ({})", hint(name, &present)),
            ),
        );
    }
    text.map(String::as_str)
}

/// A prompt: the file that `prompt` names, or the usual one.
pub(super) fn read_prompt(section: &Section<'_>, usual_file: &str, reading: &Reading<'_>) -> Option<String> {
    let named = section.optional_text("prompt");
    let at = named.as_ref().map(|named| named.at).or(section.at());
    let file = named.map_or_else(|| usual_file.to_owned(), |named| named.value);
    let prompt = reading.prompt(&file, at)?;
    if prompt.trim().is_empty() {
        reading.faults.error(
            &file,
            None,
            ("the prompt is blank", "write what the model is to do"),
        );
    }
    Some(prompt.to_owned())
}

/// How an agent calls its model: six keys of the table that it stands in.
pub(super) fn read_agent(section: &Section<'_>) -> Option<AgentSpec> {
    let sizes = [("large", ModelSize::Large), ("small", ModelSize::Small)];
    let budget = section.integer("budget_ms", 1..=u64::MAX);
    let retries = section.integer("retries", 0..=10);
    let stall_timeout = section.integer("stall_timeout_ms", 1..=u64::MAX);
    let output_tokens_max = section.integer("output_tokens_max", 1..=u64::from(u32::MAX));
    let model = section.word("model", &sizes);
    let fast_model = section.word("fast_model", &sizes);
    if let (Some(budget), Some(stall_timeout)) = (budget, stall_timeout)
        && stall_timeout > budget
    {
        let message = (
            format!("`stall_timeout_ms` {stall_timeout} is longer than `budget_ms` {budget}"),
            "lower it",
        );
        section.fault(section.at(), message);
    }
    Some(AgentSpec {
        budget: Millis(budget?),
        retries: u32::try_from(retries?).ok()?,
        stall_timeout: Millis(stall_timeout?),
        output_tokens_max: u32::try_from(output_tokens_max?).ok()?,
        model: model?,
        fast_model: fast_model?,
    })
}

/// Whether a text is a state's name on the wire; if it is not, that is noted.
pub(super) fn is_state_name(section: &Section<'_>, state: &Located<String>) -> bool {
    let well_formed = state.value.starts_with(|first: char| first.is_ascii_uppercase())
        && state
            .value
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if !well_formed {
        let message = (
            format!("`{}` is not a state's name", state.value),
            "write capitals such as GEN_STRATEGY",
        );
        section.fault(Some(state.at), message);
    }
    well_formed
}

fn read_name(root: &Section<'_>) -> Option<String> {
    let name = root.text("name")?;
    // A playbook's name has the shape of a stage's: it stands in paths and in queries.
    if name.value.parse::<StageId>().is_err() {
        let message = (
            format!("`{}` is not a playbook's name", name.value),
            "write a lowercase name such as launch",
        );
        root.fault(Some(name.at), message);
    }
    Some(name.value)
}

fn read_states(section: Section<'_>) -> Option<StateNames> {
    let keys = ["collecting", "ready", "done", "failed"];
    let states = keys.map(|key| section.text(key));
    for (index, state) in states.iter().enumerate() {
        let Some(state) = state else { continue };
        is_state_name(&section, state);
        if states[..index]
            .iter()
            .flatten()
            .any(|earlier| earlier.value == state.value)
        {
            let message = (
                format!("`{}` is the name of another state already", state.value),
                "give each its own",
            );
            section.fault(Some(state.at), message);
        }
    }
    section.close();
    let [collecting, ready, done, failed] = states.map(|state| state.map(|state| state.value));
    Some(StateNames {
        collecting: collecting?,
        ready: ready?,
        done: done?,
        failed: failed?,
    })
}

fn read_gate(section: Section<'_>) -> Option<f64> {
    let confidence = section.number("min_confidence");
    if let Some(confidence) = &confidence
        && !(0.0..=1.0).contains(&confidence.value)
    {
        let message = (
            format!("`min_confidence` {} is not from 0 to 1", confidence.value),
            "write 0.7, say",
        );
        section.fault(Some(confidence.at), message);
    }
    section.close();
    confidence.map(|confidence| confidence.value)
}

fn read_title_slot(root: &Section<'_>, slots: &[Located<SlotSpec>]) -> Option<SlotPath> {
    let title = root.optional_text("title_slot")?;
    let slot = slots.iter().find(|slot| slot.value.path.as_str() == title.value);
    match slot {
        None => {
            let paths: Vec<&str> = slots.iter().map(|slot| slot.value.path.as_str()).collect();
            let message = (
                format!("`title_slot` names no slot `{}`", title.value),
                hint(&title.value, &paths),
            );
            root.fault(Some(title.at), message);
        }
        Some(slot) if slot.value.kind != SlotKind::Text => {
            let message = format!(
                "`title_slot` must be a slot of kind text, and `{}` is not",
                title.value
            );
            root.fault(Some(title.at), message);
        }
        Some(_) => {}
    }
    slot.map(|slot| slot.value.path.clone())
}

fn read_conversation(root: &Section<'_>, reading: &Reading<'_>) -> Option<ConversationSpec> {
    let conversation = root.section("conversation");
    let limits = conversation.and_then(|section| {
        let asks = section.integer("asks_in_a_row_max", 1..=u64::from(u32::MAX));
        let turns = section.integer("turns_before_offer", 1..=u64::from(u32::MAX));
        let history = section.integer("history_messages_max", 1..=1_000);
        section.close();
        Some((
            u32::try_from(asks?).ok()?,
            u32::try_from(turns?).ok()?,
            usize::try_from(history?).ok()?,
        ))
    });
    let planner = root.section("planner").map(|section| {
        let agent = read_agent(&section);
        let prompt = read_prompt(&section, PLANNER_PROMPT_FILE, reading);
        section.close();
        (agent, prompt)
    });
    let (asks_in_a_row_max, turns_before_offer, history_messages_max) = limits?;
    let (planner, planner_prompt) = planner?;
    Some(ConversationSpec {
        asks_in_a_row_max,
        turns_before_offer,
        history_messages_max,
        planner_prompt: planner_prompt?,
        planner: planner?,
    })
}

fn read_run_budget(section: Section<'_>) -> Option<Millis> {
    let budget = section.integer("budget_ms", 1..=u64::MAX);
    section.close();
    budget.map(Millis)
}

fn read_check_budget(root: &Section<'_>) -> Option<Millis> {
    let Some(section) = root.optional_section("moderation") else {
        return Some(Millis(CHECK_BUDGET_MS));
    };
    let budget = section.integer_or("budget_ms", 1..=CHECK_BUDGET_MS_MAX, CHECK_BUDGET_MS);
    section.close();
    budget.map(Millis)
}

/// Notes that a phrase is named.
pub(super) fn note_phrase(phrase: Option<&Located<String>>, uses: &mut Vec<PhraseUse>) {
    uses.extend(phrase.map(|phrase| PhraseUse {
        key: phrase.value.clone(),
        at: Some(phrase.at),
    }));
}
