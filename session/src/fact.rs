//! A fact: an event as the core decides it, before it is committed, with what clients never see.

use std::fmt;
use std::str::FromStr;

use crate::planner::PlannerOutput;
use crate::ports::{CallReceipt, ModelIdentity, SearchSource};
use greenroom_protocol::{CommandId, Event, Millis, Provenance, StageCompleted, Timestamp, limits};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// One decided event. What is folded is exactly this, and it is read back from a journal row unchanged.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// When it was decided.
    pub at: Timestamp,
    /// What clients see.
    pub event: Event,
    /// What is folded and never sent.
    pub private: Private,
}

/// The part of a journal row that is folded and never sent. Empty for most facts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Private {
    /// The command that made this fact, on the first fact of its batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandRecord>,
    /// Whose session it is (`session.started`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserKey>,
    /// What the provider said of the call (`call.settled`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallRecord>,
    /// What was wrong with a reply, so that it can be repaired (`call.settled`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breach: Option<Breach>,
    /// The provider's response that the stage's call is, which can be taken up while nobody waits for it: as it becomes
    /// known (the first `<stage>.delta`), as the attempt goes on with the call of the one before it (`stage.started`), and
    /// as it is done with, so that the provider need not store it any longer (`call.settled`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_id: Option<String>,
    /// What arrived of a reply that failed, for inspection only (`call.settled`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<String>,
    /// The model that the call is meant for (`call.reserved`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelIdentity>,
    /// What searches returned during the call (`call.settled`); evidence may name only these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SearchSource>,
    /// When the next attempt may begin (`error` with `will_retry`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// The time that the attempt begins with (`call.reserved`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Millis>,
    /// When the user had finished speaking (`turn.started` of a spoken turn).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speech_ended_at: Option<Timestamp>,
    /// When the end of speech was noticed (`turn.started` of a turn that was spoken live).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_at: Option<Timestamp>,
    /// Whether the turn waits for its reply to be heard of (`turn.started` of a turn that was spoken live).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub voiced: bool,
    /// What waits for the check (`call.reserved` of the first check of what a model wrote).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// What a check found (`call.settled` of a check). Without it nothing was found out, and nothing passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Checked>,
    /// Whether the attempt takes the place of one that a crash interrupted (`call.reserved`, `stage.started`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumed: bool,
    /// When the job counts as stuck if nothing happens to its run until then (`job.updated` of one that has not ended).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck_at: Option<Timestamp>,
    /// An operator's reason, or a technical one that clients need not see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Private {
    /// Nothing private.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// An idempotency key with the digest of what was asked for, so that a reuse for something else is noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// The client's key.
    pub id: CommandId,
    /// SHA-256 of the command, hexadecimal.
    pub digest: String,
}

/// What a call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read, cached ones included.
    pub input_tokens: u64,
    /// Those of the tokens read that were cached.
    #[serde(default)]
    pub cached_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Searches made.
    #[serde(default)]
    pub searches: u32,
    /// Speech heard or made, in milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub audio_ms: u64,
    /// Characters spoken.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub characters: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference in")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a call cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "micro_usd", rename_all = "snake_case")]
pub enum CallCost {
    /// Millionths of a US dollar, by the price table.
    Known(u64),
    /// The price table does not know the model, or the usage was never told.
    Unknown,
}

/// What the provider said of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The provider's configured name.
    pub provider: String,
    /// The model that answered.
    pub model: String,
    /// The provider's id of the response, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_id: Option<String>,
    /// The provider's id of the request, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Tokens used, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What it cost.
    pub cost: CallCost,
}

impl From<CallReceipt> for CallRecord {
    fn from(receipt: CallReceipt) -> Self {
        let CallReceipt {
            provider,
            model,
            // A part of the provenance of what came of the call.
            simulated: _,
            response_id,
            request_id,
            usage,
            cost,
        } = receipt;
        Self {
            provider,
            model,
            response_id,
            request_id,
            usage,
            cost,
        }
    }
}

/// A reply that broke its contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    /// The reply as it came, cut at the output limit.
    pub reply: String,
    /// What was wrong, for the model to read.
    pub violations: Vec<String>,
}

/// What a model wrote, while it waits for its check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Held {
    /// A planner's reply; its text is what the user was shown of it.
    Reply {
        /// The reply.
        reply: Box<PlannerOutput>,
        /// Which call wrote it.
        provenance: Provenance,
    },
    /// A stage's output.
    Output {
        /// What is recorded once the check has passed.
        completed: Box<StageCompleted>,
    },
}

/// What a check of texts found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Checked {
    /// Nothing.
    Passed,
    /// It could not be made, and the configuration lets the texts pass without (`best_effort`).
    Unchecked,
    /// Something.
    Flagged {
        /// The provider's names of what it found.
        categories: Vec<String>,
    },
}

impl Checked {
    /// Whether the texts may be used.
    pub fn passes(&self) -> bool {
        match self {
            Self::Passed | Self::Unchecked => true,
            Self::Flagged { .. } => false,
        }
    }
}

/// The opaque `X-User-Key` that a session was created with. Shown masked; the whole key only by [`UserKey::reveal`].
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct UserKey(String);

/// Why a text is not a user key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a user key is 1 to {max} visible ASCII characters", max = limits::USER_KEY_BYTES_MAX)]
pub struct UserKeyError;

impl UserKey {
    /// The whole key, for comparing and storing, never for logging.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserKey {
    type Err = UserKeyError;

    fn from_str(text: &str) -> Result<Self, UserKeyError> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (1..=limits::USER_KEY_BYTES_MAX).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(UserKeyError)
        }
    }
}

impl<'de> Deserialize<'de> for UserKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.0.get(..8).unwrap_or_default())
    }
}

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserKey({self})")
    }
}
