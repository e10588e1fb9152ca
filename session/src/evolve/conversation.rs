//! Folding of what is said: messages and what they ask, what was heard of them, what was interrupted.

use std::sync::Arc;

use greenroom_protocol::{MessageAdded, MessageHeard, Role, SlotPath, TurnId};

use crate::speaking::question_end;
use crate::state::{Asking, Conversation, INTERRUPTED_KEPT, MESSAGES_KEPT};

impl Conversation {
    /// Keeps a message, as one of the latest.
    pub(super) fn keep(&mut self, message: &MessageAdded) {
        if self.messages.len() == MESSAGES_KEPT
            && let Some(oldest) = self.messages.pop_front()
        {
            self.heard.retain(|heard| heard.message_id != oldest.message_id);
            self.askings
                .retain(|asking| asking.message_id != oldest.message_id);
        }
        self.messages.push_back(Arc::new(message.clone()));
    }

    /// What a text of the assistant asks for is what is asked now.
    pub(super) fn asked_by(&mut self, message: &MessageAdded) {
        // A reply that was cut off before it asked leaves the question before it open.
        if message.truncated && message.asks.is_none() {
            return;
        }
        if let Some(path) = &message.asks {
            *self.asks.entry(path.clone()).or_default() += 1;
        }
        self.askings.push_back(Asking {
            message_id: message.message_id,
            asks: message.asks.clone(),
            before: self.asked.take(),
        });
        self.asked.clone_from(&message.asks);
    }

    /// A slot is filled or cleared: what asked for it is settled.
    pub(super) fn answered(&mut self, path: &SlotPath) {
        self.asks.remove(path);
        self.asked.take_if(|asked| asked == path);
        for asking in &mut self.askings {
            asking.asks.take_if(|asks| asks == path);
            asking.before.take_if(|before| before == path);
        }
    }

    /// Keeps how much of a message was heard, as long as the message is kept.
    pub(super) fn message_heard(&mut self, heard: &MessageHeard) {
        let mut messages = self.messages.iter();
        let Some(message) = messages.find(|message| message.message_id == heard.message_id) else {
            return;
        };
        // What asks nothing was said once it was heard whole.
        let said_at = question_end(&message.text).unwrap_or(message.text.trim_end().len());
        let is_said = heard.text.trim_end().len() >= said_at;
        self.heard.retain(|known| known.message_id != heard.message_id);
        self.heard.push_back(heard.clone());
        if !is_said {
            self.take_back(heard);
        }
    }

    /// A question that was not heard to its end was not asked, and leaves the one before it open.
    fn take_back(&mut self, heard: &MessageHeard) {
        let mut askings = self.askings.iter();
        let place = askings.position(|asking| asking.message_id == heard.message_id);
        let Some(asking) = place.and_then(|place| self.askings.remove(place)) else {
            return;
        };
        match place.and_then(|place| self.askings.get_mut(place)) {
            Some(next) => next.before = asking.before,
            None => self.asked = asking.before,
        }
        let Some(path) = asking.asks else { return };
        if let Some(times) = self.asks.get_mut(&path) {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.asks.remove(&path);
            }
        }
    }

    /// Keeps what the user said in turns that were interrupted, for the next planner to read.
    pub(super) fn interrupt(&mut self, turns: impl IntoIterator<Item = (TurnId, String)>) {
        self.interrupted.extend(turns);
        let surplus = self.interrupted.len().saturating_sub(INTERRUPTED_KEPT);
        self.interrupted.drain(..surplus);
    }

    /// Keeps what the user said in a turn that was interrupted before its check had an end, for the next check.
    pub(super) fn leave_unchecked(&mut self, turn_id: TurnId, words: String) {
        self.unchecked.push_back((turn_id, words));
        if self.unchecked.len() > INTERRUPTED_KEPT
            && let Some((oldest, _)) = self.unchecked.pop_front()
        {
            self.forget_words(oldest);
        }
    }

    /// What was checked together with the turn under way has passed: it may be read like that of any other.
    pub(super) fn release_unchecked(&mut self) {
        let turns = std::mem::take(&mut self.unchecked);
        self.interrupt(turns);
    }

    /// The words of a turn, and those that were checked together with them, are read by nothing from now on.
    pub(super) fn withhold(&mut self, turn_id: TurnId) {
        for (unchecked, _) in std::mem::take(&mut self.unchecked) {
            self.forget_words(unchecked);
        }
        self.forget_words(turn_id);
    }

    fn forget_words(&mut self, turn_id: TurnId) {
        self.messages
            .retain(|message| message.role != Role::User || message.turn_id != Some(turn_id));
    }
}
