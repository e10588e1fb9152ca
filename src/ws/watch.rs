//! Small watches over one connection: whether the client answers, takes what is written, and behaves.

use std::time::Duration;

use greenroom_protocol::limits;
use tokio::time::Instant;

/// How often a write that does not end is looked at.
const STALL_CHECK: Duration = Duration::from_secs(1);

/// Whether the client answers pings.
#[derive(Debug)]
pub struct PingTracker {
    next_at: Instant,
    unanswered: u32,
}

impl PingTracker {
    /// Pings that may go unanswered.
    const MISSED_MAX: u32 = 2;

    /// The first ping is due after one interval.
    pub fn new(now: Instant) -> Self {
        Self {
            next_at: now + Duration::from(limits::PING_INTERVAL),
            unanswered: 0,
        }
    }

    /// When the next ping is due.
    pub fn next_at(&self) -> Instant {
        self.next_at
    }

    /// Something came from the client: it lives.
    pub fn heard(&mut self) {
        self.unanswered = 0;
    }

    /// A ping is due. Says whether to send it; if not, the client is gone.
    pub fn due(&mut self, now: Instant) -> bool {
        self.next_at = now + Duration::from(limits::PING_INTERVAL);
        let alive = self.unanswered < Self::MISSED_MAX;
        self.unanswered += 1;
        alive
    }
}

/// Whether the client takes what is written.
#[derive(Debug)]
pub struct StallWatch {
    since: Instant,
    bytes: u64,
    check_at: Instant,
    writing: bool,
}

impl StallWatch {
    /// Nothing is being written.
    pub fn new(now: Instant) -> Self {
        Self {
            since: now,
            bytes: 0,
            check_at: now,
            writing: false,
        }
    }

    /// Something waits to be written, or no longer does.
    pub fn writing(&mut self, writing: bool, bytes: u64) {
        if writing && !self.writing {
            let now = Instant::now();
            (self.since, self.check_at, self.bytes) = (now, now + STALL_CHECK, bytes);
        }
        self.writing = writing;
    }

    /// When to look again; none while nothing is being written.
    pub fn check_at(&self) -> Option<Instant> {
        self.writing.then_some(self.check_at)
    }

    /// Looks: `bytes` is what the client has taken so far. Says whether the write stands still for too long.
    pub fn stalled(&mut self, now: Instant, bytes: u64) -> bool {
        self.check_at = now + STALL_CHECK;
        if bytes > self.bytes {
            (self.since, self.bytes) = (now, bytes);
        }
        now.duration_since(self.since) >= Duration::from(limits::WRITE_STALL_MAX)
    }
}

/// Whether the client behaves.
#[derive(Debug)]
pub struct FloodMeter {
    second_from: Instant,
    frames: u32,
    window_from: Instant,
    rejects: u32,
}

impl FloodMeter {
    /// Nothing has come yet.
    pub fn new(now: Instant) -> Self {
        Self {
            second_from: now,
            frames: 0,
            window_from: now,
            rejects: 0,
        }
    }

    /// A frame came. Says whether it may be listened to.
    pub fn frame(&mut self, now: Instant) -> bool {
        if now.duration_since(self.second_from) >= Duration::from_secs(1) {
            (self.second_from, self.frames) = (now, 0);
        }
        self.frames += 1;
        self.frames <= limits::SOCKET_FRAMES_PER_SECOND_MAX
    }

    /// A frame was rejected. Says whether that was one too many.
    pub fn rejected(&mut self, now: Instant) -> bool {
        if now.duration_since(self.window_from) >= Duration::from(limits::ABUSE_WINDOW) {
            (self.window_from, self.rejects) = (now, 0);
        }
        self.rejects += 1;
        self.rejects > limits::ABUSE_REJECTS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn two_missed_pings_end_it_and_any_sign_of_life_counts() {
        let mut pings = PingTracker::new(Instant::now());
        assert_eq!(pings.next_at() - Instant::now(), Duration::from_secs(20));
        assert!(pings.due(Instant::now()) && pings.due(Instant::now()));
        pings.heard();
        assert!(pings.due(Instant::now()) && pings.due(Instant::now()));
        assert!(!pings.due(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_write_that_stands_still_is_a_stall() {
        let second = Duration::from_secs(1);
        let mut watch = StallWatch::new(Instant::now());
        assert_eq!(watch.check_at(), None);
        watch.writing(true, 0);
        for taken in 1..30 {
            tokio::time::advance(second).await;
            assert!(
                !watch.stalled(Instant::now(), taken),
                "a slow client that takes a byte a second is not stalled"
            );
        }
        for _ in 1..10 {
            tokio::time::advance(second).await;
            assert!(!watch.stalled(Instant::now(), 29));
        }
        tokio::time::advance(second).await;
        assert!(watch.stalled(Instant::now(), 29));
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_ended_is_not_counted_against_the_next() {
        let mut watch = StallWatch::new(Instant::now());
        watch.writing(true, 0);
        watch.writing(false, 0);
        tokio::time::advance(Duration::from_mins(1)).await;
        watch.writing(true, 0);
        assert!(!watch.stalled(Instant::now(), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_refused_for_the_rest_of_its_second() {
        let mut meter = FloodMeter::new(Instant::now());
        let allowed = (0..1_000).filter(|_| meter.frame(Instant::now())).count();
        assert_eq!(allowed, limits::SOCKET_FRAMES_PER_SECOND_MAX as usize);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(meter.frame(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_rejects_in_a_window_are_abuse() {
        let mut meter = FloodMeter::new(Instant::now());
        assert!((0..limits::ABUSE_REJECTS_MAX).all(|_| !meter.rejected(Instant::now())));
        assert!(meter.rejected(Instant::now()));
        tokio::time::advance(Duration::from(limits::ABUSE_WINDOW)).await;
        assert!(!meter.rejected(Instant::now()));
    }
}
