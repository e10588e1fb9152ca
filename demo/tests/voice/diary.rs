//! What came over a socket, line by line.

use std::fmt;

use greenroom_protocol::{Event, Signal};

/// A line of the diary.
#[derive(Debug, Clone)]
pub enum Told {
    Event(Box<Event>),
    Signal(Box<Signal>),
    /// A frame of the newest of [`Caller::replies`].
    Sound,
    Closed(Option<u16>),
}

/// Lines of a diary, for whoever looks for what went wrong.
pub struct Diary<'a>(pub &'a [Told]);

impl Told {
    /// Its name on the wire; `sound` for a frame.
    pub fn name(&self) -> String {
        match self {
            Self::Event(event) => event.event_type().into_owned(),
            Self::Signal(signal) => name_of(signal),
            Self::Sound => "sound".to_owned(),
            Self::Closed(_) => "closed".to_owned(),
        }
    }
}

impl fmt::Display for Diary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for of_a_kind in self.0.chunk_by(|a, b| a.name() == b.name()) {
            let name = of_a_kind[0].name();
            match of_a_kind {
                [Told::Signal(signal)] if name != "session.snapshot" => write!(f, "\n  {signal:?}")?,
                [_] => write!(f, "\n  {name}")?,
                many => write!(f, "\n  {} × {name}", many.len())?,
            }
        }
        Ok(())
    }
}

fn name_of(signal: &Signal) -> String {
    let signal = serde_json::to_value(signal).unwrap_or_default();
    signal["type"].as_str().unwrap_or_default().to_owned()
}
