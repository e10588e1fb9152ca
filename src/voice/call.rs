//! Calls that are made beside a session: booked by it before they leave, settled with it after they came back.

use greenroom_actors::Directory;
use greenroom_protocol::{CallId, CommandId, ErrorBody, ErrorCode, Locale, Millis, SessionId};
use greenroom_session::ports::CallFailure;
use greenroom_session::{Caller, Command, CommandKind, OutsideCall, Receipt, Settlement};

use crate::http::{Failure, send};

/// Who asks which session for something.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) session: SessionId,
    pub(super) caller: Caller,
    /// The language of the session, for failures that it does not tell itself.
    pub(super) locale: Locale,
}

impl Asking {
    /// Books a call. It may leave when this returns.
    pub(super) async fn reserve(
        &self,
        directory: &Directory,
        id: Option<CommandId>,
        call: OutsideCall,
    ) -> Result<Receipt, Failure> {
        let kind = CommandKind::ReserveCall { call };
        self.send(directory, id, kind).await
    }

    /// Settles a call, again if the answer was lost. If the session was lost meanwhile it booked the call as unknown
    /// itself, and what came of it counts all the same.
    pub(super) async fn settle(
        &self,
        directory: &Directory,
        call_id: CallId,
        settlement: Settlement,
    ) -> Result<(), Failure> {
        let settlement = Box::new(settlement);
        let kind = CommandKind::SettleCall { call_id, settlement };
        let settled = self.send(directory, None, kind).await;
        if let Err(failure) = &settled {
            let code = failure.code().as_str();
            tracing::warn!(session_id = %self.session, %call_id, code, "a call could not be settled");
        }
        settled.map(|_| ())
    }

    /// Sends a command in the name of who asks.
    pub(super) async fn send(
        &self,
        directory: &Directory,
        id: Option<CommandId>,
        kind: CommandKind,
    ) -> Result<Receipt, Failure> {
        let command = Command {
            id,
            caller: self.caller.clone(),
            kind,
        };
        Ok(send(directory, self.session, command).await?)
    }

    /// A call that failed, as the user is told.
    pub(super) fn failure(&self, failure: &CallFailure) -> Failure {
        Failure::Told(Box::new(ErrorBody {
            retry_after: failure.retry_after.map(whole_seconds),
            ..ErrorBody::new(failure.code, self.locale)
        }))
    }

    /// A refusal in the language of the session.
    pub(super) fn refusal(&self, code: ErrorCode) -> Failure {
        Failure::Told(Box::new(ErrorBody::new(code, self.locale)))
    }
}

fn whole_seconds(wait: Millis) -> u32 {
    u32::try_from(wait.0.div_ceil(1_000)).unwrap_or(u32::MAX)
}
