//! A response as a stream of events, in the order in which OpenAI sends them.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Rendering, Status, with};
use crate::provider::pace::{Pieces, tokens};
use crate::provider::parameters;
use crate::provider::play::{Frame, Wait};

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
    /// The response as a stream of events.
    pub(crate) fn frames(self: &Arc<Self>) -> impl Iterator<Item = Frame> + Send + use<> {
        let tail = Arc::clone(self);
        let body: Box<dyn Iterator<Item = Planned> + Send> = if self.reply.calls.is_empty() {
            Box::new(self.message_events())
        } else {
            let calls = Arc::clone(self);
            Box::new((0..self.reply.calls.len()).flat_map(move |index| calls.call_events(index)))
        };
        self.head()
            .into_iter()
            .chain(body)
            .chain(std::iter::once_with(move || tail.end()))
            .enumerate()
            .map(|(sequence_number, planned)| planned.numbered(sequence_number))
    }

    /// Everything before the first item that is written.
    fn head(&self) -> Vec<Planned> {
        let about = |event, status| Planned::new(event, json!({ "response": self.unwritten(status) }));
        let mut events = if parameters::flag(&self.prompt.request, "background") {
            vec![
                about("response.created", Status::Queued),
                about("response.queued", Status::Queued),
            ]
        } else {
            vec![about("response.created", Status::InProgress)]
        };
        events.push(about("response.in_progress", Status::InProgress));
        for (output_index, (id, item)) in self.searches().enumerate() {
            let place = json!({ "output_index": output_index, "item_id": id });
            let action = json!({ "type": "search", "query": item["action"]["query"] });
            let started =
                json!({ "id": id, "type": "web_search_call", "status": "in_progress", "action": action });
            let about_item =
                |event, item| Planned::new(event, json!({ "output_index": output_index, "item": item }));
            events.extend([
                about_item("response.output_item.added", started),
                Planned::new("response.web_search_call.in_progress", place.clone()),
                Planned::new("response.web_search_call.searching", place.clone()),
                Planned::new("response.web_search_call.completed", place).after(Wait::Thought),
                about_item("response.output_item.done", item),
            ]);
        }
        events
    }

    fn message_events(self: &Arc<Self>) -> impl Iterator<Item = Planned> + Send + use<> {
        let (deltas, tail) = (Arc::clone(self), Arc::clone(self));
        let item = json!({
            "id": self.message_id(), "type": "message", "status": "in_progress", "content": [], "role": "assistant",
        });
        let added = json!({ "output_index": self.message_index(), "item": item });
        let head = [
            Planned::new("response.output_item.added", added),
            Planned::new(
                "response.content_part.added",
                self.in_part("part", self.part("", &[])),
            ),
        ];
        let pieces = Pieces::new(Arc::clone(&self.reply.text), self.reply.chance);
        let pieces = pieces
            .enumerate()
            .map(move |(index, piece)| deltas.text_delta(index, piece));
        head.into_iter()
            .chain(pieces)
            .chain(std::iter::once_with(move || tail.message_done()).flatten())
    }

    fn text_delta(&self, index: usize, piece: String) -> Planned {
        let data = self.in_part("delta", piece.as_str().into());
        let wait = if index == 0 { Wait::Thought } else { Wait::Token };
        let planned = if self.reply.is_refusal {
            Planned::new("response.refusal.delta", data)
        } else {
            Planned::new("response.output_text.delta", with(data, "logprobs", json!([])))
        };
        Planned {
            piece,
            ..planned.after(wait)
        }
    }

    /// Everything between the last piece of the message and the end of the response.
    fn message_done(&self) -> Vec<Planned> {
        let annotations = self.annotations();
        let annotated = annotations.iter().enumerate().map(|(index, annotation)| {
            let data = with(
                self.in_part("annotation", annotation.clone()),
                "annotation_index",
                index.into(),
            );
            Planned::new("response.output_text.annotation.added", data)
        });
        let mut events: Vec<Planned> = annotated.collect();
        let text = Value::from(self.reply.text.as_ref());
        events.push(if self.reply.is_refusal {
            Planned::new("response.refusal.done", self.in_part("refusal", text))
        } else {
            let done = with(self.in_part("text", text), "logprobs", json!([]));
            Planned::new("response.output_text.done", done)
        });
        let part = self.part(&self.reply.text, &annotations);
        events.extend([
            Planned::new("response.content_part.done", self.in_part("part", part)),
            Planned::new(
                "response.output_item.done",
                json!({ "output_index": self.message_index(), "item": self.message() }),
            ),
        ]);
        events
    }

    /// The events of one call of a function.
    fn call_events(self: &Arc<Self>, index: usize) -> impl Iterator<Item = Planned> + Send + use<> {
        let output_index = self.reply.searches.len() + index;
        let call = &self.reply.calls[index];
        let (item_id, item) = self
            .calls()
            .nth(index)
            .map(|(id, _, item)| (id, item))
            .unwrap_or_default();
        let place = json!({ "item_id": item_id, "output_index": output_index });
        let done = json!({ "output_index": output_index, "item": with(item.clone(), "arguments", call.arguments.as_ref().into()) });
        let started = with(item, "status", "in_progress".into());
        let added = json!({ "output_index": output_index, "item": started });
        let arguments = with(place.clone(), "arguments", call.arguments.as_ref().into());
        let arguments = with(arguments, "name", call.name.as_str().into());
        let first = if index == 0 { Wait::Thought } else { Wait::Token };
        let pieces = Pieces::new(Arc::clone(&call.arguments), self.reply.chance.at(&call.name));
        let deltas = pieces.map(move |piece| {
            let data = with(place.clone(), "delta", piece.as_str().into());
            let planned = Planned::new("response.function_call_arguments.delta", data).after(Wait::Token);
            Planned { piece, ..planned }
        });
        let tail = [
            Planned::new("response.function_call_arguments.done", arguments),
            Planned::new("response.output_item.done", done),
        ];
        std::iter::once(Planned::new("response.output_item.added", added).after(first))
            .chain(deltas)
            .chain(tail)
    }

    /// The last event of a response that failed.
    pub(super) fn failure(&self, sequence_number: usize) -> Bytes {
        let data = json!({ "response": self.failed() });
        Planned::new("response.failed", data)
            .numbered(sequence_number)
            .bytes
    }

    fn end(&self) -> Planned {
        let event = if self.reply.is_cut {
            "response.incomplete"
        } else {
            "response.completed"
        };
        Planned::new(event, json!({ "response": self.document() }))
    }

    /// Where the message stands among the items of the output.
    fn message_index(&self) -> usize {
        self.reply.searches.len()
    }

    /// Data of an event about the message's only part.
    fn in_part(&self, field: &str, value: Value) -> Value {
        let place = json!({
            "item_id": self.message_id(), "output_index": self.message_index(), "content_index": 0,
        });
        with(place, field, value)
    }
}
