//! Chat Completions: its request, and what its stream means.

use greenroom_session::Usage;
use greenroom_session::ports::{ModelRequest, PromptRole};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::OutputLimitField;
use crate::failure::{Fault, Said};
use crate::reply::{Reply, ReplyReader};

/// What ends a stream.
const DONE: &str = "[DONE]";

// ---------------------------------------------------------------- request

/// `metadata` is not among the fields: OpenAI takes it only together with `store`, and others refuse it. The call's
/// id travels in a header.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "json_schema")]
struct ResponseFormat<'a> {
    json_schema: JsonSchema<'a>,
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    name: &'a str,
    strict: bool,
    schema: &'a Value,
}

/// The request as JSON.
pub(crate) fn body(request: &ModelRequest, model: &str, limit_field: OutputLimitField) -> Vec<u8> {
    let instructions = Message {
        role: "system",
        content: &request.instructions,
    };
    let conversation = request.messages.iter().map(|message| Message {
        role: match message.role {
            PromptRole::User => "user",
            PromptRole::Assistant => "assistant",
        },
        content: &message.text,
    });
    let (max_completion_tokens, max_tokens) = match limit_field {
        OutputLimitField::MaxCompletionTokens => (Some(request.output_tokens_max), None),
        OutputLimitField::MaxTokens => (None, Some(request.output_tokens_max)),
    };
    let body = Body {
        model,
        messages: std::iter::once(instructions).chain(conversation).collect(),
        stream: true,
        stream_options: StreamOptions { include_usage: true },
        max_completion_tokens,
        max_tokens,
        response_format: request.output.as_ref().map(|output| ResponseFormat {
            json_schema: JsonSchema {
                name: &output.name,
                strict: true,
                schema: &output.schema,
            },
        }),
    };
    serde_json::to_vec(&body).expect("texts, numbers and JSON values are always JSON")
}

// ---------------------------------------------------------------- stream

#[derive(Deserialize)]
struct Chunk {
    id: Option<String>,
    model: Option<String>,
    choices: Option<Vec<Choice>>,
    usage: Option<TokenUsage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct TokenUsage {
    prompt_tokens: u64,
    prompt_tokens_details: Option<PromptTokensDetails>,
    #[serde(default)]
    completion_tokens: u64,
}

#[derive(Deserialize)]
struct PromptTokensDetails {
    cached_tokens: Option<u64>,
}

/// Reads the stream of one completion.
#[derive(Debug, Default)]
pub(crate) struct ChatReader {
    /// The choice said how it ended. The usage, and `[DONE]`, come after it.
    finished: bool,
    /// What is wrong with the reply, once something is.
    fault: Option<Fault>,
}

impl ReplyReader for ChatReader {
    fn read(&mut self, data: &str, reply: &mut Reply) {
        if data == DONE {
            return self.end(reply);
        }
        match serde_json::from_str(data) {
            Ok(chunk) => self.take(chunk, reply),
            Err(error) => reply.fail(Fault::malformed("an event of the stream", &error)),
        }
    }

    /// A reply is whole if it said how it finished: some servers never send `[DONE]`, and it alone proves nothing.
    fn end(&mut self, reply: &mut Reply) {
        match self.fault.take() {
            Some(fault) => reply.fail(fault),
            None if self.finished => reply.complete(),
            None => reply.fail(Fault::cut()),
        }
    }
}

impl ChatReader {
    fn take(&mut self, chunk: Chunk, reply: &mut Reply) {
        if let Some(error) = &chunk.error {
            return reply.fail(Fault::reported(&Said::of(error)));
        }
        reply.identify(chunk.id.as_deref(), chunk.model.as_deref());
        if let Some(usage) = chunk.usage {
            reply.used(Usage {
                input_tokens: usage.prompt_tokens,
                cached_tokens: usage
                    .prompt_tokens_details
                    .and_then(|details| details.cached_tokens)
                    .unwrap_or(0),
                output_tokens: usage.completion_tokens,
                searches: 0,
                ..Usage::default()
            });
        }
        // One choice was asked for.
        if let Some(choice) = chunk.choices.into_iter().flatten().next() {
            self.take_choice(choice, reply);
        }
    }

    fn take_choice(&mut self, choice: Choice, reply: &mut Reply) {
        if let Some(delta) = choice.delta {
            if delta.refusal.is_some_and(|refusal| !refusal.is_empty()) {
                self.fault
                    .get_or_insert_with(|| Fault::refused("the model refused"));
            }
            if let (Some(text), None) = (delta.content, &self.fault) {
                reply.text(text);
            }
        }
        let Some(reason) = choice.finish_reason else {
            return;
        };
        self.finished = true;
        let fault = match reason.as_str() {
            "length" => Fault::overlong("the reply was cut at its token limit"),
            "content_filter" => Fault::refused("the provider's filter cut the reply"),
            "error" => Fault::upstream(true, "the provider gave the reply up"),
            // Servers have names of their own for a reply that is whole.
            _ => return,
        };
        self.fault.get_or_insert(fault);
    }
}

#[cfg(test)]
mod tests;
