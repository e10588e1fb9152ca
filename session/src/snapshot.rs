//! A fold that is kept, so that a long log need not be read from its first fact. It follows from the log and is worth
//! nothing beside it: one that cannot be used is as good as none.

use greenroom_protocol::{Seq, SessionId};
use serde_json::error::Category;

use crate::State;
use crate::ports::Snapshot;

/// Which fold this is. Raised whenever the state that a log folds to changes, or the way that it is written: a snapshot
/// of another version is not read. The golden journals fold to something else when it was forgotten.
pub const FOLD_VERSION: u32 = 1;

/// Why a snapshot cannot be used. What is left is the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Another release folded it.
    #[error("it is of version {found} of the fold, and this is version {FOLD_VERSION}")]
    Version {
        /// The version that it has.
        found: u32,
    },
    /// It cannot be understood.
    #[error("it is not understood: {kind:?} error at column {column}")]
    Unreadable {
        /// What kind of error it is; its text may quote what people said.
        kind: Category,
        /// Where.
        column: usize,
    },
    /// It is of another session, or of more than the log has.
    #[error("it is of event {state_head} of {session}, kept as event {head} of a log of {log_head}")]
    Misplaced {
        /// The session that it is of.
        session: SessionId,
        /// The last fact in it.
        state_head: Seq,
        /// The last fact that it was kept as.
        head: Seq,
        /// The last event of the log.
        log_head: Seq,
    },
}

impl Snapshot {
    /// Of a state whose facts are all committed.
    pub fn of(state: &State) -> Self {
        Self {
            head: state.head,
            fold_version: FOLD_VERSION,
            state: encode(state).into(),
        }
    }

    /// The state of a session whose log has so many events; what comes after [`State::head`] is still to be folded.
    pub fn restore(&self, session: SessionId, log_head: Seq) -> Result<State, Unusable> {
        if self.fold_version != FOLD_VERSION {
            return Err(Unusable::Version {
                found: self.fold_version,
            });
        }
        let state = decode(&self.state)?;
        if state.id != session || state.head != self.head || state.head > log_head {
            return Err(Unusable::Misplaced {
                session: state.id,
                state_head: state.head,
                head: self.head,
                log_head,
            });
        }
        Ok(state)
    }
}

/// A state as JSON.
pub fn encode(state: &State) -> Vec<u8> {
    serde_json::to_vec(state).expect("a state has only texts as keys")
}

/// The state that was encoded.
pub fn decode(bytes: &[u8]) -> Result<State, Unusable> {
    serde_json::from_slice(bytes).map_err(|error| Unusable::Unreadable {
        kind: error.classify(),
        column: error.column(),
    })
}
