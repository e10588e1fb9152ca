//! A reply in the form of the Chat Completions API.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::author::Chance;
use super::pace::{Pieces, tokens};
use super::play::{Frame, Wait};
use super::reply::{FunctionCall, Reply};

/// One completion, with everything that its forms need.
#[derive(Debug)]
pub(crate) struct Rendering {
    model: String,
    include_usage: bool,
    reply: Reply,
    serial: Chance,
    created: i64,
}

impl Rendering {
    /// `serial` makes the ids unique within the simulator.
    pub(crate) fn new(
        model: String,
        include_usage: bool,
        reply: Reply,
        serial: Chance,
        created: i64,
    ) -> Self {
        Self {
            model,
            include_usage,
            reply,
            serial,
            created,
        }
    }

    /// The whole completion as one document.
    pub(crate) fn document(&self) -> Value {
        let mut message = json!({
            "role": "assistant", "content": null, "refusal": null, "annotations": self.annotations(),
        });
        if self.reply.calls.is_empty() {
            message[self.text_field()] = self.reply.text.as_ref().into();
        } else {
            message["tool_calls"] = self
                .calls()
                .map(|(index, call)| self.tool_call(index, call, &call.arguments))
                .collect();
        }
        let mut document = self.envelope("chat.completion");
        document["choices"] = json!([{
            "index": 0, "message": message, "logprobs": null, "finish_reason": self.finish_reason(),
        }]);
        document["usage"] = self.usage();
        document
    }

    /// The completion as a stream of chunks.
    pub(crate) fn frames(self: &Arc<Self>) -> impl Iterator<Item = Frame> + Send + use<> {
        let tail = Arc::clone(self);
        let body: Box<dyn Iterator<Item = Frame> + Send> = if self.reply.calls.is_empty() {
            Box::new(self.text_frames())
        } else {
            Box::new(self.call_frames())
        };
        body.chain(std::iter::once_with(move || tail.tail()).flatten())
    }

    fn text_frames(self: &Arc<Self>) -> impl Iterator<Item = Frame> + Send + use<> {
        let deltas = Arc::clone(self);
        let field = self.text_field();
        let mut opening = json!({ "role": "assistant", "content": "", "refusal": null });
        if self.reply.is_refusal {
            opening = json!({ "role": "assistant", "content": null, "refusal": "" });
        }
        let pieces = Pieces::new(Arc::clone(&self.reply.text), self.reply.chance);
        let pieces = pieces
            .enumerate()
            .map(move |(index, piece)| deltas.delta(&json!({ field: piece }), index == 0, &piece));
        std::iter::once(self.chunk(&opening, None)).chain(pieces)
    }

    fn call_frames(self: &Arc<Self>) -> impl Iterator<Item = Frame> + Send + use<> {
        let rendering = Arc::clone(self);
        let opening = json!({ "role": "assistant", "content": null, "refusal": null });
        let calls = (0..self.reply.calls.len()).flat_map(move |index| rendering.frames_of_call(index));
        std::iter::once(self.chunk(&opening, None)).chain(calls)
    }

    fn frames_of_call(self: &Arc<Self>, index: usize) -> impl Iterator<Item = Frame> + Send + use<> {
        let call = &self.reply.calls[index];
        let mut opening = self.tool_call(index, call, "");
        opening["index"] = index.into();
        let opening = self.chunk(&json!({ "tool_calls": [opening] }), None);
        let opening = Frame {
            wait: if index == 0 { Wait::Thought } else { Wait::Token },
            ..opening
        };
        let deltas = Arc::clone(self);
        let pieces = Pieces::new(Arc::clone(&call.arguments), self.reply.chance.at(&call.name));
        let pieces = pieces.map(move |piece| {
            let delta = json!({ "tool_calls": [{ "index": index, "function": { "arguments": piece } }] });
            deltas.delta(&delta, false, &piece)
        });
        std::iter::once(opening).chain(pieces)
    }

    fn delta(&self, delta: &Value, is_first: bool, piece: &str) -> Frame {
        Frame {
            wait: if is_first { Wait::Thought } else { Wait::Token },
            text_chars: piece.chars().count(),
            tokens: tokens(piece),
            ..self.chunk(delta, None)
        }
    }

    fn tail(&self) -> Vec<Frame> {
        let mut frames = Vec::new();
        let annotations = self.annotations();
        if !annotations.is_empty() {
            frames.push(self.chunk(&json!({ "annotations": annotations }), None));
        }
        frames.push(Frame {
            completes: true,
            ..self.chunk(&json!({}), Some(self.finish_reason()))
        });
        if self.include_usage {
            let mut chunk = self.envelope("chat.completion.chunk");
            chunk["choices"] = json!([]);
            chunk["usage"] = self.usage();
            frames.push(frame(&chunk.to_string()));
        }
        frames.push(frame("[DONE]"));
        frames
    }

    fn chunk(&self, delta: &Value, finish_reason: Option<&str>) -> Frame {
        let mut chunk = self.envelope("chat.completion.chunk");
        chunk["choices"] =
            json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason }]);
        if self.include_usage {
            chunk["usage"] = Value::Null;
        }
        frame(&chunk.to_string())
    }

    fn envelope(&self, object: &str) -> Value {
        json!({
            "id": format!("chatcmpl-{}", self.serial.at("completion").hex()),
            "object": object, "created": self.created, "model": self.model,
            "service_tier": "default", "system_fingerprint": "fp_simulated",
        })
    }

    fn calls(&self) -> impl Iterator<Item = (usize, &FunctionCall)> {
        self.reply.calls.iter().enumerate()
    }

    fn tool_call(&self, index: usize, call: &FunctionCall, arguments: &str) -> Value {
        let id = self.serial.at(&format!("call {index}"));
        json!({
            "id": format!("call_{}{}", id.hex(), &id.at("b").hex()[..8]), "type": "function",
            "function": { "name": call.name, "arguments": arguments },
        })
    }

    /// Where the text of the reply stands.
    fn text_field(&self) -> &'static str {
        if self.reply.is_refusal {
            "refusal"
        } else {
            "content"
        }
    }

    fn finish_reason(&self) -> &'static str {
        match (self.reply.is_cut, self.reply.calls.is_empty()) {
            (true, _) => "length",
            (false, true) => "stop",
            (false, false) => "tool_calls",
        }
    }

    fn usage(&self) -> Value {
        let usage = self.reply.usage;
        json!({
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
            "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
            "completion_tokens_details": {
                "reasoning_tokens": 0, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        })
    }

    fn annotations(&self) -> Vec<Value> {
        let citations = self.reply.citations().into_iter().map(|citation| {
            json!({ "type": "url_citation", "url_citation": {
                "start_index": citation.start, "end_index": citation.end,
                "url": citation.hit.url, "title": citation.hit.title,
            } })
        });
        citations.collect()
    }
}

fn frame(data: &str) -> Frame {
    Frame {
        bytes: Bytes::from(format!("data: {data}\n\n")),
        wait: Wait::Nothing,
        text_chars: 0,
        tokens: 0,
        completes: false,
    }
}
