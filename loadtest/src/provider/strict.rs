//! What OpenAI refuses of a JSON Schema in strict mode.

use serde_json::Value;

/// Keywords that strict mode does not permit.
const FORBIDDEN: [&str; 19] = [
    "allOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "unevaluatedProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "unevaluatedItems",
    "contains",
    "minContains",
    "maxContains",
    "uniqueItems",
    "prefixItems",
];
/// Levels of nesting that strict mode permits.
const NESTING_MAX: usize = 10;

/// The first thing that strict mode refuses, in the provider's manner of speaking.
pub(crate) fn refusal(schema: &Value) -> Option<String> {
    if schema["type"] != "object" {
        return Some("schema must be a JSON Schema of 'type: \"object\"'".to_owned());
    }
    if schema.get("anyOf").is_some() {
        return Some("In context=(), 'anyOf' is not permitted at the root".to_owned());
    }
    inspect(schema, &mut Vec::new(), 0)
}

fn inspect(schema: &Value, context: &mut Vec<String>, nesting: usize) -> Option<String> {
    let Some(keywords) = schema.as_object() else {
        return Some(format!("In context={}, schema must be an object", shown(context)));
    };
    if nesting > NESTING_MAX {
        return Some(format!("Exceeded the maximum nesting depth of {NESTING_MAX}"));
    }
    if let Some(keyword) = FORBIDDEN.iter().find(|keyword| keywords.contains_key(**keyword)) {
        return Some(format!(
            "In context={}, '{keyword}' is not permitted",
            shown(context)
        ));
    }
    let is_known = ["type", "$ref", "anyOf", "enum", "const"]
        .iter()
        .any(|key| keywords.contains_key(*key));
    if !is_known {
        return Some(format!(
            "In context={}, schema must have a 'type' key",
            shown(context)
        ));
    }
    if let Some(refused) = inspect_object(schema, context) {
        return Some(refused);
    }
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
        let depth = context.len();
        let deeper = usize::from(
            steps
                .first()
                .is_some_and(|step| step == "properties" || step == "items"),
        );
        context.extend(steps);
        let refused = inspect(member, context, nesting + deeper);
        context.truncate(depth);
        refused
    })
}

fn inspect_object(schema: &Value, context: &[String]) -> Option<String> {
    let is_object = schema["type"] == "object" || schema.get("properties").is_some();
    if !is_object {
        return None;
    }
    if schema["additionalProperties"] != Value::Bool(false) {
        let context = shown(context);
        return Some(format!(
            "In context={context}, 'additionalProperties' is required to be supplied and to be false"
        ));
    }
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let missing = schema["properties"]
        .as_object()?
        .keys()
        .find(|name| !required.contains(&name.as_str()))?;
    Some(format!(
        "In context={}, 'required' is required to be supplied and to be an array including every key in properties. \
         Missing '{missing}'",
        shown(context)
    ))
}

fn shown(context: &[String]) -> String {
    let steps: Vec<String> = context.iter().map(|step| format!("'{step}'")).collect();
    format!("({})", steps.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn closed_and_complete_objects_are_taken() {
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["a"],
            "properties": { "a": { "type": "array", "items": { "$ref": "#/$defs/b" } } },
            "$defs": { "b": { "anyOf": [{ "type": "string" }, { "type": "null" }] } },
        });
        assert_eq!(refusal(&schema), None);
    }

    #[test]
    fn what_strict_mode_does_not_permit_is_refused() {
        let open = json!({ "type": "object", "properties": {}, "required": [] });
        let optional = json!({ "type": "object", "additionalProperties": false, "required": [],
            "properties": { "a": { "type": "string" } } });
        let keyword = json!({ "type": "object", "additionalProperties": false, "required": ["a"],
            "properties": { "a": { "type": "array", "items": { "type": "string" }, "uniqueItems": true } } });
        let root = json!({ "type": "array", "items": { "type": "string" } });
        let cases = [
            (open, "additionalProperties"),
            (optional, "Missing 'a'"),
            (keyword, "uniqueItems"),
            (root, "object"),
        ];
        for (schema, word) in cases {
            assert!(
                refusal(&schema).is_some_and(|reason| reason.contains(word)),
                "{schema}"
            );
        }
    }
}
