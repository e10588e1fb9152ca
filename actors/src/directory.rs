//! The one way to a session: the only place that knows where a session lives.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use greenroom_protocol::{ErrorBody, ErrorCode, Locale, Mode, Seq, SessionId};
use greenroom_session::ports::{EraseError, ErasedBy, Erasure, IdSource};
use greenroom_session::{
    Caller, Command, CommandKind, NewSession, OutsideCall, Receipt, SessionView, UserKey,
};
use ractor::ActorRef;
use serde_json::json;
use tokio::sync::oneshot;

use crate::activity::SessionActivity;
use crate::cursor::{Cursor, Listener};
use crate::erasing;
use crate::observe::{self, CommandOutcome};
use crate::registry::{Delivery, Generation, QuestionKind};
use crate::reply::{Outcome, Refused, ReplyTo, error};
use crate::restart_limit::{unfolded_view, unreadable};
use crate::session::{ActorSnapshot, SessionMessage};
use crate::sessions::{Activated, NotActivated, SessionsMessage};
use crate::shared::{Shared, lock};

/// How often a question is handed on to the next generation before it counts as lost.
const DELIVERIES_MAX: usize = 4;

/// A session that is to be.
#[derive(Debug, Clone)]
pub struct CreateSession {
    /// Whose it is; none makes it open to who knows its id.
    pub user: Option<UserKey>,
    /// The language to begin with.
    pub locale: Locale,
    /// How it spends.
    pub mode: Mode,
    /// The name of its playbook; none means the server's default.
    pub playbook: Option<String>,
}

/// Reaches every session.
#[derive(Clone)]
pub struct Directory {
    shared: Arc<Shared>,
    sessions: ActorRef<SessionsMessage>,
    ids: Arc<Mutex<Box<dyn IdSource>>>,
}

impl Directory {
    pub(crate) fn new(shared: Arc<Shared>, sessions: ActorRef<SessionsMessage>) -> Self {
        let ids = Arc::new(Mutex::new((shared.ports.ids)()));
        Self {
            shared,
            sessions,
            ids,
        }
    }

    /// Creates a session; its greeting is committed when this returns.
    pub async fn create(&self, new: CreateSession) -> Result<SessionView, Refused> {
        self.accepts_commands()?;
        let CreateSession {
            user,
            locale,
            mode,
            playbook,
        } = new;
        let playbooks = &self.shared.ports.playbooks;
        let playbook = match &playbook {
            Some(name) => playbooks.by_name(name),
            None => playbooks.default_playbook(),
        };
        let Some(playbook) = playbook else {
            let error = ErrorBody::new(ErrorCode::InputInvalid, locale)
                .with_details(json!({ "field": "playbook", "reason": "there is no playbook of this name" }));
            return Err(Refused::Rejected(Box::new(error)));
        };
        let id = SessionId::new(lock(&self.ids).next_ulid());
        let new = Box::new(NewSession {
            id,
            user,
            locale,
            mode,
        });
        self.supervise(|reply| SessionsMessage::Create { new, playbook, reply })
            .await?;
        match self.look(id, &Caller::Operator).await {
            // The append of its first facts had no known outcome, and was not found to be committed.
            Err(Refused::Rejected(error)) if error.code == ErrorCode::SessionNotFound => Err(Refused::Lost),
            answer => answer,
        }
    }

    /// Sends a command; what it made, and everything decided before it, is committed when this returns.
    ///
    /// The command is carried out even if the returned future is dropped.
    pub async fn send(&self, session: SessionId, command: Command) -> Result<Receipt, Refused> {
        let answer = match self.accepts(&command.kind).await {
            Ok(()) => {
                let message = |reply| SessionMessage::Command {
                    command: command.clone(),
                    reply,
                };
                self.ask(session, QuestionKind::Command, message).await
            }
            Err(refused) => Err(refused),
        };
        let outcome = match &answer {
            Ok(_) => CommandOutcome::Done,
            Err(Refused::Rejected(_)) => CommandOutcome::Rejected,
            Err(Refused::Lost) => CommandOutcome::Lost,
        };
        observe::command(&command.kind, outcome);
        answer
    }

    /// Shows a session as of its newest fact, once that is committed. A foreign one is `SESSION_NOT_FOUND`.
    pub async fn view(&self, session: SessionId, caller: &Caller) -> Result<SessionView, Refused> {
        self.look(session, caller).await
    }

    /// A cursor behind event `after`, or behind the view that comes with it. `SESSION_EVENT_AHEAD` if there is
    /// no such event yet. The session stays in memory as long as the cursor lives.
    ///
    /// The log of a session that cannot be activated any more, given up or damaged, is read all the same by who
    /// names an event; the view then tells no more than the list of sessions.
    pub async fn cursor(
        &self,
        session: SessionId,
        caller: &Caller,
        after: Option<Seq>,
    ) -> Result<(Cursor, SessionView), Refused> {
        let listener = Listener::new(self.shared.clone(), session);
        let view = match self.look(session, caller).await {
            Err(Refused::Rejected(error)) if after.is_some() && is_lasting(error.code) => {
                let view = unfolded_view(&self.shared, session, caller).await?;
                listener.entry().publish_head(view.as_of_seq);
                view
            }
            answer => answer?,
        };
        let head = view.as_of_seq;
        let position = after.unwrap_or(head);
        if position > head {
            let error = ErrorBody::new(ErrorCode::SessionEventAhead, view.locale)
                .with_details(json!({ "head": head }));
            return Err(Refused::Rejected(Box::new(error)));
        }
        Ok((Cursor::new(listener, position), view))
    }

    /// Erases a session with everything that is known of it; from then on it is `SESSION_GONE`, for everybody. What it
    /// has under way is cancelled, and whoever listens to it is sent away. A foreign one is `SESSION_NOT_FOUND`.
    ///
    /// It is carried out even if the returned future is dropped.
    pub async fn delete(&self, session: SessionId, caller: &Caller) -> Result<(), Refused> {
        self.accepts_commands()?;
        // Not the session itself: it may be one that cannot be folded any more.
        let listed = self
            .shared
            .ports
            .journal
            .listed(&self.shared.tenant, session)
            .await;
        let row = listed.map_err(|error| unreadable(session, &error))?;
        if !row.is_some_and(|row| caller.may_access(row.summary.user.as_ref())) {
            return Err(Refused::code(ErrorCode::SessionNotFound));
        }
        let erasure = Erasure {
            tenant: self.shared.tenant.clone(),
            session_id: session,
            by: match caller {
                Caller::Client(_) => ErasedBy::Client,
                Caller::Operator => ErasedBy::Operator,
            },
            at: self.shared.ports.clock.now(),
            only_if_idle_since: None,
        };
        let (shared, sessions) = (self.shared.clone(), self.sessions.clone());
        // The server waits for it before it stops; what is cut off all the same is taken up again at the next start.
        let busy = self.shared.mark_busy();
        let erasing = tokio::spawn(async move {
            let _busy = busy;
            erasing::erase(&shared, &sessions, erasure).await
        });
        match erasing.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(EraseError::NotFound | EraseError::InUse)) => {
                Err(Refused::code(ErrorCode::SessionNotFound))
            }
            Ok(Err(EraseError::Gone)) => Err(Refused::code(ErrorCode::SessionGone)),
            Ok(Err(EraseError::Unavailable(reason))) => {
                tracing::warn!(session_id = %session, reason, "session not erased");
                Err(Refused::code(ErrorCode::DbUnavailable))
            }
            Err(_panicked) => Err(Refused::Lost),
        }
    }

    /// Shows a session's actor, for an operator. Does not wait for the journal.
    pub async fn inspect(&self, session: SessionId) -> Result<ActorSnapshot, Refused> {
        self.ask(session, QuestionKind::Read, |reply| SessionMessage::Inspect {
            reply,
        })
        .await
    }

    /// The supervisor of all sessions.
    pub(crate) fn supervisor(&self) -> &ActorRef<SessionsMessage> {
        &self.sessions
    }

    /// What all actors of this server share.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Sessions in memory.
    pub fn live(&self) -> usize {
        self.shared.live.load(Ordering::Relaxed)
    }

    /// Changes how many sessions may be in memory at once. Those that are there stay.
    pub fn set_live_max(&self, sessions_max: usize) {
        self.shared.live_max.store(sessions_max, Ordering::Relaxed);
    }

    /// What each session in memory does now.
    pub fn activity(&self) -> Vec<SessionActivity> {
        self.shared
            .registry
            .entries()
            .iter()
            .map(SessionActivity::of)
            .collect()
    }

    async fn look(&self, session: SessionId, caller: &Caller) -> Result<SessionView, Refused> {
        let message = |reply| SessionMessage::View {
            caller: caller.clone(),
            reply,
        };
        self.ask(session, QuestionKind::Read, message).await
    }

    /// Whether a command is taken now: none that begins something while the disk is nearly full, and while the server
    /// drains only what goes on with something, or finishes it.
    async fn accepts(&self, kind: &CommandKind) -> Result<(), Refused> {
        let effect = effect_of(kind);
        match effect {
            Effect::Begins | Effect::Changes => self.accepts_commands()?,
            Effect::Continues | Effect::Finishes => self.accepts_facts()?,
        }
        if matches!(effect, Effect::Begins | Effect::Continues) && !self.shared.ports.journal.has_room().await
        {
            let error = error(ErrorCode::DbUnavailable, Locale::default())
                .with_details(json!({ "reason": "the disk is nearly full" }));
            return Err(Refused::Rejected(Box::new(error)));
        }
        Ok(())
    }

    /// Whether this server takes on nothing that is new.
    pub(crate) fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Relaxed)
    }

    fn accepts_commands(&self) -> Result<(), Refused> {
        if self.is_draining() {
            return Err(Refused::code(ErrorCode::SysDraining));
        }
        self.accepts_facts()
    }

    fn accepts_facts(&self) -> Result<(), Refused> {
        if !self.shared.ports.journal.writable() {
            return Err(Refused::code(ErrorCode::DbUnavailable));
        }
        Ok(())
    }

    /// Asks the current generation, activating one if need be. A generation that ends without having taken the
    /// question hands it on to the next.
    async fn ask<T>(
        &self,
        session: SessionId,
        kind: QuestionKind,
        message: impl Fn(ReplyTo<T>) -> SessionMessage,
    ) -> Result<T, Refused> {
        let mut deliveries = 0;
        while deliveries < DELIVERIES_MAX {
            let delivery = match self.shared.registry.get(session) {
                Some(entry) => entry.deliver(kind, &message),
                None => Delivery::Absent { dead: None },
            };
            match delivery {
                Delivery::Delivered(answer) => match answer.await {
                    Ok(Outcome::Done(answer)) => return Ok(answer),
                    Ok(Outcome::Rejected(error)) => return Err(Refused::Rejected(error)),
                    Ok(Outcome::NotTaken) => deliveries += 1,
                    // The generation crashed before it could answer.
                    Ok(Outcome::Lost) | Err(_) => break,
                },
                Delivery::Overloaded => return Err(Refused::code(ErrorCode::SysOverloaded)),
                Delivery::Absent { dead } => {
                    self.activate(session, dead).await?;
                    deliveries += 1;
                }
            }
        }
        observe::answer_lost();
        Err(Refused::Lost)
    }

    /// Makes sure that a generation of this session can be asked.
    pub(crate) async fn activate(
        &self,
        session: SessionId,
        dead: Option<Generation>,
    ) -> Result<(), NotActivated> {
        self.supervise(|reply| SessionsMessage::Activate { session, dead, reply })
            .await
    }

    async fn supervise(
        &self,
        message: impl FnOnce(Activated) -> SessionsMessage,
    ) -> Result<(), NotActivated> {
        let (sender, receiver) = oneshot::channel();
        // The error holds the message, and with it the sender whose end is waited for below.
        if self.sessions.send_message(message(sender)).is_err() {
            // The supervisor only ends with the server.
            return Err(NotActivated::Refused(Refused::code(ErrorCode::SysDraining)));
        }
        // Without an answer the generation crashed before it knew; what becomes of the session is found out by asking
        // again.
        receiver.await.unwrap_or(Ok(()))
    }
}

/// What a command means to a server that is short of time or of room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It begins a turn, a run or a call, or takes one up again.
    Begins,
    /// It books a call for what is under way outside: somebody who speaks, or a reply that is being spoken.
    Continues,
    /// It changes what is there.
    Changes,
    /// It tells what came of a call that was reserved, and is paid for, or of a reply that was given.
    Finishes,
}

fn effect_of(kind: &CommandKind) -> Effect {
    match kind {
        // Only live speech has no digest. Nobody who was connected before the drain is cut off amid a sentence.
        CommandKind::ReserveCall {
            call: OutsideCall::Transcribe { audio_digest: None } | OutsideCall::Speak { turn_id: Some(_) },
        } => Effect::Continues,
        CommandKind::UserMessage { spoken: None, .. }
        | CommandKind::ReserveCall { .. }
        | CommandKind::Generate { .. }
        | CommandKind::RetryRun { .. } => Effect::Begins,
        CommandKind::SetSlots { .. }
        | CommandKind::CancelRun { .. }
        | CommandKind::CancelResponse
        | CommandKind::Restart { .. }
        | CommandKind::Stop { .. } => Effect::Changes,
        // Said before the server began to drain; the turn of it is taken up again at the next start.
        CommandKind::UserMessage { spoken: Some(_), .. }
        | CommandKind::SettleCall { .. }
        | CommandKind::ReplyHeard { .. }
        | CommandKind::ReplyVoiced { .. }
        | CommandKind::KeepRecording { .. } => Effect::Finishes,
    }
}

/// Whether a session that could not be activated for this reason never will be, as far as anybody knows.
pub(crate) fn is_lasting(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::SessionRestartLimit | ErrorCode::SysInternal)
}
