//! A reply in the form of the Responses API.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::author::Chance;
use super::pace::{Pieces, tokens};
use super::play::{Frame, Wait};
use super::prompt::{Prompt, WebSearch};
use super::reply::Reply;
use super::search::Search;

/// Parameters of the request that the response repeats, with their defaults.
fn echoed_defaults() -> Value {
    json!({
        "instructions": null,
        "max_output_tokens": null,
        "metadata": {},
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "reasoning": { "effort": null, "summary": null },
        "store": true,
        "temperature": 1.0,
        "text": { "format": { "type": "text" } },
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
    })
}

/// One response, with everything that its forms need.
#[derive(Debug)]
pub(crate) struct Rendering {
    prompt: Prompt,
    reply: Reply,
    id: String,
    message_id: String,
    search_ids: Vec<String>,
    created_at: i64,
}

/// An event before it has its number.
struct Planned {
    event: &'static str,
    data: Value,
    wait: Wait,
    piece: String,
}

impl Planned {
    fn new(event: &'static str, data: Value) -> Self {
        Self {
            event,
            data,
            wait: Wait::Nothing,
            piece: String::new(),
        }
    }

    fn after(self, wait: Wait) -> Self {
        Self { wait, ..self }
    }

    fn numbered(self, sequence_number: usize) -> Frame {
        let mut data = Map::new();
        data.insert("type".to_owned(), self.event.into());
        data.insert("sequence_number".to_owned(), sequence_number.into());
        if let Value::Object(fields) = self.data {
            data.extend(fields);
        }
        Frame {
            bytes: Bytes::from(format!(
                "event: {}\ndata: {}\n\n",
                self.event,
                Value::Object(data)
            )),
            wait: self.wait,
            text_chars: self.piece.chars().count(),
            tokens: tokens(&self.piece),
            completes: matches!(self.event, "response.completed" | "response.incomplete"),
        }
    }
}

impl Rendering {
    /// `serial` makes the ids unique within the simulator.
    pub(crate) fn new(prompt: Prompt, reply: Reply, serial: Chance, created_at: i64) -> Self {
        let id = |prefix: &str, key: &str| {
            let chance = serial.at(key);
            format!(
                "{prefix}_{}{}{}",
                chance.hex(),
                chance.at("b").hex(),
                chance.at("c").hex()
            )
        };
        Self {
            id: id("resp", "response"),
            message_id: id("msg", "message"),
            search_ids: (0..reply.searches.len())
                .map(|index| id("ws", &format!("search {index}")))
                .collect(),
            prompt,
            reply,
            created_at,
        }
    }

    /// The whole response as one document.
    pub(crate) fn document(&self) -> Value {
        let searches = self.searches().map(|(_, item)| item);
        let output: Vec<Value> = searches.chain(std::iter::once(self.message())).collect();
        let usage = self.reply.usage;
        let usage = json!({
            "input_tokens": usage.input_tokens,
            "input_tokens_details": { "cached_tokens": 0 },
            "output_tokens": usage.output_tokens,
            "output_tokens_details": { "reasoning_tokens": 0 },
            "total_tokens": usage.input_tokens + usage.output_tokens,
        });
        let status = if self.reply.is_cut {
            "incomplete"
        } else {
            "completed"
        };
        self.response(status, output.into(), usage)
    }

    /// The response as a stream of events.
    pub(crate) fn frames(self: &Arc<Self>) -> impl Iterator<Item = Frame> + Send + use<> {
        let deltas = Arc::clone(self);
        let tail = Arc::clone(self);
        let pieces = Pieces::new(Arc::clone(&self.reply.text), self.reply.chance);
        self.head()
            .into_iter()
            .chain(
                pieces
                    .enumerate()
                    .map(move |(index, piece)| deltas.delta(index, piece)),
            )
            .chain(std::iter::once_with(move || tail.tail()).flatten())
            .enumerate()
            .map(|(sequence_number, planned)| planned.numbered(sequence_number))
    }

    fn response(&self, status: &str, output: Value, usage: Value) -> Value {
        let mut response = Map::new();
        let details = if status == "incomplete" {
            json!({ "reason": "max_output_tokens" })
        } else {
            Value::Null
        };
        for (field, value) in [
            ("id", self.id.as_str().into()),
            ("object", "response".into()),
            ("created_at", self.created_at.into()),
            ("status", status.into()),
            ("background", false.into()),
            ("error", Value::Null),
            ("incomplete_details", details),
            ("model", self.prompt.model.as_str().into()),
            ("output", output),
        ] {
            response.insert(field.to_owned(), value);
        }
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
        response.insert("top_logprobs".to_owned(), 0.into());
        response.insert("usage".to_owned(), usage);
        response.insert("user".to_owned(), Value::Null);
        Value::Object(response)
    }

    fn searches(&self) -> impl Iterator<Item = (&str, Value)> {
        self.search_ids
            .iter()
            .zip(&self.reply.searches)
            .map(|(id, search)| (id.as_str(), self.search_item(id, search)))
    }

    fn search_item(&self, id: &str, search: &Search) -> Value {
        let mut action = json!({ "type": "search", "query": search.query });
        if self.prompt.search == WebSearch::CitedWithSources {
            action["sources"] = search
                .hits
                .iter()
                .map(|hit| json!({ "type": "url", "url": hit.url }))
                .collect();
        }
        json!({ "id": id, "type": "web_search_call", "status": "completed", "action": action })
    }

    fn message(&self) -> Value {
        let status = if self.reply.is_cut {
            "incomplete"
        } else {
            "completed"
        };
        json!({
            "id": self.message_id, "type": "message", "status": status, "role": "assistant",
            "content": [text_part(&self.reply.text, &self.annotations())],
        })
    }

    fn annotations(&self) -> Vec<Value> {
        let cite = |citation: super::reply::Citation<'_>| {
            json!({
                "type": "url_citation", "start_index": citation.start, "end_index": citation.end,
                "url": citation.hit.url, "title": citation.hit.title,
            })
        };
        self.reply.citations().into_iter().map(cite).collect()
    }

    /// Where the message stands among the items of the output.
    fn message_index(&self) -> usize {
        self.search_ids.len()
    }

    /// Everything before the first piece of text.
    fn head(&self) -> Vec<Planned> {
        let begun = || self.response("in_progress", json!([]), Value::Null);
        let mut events = vec![
            Planned::new("response.created", json!({ "response": begun() })),
            Planned::new("response.in_progress", json!({ "response": begun() })),
        ];
        for (output_index, (id, item)) in self.searches().enumerate() {
            let place = json!({ "output_index": output_index, "item_id": id });
            let started = json!({ "id": id, "type": "web_search_call", "status": "in_progress" });
            events.extend([
                Planned::new(
                    "response.output_item.added",
                    json!({ "output_index": output_index, "item": started }),
                ),
                Planned::new("response.web_search_call.in_progress", place.clone()),
                Planned::new("response.web_search_call.searching", place.clone()),
                Planned::new("response.web_search_call.completed", place).after(Wait::Thought),
                Planned::new(
                    "response.output_item.done",
                    json!({ "output_index": output_index, "item": item }),
                ),
            ]);
        }
        let item = json!({
            "id": self.message_id, "type": "message", "status": "in_progress", "content": [], "role": "assistant",
        });
        let added = json!({ "output_index": self.message_index(), "item": item });
        events.push(Planned::new("response.output_item.added", added));
        events.push(Planned::new(
            "response.content_part.added",
            self.in_part("part", text_part("", &[])),
        ));
        events
    }

    fn delta(&self, index: usize, piece: String) -> Planned {
        let mut data = self.in_part("delta", piece.as_str().into());
        data["logprobs"] = json!([]);
        let wait = if index == 0 { Wait::Thought } else { Wait::Token };
        Planned {
            piece,
            ..Planned::new("response.output_text.delta", data).after(wait)
        }
    }

    /// Everything after the last piece of text.
    fn tail(&self) -> Vec<Planned> {
        let annotations = self.annotations();
        let mut events: Vec<Planned> = annotations
            .iter()
            .enumerate()
            .map(|(index, annotation)| {
                let mut data = self.in_part("annotation", annotation.clone());
                data["annotation_index"] = index.into();
                Planned::new("response.output_text.annotation.added", data)
            })
            .collect();
        let mut done = self.in_part("text", self.reply.text.as_ref().into());
        done["logprobs"] = json!([]);
        let part = text_part(&self.reply.text, &annotations);
        let end = if self.reply.is_cut {
            "response.incomplete"
        } else {
            "response.completed"
        };
        events.extend([
            Planned::new("response.output_text.done", done),
            Planned::new("response.content_part.done", self.in_part("part", part)),
            Planned::new(
                "response.output_item.done",
                json!({ "output_index": self.message_index(), "item": self.message() }),
            ),
            Planned::new(end, json!({ "response": self.document() })),
        ]);
        events
    }

    /// Data of an event about the message's only part.
    fn in_part(&self, field: &str, value: Value) -> Value {
        let mut data =
            json!({ "item_id": self.message_id, "output_index": self.message_index(), "content_index": 0 });
        data[field] = value;
        data
    }
}

fn text_part(text: &str, annotations: &[Value]) -> Value {
    json!({ "type": "output_text", "annotations": annotations, "logprobs": [], "text": text })
}

#[cfg(test)]
mod tests {
    use super::super::prompt::Api;
    use super::super::prompt::testing::read;
    use super::*;

    fn events(request: Value) -> Vec<Value> {
        let prompt = read(Api::Responses, request).unwrap();
        let reply = Reply::compose(&prompt, 1, None).unwrap();
        let rendering = Arc::new(Rendering::new(prompt, reply, Chance::new(1, "test"), 0));
        rendering
            .frames()
            .map(|frame| {
                let text = std::str::from_utf8(&frame.bytes).unwrap().to_owned();
                let (event, data) = text
                    .strip_prefix("event: ")
                    .unwrap()
                    .split_once("\ndata: ")
                    .unwrap();
                let data: Value = serde_json::from_str(data.trim_end()).unwrap();
                assert_eq!(data["type"], event);
                data
            })
            .collect()
    }

    #[test]
    fn the_events_of_a_stream_stand_in_openais_order() {
        let events = events(json!({ "model": "sim-large", "input": "hello", "stream": true,
            "tools": [{ "type": "web_search" }], "include": ["web_search_call.action.sources"] }));
        let mut kinds: Vec<&str> = events
            .iter()
            .map(|event| event["type"].as_str().unwrap())
            .collect();
        kinds.dedup();
        assert_eq!(
            kinds,
            [
                "response.created",
                "response.in_progress",
                "response.output_item.added",
                "response.web_search_call.in_progress",
                "response.web_search_call.searching",
                "response.web_search_call.completed",
                "response.output_item.done",
                "response.output_item.added",
                "response.content_part.added",
                "response.output_text.delta",
                "response.output_text.annotation.added",
                "response.output_text.done",
                "response.content_part.done",
                "response.output_item.done",
                "response.completed",
            ]
        );
        for (index, event) in events.iter().enumerate() {
            assert_eq!(event["sequence_number"], index);
        }
        let text: String = events
            .iter()
            .filter(|event| event["type"] == "response.output_text.delta")
            .map(|event| event["delta"].as_str().unwrap())
            .collect();
        let response = &events.last().unwrap()["response"];
        assert_eq!(response["output"][1]["content"][0]["text"], text);
        let sources = response["output"][0]["action"]["sources"].as_array().unwrap();
        let citations = response["output"][1]["content"][0]["annotations"]
            .as_array()
            .unwrap();
        assert_eq!(sources.len(), citations.len());
        let cited: String = text
            .chars()
            .skip(usize::try_from(citations[0]["start_index"].as_u64().unwrap()).unwrap())
            .take(sources[0]["url"].as_str().unwrap().len())
            .collect();
        assert_eq!(cited, sources[0]["url"].as_str().unwrap());
    }

    #[test]
    fn a_text_beyond_the_tokens_allowed_is_cut_and_said_to_be() {
        let events = events(json!({ "model": "sim-large", "input": "hello", "max_output_tokens": 3 }));
        let last = events.last().unwrap();
        assert_eq!(last["type"], "response.incomplete");
        assert_eq!(
            last["response"]["incomplete_details"]["reason"],
            "max_output_tokens"
        );
        assert_eq!(last["response"]["usage"]["output_tokens"], 3);
    }
}
