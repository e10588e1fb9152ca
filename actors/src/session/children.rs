//! The agents of a session: exactly those that `due` names.

use greenroom_session::{DueCall, Stamp};
use ractor::{ActorId, ActorRef};
use tokio::time::Instant;

use super::ChildSnapshot;
use crate::agent::AgentMessage;

/// An agent under way, or one that has made its last report. Killed when dropped.
pub(super) struct Child {
    pub(super) stamp: Stamp,
    actor: ActorRef<AgentMessage>,
    began: Instant,
}

impl Drop for Child {
    fn drop(&mut self) {
        self.actor.kill();
    }
}

/// The agents of a session; at most one for each stage and one for the turn.
#[derive(Default)]
pub(super) struct Children {
    children: Vec<Child>,
}

impl Children {
    pub(super) fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// Whether the call was given to an agent. It stays true after the agent's last report until `due` no longer
    /// names the call, so that no call is ever made twice.
    pub(super) fn contains(&self, stamp: &Stamp) -> bool {
        self.children.iter().any(|child| child.stamp == *stamp)
    }

    pub(super) fn add(&mut self, stamp: Stamp, actor: ActorRef<AgentMessage>) {
        self.children.push(Child {
            stamp,
            actor,
            began: Instant::now(),
        });
    }

    /// Kills every agent whose call is not due any more.
    pub(super) fn keep_due(&mut self, due: &[DueCall]) {
        self.children
            .retain(|child| due.iter().any(|call| call.stamp == child.stamp));
    }

    /// The call of an agent that ended without a report.
    pub(super) fn stamp_of(&self, actor: ActorId) -> Option<Stamp> {
        self.children
            .iter()
            .find(|child| child.actor.get_id() == actor)
            .map(|child| child.stamp.clone())
    }

    pub(super) fn snapshot(&self) -> Vec<ChildSnapshot> {
        self.children
            .iter()
            .map(|child| ChildSnapshot::new(&child.stamp, child.began.elapsed()))
            .collect()
    }
}
