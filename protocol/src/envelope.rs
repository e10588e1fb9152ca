//! The envelope around every event, and its serialized form.

use std::ops::Range;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::{Event, EventId, Seq, SessionId, Timestamp};

/// One durable, numbered fact of a session, as clients receive it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope {
    /// `evt_` and the sequence number.
    pub event_id: EventId,
    /// 1, 2, 3, … within the session, without a gap.
    pub seq: Seq,
    /// Whose event it is.
    pub session_id: SessionId,
    /// The event's type, such as `stage.changed`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When it was decided.
    pub created_at: Timestamp,
    /// What it says; its shape follows from the type.
    pub data: Value,
}

/// Why an envelope does not hold an event that this release knows.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// The text is not an envelope.
    #[error("not an envelope: {0}")]
    Malformed(#[source] serde_json::Error),
    /// The data does not have the shape of its type, or the type is unknown.
    #[error("not an event of type {event_type}: {source}")]
    Data {
        /// The type that the envelope names.
        event_type: String,
        /// What is wrong with the data.
        source: serde_json::Error,
    },
}

impl Envelope {
    /// The typed event.
    pub fn event(&self) -> Result<Event, EnvelopeError> {
        Event::from_parts(&self.event_type, &self.data).map_err(|source| EnvelopeError::Data {
            event_type: self.event_type.clone(),
            source,
        })
    }
}

/// An envelope as it goes to clients, serialized once; `data` within it is what the journal stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The event's number.
    pub seq: Seq,
    bytes: Bytes,
    event_type: Range<usize>,
    data: Range<usize>,
}

impl Frame {
    /// Builds the envelope around data that is serialized already.
    pub fn new(session_id: SessionId, seq: Seq, event_type: &str, at: Timestamp, data_json: &str) -> Self {
        let head = format!(
            r#"{{"event_id":"{}","seq":{seq},"session_id":"{session_id}","type":""#,
            EventId(seq)
        );
        let middle = format!(r#"","created_at":"{at}","data":"#);
        let mut text =
            String::with_capacity(head.len() + event_type.len() + middle.len() + data_json.len() + 1);
        text.push_str(&head);
        let type_start = text.len();
        text.push_str(event_type);
        let type_end = text.len();
        text.push_str(&middle);
        let data_start = text.len();
        text.push_str(data_json);
        let data_end = text.len();
        text.push('}');
        Self {
            seq,
            bytes: Bytes::from(text.into_bytes()),
            event_type: type_start..type_end,
            data: data_start..data_end,
        }
    }

    /// The whole envelope as JSON (UTF-8).
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The event's type.
    pub fn event_type(&self) -> &str {
        self.text(&self.event_type)
    }

    /// The event's data as JSON.
    pub fn data_json(&self) -> &str {
        self.text(&self.data)
    }

    /// Reads the envelope back.
    pub fn envelope(&self) -> Result<Envelope, EnvelopeError> {
        serde_json::from_slice(&self.bytes).map_err(EnvelopeError::Malformed)
    }

    /// The envelope as raw JSON, to be embedded in another document without parsing it again.
    pub fn raw(&self) -> Result<Box<RawValue>, EnvelopeError> {
        let text = self.text(&(0..self.bytes.len())).to_owned();
        RawValue::from_string(text).map_err(EnvelopeError::Malformed)
    }

    fn text(&self, range: &Range<usize>) -> &str {
        // The bytes were built from a `String` and the ranges end where a `push_str` ended.
        self.bytes
            .get(range.clone())
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}
