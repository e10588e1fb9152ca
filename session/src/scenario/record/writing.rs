//! Writes a retold session as the text of a scenario file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use greenroom_protocol::{
    CallPurpose, ErrorCode, Event, Locale, Provenance, Role, SessionId, SessionStarted, SlotPath, SlotSource,
};
use serde_json::Value;

use super::Happened;
use super::retelling::{Retelling, Told, ToldEnd, ToldHappening, ToldReply};
use crate::scenario::PHRASE_PREFIX;

/// What every recorded file begins with.
const NOTICE: &str = "\
# Not in a session's log, and so not in here: values that a model proposed and that were refused, questions that were
# withheld, wishes that had no effect, replies that broke their form (an unfinished or empty one stands for them), checks
# of texts, and how the texts were cut while they came.
";

/// Event types that a replay repeats in the same step. Others depend on time, or on what is not in the log.
const REPEATED: [&str; 14] = [
    "session.restarted",
    "session.stopped",
    "turn.started",
    "message.added",
    "slot.updated",
    "gate.ready",
    "gate.changed",
    "gate.waived",
    "turn.completed",
    "run.started",
    "stage.changed",
    "stage.completed",
    "run.cancelled",
    "run.completed",
];

pub(super) fn file(
    session: SessionId,
    started: &SessionStarted,
    events: &[Happened],
    retelling: &Retelling,
) -> String {
    let has_model = events.iter().any(|happened| match &happened.event {
        Event::CallReserved(reserved) => matches!(reserved.purpose, CallPurpose::Plan | CallPurpose::Stage),
        _ => false,
    });
    let mut file = format!("# Recorded from {session}, {} events.\n{NOTICE}\n", events.len());
    let (locale, mode) = (literal(&started.locale), literal(&started.mode));
    let name = text(&format!("{session} as it was"));
    line(
        &mut file,
        &format!("[[scenario]]\nname = {name}\nlocale = {locale}\nmode = {mode}"),
    );
    if !has_model {
        line(&mut file, "model = false");
    }
    let mut standing = Standing {
        brief: BTreeMap::new(),
        state: started.state.clone(),
        locale: started.locale,
    };
    let first = retelling.steps.first().map_or(events.len(), |step| step.from);
    standing.follow(&events[..first]);
    for (at, step) in retelling.steps.iter().enumerate() {
        let until = retelling.steps.get(at + 1).map_or(events.len(), |next| next.from);
        line(&mut file, "\n[[scenario.step]]");
        write_step(&mut file, step);
        let expect = standing.expect(&events[step.from..until]);
        line(&mut file, &format!("expect = {{ {} }}", expect.join(", ")));
    }
    file
}

/// What is compared before and after a step.
struct Standing {
    brief: BTreeMap<SlotPath, Value>,
    state: String,
    locale: Locale,
}

impl Standing {
    fn follow(&mut self, events: &[Happened]) {
        for happened in events {
            match &happened.event {
                Event::SlotUpdated(updated) if updated.value.is_null() => {
                    self.brief.remove(&updated.path);
                }
                Event::SlotUpdated(updated) => {
                    self.brief.insert(updated.path.clone(), updated.value.clone());
                }
                Event::StageChanged(changed) => self.state.clone_from(&changed.state),
                Event::MessageAdded(message) if message.role == Role::User => {
                    self.locale = message.locale.unwrap_or(self.locale);
                }
                _ => {}
            }
        }
    }

    /// What must follow from a step that had these events.
    fn expect(&mut self, events: &[Happened]) -> Vec<String> {
        let (brief, state, locale) = (self.brief.clone(), self.state.clone(), self.locale);
        self.follow(events);
        let filled = self
            .brief
            .iter()
            .filter(|(path, value)| brief.get(*path) != Some(value));
        let filled: Vec<String> = filled
            .map(|(path, value)| format!("{} = {}", text(path.as_str()), literal(value)))
            .collect();
        let cleared: Vec<&SlotPath> = brief
            .keys()
            .filter(|path| !self.brief.contains_key(*path))
            .collect();
        let mut expect = vec![format!("filled = {{ {} }}", filled.join(", "))];
        if !cleared.is_empty() {
            expect.push(format!("cleared = {}", literal(&cleared)));
        }
        if state != self.state {
            expect.push(format!("state = {}", text(&self.state)));
        }
        if locale != self.locale {
            expect.push(format!("locale = {}", literal(&self.locale)));
        }
        let errors: Vec<ErrorCode> = events
            .iter()
            .filter_map(|happened| match &happened.event {
                Event::Error(error) => Some(error.error.code),
                _ => None,
            })
            .collect();
        if !errors.is_empty() {
            expect.push(format!("errors = {}", literal(&errors)));
        }
        let said: Vec<String> = events
            .iter()
            .filter_map(|happened| said(&happened.event))
            .collect();
        expect.push(format!("said = {}", literal(&said)));
        let types = events
            .iter()
            .map(|happened| happened.event.event_type().into_owned());
        let types: Vec<String> = types.filter(|name| REPEATED.contains(&name.as_str())).collect();
        expect.push(format!("events = {}", literal(&types)));
        expect
    }
}

/// A text of the assistant, or the phrase that it is.
fn said(event: &Event) -> Option<String> {
    match event {
        Event::MessageAdded(message) if message.role == Role::Assistant => Some(match &message.provenance {
            Provenance::Playbook { key, .. } => format!("{PHRASE_PREFIX}{key}"),
            Provenance::Model { .. } | Provenance::User { .. } | Provenance::Operator => message.text.clone(),
        }),
        _ => None,
    }
}

fn write_step(file: &mut String, step: &Told) {
    match &step.happening {
        ToldHappening::Says { words, voice } => {
            line(file, &format!("user = {}", text(words)));
            if *voice {
                line(file, "voice = true");
            }
        }
        ToldHappening::Edits(edits) => write_edits(file, edits),
        ToldHappening::Presses(button) => line(file, &format!("press = {}", literal(button))),
        ToldHappening::Output {
            stage,
            text: output,
            sources,
        } => {
            line(
                file,
                &format!("stage = {}\noutput = {}", text(stage), text(output)),
            );
            line(file, &format!("sources = {}", literal(sources)));
        }
        ToldHappening::StageFails {
            stage,
            code,
            retryable,
            after_ms,
        } => {
            line(
                file,
                &format!("stage = {}\nfail = {}", text(stage), literal(code)),
            );
            line(file, &format!("retryable = {retryable}\nafter_ms = {after_ms}"));
        }
        ToldHappening::Restarts => line(file, "restart = true"),
        ToldHappening::OperatorRestarts { from_stage } => {
            line(file, "operator = \"restart\"");
            if let Some(stage) = from_stage {
                line(file, &format!("from_stage = {}", text(stage)));
            }
        }
        ToldHappening::OperatorStops => line(file, "operator = \"stop\""),
        ToldHappening::GoesOn => {}
    }
    if !step.replies.is_empty() {
        let replies: Vec<String> = step.replies.iter().map(reply).collect();
        line(file, &format!("model = [{}]", replies.join(", ")));
    }
    if step.unanswered {
        line(file, "unanswered = true");
    }
}

fn write_edits(file: &mut String, edits: &[(SlotPath, Value)]) {
    let (cleared, edited): (Vec<_>, Vec<_>) = edits.iter().partition(|(_, value)| value.is_null());
    let edited: Vec<String> = edited
        .iter()
        .map(|(path, value)| format!("{} = {}", text(path.as_str()), literal(value)))
        .collect();
    let cleared: Vec<&SlotPath> = cleared.iter().map(|(path, _)| path).collect();
    if !edited.is_empty() {
        line(file, &format!("edit = {{ {} }}", edited.join(", ")));
    }
    if !cleared.is_empty() {
        line(file, &format!("clear = {}", literal(&cleared)));
    }
}

fn reply(reply: &ToldReply) -> String {
    let mut fields = Vec::new();
    if reply.end == ToldEnd::Malformed {
        // What was shown of it stands there; what followed cannot have been the rest of a document.
        let opening = format!("{{\"answer\":{}", Value::from(reply.answer.as_str()));
        return format!("{{ raw = {} }}", text(&opening));
    }
    fields.push(format!("answer = {}", text(&reply.answer)));
    if !reply.slots.is_empty() {
        let slots: Vec<String> = reply.slots.iter().filter_map(slot).collect();
        fields.push(format!("slots = [{}]", slots.join(", ")));
    }
    if let Some(ask) = &reply.ask {
        fields.push(format!("ask = {}", text(ask.as_str())));
    }
    if !reply.question.is_empty() {
        fields.push(format!("question = {}", text(reply.question.trim_start())));
    }
    if let Some(intent) = &reply.intent {
        fields.push(format!("intent = {}", literal(intent)));
    }
    match &reply.end {
        ToldEnd::Complete | ToldEnd::Malformed => {}
        ToldEnd::Unfinished => fields.push("unfinished = true".to_owned()),
        ToldEnd::Failed {
            code,
            retryable,
            after_ms,
        } => fields.push(format!(
            "fail = {}, retryable = {retryable}, after_ms = {after_ms}",
            literal(code)
        )),
    }
    format!("{{ {} }}", fields.join(", "))
}

fn slot(updated: &greenroom_protocol::SlotUpdated) -> Option<String> {
    let SlotSource::Turn { words, .. } = &updated.source else {
        return None;
    };
    let (path, value) = (text(updated.path.as_str()), literal(&updated.value));
    let (confidence, words) = (literal(&updated.confidence), text(words));
    Some(format!(
        "{{ path = {path}, value = {value}, confidence = {confidence}, words = {words} }}"
    ))
}

fn text(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A value as TOML writes it on one line.
fn literal(value: &impl serde::Serialize) -> String {
    toml::Value::try_from(value)
        .map(|value| value.to_string())
        .unwrap_or_default()
}

fn line(file: &mut String, text: &str) {
    writeln!(file, "{text}").expect("writing to a text never fails");
}
