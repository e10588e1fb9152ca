//! What has been spoken already: by what it was made from to the asset that it became.

use greenroom_protocol::SessionId;
use greenroom_session::blob_names::{phrases_folder, spoken_folder};
use greenroom_session::ports::{BlobError, Blobs, ModelIdentity, SpeechFormat};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::speech::SpokenText;

/// Where an entry of the cache is kept: a blob, so that it outlives the server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CachePlace(String);

/// Who shares speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Every session: what the playbook says is nobody's own.
    Phrase,
    /// One session, with which it is erased.
    Session(SessionId),
}

/// What speech is made from: equal in all of it, it is the same speech.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ingredients<'a> {
    pub(super) identity: &'a ModelIdentity,
    pub(super) voice: &'a str,
    pub(super) style: Option<&'a str>,
    pub(super) format: SpeechFormat,
    pub(super) text: &'a str,
}

impl CachePlace {
    pub(super) fn of(scope: Scope, made_from: Ingredients<'_>) -> Self {
        let Ingredients {
            identity,
            voice,
            style,
            format,
            text,
        } = made_from;
        let parts = json!([identity.provider, identity.model, voice, style, format, text]);
        let hash = Sha256::digest(parts.to_string());
        let folder = match scope {
            Scope::Phrase => phrases_folder(),
            Scope::Session(session) => spoken_folder(session),
        };
        Self(format!("{folder}/{hash:x}.json"))
    }

    /// What was spoken, if it was.
    pub(super) async fn read(&self, blobs: &dyn Blobs) -> Option<SpokenText> {
        let bytes = match blobs.get(&self.0).await {
            Ok(bytes) => bytes,
            Err(BlobError::NotFound) => return None,
            Err(error) => {
                tracing::warn!(%error, "the cache of speech cannot be read");
                return None;
            }
        };
        let read = serde_json::from_slice(&bytes);
        read.inspect_err(|error| tracing::warn!(%error, "an entry of the cache of speech is damaged"))
            .ok()
    }

    /// Remembers what was spoken. Without it, it is only spoken again.
    pub(super) async fn write(&self, blobs: &dyn Blobs, spoken: &SpokenText) {
        let bytes = serde_json::to_vec(spoken).expect("what was spoken is always JSON");
        if let Err(error) = blobs.put(&self.0, bytes.into()).await {
            tracing::warn!(%error, "the cache of speech cannot be written");
        }
    }
}
