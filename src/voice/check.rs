//! The check of a text that a user wants spoken and the session has not checked.

use greenroom_actors::outside::{made, settled, unsettled};
use greenroom_protocol::{ErrorCode, Millis};
use greenroom_session::OutsideCall;
use greenroom_session::ports::{ModerationPolicy, ModerationRequest};

use super::VoicePorts;
use super::call::Asking;
use crate::http::Failure;

/// What a check may take; its provider answers within a second.
const CHECK_TIMEOUT: Millis = Millis(10_000);

/// Whether a text may be spoken, as the policy for what users say has it.
pub(super) async fn check(ports: &VoicePorts, asking: &Asking, text: &str) -> Result<(), Failure> {
    let (providers, directory) = (&ports.providers, &ports.directory);
    if providers.moderate_input == ModerationPolicy::Off {
        return Ok(());
    }
    let receipt = asking.reserve(directory, None, OutsideCall::Moderate).await?;
    let call_id = receipt.call_id.ok_or_else(|| {
        tracing::error!("a check was reserved without a call");
        Failure::new(ErrorCode::SysInternal)
    })?;
    let request = ModerationRequest {
        call_id,
        texts: vec![text.to_owned()],
        timeout: CHECK_TIMEOUT,
    };
    match made(providers.moderator.moderate(request)).await {
        Ok(verdict) => {
            asking
                .settle(directory, call_id, settled(verdict.receipt, None))
                .await?;
            match verdict.flagged {
                Some(_) => Err(asking.refusal(ErrorCode::SafetyInput)),
                None => Ok(()),
            }
        }
        Err(failure) => {
            let told = asking.failure(&failure);
            let passes = providers.moderate_input == ModerationPolicy::BestEffort;
            let code = failure.code;
            tracing::warn!(session_id = %asking.session, %call_id, %code, passes, "a text could not be checked");
            let settlement = unsettled(failure, (!passes).then_some(code));
            asking.settle(directory, call_id, settlement).await.ok();
            if passes { Ok(()) } else { Err(told) }
        }
    }
}
