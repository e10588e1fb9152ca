//! Where each session lives: its current generation, its newest events, and who waits for it.
//!
//! Ring and committed number belong to the registry, so they survive the generations of an actor. Only the
//! supervisor installs a generation; a session removes its own when it leaves.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use dashmap::DashMap;
use greenroom_protocol::{Frame, Seq, SessionId};
use ractor::{ActorId, ActorRef};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::ActorsConfig;
use crate::reply::{Outcome, ReplyTo};
use crate::ring::{Ring, RingRead};
use crate::session::SessionMessage;
use crate::shared::{Shared, lock};
use crate::voice::Floor;

/// Snapshots of one session that may wait for the journal at once. They take no place from the commands.
const READS_WAITING_MAX: usize = 64;

/// Which activation of a session, counted over the whole server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation(pub(crate) u64);

/// All sessions that are in memory or listened to.
pub(crate) struct Registry {
    entries: DashMap<SessionId, Arc<Entry>>,
    ring_events_max: usize,
    ring_bytes_max: usize,
    commands_waiting_max: usize,
}

impl Registry {
    pub(crate) fn new(config: &ActorsConfig) -> Self {
        Self {
            entries: DashMap::new(),
            ring_events_max: config.ring_events_max,
            ring_bytes_max: config.ring_bytes_max,
            commands_waiting_max: config.commands_waiting_max,
        }
    }

    /// The entry of a session, if there is one. It may be forgotten at any time, unless it is [`Pinned`].
    pub(crate) fn get(&self, session: SessionId) -> Option<Arc<Entry>> {
        self.entries.get(&session).map(|entry| entry.clone())
    }

    /// Every entry.
    pub(crate) fn entries(&self) -> Vec<Arc<Entry>> {
        self.entries.iter().map(|entry| entry.clone()).collect()
    }

    /// The entry of a session, made if need be; it is not forgotten before [`Self::unpin`].
    fn pin(&self, session: SessionId) -> Arc<Entry> {
        let entry = self
            .entries
            .entry(session)
            .or_insert_with(|| Arc::new(Entry::new(session, self)));
        // Counted while the map's lock is held, so that `unpin` cannot forget the entry in between.
        entry.pins.fetch_add(1, Ordering::Relaxed);
        entry.clone()
    }

    /// Ends what [`Self::pin`] began.
    fn unpin(&self, entry: &Entry) {
        self.entries.remove_if(&entry.session, |_, entry| {
            entry.pins.fetch_sub(1, Ordering::Relaxed) == 1
        });
    }
}

/// What outlives the generations of a session's actor.
pub(crate) struct Entry {
    pub(crate) session: SessionId,
    ring: Mutex<Ring>,
    committed: watch::Sender<Seq>,
    commands: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    commands_waiting_max: usize,
    current: Mutex<Option<Current>>,
    listeners: AtomicUsize,
    pins: AtomicUsize,
    restarts: AtomicU32,
    drops: AtomicU32,
    erased: AtomicBool,
    /// An operator restarts or stops the session just now.
    operated: AtomicBool,
    /// Made for the first connection that speaks: most sessions are typed.
    floor: OnceLock<Floor>,
}

/// The generation that commands go to.
struct Current {
    generation: Generation,
    actor: ActorRef<SessionMessage>,
}

/// What a question does to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuestionKind {
    /// It may change it.
    Command,
    /// It only looks.
    Read,
}

/// What became of a question on its way to the session.
pub(crate) enum Delivery<T> {
    /// The answer will come here.
    Delivered(oneshot::Receiver<Outcome<T>>),
    /// Too many are waiting already.
    Overloaded,
    /// There is no generation to ask.
    Absent {
        /// The one that is registered and does not take messages any more: it crashed just now.
        dead: Option<Generation>,
    },
}

/// An entry that is not forgotten until this is dropped.
pub(crate) struct Pinned {
    shared: Arc<Shared>,
    pub(crate) entry: Arc<Entry>,
}

impl Pinned {
    pub(crate) fn new(shared: &Arc<Shared>, session: SessionId) -> Self {
        Self {
            entry: shared.registry.pin(session),
            shared: shared.clone(),
        }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.shared.registry.unpin(&self.entry);
    }
}

impl Entry {
    fn new(session: SessionId, registry: &Registry) -> Self {
        Self {
            session,
            ring: Mutex::new(Ring::new(registry.ring_events_max, registry.ring_bytes_max)),
            committed: watch::Sender::new(Seq::ZERO),
            commands: Arc::new(Semaphore::new(registry.commands_waiting_max)),
            reads: Arc::new(Semaphore::new(READS_WAITING_MAX)),
            commands_waiting_max: registry.commands_waiting_max,
            current: Mutex::new(None),
            listeners: AtomicUsize::new(0),
            pins: AtomicUsize::new(0),
            restarts: AtomicU32::new(0),
            drops: AtomicU32::new(0),
            erased: AtomicBool::new(false),
            operated: AtomicBool::new(false),
            floor: OnceLock::new(),
        }
    }

    /// Hands a question to the current generation. Under the lock by which a generation leaves, so none can
    /// reach one that has left.
    pub(crate) fn deliver<T>(
        &self,
        kind: QuestionKind,
        message: impl FnOnce(ReplyTo<T>) -> SessionMessage,
    ) -> Delivery<T> {
        let current = lock(&self.current);
        let Some(current) = current.as_ref() else {
            return Delivery::Absent { dead: None };
        };
        let Some(permit) = self.permit(kind) else {
            return Delivery::Overloaded;
        };
        let (sender, receiver) = oneshot::channel();
        match current.actor.send_message(message(ReplyTo::new(sender, permit))) {
            Ok(()) => Delivery::Delivered(receiver),
            Err(_ended) => Delivery::Absent {
                dead: Some(current.generation),
            },
        }
    }

    fn permit(&self, kind: QuestionKind) -> Option<OwnedSemaphorePermit> {
        let places = match kind {
            QuestionKind::Command => &self.commands,
            QuestionKind::Read => &self.reads,
        };
        places.clone().try_acquire_owned().ok()
    }

    /// Makes a generation the one that commands go to.
    pub(crate) fn install(&self, generation: Generation, actor: ActorRef<SessionMessage>) {
        *lock(&self.current) = Some(Current { generation, actor });
    }

    /// The actor of the generation that commands go to.
    pub(crate) fn actor(&self) -> Option<ActorId> {
        lock(&self.current).as_ref().map(|current| current.actor.get_id())
    }

    /// The generation that commands go to.
    pub(crate) fn generation(&self) -> Option<Generation> {
        lock(&self.current).as_ref().map(|current| current.generation)
    }

    /// Takes a generation out, so that the next command activates a new one. Whether it was the current one.
    pub(crate) fn leave(&self, generation: Generation) -> bool {
        lock(&self.current)
            .take_if(|current| current.generation == generation)
            .is_some()
    }

    /// Takes a generation out if nobody listens and nothing was asked that is not answered.
    pub(crate) fn leave_if_unused(&self, generation: Generation) -> bool {
        let mut current = lock(&self.current);
        let asked = self.commands_waiting() > 0 || self.reads.available_permits() < READS_WAITING_MAX;
        !asked
            && self.listeners() == 0
            && current
                .take_if(|current| current.generation == generation)
                .is_some()
    }

    /// Shows newly committed events: to the ring first, then to whoever waits for them.
    pub(crate) fn publish(&self, frames: Vec<Frame>) {
        let Some(head) = frames.last().map(|frame| frame.seq) else {
            return;
        };
        {
            let mut ring = lock(&self.ring);
            for frame in frames {
                ring.push(frame);
            }
        }
        self.announce(head);
    }

    /// Shows that everything up to `head` is committed, as `open` found it.
    pub(crate) fn publish_head(&self, head: Seq) {
        lock(&self.ring).skip_to(head);
        self.announce(head);
    }

    fn announce(&self, head: Seq) {
        self.committed.send_if_modified(|committed| {
            let newer = head > *committed;
            *committed = head.max(*committed);
            newer
        });
    }

    /// The last event that is committed, as far as it was shown here.
    pub(crate) fn committed(&self) -> Seq {
        *self.committed.borrow()
    }

    /// The session was erased: its generation ends, and whoever waits for its events looks up.
    pub(crate) fn erase(&self) {
        self.erased.store(true, Ordering::Release);
        self.committed.send_modify(|_| {});
        if let Some(current) = lock(&self.current).as_ref() {
            // Refused only by an actor that is stopping already.
            let _stopping = current.actor.send_message(SessionMessage::Erased);
        }
        self.release_events();
    }

    /// Takes the right to restart or stop the session, if nobody else has it.
    pub(crate) fn begin_operation(&self) -> bool {
        !self.operated.swap(true, Ordering::AcqRel)
    }

    /// Gives it back.
    pub(crate) fn end_operation(&self) {
        self.operated.store(false, Ordering::Release);
    }

    /// Whether the session was erased.
    pub(crate) fn is_erased(&self) -> bool {
        self.erased.load(Ordering::Acquire)
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Seq> {
        self.committed.subscribe()
    }

    pub(crate) fn read(&self, after: Seq, limit: usize) -> RingRead {
        lock(&self.ring).read(after, limit)
    }

    /// Gives back the memory of the events: connections that are behind read them from the journal.
    pub(crate) fn release_events(&self) {
        lock(&self.ring).release();
    }

    pub(crate) fn listen(&self) {
        self.listeners.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn unlisten(&self) {
        self.listeners.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn listeners(&self) -> usize {
        self.listeners.load(Ordering::Relaxed)
    }

    /// Commands on their way, or waiting for their answer.
    pub(crate) fn commands_waiting(&self) -> usize {
        self.commands_waiting_max - self.commands.available_permits()
    }

    pub(crate) fn count_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn restarts(&self) -> u32 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Counts a generation that the journal dropped; how many there were since the last commit, this included.
    pub(crate) fn count_drop(&self) -> u32 {
        self.drops.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Who holds the session's microphone, and whose voice answers.
    pub(crate) fn floor(&self) -> &Floor {
        self.floor.get_or_init(Floor::default)
    }

    /// Remembers that an append was committed.
    pub(crate) fn count_commit(&self) {
        self.drops.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::Timestamp;

    use super::*;

    fn registry() -> (Registry, SessionId) {
        (
            Registry::new(&ActorsConfig::default()),
            SessionId::new(ulid::Ulid::from_parts(1, 1)),
        )
    }

    #[test]
    fn an_entry_lives_as_long_as_somebody_needs_it() {
        let (registry, session) = registry();
        let first = registry.pin(session);
        let second = registry.pin(session);
        assert!(Arc::ptr_eq(&first, &second));
        registry.unpin(&first);
        assert!(registry.get(session).is_some());
        registry.unpin(&second);
        assert!(registry.get(session).is_none());
        assert_eq!(registry.entries.len(), 0);
    }

    #[test]
    fn the_committed_number_never_goes_back() {
        let (registry, session) = registry();
        let entry = registry.pin(session);
        let watch = entry.subscribe();
        let frame = |seq| Frame::new(session, Seq(seq), "turn.started", Timestamp::default(), "{}");
        entry.publish(vec![frame(1), frame(2)]);
        assert_eq!(*watch.borrow(), Seq(2));
        entry.publish_head(Seq(7));
        entry.publish(vec![frame(3)]);
        assert_eq!(*watch.borrow(), Seq(7));
        assert_eq!(
            entry.read(Seq(2), 9),
            RingRead::Elsewhere,
            "what `open` found is read from the journal"
        );
    }
}
