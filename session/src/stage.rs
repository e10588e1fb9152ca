//! A stage's side of a run: what its agent reads, how its output is shown as it comes, and how it is checked.

mod evidence;

use std::collections::BTreeSet;

use greenroom_protocol::{CallPurpose, CheckNote, Delta, DeltaChange, Locale, Millis, SupportingSource};
use serde_json::{Map, Value, json};

use self::evidence::{PageKey, Pages};

pub use self::evidence::is_same_page;
use crate::agent::{AgentStep, Stamp};
use crate::moderation::texts_of;
use crate::partial_json::{PartialJson, PartialJsonOptions, Step};
use crate::playbook::{Check, Playbook, StageSpec, VerifySpec};
use crate::ports::{Background, ModelRequest, OutputSchema, PromptMessage, PromptRole, SearchSource};
use crate::schema::{OutputValidator, VIOLATIONS_MAX, clipped};
use crate::state::{Attempt, Run};

/// An output that may be committed.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedOutput {
    /// Valid against the stage's schema, unsupported elements dropped.
    pub output: Value,
    /// How many elements were dropped.
    pub dropped: u32,
    /// The search results that what is left rests on, each once.
    pub sources: Vec<SupportingSource>,
    /// Notices that were put into it.
    pub notes: Vec<CheckNote>,
}

/// The request of one call of a stage's attempt.
pub(crate) fn request(
    run: &Run,
    spec: &StageSpec,
    attempt: &Attempt,
    stamp: &Stamp,
    timeout: Millis,
) -> ModelRequest {
    let input = serde_json::to_string_pretty(&input(run, spec)).unwrap_or_default();
    let mut messages = vec![PromptMessage {
        role: PromptRole::User,
        text: format!("```json\n{input}\n```"),
    }];
    if let Some(breach) = &attempt.breach {
        let violations = breach.violations.join("\n- ");
        messages.push(PromptMessage {
            role: PromptRole::Assistant,
            text: breach.reply.clone(),
        });
        messages.push(PromptMessage {
            role: PromptRole::User,
            text: format!(
                "The output above breaks its contract:\n- {violations}\n\nWrite the whole corrected JSON document again, \
                 changing only what is needed."
            ),
        });
    }
    ModelRequest {
        call_id: stamp.call_id,
        size: spec.agent.model_size(run.mode),
        instructions: spec.prompt.clone(),
        messages,
        output: Some(OutputSchema {
            name: spec.id.to_string(),
            schema: spec.schema.clone(),
        }),
        // A repair works with what the first call found.
        search: spec.search && stamp.purpose != CallPurpose::Repair,
        output_tokens_max: spec.agent.output_tokens_max,
        timeout,
        stall_timeout: spec.agent.stall_timeout,
        background: background(attempt),
    }
}

/// A call whose response is known before its agent begins was begun by an agent before this one.
fn background(attempt: &Attempt) -> Background {
    match attempt.call.as_ref().and_then(|call| call.response_id.clone()) {
        None => Background::Allowed,
        Some(response_id) => Background::TakenUp { response_id },
    }
}

fn input(run: &Run, spec: &StageSpec) -> Value {
    let mut brief: Map<String, Value> = Map::new();
    for slot in run.brief.iter() {
        let (group, name) = slot.path.parts();
        let group = brief.entry(group).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(fields) = group {
            fields.insert(name.to_owned(), slot.value.clone());
        }
    }
    let needed =
        |stage: &greenroom_protocol::StageId| spec.after.contains(stage) || stage_precedes(run, stage, spec);
    let inputs: Map<String, Value> = run
        .stages
        .keys()
        .filter(|stage| needed(stage))
        .filter_map(|stage| {
            run.output(stage)
                .map(|output| (stage.to_string(), output.clone()))
        })
        .collect();
    json!({
        "locale": run.locale,
        "mode": run.mode,
        "draft": run.gaps.is_some(),
        "gaps": run.gaps.clone().unwrap_or_default(),
        "brief": brief,
        "inputs": inputs,
    })
}

/// Whether a stage stands before another in the run: later stages read everything that came before.
fn stage_precedes(run: &Run, stage: &greenroom_protocol::StageId, spec: &StageSpec) -> bool {
    match (run.stages.get_index_of(stage), run.stages.get_index_of(&spec.id)) {
        (Some(earlier), Some(later)) => earlier < later,
        (Some(_) | None, Some(_) | None) => false,
    }
}

/// Turns the steps of a stage's document into deltas; elements under a `verify` path come whole, once checked.
#[derive(Debug)]
pub(crate) struct StageReader {
    /// The fields that the stage's schema knows; nobody is shown any other.
    fields: BTreeSet<String>,
    lists: Vec<CheckedList>,
    pages: Pages,
    /// A repair begins by voiding what the first reply showed.
    begins_with_void: bool,
}

#[derive(Debug)]
struct CheckedList {
    spec: VerifySpec,
    kept: usize,
    /// The pages of the elements kept.
    seen: BTreeSet<PageKey>,
}

/// What the check makes of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judged {
    Kept,
    /// It says again what an element kept says.
    Repeated,
    Dropped,
}

impl StageReader {
    pub(crate) fn new(run: &Run, spec: &StageSpec, purpose: CallPurpose) -> Self {
        let fields = spec.schema.get("properties").and_then(Value::as_object);
        Self {
            fields: fields.into_iter().flat_map(Map::keys).cloned().collect(),
            lists: spec.verify.iter().map(CheckedList::new).collect(),
            pages: Pages::of(&run.sources),
            begins_with_void: purpose == CallPurpose::Repair,
        }
    }

    pub(crate) fn held_paths(&self) -> Vec<String> {
        self.lists.iter().map(|list| list.spec.path.clone()).collect()
    }

    pub(crate) fn source(&mut self, source: &SearchSource) {
        self.pages.add(source);
    }

    pub(crate) fn steps(&mut self, steps: Vec<Step>) -> Vec<AgentStep> {
        let mut shown = Vec::new();
        for step in steps {
            let delta = match step {
                Step::Delta(delta) => Some(delta).filter(|delta| self.knows(&delta.path)),
                Step::Element { list_path, value, .. } => self.element(&list_path, value),
                Step::Closed { .. } => None,
            };
            let Some(delta) = delta else { continue };
            if std::mem::take(&mut self.begins_with_void) {
                shown.push(AgentStep::Delta(Delta {
                    path: String::new(),
                    change: DeltaChange::Value(Value::Null),
                }));
            }
            shown.push(AgentStep::Delta(delta));
        }
        shown
    }

    fn knows(&self, path: &str) -> bool {
        path.split('/')
            .nth(1)
            .is_none_or(|field| self.fields.contains(field))
    }

    fn element(&mut self, list_path: &str, mut value: Value) -> Option<Delta> {
        let list = self.lists.iter_mut().find(|list| list.spec.path == list_path)?;
        match list.judge(&mut value, &self.pages) {
            Judged::Kept => Some(Delta {
                path: format!("{list_path}/{}", list.kept - 1),
                change: DeltaChange::Value(value),
            }),
            Judged::Repeated | Judged::Dropped => None,
        }
    }
}

impl CheckedList {
    fn new(spec: &VerifySpec) -> Self {
        Self {
            spec: spec.clone(),
            kept: 0,
            seen: BTreeSet::new(),
        }
    }

    /// Judges an element and counts it if it is kept. The address of a page is then spelled as the search spells it,
    /// so that it is found among the sources.
    fn judge(&mut self, element: &mut Value, pages: &Pages) -> Judged {
        let judged = match &self.spec.check {
            Check::SearchedUrl => self.judge_page(element, pages),
            Check::ForbiddenClaims(claims) => {
                let text = texts_of(element).join("\n").to_lowercase();
                if claims.iter().any(|claim| text.contains(claim.as_str())) {
                    Judged::Dropped
                } else {
                    Judged::Kept
                }
            }
        };
        self.kept += usize::from(judged == Judged::Kept);
        judged
    }

    fn judge_page(&mut self, element: &mut Value, pages: &Pages) -> Judged {
        let Some(Value::String(address)) = element.get_mut("url") else {
            return Judged::Dropped;
        };
        let Some(key) = PageKey::of(address) else {
            return Judged::Dropped;
        };
        let Some(page) = pages.get(&key) else {
            return Judged::Dropped;
        };
        address.clone_from(&page.url);
        if self.seen.insert(key) {
            Judged::Kept
        } else {
            Judged::Repeated
        }
    }
}

/// Reads a whole reply and checks it: against its schema, the playbook's rules and what the searches returned.
/// What is wrong is said in words for the model.
pub fn check(
    reply: &str,
    spec: &StageSpec,
    playbook: &Playbook,
    sources: &[SearchSource],
    locale: Locale,
) -> Result<CheckedOutput, Vec<String>> {
    check_whole(reply, spec, playbook, sources, locale)
        .map_err(|violations| violations.into_iter().take(VIOLATIONS_MAX).map(clipped).collect())
}

fn check_whole(
    reply: &str,
    spec: &StageSpec,
    playbook: &Playbook,
    sources: &[SearchSource],
    locale: Locale,
) -> Result<CheckedOutput, Vec<String>> {
    let output = read(reply).map_err(|error| vec![error])?;
    let validator = OutputValidator::new(&spec.schema).map_err(|error| vec![error.to_string()])?;
    let violations = validator.validate(&output);
    if !violations.is_empty() {
        return Err(violations);
    }
    let violations = spec.violations(&output);
    if !violations.is_empty() {
        return Err(violations);
    }
    let mut checked = CheckedOutput {
        output,
        dropped: 0,
        sources: Vec::new(),
        notes: Vec::new(),
    };
    let pages = Pages::of(sources);
    let mut violations = Vec::new();
    for list in &spec.verify {
        violations.extend(checked.verify(list, playbook, &pages, locale));
        checked.support(list, &pages);
    }
    if violations.is_empty() {
        Ok(checked)
    } else {
        Err(violations)
    }
}

/// Reads a reply as one JSON document.
pub(crate) fn read(reply: &str) -> Result<Value, String> {
    let mut json = PartialJson::new(PartialJsonOptions::default());
    json.push(reply).map_err(|error| error.to_string())?;
    json.finish().map_err(|error| error.to_string())
}

impl CheckedOutput {
    /// Drops what the check does not pass and says so in the output; too few left is a violation.
    fn verify(
        &mut self,
        spec: &VerifySpec,
        playbook: &Playbook,
        pages: &Pages,
        locale: Locale,
    ) -> Option<String> {
        let Some(Value::Array(elements)) = self.output.pointer_mut(&spec.path) else {
            return None;
        };
        let before = elements.len();
        let mut list = CheckedList::new(spec);
        let mut dropped = 0;
        elements.retain_mut(|element| {
            let judged = list.judge(element, pages);
            dropped += usize::from(judged == Judged::Dropped);
            judged == Judged::Kept
        });
        let left = elements.len();
        self.dropped += u32::try_from(dropped).unwrap_or(u32::MAX);
        if left < spec.items_min {
            return Some(format!(
                "{}: {left} of {before} elements pass the check, at least {} must",
                spec.path, spec.items_min
            ));
        }
        if dropped > 0 {
            self.note(
                spec.notice_path.as_deref(),
                spec.dropped_phrase.as_deref(),
                playbook,
                locale,
            );
        }
        if left == 0 {
            self.note(
                spec.notice_path.as_deref(),
                spec.empty_phrase.as_deref(),
                playbook,
                locale,
            );
        }
        None
    }

    /// Names the search results that the elements of a list rest on.
    fn support(&mut self, spec: &VerifySpec, pages: &Pages) {
        match spec.check {
            Check::SearchedUrl => {}
            Check::ForbiddenClaims(_) => return,
        }
        let elements = self.output.pointer(&spec.path).and_then(Value::as_array);
        let addresses = elements
            .into_iter()
            .flatten()
            .filter_map(|element| element.get("url")?.as_str());
        for key in addresses.filter_map(PageKey::of) {
            let page = pages
                .get(&key)
                .filter(|page| self.sources.iter().all(|named| named.url != page.url));
            self.sources.extend(page.cloned());
        }
    }

    fn note(&mut self, list_path: Option<&str>, phrase: Option<&str>, playbook: &Playbook, locale: Locale) {
        let (Some(list_path), Some(phrase)) = (list_path, phrase) else {
            return;
        };
        let Some(Value::Array(notices)) = self.output.pointer_mut(list_path) else {
            return;
        };
        notices.push(Value::String(playbook.phrase(phrase, locale).to_owned()));
        self.notes.push(CheckNote {
            path: format!("{list_path}/{}", notices.len() - 1),
            provenance: playbook.phrase_provenance(phrase),
        });
    }
}
