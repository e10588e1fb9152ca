//! The end of a session: what is removed with it, and what is left behind by accident.

use std::collections::HashSet;

use async_trait::async_trait;
use greenroom_protocol::{SessionId, Timestamp};

use super::{ReadError, TenantId};

/// Who had a session erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasedBy {
    /// A client who may use it.
    Client,
    /// An operator.
    Operator,
    /// Nobody: it was kept for as long as the configuration says.
    Retention,
}

/// A session that is to be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Whose database.
    pub tenant: TenantId,
    /// Which session.
    pub session_id: SessionId,
    /// Who wants it.
    pub by: ErasedBy,
    /// When.
    pub at: Timestamp,
    /// Only if nothing was told in it since then and nothing is due in it.
    pub only_if_idle_since: Option<Timestamp>,
}

/// Why a session was not erased.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EraseError {
    /// There is no such session.
    #[error("no such session")]
    NotFound,
    /// It was erased already.
    #[error("the session was deleted")]
    Gone,
    /// It is in use, and was to be erased only if it is not.
    #[error("the session is in use")]
    InUse,
    /// The store cannot be used now.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// Whether anything of an erased session is left in its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purged {
    /// There is more to remove.
    Partly,
    /// Nothing is left but its tombstone and the audit's entry.
    Wholly,
}

/// Erases sessions. What is large is removed in parts, so that no other session waits behind it.
#[async_trait]
pub trait Erasures: Send + Sync + 'static {
    /// Ends a session for good, in one transaction through the journal's writer: it has a tombstone and a new epoch, so
    /// that whatever is appended late is refused; lists and look-ups know it no more; the audit has an entry without
    /// content. Its events and its blobs are still there, and it is remembered that they are to go.
    async fn erase(&self, erasure: Erasure) -> Result<(), EraseError>;

    /// Removes the next part of an erased session's events. When nothing is left it is forgotten that something was to
    /// go, so its blobs must be gone before the last part is.
    async fn purge(&self, tenant: &TenantId, session: SessionId) -> Result<Purged, EraseError>;

    /// The urls of the assets that an erased session has left.
    async fn left_assets(&self, tenant: &TenantId, session: SessionId) -> Result<Vec<String>, ReadError>;

    /// Sessions that are erased and not gone yet, by their ids.
    async fn unfinished(&self, tenant: &TenantId, limit: usize) -> Result<Vec<SessionId>, ReadError>;

    /// Sessions after one, by their ids, in which nothing was told since then and nothing is due.
    async fn idle_since(
        &self,
        tenant: &TenantId,
        before: Timestamp,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, ReadError>;

    /// Those of these urls that some event names.
    async fn named_assets(&self, tenant: &TenantId, urls: &[String]) -> Result<HashSet<String>, ReadError>;

    /// Those of these sessions that are there.
    async fn present(
        &self,
        tenant: &TenantId,
        sessions: &[SessionId],
    ) -> Result<HashSet<SessionId>, ReadError>;

    /// The content hashes of the playbooks that some session is pinned to.
    async fn pinned_playbooks(&self, tenant: &TenantId) -> Result<HashSet<String>, ReadError>;
}
