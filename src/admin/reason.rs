//! Why an operator does something: kept where it is done.

use serde::Deserialize;

/// Characters of a reason.
const REASON_CHARS_MAX: usize = 500;

/// A reason: not blank, not long.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Reason(String);

impl Reason {
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

impl TryFrom<String> for Reason {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let text = text.trim();
        if (1..=REASON_CHARS_MAX).contains(&text.chars().count()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("a reason has 1 to {REASON_CHARS_MAX} characters"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something_and_not_too_much() {
        let check = |text: &str, expected: Option<&str>| {
            let reason = Reason::try_from(text.to_owned()).ok();
            assert_eq!(reason.map(Reason::into_text).as_deref(), expected);
        };
        check(" 고장 ", Some("고장"));
        check(&"가".repeat(500), Some(&"가".repeat(500)));
        check(&"가".repeat(501), None);
        check(" \n ", None);
        check("", None);
    }
}
