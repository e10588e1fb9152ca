//! A request to the simulator, read from either of OpenAI's two forms.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::author::is_planner_schema;
use super::error::ProviderError;
use super::strict;

/// Pairs of metadata that a request may carry, and characters of a value.
const METADATA_PAIRS_MAX: usize = 16;
const METADATA_VALUE_CHARS_MAX: usize = 512;

const RESPONSES_PARAMETERS: &[&str] = &[
    "background",
    "context_management",
    "conversation",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];
const CHAT_PARAMETERS: &[&str] = &[
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
];

/// Which of the two APIs a request speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/chat/completions`
    Chat,
}

/// A request, whichever form it came in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prompt {
    pub(crate) api: Api,
    pub(crate) model: String,
    pub(crate) instructions: String,
    pub(crate) messages: Vec<Message>,
    pub(crate) format: OutputFormat,
    pub(crate) search: WebSearch,
    pub(crate) stream: bool,
    /// Whether a chat stream ends with the usage.
    pub(crate) include_usage: bool,
    pub(crate) output_tokens_max: Option<u64>,
    /// The request as it came, for what is echoed.
    pub(crate) request: Map<String, Value>,
}

/// One message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) is_user: bool,
    pub(crate) text: String,
}

/// Whether the web is searched before the reply is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WebSearch {
    Off,
    /// Searched; what the text names is cited.
    Cited,
    /// Searched; the reply also lists everything that was found.
    CitedWithSources,
}

/// What the reply must be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OutputFormat {
    Text,
    JsonObject,
    Schema { name: String, schema: Value },
}

impl Prompt {
    /// Reads a request, refusing what OpenAI refuses.
    pub(crate) fn read(api: Api, request: Map<String, Value>) -> Result<Self, ProviderError> {
        let known = match api {
            Api::Responses => RESPONSES_PARAMETERS,
            Api::Chat => CHAT_PARAMETERS,
        };
        if let Some(unknown) = request.keys().find(|name| !known.contains(&name.as_str())) {
            let message = format!("Unknown parameter: '{unknown}'.");
            return Err(ProviderError::invalid(unknown, "unknown_parameter", message));
        }
        let model = required(&request, "model")?.as_str().map(str::to_owned);
        let model = model.ok_or_else(|| wrong_type("model", "a string"))?;
        if !model.starts_with("sim-") {
            return Err(ProviderError::unknown_model(&model));
        }
        check_metadata(api, &request)?;
        match api {
            Api::Responses => Self::from_responses(model, request),
            Api::Chat => Self::from_chat(model, request),
        }
    }

    fn from_responses(model: String, request: Map<String, Value>) -> Result<Self, ProviderError> {
        let (system, messages) = match required(&request, "input")? {
            Value::String(text) => (
                String::new(),
                vec![Message {
                    is_user: true,
                    text: text.clone(),
                }],
            ),
            Value::Array(items) => conversation(items, "input")?,
            _ => return Err(wrong_type("input", "a string or an array")),
        };
        let format = request.get("text").and_then(|text| text.get("format"));
        let named = |list: &str| request.get(list).and_then(Value::as_array).into_iter().flatten();
        let searches = |tool: &Value| {
            tool["type"]
                .as_str()
                .is_some_and(|kind| kind.starts_with("web_search"))
        };
        let tools_allowed = request.get("tool_choice").is_none_or(|choice| choice != "none");
        let search = match tools_allowed && named("tools").any(searches) {
            false => WebSearch::Off,
            true if named("include").any(|part| part == "web_search_call.action.sources") => {
                WebSearch::CitedWithSources
            }
            true => WebSearch::Cited,
        };
        Ok(Self {
            api: Api::Responses,
            model,
            instructions: join(request.get("instructions").and_then(Value::as_str), &system),
            messages,
            format: OutputFormat::read(format, "text.format")?,
            search,
            stream: flag(&request, "stream"),
            include_usage: true,
            output_tokens_max: request.get("max_output_tokens").and_then(Value::as_u64),
            request,
        })
    }

    fn from_chat(model: String, request: Map<String, Value>) -> Result<Self, ProviderError> {
        let items = required(&request, "messages")?.as_array();
        let (instructions, messages) = conversation(
            items.ok_or_else(|| wrong_type("messages", "an array"))?,
            "messages",
        )?;
        let response_format = request.get("response_format");
        // Chat nests what Responses has flat.
        let flat = response_format.map(
            |format| match format.get("json_schema").and_then(Value::as_object) {
                Some(inner) => {
                    let mut flat = inner.clone();
                    flat.insert("type".to_owned(), format["type"].clone());
                    Value::Object(flat)
                }
                None => format.clone(),
            },
        );
        let searches = request.get("web_search_options").is_some_and(Value::is_object);
        let tokens_max = request
            .get("max_completion_tokens")
            .or_else(|| request.get("max_tokens"));
        Ok(Self {
            api: Api::Chat,
            model,
            instructions,
            messages,
            format: OutputFormat::read(flat.as_ref(), "response_format")?,
            search: if searches {
                WebSearch::Cited
            } else {
                WebSearch::Off
            },
            stream: flag(&request, "stream"),
            include_usage: request
                .get("stream_options")
                .is_some_and(|options| options["include_usage"] == true),
            output_tokens_max: tokens_max.and_then(Value::as_u64),
            request,
        })
    }

    pub(crate) fn user_texts(&self) -> impl Iterator<Item = &str> {
        self.messages
            .iter()
            .filter(|message| message.is_user)
            .map(|message| message.text.as_str())
    }

    pub(crate) fn last_user_text(&self) -> &str {
        self.messages
            .iter()
            .rev()
            .find(|message| message.is_user)
            .map_or("", |message| message.text.as_str())
    }

    /// What the call is for: `planner`, the name of its schema, or `text`.
    pub(crate) fn purpose(&self) -> &str {
        match &self.format {
            OutputFormat::Schema { schema, .. } if is_planner_schema(schema) => "planner",
            OutputFormat::Schema { name, .. } => name,
            OutputFormat::Text | OutputFormat::JsonObject => "text",
        }
    }

    /// Everything that decides the content of the reply, as one text; metadata does not.
    pub(crate) fn fingerprint(&self) -> String {
        let messages: Vec<Value> = self
            .messages
            .iter()
            .map(|message| json!([message.is_user, message.text]))
            .collect();
        let schema = match &self.format {
            OutputFormat::Schema { schema, .. } => schema.clone(),
            OutputFormat::Text | OutputFormat::JsonObject => Value::Null,
        };
        json!([
            self.model,
            self.instructions,
            messages,
            schema,
            self.search != WebSearch::Off
        ])
        .to_string()
    }
}

impl OutputFormat {
    fn read(format: Option<&Value>, param: &str) -> Result<Self, ProviderError> {
        let Some(format) = format.filter(|format| !format.is_null()) else {
            return Ok(Self::Text);
        };
        match format["type"].as_str() {
            Some("text") => Ok(Self::Text),
            Some("json_object") => Ok(Self::JsonObject),
            Some("json_schema") => Self::read_schema(format, param),
            _ => Err(ProviderError::invalid(
                param,
                "invalid_value",
                format!("Invalid value for '{param}.type'."),
            )),
        }
    }

    fn read_schema(format: &Value, param: &str) -> Result<Self, ProviderError> {
        let missing = |field: &str| {
            let param = format!("{param}.{field}");
            ProviderError::invalid(
                &param,
                "missing_required_parameter",
                format!("Missing required parameter: '{param}'."),
            )
        };
        let name = format["name"].as_str().ok_or_else(|| missing("name"))?;
        let schema = format.get("schema").ok_or_else(|| missing("schema"))?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_name) {
            let message =
                format!("Invalid '{param}.name': string does not match pattern '^[a-zA-Z0-9_-]+$'.");
            return Err(ProviderError::invalid(
                &format!("{param}.name"),
                "invalid_value",
                message,
            ));
        }
        if format["strict"] == true
            && let Some(reason) = strict::refusal(schema)
        {
            let message = format!("Invalid schema for response_format '{name}': {reason}.");
            return Err(ProviderError::invalid(
                &format!("{param}.schema"),
                "invalid_json_schema",
                message,
            ));
        }
        Ok(Self::Schema {
            name: name.to_owned(),
            schema: schema.clone(),
        })
    }
}

fn required<'a>(request: &'a Map<String, Value>, name: &str) -> Result<&'a Value, ProviderError> {
    request.get(name).filter(|value| !value.is_null()).ok_or_else(|| {
        ProviderError::invalid(
            name,
            "missing_required_parameter",
            format!("Missing required parameter: '{name}'."),
        )
    })
}

fn wrong_type(name: &str, expected: &str) -> ProviderError {
    ProviderError::invalid(
        name,
        "invalid_type",
        format!("Invalid type for '{name}': expected {expected}."),
    )
}

fn flag(request: &Map<String, Value>, name: &str) -> bool {
    request.get(name) == Some(&Value::Bool(true))
}

fn join(first: Option<&str>, second: &str) -> String {
    match first {
        Some(first) if second.is_empty() => first.to_owned(),
        Some(first) => format!("{first}\n\n{second}"),
        None => second.to_owned(),
    }
}

fn check_metadata(api: Api, request: &Map<String, Value>) -> Result<(), ProviderError> {
    let Some(metadata) = request.get("metadata").filter(|metadata| !metadata.is_null()) else {
        return Ok(());
    };
    if api == Api::Chat && !flag(request, "store") {
        let message = "The 'metadata' parameter is only allowed when 'store' is enabled.";
        return Err(ProviderError::invalid("metadata", "invalid_value", message));
    }
    let pairs = metadata
        .as_object()
        .ok_or_else(|| wrong_type("metadata", "an object"))?;
    let well_formed = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| text.chars().count() <= METADATA_VALUE_CHARS_MAX)
    };
    if pairs.len() > METADATA_PAIRS_MAX || !pairs.values().all(well_formed) {
        let message = format!(
            "Invalid 'metadata': at most {METADATA_PAIRS_MAX} strings of at most {METADATA_VALUE_CHARS_MAX} characters."
        );
        return Err(ProviderError::invalid("metadata", "invalid_value", message));
    }
    Ok(())
}

/// The messages of a conversation, those of the system and the developer apart.
fn conversation(items: &[Value], param: &str) -> Result<(String, Vec<Message>), ProviderError> {
    let mut instructions: Vec<String> = Vec::new();
    let mut messages = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let is_message = item["type"].as_str().is_none_or(|kind| kind == "message");
        if !is_message {
            continue;
        }
        let text = content(&item["content"]);
        match item["role"].as_str() {
            Some("system" | "developer") => instructions.push(text),
            Some("user") => messages.push(Message { is_user: true, text }),
            Some("assistant" | "tool") => messages.push(Message { is_user: false, text }),
            _ => {
                let param = format!("{param}[{index}].role");
                let message = format!("Invalid value for '{param}'.");
                return Err(ProviderError::invalid(&param, "invalid_value", message));
            }
        }
    }
    if messages.is_empty() && instructions.is_empty() {
        let message = format!("Invalid '{param}': empty array. Expected an array with minimum length 1.");
        return Err(ProviderError::invalid(param, "empty_array", message));
    }
    Ok((instructions.join("\n\n"), messages))
}

/// The text of a message: a string, or the texts of its parts.
fn content(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect::<Vec<_>>()
            .join("\n"),
        _ => String::new(),
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Prompts for tests.

    use super::*;

    pub(crate) fn prompt_of(instructions: &str, user: &str) -> Prompt {
        read(
            Api::Responses,
            json!({ "model": "sim-large", "instructions": instructions, "input": user }),
        )
        .unwrap()
    }

    /// A planner's prompt, with the schema that the session sends.
    pub(crate) fn planner_prompt(context: &Value, utterance: &str) -> Prompt {
        let paths: Vec<&Value> = context["slots"]
            .as_array()
            .unwrap()
            .iter()
            .map(|slot| &slot["path"])
            .collect();
        let askable: Vec<&Value> = paths.iter().copied().chain([&Value::Null]).collect();
        let update = json!({
            "type": "object", "additionalProperties": false, "required": ["path", "value", "confidence", "words"],
            "properties": {
                "path": { "type": "string", "enum": paths },
                "value": { "anyOf": [
                    { "type": "string" }, { "type": "array", "items": { "type": "string" } }, { "type": "number" },
                ] },
                "confidence": { "type": "number", "minimum": 0, "maximum": 1 },
                "words": { "type": "string" },
            },
        });
        let schema = json!({
            "type": "object", "additionalProperties": false,
            "required": ["answer", "slot_updates", "ask", "question", "intent"],
            "properties": {
                "answer": { "type": "string" },
                "slot_updates": { "type": "array", "items": update },
                "ask": { "type": ["string", "null"], "enum": askable },
                "question": { "type": "string" },
                "intent": { "type": "string", "enum": ["none", "generate", "draft", "cancel_run"] },
            },
        });
        let instructions = format!("Hold the conversation.\n\n## Context\n\n```json\n{context:#}\n```\n");
        let format = json!({ "type": "json_schema", "name": "planner", "strict": true, "schema": schema });
        let request = json!({
            "model": "sim-small", "instructions": instructions, "input": utterance, "text": { "format": format },
        });
        read(Api::Responses, request).unwrap()
    }

    pub(crate) fn read(api: Api, request: Value) -> Result<Prompt, ProviderError> {
        let Value::Object(request) = request else {
            panic!("a request is an object")
        };
        Prompt::read(api, request)
    }
}

#[cfg(test)]
mod tests {
    use super::testing::read;
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let schema =
            json!({ "type": "object", "additionalProperties": false, "required": [], "properties": {} });
        let responses = read(Api::Responses, json!({
            "model": "sim-large", "instructions": "be brief", "stream": true, "max_output_tokens": 9,
            "input": [{ "role": "user", "content": [{ "type": "input_text", "text": "hello" }] }],
            "text": { "format": { "type": "json_schema", "name": "s", "schema": schema, "strict": true } },
        }))
        .unwrap();
        let chat = read(Api::Chat, json!({
            "model": "sim-large", "stream": true, "max_completion_tokens": 9,
            "messages": [{ "role": "system", "content": "be brief" }, { "role": "user", "content": "hello" }],
            "response_format": { "type": "json_schema", "json_schema": { "name": "s", "schema": schema, "strict": true } },
        }))
        .unwrap();
        assert_eq!(responses.fingerprint(), chat.fingerprint());
        assert_eq!(responses.format, chat.format);
        assert_eq!(responses.output_tokens_max, chat.output_tokens_max);
        assert_eq!(chat.last_user_text(), "hello");
    }

    #[test]
    fn what_openai_refuses_is_refused() {
        let refused = [
            (json!({ "input": "x" }), "model"),
            (json!({ "model": "sim-large" }), "input"),
            (
                json!({ "model": "sim-large", "input": "x", "max_tokens": 1 }),
                "max_tokens",
            ),
            (json!({ "model": "sim-large", "input": [] }), "empty array"),
            (json!({ "model": "gpt-4o", "input": "x" }), "gpt-4o"),
            (
                json!({ "model": "sim-large", "input": "x", "metadata": { "n": 1 } }),
                "metadata",
            ),
            (
                json!({ "model": "sim-large", "input": "x", "text": { "format": {
                "type": "json_schema", "name": "bad name", "schema": {} } } }),
                "name",
            ),
            (
                json!({ "model": "sim-large", "input": "x", "text": { "format": {
                "type": "json_schema", "name": "s", "strict": true, "schema": { "type": "object" } } } }),
                "additionalProperties",
            ),
        ];
        let unstored =
            json!({ "model": "sim-large", "metadata": {}, "messages": [{ "role": "user", "content": "x" }] });
        assert!(read(Api::Chat, unstored).unwrap_err().message.contains("store"));
        for (request, word) in refused {
            let error = read(Api::Responses, request.clone()).unwrap_err();
            assert!(error.message.contains(word), "{request}: {}", error.message);
        }
    }
}
