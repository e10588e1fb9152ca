//! What an operator does to one session: restarts it, stops it. One at a time.

use std::sync::Arc;

use greenroom_protocol::{ErrorBody, ErrorCode, Locale, SessionId, StageId};
use greenroom_session::{Caller, Command, CommandKind, Receipt};
use serde_json::json;
use tokio::sync::oneshot;

use crate::Directory;
use crate::registry::Pinned;
use crate::reply::Refused;
use crate::sessions::{NotActivated, SessionsMessage};
use crate::shared::Shared;

/// How an operator restarts a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restart {
    /// The stage that a failed run goes on from; none means where it failed.
    pub from_stage: Option<StageId>,
    /// Why, for the log of the session.
    pub reason: String,
}

impl Directory {
    /// Restarts a session, and returns once it lives again.
    ///
    /// A failed run goes on from its stage or, by a new run, from an earlier one. A session that has not failed is built
    /// anew from its log; so is one that crashed too often and was given up. `SESSION_RESTARTING` while another restart
    /// or stop of it is under way; a log that cannot be understood is `SYS_INTERNAL`, and `details` say why.
    pub async fn restart(&self, session: SessionId, restart: Restart) -> Result<Receipt, Refused> {
        let _alone = Alone::with(self.shared(), session)?;
        let Restart { from_stage, reason } = restart;
        let asked = self.ask_for_restart(session, from_stage.clone(), &reason).await;
        let receipt = match asked {
            Err(Refused::Rejected(error)) if error.code == ErrorCode::SessionRestartLimit => {
                let taken_up = self.take_up(session, &reason).await?;
                self.lives(session).await?;
                if from_stage.is_none() {
                    return Ok(taken_up);
                }
                self.ask_for_restart(session, from_stage, &reason).await?
            }
            Err(Refused::Rejected(error)) if error.code == ErrorCode::SysInternal => {
                return Err(self
                    .why_damaged(session)
                    .await
                    .unwrap_or(Refused::Rejected(error)));
            }
            answer => answer?,
        };
        if receipt.run_id.is_none() {
            self.lives(session).await?;
        }
        Ok(receipt)
    }

    /// Stops a session: ends its turn, cancels its run, and lets it leave memory, though somebody listens to it. It goes on
    /// with the next command. `SESSION_RESTARTING` while a restart or another stop of it is under way.
    pub async fn stop(&self, session: SessionId, reason: String) -> Result<Receipt, Refused> {
        let _alone = Alone::with(self.shared(), session)?;
        self.send(session, by_operator(CommandKind::Stop { reason }))
            .await
    }

    async fn ask_for_restart(
        &self,
        session: SessionId,
        from_stage: Option<StageId>,
        reason: &str,
    ) -> Result<Receipt, Refused> {
        let reason = reason.to_owned();
        let kind = CommandKind::Restart { from_stage, reason };
        self.send(session, by_operator(kind)).await
    }

    /// Has the supervisor take up a session that it gave up.
    async fn take_up(&self, session: SessionId, reason: &str) -> Result<Receipt, Refused> {
        let (reply, taken_up) = oneshot::channel();
        let message = SessionsMessage::TakeUp {
            session,
            reason: reason.to_owned(),
            reply,
        };
        // The error holds the message, and with it the sender whose end is waited for below.
        if self.supervisor().send_message(message).is_err() {
            // The supervisor only ends with the server.
            return Err(Refused::code(ErrorCode::SysDraining));
        }
        let seq = taken_up
            .await
            .unwrap_or_else(|_ended| Err(Refused::code(ErrorCode::SysDraining)))?;
        Ok(Receipt {
            seq,
            ..Receipt::default()
        })
    }

    /// Waits until the session lives, and what its activation brought about is committed. One whose log makes it panic is
    /// restarted as often as it may be, and then given up.
    async fn lives(&self, session: SessionId) -> Result<(), Refused> {
        let mut crashes_left = self.shared().config.restarts_max.saturating_add(1);
        loop {
            match self.view(session, &Caller::Operator).await {
                Err(Refused::Lost) if crashes_left > 0 => crashes_left -= 1,
                answer => return answer.map(|_view| ()),
            }
        }
    }

    /// Why the log of a session cannot be understood, if that is what is wrong with it.
    async fn why_damaged(&self, session: SessionId) -> Option<Refused> {
        match self.activate(session, None).await {
            Err(NotActivated::Damaged(reason)) => {
                let error = ErrorBody::new(ErrorCode::SysInternal, Locale::default())
                    .with_details(json!({ "reason": reason }));
                Some(Refused::Rejected(Box::new(error)))
            }
            Ok(()) | Err(NotActivated::Refused(_)) => None,
        }
    }
}

/// The right to restart or stop a session, which one operator has at a time.
struct Alone {
    pinned: Pinned,
}

impl Alone {
    fn with(shared: &Arc<Shared>, session: SessionId) -> Result<Self, Refused> {
        let pinned = Pinned::new(shared, session);
        if pinned.entry.begin_operation() {
            Ok(Self { pinned })
        } else {
            Err(Refused::code(ErrorCode::SessionRestarting))
        }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.pinned.entry.end_operation();
    }
}

fn by_operator(kind: CommandKind) -> Command {
    Command {
        id: None,
        caller: Caller::Operator,
        kind,
    }
}
