//! Calls that are made outside the session, because what they carry never enters it: speech heard, speech made.

use greenroom_protocol::{
    AssetReady, CallId, CallOutcome, CallPurpose, CallScope, ErrorCode, ErrorEvent, Event, Provenance,
    TurnId, limits,
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
        if self.outside_calls_under_way(purpose) >= limits::TURNS_WAITING_MAX {
            return Err(self.rejection(ErrorCode::SysOverloaded));
        }
        self.give_up_abandoned_calls();
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

    /// How a call ended. One that was given up meanwhile stays booked as it was, and what came of it counts; one that
    /// is not this session's, or was told of before, changes nothing.
    pub(super) fn settle_outside(&mut self, call_id: CallId, settlement: Settlement) -> Receipt {
        let Some(scope) = self.outside_call(call_id) else {
            return Receipt {
                call_id: Some(call_id),
                ..Receipt::default()
            };
        };
        let turn_id = match scope {
            CallScope::Turn { turn_id, .. } => Some(turn_id),
            CallScope::Stage { .. } | CallScope::Session {} => None,
        };
        let Settlement {
            outcome,
            record,
            error,
            reason,
            asset,
        } = settlement;
        let private = Private {
            call: record,
            reason,
            ..Private::none()
        };
        self.settle(call_id, outcome, private);
        if let Some(code) = error {
            self.record(Event::Error(ErrorEvent {
                turn_id,
                run_id: None,
                stage: None,
                attempt: None,
                will_retry: false,
                error: self.error_body(code),
            }));
        }
        if let Some(asset) = asset.filter(|asset| is_made_by(asset, call_id)) {
            self.record(Event::AssetReady(asset));
        }
        Receipt {
            turn_id,
            call_id: Some(call_id),
            ..Receipt::default()
        }
    }

    /// Whether an utterance may begin the turn that was named when its transcription was reserved: once.
    pub(super) fn may_begin(&self, spoken: &Spoken) -> bool {
        match self.outside_call(spoken.call_id) {
            Some(CallScope::Turn { turn_id, .. }) => turn_id == spoken.turn_id,
            Some(CallScope::Stage { .. } | CallScope::Session {}) | None => false,
        }
    }

    /// Settles the transcription of an utterance whose words are there.
    pub(super) fn settle_transcription(&mut self, spoken: &Spoken) {
        if self.outside_call(spoken.call_id).is_some() {
            let private = Private {
                call: Some(spoken.record.clone()),
                ..Private::none()
            };
            self.settle(spoken.call_id, CallOutcome::Ok, private);
        }
    }

    /// What a call made outside belongs to, if its end was not told yet.
    fn outside_call(&self, call_id: CallId) -> Option<CallScope> {
        let open = self
            .state
            .open_calls
            .get(&call_id)
            .filter(|call| call.is_outside());
        let late = || self.state.late_calls.iter().find(|call| call.call_id == call_id);
        open.map(|call| &call.scope)
            .or_else(|| late().map(|call| &call.scope))
            .cloned()
    }

    fn outside_calls_under_way(&self, purpose: CallPurpose) -> usize {
        let now = self.context.now;
        let open = self.state.open_calls.values();
        open.filter(|call| call.purpose == purpose && call.is_outside_and_recent(now))
            .count()
    }

    /// Books the calls whose maker went away without a word.
    pub(super) fn give_up_abandoned_calls(&mut self) {
        let now = self.context.now;
        let open = self.state.open_calls.iter();
        let abandoned: Vec<CallId> = open
            .filter(|(_, call)| call.is_outside() && !call.is_outside_and_recent(now))
            .map(|(call_id, _)| *call_id)
            .collect();
        for call_id in abandoned {
            let private = Private {
                reason: Some("whoever made the call never said how it ended".to_owned()),
                ..Private::none()
            };
            self.settle(call_id, CallOutcome::Unknown, private);
        }
    }
}

fn is_made_by(asset: &AssetReady, call: CallId) -> bool {
    match &asset.provenance {
        Provenance::Model { call_id, .. } => *call_id == call,
        Provenance::User { .. } | Provenance::Playbook { .. } | Provenance::Operator => false,
    }
}
