//! When the sound of a reply is sent: never further ahead of its playback than the lead, and not while it is held.
//!
//! Where the playback stands is told by the client's acks. Between two of them it is taken to go on, for a second at most;
//! a client that never acks is taken to play what it is sent. Pauses stop it, and it never passes what was sent.

use std::collections::VecDeque;
use std::time::Duration;

use greenroom_audio::mouth::SpeechFrame;
use tokio::time::Instant;

/// How often frames are sent, several at once: often enough for a lead of 200 ms, seldom enough for a thousand voices.
const PACE: Duration = Duration::from_millis(80);
/// No lead is shorter: frames are sent several at once, and a network is uneven.
const LEAD_MIN: Duration = Duration::from_millis(100);
/// So long a client is taken to play on after an ack. They come every 250 ms.
const PLAYS_ON_MAX: Duration = Duration::from_secs(1);
/// After so long without progress nobody is taken to listen any more.
const STALLED_MAX: Duration = Duration::from_secs(10);
/// So long the last acks of a reply are waited for once it must have been played.
const LAST_ACKS_WITHIN: Duration = Duration::from_secs(2);

/// The sound of one reply on its way: made, sent, handed to the socket, played.
#[derive(Debug)]
pub(super) struct Playback {
    lead: Duration,
    /// What was made and is not sent, in order.
    waiting: VecDeque<SpeechFrame>,
    waiting_sound: Duration,
    /// In the outlet, or handed to the socket.
    sent: Duration,
    handed_over: Duration,
    handed_over_at: Instant,
    /// Where the playback is taken to stand, at [`Self::as_of`].
    position: Duration,
    as_of: Instant,
    acked: Option<Ack>,
    held: bool,
    /// When something moved last.
    progress_at: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Ack {
    played: Duration,
    at: Instant,
}

impl Playback {
    /// Nothing yet.
    pub(super) fn new(lead: Duration, now: Instant) -> Self {
        Self {
            lead: lead.max(LEAD_MIN),
            waiting: VecDeque::new(),
            waiting_sound: Duration::ZERO,
            sent: Duration::ZERO,
            handed_over: Duration::ZERO,
            handed_over_at: now,
            position: Duration::ZERO,
            as_of: now,
            acked: None,
            held: false,
            progress_at: now,
        }
    }

    /// Takes sound that was made. Says whether the client had nothing left to play amid the reply.
    pub(super) fn push(&mut self, frames: impl IntoIterator<Item = SpeechFrame>, now: Instant) -> bool {
        let ran_dry = self.sent > Duration::ZERO && self.unplayed().is_zero() && !self.held;
        let was_empty = self.waiting.is_empty();
        for frame in frames {
            self.waiting_sound += frame.duration;
            self.waiting.push_back(frame);
        }
        if was_empty {
            self.progress_at = now;
        }
        ran_dry && was_empty && !self.waiting.is_empty()
    }

    /// Learns how much the socket has taken by now.
    pub(super) fn advance(&mut self, handed_over: Duration, now: Instant) {
        // What was handed over meanwhile plays from now on: rather too late than too early.
        if !self.held {
            let played_on = self.position + now.saturating_duration_since(self.as_of);
            self.position = played_on.min(self.position_max()).max(self.position);
        }
        self.as_of = now;
        if handed_over > self.handed_over {
            self.handed_over = handed_over;
            self.handed_over_at = now;
            self.progress_at = now;
        }
    }

    /// Learns what the client says it has played. More than it was sent is taken for all of that; less than it said
    /// before is not believed.
    pub(super) fn ack(&mut self, played: Duration, now: Instant) {
        let played = played.min(self.handed_over);
        let before = self.heard();
        if self.acked.is_some() && played < before {
            return;
        }
        if self.acked.is_none() || played > before {
            self.progress_at = now;
        }
        self.acked = Some(Ack { played, at: now });
        self.position = played;
        self.as_of = now;
    }

    /// The frames to send now.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<SpeechFrame> {
        let mut due = Vec::new();
        let sent_max = self.position + self.lead;
        while let Some(frame) = self.waiting.front()
            && !self.held
            && self.sent + frame.duration <= sent_max
        {
            self.sent += frame.duration;
            self.waiting_sound = self.waiting_sound.saturating_sub(frame.duration);
            due.extend(self.waiting.pop_front());
            self.progress_at = now;
        }
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        due
    }

    /// Stops, and takes back what was sent and not handed over.
    pub(super) fn hold(&mut self, taken_back: Vec<SpeechFrame>) {
        self.held = true;
        for frame in taken_back.into_iter().rev() {
            self.sent = self.sent.saturating_sub(frame.duration);
            self.waiting_sound += frame.duration;
            self.waiting.push_front(frame);
        }
    }

    /// Forgets what was not sent, and what was taken back.
    pub(super) fn drop_waiting(&mut self) {
        self.waiting = VecDeque::new();
        self.waiting_sound = Duration::ZERO;
        self.sent = self.handed_over;
        self.held = false;
    }

    /// Goes on.
    pub(super) fn release(&mut self, now: Instant) {
        self.held = false;
        self.as_of = now;
        self.progress_at = now;
        if let Some(ack) = &mut self.acked {
            ack.at = now;
        }
    }

    /// When to look again, counted from the last look, if nothing else happens before; none while only something else can
    /// change anything.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        if self.held || (self.waiting.is_empty() && self.sent == self.handed_over) {
            return None;
        }
        if self.sent > self.handed_over {
            return Some(self.next_look());
        }
        let next = self.sent + self.waiting_sound.min(PACE).min(self.lead);
        let position = next.saturating_sub(self.lead);
        if position > self.position_max() {
            return Some(self.progress_at + STALLED_MAX);
        }
        Some(self.as_of + position.saturating_sub(self.position))
    }

    /// A while after the last look.
    pub(super) fn next_look(&self) -> Instant {
        self.as_of + PACE
    }

    /// Whether nothing moves, and nobody knows why: the client plays nothing of what it has.
    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        let waits = !self.waiting.is_empty() || self.sent > self.handed_over;
        waits && !self.held && now >= self.progress_at + STALLED_MAX
    }

    /// When all that was sent must have been played, if nothing is held and nothing waits.
    pub(super) fn played_at(&self) -> Option<Instant> {
        if self.held || !self.waiting.is_empty() || self.sent > self.handed_over {
            return None;
        }
        Some(match self.acked {
            Some(ack) => ack.at.max(self.handed_over_at) + self.handed_over.saturating_sub(ack.played),
            None => self.as_of + self.unplayed(),
        })
    }

    /// When the last acks need not be waited for any more.
    pub(super) fn last_acks_by(&self) -> Option<Instant> {
        self.played_at().map(|played_at| played_at + LAST_ACKS_WITHIN)
    }

    /// Whether the client has acked everything that it was sent.
    pub(super) fn is_acked(&self) -> bool {
        self.heard() == self.handed_over
    }

    /// How much was heard for certain: what was never acked was never heard.
    pub(super) fn heard(&self) -> Duration {
        self.acked.map_or(Duration::ZERO, |ack| ack.played)
    }

    /// How much was probably heard: a client that never acks is taken to play what it is sent.
    pub(super) fn probably_heard(&self) -> Duration {
        self.acked.map_or(self.position, |ack| ack.played)
    }

    /// How much was made and is not sent.
    pub(super) fn waiting_sound(&self) -> Duration {
        self.waiting_sound
    }

    /// How much was made.
    pub(super) fn made(&self) -> Duration {
        self.sent + self.waiting_sound
    }

    /// How much was sent, be it handed over or not.
    pub(super) fn sent(&self) -> Duration {
        self.sent
    }

    fn unplayed(&self) -> Duration {
        self.handed_over.saturating_sub(self.position)
    }

    fn position_max(&self) -> Duration {
        match self.acked {
            Some(ack) => self.handed_over.min(ack.played + PLAYS_ON_MAX),
            None => self.handed_over,
        }
    }
}
