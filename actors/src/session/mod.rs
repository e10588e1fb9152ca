//! A session's actor: it decides, appends, and tells; it never waits for a provider or the database.

mod alarm;
mod children;
mod closing;
#[cfg(debug_assertions)]
mod faults;
mod live;
mod load;
mod responses;
mod snapshot;
mod snapshots;
mod waiters;

use std::sync::Arc;

use greenroom_protocol::{ErrorCode, Frame, Locale, Seq, SessionId};
use greenroom_session::ports::{AppendOutcome, Entry as JournalEntry};
use greenroom_session::{AgentReport, Caller, Command, Fact, Receipt, SessionView, Stamp};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

pub(crate) use self::load::{LoadFailure, Origin, last_fact};
pub use self::snapshot::{ActorSnapshot, ChildSnapshot, StageSnapshot};

use self::live::Live;
use self::load::Loaded;
use crate::agent::REPORTED;
use crate::observe;
use crate::registry::{Entry, Generation, QuestionKind};
use crate::reply::{Outcome, ReplyTo, error};
use crate::sessions::Activated;
use crate::shared::{BusyMark, Shared};

/// What a session is told.
pub(crate) enum SessionMessage {
    /// Do this.
    Command {
        /// What to do.
        command: Command,
        /// Where to answer.
        reply: ReplyTo<Receipt>,
    },
    /// Show the session.
    View {
        /// Who wants to see it.
        caller: Caller,
        /// Where to answer.
        reply: ReplyTo<SessionView>,
    },
    /// Show the actor.
    Inspect {
        /// Where to answer.
        reply: ReplyTo<ActorSnapshot>,
    },
    /// The log was folded, or could not be.
    Loaded(Box<Result<Loaded, LoadFailure>>),
    /// The append in flight has an outcome.
    Appended(AppendOutcome),
    /// An agent reports.
    Agent {
        /// Which call of which attempt.
        stamp: Stamp,
        /// What it reports.
        report: Box<AgentReport>,
        /// Given back once what follows from the report is committed.
        credit: Option<OwnedSemaphorePermit>,
    },
    /// The time for which the alarm was set has come.
    Alarm,
    /// The session is no more.
    Erased,
    /// Panic, or make the agents panic.
    #[cfg(debug_assertions)]
    Provoke {
        /// Who is to panic.
        fault: crate::SessionFault,
        /// Where to say whether somebody did.
        reply: ReplyTo<bool>,
    },
}

/// What a session's actor is started with.
pub(crate) struct SessionArguments {
    pub(crate) shared: Arc<Shared>,
    pub(crate) entry: Arc<Entry>,
    pub(crate) generation: Generation,
    pub(crate) origin: Origin,
    /// Who asked for this generation, if anybody did.
    pub(crate) activated: Option<Activated>,
}

/// Why a generation of a session ended, when it did so by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nobody needed it.
    Passivated,
    /// An operator stopped it.
    Stopped,
    /// An operator had it built anew from its log.
    Rebuilt,
    /// It never lived.
    NotLoaded(LoadFailure),
    /// The session was erased.
    Erased,
    /// Another writer took the session over.
    Fenced,
    /// The journal did not take its facts.
    JournalFailed,
    /// Nobody knows whether the journal took its facts.
    JournalUnknown,
}

impl Ending {
    /// The answer to a question that this generation cannot answer any more. `taken`: it was decided upon.
    fn answer<T>(&self, kind: QuestionKind, taken: bool, locale: Locale) -> Outcome<T> {
        let rejected = |code| Outcome::Rejected(Box::new(error(code, locale)));
        match self {
            Self::Passivated | Self::Stopped | Self::Rebuilt => Outcome::NotTaken,
            Self::NotLoaded(failure) => rejected(failure.code()),
            Self::Erased => rejected(ErrorCode::SessionGone),
            Self::JournalFailed => rejected(ErrorCode::DbUnavailable),
            Self::Fenced | Self::JournalUnknown => match kind {
                QuestionKind::Command if taken => Outcome::Lost,
                QuestionKind::Command | QuestionKind::Read => Outcome::NotTaken,
            },
        }
    }
}

pub(crate) struct SessionActor;

/// The state of a session's actor.
pub(crate) struct Session {
    shared: Arc<Shared>,
    entry: Arc<Entry>,
    generation: Generation,
    phase: Phase,
}

enum Phase {
    /// The log is being folded; questions wait. Bounded by their permits.
    Loading {
        waiting: Vec<SessionMessage>,
        activated: Option<Activated>,
        began: Instant,
        _task: AbortOnDropHandle<()>,
        _busy: BusyMark,
    },
    /// The session lives.
    Live(Box<Live>),
    /// It has left the registry and answers what is still in its mailbox.
    Leaving { ending: Ending, locale: Locale },
}

impl Actor for SessionActor {
    type Msg = SessionMessage;
    type State = Session;
    type Arguments = SessionArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<SessionMessage>,
        arguments: SessionArguments,
    ) -> Result<Session, ActorProcessingErr> {
        let SessionArguments {
            shared,
            entry,
            generation,
            origin,
            activated,
        } = arguments;
        // What made the generation before this one panic may be in the snapshot.
        let mistrusts = entry.restarts() > 0;
        let task = load::spawn(shared.clone(), entry.session, origin, mistrusts, myself);
        let busy = shared.mark_busy();
        let phase = Phase::Loading {
            waiting: Vec::new(),
            activated,
            began: Instant::now(),
            _task: task,
            _busy: busy,
        };
        Ok(Session {
            shared,
            entry,
            generation,
            phase,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<SessionMessage>,
        message: SessionMessage,
        session: &mut Session,
    ) -> Result<(), ActorProcessingErr> {
        session.receive(&myself, message).await
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<SessionMessage>,
        event: SupervisionEvent,
        session: &mut Session,
    ) -> Result<(), ActorProcessingErr> {
        let (agent, reason) = match event {
            // The text of a panic may quote what people said, and the reason is stored. Where it panicked is in
            // the server's log.
            SupervisionEvent::ActorFailed(agent, _) => (agent, "the agent panicked"),
            SupervisionEvent::ActorTerminated(agent, _, reason) if reason.as_deref() != Some(REPORTED) => {
                (agent, "the agent ended without a report")
            }
            SupervisionEvent::ActorTerminated(..)
            | SupervisionEvent::ActorStarted(_)
            | SupervisionEvent::ProcessGroupChanged(_) => return Ok(()),
        };
        if let Phase::Live(live) = &mut session.phase {
            live.agent_crashed(agent.get_id(), reason);
            live.settle(&myself).await;
        }
        Ok(())
    }
}

impl Session {
    /// Why it ended, when it did so by itself.
    pub(crate) fn ending(&self) -> Option<&Ending> {
        match &self.phase {
            Phase::Leaving { ending, .. } => Some(ending),
            Phase::Loading { .. } | Phase::Live(_) => None,
        }
    }

    async fn receive(
        &mut self,
        myself: &ActorRef<SessionMessage>,
        message: SessionMessage,
    ) -> Result<(), ActorProcessingErr> {
        match &mut self.phase {
            Phase::Loading { waiting, .. } => match message {
                // On the heap, as it happens once and its future is large.
                SessionMessage::Loaded(result) => Box::pin(self.loaded(myself, *result)).await?,
                SessionMessage::Command { .. }
                | SessionMessage::View { .. }
                | SessionMessage::Inspect { .. } => {
                    waiting.push(message);
                }
                #[cfg(debug_assertions)]
                SessionMessage::Provoke { .. } => waiting.push(message),
                SessionMessage::Erased => self.leave(myself, Ending::NotLoaded(LoadFailure::Gone)),
                // Nothing of this generation is under way before it lives.
                SessionMessage::Appended(_) | SessionMessage::Agent { .. } | SessionMessage::Alarm => {}
            },
            Phase::Live(live) => match live.receive(message) {
                None => live.settle(myself).await,
                Some(ending) => self.leave(myself, ending),
            },
            Phase::Leaving { ending, locale } => turn_away(message, ending, *locale),
        }
        Ok(())
    }

    async fn loaded(
        &mut self,
        myself: &ActorRef<SessionMessage>,
        result: Result<Loaded, LoadFailure>,
    ) -> Result<(), ActorProcessingErr> {
        let loaded = match result {
            Ok(loaded) => loaded,
            Err(LoadFailure::Panicked) => return Err("the log could not be folded".into()),
            Err(failure) => {
                self.leave(myself, Ending::NotLoaded(failure));
                return Ok(());
            }
        };
        self.entry.publish_head(loaded.opened.head);
        let live = Live::begin(self.shared.clone(), self.entry.clone(), self.generation, loaded);
        let loading = std::mem::replace(&mut self.phase, Phase::Live(Box::new(live)));
        let Phase::Loading {
            waiting,
            activated,
            began,
            ..
        } = loading
        else {
            return Err("a session is loaded once".into());
        };
        let Phase::Live(live) = &mut self.phase else {
            return Err("a session that was loaded lives".into());
        };
        observe::activated(began.elapsed());
        tracing::debug!(session_id = %self.entry.session, duration_ms = began.elapsed().as_millis(), "session activated");
        // Who asked may have gone.
        let _gone = activated.map(|activated| activated.send(Ok(())));
        for message in waiting {
            // Only an append has an outcome that ends a generation, and none is in flight yet.
            let _lives_on = live.receive(message);
        }
        live.settle(myself).await;
        Ok(())
    }

    /// Ends this generation: it leaves the registry first, then answers what is left, then stops.
    fn leave(&mut self, myself: &ActorRef<SessionMessage>, ending: Ending) {
        self.entry.leave(self.generation);
        let locale = match &self.phase {
            Phase::Live(live) => live.locale(),
            Phase::Loading { .. } | Phase::Leaving { .. } => Locale::default(),
        };
        let before = std::mem::replace(&mut self.phase, Phase::Leaving { ending, locale });
        let Some(ending) = self.ending() else { return };
        // What the phase before holds ends with it: agents are killed, the append in flight is given up.
        match before {
            Phase::Loading {
                waiting, activated, ..
            } => {
                if let (Some(activated), Ending::NotLoaded(failure)) = (activated, ending) {
                    // Who asked may have gone.
                    let _gone = activated.send(Err(failure.clone().into()));
                }
                for message in waiting {
                    turn_away(message, ending, locale);
                }
            }
            Phase::Live(live) => live.end(ending),
            Phase::Leaving { .. } => {}
        }
        // Refused only by an actor that is stopping already.
        let _stopping = myself.drain();
    }
}

/// Answers a question that nobody decided upon.
fn turn_away(message: SessionMessage, ending: &Ending, locale: Locale) {
    match message {
        SessionMessage::Command { reply, .. } => {
            reply.send(ending.answer(QuestionKind::Command, false, locale));
        }
        SessionMessage::View { reply, .. } => reply.send(ending.answer(QuestionKind::Read, false, locale)),
        SessionMessage::Inspect { reply } => reply.send(ending.answer(QuestionKind::Read, false, locale)),
        #[cfg(debug_assertions)]
        SessionMessage::Provoke { reply, .. } => reply.send(ending.answer(QuestionKind::Read, false, locale)),
        SessionMessage::Loaded(_)
        | SessionMessage::Appended(_)
        | SessionMessage::Agent { .. }
        | SessionMessage::Alarm
        | SessionMessage::Erased => {}
    }
}

/// A fact with its number, serialized: the only time that this happens to it.
pub(crate) fn journal_entry(session: SessionId, seq: Seq, fact: Fact) -> JournalEntry {
    let data = fact
        .event
        .data_json()
        .expect("an event's data has only texts as keys");
    let frame = Frame::new(session, seq, &fact.event.event_type(), fact.at, &data);
    JournalEntry { fact, frame }
}
