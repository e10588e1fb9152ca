//! What was said in a session, and how much of it was heard.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use greenroom_protocol::{MessageAdded, MessageHeard, MessageId, SlotPath, TurnId};
use serde::{Deserialize, Serialize};

use super::shared;

/// Messages that a session keeps at hand for its planner and for snapshots.
pub(crate) const MESSAGES_KEPT: usize = 40;
/// Utterances of interrupted turns that the next planner reads again.
pub(crate) const INTERRUPTED_KEPT: usize = 4;

/// What was said, as far as the planner needs it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Turns begun.
    pub turns: u32,
    /// The latest messages, oldest first.
    #[serde(with = "shared::each")]
    pub messages: VecDeque<Arc<MessageAdded>>,
    /// How much of those of [`Self::messages`] was heard that were spoken, oldest first.
    pub heard: VecDeque<MessageHeard>,
    /// What those of [`Self::messages`] asked that are the assistant's, oldest first.
    pub(crate) askings: VecDeque<Asking>,
    /// How often each unfilled slot was asked for.
    pub asks: BTreeMap<SlotPath, u32>,
    /// The slot that the last question asked for, until it is filled.
    pub asked: Option<SlotPath>,
    /// The newest turn.
    pub last_turn: Option<TurnId>,
    /// For each slot that the user edited or cleared, the newest turn then: words from up to it never undo that.
    pub edited_after: BTreeMap<SlotPath, TurnId>,
    /// What the user said in the turns that were interrupted just before.
    pub interrupted: VecDeque<(TurnId, String)>,
    /// What the user said in turns that were interrupted before their check had an end. The next check covers it;
    /// until that has passed nothing reads it.
    pub unchecked: VecDeque<(TurnId, String)>,
}

/// What a message of the assistant asked, so that it can be taken back when it turns out that nobody heard it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asking {
    /// The message.
    pub message_id: MessageId,
    /// What it asks for; none once that is filled.
    pub asks: Option<SlotPath>,
    /// What [`Conversation::asked`] was before it.
    pub before: Option<SlotPath>,
}

impl Conversation {
    /// The words of a message as the user knows them: of one that was spoken, those that were heard.
    pub(crate) fn known_text<'a>(&'a self, message: &'a MessageAdded) -> &'a str {
        let mut heard = self.heard.iter();
        let heard = heard.find(|heard| heard.message_id == message.message_id);
        heard.map_or(&message.text, |heard| &heard.text)
    }
}
