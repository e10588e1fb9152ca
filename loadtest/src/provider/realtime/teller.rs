//! Tells a client what is heard in one item, until everything is told or the item's fault strikes.

use serde_json::{Value, json};

use super::event::Ids;
use super::outbox::{Outbox, Outgoing};
use crate::provider::bill::{BilledUsage, OpenCall};
use crate::provider::error::ProviderError;
use crate::provider::fault::Fault;
use crate::provider::play::{Interruption, InterruptionKind};

/// The code of a close that nothing is wrong with.
const CLOSE_NORMAL: u16 = 1_000;

/// Speaks for one item.
#[derive(Debug)]
pub(super) struct Teller {
    outbox: Outbox,
    ids: Ids,
    item_id: String,
    /// What deltas have told.
    told: String,
    chars: usize,
    interruption: Option<Interruption>,
    has_struck: bool,
}

/// A fault has ended what is told of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Struck;

impl Teller {
    pub(super) fn new(outbox: Outbox, ids: Ids, item_id: String, fault: Option<Fault>) -> Self {
        Self {
            outbox,
            ids,
            item_id,
            told: String::new(),
            chars: 0,
            interruption: Interruption::of(fault),
            has_struck: false,
        }
    }

    pub(super) fn item_id(&self) -> &str {
        &self.item_id
    }

    /// What deltas have told so far.
    pub(super) fn told(&self) -> &str {
        &self.told
    }

    /// Tells a piece more.
    pub(super) async fn delta(&mut self, piece: &str) -> Result<(), Struck> {
        self.told.push_str(piece);
        let event = self.ids.delta(&self.item_id, piece);
        self.tell(&event, piece.chars().count()).await
    }

    /// Tells all of it, which holds whatever the deltas said, and completes the call. After a fault has struck it goes on
    /// forever, and the call ends with the connection.
    pub(super) async fn completed(
        mut self,
        transcript: &str,
        told_usage: &Value,
        mut call: OpenCall,
        usage: BilledUsage,
    ) {
        let event = self.ids.event(
            "conversation.item.input_audio_transcription.completed",
            json!({ "item_id": self.item_id, "content_index": 0, "transcript": transcript, "usage": told_usage }),
        );
        // Even what nobody said can be broken off.
        let untold = transcript.chars().count().saturating_sub(self.chars).max(1);
        if self.interruption_with(untold).is_none() && !self.has_struck {
            // Booked before the last event leaves, so that a client which has it finds it on the bill.
            call.complete(usage);
        }
        if self.tell(&event, untold).await == Err(Struck) {
            std::future::pending::<()>().await;
        }
    }

    /// Tells that there will be no transcript.
    pub(super) async fn failed(&mut self, error: &ProviderError) {
        let event = self.ids.event(
            "conversation.item.input_audio_transcription.failed",
            json!({ "item_id": self.item_id, "content_index": 0, "error": error.object() }),
        );
        self.outbox.event(&event).await;
    }

    /// How the item ends with so many characters more.
    fn interruption_with(&self, chars: usize) -> Option<InterruptionKind> {
        self.interruption?.at(self.chars + chars)
    }

    async fn tell(&mut self, event: &Value, chars: usize) -> Result<(), Struck> {
        if self.has_struck {
            return Err(Struck);
        }
        self.chars += chars;
        let Some(kind) = self.interruption_with(0) else {
            self.outbox.event(event).await;
            return Ok(());
        };
        self.has_struck = true;
        match kind {
            InterruptionKind::Hang => self.outbox.send(Outgoing::Silence).await,
            InterruptionKind::Cut => self.outbox.send(Outgoing::Break).await,
            InterruptionKind::Malformed => {
                let text = event.to_string();
                let half: String = text.chars().take(text.chars().count() / 2).collect();
                self.outbox.send(Outgoing::Text(half)).await;
                let close = Outgoing::Close {
                    code: CLOSE_NORMAL,
                    reason: String::new(),
                };
                self.outbox.send(close).await;
            }
        }
        Err(Struck)
    }
}
