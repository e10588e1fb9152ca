//! Where a JSON pointer leads in the documents that a schema allows.

use serde_json::Value;

/// How many `$ref`s in a row are followed; more is a circle.
const REFERENCES_MAX: usize = 8;

/// The schema of what a JSON pointer of an output leads to, if the schema allows such a part.
/// Digits step into a list's elements, names into an object's properties.
pub(super) fn schema_at<'a>(schema: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.is_empty() {
        return resolved(schema, schema);
    }
    let segments = pointer.strip_prefix('/')?.split('/');
    segments.fold(resolved(schema, schema), |part, segment| {
        let part = part?;
        let next = if is_list(part) && segment.bytes().all(|byte| byte.is_ascii_digit()) {
            part.get("items")
        } else {
            part.get("properties")?.get(segment)
        };
        resolved(schema, next?)
    })
}

/// The schema of the elements of the list at a pointer.
pub(super) fn elements_at<'a>(schema: &'a Value, pointer: &str) -> Option<&'a Value> {
    let list = schema_at(schema, pointer).filter(|list| is_list(list))?;
    resolved(schema, list.get("items")?)
}

/// The pointers of the lists of a schema's objects whose elements are as wanted. Lists within lists are left out: no
/// pointer of a playbook leads there.
pub(super) fn lists_of(schema: &Value, is_wanted: impl Fn(&Value) -> bool) -> Vec<String> {
    let mut lists = Vec::new();
    let mut waiting = vec![String::new()];
    while let Some(pointer) = waiting.pop() {
        let part = schema_at(schema, &pointer);
        if elements_at(schema, &pointer).is_some_and(&is_wanted) {
            lists.push(pointer.clone());
        }
        let properties = part.and_then(|part| part.get("properties")?.as_object());
        // A schema may refer to itself; no pointer is as long as that.
        if pointer.matches('/').count() < REFERENCES_MAX {
            waiting.extend(
                properties
                    .into_iter()
                    .flat_map(|properties| properties.keys())
                    .map(|name| format!("{pointer}/{name}")),
            );
        }
    }
    lists.sort();
    lists
}

/// Whether a part is of one of the simple types, and of nothing else.
pub(super) fn has_type(part: &Value, types: &[&str]) -> bool {
    part.get("type")
        .and_then(Value::as_str)
        .is_some_and(|found| types.contains(&found))
}

fn is_list(part: &Value) -> bool {
    has_type(part, &["array"])
}

fn resolved<'a>(root: &'a Value, mut part: &'a Value) -> Option<&'a Value> {
    for _ in 0..REFERENCES_MAX {
        let Some(reference) = part.get("$ref") else {
            return Some(part);
        };
        part = root.pointer(reference.as_str()?.strip_prefix('#')?)?;
    }
    None
}
