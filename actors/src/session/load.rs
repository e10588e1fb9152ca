//! From the log to a session that can decide: opens the journal, folds, and finds the pinned playbook.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use greenroom_protocol::{ErrorCode, Seq, SessionId};
use greenroom_session::ports::{OpenError, OpenMode, Opened, ReadError, StoredFact};
use greenroom_session::{NewSession, State, playbook::Playbook};
use ractor::ActorRef;
use tokio_util::task::AbortOnDropHandle;

use super::SessionMessage;
use crate::PlaybookUnavailable;
use crate::restart_limit::was_given_up;
use crate::shared::Shared;

/// Facts that are read at once while a log is folded.
const PAGE_FACTS_MAX: usize = 500;

/// What a generation begins with.
pub(crate) enum Origin {
    /// The log.
    Existing,
    /// Nothing: the session is new.
    New(Box<NewSession>, Arc<Playbook>),
}

/// What a session needs to live.
pub(crate) struct Loaded {
    pub(crate) opened: Opened,
    pub(crate) playbook: Arc<Playbook>,
    pub(crate) beginning: Beginning,
}

pub(crate) enum Beginning {
    /// The fold of the log.
    Folded(Box<State>),
    /// There is no log yet.
    New(Box<NewSession>),
}

/// Why a session cannot live.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoadFailure {
    /// There is no such session.
    #[error("no such session")]
    NotFound,
    /// It was deleted.
    #[error("the session was deleted")]
    Gone,
    /// It crashed too often, and no operator has restarted it.
    #[error("the session crashed too often")]
    RestartLimit,
    /// What is needed cannot be read now.
    #[error("the session cannot be read now: {0}")]
    Unavailable(String),
    /// What is stored cannot be understood.
    #[error("the session is damaged: {0}")]
    Damaged(String),
    /// Folding panicked.
    #[error("folding panicked")]
    Panicked,
}

impl LoadFailure {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound => ErrorCode::SessionNotFound,
            Self::Gone => ErrorCode::SessionGone,
            Self::RestartLimit => ErrorCode::SessionRestartLimit,
            Self::Unavailable(_) => ErrorCode::DbUnavailable,
            Self::Damaged(_) | Self::Panicked => ErrorCode::SysInternal,
        }
    }
}

impl From<OpenError> for LoadFailure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotFound => Self::NotFound,
            OpenError::Gone => Self::Gone,
            OpenError::Exists => Self::Damaged(error.to_string()),
            OpenError::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

impl From<ReadError> for LoadFailure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(reason) => Self::Unavailable(reason),
            ReadError::Damaged(reason) => Self::Damaged(reason),
        }
    }
}

impl From<PlaybookUnavailable> for LoadFailure {
    fn from(error: PlaybookUnavailable) -> Self {
        match error {
            PlaybookUnavailable::Unreachable(reason) => Self::Unavailable(reason),
            PlaybookUnavailable::Damaged(reason) => Self::Damaged(reason),
        }
    }
}

/// Loads in a task of its own, which ends with the handle; the session gets the result as a message.
pub(crate) fn spawn(
    shared: Arc<Shared>,
    session: SessionId,
    origin: Origin,
    actor: ActorRef<SessionMessage>,
) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let loading = AssertUnwindSafe(load(&shared, session, origin)).catch_unwind();
        let result = loading.await.unwrap_or(Err(LoadFailure::Panicked));
        // An actor that is gone has aborted this task.
        let _gone = actor.send_message(SessionMessage::Loaded(Box::new(result)));
    }))
}

async fn load(shared: &Shared, session: SessionId, origin: Origin) -> Result<Loaded, LoadFailure> {
    let journal = &shared.ports.journal;
    match origin {
        Origin::New(new, playbook) => {
            let opened = journal.open(&shared.tenant, session, OpenMode::New).await?;
            Ok(Loaded {
                opened,
                playbook,
                beginning: Beginning::New(new),
            })
        }
        Origin::Existing => {
            let opened = journal.open(&shared.tenant, session, OpenMode::Existing).await?;
            let state = fold(shared, session, opened.head).await?;
            let playbook = shared.ports.playbooks.pinned(&state.playbook.hash).await?;
            Ok(Loaded {
                opened,
                playbook,
                beginning: Beginning::Folded(Box::new(state)),
            })
        }
    }
}

async fn fold(shared: &Shared, session: SessionId, head: Seq) -> Result<State, LoadFailure> {
    let page = read(shared, session, Seq::ZERO, PAGE_FACTS_MAX).await?;
    refuse_given_up(shared, session, head, &page).await?;
    let Some((first, rest)) = page.split_first() else {
        return Err(LoadFailure::Damaged("the log is empty".to_owned()));
    };
    let mut state =
        State::begin(session, &first.fact).map_err(|error| LoadFailure::Damaged(error.to_string()))?;
    #[cfg(debug_assertions)]
    panic_if_poisoned(shared, rest);
    evolve(&mut state, rest)?;
    while state.head < head {
        let page = read(shared, session, state.head, PAGE_FACTS_MAX).await?;
        if page.is_empty() {
            return Err(LoadFailure::Damaged(format!(
                "events after {} are missing",
                state.head
            )));
        }
        #[cfg(debug_assertions)]
        panic_if_poisoned(shared, &page);
        evolve(&mut state, &page)?;
    }
    Ok(state)
}

/// Panics as a fold would that some fact makes panic each time, if a test asked for that.
#[cfg(debug_assertions)]
fn panic_if_poisoned(shared: &Shared, page: &[StoredFact]) {
    let Some(poison) = &shared.config.faults.panic_fold_on else {
        return;
    };
    let is_poison = |stored: &StoredFact| match &stored.fact.event {
        greenroom_protocol::Event::MessageAdded(message) => message.text == *poison,
        _ => false,
    };
    assert!(!page.iter().any(is_poison), "a fault was asked for");
}

fn evolve(state: &mut State, page: &[StoredFact]) -> Result<(), LoadFailure> {
    for stored in page {
        if stored.frame.seq != state.head.next() {
            let reason = format!("event {} follows event {}", stored.frame.seq, state.head);
            return Err(LoadFailure::Damaged(reason));
        }
        state.evolve(&stored.fact);
    }
    Ok(())
}

/// Looks at the last fact before anything is folded: folding may be what crashed.
async fn refuse_given_up(
    shared: &Shared,
    session: SessionId,
    head: Seq,
    first_page: &[StoredFact],
) -> Result<(), LoadFailure> {
    let given_up = match first_page.last() {
        Some(last) if last.frame.seq < head => {
            let page = read(shared, session, Seq(head.0 - 1), 1).await?;
            page.first().is_some_and(|last| was_given_up(&last.fact))
        }
        Some(last) => was_given_up(&last.fact),
        None => false,
    };
    if given_up {
        Err(LoadFailure::RestartLimit)
    } else {
        Ok(())
    }
}

async fn read(
    shared: &Shared,
    session: SessionId,
    after: Seq,
    limit: usize,
) -> Result<Vec<StoredFact>, LoadFailure> {
    Ok(shared
        .ports
        .journal
        .read(&shared.tenant, session, after, limit)
        .await?)
}
