//! Events as a stream of server-sent events.

use std::pin::Pin;

use eventsource_stream::{EventStreamError, Eventsource as _};
use futures_util::{Stream, StreamExt as _};
use greenroom_protocol::EventId;
use reqwest::Response;

use super::{ClientError, ConnectionRecorder, Saw, SeenEvent};

type Events = dyn Stream<Item = Result<eventsource_stream::Event, EventStreamError<reqwest::Error>>> + Send;

/// A session's events, or those of one turn, as they come.
pub struct EventStream {
    status: u16,
    events: Pin<Box<Events>>,
    recorder: ConnectionRecorder,
}

impl EventStream {
    pub(super) fn new(response: Response, recorder: ConnectionRecorder) -> Self {
        let status = response.status().as_u16();
        Self {
            status,
            events: response.bytes_stream().eventsource().boxed(),
            recorder,
        }
    }

    /// The next event; none when the server ends the stream. A stream that breaks is an error, and then ends.
    pub async fn next(&mut self) -> Result<Option<SeenEvent>, ClientError> {
        let next = match self.events.next().await {
            Some(Ok(next)) => next,
            Some(Err(EventStreamError::Transport(error))) => return Err(error.into()),
            Some(Err(error)) => return Err(self.unreadable(error.to_string(), String::new())),
            None => {
                self.recorder.write(Saw::Closed { code: None })?;
                return Ok(None);
            }
        };
        let Ok(EventId(seq)) = next.id.parse() else {
            return Err(self.unreadable(format!("{} is no event id", next.id), next.data));
        };
        let event = SeenEvent {
            seq,
            event_type: next.event,
            data: next.data,
        };
        self.recorder.write(Saw::Event(event.clone()))?;
        Ok(Some(event))
    }

    fn unreadable(&self, reason: String, body: String) -> ClientError {
        ClientError::Unreadable {
            status: self.status,
            reason,
            body,
        }
    }
}
