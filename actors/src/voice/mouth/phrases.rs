//! The sound of the playbook's own sentences: made once, kept, and shared by all sessions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use greenroom_session::blob_names::phrases_folder;
use greenroom_session::ports::{BlobError, Blobs, ModelIdentity};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::observe;
use crate::shared::lock;

/// Bytes of sound that are kept in memory: almost three minutes. A playbook's questions take one.
const MEMORY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A sample.
const SAMPLE_BYTES: usize = 2;

/// The sound of phrases, for all mouths of a server.
pub struct PhraseSounds {
    blobs: Arc<dyn Blobs>,
    tasks: TaskTracker,
    memory: Mutex<Memory>,
    under_way: Arc<Table>,
}

/// What a sound is made from: equal in all of it, it is the same sound.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PhraseKey(String);

/// The sound of a phrase, if it can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PhraseSound {
    /// 24 kHz, one channel, signed 16-bit little-endian samples.
    Here(Bytes),
    /// Who asked made it, in vain.
    Failed,
    /// Somebody else made it, in vain.
    FailedElsewhere,
}

/// Phrases that are being read or made, by their key. What a watch shows is none until its maker is done.
type Table = Mutex<HashMap<PhraseKey, watch::Receiver<Option<Made>>>>;

/// What became of it.
type Made = Option<Bytes>;

impl PhraseKey {
    /// The key of a text in a voice.
    pub(super) fn new(identity: &ModelIdentity, voice: &str, style: Option<&str>, text: &str) -> Self {
        let parts = json!([identity.provider, identity.model, voice, style, text]);
        Self(format!("{:x}", Sha256::digest(parts.to_string())))
    }

    fn blob_name(&self) -> String {
        format!("{}/{}.pcm", phrases_folder(), self.0)
    }
}

impl PhraseSounds {
    /// Sounds that are kept in these blobs, and made by tasks of this tracker.
    pub fn new(blobs: Arc<dyn Blobs>, tasks: TaskTracker) -> Self {
        Self {
            blobs,
            tasks,
            memory: Mutex::default(),
            under_way: Arc::default(),
        }
    }

    /// The sound of a phrase: from memory, from its blob, or made. Whoever asks for the same meanwhile shares the
    /// making, and nobody who goes away cancels it.
    pub(super) async fn sound<F>(
        self: &Arc<Self>,
        key: PhraseKey,
        make: impl FnOnce() -> F + Send + 'static,
    ) -> PhraseSound
    where
        F: Future<Output = Option<Bytes>> + Send + 'static,
    {
        if let Some(sound) = lock(&self.memory).get(&key) {
            observe::phrase("memory");
            return PhraseSound::Here(sound);
        }
        let (mut progress, is_maker) = self.join(key, make);
        let sound = match progress.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().flatten(),
            // Its maker panicked.
            Err(_) => None,
        };
        match sound {
            Some(sound) => PhraseSound::Here(sound),
            None if is_maker => PhraseSound::Failed,
            None => PhraseSound::FailedElsewhere,
        }
    }

    /// Watches the making of a phrase, which begins if it is not under way; says whether it began.
    fn join<F>(
        self: &Arc<Self>,
        key: PhraseKey,
        make: impl FnOnce() -> F + Send + 'static,
    ) -> (watch::Receiver<Option<Made>>, bool)
    where
        F: Future<Output = Option<Bytes>> + Send + 'static,
    {
        let mut under_way = lock(&self.under_way);
        if let Some(progress) = under_way.get(&key) {
            return (progress.clone(), false);
        }
        let (sender, progress) = watch::channel(None);
        under_way.insert(key.clone(), progress.clone());
        let landing = Landing {
            under_way: Arc::downgrade(&self.under_way),
            key: key.clone(),
        };
        let sounds = Arc::clone(self);
        self.tasks.spawn(async move {
            let found = sounds.find_or_make(&key, make).await;
            // Off the table before it is told, so that who asks after a failure begins anew.
            drop(landing);
            sender.send_replace(Some(found));
        });
        (progress, true)
    }

    async fn find_or_make<F>(&self, key: &PhraseKey, make: impl FnOnce() -> F) -> Made
    where
        F: Future<Output = Option<Bytes>>,
    {
        if let Some(sound) = self.read(key).await {
            observe::phrase("blob");
            lock(&self.memory).insert(key.clone(), sound.clone());
            return Some(sound);
        }
        observe::phrase("made");
        let sound = make().await.filter(is_sound)?;
        lock(&self.memory).insert(key.clone(), sound.clone());
        if let Err(error) = self.blobs.put(&key.blob_name(), sound.clone()).await {
            tracing::warn!(%error, "the sound of a phrase cannot be kept");
        }
        Some(sound)
    }

    async fn read(&self, key: &PhraseKey) -> Option<Bytes> {
        match self.blobs.get(&key.blob_name()).await {
            Ok(sound) => Some(sound).filter(is_sound),
            Err(BlobError::NotFound) => None,
            Err(error) => {
                tracing::warn!(%error, "the sound of a phrase cannot be read");
                None
            }
        }
    }
}

/// Whether bytes can be samples.
fn is_sound(bytes: &Bytes) -> bool {
    !bytes.is_empty() && bytes.len().is_multiple_of(SAMPLE_BYTES)
}

/// Takes a phrase off the table when its making ends, by a panic too.
struct Landing {
    under_way: Weak<Table>,
    key: PhraseKey,
}

impl Drop for Landing {
    fn drop(&mut self) {
        if let Some(under_way) = self.under_way.upgrade() {
            let mut under_way = under_way.lock().unwrap_or_else(PoisonError::into_inner);
            under_way.remove(&self.key);
        }
    }
}

/// The sounds that were asked for last.
#[derive(Debug, Default)]
struct Memory {
    sounds: HashMap<PhraseKey, Kept>,
    bytes: usize,
    /// Counts what was asked for, so that the oldest is known.
    asked: u64,
}

#[derive(Debug)]
struct Kept {
    sound: Bytes,
    asked: u64,
}

impl Memory {
    fn get(&mut self, key: &PhraseKey) -> Option<Bytes> {
        let kept = self.sounds.get_mut(key)?;
        self.asked += 1;
        kept.asked = self.asked;
        Some(kept.sound.clone())
    }

    fn insert(&mut self, key: PhraseKey, sound: Bytes) {
        if sound.len() > MEMORY_BYTES_MAX {
            return;
        }
        self.asked += 1;
        self.bytes += sound.len();
        let asked = self.asked;
        if let Some(replaced) = self.sounds.insert(key, Kept { sound, asked }) {
            self.bytes -= replaced.sound.len();
        }
        // There are few dozen of them, and one is added once.
        while self.bytes > MEMORY_BYTES_MAX {
            let oldest = self.sounds.iter().min_by_key(|(_, kept)| kept.asked);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                return;
            };
            if let Some(forgotten) = self.sounds.remove(&oldest) {
                self.bytes -= forgotten.sound.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use async_trait::async_trait;
    use greenroom_session::ports::BlobStream;

    use super::*;

    #[derive(Default)]
    struct Store {
        blobs: Mutex<HashMap<String, Bytes>>,
        is_broken: AtomicBool,
    }

    #[async_trait]
    impl Blobs for Store {
        async fn put(&self, name: &str, bytes: Bytes) -> Result<(), BlobError> {
            if self.is_broken.load(Ordering::Relaxed) {
                return Err(BlobError::Unavailable("as the test wants it".to_owned()));
            }
            lock(&self.blobs).insert(name.to_owned(), bytes);
            Ok(())
        }

        async fn get(&self, name: &str) -> Result<Bytes, BlobError> {
            if self.is_broken.load(Ordering::Relaxed) {
                return Err(BlobError::Unavailable("as the test wants it".to_owned()));
            }
            lock(&self.blobs).get(name).cloned().ok_or(BlobError::NotFound)
        }

        async fn delete(&self, name: &str) -> Result<(), BlobError> {
            lock(&self.blobs).remove(name);
            Ok(())
        }

        fn list(&self, _: &str) -> BlobStream {
            Box::pin(futures_util::stream::empty())
        }
    }

    fn key(text: &str) -> PhraseKey {
        let identity = ModelIdentity {
            provider: "scripted".to_owned(),
            model: "voice".to_owned(),
            simulated: true,
        };
        PhraseKey::new(&identity, "sage", None, text)
    }

    fn sounds(store: &Arc<Store>) -> Arc<PhraseSounds> {
        Arc::new(PhraseSounds::new(store.clone(), TaskTracker::new()))
    }

    fn pcm(bytes: usize) -> Bytes {
        Bytes::from(vec![1; bytes])
    }

    /// Asks for a phrase, and counts when it must be made.
    async fn ask(
        sounds: &Arc<PhraseSounds>,
        text: &str,
        made: &Arc<AtomicUsize>,
        sound: Option<Bytes>,
    ) -> PhraseSound {
        let made = Arc::clone(made);
        let maker = || async move {
            made.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            sound
        };
        sounds.sound(key(text), maker).await
    }

    #[tokio::test]
    async fn two_hundred_who_need_it_at_once_pay_for_it_once() {
        let sounds = sounds(&Arc::default());
        let made = Arc::new(AtomicUsize::new(0));
        let asking = (0..200).map(|_| ask(&sounds, "Hello.", &made, Some(pcm(4))));
        let answers = futures_util::future::join_all(asking).await;
        assert!(answers.iter().all(|answer| *answer == PhraseSound::Here(pcm(4))));
        assert_eq!(made.load(Ordering::Relaxed), 1);
        assert!(lock(&sounds.under_way).is_empty());
    }

    #[tokio::test]
    async fn it_outlives_the_server_and_a_damaged_blob_is_made_again() {
        let store = Arc::<Store>::default();
        let made = Arc::new(AtomicUsize::new(0));
        ask(&sounds(&store), "Hello.", &made, Some(pcm(4))).await;
        let after_restart = sounds(&store);
        let again = ask(&after_restart, "Hello.", &made, None).await;
        assert_eq!(again, PhraseSound::Here(pcm(4)));
        assert_eq!(made.load(Ordering::Relaxed), 1);

        store.put(&key("Hello.").blob_name(), pcm(3)).await.unwrap();
        let again = ask(&sounds(&store), "Hello.", &made, Some(pcm(6))).await;
        assert_eq!(again, PhraseSound::Here(pcm(6)));
        assert_eq!(made.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn without_a_store_it_is_kept_in_memory_alone() {
        let store = Arc::<Store>::default();
        store.is_broken.store(true, Ordering::Relaxed);
        let sounds = sounds(&store);
        let made = Arc::new(AtomicUsize::new(0));
        for _ in 0..2 {
            let answer = ask(&sounds, "Hello.", &made, Some(pcm(4))).await;
            assert_eq!(answer, PhraseSound::Here(pcm(4)));
        }
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_who_wait_and_kept_by_nobody() {
        let sounds = sounds(&Arc::default());
        let made = Arc::new(AtomicUsize::new(0));
        let (first, second) = tokio::join!(
            ask(&sounds, "Hello.", &made, None),
            ask(&sounds, "Hello.", &made, None),
        );
        assert_eq!(
            (first, second),
            (PhraseSound::Failed, PhraseSound::FailedElsewhere)
        );
        let later = ask(&sounds, "Hello.", &made, Some(pcm(2))).await;
        assert_eq!(later, PhraseSound::Here(pcm(2)));
        assert_eq!(made.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_panic_of_its_maker_leaves_nothing_behind() {
        let sounds = sounds(&Arc::default());
        let panicking = sounds.sound(key("Hello."), || async { panic!("as the test wants it") });
        assert_eq!(panicking.await, PhraseSound::Failed);
        let made = Arc::new(AtomicUsize::new(0));
        let later = ask(&sounds, "Hello.", &made, Some(pcm(2))).await;
        assert_eq!(later, PhraseSound::Here(pcm(2)));
    }

    #[test]
    fn memory_forgets_what_was_not_asked_for_the_longest() {
        let mut memory = Memory::default();
        let third = MEMORY_BYTES_MAX / 3;
        for text in ["a", "b", "c"] {
            memory.insert(key(text), pcm(third));
        }
        assert!(memory.get(&key("a")).is_some());
        memory.insert(key("d"), pcm(third));
        let known = ["a", "b", "c", "d"].map(|text| memory.get(&key(text)).is_some());
        assert_eq!(known, [true, false, true, true]);
        memory.insert(key("e"), pcm(MEMORY_BYTES_MAX + 1));
        assert!(memory.get(&key("e")).is_none() && memory.bytes <= MEMORY_BYTES_MAX);
        memory.insert(key("a"), pcm(2));
        assert_eq!(memory.bytes, 2 * third + 2);
    }
}
