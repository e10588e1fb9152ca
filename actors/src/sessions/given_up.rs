//! Sessions that crashed too often: given up by their supervisor, and taken up again for an operator.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use greenroom_protocol::{ErrorCode, Seq, SessionId};
use ractor::ActorRef;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{SessionsMessage, Supervisor, retry_pause};
use crate::registry::Pinned;
use crate::reply::Refused;
use crate::restart_limit::{NotGivenUp, give_up, take_up};
use crate::session::Origin;

/// A session that crashed too often and is not marked as failed yet.
pub(super) struct GivingUp {
    pub(super) pinned: Pinned,
    /// Marks it; none while that waits for its next try.
    pub(super) task: Option<AbortOnDropHandle<()>>,
    /// How often it could not be marked.
    failures: u32,
    /// When that may be tried again.
    pub(super) from: Instant,
}

/// A session that was given up and that an operator restarts.
pub(super) struct TakingUp {
    reply: oneshot::Sender<Result<Seq, Refused>>,
    _task: AbortOnDropHandle<()>,
}

impl GivingUp {
    pub(super) fn new(pinned: Pinned, task: AbortOnDropHandle<()>) -> Self {
        Self {
            pinned,
            task: Some(task),
            failures: 0,
            from: Instant::now(),
        }
    }
}

impl TakingUp {
    /// Says what came of it.
    pub(super) fn end(self, result: Result<Seq, Refused>) {
        // Who asked may have gone.
        let _gone = self.reply.send(result);
    }
}

impl Supervisor {
    /// Has the log of a session say that it failed.
    pub(super) fn spawn_give_up(
        &self,
        myself: &ActorRef<SessionsMessage>,
        pinned: &Pinned,
    ) -> AbortOnDropHandle<()> {
        let (shared, entry, myself) = (self.shared.clone(), pinned.entry.clone(), myself.clone());
        AbortOnDropHandle::new(tokio::spawn(async move {
            // A panic here must not leave the session refused for ever and not marked.
            let marking = AssertUnwindSafe(give_up(&shared, &entry)).catch_unwind();
            let result = marking.await.unwrap_or_else(|_| Err(NotGivenUp::panicked()));
            // A supervisor that is gone has aborted this task.
            let _gone = myself.send_message(SessionsMessage::GaveUp {
                session: entry.session,
                result,
            });
        }))
    }

    /// The log of a session says that it failed, or cannot be made to for now.
    pub(super) fn gave_up(&mut self, session: SessionId, result: Result<(), NotGivenUp>) {
        match result {
            Ok(()) => {
                // From now on its log says so.
                self.giving_up.remove(&session);
                self.windows.remove(&session);
            }
            Err(error) => {
                tracing::warn!(session_id = %session, %error, "session not marked as failed yet");
                if let Some(giving_up) = self.giving_up.get_mut(&session) {
                    giving_up.task = None;
                    giving_up.failures = giving_up.failures.saturating_add(1);
                    giving_up.from = Instant::now() + retry_pause(giving_up.failures);
                }
            }
        }
    }

    /// Has the log of a session that was given up say that it is restarted. Nothing activates it meanwhile.
    pub(super) fn take_up(
        &mut self,
        myself: &ActorRef<SessionsMessage>,
        session: SessionId,
        reason: String,
        reply: oneshot::Sender<Result<Seq, Refused>>,
    ) {
        let refusal = if self.giving_up.contains_key(&session) {
            // That it was given up could not be written yet.
            Some(ErrorCode::DbUnavailable)
        } else {
            self.refusal(session)
        };
        if let Some(code) = refusal {
            // Who asked may have gone.
            let _gone = reply.send(Err(Refused::code(code)));
            return;
        }
        let pinned = Pinned::new(&self.shared, session);
        let (shared, myself) = (self.shared.clone(), myself.clone());
        let task = tokio::spawn(async move {
            let taking_up = AssertUnwindSafe(take_up(&shared, &pinned.entry, reason)).catch_unwind();
            let result = taking_up.await.unwrap_or(Err(Refused::Lost));
            // A supervisor that is gone has aborted this task.
            let _gone = myself.send_message(SessionsMessage::TakenUp { session, result });
        });
        let task = AbortOnDropHandle::new(task);
        self.taking_up.insert(session, TakingUp { reply, _task: task });
    }

    /// The log of a session that was given up says that it is restarted, or could not be made to.
    pub(super) async fn taken_up(
        &mut self,
        myself: &ActorRef<SessionsMessage>,
        session: SessionId,
        result: Result<Seq, Refused>,
    ) {
        let Some(taking_up) = self.taking_up.remove(&session) else {
            return;
        };
        if result.is_ok() {
            self.windows.remove(&session);
            tracing::info!(session_id = %session, "session that was given up is restarted");
            let entry = self.shared.registry.get(session);
            // One that somebody else asked for before may have found already that the session is restarted.
            if entry.is_none_or(|entry| entry.generation().is_none()) {
                // Recovery finds it if it cannot be started now.
                self.start(myself, session, Origin::Existing, None).await;
            }
        }
        taking_up.end(result);
    }
}
