//! Panics that a test asks for while the server runs. Compiled in only with debug assertions.

use greenroom_protocol::SessionId;

use crate::Directory;
use crate::registry::{Delivery, QuestionKind};
use crate::reply::Outcome;
use crate::session::SessionMessage;

/// Who is to panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionFault {
    /// The session's actor.
    Session,
    /// Its agents that are under way.
    Agents,
}

/// Panics. All do so here, so that a log tells the panics that were asked for from others by their place.
pub(crate) fn panic_as_asked() -> ! {
    panic!("a fault was asked for")
}

impl Directory {
    /// Makes somebody of a session that is in memory panic. Whether there was somebody.
    pub async fn provoke(&self, session: SessionId, fault: SessionFault) -> bool {
        let Some(entry) = self.shared().registry.get(session) else {
            return false;
        };
        let delivery = entry.deliver(QuestionKind::Read, |reply| SessionMessage::Provoke {
            fault,
            reply,
        });
        match delivery {
            Delivery::Delivered(answer) => matches!(answer.await, Ok(Outcome::Done(true))),
            Delivery::Overloaded | Delivery::Absent { .. } => false,
        }
    }

    /// Makes the line of a session panic that listens, or else speaks. Whether there was one.
    pub fn provoke_line(&self, session: SessionId) -> bool {
        let entry = self.shared().registry.get(session);
        entry.is_some_and(|entry| entry.floor().provoke())
    }
}
