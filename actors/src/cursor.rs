//! A connection's place in the log of one session: replay and live are the same loop.

use std::sync::Arc;

use greenroom_protocol::{Frame, Seq, SessionId};
use greenroom_session::ports::ReadError;
use tokio::sync::watch;

use crate::registry::{Entry, Pinned};
use crate::ring::RingRead;
use crate::shared::Shared;

/// Events that one call of [`Cursor::next`] returns at most: a short page, so that one slow reader costs little.
const PAGE_EVENTS_MAX: usize = 256;
/// Bytes after which a page ends: as much as a connection holds whose client takes nothing.
const PAGE_BYTES_MAX: usize = 256 * 1024;

/// Someone who listens to a session: keeps its entry, and keeps it from leaving memory, until dropped.
pub(crate) struct Listener {
    pinned: Pinned,
    shared: Arc<Shared>,
}

impl Listener {
    pub(crate) fn new(shared: Arc<Shared>, session: SessionId) -> Self {
        let pinned = Pinned::new(&shared, session);
        pinned.entry.listen();
        Self { pinned, shared }
    }

    pub(crate) fn entry(&self) -> &Entry {
        &self.pinned.entry
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.entry().unlisten();
    }
}

/// A place in the log of a session. It costs no queue: a slow reader is only further behind.
pub struct Cursor {
    listener: Listener,
    committed: watch::Receiver<Seq>,
    position: Seq,
}

impl Cursor {
    pub(crate) fn new(listener: Listener, position: Seq) -> Self {
        let committed = listener.entry().subscribe();
        Self {
            listener,
            committed,
            position,
        }
    }

    /// The events that follow, in order and without a gap: at least one, at most 256. Waits until there is one. Once the
    /// session is erased nothing follows: [`ReadError::Gone`].
    ///
    /// Cancel safe: an event is either returned or read again. After an error the cursor stands where it stood.
    pub async fn next(&mut self) -> Result<Vec<Frame>, ReadError> {
        loop {
            // Marked as seen before the look, so that a commit in between wakes the wait below.
            let committed = *self.committed.borrow_and_update();
            self.refuse_erased()?;
            if committed > self.position {
                let frames = match self.listener.entry().read(self.position, PAGE_EVENTS_MAX) {
                    RingRead::Frames(frames) => frames,
                    RingRead::Elsewhere | RingRead::UpToDate => self.read_journal().await?,
                };
                // What an erased session has left shows gaps.
                self.refuse_erased()?;
                return self.advance(frames);
            }
            // The sender lives in the entry that the listener holds, so this only ends with a change.
            let _changed = self.committed.changed().await;
        }
    }

    /// The number of the last event returned.
    pub fn position(&self) -> Seq {
        self.position
    }

    /// The number of the last event committed.
    pub fn committed(&self) -> Seq {
        *self.committed.borrow()
    }

    /// Whether there is something to return at once.
    pub fn behind(&self) -> bool {
        self.committed() > self.position
    }

    fn refuse_erased(&self) -> Result<(), ReadError> {
        if self.listener.entry().is_erased() {
            return Err(ReadError::Gone);
        }
        Ok(())
    }

    async fn read_journal(&self) -> Result<Vec<Frame>, ReadError> {
        let shared = &self.listener.shared;
        let session = self.listener.entry().session;
        shared
            .ports
            .journal
            .frames(&shared.tenant, session, self.position, PAGE_EVENTS_MAX)
            .await
    }

    /// Takes what was read, unless it would show a gap.
    fn advance(&mut self, mut frames: Vec<Frame>) -> Result<Vec<Frame>, ReadError> {
        frames.truncate(page_events(&frames));
        let mut position = self.position;
        for frame in &frames {
            if frame.seq != position.next() {
                let reason = format!("event {} follows event {position}", frame.seq);
                return Err(ReadError::Damaged(reason));
            }
            position = frame.seq;
        }
        if position == self.position {
            return Err(ReadError::Damaged(format!(
                "committed events after {position} are missing"
            )));
        }
        self.position = position;
        Ok(frames)
    }
}

/// How many of the events make a page.
fn page_events(frames: &[Frame]) -> usize {
    let sizes_bytes = frames.iter().scan(0, |before, frame| {
        let begins_at = *before;
        *before += frame.bytes().len();
        Some(begins_at)
    });
    sizes_bytes
        .take_while(|begins_at| *begins_at < PAGE_BYTES_MAX)
        .count()
}
