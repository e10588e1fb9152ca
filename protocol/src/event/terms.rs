//! What several events speak of: language, spending, roles, provenance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CallId, TurnId};

/// The language that a session speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Locale {
    /// Korean.
    #[default]
    Ko,
    /// English.
    En,
}

/// How a session spends: `fast` uses the playbook's smaller models and skips what it marks as optional.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Smaller models, optional stages skipped.
    Fast,
    /// Everything.
    #[default]
    Standard,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person.
    User,
    /// Greenroom.
    Assistant,
}

/// How a text came in or goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// Typed or read.
    Text,
    /// Spoken.
    Voice,
}

/// Where a text comes from. Nothing is stored without one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Provenance {
    /// A model's reply. Its cost is kept with the call.
    Model {
        /// The provider's configured name.
        provider: String,
        /// The model that answered, as the provider names it.
        model: String,
        /// The call that produced the text.
        call_id: CallId,
        /// Whether the provider is a simulator.
        simulated: bool,
    },
    /// The user's own words.
    User {
        /// The turn in which they were said.
        turn_id: TurnId,
    },
    /// A phrase of the playbook: a question or a notice, never content.
    Playbook {
        /// The phrase's key.
        key: String,
        /// The playbook's content hash.
        hash: String,
    },
    /// An operator's words.
    Operator,
}

/// Which playbook a session is pinned to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct PlaybookRef {
    /// The playbook's name, such as `launch`.
    pub name: String,
    /// SHA-256 of its content, hexadecimal.
    pub hash: String,
}
