//! What a session does now, as it is seen from outside: nobody is asked, so that a session that is stuck is seen too.

use std::sync::Arc;

use greenroom_protocol::{Seq, SessionId};

use crate::registry::Entry;

/// A session that is in memory or listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionActivity {
    /// Which session.
    pub session_id: SessionId,
    /// The last event committed. How far it moves within a second is how busy the session is.
    pub committed: Seq,
    /// Commands on their way to it, or waiting for their answer.
    pub mailbox: usize,
    /// Connections that listen, and lines of voice.
    pub connections: usize,
    /// Restarts after a panic, as long as it is in memory.
    pub restarts: u32,
}

impl SessionActivity {
    pub(crate) fn of(entry: &Arc<Entry>) -> Self {
        Self {
            session_id: entry.session,
            committed: entry.committed(),
            mailbox: entry.commands_waiting(),
            connections: entry.listeners(),
            restarts: entry.restarts(),
        }
    }
}
