//! Calls that are made beside a session: booked by it before they leave, settled with it after they came back.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use greenroom_protocol::{AssetReady, CallOutcome, ErrorCode, SessionId};
use greenroom_session::ports::{CallFailure, CallReceipt};
use greenroom_session::{CallRecord, Command, CommandKind, Receipt, Settlement};

use crate::{Directory, Refused};

/// Pauses before a command whose answer was lost is sent again. A session comes back from its log within
/// milliseconds; a journal that cannot be written says so itself, and is not waited for here.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(500)];

/// Sends a command. One that counts once is sent again if nobody knows what became of it.
pub async fn send(directory: &Directory, session: SessionId, command: Command) -> Result<Receipt, Refused> {
    if counts_once(&command) {
        for pause in RETRY_PAUSES {
            match directory.send(session, command.clone()).await {
                Err(Refused::Lost) => tokio::time::sleep(pause).await,
                answer => return answer,
            }
        }
    }
    directory.send(session, command).await
}

/// Makes a call. A panic in the provider's client costs that call and nothing else; what the provider made of it, nobody
/// knows.
pub async fn made<T>(call: impl Future<Output = Result<T, CallFailure>>) -> Result<T, CallFailure> {
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(made) => made,
        // The text of the panic may quote what people said. Where it panicked is in the server's log.
        Err(_) => Err(CallFailure {
            code: ErrorCode::SysInternal,
            retryable: true,
            retry_after: None,
            reason: "the provider's client panicked".to_owned(),
            receipt: None,
        }),
    }
}

/// How a call that came back whole is settled.
pub fn settled(receipt: CallReceipt, asset: Option<AssetReady>) -> Settlement {
    Settlement {
        outcome: CallOutcome::Ok,
        record: Some(receipt.into()),
        error: None,
        reason: None,
        asset,
    }
}

/// How a call is settled that was taken back before all of it had been sent: nothing came of it, at what it cost.
pub(crate) fn dropped(receipt: CallReceipt) -> Settlement {
    Settlement {
        outcome: CallOutcome::Failed,
        reason: Some("what was said was dropped before it was complete".to_owned()),
        ..settled(receipt, None)
    }
}

/// How a call that failed is settled; `error` is for everybody to see.
pub fn unsettled(failure: CallFailure, error: Option<ErrorCode>) -> Settlement {
    Settlement {
        outcome: failure.outcome(),
        record: failure.receipt.map(CallRecord::from),
        error,
        reason: Some(failure.reason),
        asset: None,
    }
}

/// Whether a command counts once however often it is sent: one with an id, and what is told of a call or of a reply, which
/// have one end.
fn counts_once(command: &Command) -> bool {
    let is_told_once = matches!(
        command.kind,
        CommandKind::SettleCall { .. } | CommandKind::ReplyHeard { .. } | CommandKind::ReplyVoiced { .. }
    );
    command.id.is_some() || is_told_once
}
