//! Checking what a model wrote against the schema that it was given, and that schema against what providers take.

use std::fmt;

use greenroom_protocol::push_pointer_token;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, ValidationError, Validator};
use serde_json::{Map, Value};

/// Violations that are worth telling; a model that made more is not helped by reading them all.
pub const VIOLATIONS_MAX: usize = 20;
/// Characters of one violation: enough for a path and a sentence.
pub const VIOLATION_CHARS_MAX: usize = 300;

/// Keywords that OpenAI's strict structured output obeys or ignores; any other makes it refuse the schema. From its
/// guide "Structured Outputs", "Supported schemas". Other providers' strict modes take no more than these.
pub const STRICT_KEYWORDS: &[&str] = &[
    "$defs",
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "description",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maximum",
    "minItems",
    "minimum",
    "multipleOf",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
];

/// Values of `format` within the strict subset; from the same place. `uri` is not among them.
pub const STRICT_FORMATS: &[&str] = &[
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "time",
    "uuid",
];

/// Levels that the objects of a strict schema may nest.
pub const STRICT_DEPTH_MAX: usize = 10;
/// Properties that a strict schema may have in all.
pub const STRICT_PROPERTIES_MAX: usize = 5_000;
/// Values that the enums of a strict schema may have in all.
pub const STRICT_ENUM_VALUES_MAX: usize = 1_000;

/// Checks documents against one JSON Schema (draft 2020-12). Reads nothing from anywhere else.
#[derive(Debug)]
pub struct OutputValidator {
    validator: Validator,
}

/// The schema itself is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON Schema: {what}")]
pub struct SchemaError {
    /// Where in the schema, as a JSON pointer.
    pub pointer: String,
    what: String,
}

impl OutputValidator {
    /// Reads the schema. References may only lead to places within it.
    pub fn new(schema: &Value) -> Result<Self, SchemaError> {
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .offline()
            .build(schema)
            .map(|validator| Self { validator })
            .map_err(|error| SchemaError {
                pointer: error.instance_path().to_string(),
                what: violation(&error),
            })
    }

    /// What is wrong with the document, in words that a model can act on: where (a JSON pointer), then what. Empty if
    /// it is valid; at most [`VIOLATIONS_MAX`], each of at most [`VIOLATION_CHARS_MAX`] characters.
    pub fn validate(&self, document: &Value) -> Vec<String> {
        self.validator
            .iter_errors(document)
            .take(VIOLATIONS_MAX)
            .map(|error| violation(&error))
            .collect()
    }
}

/// The values themselves are left out: the model knows what it wrote, and they may be long.
fn violation(error: &ValidationError<'_>) -> String {
    let path = match error.instance_path().as_str() {
        "" => "the whole document",
        path => path,
    };
    let what = error.masked_with("this value");
    let text = match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            let reasons = context.iter().filter_map(|branch| branch.first()).map(|first| {
                let what = first.masked_with("this value");
                match first.instance_path().as_str() {
                    place if place == error.instance_path().as_str() => what.to_string(),
                    place => format!("{place} {what}"),
                }
            });
            let reasons: Vec<String> = reasons.collect();
            format!(
                "{path}: fits none of its alternatives ({})",
                reasons.join("; or ")
            )
        }
        _ => format!("{path}: {what}"),
    };
    clipped(text)
}

pub(crate) fn clipped(text: String) -> String {
    if text.chars().count() <= VIOLATION_CHARS_MAX {
        return text;
    }
    text.chars().take(VIOLATION_CHARS_MAX - 1).chain(['…']).collect()
}

/// Why a schema is not in the strict subset that providers enforce while a model writes. Empty if it is.
pub(crate) fn strict_breaches(schema: &Value) -> Vec<StrictBreach> {
    let mut check = StrictCheck {
        root: schema,
        properties: 0,
        enum_values: 0,
        breaches: Vec::new(),
    };
    if schema.get("type") != Some(&Value::from("object")) {
        check.violate("", "the outermost schema must have the type object");
    }
    if schema.get("anyOf").is_some() {
        check.violate("", "the outermost schema must not be an anyOf");
    }
    check.schema(schema, "", 0);
    if check.properties > STRICT_PROPERTIES_MAX {
        check.violate(
            "",
            format_args!("there are more than {STRICT_PROPERTIES_MAX} properties in all"),
        );
    }
    if check.enum_values > STRICT_ENUM_VALUES_MAX {
        check.violate(
            "",
            format_args!("there are more than {STRICT_ENUM_VALUES_MAX} enum values in all"),
        );
    }
    check.breaches
}

/// A part of a schema that leaves the strict subset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StrictBreach {
    /// JSON pointer into the schema.
    pub(crate) pointer: String,
    /// What is wrong there.
    pub(crate) what: String,
    /// The keyword, if it is one that the subset does not have.
    pub(crate) keyword: Option<String>,
}

impl fmt::Display for StrictBreach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() {
            "the whole schema"
        } else {
            &self.pointer
        };
        f.write_str(&clipped(format!("{place}: {}", self.what)))
    }
}

struct StrictCheck<'a> {
    root: &'a Value,
    properties: usize,
    enum_values: usize,
    breaches: Vec<StrictBreach>,
}

impl StrictCheck<'_> {
    fn violate(&mut self, pointer: &str, what: impl fmt::Display) {
        self.breaches.push(StrictBreach {
            pointer: pointer.to_owned(),
            what: what.to_string(),
            keyword: None,
        });
    }

    /// Checks a schema that has `depth` objects around it.
    fn schema(&mut self, schema: &Value, pointer: &str, depth: usize) {
        let Some(keywords) = schema.as_object() else {
            return self.violate(pointer, "a schema must be an object");
        };
        for keyword in keywords
            .keys()
            .filter(|keyword| !STRICT_KEYWORDS.contains(&keyword.as_str()))
        {
            self.breaches.push(StrictBreach {
                pointer: pointer.to_owned(),
                what: format!("the keyword {keyword} is not in the strict subset"),
                keyword: Some(keyword.clone()),
            });
        }
        if !["type", "anyOf", "$ref", "enum", "const"]
            .iter()
            .any(|keyword| keywords.contains_key(*keyword))
        {
            self.violate(pointer, "a schema needs a type");
        }
        if let Some(format) = keywords.get("format") {
            let is_strict = format
                .as_str()
                .is_some_and(|format| STRICT_FORMATS.contains(&format));
            if !is_strict {
                self.violate(
                    pointer,
                    format_args!("the format {format} is not in the strict subset"),
                );
            }
        }
        if let Some(reference) = keywords.get("$ref") {
            let target = reference
                .as_str()
                .and_then(|reference| reference.strip_prefix('#'));
            if target.and_then(|target| self.root.pointer(target)).is_none() {
                self.violate(
                    pointer,
                    format_args!("the reference {reference} leads nowhere in this schema"),
                );
            }
        }
        self.enum_values += keywords.get("enum").and_then(Value::as_array).map_or(0, Vec::len);
        if has_type(keywords, "object") || keywords.contains_key("properties") {
            self.object(keywords, pointer, depth + 1);
        }
        if has_type(keywords, "array") && !keywords.contains_key("items") {
            self.violate(pointer, "a list needs items");
        }
        if let Some(items) = keywords.get("items") {
            self.schema(items, &joined(pointer, &["items"]), depth);
        }
        for (at, alternative) in keywords
            .get("anyOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate()
        {
            self.schema(alternative, &joined(pointer, &["anyOf", &at.to_string()]), depth);
        }
        for (name, definition) in keywords
            .get("$defs")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            self.schema(definition, &joined(pointer, &["$defs", name]), depth);
        }
    }

    fn object(&mut self, keywords: &Map<String, Value>, pointer: &str, depth: usize) {
        if depth > STRICT_DEPTH_MAX {
            self.violate(
                pointer,
                format_args!("objects are nested more than {STRICT_DEPTH_MAX} levels deep"),
            );
        }
        if keywords.get("additionalProperties") != Some(&Value::Bool(false)) {
            self.violate(pointer, "an object needs additionalProperties: false");
        }
        let Some(properties) = keywords.get("properties").and_then(Value::as_object) else {
            return self.violate(pointer, "an object needs properties");
        };
        self.properties += properties.len();
        let required: Vec<&str> = keywords
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        for (name, property) in properties {
            if !required.contains(&name.as_str()) {
                self.violate(pointer, format_args!("the property {name} must be required"));
            }
            self.schema(property, &joined(pointer, &["properties", name]), depth);
        }
        for name in required.iter().filter(|name| !properties.contains_key(**name)) {
            self.violate(pointer, format_args!("{name} is required but is no property"));
        }
    }
}

/// Whether the type is `name`, or one of several is.
fn has_type(keywords: &Map<String, Value>, name: &str) -> bool {
    match keywords.get("type") {
        Some(Value::String(only)) => only == name,
        Some(Value::Array(several)) => several.iter().any(|one| one == name),
        _ => false,
    }
}

fn joined(pointer: &str, tokens: &[&str]) -> String {
    let mut longer = pointer.to_owned();
    for token in tokens {
        push_pointer_token(&mut longer, token);
    }
    longer
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn strict_violations(schema: &Value) -> Vec<String> {
        strict_breaches(schema).iter().map(ToString::to_string).collect()
    }

    fn strict_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "signals": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "properties": {
                            "impact": {"type": "string", "enum": ["high", "low"]},
                            "share": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
                        },
                        "required": ["impact", "share"],
                        "additionalProperties": false,
                    },
                },
                "seen_at": {"anyOf": [{"type": "string", "format": "date-time"}, {"$ref": "#/$defs/unseen"}]},
            },
            "required": ["signals", "seen_at"],
            "additionalProperties": false,
            "$defs": {"unseen": {"type": "null"}},
        })
    }

    #[track_caller]
    fn check(document: &Value, violations: &[&str]) {
        assert_eq!(
            OutputValidator::new(&strict_schema()).unwrap().validate(document),
            violations
        );
    }

    #[test]
    fn a_valid_document_has_no_violations() {
        check(
            &json!({"signals": [{"impact": "high", "share": 0.5}], "seen_at": "2026-11-20T10:00:00Z"}),
            &[],
        );
        check(
            &json!({"signals": [{"impact": "low", "share": null}], "seen_at": null}),
            &[],
        );
    }

    #[test]
    fn violations_name_the_place_and_what_is_wrong() {
        check(
            &json!({"signals": [{"impact": "huge", "share": 2, "note": "x"}, {"impact": 3}], "seen_at": null}),
            &[
                r#"/signals/0/impact: this value is not one of "high" or "low""#,
                "/signals/0/share: this value is greater than the maximum of 1",
                "/signals/0: Additional properties are not allowed ('note' was unexpected)",
                r#"/signals/1: "share" is a required property"#,
                r#"/signals/1/impact: this value is not of type "string""#,
                r#"/signals/1/impact: this value is not one of "high" or "low""#,
            ],
        );
        check(
            &json!({"signals": [], "seen_at": "yesterday"}),
            &[
                "/signals: this value has less than 1 item",
                "/seen_at: fits none of its alternatives (this value is not a \"date-time\"; or this value is not of \
                 type \"null\")",
            ],
        );
        check(
            &json!([]),
            &[r#"the whole document: this value is not of type "object""#],
        );
    }

    #[test]
    fn violations_are_few_and_short() {
        let signals: Vec<Value> = (0..100)
            .map(|_| json!({"impact": "가".repeat(1_000), "x".repeat(1_000): 1}))
            .collect();
        let document = json!({"signals": signals, "seen_at": null});
        let violations = OutputValidator::new(&strict_schema())
            .unwrap()
            .validate(&document);
        assert_eq!(violations.len(), VIOLATIONS_MAX);
        assert!(
            violations
                .iter()
                .all(|violation| violation.chars().count() <= VIOLATION_CHARS_MAX)
        );
        assert!(violations.iter().any(|violation| violation.ends_with('…')));
    }

    #[test]
    fn a_schema_that_is_none_or_leads_elsewhere_is_refused() {
        for schema in [
            json!({"type": "text"}),
            json!({"minItems": "x"}),
            json!({"$ref": "https://example.com/schema.json"}),
            json!({"$ref": "file:///etc/hostname"}),
            json!({"$ref": "#/$defs/none"}),
        ] {
            assert!(OutputValidator::new(&schema).is_err(), "{schema}");
        }
    }

    #[track_caller]
    fn check_strict(change: impl FnOnce(&mut Value), violation: &str) {
        let mut schema = strict_schema();
        change(&mut schema);
        assert_eq!(strict_violations(&schema), [violation]);
    }

    #[test]
    fn the_strict_subset_is_recognised() {
        assert_eq!(strict_violations(&strict_schema()), [""; 0]);
    }

    #[test]
    fn what_leaves_the_strict_subset_is_named() {
        let item = "/properties/signals/items";
        check_strict(
            |schema| schema["properties"]["signals"]["items"]["additionalProperties"] = json!(true),
            &format!("{item}: an object needs additionalProperties: false"),
        );
        check_strict(
            |schema| schema["properties"]["signals"]["items"]["required"] = json!(["impact"]),
            &format!("{item}: the property share must be required"),
        );
        check_strict(
            |schema| schema["required"] = json!(["signals", "seen_at", "gone"]),
            "the whole schema: gone is required but is no property",
        );
        check_strict(
            |schema| schema["properties"]["signals"]["uniqueItems"] = json!(true),
            "/properties/signals: the keyword uniqueItems is not in the strict subset",
        );
        check_strict(
            |schema| schema["properties"]["seen_at"]["anyOf"][0]["format"] = json!("uri"),
            "/properties/seen_at/anyOf/0: the format \"uri\" is not in the strict subset",
        );
        check_strict(
            |schema| schema["properties"]["seen_at"]["anyOf"][1]["$ref"] = json!("#/$defs/gone"),
            "/properties/seen_at/anyOf/1: the reference \"#/$defs/gone\" leads nowhere in this schema",
        );
        check_strict(
            |schema| schema["$defs"]["unseen"] = json!({"description": "anything"}),
            "/$defs/unseen: a schema needs a type",
        );
        check_strict(
            |schema| schema["properties"]["signals"] = json!({"type": "array"}),
            "/properties/signals: a list needs items",
        );
        check_strict(
            |schema| schema["properties"]["seen_at"] = json!(true),
            "/properties/seen_at: a schema must be an object",
        );
        check_strict(
            |schema| schema["type"] = json!(["object", "null"]),
            "the whole schema: the outermost schema must have the type object",
        );
        check_strict(
            |schema| schema["anyOf"] = json!([]),
            "the whole schema: the outermost schema must not be an anyOf",
        );
    }

    #[test]
    fn the_size_of_a_strict_schema_is_limited() {
        let object = |name: &str, property: Value| json!({"type": "object", "properties": {name: property}, "required": [name], "additionalProperties": false});
        let deep = (0..STRICT_DEPTH_MAX).fold(json!({"type": "null"}), |inner, _| object("a", inner));
        assert_eq!(strict_violations(&deep), [""; 0]);
        let deeper = object("a", deep);
        let [violation] = <[String; 1]>::try_from(strict_violations(&deeper)).unwrap();
        assert!(
            violation.ends_with("objects are nested more than 10 levels deep"),
            "{violation}"
        );

        let values: Vec<usize> = (0..=STRICT_ENUM_VALUES_MAX).collect();
        let many = object("a", json!({"type": "integer", "enum": values}));
        assert_eq!(
            strict_violations(&many),
            ["the whole schema: there are more than 1000 enum values in all"]
        );

        let names: Vec<String> = (0..=STRICT_PROPERTIES_MAX).map(|at| at.to_string()).collect();
        let properties: Map<String, Value> = names
            .iter()
            .map(|name| (name.clone(), json!({"type": "null"})))
            .collect();
        let wide = json!({"type": "object", "properties": properties, "required": names, "additionalProperties": false});
        assert_eq!(
            strict_violations(&wide),
            ["the whole schema: there are more than 5000 properties in all"]
        );
    }
}
