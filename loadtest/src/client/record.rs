//! A client's own record: what it sent and what it saw, one JSON object a line, written before it is acted upon.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use greenroom_protocol::{Event, EventId, Seq, SessionId, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::wall_clock;

/// One line of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordLine {
    /// When.
    pub at: Timestamp,
    /// Which of the client's connections, counted from 1.
    pub connection: u32,
    /// What.
    #[serde(flatten)]
    pub saw: Saw,
}

/// What a client did or saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Saw {
    /// A connection to a session was opened.
    Connected {
        /// The session.
        session_id: SessionId,
        /// Where its events begin.
        from: Origin,
    },
    /// A text frame was sent.
    Sent {
        /// The frame.
        text: String,
    },
    /// An event came.
    Event(SeenEvent),
    /// A signal came, or anything else that is no event.
    Signal {
        /// The frame.
        text: String,
    },
    /// The connection ended.
    Closed {
        /// The WebSocket's close code, if one came.
        code: Option<u16>,
    },
}

/// Where the events of a connection begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// After this event, without a gap.
    After(Seq),
    /// After the snapshot that the server sends first, without a gap.
    Snapshot,
    /// Anywhere, with gaps: the stream of one turn.
    Turn,
}

/// An event as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenEvent {
    /// Its number.
    pub seq: Seq,
    /// Its type.
    pub event_type: String,
    /// Its data, byte for byte.
    pub data: String,
}

/// An envelope, as far as it is read.
#[derive(Deserialize)]
struct RawEnvelope<'a> {
    event_id: EventId,
    seq: Seq,
    #[serde(rename = "type")]
    event_type: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl SeenEvent {
    /// Reads an envelope. One whose id is not that of its number is an error.
    pub fn from_envelope(text: &str) -> Result<Self, serde_json::Error> {
        let RawEnvelope {
            event_id,
            seq,
            event_type,
            data,
        } = serde_json::from_str(text)?;
        if event_id != EventId(seq) {
            let message = format!("{event_id} is not the id of number {seq}");
            return Err(serde_json::Error::custom(message));
        }
        Ok(Self {
            seq,
            event_type,
            data: data.get().to_owned(),
        })
    }

    /// The typed event. A type that this release does not know is an error.
    pub fn event(&self) -> Result<Event, serde_json::Error> {
        Event::from_json(&self.event_type, &self.data)
    }
}

/// Writes a client's record, or nothing. Clones write to the same record.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    record: Option<Arc<Record>>,
}

#[derive(Debug)]
struct Record {
    file: Mutex<File>,
    connections: AtomicU32,
}

impl Recorder {
    /// Records nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Records into a new file; one that exists already is not overwritten.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Self {
            record: Some(Arc::new(Record {
                file: Mutex::new(file),
                connections: AtomicU32::new(0),
            })),
        })
    }

    /// A recorder for one connection, which begins with where its events begin.
    pub fn connected(&self, session_id: SessionId, from: Origin) -> io::Result<ConnectionRecorder> {
        let record = self.record.clone();
        let connection = record
            .as_ref()
            .map_or(0, |record| record.connections.fetch_add(1, Ordering::Relaxed) + 1);
        let recorder = ConnectionRecorder { record, connection };
        recorder.write(Saw::Connected { session_id, from })?;
        Ok(recorder)
    }
}

/// Writes what one connection sent and saw.
#[derive(Debug, Clone)]
pub struct ConnectionRecorder {
    record: Option<Arc<Record>>,
    connection: u32,
}

impl ConnectionRecorder {
    /// Writes one line, whole, so that a kill takes nothing that was written before.
    pub fn write(&self, saw: Saw) -> io::Result<()> {
        let Some(record) = &self.record else { return Ok(()) };
        let line = RecordLine {
            at: wall_clock::now(),
            connection: self.connection,
            saw,
        };
        let line = serde_json::to_string(&line)? + "\n";
        // A panic elsewhere leaves at most a torn last line.
        record
            .file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(line.as_bytes())
    }
}
