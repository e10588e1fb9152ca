//! A language model's reply, as it is read from its stream.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use greenroom_session::ports::{CallFailure, ModelEvent, ModelRequest};
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderValue};

use crate::call::{AnswerKind, Call, Deadline, Told};
use crate::endpoint::Endpoint;
use crate::failure::Fault;
use crate::reply::{Reply, ReplyReader};
use crate::sse::SseDecoder;

/// One reply. Dropping it closes the connection.
pub(crate) struct Generation {
    call: Call,
    /// Present while there is something to read.
    response: Option<Response>,
    /// Whether its end was told.
    has_ended: bool,
    decoder: SseDecoder,
    reader: Box<dyn ReplyReader>,
    reply: Reply,
}

impl Generation {
    /// Sends the request and waits for the answer to begin.
    pub(crate) async fn begin(
        endpoint: &Arc<Endpoint>,
        request: &ModelRequest,
        model: &str,
        body: Vec<u8>,
        reader: Box<dyn ReplyReader>,
    ) -> Result<Self, CallFailure> {
        let deadline = Deadline::new(request.timeout, request.stall_timeout);
        let mut call = Call::new(endpoint, request.call_id, model, deadline);
        let json = HeaderValue::from_static("application/json");
        let post = call.post().header(CONTENT_TYPE, json).body(body);
        match call.send(post, AnswerKind::EventStream).await {
            Ok(response) => Ok(Self::streamed(call, response, reader)),
            Err(fault) => Err(call.fail(fault, &Told::default())),
        }
    }

    /// A reply of which a stream tells.
    pub(crate) fn streamed(call: Call, response: Response, reader: Box<dyn ReplyReader>) -> Self {
        Self {
            call,
            response: Some(response),
            has_ended: false,
            decoder: SseDecoder::default(),
            reader,
            reply: Reply::default(),
        }
    }

    /// A reply of which everything is known.
    pub(crate) fn known(mut call: Call, reply: Reply, reader: Box<dyn ReplyReader>) -> Self {
        if reply.has_text() {
            call.output_began();
        }
        Self {
            call,
            response: None,
            has_ended: false,
            decoder: SseDecoder::default(),
            reader,
            reply,
        }
    }

    /// The next event of the reply. None after the last.
    pub(crate) async fn next(&mut self) -> Option<Result<ModelEvent, CallFailure>> {
        loop {
            if let Some(event) = self.reply.next_event() {
                return Some(Ok(event));
            }
            if self.has_ended {
                return None;
            }
            if let Some(outcome) = self.reply.outcome().cloned() {
                // The connection is let go before the last event is told.
                self.response = None;
                self.has_ended = true;
                let told = self.reply.told();
                return Some(match outcome {
                    Ok(()) => Ok(ModelEvent::Completed(self.call.complete(told))),
                    Err(fault) if fault.is_loss() => Ok(ModelEvent::Lost {
                        reason: self.call.lose(fault),
                    }),
                    Err(fault) => Err(self.call.fail(fault, told)),
                });
            }
            let Some(response) = &mut self.response else {
                self.reader.end(&mut self.reply);
                continue;
            };
            match self.call.chunk(response).await {
                Ok(Some(bytes)) => self.take(&bytes),
                Ok(None) => self.reader.end(&mut self.reply),
                Err(fault) => self.reply.fail(fault),
            }
        }
    }

    fn take(&mut self, bytes: &Bytes) {
        let mut events = VecDeque::new();
        let decoded = self.decoder.push(bytes, &mut events);
        for data in events {
            self.reader.read(&data, &mut self.reply);
            if self.reply.outcome().is_some() {
                break;
            }
        }
        if let Err(error) = decoded {
            self.reply.fail(Fault::upstream(false, error.to_string()));
        }
        if self.reply.has_text() {
            self.call.output_began();
        }
    }
}
