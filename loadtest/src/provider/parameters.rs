//! Which parameters of a request are known, and which values of them the simulator can honour.

use serde_json::{Map, Value};

use super::error::ProviderError;

/// What may stand under a parameter. `null` says the same as leaving it out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rule {
    /// Read, and checked, by whoever needs it.
    Read,
    /// A text that says who asks, or labels the request; it changes nothing of the reply.
    Text,
    /// Yes or no.
    Flag,
    /// An object that is repeated in the reply.
    Object,
    /// A whole number within bounds.
    Integer(i64, i64),
    /// A number within bounds. Nothing is sampled here, so that it changes nothing.
    Number(f64, f64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Only the default, as JSON: anything else could not be honoured.
    Only(&'static str),
    /// Nothing: it could not be honoured.
    Unsupported,
}

/// Refuses what is unknown, unsupported or malformed.
pub(crate) fn check(rules: &[(&str, Rule)], request: &Map<String, Value>) -> Result<(), ProviderError> {
    for (name, value) in request {
        let Some((_, rule)) = rules.iter().find(|(known, _)| known == name) else {
            return Err(unknown(name));
        };
        if !value.is_null() {
            obey(*rule, name, value)?;
        }
    }
    Ok(())
}

/// Refuses fields that an object at `param` does not have.
pub(crate) fn known_fields(value: &Value, known: &[&str], param: &str) -> Result<(), ProviderError> {
    let object = value
        .as_object()
        .ok_or_else(|| wrong_type(param, "an object", value))?;
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(unknown(&format!("{param}.{name}"))),
        None => Ok(()),
    }
}

/// A parameter that must be there.
pub(crate) fn required<'a>(request: &'a Map<String, Value>, name: &str) -> Result<&'a Value, ProviderError> {
    given(request, name).ok_or_else(|| missing(name))
}

/// A text that must be there.
pub(crate) fn required_text<'a>(
    request: &'a Map<String, Value>,
    name: &str,
) -> Result<&'a str, ProviderError> {
    let value = required(request, name)?;
    value.as_str().ok_or_else(|| wrong_type(name, "a string", value))
}

/// A parameter unless it is left out or `null`.
pub(crate) fn given<'a>(request: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    request.get(name).filter(|value| !value.is_null())
}

/// Whether a flag is set.
pub(crate) fn flag(request: &Map<String, Value>, name: &str) -> bool {
    request.get(name) == Some(&Value::Bool(true))
}

/// The refusal of a parameter that is not there.
pub(crate) fn missing(name: &str) -> ProviderError {
    let message = format!("Missing required parameter: '{name}'.");
    ProviderError::invalid(name, "missing_required_parameter", message)
}

/// The refusal of a value of another type.
pub(crate) fn wrong_type(name: &str, expected: &str, value: &Value) -> ProviderError {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    let message = format!("Invalid type for '{name}': expected {expected}, but got {kind} instead.");
    ProviderError::invalid(name, "invalid_type", message)
}

/// The refusal of a word that is not among those that are known.
pub(crate) fn unknown_value(name: &str, value: &Value, known: &[&str]) -> ProviderError {
    let known: Vec<String> = known.iter().map(|word| format!("'{word}'")).collect();
    let shown = value
        .as_str()
        .map_or_else(|| value.to_string(), |word| format!("'{word}'"));
    let message = format!(
        "Invalid value: {shown}. Supported values are: {}.",
        known.join(", ")
    );
    ProviderError::invalid(name, "invalid_value", message)
}

/// The refusal of something that OpenAI has and the simulator has not.
pub(crate) fn unsupported(name: &str) -> ProviderError {
    let message = format!("Unsupported parameter: '{name}' is not supported with this model.");
    ProviderError::invalid(name, "unsupported_parameter", message)
}

/// The refusal of a parameter that nobody knows.
pub(crate) fn unknown(name: &str) -> ProviderError {
    ProviderError::invalid(name, "unknown_parameter", format!("Unknown parameter: '{name}'."))
}

fn obey(rule: Rule, name: &str, value: &Value) -> Result<(), ProviderError> {
    let is = |holds: bool, expected: &str| {
        if holds {
            Ok(())
        } else {
            Err(wrong_type(name, expected, value))
        }
    };
    match rule {
        Rule::Read => Ok(()),
        Rule::Text => is(value.is_string(), "a string"),
        Rule::Flag => is(value.is_boolean(), "a boolean"),
        Rule::Object => is(value.is_object(), "an object"),
        Rule::Integer(min, max) => {
            let number = value
                .as_i64()
                .ok_or_else(|| wrong_type(name, "an integer", value))?;
            within(name, "integer", number < min, number > max, (&min, &max), value)
        }
        Rule::Number(min, max) => {
            let number = value
                .as_f64()
                .ok_or_else(|| wrong_type(name, "a decimal", value))?;
            within(name, "decimal", number < min, number > max, (&min, &max), value)
        }
        Rule::OneOf(words) => {
            let is_known = value.as_str().is_some_and(|word| words.contains(&word));
            is_known
                .then_some(())
                .ok_or_else(|| unknown_value(name, value, words))
        }
        Rule::Only(default) => {
            let is_default = serde_json::from_str::<Value>(default).is_ok_and(|default| default == *value);
            is_default.then_some(()).ok_or_else(|| {
                let message = format!(
                    "Unsupported value: '{name}' does not support {value} with this model. \
                     Only the default ({default}) value is supported."
                );
                ProviderError::invalid(name, "unsupported_value", message)
            })
        }
        Rule::Unsupported => Err(unsupported(name)),
    }
}

fn within(
    name: &str,
    kind: &str,
    is_below: bool,
    is_above: bool,
    (min, max): (&dyn std::fmt::Display, &dyn std::fmt::Display),
    value: &Value,
) -> Result<(), ProviderError> {
    let (side, sign, bound) = match (is_below, is_above) {
        (true, _) => ("below minimum", ">=", min),
        (false, true) => ("above maximum", "<=", max),
        (false, false) => return Ok(()),
    };
    let message = format!(
        "Invalid '{name}': {kind} {side} value. Expected a value {sign} {bound}, but got {value} instead."
    );
    let code = match (kind, is_below) {
        ("integer", true) => "integer_below_min_value",
        ("integer", false) => "integer_above_max_value",
        (_, true) => "decimal_below_min_value",
        (_, false) => "decimal_above_max_value",
    };
    Err(ProviderError::invalid(name, code, message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RULES: &[(&str, Rule)] = &[
        ("n", Rule::Only("1")),
        ("temperature", Rule::Number(0.0, 2.0)),
        ("seed", Rule::Integer(-9, 9)),
        ("verbosity", Rule::OneOf(&["low", "high"])),
        ("audio", Rule::Unsupported),
        ("user", Rule::Text),
        ("store", Rule::Flag),
        ("reasoning", Rule::Object),
    ];

    fn check_one(name: &str, value: Value) -> Option<String> {
        let request = Map::from_iter([(name.to_owned(), value)]);
        check(RULES, &request).err().map(|error| error.message)
    }

    #[test]
    fn what_can_be_honoured_is_taken() {
        for (name, value) in [
            ("n", json!(1)),
            ("temperature", json!(2)),
            ("seed", json!(-9)),
            ("verbosity", json!("low")),
            ("audio", Value::Null),
            ("user", json!("u")),
            ("store", json!(false)),
            ("reasoning", json!({})),
        ] {
            assert_eq!(check_one(name, value), None, "{name}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_name() {
        for (name, value, word) in [
            ("n", json!(2), "Only the default (1)"),
            ("temperature", json!(2.5), "decimal above maximum"),
            (
                "temperature",
                json!("hot"),
                "expected a decimal, but got a string",
            ),
            ("seed", json!(-10), "integer below minimum"),
            ("seed", json!(0.5), "expected an integer, but got a decimal"),
            ("verbosity", json!("mid"), "'low', 'high'"),
            ("audio", json!({}), "Unsupported parameter"),
            ("user", json!(1), "expected a string"),
            ("store", json!("yes"), "expected a boolean"),
            ("reasoning", json!([]), "expected an object, but got an array"),
            ("colour", json!("red"), "Unknown parameter: 'colour'"),
        ] {
            let refused = check_one(name, value).unwrap_or_default();
            assert!(refused.contains(word), "{name}: {refused}");
        }
    }
}
