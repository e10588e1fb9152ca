//! The tools that a request offers: functions of the client, and the search of the web.

use serde_json::{Map, Value, json};

use super::format::read_name;
use super::{Message, Role};
use crate::provider::api::Api;
use crate::provider::error::ProviderError;
use crate::provider::parameters;
use crate::provider::strict::{self, Strictness};

/// Tools that a request may offer.
const TOOLS_MAX: usize = 128;
/// Shorter words of a function's name say nothing of what it is for.
const TELLING_WORD_CHARS_MIN: usize = 4;

/// What a request offers, and what of it must be used.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Toolbox {
    pub(crate) functions: Vec<Function>,
    choice: Choice,
    /// Whether several functions may be called at once.
    is_parallel: bool,
    /// Whether the web may be searched.
    pub(crate) offers_search: bool,
}

/// A function of the client.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The schema of its arguments.
    pub(crate) parameters: Value,
}

/// Which functions are called.
#[derive(Debug, Clone, Default, PartialEq)]
enum Choice {
    None,
    /// Those that the user's words suggest.
    #[default]
    Auto,
    /// As `Auto`, but at least one.
    Required,
    /// This one.
    Function(String),
    /// None: the web is searched.
    Search,
}

impl Toolbox {
    /// Reads `tools`, `tool_choice` and `parallel_tool_calls`.
    pub(super) fn read(api: Api, request: &Map<String, Value>) -> Result<Self, ProviderError> {
        let mut toolbox = Self {
            is_parallel: request.get("parallel_tool_calls") != Some(&Value::Bool(false)),
            ..Self::default()
        };
        let tools = match parameters::given(request, "tools") {
            None => &Vec::new(),
            Some(Value::Array(tools)) => tools,
            Some(other) => return Err(parameters::wrong_type("tools", "an array", other)),
        };
        if tools.len() > TOOLS_MAX {
            let message = format!("Invalid 'tools': array too long. Expected at most {TOOLS_MAX} items.");
            return Err(ProviderError::invalid("tools", "array_above_max_length", message));
        }
        for (index, tool) in tools.iter().enumerate() {
            toolbox.add(api, tool, &format!("tools[{index}]"))?;
        }
        if let Some(choice) = parameters::given(request, "tool_choice") {
            toolbox.choice = toolbox.read_choice(api, choice)?;
        }
        toolbox.offers_search &= !matches!(toolbox.choice, Choice::None | Choice::Function(_));
        Ok(toolbox)
    }

    fn add(&mut self, api: Api, tool: &Value, param: &str) -> Result<(), ProviderError> {
        match (api, tool["type"].as_str()) {
            (Api::Chat, Some("function")) => {
                parameters::known_fields(tool, &["type", "function"], param)?;
                let param = format!("{param}.function");
                let function = tool.get("function").ok_or_else(|| parameters::missing(&param))?;
                // Unless chat is told otherwise, it is not strict; Responses is.
                self.add_function(function, &param, false)
            }
            (Api::Responses, Some("function")) => self.add_function(tool, param, true),
            (Api::Responses, Some(kind)) if kind.starts_with("web_search") => {
                self.offers_search = true;
                let known = [
                    "type",
                    "filters",
                    "search_context_size",
                    "user_location",
                    "external_web_access",
                ];
                parameters::known_fields(tool, &known, param)
            }
            (_, Some(kind)) => {
                let message = format!("Hosted tool '{kind}' is not supported with this model.");
                Err(ProviderError::invalid("tools", "unsupported_value", message))
            }
            (_, None) => Err(parameters::missing(&format!("{param}.type"))),
        }
    }

    fn add_function(&mut self, function: &Value, param: &str, is_strict: bool) -> Result<(), ProviderError> {
        parameters::known_fields(
            function,
            &["type", "name", "description", "parameters", "strict"],
            param,
        )?;
        let name = function["name"]
            .as_str()
            .ok_or_else(|| parameters::missing(&format!("{param}.name")))?;
        let name = read_name(name, param)?;
        let nothing =
            json!({ "type": "object", "properties": {}, "required": [], "additionalProperties": false });
        let parameters = function.get("parameters").filter(|schema| !schema.is_null());
        let parameters = parameters.unwrap_or(&nothing);
        let strictness = Strictness::of(function["strict"].as_bool().unwrap_or(is_strict));
        if let Some(reason) = strict::refusal(parameters, strictness) {
            let message = format!("Invalid schema for function '{name}': {reason}.");
            let param = format!("{param}.parameters");
            return Err(ProviderError::invalid(
                &param,
                "invalid_function_parameters",
                message,
            ));
        }
        self.functions.push(Function {
            name,
            parameters: parameters.clone(),
        });
        Ok(())
    }

    fn read_choice(&self, api: Api, choice: &Value) -> Result<Choice, ProviderError> {
        let needs_tools = |choice: Choice| {
            if self.functions.is_empty() && !self.offers_search {
                let message = "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.";
                return Err(ProviderError::invalid("tool_choice", "invalid_value", message));
            }
            Ok(choice)
        };
        let named = match api {
            Api::Chat => choice["function"]["name"].as_str(),
            _ => choice["name"].as_str(),
        };
        match (choice.as_str(), choice["type"].as_str()) {
            (Some("none"), _) => Ok(Choice::None),
            (Some("auto"), _) => needs_tools(Choice::Auto),
            (Some("required"), _) => needs_tools(Choice::Required),
            (None, Some("function")) => {
                let name = named.ok_or_else(|| parameters::missing("tool_choice.name"))?;
                if self.functions.iter().any(|function| function.name == name) {
                    return Ok(Choice::Function(name.to_owned()));
                }
                let message = format!("Tool choice 'function' not found in 'tools' parameter: '{name}'.");
                Err(ProviderError::invalid("tool_choice", "invalid_value", message))
            }
            (None, Some(kind)) if kind.starts_with("web_search") && self.offers_search => Ok(Choice::Search),
            _ => Err(parameters::unknown_value(
                "tool_choice",
                choice,
                &["none", "auto", "required"],
            )),
        }
    }

    /// The functions that are called next. Once a function has answered, the words of the user no longer suggest any.
    pub(crate) fn wanted(&self, messages: &[Message]) -> Vec<&Function> {
        let asked = messages.last().filter(|message| message.role == Role::User);
        let words = asked.map_or_else(String::new, |message| message.text.to_lowercase());
        let suggested = self
            .functions
            .iter()
            .filter(|function| is_suggested(&function.name, &words));
        let mut wanted: Vec<&Function> = match &self.choice {
            Choice::None | Choice::Search => Vec::new(),
            Choice::Auto | Choice::Required => suggested.collect(),
            Choice::Function(name) => self
                .functions
                .iter()
                .filter(|function| function.name == *name)
                .collect(),
        };
        if wanted.is_empty() && self.choice == Choice::Required && !self.offers_search {
            wanted.extend(self.functions.first());
        }
        if !self.is_parallel {
            wanted.truncate(1);
        }
        wanted
    }
}

/// Whether a text names a function, or has a telling word of its name in it.
fn is_suggested(name: &str, words: &str) -> bool {
    let name = name.to_lowercase();
    let telling = name
        .split(['_', '-'])
        .filter(|word| word.len() >= TELLING_WORD_CHARS_MIN);
    words.contains(&name) || telling.into_iter().any(|word| words.contains(word))
}
