//! The supervisor of all sessions: starts generations, restarts crashed ones, gives up what crashes too often.
//!
//! It is the only one that installs a generation in the registry, so there is never a race for a session.

mod given_up;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use greenroom_protocol::{ErrorCode, Seq, SessionId};
use greenroom_session::{NewSession, playbook::Playbook};
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use self::given_up::{GivingUp, TakingUp};
use crate::observe;
use crate::registry::{Generation, Pinned};
use crate::reply::Refused;
use crate::restart_limit::{NotGivenUp, RestartWindow};
use crate::session::{Ending, LoadFailure, Origin, Session, SessionActor, SessionArguments};
use crate::shared::Shared;

/// How often it is looked whether the journal can be written again, while sessions wait for that.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// Sessions that are activated anew at each of these looks.
const RETRIES_AT_ONCE_MAX: usize = 64;
/// A session that the journal drops again and again is tried ever more rarely, down to this.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Where it is said whether a session can be asked now. Dropped by a generation that crashed before it knew.
pub(crate) type Activated = oneshot::Sender<Result<(), NotActivated>>;

/// Why a session cannot be asked.
#[derive(Debug)]
pub(crate) enum NotActivated {
    /// For a reason that anybody may know.
    Refused(Refused),
    /// Its log cannot be understood; what is wrong with it is for an operator.
    Damaged(String),
}

impl From<NotActivated> for Refused {
    fn from(error: NotActivated) -> Self {
        match error {
            NotActivated::Refused(refused) => refused,
            NotActivated::Damaged(_) => Self::code(ErrorCode::SysInternal),
        }
    }
}

/// What the supervisor is told.
pub(crate) enum SessionsMessage {
    /// Make sure that a generation of this session can be asked.
    Activate {
        /// Which session.
        session: SessionId,
        /// The generation that was found dead, if one was.
        dead: Option<Generation>,
        /// Where to answer.
        reply: Activated,
    },
    /// Begin a new session.
    Create {
        /// Which.
        new: Box<NewSession>,
        /// With which playbook.
        playbook: Arc<Playbook>,
        /// Where to answer.
        reply: Activated,
    },
    /// A session was erased: whoever uses it is sent away.
    Erased {
        /// Which.
        session: SessionId,
        /// Where to say that it was done.
        reply: oneshot::Sender<()>,
    },
    /// Take up a session that was given up: an operator restarts it.
    TakeUp {
        /// Which.
        session: SessionId,
        /// Why, for its log.
        reason: String,
        /// Where to say which event tells of it.
        reply: oneshot::Sender<Result<Seq, Refused>>,
    },
    /// The log of a session that was given up says that it is restarted, or could not be made to.
    TakenUp {
        /// Which.
        session: SessionId,
        /// The event that says so.
        result: Result<Seq, Refused>,
    },
    /// A session that crashed too often was marked as failed, or could not be for now.
    GaveUp {
        /// Which.
        session: SessionId,
        /// Whether it is marked.
        result: Result<(), NotGivenUp>,
    },
    /// Look whether the journal can be written again.
    Retry,
}

pub(crate) struct Sessions;

/// The state of the supervisor.
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    generations: u64,
    children: HashMap<ActorId, Child>,
    windows: HashMap<SessionId, RestartWindow>,
    /// Sessions that the journal dropped and that wait to be activated anew.
    parked: BTreeMap<SessionId, Parked>,
    giving_up: BTreeMap<SessionId, GivingUp>,
    taking_up: HashMap<SessionId, TakingUp>,
    retry: Option<AbortOnDropHandle<()>>,
}

/// A generation whose actor has not ended.
struct Child {
    session: SessionId,
    generation: Generation,
    pinned: Pinned,
    /// Who found it dead before its end was reported.
    waiting: Vec<Activated>,
}

/// A session that the journal dropped.
struct Parked {
    /// When it may be activated anew.
    from: Instant,
    /// Keeps the count of its drops.
    _pinned: Pinned,
}

impl Actor for Sessions {
    type Msg = SessionsMessage;
    type State = Supervisor;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        _: ActorRef<SessionsMessage>,
        shared: Arc<Shared>,
    ) -> Result<Supervisor, ActorProcessingErr> {
        Ok(Supervisor {
            shared,
            generations: 0,
            children: HashMap::new(),
            windows: HashMap::new(),
            parked: BTreeMap::new(),
            giving_up: BTreeMap::new(),
            taking_up: HashMap::new(),
            retry: None,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<SessionsMessage>,
        message: SessionsMessage,
        supervisor: &mut Supervisor,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SessionsMessage::Activate { session, dead, reply } => {
                supervisor.activate(&myself, session, dead, reply).await;
            }
            SessionsMessage::Create { new, playbook, reply } => {
                let session = new.id;
                supervisor
                    .start(&myself, session, Origin::New(new, playbook), Some(reply))
                    .await;
            }
            SessionsMessage::Erased { session, reply } => {
                supervisor.erased(session);
                // Who asked may have gone.
                let _gone = reply.send(());
            }
            SessionsMessage::GaveUp { session, result } => supervisor.gave_up(session, result),
            SessionsMessage::TakeUp {
                session,
                reason,
                reply,
            } => supervisor.take_up(&myself, session, reason, reply),
            SessionsMessage::TakenUp { session, result } => {
                supervisor.taken_up(&myself, session, result).await;
            }
            SessionsMessage::Retry => supervisor.retry(&myself).await,
        }
        supervisor.plan_retry(&myself);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<SessionsMessage>,
        event: SupervisionEvent,
        supervisor: &mut Supervisor,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(actor, state, _) => {
                let session = state.and_then(|mut state| state.take::<Session>().ok());
                let ending = session.as_ref().and_then(Session::ending);
                supervisor.ended(&myself, actor.get_id(), ending).await;
            }
            // Why it panicked is not logged here: the text of a panic may quote what people said.
            SupervisionEvent::ActorFailed(actor, _) => supervisor.crashed(&myself, actor.get_id()).await,
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        supervisor.plan_retry(&myself);
        Ok(())
    }
}

impl Supervisor {
    async fn activate(
        &mut self,
        myself: &ActorRef<SessionsMessage>,
        session: SessionId,
        dead: Option<Generation>,
        reply: Activated,
    ) {
        let registered = self
            .shared
            .registry
            .get(session)
            .and_then(|entry| Some((entry.generation()?, entry.actor()?)));
        match registered {
            Some((generation, actor)) if dead == Some(generation) => {
                if let Some(child) = self.children.get_mut(&actor) {
                    // Its end is on its way here, and decides what becomes of the session.
                    child.waiting.push(reply);
                } else {
                    self.start(myself, session, Origin::Existing, Some(reply)).await;
                }
            }
            Some(_) => {
                // Who asked may have gone.
                let _gone = reply.send(Ok(()));
            }
            None => {
                self.start(myself, session, Origin::Existing, Some(reply)).await;
            }
        }
    }

    /// Starts a generation and makes it the one that commands go to. Says whether it did.
    ///
    /// `activated` is answered by the generation itself, once it lives or knows that it never will: one that never
    /// lives may have left before anybody could ask it, and would be started again for each who tries.
    async fn start(
        &mut self,
        myself: &ActorRef<SessionsMessage>,
        session: SessionId,
        origin: Origin,
        activated: Option<Activated>,
    ) -> bool {
        if let Some(code) = self.refusal(session) {
            // Who asked may have gone.
            let refused = NotActivated::Refused(Refused::code(code));
            let _gone = activated.map(|activated| activated.send(Err(refused)));
            return false;
        }
        self.generations += 1;
        let generation = Generation(self.generations);
        let pinned = Pinned::new(&self.shared, session);
        let entry = pinned.entry.clone();
        let arguments = SessionArguments {
            shared: self.shared.clone(),
            entry: entry.clone(),
            generation,
            origin,
            activated,
        };
        let spawned = SessionActor::spawn_linked(None, SessionActor, arguments, myself.get_cell()).await;
        let actor = match spawned {
            Ok((actor, _ends_by_itself)) => actor,
            Err(error) => {
                tracing::error!(session_id = %session, %error, "session not started");
                return false;
            }
        };
        self.parked.remove(&session);
        let child = Child {
            session,
            generation,
            pinned,
            waiting: Vec::new(),
        };
        self.children.insert(actor.get_id(), child);
        entry.install(generation, actor);
        self.count_live();
        true
    }

    /// Why no generation of this session may start now, if none may.
    fn refusal(&self, session: SessionId) -> Option<ErrorCode> {
        if self.giving_up.contains_key(&session) {
            Some(ErrorCode::SessionRestartLimit)
        } else if self.taking_up.contains_key(&session) {
            Some(ErrorCode::SessionRestarting)
        } else if !self.shared.ports.journal.writable() {
            Some(ErrorCode::DbUnavailable)
        } else if self.shared.draining.load(Ordering::Relaxed) {
            Some(ErrorCode::SysDraining)
        } else if self.children.len() >= self.shared.live_max.load(Ordering::Relaxed) {
            Some(ErrorCode::SysOverloaded)
        } else {
            None
        }
    }

    /// A generation ended by itself, or was stopped.
    async fn ended(&mut self, myself: &ActorRef<SessionsMessage>, actor: ActorId, ending: Option<&Ending>) {
        let Some(child) = self.forget(actor) else { return };
        match ending {
            Some(
                Ending::JournalFailed
                | Ending::JournalUnknown
                | Ending::NotLoaded(LoadFailure::Unavailable(_)),
            ) => {
                self.park(&child);
            }
            // What it had under way goes on in the next generation, whether anybody asks for it or not.
            Some(Ending::Rebuilt) => {
                let is_taken_over = child.pinned.entry.generation().is_some();
                if !is_taken_over && !self.start(myself, child.session, Origin::Existing, None).await {
                    self.park(&child);
                }
            }
            Some(Ending::NotLoaded(failure @ (LoadFailure::Damaged(_) | LoadFailure::RestartLimit))) => {
                tracing::error!(session_id = %child.session, error = %failure, "session not activated");
            }
            Some(
                // Who took the session over goes on with it. If nobody does, recovery finds it.
                Ending::Fenced
                | Ending::Erased
                | Ending::Passivated
                | Ending::Stopped
                | Ending::NotLoaded(LoadFailure::NotFound | LoadFailure::Gone | LoadFailure::Panicked),
            )
            | None => {}
        }
        self.answer_waiting(myself, child).await;
    }

    /// A generation panicked: the session goes on from its log, unless it did so too often.
    async fn crashed(&mut self, myself: &ActorRef<SessionsMessage>, actor: ActorId) {
        let registered = self
            .children
            .get(&actor)
            .is_some_and(|child| child.pinned.entry.generation() == Some(child.generation));
        let Some(child) = self.forget(actor) else { return };
        let (max, window) = (self.shared.config.restarts_max, self.shared.config.restart_window);
        let now = Instant::now();
        self.windows.retain(|_, restarts| !restarts.forget(now, window));
        if !registered {
            tracing::error!(session_id = %child.session, "session crashed after it had left");
        } else if self
            .windows
            .entry(child.session)
            .or_default()
            .grant(now, max, window)
        {
            tracing::error!(session_id = %child.session, "session crashed and is restarted");
            observe::restarted();
            child.pinned.entry.count_restart();
            if !self.start(myself, child.session, Origin::Existing, None).await {
                self.park(&child);
            }
        } else {
            tracing::error!(session_id = %child.session, "session crashed too often and is given up");
            observe::given_up();
            let pinned = Pinned::new(&self.shared, child.session);
            let task = self.spawn_give_up(myself, &pinned);
            self.giving_up.insert(child.session, GivingUp::new(pinned, task));
        }
        self.answer_waiting(myself, child).await;
    }

    /// Nobody can open the session any more: what was about to be done for it is not done.
    fn erased(&mut self, session: SessionId) {
        self.parked.remove(&session);
        self.giving_up.remove(&session);
        if let Some(taking_up) = self.taking_up.remove(&session) {
            taking_up.end(Err(Refused::code(ErrorCode::SessionGone)));
        }
        self.windows.remove(&session);
        if let Some(entry) = self.shared.registry.get(session) {
            entry.erase();
        }
    }

    fn forget(&mut self, actor: ActorId) -> Option<Child> {
        let child = self.children.remove(&actor)?;
        child.pinned.entry.leave(child.generation);
        self.count_live();
        Some(child)
    }

    async fn answer_waiting(&mut self, myself: &ActorRef<SessionsMessage>, child: Child) {
        for reply in child.waiting {
            self.activate(myself, child.session, Some(child.generation), reply)
                .await;
        }
    }

    /// Lets a session wait until the journal can be written, unless it has a newer generation already.
    fn park(&mut self, child: &Child) {
        if child.pinned.entry.generation().is_some() {
            return;
        }
        let pause = retry_pause(child.pinned.entry.count_drop());
        let pinned = Pinned::new(&self.shared, child.session);
        self.parked.insert(
            child.session,
            Parked {
                from: Instant::now() + pause,
                _pinned: pinned,
            },
        );
    }

    /// Activates what waits for the journal, if it can be written.
    async fn retry(&mut self, myself: &ActorRef<SessionsMessage>) {
        self.retry = None;
        if !self.shared.ports.journal.writable() {
            return;
        }
        let now = Instant::now();
        let ready = self
            .parked
            .iter()
            .filter(|(_, parked)| parked.from <= now)
            .map(|(session, _)| *session);
        for session in ready.take(RETRIES_AT_ONCE_MAX).collect::<Vec<_>>() {
            // Refused when the journal has just failed again: then it stays parked.
            self.start(myself, session, Origin::Existing, None).await;
        }
        let unmarked = self
            .giving_up
            .iter()
            .filter(|(_, giving_up)| giving_up.task.is_none() && giving_up.from <= now);
        for session in unmarked.map(|(session, _)| *session).collect::<Vec<_>>() {
            if let Some(mut giving_up) = self.giving_up.remove(&session) {
                giving_up.task = Some(self.spawn_give_up(myself, &giving_up.pinned));
                self.giving_up.insert(session, giving_up);
            }
        }
    }

    /// Makes sure that somebody looks again, while something waits for the journal.
    fn plan_retry(&mut self, myself: &ActorRef<SessionsMessage>) {
        let waits =
            !self.parked.is_empty() || self.giving_up.values().any(|giving_up| giving_up.task.is_none());
        if self.retry.is_some() || !waits {
            return;
        }
        let myself = myself.clone();
        self.retry = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            sleep(RETRY_INTERVAL).await;
            // A supervisor that is gone has aborted this task.
            let _gone = myself.send_message(SessionsMessage::Retry);
        })));
    }

    fn count_live(&self) {
        let live = self.children.len();
        self.shared.live.store(live, Ordering::Relaxed);
        observe::sessions_live(live);
    }
}

/// How long to wait after so many failures in a row, of which there was one at least.
fn retry_pause(failures: u32) -> Duration {
    let factor = 1_u32 << failures.saturating_sub(1).min(16);
    RETRY_INTERVAL.saturating_mul(factor).min(RETRY_PAUSE_MAX)
}
