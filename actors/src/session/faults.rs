//! Panics of one session and of its agents that a test asked for. Compiled in only with debug assertions.

use std::sync::Arc;

use greenroom_protocol::CallScope;
use greenroom_session::{Command, CommandKind, Stamp};
use tokio::sync::Notify;

use crate::config::Faults;

/// Which agents of a session are to panic.
#[derive(Debug, Default)]
pub(super) struct AgentFaults {
    /// The next one that starts.
    next: bool,
    /// Those under way.
    under_way: Arc<Notify>,
}

impl AgentFaults {
    /// A command came: panics, or lets the next agent panic, if that was asked for.
    pub(super) fn provoke(&mut self, faults: &Faults, command: &Command) {
        let CommandKind::UserMessage { text, .. } = &command.kind else {
            return;
        };
        if faults.panic_session_on.as_ref() == Some(text) {
            crate::provoke::panic_as_asked();
        }
        let marker = faults.panic_agent_on.as_ref();
        self.next |= marker.is_some_and(|marker| text.contains(marker));
    }

    /// Whether the agent that is about to start is to panic.
    pub(super) fn take(&mut self, faults: &Faults, stamp: &Stamp) -> bool {
        let wanted = faults.panic_stage.as_deref();
        let at_its_stage = match &stamp.scope {
            CallScope::Stage { stage, attempt, .. } => *attempt == 1 && wanted == Some(stage.as_str()),
            CallScope::Turn { .. } | CallScope::Session {} => false,
        };
        at_its_stage || std::mem::take(&mut self.next)
    }

    /// Where an agent hears that it is to panic.
    pub(super) fn listen(&self) -> Arc<Notify> {
        self.under_way.clone()
    }

    /// Makes the agents panic that are under way.
    pub(super) fn strike(&self) {
        self.under_way.notify_waiters();
    }
}
