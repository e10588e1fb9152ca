//! A JSON object, and nothing that merely could be read as one.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// What a JSON object holds. Left to itself, serde reads the fields of a struct from a list too, in their order.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, fields: M) -> Result<T, M::Error> {
        T::deserialize(MapAccessDeserializer::new(fields))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Edit {
        path: String,
        value: serde_json::Value,
    }

    #[test]
    fn an_object_is_read_and_a_list_of_its_fields_is_not() {
        let read = |text: &str| serde_json::from_str::<Object<Edit>>(text);
        let Object(edit) = read(r#"{"path":"a","value":null}"#).unwrap();
        assert_eq!((edit.path.as_str(), edit.value.is_null()), ("a", true));
        let error = read(r#"["a",null]"#).unwrap_err().to_string();
        assert!(
            error.starts_with("invalid type: sequence, expected an object"),
            "{error}"
        );
        let missing = read(r#"{"path":"a"}"#).unwrap_err().to_string();
        assert!(missing.starts_with("missing field `value`"), "{missing}");
    }
}
