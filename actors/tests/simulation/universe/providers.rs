//! The providers of a simulated world: slow, cut off, silent, wrong and broken.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use greenroom_protocol::{CallId, ErrorCode, Millis};
use greenroom_session::ports::{
    Background, CallFailure, LanguageModel, LlmIdentity, ModelEvent, ModelIdentity, ModelRequest,
    ModelStream, ModerationRequest, Moderator, Verdict,
};
use serde_json::{Value, json};

use super::fate::{Fate, Fault};
use super::journal::Disk;
use super::words;
use crate::model::{FOUND_URL, ScriptedModel, Step, failure, pieces, whole};
use crate::moderator::{Check, ScriptedModerator};

/// The name of the planner's output; every other output is a stage's.
const PLANNER: &str = "planner";
/// How long a moderator thinks.
const CHECK_MAX: Duration = Duration::from_millis(400);

/// A language model whose every reply is drawn anew.
pub struct UnsteadyModel {
    pub model: ScriptedModel,
    pub disk: Arc<Disk>,
    pub fate: Arc<Fate>,
    pub usual: fn(&str) -> Value,
}

impl UnsteadyModel {
    fn reply(&self, name: &str) -> Value {
        let chance = &self.fate.chance;
        if name == PLANNER {
            return words::planned(chance);
        }
        if self.fate.strikes(Fault::ModelBreaksContract) {
            return json!({ "evidence": 3 });
        }
        let mut reply = (self.usual)(name);
        if chance.one_in(12) {
            make_up_sources(&mut reply);
        }
        reply
    }

    fn steps(&self, name: &str) -> Vec<Step> {
        let chance = &self.fate.chance;
        let reply = self.reply(name);
        let mut steps = if self.fate.strikes(Fault::ModelSlow) {
            pieces(&reply, 40, chance.up_to(Duration::from_secs(2)))
        } else if chance.one_in(2) {
            pieces(
                &reply,
                5 + chance.index(80),
                chance.up_to(Duration::from_millis(60)),
            )
        } else {
            whole(&reply)
        };
        if name != PLANNER && !matches!(steps.first(), Some(Step::Source(_))) {
            steps.insert(0, Step::Source(FOUND_URL));
        }
        self.spoil(&mut steps);
        steps
    }

    /// Lets a reply end before it is complete, perhaps: with some step, or with nothing at all.
    fn spoil(&self, steps: &mut Vec<Step>) {
        let end = if self.fate.strikes(Fault::ModelPanics) {
            vec![Step::Panic]
        } else if self.fate.strikes(Fault::ModelHangs) {
            vec![Step::Hang]
        } else if self.fate.strikes(Fault::ModelFails) {
            let asked = self.fate.chance.pick(&[None, None, Some(1_000), Some(30_000)]);
            vec![failure(ErrorCode::LlmUpstream, asked)]
        } else if self.fate.strikes(Fault::ModelCut) {
            Vec::new()
        } else {
            return;
        };
        steps.truncate(self.fate.chance.index(steps.len()));
        steps.extend(end);
    }
}

/// Claims pages that no search returned.
fn make_up_sources(value: &mut Value) {
    match value {
        Value::String(text) if text == FOUND_URL => "https://made.example/up".clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(make_up_sources),
        Value::Object(fields) => fields.values_mut().for_each(make_up_sources),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[async_trait]
impl LanguageModel for UnsteadyModel {
    async fn generate(&self, request: ModelRequest) -> Result<ModelStream, CallFailure> {
        let call_id = request.call_id;
        let books = &self.disk.books;
        let begun = match &request.background {
            Background::TakenUp { response_id } => {
                let is_lost = !books.take_up(call_id, response_id) || self.fate.strikes(Fault::ResponseLost);
                if is_lost {
                    books.lose(response_id);
                    return Ok(stream::iter([Ok(lost())]).boxed());
                }
                self.fate.count("response taken up");
                None
            }
            Background::Never => {
                books.leaves(call_id);
                None
            }
            Background::Allowed => {
                books.leaves(call_id);
                let goes_on = !self.fate.chance.one_in(4);
                goes_on.then(|| format!("resp_{call_id}"))
            }
        };
        tokio::time::sleep(self.fate.chance.up_to(Duration::from_millis(30))).await;
        if self.fate.strikes(Fault::ModelUnreachable) {
            return Err(refusal(ErrorCode::LlmUpstream, true));
        }
        if self.fate.strikes(Fault::ModelRefuses) {
            return Err(refusal(ErrorCode::SafetyOutput, false));
        }
        let name = request
            .output
            .as_ref()
            .map_or_else(String::new, |output| output.name.clone());
        // Taken by the very next call of this output, which is this one: nothing else runs before it.
        self.model.script(&name, self.steps(&name));
        let stream = self.model.generate(request).await?;
        let disk = self.disk.clone();
        let told = stream.inspect(move |event| note_end(&disk, call_id, event));
        let Some(response_id) = begun else {
            return Ok(told.boxed());
        };
        books.begin_response(call_id, &response_id);
        Ok(stream::iter([Ok(ModelEvent::Begun { response_id })])
            .chain(told)
            .boxed())
    }

    fn identity(&self) -> Option<LlmIdentity> {
        self.model.identity()
    }

    fn can_search(&self) -> bool {
        self.model.can_search()
    }

    fn can_take_up(&self) -> bool {
        self.model.can_take_up()
    }

    fn abandon(&self, _: CallId, response_id: &str) {
        self.fate.count("response abandoned");
        self.disk.books.lose(response_id);
    }

    fn forget(&self, _: CallId, response_id: &str) {
        self.disk.books.lose(response_id);
    }
}

fn lost() -> ModelEvent {
    ModelEvent::Lost {
        reason: "asked to be lost".to_owned(),
    }
}

fn note_end(disk: &Disk, call_id: CallId, event: &Result<ModelEvent, CallFailure>) {
    if let Ok(ModelEvent::Completed(_)) = event {
        disk.books.done(call_id);
    }
}

/// A moderator that flags what is bad, and some of what is not.
pub struct UnsteadyModerator {
    pub moderator: ScriptedModerator,
    pub disk: Arc<Disk>,
    pub fate: Arc<Fate>,
}

#[async_trait]
impl Moderator for UnsteadyModerator {
    async fn moderate(&self, request: ModerationRequest) -> Result<Verdict, CallFailure> {
        let call_id = request.call_id;
        self.disk.books.leaves(call_id);
        tokio::time::sleep(self.fate.chance.up_to(CHECK_MAX)).await;
        let is_bad = request.texts.iter().any(|text| text.contains(words::BAD));
        let faults = [
            (Fault::ModeratorDown, Check::Down),
            (Fault::ModeratorHangs, Check::Hang),
            (Fault::ModeratorPanics, Check::Panic),
            (Fault::ModeratorFlags, Check::Flag),
        ];
        let met = faults.into_iter().find(|(fault, _)| self.fate.strikes(*fault));
        if let Some(check) = met.map(|(_, check)| check).or(is_bad.then_some(Check::Flag)) {
            // Taken by this very call: nothing else runs before it.
            self.moderator.script(check);
        }
        let verdict = self.moderator.moderate(request).await?;
        self.disk.books.done(call_id);
        Ok(verdict)
    }

    fn identity(&self) -> Option<ModelIdentity> {
        self.moderator.identity()
    }
}

fn refusal(code: ErrorCode, retryable: bool) -> CallFailure {
    CallFailure {
        code,
        retryable,
        retry_after: retryable.then_some(Millis(500)),
        reason: "asked to refuse".to_owned(),
        receipt: None,
    }
}
