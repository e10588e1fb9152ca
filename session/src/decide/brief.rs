//! Slots: what fills them, and what does not.

use greenroom_protocol::{ErrorCode, Event, SlotPath, SlotSource, SlotUpdated, TurnId, limits};
use serde_json::{Value, json};

use super::Decider;
use crate::agent::ProposedSlot;
use crate::command::{Answer, Receipt, SlotEdit};
use crate::extractor::extract;
use crate::support::support;

/// How sure the user's own edit is.
const EDIT_CONFIDENCE: f64 = 1.0;
/// Utterances back to which a proposed value may reach.
const UTTERANCES_READ: usize = 8;

impl Decider<'_, '_> {
    /// The user's own edits: all or none.
    pub(super) fn set_slots(&mut self, edits: &[SlotEdit]) -> Answer {
        if self.state.active_run().is_some() {
            return Err(self.rejection(ErrorCode::GateRunActive));
        }
        if edits.is_empty() || edits.len() > limits::SLOT_EDITS_MAX {
            let details = format!("1 to {} edits", limits::SLOT_EDITS_MAX);
            return Err(self.invalid(details.into()));
        }
        let mut edited = Vec::with_capacity(edits.len());
        for edit in edits {
            let Some(spec) = self.context.playbook.slot(&edit.path) else {
                return Err(self.invalid(json!({ "path": edit.path, "reason": "no such slot" })));
            };
            match spec.edited(&edit.value) {
                Ok(value) => edited.push((edit.path.clone(), value)),
                Err(reason) => return Err(self.invalid(json!({ "path": edit.path, "reason": reason }))),
            }
        }
        for (path, value) in edited {
            let before = self.state.brief.get(&path);
            let unchanged = match before {
                Some(slot) => slot.value == value && slot.source == SlotSource::Edit,
                None => value.is_null(),
            };
            if !unchanged {
                let updated = SlotUpdated {
                    turn_id: None,
                    path,
                    value,
                    confidence: EDIT_CONFIDENCE,
                    source: SlotSource::Edit,
                };
                self.record_command(Event::SlotUpdated(updated));
            }
        }
        self.announce_gate(None);
        Ok(Receipt::default())
    }

    /// Fills slots with what the extractor reads in the user's words, which were said in the turn `said_in`.
    pub(super) fn extract(&mut self, turn_id: TurnId, said_in: TurnId, text: &str) {
        let playbook = self.context.playbook;
        let asked = self.state.conversation.asked.clone();
        let proposals = extract(
            text,
            &playbook.slots,
            playbook.price_table.as_ref(),
            asked.as_ref(),
        );
        for proposal in proposals {
            self.fill(
                turn_id,
                said_in,
                &proposal.path,
                proposal.value,
                proposal.confidence,
                proposal.words,
            );
        }
    }

    /// Fills a slot with what the planner proposes, as far as the user's own words support it.
    pub(super) fn propose(&mut self, turn_id: TurnId, proposal: &ProposedSlot) {
        let playbook = self.context.playbook;
        let Some(spec) = playbook.slot(&proposal.path) else {
            return;
        };
        let utterances = self.utterances(turn_id);
        let texts: Vec<&str> = utterances.iter().map(|(_, text)| text.as_str()).collect();
        let price_table = playbook.price_table.as_ref();
        let supported = support(
            &playbook.slots,
            spec,
            price_table,
            &proposal.value,
            &proposal.words,
            &texts,
        );
        let Ok(support) = supported else {
            return;
        };
        let Some((said_in, _)) = utterances.get(support.utterance) else {
            return;
        };
        let confidence = proposal.confidence.clamp(0.0, 1.0).min(support.confidence_cap);
        self.fill(
            turn_id,
            *said_in,
            &proposal.path,
            support.value,
            confidence,
            support.words,
        );
    }

    /// What the user said, newest first, beginning with the turn under way.
    fn utterances(&self, turn_id: TurnId) -> Vec<(TurnId, String)> {
        let messages = self.state.conversation.messages.iter().rev();
        messages
            .filter(|message| message.role == greenroom_protocol::Role::User)
            .map(|message| (message.turn_id.unwrap_or(turn_id), message.text.clone()))
            .take(UTTERANCES_READ)
            .collect()
    }

    /// Fills a slot with words of the turn `said_in`. Words from before the slot's own never undo a correction.
    fn fill(
        &mut self,
        turn_id: TurnId,
        said_in: TurnId,
        path: &SlotPath,
        value: Value,
        confidence: f64,
        words: String,
    ) {
        let Some(spec) = self.context.playbook.slot(path) else {
            return;
        };
        let before = self.state.brief.get(path);
        let is_newer = match before.map(|slot| &slot.source) {
            Some(SlotSource::Turn {
                turn_id: filled_in, ..
            }) => said_in >= *filled_in,
            Some(SlotSource::Edit | SlotSource::Picture { .. }) | None => true,
        };
        let edited_after = self.state.conversation.edited_after.get(path);
        let is_newer = is_newer && edited_after.is_none_or(|edited_after| said_in > *edited_after);
        let value = spec.joined(before.map(|slot| &slot.value), value);
        let adds_nothing = before.is_some_and(|slot| slot.value == value && slot.confidence >= confidence);
        if !is_newer || adds_nothing || value.is_null() {
            return;
        }
        let source = SlotSource::Turn {
            turn_id: said_in,
            words,
        };
        let updated = SlotUpdated {
            turn_id: Some(turn_id),
            path: path.clone(),
            value,
            confidence,
            source,
        };
        self.record(Event::SlotUpdated(updated));
    }
}
