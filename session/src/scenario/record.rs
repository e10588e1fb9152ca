//! Turns the events of a session into a scenario that replays it.
//!
//! What clients saw is all there is to go by. A model's reply is rebuilt from what was shown of it and from the slots
//! that it filled, so what was refused or withheld is missing, and the file says so.

mod retelling;
mod writing;

use greenroom_protocol::{Envelope, EnvelopeError, Event, Seq, SessionId, Timestamp};

use retelling::Retelling;

/// Why events cannot be made a scenario.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// One of them is none that this release knows.
    #[error("event {seq}: {source}")]
    Event {
        /// Its number.
        seq: Seq,
        /// What is wrong with it.
        source: EnvelopeError,
    },
    /// One is missing.
    #[error(
        "event {expected} is missing: {found} follows the one before it; give all events, from the first"
    )]
    Gap {
        /// The number that should follow.
        expected: Seq,
        /// The number that does.
        found: Seq,
    },
    /// There is no session.
    #[error("the events do not begin with session.started")]
    NoBeginning,
}

/// An event and when it was decided.
pub(super) struct Happened {
    pub at: Timestamp,
    pub event: Event,
}

/// The scenario of a session's events, all of them in order, as the text of a file.
pub fn record(envelopes: &[Envelope]) -> Result<String, RecordError> {
    let mut events = Vec::with_capacity(envelopes.len());
    let mut expected = Seq::ZERO.next();
    for envelope in envelopes {
        if envelope.seq != expected {
            return Err(RecordError::Gap {
                expected,
                found: envelope.seq,
            });
        }
        let event = envelope.event().map_err(|source| RecordError::Event {
            seq: envelope.seq,
            source,
        })?;
        events.push(Happened {
            at: envelope.created_at,
            event,
        });
        expected = expected.next();
    }
    let (Some(first), Some(Event::SessionStarted(started))) =
        (envelopes.first(), events.first().map(|first| &first.event))
    else {
        return Err(RecordError::NoBeginning);
    };
    let session: SessionId = first.session_id;
    let retelling = Retelling::of(&events);
    Ok(writing::file(session, started, &events, &retelling))
}
