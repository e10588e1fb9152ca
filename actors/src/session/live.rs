//! A session that lives: what it decides, what it has in flight, and what it started.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use greenroom_protocol::{ErrorBody, ErrorCode, Frame, Locale, Millis, Seq};
use greenroom_session::ports::{Append, AppendOutcome, Entry as JournalEntry, Epoch, IdSource};
use greenroom_session::{
    AgentReport, AgentTask, Answer, Caller, Command, Context, Due, DueCall, Fact, Input, Receipt,
    SessionView, State, agent_task, create, decide, due, playbook::Playbook, summary,
};
use ractor::{Actor, ActorId, ActorRef};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::alarm::Alarm;
use super::children::Children;
use super::closing::Closing;
#[cfg(debug_assertions)]
use super::faults::AgentFaults;
use super::load::{Beginning, Loaded};
use super::responses::Responses;
use super::snapshots::Snapshots;
use super::waiters::{Waiter, Waiters};
use super::{ActorSnapshot, Ending, SessionMessage, StageSnapshot, journal_entry};
use crate::agent::{Agent, AgentArguments, AgentMessage};
use crate::observe::{self, Latencies};
use crate::recovery::LOOK_AHEAD;
use crate::registry::{Entry, Generation};
use crate::reply::ReplyTo;
use crate::shared::{BusyMark, Shared};

/// A session whose log is folded.
pub(super) struct Live {
    shared: Arc<Shared>,
    entry: Arc<Entry>,
    generation: Generation,
    epoch: Epoch,
    playbook: Arc<Playbook>,
    ids: Box<dyn IdSource>,
    state: State,
    /// Facts that are folded and wait for the append in flight.
    pending: Vec<JournalEntry>,
    in_flight: Option<InFlight>,
    snapshots: Snapshots,
    waiters: Waiters,
    children: Children,
    /// What the language model's provider stores for it; nothing ends there because this generation does.
    responses: Responses,
    alarm: Alarm,
    /// When something last happened to it.
    active_at: Instant,
    latencies: Latencies,
    busy: Option<BusyMark>,
    /// This generation is about to end.
    closing: Option<Closing>,
    #[cfg(debug_assertions)]
    agent_faults: AgentFaults,
}

/// The append that was sent and has no outcome yet.
struct InFlight {
    frames: Vec<Frame>,
    began: Instant,
    _task: AbortOnDropHandle<()>,
}

impl Live {
    /// Begins a generation: decides what its activation, or the creation of the session, brings about.
    pub(super) fn begin(
        shared: Arc<Shared>,
        entry: Arc<Entry>,
        generation: Generation,
        loaded: Loaded,
    ) -> Self {
        let Loaded {
            opened,
            playbook,
            beginning,
        } = loaded;
        let mut ids = (shared.ports.ids)();
        let (state, kept, input, facts) = match beginning {
            Beginning::Folded { state, kept } => (*state, kept, Some(Input::Activated), Vec::new()),
            Beginning::New(new) => {
                let capabilities = shared.ports.capabilities.clone();
                let now = shared.ports.clock.now();
                let mut context = Context {
                    playbook: &playbook,
                    capabilities,
                    jobs: shared.config.jobs,
                    now,
                    ids: ids.as_mut(),
                };
                let (state, facts) = create(&mut context, *new);
                (state, Seq::ZERO, None, facts)
            }
        };
        let mut live = Self {
            shared,
            entry,
            generation,
            epoch: opened.epoch,
            playbook,
            ids,
            state,
            pending: Vec::new(),
            in_flight: None,
            snapshots: Snapshots::since(kept),
            waiters: Waiters::new(opened.head),
            children: Children::default(),
            responses: Responses::default(),
            alarm: Alarm::default(),
            active_at: Instant::now(),
            latencies: Latencies::default(),
            busy: None,
            closing: None,
            #[cfg(debug_assertions)]
            agent_faults: AgentFaults::default(),
        };
        live.record(facts);
        if let Some(input) = input {
            live.decide(input);
        }
        live
    }

    pub(super) fn locale(&self) -> Locale {
        self.state.locale
    }

    /// Takes a message. Some: this generation is over.
    pub(super) fn receive(&mut self, message: SessionMessage) -> Option<Ending> {
        let ends_it = matches!(message, SessionMessage::Appended(_) | SessionMessage::Erased);
        if let Some(closing) = self.closing.as_mut().filter(|_| !ends_it) {
            closing.hold(message);
            return None;
        }
        match message {
            SessionMessage::Command { command, reply } => self.command(command, reply),
            SessionMessage::View { caller, reply } => self.view(&caller, reply),
            SessionMessage::Inspect { reply } => reply.send(crate::reply::Outcome::Done(self.snapshot())),
            SessionMessage::Appended(outcome) => return self.appended(outcome),
            SessionMessage::Agent {
                stamp,
                report,
                credit,
            } => {
                self.active_at = Instant::now();
                self.decide(Input::Agent { stamp, report });
                if let Some(credit) = credit {
                    self.waiters.push(self.state.head, Waiter::Credit(credit));
                }
            }
            SessionMessage::Alarm => return self.alarm_rang(),
            SessionMessage::Erased => return Some(Ending::Erased),
            #[cfg(debug_assertions)]
            SessionMessage::Provoke { fault, reply } => self.strike(fault, reply),
            // A session is loaded once.
            SessionMessage::Loaded(_) => {}
        }
        None
    }

    /// An agent ended without a report.
    pub(super) fn agent_crashed(&mut self, agent: ActorId, reason: &str) {
        // An agent that is not in the list was killed because nobody needed it any more.
        let Some(stamp) = self.children.stamp_of(agent) else {
            return;
        };
        observe::agent(stamp.purpose, "crashed");
        tracing::error!(session_id = %self.state.id, call_id = %stamp.call_id, "agent crashed");
        self.decide(Input::Agent {
            stamp,
            report: Box::new(AgentReport::Crashed {
                reason: reason.to_owned(),
            }),
        });
    }

    /// Brings what is under way into line with the state: kills, starts, appends, sets the alarm.
    pub(super) async fn settle(&mut self, myself: &ActorRef<SessionMessage>) {
        let due = due(&self.state);
        if self.closing.is_some() {
            self.children = Children::default();
            self.busy.get_or_insert_with(|| self.shared.mark_busy());
            return self.append(myself, &due);
        }
        self.children.keep_due(&due.calls);
        if due.calls.iter().any(|call| self.may_start(call)) {
            // On the heap, and only when needed: within the handler's own future it would cost every idle session
            // some kilobytes.
            Box::pin(self.start_due(myself, &due)).await;
        }
        self.append(myself, &due);
        self.set_alarm(myself, &due);
        let is_awaited = self.state.awaits_outside(self.shared.ports.clock.now());
        let busy = self.in_flight.is_some() || !self.children.is_empty() || is_awaited;
        match (busy, &self.busy) {
            (true, None) => self.busy = Some(self.shared.mark_busy()),
            (false, Some(_)) => self.busy = None,
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// Answers everybody who still waits. Dropping the rest kills the agents and gives the append up.
    pub(super) fn end(self, ending: &Ending) {
        if let Some(reason) = match ending {
            Ending::Passivated
            | Ending::Stopped
            | Ending::Rebuilt
            | Ending::NotLoaded(_)
            | Ending::Erased => None,
            Ending::Fenced => Some("fenced"),
            Ending::JournalFailed => Some("failed"),
            Ending::JournalUnknown => Some("unknown"),
        } {
            tracing::warn!(session_id = %self.state.id, reason, "session dropped by the journal");
            observe::dropped(reason);
        }
        if *ending == Ending::Erased {
            for (call_id, response_id) in self.state.responses() {
                self.shared.ports.model.abandon(call_id, response_id);
            }
        }
        self.waiters.end(ending, self.state.locale);
        if let Some(closing) = self.closing {
            closing.end(ending, self.state.locale);
        }
    }

    fn command(&mut self, command: Command, reply: ReplyTo<Receipt>) {
        self.active_at = Instant::now();
        #[cfg(debug_assertions)]
        self.agent_faults.provoke(&self.shared.config.faults, &command);
        let answer = self.decide(Input::Command(command)).unwrap_or_else(|| {
            tracing::error!(session_id = %self.state.id, "a command was decided without an answer");
            Err(Box::new(ErrorBody::new(
                ErrorCode::SysInternal,
                self.state.locale,
            )))
        });
        self.waiters
            .push(self.state.head, Waiter::Command { reply, answer });
    }

    fn view(&mut self, caller: &Caller, reply: ReplyTo<SessionView>) {
        self.active_at = Instant::now();
        if caller.may_access(self.state.user.as_ref()) {
            let view = Box::new(SessionView::of(&self.state, &self.playbook));
            self.waiters.push(self.state.head, Waiter::View { reply, view });
        } else {
            let error = ErrorBody::new(ErrorCode::SessionNotFound, Locale::default());
            reply.send(crate::reply::Outcome::Rejected(Box::new(error)));
        }
    }

    /// Decides, and keeps the facts for the next append.
    fn decide(&mut self, input: Input) -> Option<Answer> {
        let mut context = Context {
            playbook: &self.playbook,
            capabilities: self.shared.ports.capabilities.clone(),
            jobs: self.shared.config.jobs,
            now: self.shared.ports.clock.now(),
            ids: self.ids.as_mut(),
        };
        let decision = decide(&mut self.state, &mut context, input);
        self.closing = Closing::after(&decision.facts, self.state.head);
        self.record(decision.facts);
        decision.answer
    }

    /// Numbers and serializes facts that are folded already.
    fn record(&mut self, facts: Vec<Fact>) {
        let before = self.state.head.0 - facts.len() as u64;
        for (fact, seq) in facts.into_iter().zip(before + 1..) {
            self.latencies.observe(&fact);
            self.responses
                .observe(Seq(seq), &fact, self.shared.ports.model.as_ref());
            self.pending.push(journal_entry(self.state.id, Seq(seq), fact));
        }
    }

    /// Appends what is decided, unless an append is in flight: then it joins the next one.
    fn append(&mut self, myself: &ActorRef<SessionMessage>, due: &Due) {
        if self.in_flight.is_some() || self.pending.is_empty() {
            return;
        }
        let wake_at = due.wake_index(self.shared.ports.clock.now());
        let summary = summary(&self.state, &self.playbook, wake_at);
        let entries = std::mem::take(&mut self.pending);
        let frames = entries.iter().map(|entry| entry.frame.clone()).collect();
        let append = Append {
            tenant: self.shared.tenant.clone(),
            session_id: self.state.id,
            epoch: self.epoch,
            entries,
            summary,
        };
        let journal = self.shared.ports.journal.clone();
        let myself = myself.clone();
        let task = tokio::spawn(async move {
            let appending = AssertUnwindSafe(journal.append(append)).catch_unwind();
            let outcome = appending.await.unwrap_or(AppendOutcome::Unknown);
            // An actor that is gone has aborted this task.
            let _gone = myself.send_message(SessionMessage::Appended(outcome));
        });
        let began = Instant::now();
        self.in_flight = Some(InFlight {
            frames,
            began,
            _task: AbortOnDropHandle::new(task),
        });
    }

    /// An append has an outcome: what it committed is shown, then answered for; `settle` starts what follows.
    fn appended(&mut self, outcome: AppendOutcome) -> Option<Ending> {
        let InFlight { frames, began, .. } = self.in_flight.take()?;
        let last = frames.last().map_or(self.waiters.committed(), |frame| frame.seq);
        match outcome {
            AppendOutcome::Committed { head } if head == last => {
                observe::append(began.elapsed());
                self.entry.count_commit();
                self.entry.publish(frames);
                self.waiters.commit(last);
                self.responses.commit(last, self.shared.ports.model.as_ref());
                self.snapshots
                    .committed(&self.shared, self.epoch, &self.state, last);
                self.closing.as_ref().and_then(|closing| closing.ending(last))
            }
            AppendOutcome::Committed { head } => {
                tracing::error!(session_id = %self.state.id, %head, %last, "the journal committed something else");
                Some(Ending::JournalUnknown)
            }
            AppendOutcome::Fenced => Some(Ending::Fenced),
            AppendOutcome::Failed(reason) => {
                tracing::warn!(session_id = %self.state.id, reason, "append failed");
                Some(Ending::JournalFailed)
            }
            AppendOutcome::Unknown => Some(Ending::JournalUnknown),
        }
    }

    /// Whether a call is reserved for good, and was not given to an agent yet.
    fn may_start(&self, call: &DueCall) -> bool {
        call.reserved_seq <= self.waiters.committed() && !self.children.contains(&call.stamp)
    }

    /// Starts the agents of all calls whose reservation is committed.
    async fn start_due(&mut self, myself: &ActorRef<SessionMessage>, due: &Due) {
        for call in &due.calls {
            if !self.may_start(call) {
                continue;
            }
            let now = self.shared.ports.clock.now();
            let started = match agent_task(&self.state, &self.playbook, &call.stamp, now) {
                Some(task) => self.start(myself, task).await,
                None => Err("the playbook does not know what is due".to_owned()),
            };
            if let Err(reason) = started {
                tracing::error!(session_id = %self.state.id, call_id = %call.stamp.call_id, reason, "agent not started");
                let report = Box::new(AgentReport::Crashed { reason });
                let message = SessionMessage::Agent {
                    stamp: call.stamp.clone(),
                    report,
                    credit: None,
                };
                // Refused only while this very actor is stopping.
                let _stopping = myself.send_message(message);
            }
        }
    }

    async fn start(&mut self, myself: &ActorRef<SessionMessage>, task: AgentTask) -> Result<(), String> {
        let arguments = AgentArguments {
            session_id: self.state.id,
            session: myself.clone(),
            model: self.shared.ports.model.clone(),
            moderator: self.shared.ports.moderator.clone(),
            #[cfg(debug_assertions)]
            panics: self.agent_faults.take(&self.shared.config.faults, task.stamp()),
            #[cfg(debug_assertions)]
            fault: self.agent_faults.listen(),
        };
        let stamp = task.stamp().clone();
        let (agent, _ends_by_itself) = Agent::spawn_linked(None, Agent, arguments, myself.get_cell())
            .await
            .map_err(|error| error.to_string())?;
        self.children.add(stamp, agent.clone());
        agent
            .send_message(AgentMessage::Perform(Box::new(task)))
            .map_err(|error| error.to_string())
    }

    fn set_alarm(&mut self, myself: &ActorRef<SessionMessage>, due: &Due) {
        let idle_at = self.active_at + self.shared.config.passivate_after;
        let wake_at = due.wake_at.map(|wake_at| {
            // At least a tick, so that a timer and a clock that disagree do not spin.
            let wait = wake_at.since(self.shared.ports.clock.now()).max(Millis(1));
            Instant::now() + Duration::from(wait)
        });
        self.alarm
            .set(wake_at.map_or(idle_at, |wake_at| wake_at.min(idle_at)), myself);
    }

    /// Ticks the decider if it wanted that, and leaves memory if nobody needs the session.
    fn alarm_rang(&mut self) -> Option<Ending> {
        self.alarm.rang();
        let now = self.shared.ports.clock.now();
        let due = due(&self.state);
        if due.wake_at.is_some_and(|wake_at| wake_at <= now) {
            self.decide(Input::Tick);
            return None;
        }
        if self.active_at.elapsed() < self.shared.config.passivate_after {
            return None;
        }
        // Looked at now; if it must stay, it is looked at again after as long.
        self.active_at = Instant::now();
        let sleeps = due.wake_at.is_none_or(|wake_at| wake_at > now.after(LOOK_AHEAD));
        // Whoever makes a call outside comes back to tell how it ended; it would wake the session again.
        let is_awaited = self.state.awaits_outside(now);
        let idle = self.in_flight.is_none() && self.waiters.is_empty() && due.calls.is_empty() && sleeps;
        if !idle || is_awaited {
            return None;
        }
        if self.entry.leave_if_unused(self.generation) {
            self.snapshots.leaving(&self.shared, self.epoch, &self.state);
            observe::passivated();
            tracing::debug!(session_id = %self.state.id, "session passivated");
            return Some(Ending::Passivated);
        }
        self.entry.release_events();
        None
    }

    fn snapshot(&self) -> ActorSnapshot {
        let view = SessionView::of(&self.state, &self.playbook);
        let due = due(&self.state);
        ActorSnapshot {
            session_id: self.state.id,
            state: view.state,
            turn_id: view.turn_id,
            run_id: view.run_id,
            stages: view
                .stages
                .into_iter()
                .map(|(stage, attempt)| StageSnapshot { stage, attempt })
                .collect(),
            commands_waiting: self.entry.commands_waiting(),
            children: self.children.snapshot(),
            connections: self.entry.listeners(),
            head: self.state.head,
            committed: self.waiters.committed(),
            facts_waiting: self.pending.len(),
            appending: self.in_flight.is_some(),
            epoch: self.epoch.0,
            generation: self.generation.0,
            restarts: self.entry.restarts(),
            wake_at: due.wake_at,
        }
    }

    /// Panics, or makes its agents panic, as somebody asked for just now.
    #[cfg(debug_assertions)]
    fn strike(&self, fault: crate::SessionFault, reply: ReplyTo<bool>) {
        match fault {
            crate::SessionFault::Session => {
                reply.send(crate::reply::Outcome::Done(true));
                crate::provoke::panic_as_asked();
            }
            crate::SessionFault::Agents => {
                self.agent_faults.strike();
                reply.send(crate::reply::Outcome::Done(!self.children.is_empty()));
            }
        }
    }
}
