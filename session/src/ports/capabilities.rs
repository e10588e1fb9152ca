//! What the configured providers can do, and who they are.

use serde::{Deserialize, Serialize};

use super::ModelSize;

/// What the configured providers can do, and what is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The language model, if one is configured.
    pub llm: Option<LlmIdentity>,
    /// Whether it can search the web.
    pub search: bool,
    /// Whether its replies can be taken up again after nobody waited for them.
    pub take_up: bool,
    /// Who turns speech into words.
    pub stt: Option<ModelIdentity>,
    /// Who turns words into speech.
    pub tts: Option<ModelIdentity>,
    /// Who checks texts.
    pub moderation: Option<ModelIdentity>,
    /// Whether what users say is checked.
    pub moderate_input: ModerationPolicy,
    /// Whether what models write is checked.
    pub moderate_output: ModerationPolicy,
}

/// Whether texts of one direction are checked, and what holds while they cannot be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModerationPolicy {
    /// Nothing is checked.
    #[default]
    Off,
    /// Checked; a text that cannot be checked is refused (`SAFETY_UNAVAILABLE`).
    Required,
    /// Checked; a text that cannot be checked passes, and the log says so.
    BestEffort,
}

/// Which language model is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LlmIdentity {
    /// The provider's configured name.
    pub provider: String,
    /// The model for [`ModelSize::Large`].
    pub model: String,
    /// The model for [`ModelSize::Small`].
    pub small_model: String,
    /// Whether the provider is a simulator.
    pub simulated: bool,
}

impl LlmIdentity {
    /// The model of a size, as it is known before it has answered.
    pub fn of(&self, size: ModelSize) -> ModelIdentity {
        let model = match size {
            ModelSize::Large => &self.model,
            ModelSize::Small => &self.small_model,
        };
        ModelIdentity {
            provider: self.provider.clone(),
            model: model.clone(),
            simulated: self.simulated,
        }
    }
}

/// The model that a call was reserved for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// The provider's configured name.
    pub provider: String,
    /// The model.
    pub model: String,
    /// Whether the provider is a simulator.
    pub simulated: bool,
}
