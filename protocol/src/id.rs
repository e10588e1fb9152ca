//! Ids as they stand on the wire: a prefix that says what is named, then a ULID.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use ulid::Ulid;

use crate::limits;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an id of the form {expected}")]
pub struct IdError {
    expected: &'static str,
}

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// What the id starts with on the wire.
            pub const PREFIX: &'static str = $prefix;

            /// Names the ULID as this kind of thing.
            pub const fn new(ulid: Ulid) -> Self {
                Self(ulid)
            }

            /// The bare ULID.
            pub const fn ulid(self) -> Ulid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = [0; ulid::ULID_LEN];
                f.write_str($prefix)?;
                f.write_str(self.0.array_to_str(&mut buffer))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let error = IdError { expected: concat!($prefix, "<ULID>") };
                let digits = text.strip_prefix($prefix).ok_or(error.clone())?;
                let ulid = Ulid::from_string(digits).map_err(|_| error.clone())?;
                // One id has one text: no lowercase, and nothing beyond 128 bits, which the decoder would cut off.
                if *ulid.array_to_str(&mut [0; ulid::ULID_LEN]) == *digits { Ok(Self(ulid)) } else { Err(error) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": concat!("^", $prefix, "[0-7][0-9A-HJKMNP-TV-Z]{25}$"),
                })
            }
        }
    };
}

prefixed_id!(
    /// One conversation with its brief, runs and log.
    SessionId, "sess_"
);
prefixed_id!(
    /// One user utterance and the reply to it.
    TurnId, "turn_"
);
prefixed_id!(
    /// One final text of the user or the assistant.
    MessageId, "msg_"
);
prefixed_id!(
    /// One pass through all stages for one frozen brief.
    RunId, "run_"
);
prefixed_id!(
    /// Work that a request does not wait for.
    JobId, "job_"
);
prefixed_id!(
    /// One generated or uploaded medium.
    AssetId, "asset_"
);
prefixed_id!(
    /// One request to a provider.
    CallId, "call_"
);

/// The number of an event within its session: 1, 2, 3, … without a gap. Zero means "before the first".
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first event.
    pub const ZERO: Self = Self(0);

    /// The number that follows; the largest is followed by itself.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `evt_` and the sequence number, padded to at least five digits: `evt_00124`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub Seq);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "evt_{:05}", self.0.0)
    }
}

impl FromStr for EventId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let expected = "evt_<number>";
        let digits = text.strip_prefix("evt_").ok_or(IdError { expected })?;
        let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits {
            return Err(IdError { expected });
        }
        digits
            .parse()
            .map(|seq| Self(Seq(seq)))
            .map_err(|_| IdError { expected })
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for EventId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EventId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^evt_[0-9]{5,}$" })
    }
}

/// The name of a stage in its playbook: `research`. Lowercase letters, digits and `_`, starting with a letter.
///
/// `planner` is none: `planner.delta` tells of a turn's reply, and `<stage>.delta` of a stage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend(
    "pattern" = "^[a-z][a-z0-9_]*$",
    "maxLength" = limits::NAME_BYTES_MAX,
    "not" = { "const": StageId::RESERVED },
))]
pub struct StageId(String);

impl StageId {
    const RESERVED: &str = "planner";

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StageId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let starts_with_letter = text.starts_with(|first: char| first.is_ascii_lowercase());
        let well_formed = text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let fits = text.len() <= limits::NAME_BYTES_MAX && text != Self::RESERVED;
        if starts_with_letter && well_formed && fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError {
                expected: "a lowercase name such as research, but not planner",
            })
        }
    }
}

impl<'de> Deserialize<'de> for StageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A client's idempotency key: 1 to 128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("pattern" = "^[!-~]+$", "minLength" = 1, "maxLength" = limits::COMMAND_ID_BYTES_MAX))]
pub struct CommandId(String);

/// Why a text is not an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 1 to {max} visible ASCII characters", max = limits::COMMAND_ID_BYTES_MAX)]
pub struct CommandIdError;

impl CommandId {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CommandId {
    type Err = CommandIdError;

    fn from_str(text: &str) -> Result<Self, CommandIdError> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (1..=limits::COMMAND_ID_BYTES_MAX).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(CommandIdError)
        }
    }
}

impl<'de> Deserialize<'de> for CommandId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}
