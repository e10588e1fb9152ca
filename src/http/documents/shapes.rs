//! JSON Schemas as lists of fields for people to read: what is named is shown in place, down to a depth, and leads to
//! where it is shown whole.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::prose;

/// How many levels of fields within fields a body shows in place.
pub(super) const LEVELS_OF_BODIES: u8 = 3;
/// Longer lists of values are told without what each means.
const VALUES_EXPLAINED_MAX: usize = 20;
/// Longer lists of values are not told beside the field that has one of them.
const VALUES_BESIDE_FIELD_MAX: usize = 6;

/// Named schemas of one document, such as its `components/schemas`.
#[derive(Clone, Copy)]
pub(super) struct Definitions<'a> {
    /// The schemas by name.
    pub schemas: &'a Map<String, Value>,
    /// Says where something named in code is described.
    pub target: &'a dyn Fn(&str) -> Option<String>,
    /// The page that shows all of them; empty for the page itself.
    pub page: &'a str,
}

impl<'a> Definitions<'a> {
    /// The schema itself, or what it refers to and by which name.
    pub fn resolve(self, schema: &'a Value) -> (Option<&'a str>, &'a Value) {
        let name = schema["$ref"]
            .as_str()
            .and_then(|reference| reference.rsplit('/').next());
        match name.and_then(|name| self.schemas.get_key_value(name)) {
            Some((name, definition)) => (Some(name), definition),
            None => (None, schema),
        }
    }

    /// A text out of a schema.
    pub fn description(self, text: &Value) -> Markup {
        prose::description(text.as_str().unwrap_or_default(), self.target)
    }

    /// What kind of value it is, in a few words.
    pub fn kind(self, schema: &'a Value) -> Markup {
        let (schema, nullable) = without_null(schema);
        html! {
            @if let (Some(name), _) = self.resolve(schema) {
                a href={ (self.page) "#" (anchor(name)) } { (name) }
            } @else if schema["items"].is_object() {
                "array of " (self.kind(&schema["items"]))
            } @else {
                (plain_kind(schema))
            }
            @if nullable { " or null" }
        }
    }

    /// Everything that a schema says of a value: its fields, or the values that it may have.
    pub fn shape(self, schema: &'a Value, levels: u8) -> Markup {
        let (_, schema) = self.resolve(without_null(schema).0);
        let values = values(schema);
        html! {
            @if !values.is_empty() {
                (self.value_list(&values))
            } @else if let Some(properties) = schema["properties"].as_object() {
                ul class="fields" {
                    @for (name, property) in properties {
                        @let required = is_required(schema, name);
                        li class="field" { (self.field(name, property, required, levels)) }
                    }
                }
            } @else if schema["items"].is_object() {
                p class="kind" { "array of " (self.kind(&schema["items"])) }
                (self.nested(&schema["items"], levels))
            }
            @if values.is_empty() && alternatives(schema).next().is_some() {
                p class="kind" { @if schema["properties"].is_object() { "and one of" } @else { "one of" } }
                ol class="alternatives" {
                    @for alternative in alternatives(schema) {
                        li {
                            (self.description(&alternative["description"]))
                            @if alternative["$ref"].is_string() { p class="kind" { (self.kind(alternative)) } }
                            @else { (self.shape(alternative, levels)) }
                        }
                    }
                }
            }
            @if schema["additionalProperties"] == true {
                p class="kind" { "and further fields" }
            }
            (limits(schema, ""))
        }
    }

    /// One field: its name, its kind, what is said of it, and what is in it.
    fn field(self, name: &str, schema: &'a Value, required: bool, levels: u8) -> Markup {
        let own = without_null(schema).0;
        let (_, definition) = self.resolve(own);
        let description = [
            &schema["description"],
            &own["description"],
            &definition["description"],
        ]
        .into_iter()
        .find(|description| description.is_string());
        let values = values(definition);
        html! {
            p class="field-line" {
                code class="name" { (name) }
                " " span class="kind" { (self.kind(schema)) }
                " " span class="presence" data-required=(required) { @if required { "required" } @else { "optional" } }
            }
            @if let Some(description) = description { (self.description(description)) }
            @if !values.is_empty() && values.len() <= VALUES_BESIDE_FIELD_MAX {
                p class="limits" {
                    @for (index, (value, _)) in values.iter().enumerate() {
                        @if index > 0 { ", " }
                        code { (value) }
                    }
                }
            }
            @if own["$ref"].is_null() { (limits(own, description.and_then(Value::as_str).unwrap_or_default())) }
            @if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
                p class="limits" { "if left out: " code { (default) } }
            }
            (self.nested(schema, levels))
        }
    }

    /// The fields within a field, folded up.
    fn nested(self, schema: &'a Value, levels: u8) -> Markup {
        let mut inner = without_null(schema).0;
        while inner["items"].is_object() {
            inner = without_null(&inner["items"]).0;
        }
        let (name, definition) = self.resolve(inner);
        let fields = definition["properties"].as_object().map_or(0, Map::len);
        let has_shape =
            fields > 0 || (values(definition).is_empty() && alternatives(definition).next().is_some());
        html! {
            @if has_shape && levels > 0 {
                details class="nested" {
                    summary { @match name { Some(name) => { "Fields of " code { (name) } }, None => "Fields" } }
                    (self.shape(inner, levels - 1))
                }
            }
        }
    }

    fn value_list(self, values: &[(String, &Value)]) -> Markup {
        let explained = values.len() <= VALUES_EXPLAINED_MAX;
        html! {
            ul class=(if explained { "values" } else { "values short" }) {
                @for (value, description) in values {
                    li {
                        @match (self.target)(value) {
                            Some(address) => a href=(address) { code { (value) } },
                            None => code { (value) },
                        }
                        @if explained { " " (self.description(description)) }
                    }
                }
            }
        }
    }

    /// All definitions, each where links to its name lead.
    pub fn all(self) -> Markup {
        html! {
            @for (name, schema) in self.schemas {
                section class="definition" id=(anchor(name)) {
                    h3 { a class="anchor" href={ "#" (anchor(name)) } { code { (name) } } }
                    (self.description(&schema["description"]))
                    p class="kind" { (plain_kind(schema)) }
                    (self.shape(schema, 0))
                }
            }
        }
    }
}

/// Where a definition is shown on its page.
pub(super) fn anchor(name: &str) -> String {
    format!("shape-{name}")
}

/// Whether an object must have the field.
pub(super) fn is_required(schema: &Value, name: &str) -> bool {
    let required = schema["required"].as_array().into_iter().flatten();
    required.into_iter().any(|required| required == name)
}

/// The values of an enumeration, with what each means; empty for everything else.
pub(super) fn values(schema: &Value) -> Vec<(String, &Value)> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    let listed = listed.map(|value| (plain(value), &Value::Null));
    let variants: Vec<_> = alternatives(schema).collect();
    let explained = variants
        .iter()
        .all(|variant| variant.get("const").is_some())
        .then_some(variants);
    let explained = explained.into_iter().flatten();
    listed
        .chain(explained.map(|variant| (plain(&variant["const"]), &variant["description"])))
        .collect()
}

/// The schema of the value that may also be null, and whether it may be.
pub(super) fn without_null(schema: &Value) -> (&Value, bool) {
    let is_null = |schema: &&Value| schema["type"] == "null";
    if !alternatives(schema).any(|alternative| is_null(&alternative)) {
        let kinds = schema["type"].as_array().into_iter().flatten();
        return (schema, kinds.into_iter().any(|kind| kind == "null"));
    }
    let mut others = alternatives(schema).filter(|alternative| !is_null(alternative));
    match (others.next(), others.next()) {
        (Some(only), None) => (only, true),
        _ => (schema, true),
    }
}

/// What an object is one of.
pub(super) fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    ["oneOf", "anyOf"]
        .into_iter()
        .filter_map(|keyword| schema[keyword].as_array())
        .flatten()
}

/// The kind of a value that has no name.
fn plain_kind(schema: &Value) -> String {
    let kinds = schema["type"]
        .as_array()
        .map_or_else(|| std::slice::from_ref(&schema["type"]), |kinds| kinds.as_slice());
    let kind = kinds
        .iter()
        .filter_map(Value::as_str)
        .find(|kind| *kind != "null");
    match (kind, schema["format"].as_str()) {
        (_, Some("binary")) => "file".to_owned(),
        (_, Some("date-time")) => "string, a time (ISO 8601, UTC)".to_owned(),
        (Some(kind), _) => kind.to_owned(),
        (None, _) if schema.get("const").is_some() => plain(&schema["const"]),
        (None, _) if !values(schema).is_empty() => "string".to_owned(),
        (None, _) if alternatives(schema).next().is_some() => "object".to_owned(),
        (None, _) => "any value".to_owned(),
    }
}

/// What values are kept within, in words, as far as the description does not say so itself.
fn limits(schema: &Value, description: &str) -> Markup {
    let number = |key: &str| schema[key].as_f64();
    let range = |least: Option<f64>, most: Option<f64>, what: &str| match (least, most) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{what}")),
        (None, Some(most)) => Some(format!("at most {most}{what}")),
        // That a count is not negative goes without saying.
        (Some(least), None) if least > 0.0 => Some(format!("at least {least}{what}")),
        (Some(_) | None, None) => None,
    };
    let said = [
        range(number("minLength"), number("maxLength"), " characters"),
        range(number("minItems"), number("maxItems"), " entries"),
        range(number("minimum"), number("maximum"), ""),
    ];
    let unsaid = |limit: &String| !description.contains(limit.as_str());
    let said: Vec<_> = said.into_iter().flatten().filter(unsaid).collect();
    html! {
        @if !said.is_empty() || schema["pattern"].is_string() {
            p class="limits" {
                (said.join(", "))
                @if let Some(pattern) = schema["pattern"].as_str() {
                    @if !said.is_empty() { ", " }
                    "pattern " code { (pattern) }
                }
            }
        }
    }
}

/// A value as one writes it: texts without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(schemas: &Value, schema: &Value, levels: u8) -> String {
        let definitions = Definitions {
            schemas: schemas.as_object().unwrap(),
            target: &|_| None,
            page: "",
        };
        definitions.shape(schema, levels).into_string()
    }

    #[test]
    fn what_is_named_is_shown_in_place_down_to_a_depth() {
        let schemas = json!({ "Node": {
            "type": "object", "required": ["next"],
            "properties": { "next": { "anyOf": [{ "$ref": "#/$defs/Node" }, { "type": "null" }] } },
        } });
        let node = json!({ "$ref": "#/$defs/Node" });
        let flat = shown(&schemas, &node, 0);
        assert!(
            flat.contains("<a href=\"#shape-Node\">Node</a> or null") && flat.contains("required"),
            "{flat}"
        );
        assert!(!flat.contains("<details"), "{flat}");
        assert_eq!(shown(&schemas, &node, 2).matches("<details").count(), 2);
    }

    #[test]
    fn values_are_told_with_what_they_mean() {
        let schema = json!({ "oneOf": [
            { "type": "string", "const": "ko", "description": "Korean." },
            { "type": "string", "const": "en", "description": "English." },
        ] });
        let html = shown(&json!({}), &schema, 0);
        assert!(html.contains("<code>ko</code> <p>Korean.</p>"), "{html}");
    }

    #[test]
    fn limits_are_said_in_words() {
        let said = |schema: &Value| limits(schema, "Short.").into_string();
        assert!(said(&json!({ "minLength": 1, "maxLength": 3000 })).contains("1 to 3000 characters"));
        assert!(said(&json!({ "maximum": 1, "minimum": 0 })).contains("0 to 1"));
        assert_eq!(said(&json!({ "minimum": 0 })), "");
        assert_eq!(
            limits(&json!({ "maximum": 9 }), "A digit, at most 9.").into_string(),
            ""
        );
        assert!(said(&json!({ "pattern": "^a$" })).contains("pattern <code>^a$</code>"));
    }

    #[test]
    fn alternatives_stand_beside_the_fields_that_all_have() {
        let schema = json!({
            "type": "object", "properties": { "path": { "type": "string" } }, "required": ["path"],
            "oneOf": [
                { "type": "object", "properties": { "append": { "type": "string" } }, "description": "It grows." },
                { "type": "object", "properties": { "value": true }, "description": "It is set." },
            ],
        });
        let html = shown(&json!({}), &schema, 0);
        assert!(
            html.contains("and one of") && html.contains("It is set."),
            "{html}"
        );
        assert!(html.contains("<code class=\"name\">append</code>"), "{html}");
    }
}
