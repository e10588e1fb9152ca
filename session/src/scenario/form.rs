//! The form of a scenario file, and how it is read: every fault has its line.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use greenroom_protocol::{ErrorCode, Locale, Mode, SlotPath, StageId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use toml::Spanned;

use super::document::{
    Button, Deed, Expect, Failing, Happening, Reply, ReplyEnd, Scenario, ScenarioFault, Setting, StageEnd,
    Step, line_of,
};
use crate::planner::Intent;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    /// Outputs of stages that the file's steps name by `output = "NAME"`.
    #[serde(default)]
    outputs: BTreeMap<String, String>,
    #[serde(default)]
    scenario: Vec<Spanned<ScenarioForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScenarioForm {
    name: Spanned<String>,
    locale: Locale,
    #[serde(default)]
    mode: Mode,
    #[serde(default = "yes")]
    model: bool,
    #[serde(default)]
    brief: BTreeMap<SlotPath, Value>,
    step: Vec<Spanned<StepForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepForm {
    user: Option<String>,
    #[serde(default)]
    voice: bool,
    edit: Option<BTreeMap<SlotPath, Value>>,
    clear: Option<Vec<SlotPath>>,
    press: Option<Button>,
    wait_ms: Option<u64>,
    #[serde(default)]
    restart: bool,
    operator: Option<DeedForm>,
    from_stage: Option<StageId>,
    stage: Option<StageId>,
    output: Option<String>,
    #[serde(default)]
    sources: Vec<String>,
    fail: Option<ErrorCode>,
    retryable: Option<bool>,
    #[serde(default)]
    after_ms: u64,
    #[serde(default)]
    model: Vec<Spanned<ReplyForm>>,
    #[serde(default)]
    unanswered: bool,
    #[serde(default)]
    expect: Expect,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DeedForm {
    Restart,
    Stop,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplyForm {
    answer: Option<String>,
    slots: Option<Vec<SlotForm>>,
    ask: Option<SlotPath>,
    question: Option<String>,
    intent: Option<Intent>,
    raw: Option<String>,
    fail: Option<ErrorCode>,
    retryable: Option<bool>,
    #[serde(default)]
    after_ms: u64,
    #[serde(default)]
    unfinished: bool,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SlotForm {
    path: SlotPath,
    value: Value,
    #[serde(default = "outright")]
    confidence: f64,
    words: String,
}

fn yes() -> bool {
    true
}

/// How sure a model is of what was said outright.
fn outright() -> f64 {
    0.95
}

impl Scenario {
    /// Reads a file of scenarios. The answer to a bad one is every fault that was found.
    pub fn read(file: &str, text: &str) -> Result<Vec<Self>, Vec<ScenarioFault>> {
        let reader = Reader {
            file,
            text: Arc::from(text),
        };
        let form: FileForm = toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            vec![reader.fault(&span, format!("this is no scenario file: {}", error.message()))]
        })?;
        let mut faults = Vec::new();
        let mut scenarios: Vec<Self> = Vec::new();
        for spanned in form.scenario {
            let span = spanned.span();
            match reader.scenario(spanned.into_inner(), &span, &form.outputs) {
                Ok(scenario) if scenarios.iter().any(|other| other.name == scenario.name) => {
                    let message = format!("another scenario is named `{}`; give each its own", scenario.name);
                    faults.push(ScenarioFault {
                        file: file.to_owned(),
                        line: scenario.line,
                        message,
                    });
                }
                Ok(scenario) => scenarios.push(scenario),
                Err(found) => faults.extend(found),
            }
        }
        if scenarios.is_empty() && faults.is_empty() {
            faults.push(reader.fault(&(0..0), "there is no [[scenario]] in this file".to_owned()));
        }
        if faults.is_empty() {
            Ok(scenarios)
        } else {
            Err(faults)
        }
    }
}

struct Reader<'a> {
    file: &'a str,
    text: Arc<str>,
}

impl Reader<'_> {
    fn fault(&self, span: &Range<usize>, message: String) -> ScenarioFault {
        ScenarioFault {
            file: self.file.to_owned(),
            line: self.line(span),
            message,
        }
    }

    fn line(&self, span: &Range<usize>) -> usize {
        line_of(&self.text, span)
    }

    fn scenario(
        &self,
        form: ScenarioForm,
        span: &Range<usize>,
        outputs: &BTreeMap<String, String>,
    ) -> Result<Scenario, Vec<ScenarioFault>> {
        let mut faults = Vec::new();
        if form.step.is_empty() {
            faults.push(self.fault(span, "a scenario needs a [[scenario.step]]".to_owned()));
        }
        let mut steps = Vec::new();
        for spanned in form.step {
            let span = spanned.span();
            match self.step(spanned.into_inner(), &span, outputs) {
                Ok(step) => steps.push(step),
                Err(found) => faults.extend(found),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Scenario {
            file: self.file.to_owned(),
            line: self.line(&form.name.span()),
            name: form.name.into_inner(),
            setting: Setting {
                locale: form.locale,
                mode: form.mode,
                has_model: form.model,
                brief: form.brief,
            },
            steps,
            text: Arc::clone(&self.text),
        })
    }

    fn step(
        &self,
        mut form: StepForm,
        span: &Range<usize>,
        outputs: &BTreeMap<String, String>,
    ) -> Result<Step, Vec<ScenarioFault>> {
        let mut faults = Vec::new();
        let mut replies = Vec::new();
        for spanned in std::mem::take(&mut form.model) {
            let span = spanned.span();
            match self.reply(&spanned.into_inner(), &span) {
                Ok(reply) => replies.push(reply),
                Err(fault) => faults.push(fault),
            }
        }
        let (unanswered, expect) = (form.unanswered, std::mem::take(&mut form.expect));
        match happening(form, !replies.is_empty(), outputs) {
            Ok(happening) if faults.is_empty() => Ok(Step {
                line: self.line(span),
                happening,
                replies,
                unanswered,
                expect,
            }),
            Ok(_) => Err(faults),
            Err(message) => {
                faults.push(self.fault(span, message));
                Err(faults)
            }
        }
    }

    fn reply(&self, form: &ReplyForm, span: &Range<usize>) -> Result<Reply, ScenarioFault> {
        let has_fields = form.answer.is_some()
            || form.slots.is_some()
            || form.ask.is_some()
            || form.question.is_some()
            || form.intent.is_some();
        let ends = usize::from(form.unfinished) + usize::from(form.fail.is_some());
        let fault = |message: &str| Err(self.fault(span, message.to_owned()));
        if ends > 1 {
            return fault("a reply ends once: write `fail` or `unfinished`");
        }
        if form.raw.is_some() && has_fields {
            return fault("a reply is `raw` or has the planner's fields, not both");
        }
        if ends == 0 && !has_fields && form.raw.is_none() {
            return fault("a reply says nothing; write `answer`, `raw` or `fail`");
        }
        let text = match &form.raw {
            Some(raw) => raw.clone(),
            None if ends == 0 => whole_reply(form),
            None => open_reply(form),
        };
        let end = match form.fail {
            Some(code) => ReplyEnd::Failure(Failing {
                code,
                retryable: form.retryable,
                after_ms: form.after_ms,
            }),
            None if form.unfinished => ReplyEnd::Open,
            None => ReplyEnd::Complete,
        };
        Ok(Reply {
            line: self.line(span),
            text,
            end,
        })
    }
}

/// What a step is: exactly one thing.
fn happening(
    form: StepForm,
    has_replies: bool,
    outputs: &BTreeMap<String, String>,
) -> Result<Happening, String> {
    let edits = form.edit.is_some() || form.clear.is_some();
    let kinds = [
        form.user.is_some(),
        edits,
        form.press.is_some(),
        form.wait_ms.is_some(),
        form.restart,
        form.operator.is_some(),
        form.stage.is_some(),
    ];
    match (kinds.iter().filter(|kind| **kind).count(), has_replies) {
        (1, _) => {}
        (0, true) => return Ok(Happening::GoesOn),
        _ => {
            return Err(
                "a step is exactly one of `user`, `edit` (with `clear`), `press`, `wait_ms`, `restart`, `operator`, `stage`, or `model` alone"
                    .to_owned(),
            );
        }
    }
    if form.from_stage.is_some() && form.operator != Some(DeedForm::Restart) {
        return Err("`from_stage` belongs to `operator = \"restart\"`".to_owned());
    }
    if let Some(words) = form.user {
        return Ok(Happening::Says {
            words,
            voice: form.voice,
        });
    }
    if let Some(button) = form.press {
        return Ok(Happening::Presses(button));
    }
    if let Some(ms) = form.wait_ms {
        return Ok(Happening::Waits { ms });
    }
    if form.restart {
        return Ok(Happening::Restarts);
    }
    if let Some(deed) = form.operator {
        return Ok(Happening::Operates(match deed {
            DeedForm::Restart => Deed::Restart {
                from_stage: form.from_stage,
            },
            DeedForm::Stop => Deed::Stop,
        }));
    }
    let Some(stage) = form.stage else {
        let cleared = form.clear.unwrap_or_default().into_iter();
        let edited = form.edit.unwrap_or_default().into_iter();
        return Ok(Happening::Edits(
            edited.chain(cleared.map(|path| (path, Value::Null))).collect(),
        ));
    };
    let end = match (form.output, form.fail) {
        (Some(output), None) => StageEnd::Output {
            text: outputs.get(&output).cloned().unwrap_or(output),
            sources: form.sources,
        },
        (None, Some(code)) => StageEnd::Failure(Failing {
            code,
            retryable: form.retryable,
            after_ms: form.after_ms,
        }),
        (Some(_), Some(_)) | (None, None) => {
            return Err("a `stage` ends with an `output` or with `fail`".to_owned());
        }
    };
    Ok(Happening::Stage { stage, end })
}

/// The whole document of the planner; what is left out says nothing.
fn whole_reply(form: &ReplyForm) -> String {
    let fields = [
        ("answer", json_of(&form.answer.as_deref().unwrap_or_default())),
        (
            "slot_updates",
            json_of(&form.slots.as_deref().unwrap_or_default()),
        ),
        ("ask", json_of(&form.ask)),
        ("question", json_of(&form.question.as_deref().unwrap_or_default())),
        ("intent", json_of(&form.intent.unwrap_or(Intent::None))),
    ];
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", fields.join(","))
}

/// The document as far as it is written: its last text has no end yet.
fn open_reply(form: &ReplyForm) -> String {
    let fields = [
        ("answer", form.answer.as_ref().map(json_of)),
        ("slot_updates", form.slots.as_ref().map(json_of)),
        ("ask", form.ask.as_ref().map(json_of)),
        ("question", form.question.as_ref().map(json_of)),
        ("intent", form.intent.as_ref().map(json_of)),
    ];
    let last = fields.iter().rposition(|(_, value)| value.is_some());
    let Some(last) = last else { return String::new() };
    let mut text = "{".to_owned();
    for (at, (name, value)) in fields.iter().enumerate().take(last + 1) {
        let usual = match *name {
            "slot_updates" => "[]",
            "ask" => "null",
            _ => "\"\"",
        };
        let separator = if at == 0 { "" } else { "," };
        text.push_str(separator);
        text.push_str(&json_of(name));
        text.push(':');
        text.push_str(value.as_deref().unwrap_or(usual));
    }
    if text.ends_with('"') {
        text.pop();
    }
    text
}

fn json_of(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("texts, numbers and lists are always JSON")
}
