//! The brief: all slots of a session with value, confidence and source.

use greenroom_protocol::{FrozenSlot, SlotPath, SlotSource};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A filled slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// A text, a list of texts, or a number; never null.
    pub value: Value,
    /// How sure the value is, 0 to 1.
    pub confidence: f64,
    /// Where it comes from.
    pub source: SlotSource,
}

/// The filled slots, in the order in which they were first filled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Brief {
    slots: IndexMap<SlotPath, Slot>,
}

impl Brief {
    /// The slot at a path, if it is filled.
    pub fn get(&self, path: &SlotPath) -> Option<&Slot> {
        self.slots.get(path)
    }

    /// Fills a slot, or clears it when the value is null.
    pub fn set(&mut self, path: SlotPath, slot: Slot) {
        if slot.value.is_null() {
            self.slots.shift_remove(&path);
        } else {
            self.slots.insert(path, slot);
        }
    }

    /// The filled slots.
    pub fn iter(&self) -> impl Iterator<Item = (&SlotPath, &Slot)> {
        self.slots.iter()
    }

    /// The filled slots, as a run freezes them.
    pub fn freeze(&self) -> Vec<FrozenSlot> {
        self.iter()
            .map(|(path, slot)| FrozenSlot {
                path: path.clone(),
                value: slot.value.clone(),
                confidence: slot.confidence,
                source: slot.source.clone(),
            })
            .collect()
    }
}
