//! From the log to a session that can decide: opens the journal, folds, and finds the pinned playbook.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use greenroom_protocol::{ErrorCode, Seq, SessionId};
use greenroom_session::ports::{OpenError, OpenMode, Opened, ReadError, StoredFact};
use greenroom_session::{Fact, NewSession, State, playbook::Playbook};
use ractor::ActorRef;
use tokio_util::task::AbortOnDropHandle;

use super::{SessionMessage, snapshots};
use crate::PlaybookUnavailable;
use crate::reply::Refused;
use crate::restart_limit::was_given_up;
use crate::sessions::NotActivated;
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
    Folded {
        state: Box<State>,
        /// The last fact of the snapshot that it was begun from, if there was one.
        kept: Seq,
    },
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

impl From<LoadFailure> for NotActivated {
    fn from(failure: LoadFailure) -> Self {
        let code = failure.code();
        match failure {
            LoadFailure::Damaged(reason) => Self::Damaged(reason),
            LoadFailure::NotFound
            | LoadFailure::Gone
            | LoadFailure::RestartLimit
            | LoadFailure::Unavailable(_)
            | LoadFailure::Panicked => Self::Refused(Refused::code(code)),
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
            ReadError::Gone => Self::Gone,
            ReadError::Damaged(reason) => Self::Damaged(reason),
        }
    }
}

impl From<PlaybookUnavailable> for LoadFailure {
    fn from(error: PlaybookUnavailable) -> Self {
        match error {
            PlaybookUnavailable::Unreachable(reason) => Self::Unavailable(reason),
            PlaybookUnavailable::Damaged(reason) => Self::Damaged(format!("its playbook: {reason}")),
        }
    }
}

/// Loads in a task of its own, which ends with the handle; the session gets the result as a message. With `mistrusts`
/// the log is folded from its first fact, whatever is kept.
pub(crate) fn spawn(
    shared: Arc<Shared>,
    session: SessionId,
    origin: Origin,
    mistrusts: bool,
    actor: ActorRef<SessionMessage>,
) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let loading = AssertUnwindSafe(load(&shared, session, origin, mistrusts)).catch_unwind();
        let result = loading.await.unwrap_or(Err(LoadFailure::Panicked));
        // An actor that is gone has aborted this task.
        let _gone = actor.send_message(SessionMessage::Loaded(Box::new(result)));
    }))
}

async fn load(
    shared: &Shared,
    session: SessionId,
    origin: Origin,
    mistrusts: bool,
) -> Result<Loaded, LoadFailure> {
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
            let (state, kept) = fold(shared, session, opened.head, mistrusts).await?;
            let playbook = shared.ports.playbooks.pinned(&state.playbook.hash).await?;
            Ok(Loaded {
                opened,
                playbook,
                beginning: Beginning::Folded {
                    state: Box::new(state),
                    kept,
                },
            })
        }
    }
}

/// The state of a session, and the last fact of the snapshot that it was begun from.
async fn fold(
    shared: &Shared,
    session: SessionId,
    head: Seq,
    mistrusts: bool,
) -> Result<(State, Seq), LoadFailure> {
    let is_short = head.0 <= PAGE_FACTS_MAX as u64;
    let first_page = if is_short {
        read(shared, session, Seq::ZERO, PAGE_FACTS_MAX).await?
    } else {
        Vec::new()
    };
    let last = last_fact(shared, session, head, &first_page).await?;
    // Before anything is folded: folding may be what crashed.
    if was_given_up(&last) {
        return Err(LoadFailure::RestartLimit);
    }
    let resumes = !is_short && !mistrusts && !snapshots::is_to_be_rebuilt(&last);
    if resumes && let Some(resumed) = resume(shared, session, head).await? {
        return Ok(resumed);
    }
    let first_page = if is_short {
        first_page
    } else {
        read(shared, session, Seq::ZERO, PAGE_FACTS_MAX).await?
    };
    let Some((first, rest)) = first_page.split_first() else {
        return Err(LoadFailure::Damaged("the log is empty".to_owned()));
    };
    let mut state =
        State::begin(session, &first.fact).map_err(|error| LoadFailure::Damaged(error.to_string()))?;
    #[cfg(debug_assertions)]
    panic_if_poisoned(shared, rest);
    evolve(&mut state, rest)?;
    fold_rest(shared, &mut state, head).await?;
    Ok((state, Seq::ZERO))
}

/// The state by the newest snapshot and what was committed since; none if that does not work out.
async fn resume(shared: &Shared, session: SessionId, head: Seq) -> Result<Option<(State, Seq)>, LoadFailure> {
    let Some(mut state) = snapshots::newest(shared, session, head).await? else {
        return Ok(None);
    };
    let kept = state.head;
    let folding = AssertUnwindSafe(fold_rest(shared, &mut state, head)).catch_unwind();
    match folding.await.unwrap_or(Err(LoadFailure::Panicked)) {
        Ok(()) => Ok(Some((state, kept))),
        Err(failure @ (LoadFailure::Damaged(_) | LoadFailure::Panicked)) => {
            tracing::warn!(session_id = %session, %failure, "a snapshot leads to nothing");
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

/// Folds what is in the log and not in the state.
async fn fold_rest(shared: &Shared, state: &mut State, head: Seq) -> Result<(), LoadFailure> {
    while state.head < head {
        let page = read(shared, state.id, state.head, PAGE_FACTS_MAX).await?;
        if page.is_empty() {
            return Err(LoadFailure::Damaged(format!(
                "events after {} are missing",
                state.head
            )));
        }
        #[cfg(debug_assertions)]
        panic_if_poisoned(shared, &page);
        evolve(state, &page)?;
    }
    Ok(())
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

/// The last fact of a log, of which the first page may have been read already.
pub(crate) async fn last_fact(
    shared: &Shared,
    session: SessionId,
    head: Seq,
    first_page: &[StoredFact],
) -> Result<Fact, LoadFailure> {
    if let Some(last) = first_page.last()
        && last.frame.seq == head
    {
        return Ok(last.fact.clone());
    }
    let before = Seq(head.0.saturating_sub(1));
    let page = read(shared, session, before, 1).await?;
    let last = page.into_iter().next().map(|last| last.fact);
    last.ok_or_else(|| LoadFailure::Damaged(format!("event {head} is missing")))
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
