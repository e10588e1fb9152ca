//! The Greenroom strict subset of JSON Schema: what may stand in a schema, so that whatever is written obeys it.
//!
//! `docs/simulator.md` lists the keywords. A schema with any other is refused, as OpenAI's strict mode refuses it: a
//! keyword that is taken and then ignored would be worse than an error.

use serde_json::Value;

/// Keywords that are obeyed.
pub(crate) const KEYWORDS: [&str; 22] = [
    "$defs",
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "definitions",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "multipleOf",
    "pattern",
    "properties",
    "required",
    "type",
];
/// Keywords that say something to the reader and nothing of the document.
pub(crate) const ANNOTATIONS: [&str; 5] = ["$comment", "$schema", "description", "examples", "title"];
/// Formats that a text may be asked for in.
pub(crate) const FORMATS: [&str; 9] = [
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
const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];
/// Levels of nesting that strict mode permits.
const NESTING_MAX: usize = 10;
/// Properties and enum values that a schema may have altogether.
const PROPERTIES_MAX: usize = 5_000;
const ENUM_VALUES_MAX: usize = 1_000;

/// How much a schema may leave open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Every object is closed, and every property required.
    Closed,
    /// Objects may be open and properties optional; what is written is closed and complete all the same.
    Open,
}

impl Strictness {
    /// What a `strict` flag asks for.
    pub(crate) const fn of(is_strict: bool) -> Self {
        if is_strict { Self::Closed } else { Self::Open }
    }
}

/// The first thing that is refused, in the provider's manner of speaking.
pub(crate) fn refusal(schema: &Value, strictness: Strictness) -> Option<String> {
    let is_reference = schema.get("$ref").is_some();
    if schema["type"] != "object" && !is_reference {
        return Some("schema must be a JSON Schema of 'type: \"object\"'".to_owned());
    }
    if schema.get("anyOf").is_some() {
        return Some("In context=(), 'anyOf' is not permitted at the root".to_owned());
    }
    let mut inspector = Inspector {
        strictness,
        context: Vec::new(),
        properties: 0,
        enum_values: 0,
    };
    inspector.inspect(schema, 0)
}

struct Inspector {
    strictness: Strictness,
    /// The steps that lead to the schema in hand.
    context: Vec<String>,
    properties: usize,
    enum_values: usize,
}

impl Inspector {
    fn inspect(&mut self, schema: &Value, nesting: usize) -> Option<String> {
        let Some(keywords) = schema.as_object() else {
            return Some(self.says("schema must be an object"));
        };
        if nesting > NESTING_MAX {
            return Some(format!("Exceeded the maximum nesting depth of {NESTING_MAX}"));
        }
        let is_known = |keyword: &str| KEYWORDS.contains(&keyword) || ANNOTATIONS.contains(&keyword);
        if let Some(keyword) = keywords.keys().find(|keyword| !is_known(keyword)) {
            return Some(self.says(&format!("'{keyword}' is not permitted")));
        }
        let flaw = self
            .lone(schema)
            .or_else(|| self.flaw_of_type(schema))
            .or_else(|| self.flaw_of_choice(schema))
            .or_else(|| self.flaw_of_text(schema))
            .or_else(|| self.flaw_of_object(schema));
        flaw.or_else(|| self.members(schema, nesting))
    }

    /// Keywords that decide everything, so that none may stand beside them.
    fn lone(&self, schema: &Value) -> Option<String> {
        let beside = |lone: &str, allowed: &[&str]| {
            schema.get(lone)?;
            let keywords = schema.as_object()?.keys();
            let other = keywords.map(String::as_str).find(|keyword| {
                *keyword != lone && !ANNOTATIONS.contains(keyword) && !allowed.contains(keyword)
            })?;
            Some(self.says(&format!("'{lone}' cannot have '{other}' beside it")))
        };
        let definitions = ["$defs", "definitions"];
        beside("$ref", &definitions)
            .or_else(|| beside("anyOf", &definitions))
            .or_else(|| beside("enum", &["type"]))
            .or_else(|| beside("const", &["type"]))
    }

    fn flaw_of_type(&self, schema: &Value) -> Option<String> {
        let known = |kind: &Value| kind.as_str().is_some_and(|kind| TYPES.contains(&kind));
        match &schema["type"] {
            Value::Null => {
                let decided = ["$ref", "anyOf", "enum", "const"];
                let is_decided = decided.iter().any(|keyword| schema.get(*keyword).is_some());
                (!is_decided).then(|| self.says("schema must have a 'type' key"))
            }
            Value::Array(kinds) if !kinds.is_empty() && kinds.iter().all(known) => None,
            kind if known(kind) => None,
            kind => Some(self.says(&format!("{kind} is not a type"))),
        }
    }

    fn flaw_of_choice(&mut self, schema: &Value) -> Option<String> {
        let choices = schema["enum"].as_array().map_or(&[][..], Vec::as_slice);
        if schema.get("enum").is_some() && choices.is_empty() {
            return Some(self.says("'enum' must be an array with at least one value"));
        }
        self.enum_values += choices.len();
        if self.enum_values > ENUM_VALUES_MAX {
            return Some(format!("Exceeded the maximum of {ENUM_VALUES_MAX} enum values"));
        }
        let mut values = choices.iter().chain(schema.get("const"));
        let stray = values.find(|value| !is_of_type(value, &schema["type"]))?;
        Some(self.says(&format!(
            "enum value {stray} does not validate against {}",
            schema["type"]
        )))
    }

    fn flaw_of_text(&self, schema: &Value) -> Option<String> {
        let format = schema.get("format")?;
        if !format.as_str().is_some_and(|format| FORMATS.contains(&format)) {
            return Some(self.says(&format!("{format} is not a valid format")));
        }
        let bound = ["pattern", "minLength", "maxLength"];
        let bound = bound.iter().find(|keyword| schema.get(**keyword).is_some())?;
        Some(self.says(&format!("'format' cannot have '{bound}' beside it")))
    }

    fn flaw_of_object(&mut self, schema: &Value) -> Option<String> {
        let holds_object = is_of_type(&Value::Object(serde_json::Map::new()), &schema["type"]);
        let is_object = schema.get("type").is_some() && holds_object;
        let properties = schema["properties"].as_object();
        self.properties += properties.map_or(0, serde_json::Map::len);
        if self.properties > PROPERTIES_MAX {
            return Some(format!("Exceeded the maximum of {PROPERTIES_MAX} properties"));
        }
        let listed = schema["required"].as_array().into_iter().flatten();
        let required: Vec<&str> = listed.filter_map(Value::as_str).collect();
        let has = |name: &str| properties.is_some_and(|properties| properties.contains_key(name));
        if let Some(extra) = required.iter().find(|name| !has(name)) {
            return Some(self.says(&format!("'required' names '{extra}', which is not in properties")));
        }
        if self.strictness == Strictness::Open || !is_object {
            let additional = schema.get("additionalProperties");
            return additional
                .filter(|additional| !additional.is_boolean())
                .map(|_| self.says("'additionalProperties' must be a boolean"));
        }
        if schema["additionalProperties"] != Value::Bool(false) {
            return Some(self.says("'additionalProperties' is required to be supplied and to be false"));
        }
        let missing = properties?
            .keys()
            .find(|name| !required.contains(&name.as_str()))?;
        Some(self.says(&format!(
            "'required' is required to be supplied and to be an array including every key in properties. \
             Missing '{missing}'"
        )))
    }

    /// Inspects the schemas within a schema.
    fn members(&mut self, schema: &Value, nesting: usize) -> Option<String> {
        let named = ["properties", "$defs", "definitions"]
            .into_iter()
            .flat_map(|keyword| {
                let members = schema[keyword].as_object().into_iter().flatten();
                members.map(move |(name, member)| (vec![keyword.to_owned(), name.clone()], member))
            });
        let branches = schema["anyOf"].as_array().into_iter().flatten().enumerate();
        let branches = branches.map(|(index, branch)| (vec!["anyOf".to_owned(), index.to_string()], branch));
        let items = schema.get("items").map(|items| (vec!["items".to_owned()], items));
        named.chain(branches).chain(items).find_map(|(steps, member)| {
            let depth = self.context.len();
            let is_deeper = steps
                .first()
                .is_some_and(|step| step == "properties" || step == "items");
            self.context.extend(steps);
            let refused = self.inspect(member, nesting + usize::from(is_deeper));
            self.context.truncate(depth);
            refused
        })
    }

    fn says(&self, what: &str) -> String {
        let steps: Vec<String> = self.context.iter().map(|step| format!("'{step}'")).collect();
        format!("In context=({}), {what}", steps.join(", "))
    }
}

/// Whether a value is of a type, or of one of several; of no type in particular is every value.
fn is_of_type(value: &Value, kind: &Value) -> bool {
    match kind {
        Value::String(kind) => match kind.as_str() {
            "array" => value.is_array(),
            "boolean" => value.is_boolean(),
            "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
            "null" => value.is_null(),
            "number" => value.is_number(),
            "object" => value.is_object(),
            _ => value.is_string(),
        },
        Value::Array(kinds) => kinds.iter().any(|kind| is_of_type(value, kind)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value) -> Option<String> {
        refusal(schema, Strictness::Closed)
    }

    fn with_property(property: &Value) -> Value {
        json!({ "type": "object", "additionalProperties": false, "required": ["a"], "properties": { "a": property } })
    }

    #[test]
    fn closed_and_complete_objects_are_taken() {
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["a"],
            "properties": { "a": { "type": "array", "items": { "$ref": "#/$defs/b" } } },
            "$defs": { "b": { "anyOf": [{ "type": "string" }, { "type": "null" }] } },
        });
        assert_eq!(check(&schema), None);
    }

    #[test]
    fn what_strict_mode_does_not_permit_is_refused() {
        let open = json!({ "type": "object", "properties": {}, "required": [] });
        let optional = json!({ "type": "object", "additionalProperties": false, "required": [],
            "properties": { "a": { "type": "string" } } });
        let root = json!({ "type": "array", "items": { "type": "string" } });
        let cases = [
            (open, "additionalProperties"),
            (optional, "Missing 'a'"),
            (root, "object"),
            (
                with_property(
                    &json!({ "type": "array", "items": { "type": "string" }, "uniqueItems": true }),
                ),
                "uniqueItems",
            ),
            (
                with_property(&json!({ "type": "string", "format": "uri" })),
                "not a valid format",
            ),
            (
                with_property(&json!({ "type": "string", "format": "date", "pattern": "^2" })),
                "'pattern' beside it",
            ),
            (
                with_property(&json!({ "type": "string", "enum": ["a", 1] })),
                "enum value 1",
            ),
            (
                with_property(&json!({ "type": "string", "enum": ["a"], "maxLength": 3 })),
                "'maxLength' beside it",
            ),
            (with_property(&json!({ "type": "text" })), "not a type"),
            (with_property(&json!({ "description": "anything" })), "'type' key"),
            (
                with_property(&json!({ "type": "string", "default": "x" })),
                "'default' is not permitted",
            ),
        ];
        for (schema, word) in cases {
            let reason = check(&schema).unwrap_or_default();
            assert!(reason.contains(word), "{schema}: {reason}");
        }
    }

    #[test]
    fn an_open_schema_may_leave_properties_out_but_not_use_unknown_keywords() {
        let optional = json!({ "type": "object", "properties": { "a": { "type": "string" } } });
        assert_eq!(refusal(&optional, Strictness::Open), None);
        let merged = json!({ "type": "object", "allOf": [] });
        assert!(refusal(&merged, Strictness::Open).is_some());
    }

    #[test]
    fn the_document_of_the_simulator_names_every_keyword_and_format() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/simulator.md");
        let text = std::fs::read_to_string(path).unwrap();
        for word in KEYWORDS.iter().chain(&ANNOTATIONS).chain(&FORMATS) {
            assert!(text.contains(&format!("`{word}`")), "{word}");
        }
    }
}
