//! Slots, the brief and the gate as clients see them.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use crate::{AssetId, TurnId, limits};

/// The place of a slot in the brief, two lowercase names joined by a dot: `product.price_band`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("pattern" = r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$", "maxLength" = limits::NAME_BYTES_MAX))]
pub struct SlotPath(String);

/// Why a text is not a slot path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a slot path is two lowercase names joined by a dot, such as product.name")]
pub struct SlotPathError;

impl SlotPath {
    /// The whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The group and the name: `("product", "price_band")`.
    pub fn parts(&self) -> (&str, &str) {
        self.0.split_once('.').unwrap_or((&self.0, ""))
    }
}

impl fmt::Display for SlotPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SlotPath {
    type Err = SlotPathError;

    fn from_str(text: &str) -> Result<Self, SlotPathError> {
        let is_name = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_lowercase())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        match text.split_once('.') {
            Some((group, name))
                if is_name(group) && is_name(name) && text.len() <= limits::NAME_BYTES_MAX =>
            {
                Ok(Self(text.to_owned()))
            }
            Some(_) | None => Err(SlotPathError),
        }
    }
}

impl<'de> Deserialize<'de> for SlotPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// Where the value of a slot comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SlotSource {
    /// The user's own words in a turn.
    Turn {
        /// The turn in which they were said.
        turn_id: TurnId,
        /// The words, as the user said them.
        words: String,
    },
    /// The user's own edit.
    Edit,
    /// The picture that the user uploaded.
    Picture {
        /// The picture.
        asset_id: AssetId,
    },
}

/// One slot with its new value, as `slot.updated` and the REST answers show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SlotUpdate {
    /// Which slot.
    pub path: SlotPath,
    /// A text, a list of texts, a number, or null when the slot was cleared.
    pub value: Value,
    /// How sure the value is, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub confidence: f64,
}

/// All slots of the playbook with their values, grouped by the first part of their path; null where unfilled.
pub type BriefSlots = serde_json::Map<String, Value>;

/// Whether a run may start, and what stands in the way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gate {
    /// Whether a run may start.
    pub ready: bool,
    /// Required slots without a value, in the playbook's order.
    pub missing_required: Vec<SlotPath>,
    /// Filled required slots whose confidence pulls the mean below the threshold; empty while the mean suffices.
    pub low_confidence: Vec<SlotPath>,
    /// Share of required slots that are filled, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub completeness: f64,
}
