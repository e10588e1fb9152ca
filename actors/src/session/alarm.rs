//! The one timer of a session.

use ractor::ActorRef;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::SessionMessage;

/// Rings once. It may ring too early, never too late: what it is for is looked up when it rings, so that it need
/// not be set anew whenever the session is touched.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    set: Option<(Instant, AbortOnDropHandle<()>)>,
}

impl Alarm {
    /// Makes sure that it rings at `at` or before.
    pub(super) fn set(&mut self, at: Instant, actor: &ActorRef<SessionMessage>) {
        if self.set.as_ref().is_some_and(|(set, _)| *set <= at) {
            return;
        }
        let actor = actor.clone();
        let task = tokio::spawn(async move {
            sleep_until(at).await;
            // An actor that is gone has aborted this task.
            let _gone = actor.send_message(SessionMessage::Alarm);
        });
        self.set = Some((at, AbortOnDropHandle::new(task)));
    }

    /// It rang.
    pub(super) fn rang(&mut self) {
        self.set = None;
    }
}
