//! What a session shows of itself: to its user, and to operators.

use std::sync::Arc;

use greenroom_protocol::{
    BriefSlots, Gate, Locale, MessageAdded, MessageHeard, Mode, PlaybookRef, RunId, Seq, SessionId, Signal,
    StageId, Timestamp, TurnId,
};
use serde_json::Value;

use crate::playbook::Playbook;
use crate::ports::SessionSummary;
use crate::state::{Phase, StageProgress, State, Turn};

/// Words that recognition is told may occur, and characters of each; it reads no more of a hint.
const VOCABULARY_MAX: usize = 20;
const VOCABULARY_CHARS_MAX: usize = 60;

/// A session as of one committed event.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionView {
    /// Which session.
    pub session_id: SessionId,
    /// The last event that this view includes.
    pub as_of_seq: Seq,
    /// The state on the wire.
    pub state: String,
    /// How it spends.
    pub mode: Mode,
    /// Its language now.
    pub locale: Locale,
    /// The playbook that it is pinned to.
    pub playbook: PlaybookRef,
    /// All slots, null where unfilled.
    pub brief_slots: BriefSlots,
    /// The gate.
    pub gate: Gate,
    /// The latest messages, oldest first.
    pub messages: Vec<Arc<MessageAdded>>,
    /// How much of those of the messages was heard that were spoken.
    pub heard: Vec<MessageHeard>,
    /// The turn under way.
    pub turn_id: Option<TurnId>,
    /// The newest run.
    pub run_id: Option<RunId>,
    /// The stages under way, with their attempts.
    pub stages: Vec<(StageId, u32)>,
    /// When it began.
    pub created_at: Timestamp,
    /// When its last event was made.
    pub updated_at: Timestamp,
}

impl SessionView {
    /// The view of a state.
    pub fn of(state: &State, playbook: &Playbook) -> Self {
        let stages = match &state.phase {
            Phase::Running(run) => run
                .stages
                .iter()
                .filter_map(|(stage, progress)| match progress {
                    StageProgress::Running(attempt) => Some((stage.clone(), attempt.number)),
                    StageProgress::Checking(checked) => Some((stage.clone(), checked.attempt.number)),
                    StageProgress::Backoff(backoff) => Some((stage.clone(), backoff.failed_attempt)),
                    StageProgress::Waiting
                    | StageProgress::Completed { .. }
                    | StageProgress::Failed { .. } => None,
                })
                .collect(),
            Phase::Collecting | Phase::Ready | Phase::Failed(_) | Phase::Done { .. } => Vec::new(),
        };
        Self {
            session_id: state.id,
            as_of_seq: state.head,
            state: state.wire_state.clone(),
            mode: state.mode,
            locale: state.locale,
            playbook: state.playbook.clone(),
            brief_slots: brief_slots(state, playbook),
            gate: state.gate.clone(),
            messages: state.conversation.messages.iter().cloned().collect(),
            heard: state.conversation.heard.iter().cloned().collect(),
            turn_id: match &state.turn {
                Turn::Idle => None,
                Turn::Planning(planning) => Some(planning.turn_id),
            },
            run_id: state.newest_run,
            stages,
            created_at: state.created_at,
            updated_at: state.updated_at,
        }
    }

    /// What the brief says already: names that recognition would not guess.
    pub fn vocabulary(&self) -> Vec<String> {
        let slots = self
            .brief_slots
            .values()
            .filter_map(Value::as_object)
            .flat_map(serde_json::Map::values);
        let texts = slots.flat_map(|value| match value {
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            value => Vec::from_iter(value.as_str()),
        });
        let short = texts.filter(|text| text.chars().count() <= VOCABULARY_CHARS_MAX);
        short.take(VOCABULARY_MAX).map(str::to_owned).collect()
    }

    /// The view as the signal that a fresh connection begins with.
    pub fn snapshot_signal(self) -> Signal {
        Signal::SessionSnapshot {
            as_of_seq: self.as_of_seq,
            session_id: self.session_id,
            state: self.state,
            mode: self.mode,
            locale: self.locale,
            brief_slots: self.brief_slots,
            gate: self.gate,
            messages: self
                .messages
                .iter()
                .map(|message| message.as_ref().clone())
                .collect(),
            turn_id: self.turn_id,
            run_id: self.run_id,
            heard: self.heard,
        }
    }
}

/// All slots of the playbook grouped by the first part of their path, null where unfilled.
pub fn brief_slots(state: &State, playbook: &Playbook) -> BriefSlots {
    let mut groups = BriefSlots::new();
    for (group, slots) in playbook.slot_groups() {
        let mut fields = serde_json::Map::new();
        for slot in slots {
            let value = state
                .brief
                .get(&slot.path)
                .map_or(Value::Null, |filled| filled.value.clone());
            fields.insert(slot.path.parts().1.to_owned(), value);
        }
        groups.insert(group.to_owned(), Value::Object(fields));
    }
    groups
}

/// What the list of sessions shows of a state; `wake_at` is given by what is due.
pub fn summary(state: &State, playbook: &Playbook, wake_at: Option<Timestamp>) -> SessionSummary {
    let title_slot = playbook
        .title_slot
        .as_ref()
        .and_then(|path| state.brief.get(path));
    SessionSummary {
        user: state.user.clone(),
        state: state.wire_state.clone(),
        mode: state.mode,
        locale: state.locale,
        playbook: playbook.reference.name.clone(),
        title: title_slot.and_then(|slot| slot.value.as_str()).map(str::to_owned),
        completeness: state.gate.completeness,
        wake_at,
    }
}
