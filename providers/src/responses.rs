//! The Responses API: its request, and what its stream means.
//!
//! Of what a search found, three things may be said, and each is believed from one place only:
//!
//! - **that a page was returned** (`url`): from the search call itself, `action.sources` or `results`, and from a
//!   `url_citation`, which the service, not the model, attaches to the text;
//! - **its title**: from a `url_citation` or from `results`;
//! - **its passage**: from `results` alone (`snippet`, or `text`). `web_search_call.results` is among the documented
//!   values of `include`, but the shape of a web result is not documented and OpenAI need not send any: then a source
//!   has no passage. `start_index` and `end_index` of a `url_citation` point into the model's own text, so what stands
//!   there is never taken for the page's words.

use greenroom_session::Usage;
use greenroom_session::ports::{ModelRequest, PromptRole, SearchSource};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::{Fault, Said};
use crate::reply::{Reply, ReplyReader};

// ---------------------------------------------------------------- request

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    instructions: &'a str,
    input: Vec<Message<'a>>,
    stream: bool,
    /// People's words are not left with the provider, unless the reply may have to be taken up.
    store: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    background: bool,
    max_output_tokens: u32,
    metadata: Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<TextOptions<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tools: &'static [Tool],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    include: &'static [&'static str],
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct Metadata {
    call_id: String,
}

#[derive(Serialize)]
struct TextOptions<'a> {
    format: TextFormat<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "json_schema")]
struct TextFormat<'a> {
    name: &'a str,
    strict: bool,
    schema: &'a Value,
}

#[derive(Serialize)]
struct Tool {
    r#type: &'static str,
}

const SEARCH_TOOLS: &[Tool] = &[Tool { r#type: "web_search" }];
/// Without these, a search call does not say what it found.
pub(crate) const SEARCH_INCLUDES: &[&str] = &["web_search_call.action.sources", "web_search_call.results"];

/// The request as JSON. In the background the provider goes on with the reply when nobody waits for it.
pub(crate) fn body(request: &ModelRequest, model: &str, background: bool) -> Vec<u8> {
    let input = request.messages.iter().map(|message| Message {
        role: match message.role {
            PromptRole::User => "user",
            PromptRole::Assistant => "assistant",
        },
        content: &message.text,
    });
    let body = Body {
        model,
        instructions: &request.instructions,
        input: input.collect(),
        stream: true,
        store: background,
        background,
        max_output_tokens: request.output_tokens_max,
        metadata: Metadata {
            call_id: request.call_id.to_string(),
        },
        text: request.output.as_ref().map(|output| TextOptions {
            format: TextFormat {
                name: &output.name,
                strict: true,
                schema: &output.schema,
            },
        }),
        tools: if request.search { SEARCH_TOOLS } else { &[] },
        include: if request.search { SEARCH_INCLUDES } else { &[] },
    };
    serde_json::to_vec(&body).expect("texts, numbers and JSON values are always JSON")
}

// ---------------------------------------------------------------- stream

#[derive(Deserialize)]
#[serde(tag = "type")]
enum StreamEvent {
    #[serde(rename = "response.created")]
    Created { response: Response },
    #[serde(rename = "response.output_text.delta")]
    TextDelta { delta: String },
    #[serde(rename = "response.output_text.annotation.added")]
    AnnotationAdded { annotation: Annotation },
    #[serde(rename = "response.output_item.done")]
    ItemDone { item: Item },
    #[serde(rename = "response.refusal.delta", alias = "response.refusal.done")]
    Refusal {},
    #[serde(rename = "response.completed")]
    Completed { response: Response },
    #[serde(rename = "response.incomplete")]
    Incomplete { response: Response },
    #[serde(rename = "response.failed")]
    Failed { response: Response },
    #[serde(rename = "error")]
    Error {
        #[serde(flatten)]
        fields: Value,
    },
    /// There are dozens more, and more will come.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Response {
    id: Option<String>,
    model: Option<String>,
    usage: Option<TokenUsage>,
    error: Option<Value>,
    incomplete_details: Option<IncompleteDetails>,
}

#[derive(Deserialize)]
struct TokenUsage {
    input_tokens: u64,
    input_tokens_details: Option<InputTokensDetails>,
    output_tokens: u64,
}

#[derive(Deserialize)]
struct InputTokensDetails {
    #[serde(default)]
    cached_tokens: u64,
}

#[derive(Deserialize)]
struct IncompleteDetails {
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Annotation {
    #[serde(rename = "url_citation")]
    UrlCitation { url: String, title: Option<String> },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Item {
    #[serde(rename = "web_search_call")]
    WebSearchCall {
        action: Option<SearchAction>,
        /// Not documented, so nothing is taken for granted.
        results: Option<Value>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct SearchAction {
    sources: Option<Vec<Source>>,
}

#[derive(Deserialize)]
struct Source {
    /// A feed, such as the weather, has none.
    url: Option<String>,
    title: Option<String>,
}

#[derive(Deserialize)]
struct SearchResult {
    url: String,
    title: Option<String>,
    snippet: Option<String>,
    text: Option<String>,
}

/// A response that is looked at as it stands.
#[derive(Deserialize)]
struct Document {
    status: Option<String>,
    #[serde(default)]
    output: Vec<OutputItem>,
    #[serde(flatten)]
    response: Response,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum OutputItem {
    #[serde(rename = "web_search_call")]
    WebSearchCall {
        action: Option<SearchAction>,
        results: Option<Value>,
    },
    #[serde(rename = "message")]
    Message {
        #[serde(default)]
        content: Vec<Part>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Part {
    #[serde(rename = "output_text")]
    Text {
        text: String,
        #[serde(default)]
        annotations: Vec<Annotation>,
    },
    #[serde(rename = "refusal")]
    Refusal {},
    #[serde(other)]
    Other,
}

/// What a response is to whoever reads it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Reading {
    /// It ends with its stream.
    #[default]
    Attended,
    /// The provider goes on with it when the stream is gone.
    Background,
    /// It went on like that, and is read again. One that ended without a reply is lost.
    TakenUp,
}

/// How far a response has come that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is being written.
    UnderWay,
    /// It is what it is, and the reply has an outcome.
    Ended,
}

/// Reads the stream of one response.
#[derive(Debug, Default)]
pub(crate) struct ResponsesReader {
    reading: Reading,
    searches: u32,
    /// A refusal ends the reply, but the stream is read on: its last event says what the refusal cost.
    refused: bool,
}

impl ReplyReader for ResponsesReader {
    fn read(&mut self, data: &str, reply: &mut Reply) {
        if data == "[DONE]" {
            return self.end(reply);
        }
        match serde_json::from_str(data) {
            Ok(event) => self.take(event, reply),
            Err(error) => reply.fail(Fault::malformed("an event of the stream", &error)),
        }
    }

    fn end(&mut self, reply: &mut Reply) {
        reply.fail(match self.reading {
            Reading::Attended | Reading::Background if self.refused => refusal(),
            Reading::Attended | Reading::Background => Fault::cut(),
            Reading::TakenUp => Fault::lost("what was taken up ended without a reply"),
        });
    }
}

impl ResponsesReader {
    /// Reads a response that is this to the reader.
    pub(crate) fn new(reading: Reading) -> Self {
        Self {
            reading,
            ..Self::default()
        }
    }

    /// Takes a response as it stands, if it has ended, as if its stream had told of it.
    pub(crate) fn look(&mut self, document: Value, reply: &mut Reply) -> Result<Standing, Fault> {
        let malformed = |error| Fault::malformed("the response", &error);
        let Document {
            status,
            output,
            response,
        } = serde_json::from_value(document).map_err(malformed)?;
        let last = match status.as_deref() {
            Some("queued" | "in_progress") => return Ok(Standing::UnderWay),
            Some("completed") => StreamEvent::Completed { response },
            Some("incomplete") => StreamEvent::Incomplete { response },
            _ => StreamEvent::Failed { response },
        };
        let events = output.into_iter().flat_map(OutputItem::into_events);
        for event in events.chain([last]) {
            self.take(event, reply);
        }
        Ok(Standing::Ended)
    }

    fn take(&mut self, event: StreamEvent, reply: &mut Reply) {
        match event {
            StreamEvent::Created { response } => {
                reply.identify(response.id.as_deref(), response.model.as_deref());
                if self.reading == Reading::Background {
                    reply.begun();
                }
            }
            StreamEvent::TextDelta { delta } if !self.refused => reply.text(delta),
            StreamEvent::AnnotationAdded {
                annotation: Annotation::UrlCitation { url, title },
            } => reply.source(SearchSource {
                url,
                title,
                passage: None,
            }),
            StreamEvent::ItemDone {
                item: Item::WebSearchCall { action, results },
            } => {
                self.searches = self.searches.saturating_add(1);
                let results = results_of(results).into_iter().map(SearchResult::into_source);
                let sources = action.and_then(|action| action.sources).into_iter().flatten();
                for source in results.chain(sources.filter_map(Source::into_source)) {
                    reply.source(source);
                }
            }
            StreamEvent::Refusal {} => self.refused = true,
            StreamEvent::Completed { response } => self.finish(&response, None, reply),
            StreamEvent::Incomplete { response } => {
                self.finish(&response, Some(incomplete(&response)), reply);
            }
            StreamEvent::Failed { response } => {
                let said = response.error.as_ref().map_or_else(Said::default, Said::of);
                let fault = match self.reading {
                    Reading::Attended | Reading::Background => Fault::reported(&said),
                    Reading::TakenUp => Fault::lost(format!("what was taken up had failed{said}")),
                };
                self.finish(&response, Some(fault), reply);
            }
            StreamEvent::Error { fields } => reply.fail(Fault::reported(&Said::of(&fields))),
            StreamEvent::TextDelta { .. }
            | StreamEvent::AnnotationAdded {
                annotation: Annotation::Other,
            }
            | StreamEvent::ItemDone { item: Item::Other }
            | StreamEvent::Other => {}
        }
    }

    /// The last event of a response has come.
    fn finish(&self, response: &Response, fault: Option<Fault>, reply: &mut Reply) {
        reply.identify(response.id.as_deref(), response.model.as_deref());
        if let Some(usage) = &response.usage {
            reply.used(Usage {
                input_tokens: usage.input_tokens,
                cached_tokens: usage
                    .input_tokens_details
                    .as_ref()
                    .map_or(0, |details| details.cached_tokens),
                output_tokens: usage.output_tokens,
                searches: self.searches,
                ..Usage::default()
            });
        }
        match self.refused.then(refusal).or(fault) {
            Some(fault) => reply.fail(fault),
            None => reply.complete(),
        }
    }
}

impl OutputItem {
    /// The events of a stream that tell the same.
    fn into_events(self) -> Vec<StreamEvent> {
        match self {
            Self::WebSearchCall { action, results } => {
                let item = Item::WebSearchCall { action, results };
                vec![StreamEvent::ItemDone { item }]
            }
            Self::Message { content } => content.into_iter().flat_map(Part::into_events).collect(),
            Self::Other => Vec::new(),
        }
    }
}

impl Part {
    fn into_events(self) -> Vec<StreamEvent> {
        match self {
            Self::Text { text, annotations } => {
                let annotations = annotations
                    .into_iter()
                    .map(|annotation| StreamEvent::AnnotationAdded { annotation });
                std::iter::once(StreamEvent::TextDelta { delta: text })
                    .chain(annotations)
                    .collect()
            }
            Self::Refusal {} => vec![StreamEvent::Refusal {}],
            Self::Other => Vec::new(),
        }
    }
}

impl Source {
    fn into_source(self) -> Option<SearchSource> {
        Some(SearchSource {
            url: self.url?,
            title: self.title,
            passage: None,
        })
    }
}

impl SearchResult {
    fn into_source(self) -> SearchSource {
        SearchSource {
            url: self.url,
            title: self.title,
            passage: self.snippet.or(self.text),
        }
    }
}

/// The results that can be read; one that cannot says nothing, and fails no reply.
fn results_of(results: Option<Value>) -> Vec<SearchResult> {
    let Some(Value::Array(results)) = results else {
        return Vec::new();
    };
    let readable = results
        .into_iter()
        .filter_map(|result| SearchResult::deserialize(result).ok());
    readable.collect()
}

fn refusal() -> Fault {
    Fault::refused("the model refused")
}

fn incomplete(response: &Response) -> Fault {
    match response
        .incomplete_details
        .as_ref()
        .and_then(|details| details.reason.as_deref())
    {
        Some("max_output_tokens") => Fault::overlong("the reply was cut at its token limit"),
        Some("content_filter") => Fault::refused("the provider's filter cut the reply"),
        _ => Fault::upstream(true, "the provider left the reply incomplete"),
    }
}

#[cfg(test)]
mod tests;
