//! Answers that wait until what they speak of is committed.

use std::collections::VecDeque;

use greenroom_protocol::{Locale, Seq};
use greenroom_session::{Answer, Receipt, SessionView};
use tokio::sync::OwnedSemaphorePermit;

use super::Ending;
use crate::registry::QuestionKind;
use crate::reply::{Outcome, ReplyTo};

/// What waits for a commit.
pub(super) enum Waiter {
    /// The answer to a command.
    Command { reply: ReplyTo<Receipt>, answer: Answer },
    /// A view of the session.
    View {
        reply: ReplyTo<SessionView>,
        view: Box<SessionView>,
    },
    /// An agent's leave to report more.
    Credit(OwnedSemaphorePermit),
}

/// What waits, in the order of the facts it waits for. Bounded by the permits of those who asked.
pub(super) struct Waiters {
    committed: Seq,
    waiting: VecDeque<(Seq, Waiter)>,
}

impl Waiters {
    pub(super) fn new(committed: Seq) -> Self {
        Self {
            committed,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn committed(&self) -> Seq {
        self.committed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Lets something wait for the newest fact folded, or go at once if that is committed.
    pub(super) fn push(&mut self, newest: Seq, waiter: Waiter) {
        if newest <= self.committed {
            waiter.release();
        } else {
            self.waiting.push_back((newest, waiter));
        }
    }

    /// Lets everything go that waited for facts up to `committed`.
    pub(super) fn commit(&mut self, committed: Seq) {
        self.committed = committed;
        while let Some((_, waiter)) = self.waiting.pop_front_if(|(newest, _)| *newest <= committed) {
            waiter.release();
        }
    }

    /// Tells everybody that the generation ended before their facts were known to be committed.
    pub(super) fn end(self, ending: &Ending, locale: Locale) {
        for (_, waiter) in self.waiting {
            match waiter {
                Waiter::Command { reply, .. } => {
                    reply.send(ending.answer(QuestionKind::Command, true, locale));
                }
                Waiter::View { reply, .. } => reply.send(ending.answer(QuestionKind::Read, true, locale)),
                Waiter::Credit(_) => {}
            }
        }
    }
}

impl Waiter {
    fn release(self) {
        match self {
            Self::Command {
                reply,
                answer: Ok(receipt),
            } => reply.send(Outcome::Done(receipt)),
            Self::Command {
                reply,
                answer: Err(error),
            } => reply.send(Outcome::Rejected(error)),
            Self::View { reply, view } => reply.send(Outcome::Done(*view)),
            Self::Credit(permit) => drop(permit),
        }
    }
}
