//! A reply in the form of the Chat Completions API.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::author::Chance;
use super::pace::{Pieces, tokens};
use super::play::{Frame, Wait};
use super::reply::Reply;

/// One completion, with everything that its forms need.
#[derive(Debug)]
pub(crate) struct Rendering {
    model: String,
    include_usage: bool,
    reply: Reply,
    id: String,
    created: i64,
}

impl Rendering {
    /// `serial` makes the id unique within the simulator.
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
            id: format!("chatcmpl-{}", serial.at("completion").hex()),
            created,
        }
    }

    /// The whole completion as one document.
    pub(crate) fn document(&self) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": {
                    "role": "assistant", "content": self.reply.text.as_ref(), "refusal": null,
                    "annotations": self.annotations(),
                },
                "logprobs": null,
                "finish_reason": self.finish_reason(),
            }],
            "usage": self.usage(),
            "service_tier": "default",
            "system_fingerprint": "fp_simulated",
        })
    }

    /// The completion as a stream of chunks.
    pub(crate) fn frames(self: &Arc<Self>) -> impl Iterator<Item = Frame> + Send + use<> {
        let deltas = Arc::clone(self);
        let tail = Arc::clone(self);
        let first = self.chunk(
            &json!({ "role": "assistant", "content": "", "refusal": null }),
            None,
        );
        let pieces = Pieces::new(Arc::clone(&self.reply.text), self.reply.chance);
        std::iter::once(first)
            .chain(
                pieces
                    .enumerate()
                    .map(move |(index, piece)| deltas.delta(index, &piece)),
            )
            .chain(std::iter::once_with(move || tail.tail()).flatten())
    }

    fn delta(&self, index: usize, piece: &str) -> Frame {
        Frame {
            wait: if index == 0 { Wait::Thought } else { Wait::Token },
            text_chars: piece.chars().count(),
            tokens: tokens(piece),
            ..self.chunk(&json!({ "content": piece }), None)
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
            let mut chunk = self.envelope();
            chunk["choices"] = json!([]);
            chunk["usage"] = self.usage();
            frames.push(frame(&chunk.to_string()));
        }
        frames.push(frame("[DONE]"));
        frames
    }

    fn chunk(&self, delta: &Value, finish_reason: Option<&str>) -> Frame {
        let mut chunk = self.envelope();
        chunk["choices"] =
            json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason }]);
        if self.include_usage {
            chunk["usage"] = Value::Null;
        }
        frame(&chunk.to_string())
    }

    fn envelope(&self) -> Value {
        json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
            "service_tier": "default", "system_fingerprint": "fp_simulated",
        })
    }

    fn finish_reason(&self) -> &'static str {
        if self.reply.is_cut { "length" } else { "stop" }
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
