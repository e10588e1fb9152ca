//! The newest committed events of one session, kept at hand for its connections.

use std::collections::VecDeque;

use greenroom_protocol::{Frame, Seq};

/// A gapless run of committed events that ends at the head; bounded in events and in bytes.
#[derive(Debug)]
pub(crate) struct Ring {
    frames: VecDeque<Frame>,
    bytes: usize,
    head: Seq,
    events_max: usize,
    bytes_max: usize,
}

/// What a ring has for a reader.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RingRead {
    /// The events that follow, at least one.
    Frames(Vec<Frame>),
    /// They are too old for the ring: the journal has them.
    Elsewhere,
    /// There is nothing newer.
    UpToDate,
}

impl Ring {
    pub(crate) fn new(events_max: usize, bytes_max: usize) -> Self {
        Self {
            frames: VecDeque::new(),
            bytes: 0,
            head: Seq::ZERO,
            events_max,
            bytes_max,
        }
    }

    /// Takes the next committed event. One that is known already is ignored, and after a gap the ring starts
    /// anew, so that what it holds never has one.
    pub(crate) fn push(&mut self, frame: Frame) {
        if frame.seq <= self.head {
            return;
        }
        if frame.seq != self.head.next() {
            self.release();
        }
        self.head = frame.seq;
        self.bytes += frame.bytes().len();
        self.frames.push_back(frame);
        while self.frames.len() > self.events_max || self.bytes > self.bytes_max {
            let Some(oldest) = self.frames.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes().len();
        }
    }

    /// Learns that everything up to `head` is committed, without having its events.
    pub(crate) fn skip_to(&mut self, head: Seq) {
        if head > self.head {
            self.release();
            self.head = head;
        }
    }

    /// Gives the memory back; who is behind reads from the journal.
    pub(crate) fn release(&mut self) {
        self.frames = VecDeque::new();
        self.bytes = 0;
    }

    /// The events after a number, at most `limit`.
    pub(crate) fn read(&self, after: Seq, limit: usize) -> RingRead {
        if after >= self.head {
            return RingRead::UpToDate;
        }
        let oldest = self.frames.front().map(|frame| frame.seq);
        let skipped = oldest.and_then(|oldest| after.next().0.checked_sub(oldest.0));
        match skipped.and_then(|skipped| usize::try_from(skipped).ok()) {
            Some(skipped) => {
                RingRead::Frames(self.frames.iter().skip(skipped).take(limit).cloned().collect())
            }
            None => RingRead::Elsewhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::{SessionId, Timestamp};

    use super::*;

    fn frame(seq: u64) -> Frame {
        let session = SessionId::new(ulid::Ulid::from_parts(1, 1));
        Frame::new(
            session,
            Seq(seq),
            "budget.warning",
            Timestamp::default(),
            r#"{"budget":"run","used":0.5}"#,
        )
    }

    fn ring(events_max: usize, seqs: impl IntoIterator<Item = u64>) -> Ring {
        let mut ring = Ring::new(events_max, 1 << 20);
        seqs.into_iter().for_each(|seq| ring.push(frame(seq)));
        ring
    }

    fn read(ring: &Ring, after: u64, limit: usize) -> Result<Vec<u64>, RingRead> {
        match ring.read(Seq(after), limit) {
            RingRead::Frames(frames) => Ok(frames.iter().map(|frame| frame.seq.0).collect()),
            other @ (RingRead::Elsewhere | RingRead::UpToDate) => Err(other),
        }
    }

    #[test]
    fn gives_what_follows() {
        let ring = ring(4, 1..=3);
        assert_eq!(read(&ring, 0, 10), Ok(vec![1, 2, 3]));
        assert_eq!(read(&ring, 1, 1), Ok(vec![2]));
        assert_eq!(read(&ring, 3, 10), Err(RingRead::UpToDate));
        assert_eq!(read(&ring, 9, 10), Err(RingRead::UpToDate));
    }

    #[test]
    fn forgets_the_oldest() {
        let ring = ring(4, 1..=6);
        assert_eq!(read(&ring, 2, 10), Ok(vec![3, 4, 5, 6]));
        assert_eq!(read(&ring, 1, 10), Err(RingRead::Elsewhere));
    }

    #[test]
    fn bytes_are_bounded_too() {
        let one = frame(1).bytes().len();
        let mut ring = Ring::new(100, one * 2);
        (1..=3).for_each(|seq| ring.push(frame(seq)));
        assert_eq!(read(&ring, 1, 10), Ok(vec![2, 3]));
        assert_eq!(read(&ring, 0, 10), Err(RingRead::Elsewhere));

        let mut tiny = Ring::new(100, one - 1);
        tiny.push(frame(1));
        assert_eq!(
            read(&tiny, 0, 10),
            Err(RingRead::Elsewhere),
            "an event larger than the ring is in the journal"
        );
    }

    #[test]
    fn never_holds_a_gap() {
        let mut ring = ring(8, [1, 2, 5]);
        assert_eq!(read(&ring, 4, 10), Ok(vec![5]));
        assert_eq!(read(&ring, 1, 10), Err(RingRead::Elsewhere));
        ring.push(frame(3));
        assert_eq!(read(&ring, 4, 10), Ok(vec![5]), "a late one is ignored");

        ring.skip_to(Seq(9));
        assert_eq!(read(&ring, 5, 10), Err(RingRead::Elsewhere));
        ring.push(frame(10));
        assert_eq!(read(&ring, 9, 10), Ok(vec![10]));
        ring.skip_to(Seq(3));
        assert_eq!(read(&ring, 9, 10), Ok(vec![10]), "the head never goes back");
    }

    #[test]
    fn released_memory_is_read_elsewhere() {
        let mut ring = ring(8, 1..=3);
        ring.release();
        assert_eq!(read(&ring, 2, 10), Err(RingRead::Elsewhere));
        assert_eq!(read(&ring, 3, 10), Err(RingRead::UpToDate));
        ring.push(frame(4));
        assert_eq!(read(&ring, 3, 10), Ok(vec![4]));
    }
}
