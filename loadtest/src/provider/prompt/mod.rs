//! A request for a text, read from either of OpenAI's two forms.

mod conversation;
mod format;
mod tables;
mod tools;

use serde_json::{Map, Value, json};

use super::api::Api;
use super::author::is_planner_schema;
use super::error::ProviderError;
use super::parameters;
use conversation::Conversation;

pub(crate) use format::OutputFormat;
pub(crate) use tools::Toolbox;

/// Pairs of metadata that a request may carry, and characters of a value.
const METADATA_PAIRS_MAX: usize = 16;
const METADATA_VALUE_CHARS_MAX: usize = 512;
/// Texts that end a reply.
const STOPS_MAX: usize = 4;

/// What a reply of the Responses API may be asked to include.
const INCLUDES: &[&str] = &[
    "web_search_call.action.sources",
    "web_search_call.results",
    // There is no reasoning, so that there is nothing to include.
    "reasoning.encrypted_content",
];

/// A request, whichever form it came in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prompt {
    pub(crate) api: Api,
    pub(crate) model: String,
    pub(crate) instructions: String,
    pub(crate) messages: Vec<Message>,
    pub(crate) format: OutputFormat,
    pub(crate) search: WebSearch,
    pub(crate) tools: Toolbox,
    pub(crate) stream: bool,
    /// Whether a chat stream ends with the usage.
    pub(crate) include_usage: bool,
    pub(crate) output_tokens_max: Option<u64>,
    /// The reply ends before the first of these.
    pub(crate) stops: Vec<String>,
    /// The request as it came, for what is echoed.
    pub(crate) request: Map<String, Value>,
}

/// One message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) role: Role,
    pub(crate) text: String,
}

/// Who a message is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    User,
    Assistant,
    /// A function that was called.
    Tool,
}

/// Whether the web is searched before the reply is written, and how much is said of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct WebSearch {
    /// Whether it is searched; what the text names is cited.
    pub(crate) is_on: bool,
    /// Whether the reply lists the addresses that were found.
    pub(crate) lists_sources: bool,
    /// Whether the reply repeats what was found there.
    pub(crate) lists_results: bool,
}

impl Prompt {
    /// Reads a request, refusing what OpenAI refuses and what could not be honoured. `earlier` are the items of the
    /// responses that it goes on from.
    pub(crate) fn read(
        api: Api,
        request: Map<String, Value>,
        earlier: &[Value],
    ) -> Result<Self, ProviderError> {
        let table = match api {
            Api::Chat => tables::CHAT,
            _ => tables::RESPONSES,
        };
        parameters::check(table, &request)?;
        let model = parameters::required_text(&request, "model")?.to_owned();
        check_metadata(api, &request)?;
        match api {
            Api::Chat => Self::from_chat(model, request),
            _ => Self::from_responses(model, request, earlier),
        }
    }

    fn from_responses(
        model: String,
        request: Map<String, Value>,
        earlier: &[Value],
    ) -> Result<Self, ProviderError> {
        let input = parameters::required(&request, "input")?;
        let conversation = Conversation::of_responses(earlier, input)?;
        let text = parameters::given(&request, "text");
        if let Some(text) = text {
            parameters::known_fields(text, &["format", "verbosity"], "text")?;
        }
        if let Some(options) = parameters::given(&request, "stream_options") {
            parameters::known_fields(options, &["include_obfuscation"], "stream_options")?;
        }
        let includes = read_includes(&request)?;
        let tools = Toolbox::read(Api::Responses, &request)?;
        let stated = request.get("instructions").and_then(Value::as_str);
        Ok(Self {
            api: Api::Responses,
            model,
            instructions: join(stated, &conversation.instructions.join("\n\n")),
            messages: conversation.messages,
            format: OutputFormat::read(text.and_then(|text| text.get("format")), "text.format")?,
            search: WebSearch {
                is_on: tools.offers_search,
                lists_sources: includes.contains(&"web_search_call.action.sources"),
                lists_results: includes.contains(&"web_search_call.results"),
            },
            tools,
            stream: parameters::flag(&request, "stream"),
            include_usage: true,
            output_tokens_max: request.get("max_output_tokens").and_then(Value::as_u64),
            stops: Vec::new(),
            request,
        })
    }

    fn from_chat(model: String, request: Map<String, Value>) -> Result<Self, ProviderError> {
        let items = parameters::required(&request, "messages")?;
        let items = items
            .as_array()
            .ok_or_else(|| parameters::wrong_type("messages", "an array", items))?;
        let conversation = Conversation::of_chat(items)?;
        let stream = parameters::flag(&request, "stream");
        let options = parameters::given(&request, "stream_options");
        if let Some(options) = options {
            parameters::known_fields(
                options,
                &["include_usage", "include_obfuscation"],
                "stream_options",
            )?;
            if !stream {
                let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
                return Err(ProviderError::invalid("stream_options", "invalid_value", message));
            }
        }
        let tokens_max = ["max_completion_tokens", "max_tokens"]
            .into_iter()
            .find_map(|name| parameters::given(&request, name));
        Ok(Self {
            api: Api::Chat,
            model,
            instructions: conversation.instructions.join("\n\n"),
            messages: conversation.messages,
            format: OutputFormat::read_nested(request.get("response_format"), "response_format")?,
            search: WebSearch {
                is_on: parameters::given(&request, "web_search_options").is_some(),
                ..WebSearch::default()
            },
            tools: Toolbox::read(Api::Chat, &request)?,
            stream,
            include_usage: options.is_some_and(|options| options["include_usage"] == true),
            output_tokens_max: tokens_max.and_then(Value::as_u64),
            stops: read_stops(&request)?,
            request,
        })
    }

    pub(crate) fn user_texts(&self) -> impl Iterator<Item = &str> {
        self.messages
            .iter()
            .filter(|message| message.role == Role::User)
            .map(|message| message.text.as_str())
    }

    pub(crate) fn last_user_text(&self) -> &str {
        self.messages
            .iter()
            .rev()
            .find(|message| message.role == Role::User)
            .map_or("", |message| message.text.as_str())
    }

    /// What the functions answered since the user last spoke.
    pub(crate) fn tool_results(&self) -> Vec<&str> {
        let since = self
            .messages
            .iter()
            .rev()
            .take_while(|message| message.role != Role::User);
        let mut results: Vec<&str> = since
            .filter(|message| message.role == Role::Tool)
            .map(|message| message.text.as_str())
            .collect();
        results.reverse();
        results
    }

    /// What the call is for: `planner`, the name of its schema, or `text`.
    pub(crate) fn purpose(&self) -> &str {
        match &self.format {
            OutputFormat::Schema { schema, .. } if is_planner_schema(schema) => "planner",
            OutputFormat::Schema { name, .. } => name,
            OutputFormat::Text | OutputFormat::JsonObject => "text",
        }
    }

    /// The name of the schema that the reply must obey.
    pub(crate) fn schema_name(&self) -> Option<&str> {
        match &self.format {
            OutputFormat::Schema { name, .. } => Some(name),
            OutputFormat::Text | OutputFormat::JsonObject => None,
        }
    }

    /// Everything that decides the content of the reply, as one text; metadata does not.
    pub(crate) fn fingerprint(&self) -> String {
        let messages: Vec<Value> = self
            .messages
            .iter()
            .map(|message| json!([message.role == Role::User, message.text]))
            .collect();
        let schema = match &self.format {
            OutputFormat::Schema { schema, .. } => schema.clone(),
            OutputFormat::Text | OutputFormat::JsonObject => Value::Null,
        };
        json!([self.model, self.instructions, messages, schema, self.search.is_on]).to_string()
    }
}

fn join(first: Option<&str>, second: &str) -> String {
    match first {
        Some(first) if second.is_empty() => first.to_owned(),
        Some(first) => format!("{first}\n\n{second}"),
        None => second.to_owned(),
    }
}

fn read_includes(request: &Map<String, Value>) -> Result<Vec<&str>, ProviderError> {
    let parts = match parameters::given(request, "include") {
        None => return Ok(Vec::new()),
        Some(Value::Array(parts)) => parts,
        Some(other) => return Err(parameters::wrong_type("include", "an array", other)),
    };
    let read = |part: &Value| INCLUDES.iter().copied().find(|known| part == known);
    parts
        .iter()
        .map(|part| read(part).ok_or_else(|| parameters::unknown_value("include", part, INCLUDES)))
        .collect()
}

fn read_stops(request: &Map<String, Value>) -> Result<Vec<String>, ProviderError> {
    let stops = match parameters::given(request, "stop") {
        None => return Ok(Vec::new()),
        Some(Value::String(stop)) => vec![stop.clone()],
        Some(Value::Array(stops)) if stops.len() <= STOPS_MAX && stops.iter().all(Value::is_string) => stops
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        Some(other) => {
            return Err(parameters::wrong_type(
                "stop",
                "a string or an array of at most 4",
                other,
            ));
        }
    };
    Ok(stops.into_iter().filter(|stop| !stop.is_empty()).collect())
}

fn check_metadata(api: Api, request: &Map<String, Value>) -> Result<(), ProviderError> {
    let Some(metadata) = parameters::given(request, "metadata") else {
        return Ok(());
    };
    if api == Api::Chat && !parameters::flag(request, "store") {
        let message = "The 'metadata' parameter is only allowed when 'store' is enabled.";
        return Err(ProviderError::invalid("metadata", "invalid_value", message));
    }
    let pairs = metadata
        .as_object()
        .ok_or_else(|| parameters::wrong_type("metadata", "an object", metadata))?;
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
        Prompt::read(api, request, &[])
    }
}

#[cfg(test)]
mod tests;
