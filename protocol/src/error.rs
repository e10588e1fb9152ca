//! Errors as they stand on the wire, and what the table says of each code.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ErrorCode, Locale};

impl ErrorCode {
    /// The code on the wire.
    pub const fn as_str(self) -> &'static str {
        self.row().code
    }

    /// The HTTP status that goes with it.
    pub const fn status(self) -> u16 {
        self.row().status
    }

    /// Whether the same request may succeed later.
    pub const fn retryable(self) -> bool {
        self.row().retryable
    }

    /// What the user reads.
    pub const fn user_message(self, locale: Locale) -> &'static str {
        match locale {
            Locale::Ko => self.row().ko,
            Locale::En => self.row().en,
        }
    }

    /// What an operator should do.
    pub const fn operator_action(self) -> &'static str {
        self.row().operator
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The inner object of every failure on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// From the table.
    pub code: ErrorCode,
    /// For the user, in their language.
    pub message: String,
    /// For the developer of the client; null or an object or a text whose shape depends on the code.
    pub details: Value,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Seconds after which it is worth trying again.
    pub retry_after: Option<u32>,
}

impl ErrorBody {
    /// An error with the table's own message.
    pub fn new(code: ErrorCode, locale: Locale) -> Self {
        Self {
            code,
            message: code.user_message(locale).to_owned(),
            details: Value::Null,
            retryable: code.retryable(),
            retry_after: None,
        }
    }

    /// Adds what the developer of the client needs to know.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<Value>) -> Self {
        self.details = details.into();
        self
    }

    /// Says after how many seconds it is worth trying again.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

/// A failure as an HTTP body: `{"error": {…}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApiError {
    /// What failed.
    pub error: ErrorBody,
}
