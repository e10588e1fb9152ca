//! What a reply must be: a text, some JSON, or a document that obeys a schema.

use serde_json::Value;

use crate::provider::error::ProviderError;
use crate::provider::parameters;
use crate::provider::strict::{self, Strictness};

/// Letters of a schema's or a function's name.
const NAME_BYTES_MAX: usize = 64;

/// What the reply must be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OutputFormat {
    Text,
    JsonObject,
    Schema { name: String, schema: Value },
}

impl OutputFormat {
    /// Reads a format in the flat form of the Responses API.
    pub(super) fn read(format: Option<&Value>, param: &str) -> Result<Self, ProviderError> {
        let Some(format) = format.filter(|format| !format.is_null()) else {
            return Ok(Self::Text);
        };
        match format["type"].as_str() {
            Some("text") => Ok(Self::Text),
            Some("json_object") => Ok(Self::JsonObject),
            Some("json_schema") => Self::read_schema(format, param),
            _ => Err(parameters::unknown_value(
                &format!("{param}.type"),
                &format["type"],
                &["json_object", "json_schema", "text"],
            )),
        }
    }

    /// Reads a format of chat, which nests what Responses has flat.
    pub(super) fn read_nested(format: Option<&Value>, param: &str) -> Result<Self, ProviderError> {
        let Some(format) = format.filter(|format| !format.is_null()) else {
            return Ok(Self::Text);
        };
        parameters::known_fields(format, &["type", "json_schema"], param)?;
        match format.get("json_schema") {
            Some(Value::Object(inner)) if format["type"] == "json_schema" => {
                let mut flat = inner.clone();
                flat.insert("type".to_owned(), format["type"].clone());
                Self::read(Some(&Value::Object(flat)), &format!("{param}.json_schema"))
            }
            None if format["type"] == "json_schema" => {
                Err(parameters::missing(&format!("{param}.json_schema")))
            }
            _ => Self::read(Some(format), param),
        }
    }

    fn read_schema(format: &Value, param: &str) -> Result<Self, ProviderError> {
        parameters::known_fields(
            format,
            &["type", "name", "description", "schema", "strict"],
            param,
        )?;
        let missing = |field: &str| parameters::missing(&format!("{param}.{field}"));
        let name = read_name(format["name"].as_str().ok_or_else(|| missing("name"))?, param)?;
        let schema = format.get("schema").ok_or_else(|| missing("schema"))?;
        let strictness = Strictness::of(format["strict"] == true);
        if let Some(reason) = strict::refusal(schema, strictness) {
            let message = format!("Invalid schema for response_format '{name}': {reason}.");
            let param = format!("{param}.schema");
            return Err(ProviderError::invalid(&param, "invalid_json_schema", message));
        }
        Ok(Self::Schema {
            name,
            schema: schema.clone(),
        })
    }
}

/// Checks the name of a schema or a function.
pub(super) fn read_name(name: &str, param: &str) -> Result<String, ProviderError> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_name) {
        let message = format!("Invalid '{param}.name': string does not match pattern '^[a-zA-Z0-9_-]+$'.");
        return Err(ProviderError::invalid(
            &format!("{param}.name"),
            "invalid_value",
            message,
        ));
    }
    Ok(name.to_owned())
}
