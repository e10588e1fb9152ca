//! Calls that are made outside the session, because what they carry never enters it: speech heard, speech made.

use greenroom_protocol::{
    CallId, CallOutcome, CallPurpose, CallScope, ErrorBody, ErrorCode, ErrorEvent, Event, TurnId, limits,
};

use super::Decider;
use crate::Private;
use crate::command::{Answer, OutsideCall, Receipt, Settlement, Spoken};
use crate::ports::ModelIdentity;

impl Decider<'_, '_> {
    /// Reserves a call. It may leave once this is committed.
    pub(super) fn reserve_outside(&mut self, call: &OutsideCall) -> Answer {
        let capabilities = &self.context.capabilities;
        let (purpose, provider, missing) = match call {
            OutsideCall::Transcribe { .. } => (
                CallPurpose::Transcribe,
                &capabilities.stt,
                ErrorCode::SttNotConfigured,
            ),
            OutsideCall::Speak { .. } => (CallPurpose::Speak, &capabilities.tts, ErrorCode::TtsNotConfigured),
            OutsideCall::Moderate => (
                CallPurpose::Moderate,
                &capabilities.moderation,
                ErrorCode::SafetyUnavailable,
            ),
        };
        let provider: ModelIdentity = provider.clone().ok_or_else(|| self.rejection(missing))?;
        if self.open_outside_calls(purpose) >= limits::TURNS_WAITING_MAX {
            return Err(self.rejection(ErrorCode::SysOverloaded));
        }
        let turn_id = match call {
            OutsideCall::Transcribe { .. } => Some(TurnId::new(self.context.ids.next_ulid())),
            OutsideCall::Speak { turn_id } => *turn_id,
            OutsideCall::Moderate => None,
        };
        let scope = match turn_id {
            Some(turn_id) => CallScope::Turn { turn_id, attempt: 1 },
            None => CallScope::Session {},
        };
        let call_id = self.reserve_call(purpose, scope, Some(provider), Private::none());
        Ok(Receipt {
            turn_id,
            call_id: Some(call_id),
            ..Receipt::default()
        })
    }

    /// How a call ended. One that is not open any more was booked already, and stays as it was booked.
    pub(super) fn settle_outside(&mut self, call_id: CallId, settlement: Settlement) -> Receipt {
        let Settlement {
            outcome,
            record,
            error,
            reason,
            asset,
        } = settlement;
        let turn_id = self
            .state
            .open_calls
            .get(&call_id)
            .and_then(|(_, scope)| match scope {
                CallScope::Turn { turn_id, .. } => Some(*turn_id),
                CallScope::Stage { .. } | CallScope::Session {} => None,
            });
        let private = Private {
            call: record,
            reason,
            ..Private::none()
        };
        self.settle(call_id, outcome, private);
        if let Some(code) = error {
            let error: ErrorBody = self.error_body(code);
            self.record(Event::Error(ErrorEvent {
                turn_id,
                run_id: None,
                stage: None,
                attempt: None,
                will_retry: false,
                error,
            }));
        }
        if let Some(asset) = asset {
            self.record(Event::AssetReady(asset));
        }
        Receipt {
            turn_id,
            call_id: Some(call_id),
            ..Receipt::default()
        }
    }

    /// Settles the transcription of an utterance whose words are there.
    pub(super) fn settle_transcription(&mut self, spoken: &Spoken) {
        let private = Private {
            call: Some(spoken.record.clone()),
            ..Private::none()
        };
        self.settle(spoken.call_id, CallOutcome::Ok, private);
    }

    fn open_outside_calls(&self, purpose: CallPurpose) -> usize {
        let open = self.state.open_calls.values();
        open.filter(|(open, scope)| {
            let is_a_turns_own = purpose == CallPurpose::Moderate && *scope != CallScope::Session {};
            *open == purpose && !is_a_turns_own
        })
        .count()
    }
}
