//! One step of a text or a document that is being generated, and what it does to the document.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One step of a text or a document that is being generated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Delta {
    /// A JSON pointer (RFC 6901) into the document; empty for the whole.
    pub path: String,
    /// What happens there.
    #[serde(flatten)]
    pub change: DeltaChange,
}

/// What a delta does at its path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeltaChange {
    /// The text at the path grows by this.
    Append(String),
    /// The path now holds this.
    Value(Value),
}

/// Why a delta does not fit the document. The document is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeltaError {
    /// The path is not a JSON pointer.
    #[error("the path is not a JSON pointer")]
    Pointer,
    /// The path leads through a list with something that is not one of its indices or the next one.
    #[error("the path leads past the end of a list")]
    Index,
    /// The path leads through a value that is neither an object nor a list.
    #[error("the path leads through a value that has no parts")]
    NotAContainer,
    /// A text is to grow where something else stands.
    #[error("there is no text to append to")]
    NotText,
}

impl Delta {
    /// Carries the step out. A document begins as null.
    ///
    /// What is missing on the way comes into being: a null becomes a list if the path goes on with `0`, else an
    /// object; a list grows by one; a text to append to begins empty.
    pub fn apply(&self, document: &mut Value) -> Result<(), DeltaError> {
        let tokens = pointer_tokens(&self.path)?;
        let place = tokens
            .iter()
            .try_fold(&mut *document, |parent, token| child_mut(parent, token))?;
        match (&self.change, place) {
            (DeltaChange::Value(value), place) => place.clone_from(value),
            (DeltaChange::Append(text), Value::String(so_far)) => so_far.push_str(text),
            (DeltaChange::Append(text), place @ Value::Null) => *place = Value::String(text.clone()),
            (
                DeltaChange::Append(_),
                Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_),
            ) => return Err(DeltaError::NotText),
        }
        Ok(())
    }
}

/// Lengthens a JSON pointer by one token, escaping `~` and `/`.
pub fn push_pointer_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    for character in token.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// The tokens of a JSON pointer, unescaped.
fn pointer_tokens(pointer: &str) -> Result<Vec<String>, DeltaError> {
    if pointer.is_empty() {
        return Ok(Vec::new());
    }
    let tokens = pointer.strip_prefix('/').ok_or(DeltaError::Pointer)?;
    tokens.split('/').map(unescape_token).collect()
}

fn unescape_token(escaped: &str) -> Result<String, DeltaError> {
    let mut parts = escaped.split('~');
    let mut token = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (character, rest) = match part.as_bytes().first() {
            Some(b'0') => ('~', &part[1..]),
            Some(b'1') => ('/', &part[1..]),
            Some(_) | None => return Err(DeltaError::Pointer),
        };
        token.push(character);
        token.push_str(rest);
    }
    Ok(token)
}

/// The part of `parent` that a token names, made if it is missing.
///
/// It fails only where it changes nothing, and once it has made something it cannot fail below it: so a delta
/// that does not fit leaves the document as it was.
fn child_mut<'a>(parent: &'a mut Value, token: &str) -> Result<&'a mut Value, DeltaError> {
    if parent.is_null() {
        *parent = if token == "0" {
            Value::Array(Vec::new())
        } else {
            Value::Object(Map::new())
        };
    }
    match parent {
        Value::Object(fields) => Ok(fields.entry(token).or_insert(Value::Null)),
        Value::Array(items) => {
            let index = list_index(token)
                .filter(|index| *index <= items.len())
                .ok_or(DeltaError::Index)?;
            if index == items.len() {
                items.push(Value::Null);
            }
            items.get_mut(index).ok_or(DeltaError::Index)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(DeltaError::NotAContainer),
    }
}

/// A list index as RFC 6901 writes it: digits without a leading zero.
fn list_index(token: &str) -> Option<usize> {
    let is_canonical = token == "0" || !token.starts_with(['0', '+']);
    token.parse().ok().filter(|_| is_canonical)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(before: Value, delta: &Value, after: Result<Value, DeltaError>) {
        let delta: Delta = serde_json::from_value(delta.clone()).unwrap();
        let mut document = before.clone();
        let outcome = delta.apply(&mut document);
        match after {
            Ok(after) => assert_eq!((outcome, document), (Ok(()), after)),
            Err(error) => assert_eq!((outcome, document), (Err(error), before)),
        }
    }

    #[test]
    fn makes_what_is_missing_on_the_way() {
        check(
            json!(null),
            &json!({"path": "/a/0/b", "append": "x"}),
            Ok(json!({"a": [{"b": "x"}]})),
        );
        check(
            json!({"a": [1]}),
            &json!({"path": "/a/1", "value": 2}),
            Ok(json!({"a": [1, 2]})),
        );
        check(json!({}), &json!({"path": "/0", "value": 1}), Ok(json!({"0": 1})));
        check(
            json!({"a": "x"}),
            &json!({"path": "/a", "append": "y"}),
            Ok(json!({"a": "xy"})),
        );
    }

    #[test]
    fn replaces_the_whole_document_at_the_empty_path() {
        check(
            json!({"a": 1}),
            &json!({"path": "", "value": null}),
            Ok(json!(null)),
        );
        check(json!(null), &json!({"path": "", "append": "x"}), Ok(json!("x")));
    }

    #[test]
    fn unescapes_tokens() {
        check(
            json!(null),
            &json!({"path": "/a~1b~0c/~01", "value": 1}),
            Ok(json!({"a/b~c": {"~1": 1}})),
        );
        check(json!(null), &json!({"path": "/", "value": 1}), Ok(json!({"": 1})));
    }

    #[test]
    fn refuses_what_does_not_fit_and_changes_nothing() {
        check(
            json!({"a": 1}),
            &json!({"path": "a", "value": 1}),
            Err(DeltaError::Pointer),
        );
        check(
            json!({"a": 1}),
            &json!({"path": "/b/~2", "value": 1}),
            Err(DeltaError::Pointer),
        );
        check(
            json!({"a": 1}),
            &json!({"path": "/a/b/c", "value": 1}),
            Err(DeltaError::NotAContainer),
        );
        check(
            json!({"a": 1}),
            &json!({"path": "/a", "append": "x"}),
            Err(DeltaError::NotText),
        );
        for index in ["2", "01", "+1", "-", "", "18446744073709551616"] {
            let delta = json!({"path": format!("/{index}/a"), "value": 1});
            check(json!([1]), &delta, Err(DeltaError::Index));
        }
    }

    #[test]
    fn pushed_tokens_come_back_from_a_pointer() {
        let mut pointer = String::new();
        for token in ["a", "", "~", "/", "~1", "가"] {
            push_pointer_token(&mut pointer, token);
        }
        assert_eq!(pointer, "/a//~0/~1/~01/가");
        assert_eq!(pointer_tokens(&pointer).unwrap(), ["a", "", "~", "/", "~1", "가"]);
    }
}
