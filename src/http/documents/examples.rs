//! Examples of bodies, made from their schemas: what the schema names as an example, else the plainest value that it
//! allows.

use serde_json::{Map, Value, json};

use super::shapes::{self, Definitions};

/// The time and the ids of all examples, as in the protocol's own.
const TIME: &str = "2026-02-19T15:00:00.123Z";
const ULID: &str = "01K0Z6Q7W8X9Y0ABCDEFGHJKMN";
/// Fields within fields beyond this are left out; no body is as deep.
const LEVELS_MAX: u8 = 8;
/// What names say where a schema says no more than that it is a text.
const TEXTS_BY_NAME: &[(&str, &str)] = &[
    ("session_id", "sess_01K0Z6Q7W8X9Y0ABCDEFGHJKMN"),
    ("run_id", "run_01K0Z6Q7W8X9Y0ABCDEFGHJKMN"),
    ("job_id", "job_01K0Z6Q7W8X9Y0ABCDEFGHJKMN"),
    ("asset_id", "asset_01K0Z6Q7W8X9Y0ABCDEFGHJKMN"),
    ("last_event_id", "evt_00124"),
    ("Last-Event-ID", "evt_00124"),
    ("state", "CHAT_COLLECTING"),
    ("type", "stage.changed"),
    ("time", TIME),
    ("version", env!("CARGO_PKG_VERSION")),
    ("playbook", "launch"),
];

/// An example of what a request holds: what may be left out stands in it only where its schema has something to say.
pub(super) fn of_request(definitions: Definitions<'_>, schema: &Value) -> Value {
    let examples = Examples {
        definitions,
        whole: false,
    };
    examples.of("", schema, LEVELS_MAX)
}

/// An example of what an answer holds: every field.
pub(super) fn of_answer(definitions: Definitions<'_>, schema: &Value) -> Value {
    let examples = Examples {
        definitions,
        whole: true,
    };
    examples.of("", schema, LEVELS_MAX)
}

/// An example of a parameter, as text; none where nobody can know one.
pub(super) fn of_parameter(name: &str, schema: &Value) -> Option<String> {
    let given = given(schema).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let by_name = || text_by_name(name).map(str::to_owned);
    given.or_else(by_name)
}

#[derive(Clone, Copy)]
struct Examples<'a> {
    definitions: Definitions<'a>,
    whole: bool,
}

impl Examples<'_> {
    fn of(self, name: &str, schema: &Value, levels: u8) -> Value {
        if let Some(given) = given(schema) {
            return given.clone();
        }
        let (schema, nullable) = shapes::without_null(schema);
        let (_, schema) = self.definitions.resolve(schema);
        if let Some(given) = given(schema) {
            return given.clone();
        }
        if let Some((value, _)) = shapes::values(schema).into_iter().next() {
            return value.into();
        }
        if levels == 0 {
            return Value::Null;
        }
        if schema["items"].is_object() {
            return json!([self.of(name, &schema["items"], levels - 1)]);
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.first().and_then(Value::as_str),
            kind => kind.as_str(),
        };
        match kind {
            Some("object") => self.object(schema, levels),
            None if shapes::alternatives(schema).next().is_some() => self.object(schema, levels),
            Some("string") => text(name, schema).map_or_else(|| or_null(nullable, "…"), Value::from),
            Some("integer") => schema["minimum"].as_i64().unwrap_or_default().max(1).into(),
            Some("number") => json!(0.9),
            Some("boolean") => false.into(),
            _ => Value::Null,
        }
    }

    fn object(self, schema: &Value, levels: u8) -> Value {
        let mut object = Map::new();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let example = self.of(name, property, levels - 1);
            // What is null anyhow may as well be left out.
            if self.whole || shapes::is_required(schema, name) || !(example.is_null() || example == "…") {
                object.insert(name.clone(), example);
            }
        }
        if let Some(first) = shapes::alternatives(schema).next()
            && let Value::Object(more) = self.of("", first, levels - 1)
        {
            object.extend(more);
        }
        object.into()
    }
}

/// The example that a schema itself gives.
fn given(schema: &Value) -> Option<&Value> {
    let examples = schema["examples"]
        .as_array()
        .and_then(|examples| examples.first());
    examples
        .or_else(|| schema.get("example"))
        .or_else(|| schema.get("const"))
        .or_else(|| schema.get("default").filter(|default| !default.is_null()))
}

fn text_by_name(name: &str) -> Option<&'static str> {
    let found = TEXTS_BY_NAME.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text)
}

fn text(name: &str, schema: &Value) -> Option<String> {
    if schema["format"] == "date-time" {
        return Some(TIME.to_owned());
    }
    // The pattern of ids is their prefix and a ULID.
    let pattern = schema["pattern"].as_str().unwrap_or_default();
    let prefix = pattern
        .strip_prefix('^')
        .and_then(|pattern| pattern.split_once('['));
    match prefix {
        Some(("evt_", _)) => Some("evt_00124".to_owned()),
        Some((prefix, rest)) if rest.ends_with("{25}$") => Some(format!("{prefix}{ULID}")),
        Some((_, rest)) if rest.contains("\\.") => Some("product.price_band".to_owned()),
        Some(_) | None => text_by_name(name).map(str::to_owned),
    }
}

fn or_null(nullable: bool, text: &str) -> Value {
    if nullable { Value::Null } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(make: impl Fn(Definitions<'_>, &Value) -> Value, schemas: &Value, schema: &Value) -> Value {
        let schemas = schemas.as_object().unwrap();
        make(
            Definitions {
                schemas,
                target: &|_| None,
                page: "",
            },
            schema,
        )
    }

    #[test]
    fn a_request_leaves_out_what_it_may_and_an_answer_has_it_all() {
        let schema = json!({
            "type": "object", "required": ["message"],
            "properties": {
                "message": { "type": "string", "examples": ["안녕하세요"] },
                "note": { "type": ["string", "null"] },
                "draft": { "type": ["boolean", "null"] },
            },
        });
        let request = of(of_request, &json!({}), &schema);
        assert_eq!(request, json!({ "message": "안녕하세요", "draft": false }));
        let answer = of(of_answer, &json!({}), &schema);
        assert_eq!(
            answer,
            json!({ "message": "안녕하세요", "note": null, "draft": false })
        );
    }

    #[test]
    fn ids_times_and_values_look_like_themselves() {
        let schemas = json!({
            "RunId": { "type": "string", "pattern": "^run_[0-7][0-9A-HJKMNP-TV-Z]{25}$" },
            "Locale": { "oneOf": [{ "type": "string", "const": "ko" }, { "type": "string", "const": "en" }] },
        });
        let schema = json!({ "type": "object", "properties": {
            "run": { "$ref": "#/components/schemas/RunId" },
            "locales": { "type": "array", "items": { "$ref": "#/components/schemas/Locale" } },
            "at": { "type": "string", "format": "date-time" },
            "count": { "type": "integer", "minimum": 0 },
        } });
        let expected = json!({ "run": format!("run_{ULID}"), "locales": ["ko"], "at": TIME, "count": 1 });
        assert_eq!(of(of_answer, &schemas, &schema), expected);
    }

    #[test]
    fn a_schema_that_contains_itself_ends() {
        let schemas =
            json!({ "Node": { "type": "object", "properties": { "next": { "$ref": "#/$defs/Node" } } } });
        let example = of(of_answer, &schemas, &json!({ "$ref": "#/$defs/Node" }));
        assert!(example["next"]["next"].is_object());
    }

    #[test]
    fn parameters_have_an_example_where_one_can_be_known() {
        assert_eq!(
            of_parameter("limit", &json!({ "type": "integer", "example": 50 })),
            Some("50".to_owned())
        );
        assert_eq!(
            of_parameter("run_id", &json!({ "type": "string" })),
            Some(format!("run_{ULID}"))
        );
        assert_eq!(of_parameter("q", &json!({ "type": "string" })), None);
    }
}
