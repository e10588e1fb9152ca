//! The playbook of a session, in words that people read: what a page needs to draw any product of this server.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use greenroom_actors::PlaybookUnavailable;
use greenroom_protocol::{ErrorCode, Locale, Millis, SessionId, SlotPath, StageId};
use greenroom_session::playbook::{ChoiceOption, Playbook, SlotKind, SlotSpec, StageSpec};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::extract::{InPath, InQuery};
use super::{Asker, Failure, schemas};
use crate::app::App;
use crate::export::capitalised;

/// In which words.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PlaybookQuery {
    /// The language; the session's own if left out.
    #[param(schema_with = schemas::locale)]
    locale: Option<Locale>,
}

/// What the session's playbook is made of, and what people call it. The session is pinned to it: it stays the same whatever
/// becomes of the server's playbooks.
#[utoipa::path(
    get, path = "/api/chat/session/{session_id}/playbook", tag = "sessions",
    params(("session_id" = String, Path, description = "The session"), PlaybookQuery),
    responses((status = 200, description = "The playbook in one language", body = PlaybookDocument)),
)]
pub(super) async fn playbook(
    State(app): State<Arc<App>>,
    asker: Asker,
    InPath(session): InPath<SessionId>,
    InQuery(query): InQuery<PlaybookQuery>,
) -> Result<Json<PlaybookDocument>, Failure> {
    let view = app.directory.view(session, &asker.caller).await?;
    let playbook = app.playbooks.pinned(&view.playbook.hash).await;
    let playbook = playbook.map_err(|error| unavailable(&error))?;
    let locale = query.locale.unwrap_or(view.locale);
    Ok(Json(PlaybookDocument::of(&playbook, locale)))
}

fn unavailable(error: &PlaybookUnavailable) -> Failure {
    tracing::error!(%error, "the playbook of a session cannot be had");
    Failure::new(match error {
        PlaybookUnavailable::Unreachable(_) => ErrorCode::DbUnavailable,
        PlaybookUnavailable::Damaged(_) => ErrorCode::SysInternal,
    })
}

/// A playbook in the words of one language. A label is null where the playbook has no word.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlaybookDocument {
    /// What sessions are begun with.
    name: String,
    /// The hash of its content.
    hash: String,
    /// The language of the words.
    #[schema(schema_with = schemas::locale)]
    locale: Locale,
    /// The slot that names a session, if one does.
    #[schema(value_type = Option<String>)]
    title_slot: Option<SlotPath>,
    states: StatesDocument,
    /// In the order in which they are asked for.
    slots: Vec<SlotDocument>,
    gate: GateDocument,
    /// Those that a stage needs come before it.
    stages: Vec<StageDocument>,
    /// How long a run may take in all.
    #[schema(value_type = u64)]
    run_budget_ms: Millis,
    /// The voices that texts can be spoken in; the first is that of who names none.
    voices: Vec<VoiceDocument>,
    /// What people call slots, parts of the package and fields of outputs.
    fields: BTreeMap<String, String>,
    /// What people call values of closed lists.
    values: BTreeMap<String, String>,
}

/// The names of the states that are not a stage's.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatesDocument {
    /// The brief is being collected.
    collecting: String,
    /// The gate is open.
    ready: String,
    /// A run is complete.
    done: String,
    /// A run failed.
    failed: String,
}

/// A slot.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SlotDocument {
    /// Where it stands in the brief.
    #[schema(value_type = String)]
    path: SlotPath,
    kind: SlotKindName,
    /// Whether the gate needs it.
    required: bool,
    /// What people call it.
    label: Option<String>,
    /// The values that it may have; empty if it takes any.
    options: Vec<OptionDocument>,
    /// Of a list, how many there must be.
    items_min: Option<usize>,
    /// Of a list, how many there may be.
    items_max: Option<usize>,
    /// The playbook's own question for it, if it is ever asked for.
    question: Option<String>,
}

/// What may stand in a slot.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SlotKindName {
    /// One text.
    Text,
    /// Several texts.
    TextList,
    /// One of the options.
    Choice,
    /// One of the options, or a price that becomes one.
    PriceBand,
    /// One of the options, which are whole numbers.
    Number,
}

/// A value that a slot may have.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OptionDocument {
    /// A text or a whole number.
    value: Value,
    /// What people call it; the value itself if the playbook has no word for it.
    label: String,
}

/// When the gate opens: all required slots are filled, and surely enough.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GateDocument {
    /// Mean confidence of the filled required slots that it takes, 0 to 1.
    min_confidence: f64,
}

/// A stage.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StageDocument {
    /// Its name in events.
    #[schema(value_type = String)]
    id: StageId,
    /// What people call it.
    label: Option<String>,
    /// The session's state while it is the first that is not complete. Stages may share one.
    state: String,
    /// The stages whose outputs it needs.
    #[schema(value_type = Vec<String>)]
    needs: Vec<StageId>,
    /// Whether `fast` mode skips it.
    optional: bool,
    /// Whether its model may search the web.
    search: bool,
    /// Time for all its attempts together.
    #[schema(value_type = u64)]
    budget_ms: Millis,
    /// The part of the package under which its output is filed.
    package_key: String,
    /// JSON pointers of the lists whose elements come whole, once checked.
    verify: Vec<String>,
    /// The JSON Schema of its output.
    #[schema(value_type = Object)]
    schema: Value,
}

/// A voice.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VoiceDocument {
    /// What it is asked for as: `voice_preset`.
    id: String,
    /// What people call it.
    label: Option<String>,
}

impl PlaybookDocument {
    fn of(playbook: &Playbook, locale: Locale) -> Self {
        let states = &playbook.states;
        let words = Words { playbook, locale };
        Self {
            name: playbook.reference.name.clone(),
            hash: playbook.reference.hash.clone(),
            locale,
            title_slot: playbook.title_slot.clone(),
            states: StatesDocument {
                collecting: states.collecting.clone(),
                ready: states.ready.clone(),
                done: states.done.clone(),
                failed: states.failed.clone(),
            },
            slots: playbook.slots.iter().map(|slot| words.slot(slot)).collect(),
            gate: GateDocument {
                min_confidence: playbook.gate_min_confidence,
            },
            stages: playbook.stages.iter().map(|stage| words.stage(stage)).collect(),
            run_budget_ms: playbook.run_budget,
            voices: playbook
                .voices
                .iter()
                .map(|voice| VoiceDocument {
                    id: voice.preset.clone(),
                    label: words.value(&voice.preset),
                })
                .collect(),
            fields: owned(playbook.field_names(locale)),
            values: owned(playbook.value_names(locale)),
        }
    }
}

/// A playbook and the language in which it is told.
struct Words<'a> {
    playbook: &'a Playbook,
    locale: Locale,
}

impl Words<'_> {
    fn slot(&self, slot: &SlotSpec) -> SlotDocument {
        let (kind, options, items) = match &slot.kind {
            SlotKind::Text => (SlotKindName::Text, Vec::new(), None),
            SlotKind::TextList { items_min, items_max } => {
                (SlotKindName::TextList, Vec::new(), Some((*items_min, *items_max)))
            }
            SlotKind::Choice { options } => (SlotKindName::Choice, self.choices(options), None),
            SlotKind::PriceBand { options } => (SlotKindName::PriceBand, self.choices(options), None),
            SlotKind::Number { options, .. } => {
                let number = |number: &i64| OptionDocument {
                    value: (*number).into(),
                    label: number.to_string(),
                };
                (SlotKindName::Number, options.iter().map(number).collect(), None)
            }
        };
        let label = self.playbook.slot_name(slot, self.locale);
        let question = self.playbook.phrase(&slot.question, self.locale);
        SlotDocument {
            path: slot.path.clone(),
            kind,
            required: slot.required,
            label: label.map(capitalised),
            options,
            items_min: items.map(|(min, _)| min),
            items_max: items.map(|(_, max)| max),
            question: (!question.is_empty()).then(|| question.to_owned()),
        }
    }

    fn choices(&self, options: &[ChoiceOption]) -> Vec<OptionDocument> {
        let choice = |option: &ChoiceOption| OptionDocument {
            value: option.value.as_str().into(),
            label: self.value(&option.value).unwrap_or_else(|| option.value.clone()),
        };
        options.iter().map(choice).collect()
    }

    fn stage(&self, stage: &StageSpec) -> StageDocument {
        let label = self.playbook.field_name(&stage.package_key, self.locale);
        StageDocument {
            id: stage.id.clone(),
            label: label.map(str::to_owned),
            state: stage.state.clone(),
            needs: stage.after.clone(),
            optional: stage.optional,
            search: stage.search,
            budget_ms: stage.agent.budget,
            package_key: stage.package_key.clone(),
            verify: stage.verify.iter().map(|verify| verify.path.clone()).collect(),
            schema: Value::clone(&stage.schema),
        }
    }

    fn value(&self, value: &str) -> Option<String> {
        self.playbook.value_name(value, self.locale).map(str::to_owned)
    }
}

fn owned<'a>(names: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    names
        .map(|(name, word)| (name.to_owned(), word.to_owned()))
        .collect()
}
