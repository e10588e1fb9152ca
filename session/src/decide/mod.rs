//! The decider: what a session makes of what happens to it.
//!
//! Facts are folded into the state as they are decided, before anybody appends them, so that each is decided
//! from the ones before it and one that cannot be folded is never committed. A rejection is found before the
//! first fact, so it leaves the state as it was.

mod activation;
mod agents;
mod background;
mod brief;
mod check;
mod jobs;
mod latency;
mod operator;
mod outside;
mod run;
mod stage;
mod turn;
mod voice;

use greenroom_protocol::{
    CallId, CallOutcome, CallPurpose, CallReserved, CallScope, CallSettled, CommandId, ErrorBody, ErrorCode,
    Event, GateJudged, Locale, MessageId, Millis, Mode, RunId, Seq, SessionId, SessionStarted, StageChanged,
    Timestamp, TurnId,
};
use serde_json::Value;

use crate::agent::{AgentReport, Stamp};
use crate::command::{Answer, Caller, Command, CommandKind, Receipt};
use crate::playbook::Playbook;
use crate::ports::{Capabilities, IdSource, ModelIdentity, ModelSize};
use crate::state::{Phase, State};
use crate::{CommandRecord, Fact, Private, UserKey};

/// What decisions are made with.
pub struct Context<'a> {
    /// The playbook that the session is pinned to.
    pub playbook: &'a Playbook,
    /// What the providers can do.
    pub capabilities: Capabilities,
    /// How long jobs may make no progress.
    pub jobs: JobLimits,
    /// Now.
    pub now: Timestamp,
    /// Fresh ids and jitter.
    pub ids: &'a mut dyn IdSource,
}

/// A session that is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user: Option<UserKey>,
    /// The language to begin with.
    pub locale: Locale,
    /// How it spends.
    pub mode: Mode,
}

/// What can happen to a session.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Something was asked of it.
    Command(Command),
    /// An agent reports.
    Agent {
        /// Which call of which attempt; a stale one is dropped.
        stamp: Stamp,
        /// What it reports.
        report: Box<AgentReport>,
    },
    /// The time that `due` named has come.
    Tick,
    /// The session was folded from its log and lives again.
    Activated,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decision {
    /// Facts to append together; folded into the state already.
    pub facts: Vec<Fact>,
    /// The answer to a command, to be given once the newest fact folded is committed.
    pub answer: Option<Answer>,
}

/// Begins a session: its start, the greeting and the first question.
pub fn create(context: &mut Context<'_>, new: NewSession) -> (State, Vec<Fact>) {
    let started = SessionStarted {
        locale: new.locale,
        mode: new.mode,
        playbook: context.playbook.reference.clone(),
        state: context.playbook.states.collecting.clone(),
    };
    let first = Fact {
        at: context.now,
        event: Event::SessionStarted(started),
        private: Private {
            user: new.user,
            ..Private::none()
        },
    };
    let mut state = State::begin(new.id, &first).expect("the first fact is session.started");
    let mut decider = Decider {
        state: &mut state,
        context,
        facts: vec![first],
        command: None,
        began_at: None,
    };
    decider.announce_gate(None);
    decider.greet();
    let facts = decider.facts;
    (state, facts)
}

/// Decides; each fact is folded into `state` as it is decided.
pub fn decide(state: &mut State, context: &mut Context<'_>, input: Input) -> Decision {
    let mut decider = Decider {
        state,
        context,
        facts: Vec::new(),
        command: None,
        began_at: None,
    };
    let answer = match input {
        Input::Command(command) => Some(decider.command(command)),
        Input::Agent { stamp, report } => {
            decider.agent(&stamp, *report);
            None
        }
        Input::Tick => {
            decider.tick(false);
            None
        }
        Input::Activated => {
            decider.activated();
            None
        }
    };
    Decision {
        facts: decider.facts,
        answer,
    }
}

pub use jobs::JobLimits;

pub(crate) struct Decider<'a, 'c> {
    state: &'a mut State,
    context: &'a mut Context<'c>,
    facts: Vec<Fact>,
    /// The command's record, until the fact that it is about takes it.
    command: Option<CommandRecord>,
    /// The number of that fact.
    began_at: Option<Seq>,
}

impl Decider<'_, '_> {
    fn command(&mut self, command: Command) -> Answer {
        if !command.caller.may_access(self.state.user.as_ref()) {
            return Err(self.rejection(ErrorCode::SessionNotFound));
        }
        if is_operators(&command.kind) && command.caller != Caller::Operator {
            return Err(self.rejection(ErrorCode::AuthForbidden));
        }
        if let Some(id) = &command.id {
            let digest = command.kind.digest();
            if let Some(known) = self.known_command(id, &digest) {
                if let (
                    Ok(_),
                    CommandKind::UserMessage {
                        spoken: Some(spoken), ..
                    },
                ) = (&known, &command.kind)
                {
                    // The recording came twice at once and was transcribed twice; the second is paid for as well.
                    self.settle_transcription(spoken);
                }
                return known;
            }
            self.command = Some(CommandRecord {
                id: id.clone(),
                digest,
            });
        }
        let answer = match command.kind {
            CommandKind::UserMessage { text, spoken } => self.user_message(&text, spoken.as_deref()),
            CommandKind::ReserveCall { call } => self.reserve_outside(&call),
            CommandKind::SettleCall { call_id, settlement } => Ok(self.settle_outside(call_id, *settlement)),
            CommandKind::SetSlots { edits } => self.set_slots(&edits),
            CommandKind::Generate { draft, background } => self.generate(draft, background),
            CommandKind::CancelRun { run_id } => self.cancel_run(run_id),
            CommandKind::RetryRun { run_id } => self.retry_run(run_id),
            CommandKind::CancelResponse => Ok(self.cancel_response()),
            CommandKind::ReplyHeard {
                turn_id,
                parts,
                cancels,
            } => Ok(self.reply_heard(turn_id, &parts, cancels)),
            CommandKind::ReplyVoiced {
                turn_id,
                first_byte_at,
                first_sent_at,
            } => Ok(self.reply_voiced(turn_id, first_byte_at, first_sent_at)),
            CommandKind::KeepRecording { asset } => self.keep_recording(asset),
            CommandKind::Restart { from_stage, reason } => self.restart(from_stage, reason),
            CommandKind::Stop { reason } => Ok(self.stop(reason)),
        };
        let seq = self.began_at.unwrap_or(self.state.head);
        answer.map(|subject| Receipt { seq, ..subject })
    }

    fn known_command(&self, id: &CommandId, digest: &str) -> Option<Answer> {
        let known = self.state.commands.get(id)?;
        if known.digest != digest {
            return Some(Err(self.rejection(ErrorCode::InputIdReused)));
        }
        let job_id = known
            .run_id
            .and_then(|run_id| self.state.runs.get(&run_id))
            .and_then(|run| run.job_id);
        Some(Ok(Receipt {
            seq: known.seq,
            turn_id: known.turn_id,
            run_id: known.run_id,
            job_id,
            call_id: None,
            duplicate: true,
        }))
    }

    /// Decides a fact that has nothing private.
    fn record(&mut self, event: Event) {
        self.record_with(event, Private::none());
    }

    /// Decides the fact that the command is about; by it the command is recognised when it comes again.
    fn record_command(&mut self, event: Event) {
        self.record_command_with(event, Private::none());
    }

    /// The same, with something private.
    fn record_command_with(&mut self, event: Event, private: Private) {
        let private = Private {
            command: self.command.take(),
            ..private
        };
        self.began_at.get_or_insert(self.state.head.next());
        self.record_with(event, private);
    }

    /// Decides a fact: folds it, and keeps it for the append.
    fn record_with(&mut self, event: Event, private: Private) {
        let fact = Fact {
            at: self.context.now,
            event,
            private,
        };
        self.state.evolve(&fact);
        self.facts.push(fact);
    }

    /// Reserves a call of the language model: nothing leaves before this is committed.
    fn reserve(&mut self, purpose: CallPurpose, scope: CallScope, size: ModelSize, private: Private) {
        let model = self.context.capabilities.llm.as_ref().map(|llm| llm.of(size));
        self.reserve_call(purpose, scope, model, private);
    }

    /// Reserves a call of any provider.
    fn reserve_call(
        &mut self,
        purpose: CallPurpose,
        scope: CallScope,
        model: Option<ModelIdentity>,
        private: Private,
    ) -> CallId {
        let call_id = CallId::new(self.context.ids.next_ulid());
        let reserved = CallReserved {
            call_id,
            purpose,
            scope,
        };
        self.record_with(Event::CallReserved(reserved), Private { model, ..private });
        call_id
    }

    /// Settles a call; one of which nothing is known is booked at its reservation. What its provider stores of it is done
    /// with.
    fn settle(&mut self, call_id: CallId, outcome: CallOutcome, private: Private) {
        let private = Private {
            response_id: self.response_under_way(call_id),
            ..private
        };
        let Some(open) = self.state.open_calls.get(&call_id) else {
            return;
        };
        let settled = CallSettled {
            call_id,
            purpose: open.purpose,
            scope: open.scope.clone(),
            outcome,
        };
        self.record_with(Event::CallSettled(settled), private);
    }

    fn rejection(&self, code: ErrorCode) -> Box<ErrorBody> {
        Box::new(ErrorBody::new(code, self.state.locale))
    }

    fn invalid(&self, details: Value) -> Box<ErrorBody> {
        Box::new(ErrorBody::new(ErrorCode::InputInvalid, self.state.locale).with_details(details))
    }

    fn error_body(&self, code: ErrorCode) -> ErrorBody {
        ErrorBody::new(code, self.state.locale)
    }

    /// Judges the gate anew, tells of a change and the turn that made it, and moves between collecting and ready.
    fn announce_gate(&mut self, turn_id: Option<TurnId>) {
        let gate = crate::gate::gate(&self.state.brief, self.context.playbook);
        if gate == self.state.gate {
            return;
        }
        let opens = gate.ready && !self.state.gate.ready;
        let closes = !gate.ready && self.state.gate.ready;
        let judged = GateJudged { turn_id, gate };
        self.record(if opens {
            Event::GateReady(judged)
        } else {
            Event::GateChanged(judged)
        });
        if opens || closes {
            self.rest(None);
        }
    }

    /// While no run decides the state, the gate does; `run_id` is the run that has just left it to the gate.
    fn rest(&mut self, run_id: Option<RunId>) {
        match self.state.phase {
            Phase::Collecting | Phase::Ready => {
                let names = &self.context.playbook.states;
                let state = if self.state.gate.ready {
                    &names.ready
                } else {
                    &names.collecting
                }
                .clone();
                if state != self.state.wire_state {
                    self.record(Event::StageChanged(StageChanged {
                        state,
                        run_id,
                        failures: Vec::new(),
                    }));
                }
            }
            Phase::Running(_) | Phase::Failed(_) | Phase::Done { .. } => {}
        }
    }

    fn next_message_id(&mut self) -> MessageId {
        MessageId::new(self.context.ids.next_ulid())
    }
}

/// Whether only an operator may ask for this.
fn is_operators(kind: &CommandKind) -> bool {
    match kind {
        CommandKind::Restart { .. } | CommandKind::Stop { .. } => true,
        CommandKind::UserMessage { .. }
        | CommandKind::ReserveCall { .. }
        | CommandKind::SettleCall { .. }
        | CommandKind::SetSlots { .. }
        | CommandKind::Generate { .. }
        | CommandKind::CancelRun { .. }
        | CommandKind::RetryRun { .. }
        | CommandKind::CancelResponse
        | CommandKind::ReplyHeard { .. }
        | CommandKind::ReplyVoiced { .. }
        | CommandKind::KeepRecording { .. } => false,
    }
}

/// How long to wait before the next attempt (PRODUCT.md: 2, 5, 12 s with jitter), unless the provider said so. What
/// it asks for is never cut short: a wait that does not fit the budget is no wait at all.
pub(crate) fn backoff(retries: u32, jitter: f64, asked: Option<Millis>) -> Millis {
    const STEPS_MS: [u32; 3] = [2_000, 5_000, 12_000];
    if let Some(asked) = asked {
        return asked;
    }
    let index = usize::try_from(retries)
        .unwrap_or(usize::MAX)
        .min(STEPS_MS.len() - 1);
    let step_ms = STEPS_MS.get(index).copied().unwrap_or(12_000);
    // Between 80 % and 120 % of the step, so that sessions that failed together do not come back together.
    let jittered_ms = f64::from(step_ms) * (0.8 + 0.4 * jitter.clamp(0.0, 1.0));
    Millis(
        std::time::Duration::from_secs_f64(jittered_ms / 1_000.0)
            .as_millis()
            .try_into()
            .unwrap_or(12_000),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_by_steps_and_jitter_stays_within_a_fifth() {
        for (retries, step_ms) in [
            (0, 2_000),
            (1, 5_000),
            (2, 12_000),
            (3, 12_000),
            (u32::MAX, 12_000),
        ] {
            assert_eq!(backoff(retries, 0.5, None), Millis(step_ms));
            assert_eq!(backoff(retries, 0.0, None), Millis(step_ms * 4 / 5));
            assert_eq!(backoff(retries, 1.0, None), Millis(step_ms * 6 / 5));
            assert_eq!(
                backoff(retries, 7.0, None),
                Millis(step_ms * 6 / 5),
                "whatever the source of jitter says"
            );
        }
    }

    #[test]
    fn a_provider_that_names_a_time_is_obeyed() {
        for asked in [Millis(0), Millis(7_000), Millis(3_600_000)] {
            assert_eq!(backoff(0, 0.5, Some(asked)), asked);
        }
    }
}
