//! What is removed without anybody asking: what erased sessions left, sessions that were kept long enough, and blobs
//! that nothing names.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use greenroom_protocol::{SessionId, Timestamp};
use greenroom_session::blob_names::{BlobKeeper, keeper_of};
use greenroom_session::ports::{BlobEntry, BlobError, EraseError, ErasedBy, Erasure, ReadError};
use tokio::time::sleep;

use crate::Directory;
use crate::erasing;
use crate::observe;
use crate::shared::Shared;

/// How often it is looked for sessions and blobs that are to go.
const SWEEP_INTERVAL: Duration = Duration::from_hours(6);
/// How often it is looked for erasures that were not finished.
const UNFINISHED_INTERVAL: Duration = Duration::from_mins(1);
/// A blob is stored before the event that names it, which may be delayed: a younger one is left alone.
const ORPHAN_AGE_MIN: Duration = Duration::from_hours(24);
/// Sessions, or blobs, that are looked at at once.
const PAGE: usize = 256;

/// Why a sweep did not get to its end.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    /// The store cannot be read.
    #[error(transparent)]
    Unread(#[from] ReadError),
    /// The blobs cannot be listed or removed.
    #[error("the blobs: {0}")]
    Blobs(#[from] BlobError),
    /// A session cannot be erased.
    #[error("a session: {0}")]
    Erase(EraseError),
}

/// Runs until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>, directory: Directory) {
    let finishing = async {
        loop {
            finish_erasures(&shared).await;
            sleep(UNFINISHED_INTERVAL).await;
        }
    };
    let sweeping = async {
        loop {
            if let Err(error) = retire(&shared, &directory).await {
                tracing::warn!(%error, "sessions that were kept long enough are erased later");
            }
            match sweep_blobs(&shared).await {
                Ok(0) => {}
                Ok(blobs) => tracing::info!(blobs, "removed blobs that nothing names"),
                Err(error) => tracing::warn!(%error, "blobs that nothing names are removed later"),
            }
            sleep(SWEEP_INTERVAL).await;
        }
    };
    tokio::join!(finishing, sweeping);
}

/// Goes on with what a server before this one, or a failing disk, left unfinished.
async fn finish_erasures(shared: &Shared) {
    let unfinished = match shared.ports.erasures.unfinished(&shared.tenant, PAGE).await {
        Ok(unfinished) => unfinished,
        Err(error) => {
            tracing::warn!(%error, "erasures that were not finished are not known");
            return;
        }
    };
    for session in unfinished {
        match erasing::remove(shared, session).await {
            Ok(()) => tracing::info!(session_id = %session, "an erasure is finished"),
            Err(error) => {
                tracing::warn!(session_id = %session, %error, "what an erased session left is removed later");
            }
        }
    }
}

/// Erases sessions that were kept for as long as the configuration says, unless somebody uses them.
async fn retire(shared: &Arc<Shared>, directory: &Directory) -> Result<(), SweepError> {
    let Some(kept) = shared.config.sessions_kept else {
        return Ok(());
    };
    let erasures = &shared.ports.erasures;
    let before = ago(shared.ports.clock.now(), kept);
    let mut after = None;
    loop {
        let idle = erasures.idle_since(&shared.tenant, before, after, PAGE).await?;
        let Some(last) = idle.last() else { return Ok(()) };
        after = Some(*last);
        for session in idle {
            let is_watched = shared
                .registry
                .get(session)
                .is_some_and(|entry| entry.listeners() > 0);
            if is_watched {
                continue;
            }
            let erasure = Erasure {
                tenant: shared.tenant.clone(),
                session_id: session,
                by: ErasedBy::Retention,
                at: shared.ports.clock.now(),
                only_if_idle_since: Some(before),
            };
            match erasing::erase(shared, directory.supervisor(), erasure).await {
                // Somebody was quicker.
                Ok(()) | Err(EraseError::NotFound | EraseError::Gone | EraseError::InUse) => {}
                Err(error @ EraseError::Unavailable(_)) => return Err(SweepError::Erase(error)),
            }
            sleep(shared.config.sweep_pace).await;
        }
    }
}

/// Removes blobs that nothing names; how many there were.
async fn sweep_blobs(shared: &Shared) -> Result<usize, SweepError> {
    let young = ago(shared.ports.clock.now(), ORPHAN_AGE_MIN);
    let mut blobs = shared.ports.blobs.list("");
    let mut page = Vec::new();
    let mut swept = 0;
    let mut sweeper = BlobSweeper { shared, pinned: None };
    while let Some(blob) = blobs.try_next().await? {
        if blob.modified < young {
            page.push((keeper_of(&blob.name), blob));
        }
        if page.len() == PAGE {
            swept += sweeper.sweep(std::mem::take(&mut page)).await?;
        }
    }
    Ok(swept + sweeper.sweep(page).await?)
}

struct BlobSweeper<'a> {
    shared: &'a Shared,
    /// Playbooks that sessions are pinned to, once somebody had to know.
    pinned: Option<HashSet<String>>,
}

impl BlobSweeper<'_> {
    /// Removes those that nothing keeps; how many there were.
    async fn sweep(&mut self, page: Vec<(BlobKeeper, BlobEntry)>) -> Result<usize, SweepError> {
        let Shared { ports, tenant, .. } = self.shared;
        let urls: Vec<String> = page.iter().filter_map(|(keeper, _)| url(keeper)).collect();
        let named = ports.erasures.named_assets(tenant, &urls).await?;
        let sessions: Vec<SessionId> = page.iter().filter_map(|(keeper, _)| session(keeper)).collect();
        let present = ports.erasures.present(tenant, &sessions).await?;
        let mut swept = 0;
        for (keeper, blob) in page {
            let is_kept = match keeper {
                BlobKeeper::Event { url } => named.contains(&url),
                BlobKeeper::Session(session) => present.contains(&session),
                BlobKeeper::Playbook { hash } => self.is_playbook_kept(&hash).await?,
                BlobKeeper::Server | BlobKeeper::Unknown => true,
            };
            if !is_kept {
                // One that cannot be removed now must not keep those after it.
                match ports.blobs.delete(&blob.name).await {
                    Ok(()) => {
                        observe::blob_swept();
                        swept += 1;
                    }
                    Err(error) => {
                        tracing::warn!(name = blob.name, %error, "an orphaned blob was not removed");
                    }
                }
                sleep(self.shared.config.sweep_pace).await;
            }
        }
        Ok(swept)
    }

    async fn is_playbook_kept(&mut self, hash: &str) -> Result<bool, SweepError> {
        let Shared { ports, tenant, .. } = self.shared;
        if ports.playbooks.offers(hash) {
            return Ok(true);
        }
        let pinned = match self.pinned.take() {
            Some(pinned) => pinned,
            None => ports.erasures.pinned_playbooks(tenant).await?,
        };
        Ok(self.pinned.insert(pinned).contains(hash))
    }
}

fn url(keeper: &BlobKeeper) -> Option<String> {
    match keeper {
        BlobKeeper::Event { url } => Some(url.clone()),
        BlobKeeper::Session(_) | BlobKeeper::Playbook { .. } | BlobKeeper::Server | BlobKeeper::Unknown => {
            None
        }
    }
}

fn session(keeper: &BlobKeeper) -> Option<SessionId> {
    match keeper {
        BlobKeeper::Session(session) => Some(*session),
        BlobKeeper::Event { .. } | BlobKeeper::Playbook { .. } | BlobKeeper::Server | BlobKeeper::Unknown => {
            None
        }
    }
}

fn ago(now: Timestamp, span: Duration) -> Timestamp {
    let span_ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_ms(now.unix_ms().saturating_sub(span_ms))
}
