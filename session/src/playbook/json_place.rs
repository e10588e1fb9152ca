//! Where the parts of a JSON text stand.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fault::Place;

/// The members of an object as they were written, in their order.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Where the value at a JSON pointer begins, or else the innermost one around it that is there.
pub(super) fn place_of(text: &str, pointer: &str) -> Option<Place> {
    let mut part: &str = serde_json::from_str::<&RawValue>(text).ok()?.get();
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        match member(part, &name) {
            Some(inner) => part = inner,
            None => break,
        }
    }
    // A raw value is a piece of the text itself.
    let offset = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    Some(Place::of(text, offset))
}

fn member<'a>(part: &'a str, name: &str) -> Option<&'a str> {
    if let Ok(Members(members)) = serde_json::from_str::<Members<'a>>(part) {
        // Of several members of one name the last counts, as in every reader.
        return members
            .iter()
            .rev()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.get());
    }
    let items: Vec<&RawValue> = serde_json::from_str(part).ok()?;
    items.get(name.parse::<usize>().ok()?).map(|item| item.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_found_where_it_was_written() {
        let text = "{\n  \"a\": [1, {\"b/c\": 2}],\n  \"글\": \"x\", \"d\": null\n}";
        for (pointer, line, column) in [
            ("", 1, 1),
            ("/a", 2, 8),
            ("/a/1", 2, 12),
            ("/a/1/b~1c", 2, 20),
            ("/d", 3, 18),
            ("/a/7", 2, 8),
            ("/nowhere/x", 1, 1),
        ] {
            assert_eq!(
                place_of(text, pointer),
                Some(Place::at(line, column)),
                "{pointer}"
            );
        }
        assert_eq!(place_of("{", ""), None);
    }
}
