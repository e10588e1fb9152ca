//! The end of a session: it is fenced off first, then whoever uses it is sent away, then what it left is removed.
//!
//! Only the first step decides anything. A server that ends after it takes the rest up again at its next start.

use std::sync::Arc;

use futures_util::TryStreamExt;
use greenroom_protocol::SessionId;
use greenroom_session::blob_names::{blob_at, is_own, own_folders};
use greenroom_session::ports::{BlobError, EraseError, Erasure, Purged, ReadError};
use ractor::ActorRef;
use tokio::sync::oneshot;

use crate::observe;
use crate::sessions::SessionsMessage;
use crate::shared::Shared;

/// Why what an erased session left is still there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotRemoved {
    /// Nobody knows what it left.
    #[error("what is left is not known: {0}")]
    Unread(#[from] ReadError),
    /// Its blobs are there.
    #[error("a blob is left: {0}")]
    Blob(#[from] BlobError),
    /// Its events are there.
    #[error("events are left: {0}")]
    Events(#[from] EraseError),
}

/// Erases a session. When this returns nobody can use it any more, and what it left is removed, unless the store failed:
/// then that is tried again later.
pub(crate) async fn erase(
    shared: &Arc<Shared>,
    sessions: &ActorRef<SessionsMessage>,
    erasure: Erasure,
) -> Result<(), EraseError> {
    let (session, by) = (erasure.session_id, erasure.by);
    shared.ports.erasures.erase(erasure).await?;
    observe::erased(by);
    tracing::info!(session_id = %session, ?by, "session erased");
    let (reply, dismissed) = oneshot::channel();
    if sessions
        .send_message(SessionsMessage::Erased { session, reply })
        .is_ok()
    {
        // A supervisor that ends now takes every session with it.
        let _ended = dismissed.await;
    }
    if let Err(error) = remove(shared, session).await {
        tracing::warn!(session_id = %session, %error, "what an erased session left is removed later");
    }
    Ok(())
}

/// Removes what an erased session left: its blobs first, for its events are how they are found again.
pub(crate) async fn remove(shared: &Shared, session: SessionId) -> Result<(), NotRemoved> {
    let (blobs, erasures) = (&shared.ports.blobs, &shared.ports.erasures);
    let left = erasures.left_assets(&shared.tenant, session).await?;
    for blob in left
        .iter()
        .filter(|url| is_own(url))
        .filter_map(|url| blob_at(url))
    {
        match blobs.delete(&blob).await {
            // An asset of which an event tells that no blob could ever be.
            Ok(()) | Err(BlobError::InvalidName) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for folder in own_folders(session) {
        let mut entries = blobs.list(&folder);
        while let Some(entry) = entries.try_next().await? {
            blobs.delete(&entry.name).await?;
        }
    }
    while erasures.purge(&shared.tenant, session).await? == Purged::Partly {}
    Ok(())
}
