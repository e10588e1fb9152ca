//! Compares what a step of a scenario brought about with what must follow from it.

use std::collections::BTreeMap;

use greenroom_protocol::{ErrorCode, Event, Locale, Role, SlotPath, SlotSource};
use serde_json::Value;
use toml::Spanned;

use super::document::{Expect, GateIs, PHRASE_PREFIX, Scenario};
use super::player::Mismatch;
use crate::playbook::Playbook;
use crate::{Fact, State};

/// What `asks` says when nothing is asked.
const NOTHING: &str = "nothing";

/// How the session stood before a step.
pub(super) struct Before {
    /// Facts in the log.
    pub head: usize,
    values: BTreeMap<SlotPath, Value>,
    state: String,
    locale: Locale,
}

impl Before {
    pub(super) fn of(state: &State, head: usize) -> Self {
        Self {
            head,
            values: values(state),
            state: state.wire_state.clone(),
            locale: state.locale,
        }
    }
}

/// How it stands after the step, and what happened in it.
pub(super) struct Stood<'a> {
    pub scenario: &'a Scenario,
    pub playbook: &'a Playbook,
    pub state: &'a State,
    pub facts: &'a [Fact],
    pub refused: Option<ErrorCode>,
    pub read: Option<&'a str>,
    pub line: usize,
}

/// Everything that is not as expected.
pub(super) fn check(expect: &Expect, before: &Before, stood: &Stood<'_>) -> Vec<Mismatch> {
    let mut checks = Checks {
        stood,
        mismatches: Vec::new(),
    };
    checks.slots(expect, before);
    checks.brief(expect);
    checks.gate(expect);
    checks.texts(expect);
    checks.happenings(expect);
    checks.unchanged_unless_named(expect, before);
    checks.mismatches
}

struct Checks<'s, 'a> {
    stood: &'s Stood<'a>,
    mismatches: Vec<Mismatch>,
}

impl Checks<'_, '_> {
    /// Compares with what is expected, if something is.
    fn equal<T: PartialEq + serde::Serialize>(
        &mut self,
        name: &str,
        expected: Option<&Spanned<T>>,
        found: &T,
    ) {
        if let Some(expected) = expected
            && expected.get_ref() != found
        {
            let (line, expected) = (self.line(expected), show(expected.get_ref()));
            self.note(line, format!("{name} = {expected}"), show(found));
        }
    }

    fn line<T>(&self, spanned: &Spanned<T>) -> usize {
        self.stood.scenario.line_of(&spanned.span())
    }

    fn note(&mut self, line: usize, expected: String, found: String) {
        self.mismatches.push(Mismatch {
            line,
            expected,
            found,
        });
    }

    /// Slots that have another value: exactly those that are named.
    fn slots(&mut self, expect: &Expect, before: &Before) {
        let now = values(self.stood.state);
        let filled: BTreeMap<SlotPath, Value> = now
            .iter()
            .filter(|(path, value)| before.values.get(*path) != Some(value))
            .map(|(path, value)| (path.clone(), value.clone()))
            .collect();
        let cleared: Vec<SlotPath> = before
            .values
            .keys()
            .filter(|path| !now.contains_key(*path))
            .cloned()
            .collect();
        match &expect.filled {
            Some(_) => self.equal("filled", expect.filled.as_ref(), &filled),
            None if filled.is_empty() => {}
            None => self.note(self.stood.line, "no slot changes".to_owned(), show(&filled)),
        }
        match &expect.cleared {
            Some(_) => self.equal("cleared", expect.cleared.as_ref(), &cleared),
            None if cleared.is_empty() => {}
            None => self.note(self.stood.line, "no slot is cleared".to_owned(), show(&cleared)),
        }
    }

    fn brief(&mut self, expect: &Expect) {
        self.equal("brief", expect.brief.as_ref(), &values(self.stood.state));
        for (path, words) in expect.words.iter().flat_map(toml::Spanned::get_ref) {
            let line = expect
                .words
                .as_ref()
                .map_or(self.stood.line, |words| self.line(words));
            let source = self.stood.state.brief.get(path).map(|slot| &slot.source);
            let found = match source {
                Some(SlotSource::Turn { words, .. }) => words.clone(),
                Some(SlotSource::Edit) => "an edit".to_owned(),
                Some(SlotSource::Picture { .. }) => "a picture".to_owned(),
                None => "no value".to_owned(),
            };
            if found != *words {
                self.note(line, format!("words of {path} = {words:?}"), format!("{found:?}"));
            }
        }
        let wanted = self.stood.playbook.gate_min_confidence;
        let unsure = self.stood.state.brief.iter();
        let unsure: Vec<SlotPath> = unsure
            .filter(|(_, slot)| slot.confidence < wanted)
            .map(|(path, _)| path.clone())
            .collect();
        self.equal("unsure", expect.unsure.as_ref(), &unsure);
    }

    fn gate(&mut self, expect: &Expect) {
        let gate = &self.stood.state.gate;
        let is = if gate.ready { GateIs::Open } else { GateIs::Closed };
        self.equal("gate", expect.gate.as_ref(), &is);
        self.equal("missing", expect.missing.as_ref(), &gate.missing_required);
    }

    /// What the assistant said and asked.
    fn texts(&mut self, expect: &Expect) {
        let said: Vec<String> = self
            .stood
            .facts
            .iter()
            .filter_map(said_by_assistant)
            .map(str::to_owned)
            .collect();
        if let Some(expected) = &expect.said {
            let texts: Vec<String> = expected.get_ref().iter().map(|text| self.text_of(text)).collect();
            if texts != said {
                let (line, expected) = (self.line(expected), show(&texts));
                self.note(line, format!("said = {expected}"), show(&said));
            }
        }
        let all = said.join("\n");
        for (parts, wanted) in [(&expect.contains, true), (&expect.lacks, false)] {
            let Some(parts) = parts else { continue };
            self.parts(parts, wanted, "the assistant says", &all);
        }
        let read = self.stood.read.unwrap_or_default();
        for (parts, wanted) in [(&expect.reads, true), (&expect.reads_not, false)] {
            let Some(parts) = parts else { continue };
            self.parts(parts, wanted, "the planner reads", read);
        }
        if let Some(expected) = &expect.asks {
            let asked = self.stood.state.conversation.asked.as_ref();
            let found = asked.map_or(NOTHING, SlotPath::as_str).to_owned();
            self.equal("asks", Some(expected), &found);
        }
    }

    fn parts(&mut self, parts: &Spanned<Vec<String>>, wanted: bool, who: &str, text: &str) {
        let line = self.line(parts);
        for part in parts.get_ref() {
            let part = self.text_of(part);
            if text.contains(&part) != wanted {
                let not = if wanted { "" } else { "not " };
                self.note(line, format!("{who} {not}{part:?}"), format!("{text:?}"));
            }
        }
    }

    /// A text, or the phrase that it names.
    fn text_of(&self, text: &str) -> String {
        let locale = self.stood.state.locale;
        text.strip_prefix(PHRASE_PREFIX).map_or_else(
            || text.to_owned(),
            |key| self.stood.playbook.phrase(key, locale).to_owned(),
        )
    }

    fn happenings(&mut self, expect: &Expect) {
        let facts = self.stood.facts.iter();
        let types: Vec<String> = facts
            .filter(|fact| !matches!(fact.event, Event::PlannerDelta(_) | Event::StageDelta(_)))
            .map(|fact| fact.event.event_type().into_owned())
            .collect();
        self.equal("only_events", expect.only_events.as_ref(), &types);
        if let Some(expected) = &expect.events {
            let mut left = types.iter();
            let missing = expected
                .get_ref()
                .iter()
                .find(|wanted| !left.any(|found| found == *wanted));
            if let Some(missing) = missing {
                let line = self.line(expected);
                self.note(line, format!("{missing} in this order"), show(&types));
            }
        }
        let outcomes = self.stood.facts.iter().filter_map(|fact| match &fact.event {
            Event::TurnCompleted(completed) => Some(completed.outcome),
            _ => None,
        });
        let outcomes = outcomes.collect();
        self.equal("outcomes", expect.outcomes.as_ref(), &outcomes);
    }

    /// What is not named may not have changed.
    fn unchanged_unless_named(&mut self, expect: &Expect, before: &Before) {
        let line = self.stood.line;
        let state = &self.stood.state.wire_state;
        match &expect.state {
            Some(_) => self.equal("state", expect.state.as_ref(), state),
            None if *state == before.state => {}
            None => self.note(line, format!("the state stays {}", before.state), state.clone()),
        }
        let locale = self.stood.state.locale;
        match &expect.locale {
            Some(_) => self.equal("locale", expect.locale.as_ref(), &locale),
            None if locale == before.locale => {}
            None => self.note(
                line,
                format!("the language stays {}", show(&before.locale)),
                show(&locale),
            ),
        }
        match (&expect.refused, self.stood.refused) {
            (Some(expected), Some(found)) => self.equal("refused", Some(expected), &found),
            (None, None) => {}
            (Some(expected), None) => {
                let (line, expected) = (self.line(expected), show(expected.get_ref()));
                self.note(line, format!("refused = {expected}"), "it was taken".to_owned());
            }
            (None, Some(found)) => self.note(line, "it is taken".to_owned(), show(&found)),
        }
        let errors: Vec<ErrorCode> = self
            .stood
            .facts
            .iter()
            .filter_map(|fact| match &fact.event {
                Event::Error(error) => Some(error.error.code),
                _ => None,
            })
            .collect();
        match &expect.errors {
            Some(_) => self.equal("errors", expect.errors.as_ref(), &errors),
            None if errors.is_empty() => {}
            None => self.note(line, "nothing fails".to_owned(), show(&errors)),
        }
        self.runs_are_named(expect);
    }

    fn runs_are_named(&mut self, expect: &Expect) {
        let named = |event_type: &str| {
            let lists = [&expect.events, &expect.only_events];
            lists
                .into_iter()
                .flatten()
                .any(|list| list.get_ref().iter().any(|named| named == event_type))
        };
        let unnamed = self.stood.facts.iter().find(|fact| {
            let is_of_run = matches!(
                fact.event,
                Event::RunStarted(_) | Event::RunCancelled(_) | Event::RunCompleted(_) | Event::GateWaived(_)
            );
            is_of_run && !named(&fact.event.event_type())
        });
        if let Some(fact) = unnamed {
            let found = fact.event.event_type().into_owned();
            self.note(
                self.stood.line,
                "no run begins or ends unless `events` names it".to_owned(),
                found,
            );
        }
    }
}

fn said_by_assistant(fact: &Fact) -> Option<&str> {
    match &fact.event {
        Event::MessageAdded(message) if message.role == Role::Assistant => Some(&message.text),
        _ => None,
    }
}

/// The values of the brief.
fn values(state: &State) -> BTreeMap<SlotPath, Value> {
    let slots = state.brief.iter();
    slots
        .map(|(path, slot)| (path.clone(), slot.value.clone()))
        .collect()
}

fn show(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
