//! The playbooks of this server, and those that older sessions are pinned to.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use greenroom_session::blob_names::playbook_blob;
use greenroom_session::playbook::{Bundle, Playbook};
use greenroom_session::ports::{BlobError, Blobs};
use tokio::sync::Mutex;

/// Why the playbook that a session is pinned to cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaybookUnavailable {
    /// The store cannot be used now; it may be had later.
    #[error("the playbook cannot be read now: {0}")]
    Unreachable(String),
    /// It is not there, or cannot be understood; an operator must look at it.
    #[error("the playbook is damaged: {0}")]
    Damaged(String),
}

/// The playbooks of this server by name, and those that older sessions are pinned to by content hash.
pub struct PlaybookLibrary {
    default_name: String,
    loaded: Vec<Arc<Playbook>>,
    blobs: Arc<dyn Blobs>,
    /// Playbooks read from blobs, as long as a session uses them. The lock is held while one is read, so that
    /// many sessions that wake together read theirs once.
    pinned: Mutex<HashMap<String, Weak<Playbook>>>,
}

impl PlaybookLibrary {
    /// A library of the playbooks that new sessions may have; `default_name` is for those that name none.
    pub fn new(default_name: impl Into<String>, loaded: Vec<Arc<Playbook>>, blobs: Arc<dyn Blobs>) -> Self {
        Self {
            default_name: default_name.into(),
            loaded,
            blobs,
            pinned: Mutex::default(),
        }
    }

    /// The playbook of a new session.
    pub fn by_name(&self, name: &str) -> Option<Arc<Playbook>> {
        self.loaded
            .iter()
            .find(|playbook| playbook.reference.name == name)
            .cloned()
    }

    /// The playbook of a new session that names none.
    pub fn default_playbook(&self) -> Option<Arc<Playbook>> {
        self.by_name(&self.default_name)
    }

    /// Whether new sessions may be pinned to the playbook of this content hash.
    pub(crate) fn offers(&self, hash: &str) -> bool {
        self.loaded.iter().any(|playbook| playbook.reference.hash == hash)
    }

    /// The playbook of an existing session, by its content hash.
    pub async fn pinned(&self, hash: &str) -> Result<Arc<Playbook>, PlaybookUnavailable> {
        if let Some(playbook) = self
            .loaded
            .iter()
            .find(|playbook| playbook.reference.hash == hash)
        {
            return Ok(playbook.clone());
        }
        let mut pinned = self.pinned.lock().await;
        if let Some(playbook) = pinned.get(hash).and_then(Weak::upgrade) {
            return Ok(playbook);
        }
        let playbook = Arc::new(self.read(hash).await?);
        pinned.retain(|_, playbook| playbook.strong_count() > 0);
        pinned.insert(hash.to_owned(), Arc::downgrade(&playbook));
        Ok(playbook)
    }

    async fn read(&self, hash: &str) -> Result<Playbook, PlaybookUnavailable> {
        let bytes = self
            .blobs
            .get(&playbook_blob(hash))
            .await
            .map_err(|error| match error {
                BlobError::Unavailable(reason) => PlaybookUnavailable::Unreachable(reason),
                BlobError::NotFound | BlobError::InvalidName => {
                    PlaybookUnavailable::Damaged(error.to_string())
                }
            })?;
        let damaged = |reason: String| PlaybookUnavailable::Damaged(reason);
        let text = std::str::from_utf8(&bytes).map_err(|error| damaged(error.to_string()))?;
        let bundle = Bundle::from_json(text).map_err(|error| damaged(error.to_string()))?;
        let lender = self.default_playbook();
        Playbook::from_pinned(&bundle, lender.as_deref()).map_err(|faults| {
            damaged(
                faults
                    .first()
                    .map_or_else(|| "it has no playbook.toml".to_owned(), ToString::to_string),
            )
        })
    }
}
