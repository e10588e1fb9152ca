//! The end of a generation that an operator asked for: nothing more is decided, what is decided is committed, then it
//! leaves.

use greenroom_protocol::{Event, Locale, Seq};
use greenroom_session::Fact;

use super::{Ending, SessionMessage, turn_away};

/// A generation that ends once its last fact is committed.
pub(super) struct Closing {
    ending: Ending,
    last: Seq,
    /// What came meanwhile: the next generation's to decide. Bounded by its permits.
    held: Vec<SessionMessage>,
}

impl Closing {
    /// What facts mean for the generation that decided them, of which `last` is the newest.
    pub(super) fn after(facts: &[Fact], last: Seq) -> Option<Self> {
        let ending = facts.iter().find_map(|fact| match &fact.event {
            // One that names a run is a matter of that run alone.
            Event::SessionRestarted(restarted) if restarted.run_id.is_none() => Some(Ending::Rebuilt),
            Event::SessionStopped(_) => Some(Ending::Stopped),
            _ => None,
        })?;
        Some(Self {
            ending,
            last,
            held: Vec::new(),
        })
    }

    /// Keeps what came too late for this generation. What its own agents and its alarm say is not needed any more.
    pub(super) fn hold(&mut self, message: SessionMessage) {
        match message {
            SessionMessage::Command { .. } | SessionMessage::View { .. } | SessionMessage::Inspect { .. } => {
                self.held.push(message);
            }
            SessionMessage::Agent { .. }
            | SessionMessage::Alarm
            | SessionMessage::Loaded(_)
            | SessionMessage::Appended(_)
            | SessionMessage::Erased => {}
            #[cfg(debug_assertions)]
            SessionMessage::Provoke { .. } => {}
        }
    }

    /// How the generation ends, if all that it decided is committed.
    pub(super) fn ending(&self, committed: Seq) -> Option<Ending> {
        (self.last <= committed).then(|| self.ending.clone())
    }

    /// Hands what was kept to whoever comes next, or says what became of this generation instead.
    pub(super) fn end(self, ending: &Ending, locale: Locale) {
        for message in self.held {
            turn_away(message, ending, locale);
        }
    }
}
