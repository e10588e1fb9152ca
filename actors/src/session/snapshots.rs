//! When the fold of a session is kept, and how a generation begins from what was kept.

use greenroom_protocol::{Event, Seq, SessionId};
use greenroom_session::ports::{Epoch, ReadError, Snapshot};
use greenroom_session::{Fact, State};

use crate::shared::Shared;

/// Facts that are committed before the fold is kept anew while the session lives.
const INTERVAL_FACTS: u64 = 1_000;
/// Facts for which the fold is kept when the session leaves memory: what fewer take is one read more, and the most
/// sessions never have so many.
const LEAVING_FACTS_MIN: u64 = 500;
/// A state that is larger is not kept: it would take the journal's writer longer than appends should wait.
const STATE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What is kept of one session's fold.
pub(super) struct Snapshots {
    /// The last fact of it.
    kept: Seq,
}

impl Snapshots {
    /// So much is kept.
    pub(super) fn since(kept: Seq) -> Self {
        Self { kept }
    }

    /// Facts were committed: keeps the fold if there were many, and if it holds nothing that is not committed.
    pub(super) fn committed(&mut self, shared: &Shared, epoch: Epoch, state: &State, committed: Seq) {
        if state.head == committed {
            self.keep_after(INTERVAL_FACTS, shared, epoch, state);
        }
    }

    /// The session leaves memory, and all of its facts are committed.
    pub(super) fn leaving(&mut self, shared: &Shared, epoch: Epoch, state: &State) {
        self.keep_after(LEAVING_FACTS_MIN, shared, epoch, state);
    }

    fn keep_after(&mut self, facts: u64, shared: &Shared, epoch: Epoch, state: &State) {
        if state.head.0 - self.kept.0 < facts {
            return;
        }
        self.kept = state.head;
        let snapshot = Snapshot::of(state);
        let state_bytes = snapshot.state.len();
        if state_bytes > STATE_BYTES_MAX {
            tracing::warn!(session_id = %state.id, state_bytes, "the fold is too large to be kept");
            return;
        }
        let journal = &shared.ports.journal;
        journal.keep_snapshot(&shared.tenant, state.id, epoch, snapshot);
    }
}

/// The state of the newest snapshot of a session, if there is one that can be used.
pub(super) async fn newest(
    shared: &Shared,
    session: SessionId,
    log_head: Seq,
) -> Result<Option<State>, ReadError> {
    let snapshot = match shared.ports.journal.snapshot(&shared.tenant, session).await {
        Ok(Some(snapshot)) => snapshot,
        Ok(None) => return Ok(None),
        Err(ReadError::Damaged(reason)) => {
            tracing::warn!(session_id = %session, reason, "a snapshot cannot be read");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let restored = snapshot.restore(session, log_head);
    let state = restored.inspect_err(|error| {
        tracing::warn!(session_id = %session, %error, "a snapshot cannot be used");
    });
    Ok(state.ok())
}

/// Whether the log, ending like this, is to be folded from its first fact whatever is kept: an operator restarted the
/// session, perhaps because of its state.
pub(super) fn is_to_be_rebuilt(last: &Fact) -> bool {
    matches!(last.event, Event::SessionRestarted(_))
}
