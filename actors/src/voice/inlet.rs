//! The way from a socket to its line: the intake, and who waits for something to be in it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use greenroom_protocol::Millis;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::intake::{Batch, Intake, NotTaken};
use crate::shared::lock;

/// The socket's end. Nothing on it waits.
#[derive(Debug)]
pub(super) struct InletSender<W> {
    shared: Arc<Shared<W>>,
}

/// The line's end.
#[derive(Debug)]
pub(super) struct Inlet<W> {
    shared: Arc<Shared<W>>,
}

#[derive(Debug)]
struct Shared<W> {
    intake: Mutex<Intake<W>>,
    filled: Notify,
}

/// Two ends of a new inlet.
pub(super) fn inlet<W>() -> (InletSender<W>, Inlet<W>) {
    let shared = Arc::new(Shared {
        intake: Mutex::new(Intake::default()),
        filled: Notify::new(),
    });
    let sender = InletSender {
        shared: Arc::clone(&shared),
    };
    (sender, Inlet { shared })
}

impl<W> InletSender<W> {
    /// Hands over a frame of this length. A frame that finds no room is counted as lost.
    pub(super) fn frame(&self, frame: &[u8], duration: Duration) -> Result<(), NotTaken> {
        self.check()?;
        self.fill(|intake| intake.frame(frame, duration, Instant::now()))
    }

    /// Hands over a wish.
    pub(super) fn wish(&self, wish: W) -> Result<(), NotTaken> {
        self.check()?;
        self.fill(|intake| intake.wish(wish))
    }

    /// Hands over the last wish of all.
    pub(super) fn last_wish(&self, wish: W) {
        self.fill(|intake| intake.last_wish(wish));
    }

    /// Hands over a report of playback.
    pub(super) fn played(&self, reply_id: &str, played: Millis) {
        self.fill(|intake| intake.played(reply_id, played));
    }

    /// Whether the other end is still there.
    fn check(&self) -> Result<(), NotTaken> {
        let is_there = Arc::strong_count(&self.shared) > 1;
        is_there.then_some(()).ok_or(NotTaken::Nobody)
    }

    fn fill<T>(&self, fill: impl FnOnce(&mut Intake<W>) -> T) -> T {
        let mut intake = lock(&self.shared.intake);
        let filled = fill(&mut intake);
        drop(intake);
        self.shared.filled.notify_one();
        filled
    }
}

impl<W> Inlet<W> {
    /// Takes all that waits, once something does. Cancel safe: what is returned is in `batch`, what is not still waits.
    pub(super) async fn take(&self, batch: &mut Batch<W>) {
        loop {
            let filled = self.shared.filled.notified();
            {
                let mut intake = lock(&self.shared.intake);
                if !intake.is_empty() {
                    return intake.take(batch);
                }
            }
            filled.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_is_woken_and_finds_everything() {
        let (sender, inlet) = inlet();
        let mut batch = Batch::default();
        let filling = async {
            tokio::task::yield_now().await;
            sender.wish('a').unwrap();
            sender.frame(&[1, 2], Duration::from_millis(20)).unwrap();
        };
        tokio::join!(inlet.take(&mut batch), filling);
        assert_eq!((batch.items.len(), batch.bytes.len()), (2, 2));
        sender.last_wish('b');
        inlet.take(&mut batch).await;
        assert_eq!(batch.items.len(), 1);
        drop(inlet);
        assert_eq!(sender.wish('c'), Err(NotTaken::Nobody));
        let frame = sender.frame(&[1, 2], Duration::from_millis(20));
        assert_eq!(frame, Err(NotTaken::Nobody));
    }
}
