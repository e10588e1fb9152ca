//! A model of whoever plays a reply: what has come, what has been played, and what came too late.
//!
//! It plays in real time. Like any player it waits a moment before it begins, so that the jitter of a network does not
//! tear the sound; after that it plays whatever it has, and is silent where it has nothing.

use std::time::Duration;

/// How much a player has before it begins, unless that is all there is: the smallest that players in browsers use.
pub(super) const BUFFER_BEFORE_START: Duration = Duration::from_millis(60);

/// What the arrival of a frame meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// How much is there that has not been played, this frame with it.
    pub ahead: Duration,
    /// How long the player has been silent for want of this frame.
    pub late: Option<Duration>,
}

/// Plays one reply. Every `now` is the time since any fixed moment, and never goes back.
#[derive(Debug, Clone)]
pub(super) struct Player {
    state: State,
    received: Duration,
    played: Duration,
    /// What `played` was brought up to.
    as_of: Duration,
    /// Whether everything has come.
    is_complete: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Has not begun; the first frame came then, if one has.
    Buffering {
        since: Option<Duration>,
    },
    Playing,
    /// Has played all there was, which was not the end.
    Starved {
        since: Duration,
    },
    Paused,
    Cancelled,
    Finished,
}

impl Player {
    /// A player that has nothing.
    pub(super) fn new(now: Duration) -> Self {
        Self {
            state: State::Buffering { since: None },
            received: Duration::ZERO,
            played: Duration::ZERO,
            as_of: now,
            is_complete: false,
        }
    }

    /// How much has come.
    pub(super) fn received(&self) -> Duration {
        self.received
    }

    /// How much has been played.
    pub(super) fn played(&mut self, now: Duration) -> Duration {
        self.advance(now);
        self.played
    }

    /// Whether a sound comes out, or would if there were one.
    pub(super) fn is_playing(&self) -> bool {
        matches!(self.state, State::Playing | State::Starved { .. })
    }

    /// Whether it was told to wait.
    pub(super) fn is_paused(&self) -> bool {
        self.state == State::Paused
    }

    /// Whether it was told to throw everything away.
    pub(super) fn is_cancelled(&self) -> bool {
        self.state == State::Cancelled
    }

    /// Whether nothing more can come.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether everything has been played.
    pub(super) fn is_finished(&mut self, now: Duration) -> bool {
        self.advance(now);
        self.state == State::Finished
    }

    /// Takes a frame. Of a player that is paused or cancelled the answer means nothing.
    pub(super) fn audio(&mut self, now: Duration, duration: Duration) -> Arrival {
        self.advance(now);
        let late = match self.state {
            State::Starved { since } => {
                self.state = State::Playing;
                Some(now.saturating_sub(since))
            }
            _ => None,
        };
        self.received += duration;
        if let State::Buffering { since } = self.state {
            self.state = State::Buffering {
                since: since.or(Some(now)),
            };
            if self.received >= BUFFER_BEFORE_START {
                self.state = State::Playing;
            }
        }
        Arrival {
            ahead: self.received.saturating_sub(self.played),
            late,
        }
    }

    /// Everything has come.
    pub(super) fn complete(&mut self, now: Duration) {
        self.advance(now);
        self.is_complete = true;
        if let State::Buffering { .. } | State::Starved { .. } = self.state {
            self.state = State::Playing;
        }
        self.advance(now);
    }

    /// Stops and keeps what it has.
    pub(super) fn pause(&mut self, now: Duration) {
        self.advance(now);
        if !matches!(self.state, State::Cancelled | State::Finished) {
            self.state = State::Paused;
        }
    }

    /// Goes on.
    pub(super) fn resume(&mut self, now: Duration) {
        self.advance(now);
        if self.state == State::Paused {
            self.state = State::Playing;
        }
    }

    /// Throws away what it has not played.
    pub(super) fn cancel(&mut self, now: Duration) {
        self.advance(now);
        if self.state != State::Finished {
            self.state = State::Cancelled;
        }
    }

    fn advance(&mut self, now: Duration) {
        if let State::Buffering { since: Some(since) } = self.state
            && now >= since + BUFFER_BEFORE_START
        {
            (self.state, self.as_of) = (State::Playing, since + BUFFER_BEFORE_START);
        }
        if self.state == State::Playing {
            let there = self.received.saturating_sub(self.played);
            let elapsed = now.saturating_sub(self.as_of);
            self.played += elapsed.min(there);
            if self.is_complete && elapsed >= there {
                self.state = State::Finished;
            } else if elapsed > there {
                self.state = State::Starved {
                    since: self.as_of + there,
                };
            }
        }
        self.as_of = self.as_of.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A player that got `frames` at once, at 1,000 ms.
    fn with_frames(frames: u32) -> Player {
        let mut player = Player::new(at(900));
        for _ in 0..frames {
            player.audio(at(1_000), FRAME);
        }
        player
    }

    #[test]
    fn it_begins_once_it_has_a_little_and_plays_in_real_time() {
        let mut player = with_frames(2);
        assert!(!player.is_playing());
        assert_eq!(
            player.audio(at(1_010), FRAME),
            Arrival {
                ahead: at(60),
                late: None
            }
        );
        assert!(player.is_playing());
        assert_eq!(player.played(at(1_040)), at(30));
        assert_eq!(
            player.audio(at(1_050), FRAME),
            Arrival {
                ahead: at(40),
                late: None
            }
        );
    }

    #[test]
    fn it_does_not_wait_for_long_before_it_begins() {
        let mut player = with_frames(1);
        assert_eq!(player.played(at(1_059)), at(0));
        assert_eq!(player.played(at(1_070)), at(10));
    }

    #[test]
    fn what_comes_when_there_is_nothing_left_is_late_by_the_silence() {
        let mut player = with_frames(3);
        assert_eq!(player.audio(at(1_060), FRAME).late, None, "in the last moment");
        let arrival = player.audio(at(1_095), FRAME);
        assert_eq!((arrival.late, arrival.ahead), (Some(at(15)), at(20)));
        assert_eq!(
            player.played(at(1_105)),
            at(90),
            "it goes on from where it was torn"
        );
    }

    #[test]
    fn pauses_are_not_played() {
        let mut player = with_frames(10);
        player.pause(at(1_050));
        assert_eq!(player.played(at(3_000)), at(50));
        assert!(player.is_paused());
        player.resume(at(3_000));
        assert_eq!(player.played(at(3_025)), at(75));
        assert_eq!(player.audio(at(3_025), FRAME).late, None);
    }

    #[test]
    fn what_is_cancelled_is_never_played() {
        let mut player = with_frames(10);
        player.pause(at(1_050));
        player.cancel(at(1_080));
        assert_eq!(player.played(at(9_000)), at(50));
        player.resume(at(9_000));
        assert!(player.is_cancelled());
        assert!(!player.is_finished(at(9_900)));
    }

    #[test]
    fn it_finishes_when_all_has_come_and_been_played() {
        let mut player = with_frames(4);
        player.complete(at(1_020));
        assert!(!player.is_finished(at(1_079)));
        assert!(player.is_finished(at(1_080)));
        assert_eq!(player.played(at(2_000)), at(80));

        let mut short = with_frames(1);
        short.complete(at(1_000));
        assert!(
            short.is_finished(at(1_020)),
            "less than the buffer is played at once"
        );

        let mut starved = with_frames(3);
        assert_eq!(starved.played(at(1_500)), at(60));
        starved.complete(at(1_500));
        assert!(starved.is_finished(at(1_500)));

        let mut empty = Player::new(at(0));
        empty.complete(at(10));
        assert!(empty.is_finished(at(10)));
    }
}
