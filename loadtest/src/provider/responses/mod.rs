//! A reply in the form of the Responses API.

mod archive;
mod background;
mod events;
mod retrieval;

use serde_json::{Map, Value, json};

use super::author::Chance;
use super::prompt::Prompt;
use super::reply::{Citation, FunctionCall, Reply};
use super::search::Search;

pub(crate) use archive::{Archive, Stored, StoredState, input_items};
pub(crate) use background::Background;
pub(crate) use retrieval::Retrieval;

/// Parameters of the request that the response repeats, with their defaults.
fn echoed_defaults() -> Value {
    json!({
        "background": false,
        "instructions": null,
        "max_output_tokens": null,
        "metadata": {},
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "prompt_cache_key": null,
        "reasoning": { "effort": null, "summary": null },
        "safety_identifier": null,
        "store": true,
        "temperature": 1.0,
        "text": { "format": { "type": "text" } },
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "user": null,
    })
}

/// How far a response has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Queued,
    InProgress,
    Completed,
    Incomplete,
    Failed,
    Cancelled,
}

impl Status {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One response, with everything that its forms need.
#[derive(Debug)]
pub(crate) struct Rendering {
    prompt: Prompt,
    reply: Reply,
    serial: Chance,
    created_at: i64,
}

impl Rendering {
    /// `serial` makes the ids unique within the simulator.
    pub(crate) fn new(prompt: Prompt, reply: Reply, serial: Chance, created_at: i64) -> Self {
        Self {
            prompt,
            reply,
            serial,
            created_at,
        }
    }

    /// The response's id.
    pub(crate) fn id(&self) -> String {
        self.id_of("resp", "response")
    }

    /// The whole response as one document.
    pub(crate) fn document(&self) -> Value {
        let usage = self.reply.usage;
        let usage = json!({
            "input_tokens": usage.input_tokens,
            "input_tokens_details": { "cached_tokens": 0 },
            "output_tokens": usage.output_tokens,
            "output_tokens_details": { "reasoning_tokens": 0 },
            "total_tokens": usage.input_tokens + usage.output_tokens,
        });
        self.response(self.final_status(), self.output().into(), usage)
    }

    /// The response as long as nothing is written.
    pub(crate) fn unwritten(&self, status: Status) -> Value {
        self.response(status, json!([]), Value::Null)
    }

    /// The response when it failed.
    pub(crate) fn failed(&self) -> Value {
        let mut document = self.unwritten(Status::Failed);
        document["error"] =
            json!({ "code": "server_error", "message": "The model produced an error (simulated)." });
        document
    }

    fn response(&self, status: Status, output: Value, usage: Value) -> Value {
        let mut response = Map::new();
        let details = match status {
            Status::Incomplete => json!({ "reason": "max_output_tokens" }),
            Status::Queued | Status::InProgress | Status::Completed | Status::Failed | Status::Cancelled => {
                Value::Null
            }
        };
        let mut set = |field: &str, value: Value| response.insert(field.to_owned(), value);
        set("id", self.id().into());
        set("object", "response".into());
        set("created_at", self.created_at.into());
        set("status", status.name().into());
        set("error", Value::Null);
        set("incomplete_details", details);
        set("model", self.prompt.model.as_str().into());
        set("output", output);
        let Value::Object(mut echoed) = echoed_defaults() else {
            unreachable!("the defaults are an object")
        };
        for (field, value) in &mut echoed {
            if let Some(given) = self.prompt.request.get(field).filter(|given| !given.is_null()) {
                *value = given.clone();
            }
        }
        response.extend(echoed);
        response.insert("service_tier".to_owned(), "default".into());
        response.insert("usage".to_owned(), usage);
        Value::Object(response)
    }

    fn final_status(&self) -> Status {
        if self.reply.is_cut {
            Status::Incomplete
        } else {
            Status::Completed
        }
    }

    /// The items of the output, in order.
    fn output(&self) -> Vec<Value> {
        let searches = self.searches().map(|(_, item)| item);
        let calls = self
            .calls()
            .map(|(_, call, item)| with(item, "arguments", call.arguments.as_ref().into()));
        let message = self.reply.calls.is_empty().then(|| self.message());
        searches.chain(calls).chain(message).collect()
    }

    fn searches(&self) -> impl Iterator<Item = (String, Value)> {
        self.reply.searches.iter().enumerate().map(|(index, search)| {
            let id = self.id_of("ws", &format!("search {index}"));
            let item = self.search_item(&id, search);
            (id, item)
        })
    }

    fn search_item(&self, id: &str, search: &Search) -> Value {
        let mut action = json!({ "type": "search", "query": search.query, "queries": [search.query] });
        if self.prompt.search.lists_sources {
            action["sources"] = search
                .hits
                .iter()
                .map(|hit| json!({ "type": "url", "url": hit.url }))
                .collect();
        }
        let mut item =
            json!({ "id": id, "type": "web_search_call", "status": "completed", "action": action });
        if self.prompt.search.lists_results {
            item["results"] = search
                .hits
                .iter()
                .map(|hit| json!({ "type": "text_result", "url": hit.url, "title": hit.title, "snippet": hit.passage }))
                .collect();
        }
        item
    }

    /// The calls of functions with their ids, each as an item without its arguments.
    fn calls(&self) -> impl Iterator<Item = (String, &FunctionCall, Value)> {
        self.reply.calls.iter().enumerate().map(|(index, call)| {
            let id = self.id_of("fc", &format!("call {index}"));
            let call_id = self.id_of("call", &format!("call {index}"));
            let status = self.final_status().name();
            let item = json!({
                "id": id, "type": "function_call", "status": status, "arguments": "", "call_id": call_id,
                "name": call.name,
            });
            (id, call, item)
        })
    }

    fn message(&self) -> Value {
        json!({
            "id": self.message_id(), "type": "message", "status": self.final_status().name(), "role": "assistant",
            "content": [self.part(&self.reply.text, &self.annotations())],
        })
    }

    fn message_id(&self) -> String {
        self.id_of("msg", "message")
    }

    /// A part of the message: a text, or why there is none.
    fn part(&self, text: &str, annotations: &[Value]) -> Value {
        if self.reply.is_refusal {
            return json!({ "type": "refusal", "refusal": text });
        }
        json!({ "type": "output_text", "annotations": annotations, "logprobs": [], "text": text })
    }

    fn annotations(&self) -> Vec<Value> {
        let cite = |citation: Citation<'_>| {
            json!({
                "type": "url_citation", "start_index": citation.start, "end_index": citation.end,
                "url": citation.hit.url, "title": citation.hit.title,
            })
        };
        self.reply.citations().into_iter().map(cite).collect()
    }

    fn id_of(&self, prefix: &str, key: &str) -> String {
        let chance = self.serial.at(prefix).at(key);
        format!(
            "{prefix}_{}{}{}",
            chance.hex(),
            chance.at("b").hex(),
            chance.at("c").hex()
        )
    }
}

fn with(mut object: Value, field: &str, value: Value) -> Value {
    object[field] = value;
    object
}

#[cfg(test)]
mod tests;
