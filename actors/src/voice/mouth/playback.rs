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
        let first = self
            .waiting
            .front()
            .map_or(Duration::ZERO, |frame| frame.duration);
        let position_max = self.position_max();
        if self.sent + first > position_max + self.lead {
            return Some(self.progress_at + STALLED_MAX);
        }
        let next = self.sent + self.waiting_sound.min(PACE);
        let position = next.saturating_sub(self.lead).min(position_max);
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    const LEAD: Duration = Duration::from_millis(400);
    const FRAME: Duration = greenroom_audio::mouth::FRAME_DURATION;

    fn frames(numbers: std::ops::Range<u16>) -> Vec<SpeechFrame> {
        let frame = |number: u16| SpeechFrame {
            bytes: Bytes::copy_from_slice(&number.to_le_bytes()),
            duration: FRAME,
        };
        numbers.map(frame).collect()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A playback with a socket that takes what it is given, and the time since it began.
    struct Scene {
        playback: Playback,
        start: Instant,
        now: Instant,
        /// In the outlet, untaken.
        lane: Vec<SpeechFrame>,
        taken: Vec<SpeechFrame>,
        socket_takes: bool,
    }

    impl Scene {
        fn new(sound_ms: u64) -> Self {
            let start = Instant::now();
            let mut playback = Playback::new(LEAD, start);
            playback.push(frames(0..u16::try_from(sound_ms / 20).unwrap()), start);
            let mut scene = Self {
                playback,
                start,
                now: start,
                lane: Vec::new(),
                taken: Vec::new(),
                socket_takes: true,
            };
            scene.look();
            scene
        }

        fn taken(&self) -> Duration {
            FRAME * u32::try_from(self.taken.len()).unwrap()
        }

        fn look(&mut self) {
            self.playback.advance(self.taken(), self.now);
            let due = self.playback.take_due(self.now);
            self.lane.extend(due);
            if self.socket_takes {
                self.taken.append(&mut self.lane);
            }
            self.playback.advance(self.taken(), self.now);
        }

        /// Time passes, and the playback is looked at when it wants to be.
        fn pass(&mut self, time_ms: u64) {
            let until = self.now + ms(time_ms);
            let mut looks = 0;
            while let Some(at) = self.playback.wake_at().filter(|at| *at <= until) {
                self.now = at.max(self.now);
                if self.playback.is_stalled(self.now) {
                    break;
                }
                self.look();
                looks += 1;
                assert!(looks <= 2 + time_ms / 10, "it is looked at all the time");
            }
            self.now = until;
        }

        fn ack(&mut self, played_ms: u64) {
            self.playback.advance(self.taken(), self.now);
            self.playback.ack(ms(played_ms), self.now);
            self.look();
        }

        fn hold(&mut self) {
            self.playback.advance(self.taken(), self.now);
            self.playback.hold(std::mem::take(&mut self.lane));
        }

        fn release(&mut self) {
            self.playback.release(self.now);
            self.look();
        }
    }

    #[test]
    fn a_lead_is_sent_at_once_and_the_rest_as_it_plays() {
        let mut scene = Scene::new(2_000);
        assert_eq!(scene.taken(), LEAD);
        for passed_ms in [80, 400, 800, 1_200] {
            scene.pass(passed_ms - u64::try_from((scene.now - scene.start).as_millis()).unwrap());
            let ahead = scene.taken().saturating_sub(ms(passed_ms));
            assert!(
                ahead <= LEAD && ahead + ms(80) > LEAD,
                "{ahead:?} ahead after {passed_ms} ms"
            );
        }
        scene.pass(1_000);
        assert_eq!(scene.taken(), ms(2_000));
        assert_eq!(scene.playback.played_at(), Some(scene.start + ms(2_000)));
        assert_eq!(scene.playback.last_acks_by(), Some(scene.start + ms(4_000)));
        assert_eq!(scene.playback.wake_at(), None);
    }

    #[test]
    fn a_client_that_falls_silent_is_taken_to_play_for_another_second() {
        let mut scene = Scene::new(6_000);
        scene.pass(250);
        scene.ack(250);
        scene.pass(5_000);
        assert_eq!(scene.taken(), ms(240) + PLAYS_ON_MAX + LEAD, "frames are whole");
        assert!(!scene.playback.is_stalled(scene.now));
        scene.pass(8_000);
        assert!(scene.playback.is_stalled(scene.now));
        scene.ack(1_600);
        assert!(!scene.playback.is_stalled(scene.now), "it is there again");
        assert_eq!(scene.taken(), ms(2_000));
    }

    #[test]
    fn acks_are_believed_as_far_as_they_can_be_true() {
        let mut scene = Scene::new(6_000);
        scene.pass(400);
        let sent = scene.taken();
        scene.ack(u64::MAX);
        assert_eq!(scene.playback.heard(), sent, "not more than was sent");
        let before = scene.taken();
        scene.ack(100);
        assert_eq!(
            (scene.playback.heard(), scene.taken()),
            (sent, before),
            "not less than before"
        );
        assert!(scene.taken() <= sent + LEAD);
    }

    #[test]
    fn the_same_ack_again_and_again_is_no_progress() {
        let mut scene = Scene::new(6_000);
        for _ in 0..40 {
            assert!(!scene.playback.is_stalled(scene.now));
            scene.ack(0);
            scene.pass(250);
        }
        for _ in 0..4 {
            scene.ack(0);
            scene.pass(250);
        }
        assert!(scene.playback.is_stalled(scene.now));
        assert!(scene.taken() <= LEAD + PLAYS_ON_MAX);
    }

    #[test]
    fn a_pause_takes_back_what_was_not_taken_and_goes_on_with_it() {
        let mut scene = Scene::new(3_000);
        scene.pass(200);
        scene.socket_takes = false;
        scene.pass(200);
        assert!(!scene.lane.is_empty());
        scene.hold();
        let taken = scene.taken();
        scene.socket_takes = true;
        scene.pass(60_000);
        assert_eq!(scene.taken(), taken);
        assert!(!scene.playback.is_stalled(scene.now));
        assert_eq!(scene.playback.played_at(), None);
        assert_eq!(scene.playback.sent(), taken);
        scene.release();
        scene.pass(5_000);
        assert_eq!(scene.taken, frames(0..150));
    }

    #[test]
    fn a_socket_that_takes_nothing_gets_a_lead_and_no_more() {
        let mut scene = Scene::new(0);
        scene.socket_takes = false;
        scene.playback.push(frames(0..100), scene.now);
        scene.look();
        scene.pass(9_000);
        assert_eq!(scene.lane.len(), 20);
        assert_eq!(scene.playback.waiting_sound(), ms(1_600));
        scene.pass(2_000);
        assert!(scene.playback.is_stalled(scene.now));
        scene.playback.drop_waiting();
        assert!(!scene.playback.is_stalled(scene.now));
        assert_eq!(
            (scene.playback.sent(), scene.playback.wake_at()),
            (Duration::ZERO, None)
        );
    }

    #[test]
    fn a_client_that_runs_dry_is_noticed_once() {
        let mut scene = Scene::new(1_000);
        scene.pass(5_000);
        scene.look();
        assert!(scene.playback.push(frames(50..60), scene.now));
        assert!(!scene.playback.push(frames(60..70), scene.now));
        scene.look();
        assert_eq!(scene.taken(), ms(1_400), "its playback stood still meanwhile");
        scene.pass(5_000);
        assert_eq!(scene.taken, frames(0..70));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Pass(u64),
        Honest,
        Ack(u64),
        Hold,
        Release,
        Socket(bool),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1..600_u64).prop_map(Step::Pass),
            2 => Just(Step::Honest),
            1 => (0..9_000_u64).prop_map(Step::Ack),
            1 => Just(Step::Hold),
            2 => Just(Step::Release),
            1 => any::<bool>().prop_map(Step::Socket),
        ]
    }

    /// A client that plays what it gets: how much it has played.
    #[derive(Default)]
    struct Player {
        played: Duration,
        held: bool,
    }

    impl Player {
        fn pass(&mut self, time: Duration, received: Duration) {
            if !self.held {
                self.played = (self.played + time).min(received);
            }
        }
    }

    proptest! {
        /// However an honest client's acks come, it is never sent more than a lead ahead of what it plays, beyond what
        /// it lied about; and what it gets is gapless and in order.
        #[test]
        fn never_further_ahead_than_the_lead(steps in prop::collection::vec(step(), 1..120), lies: bool) {
            let mut scene = Scene::new(8_000);
            let mut player = Player::default();
            let mut lied = Duration::ZERO;
            for step in steps {
                let received = scene.taken();
                match step {
                    Step::Pass(time_ms) => {
                        for _ in 0..time_ms {
                            scene.pass(1);
                            player.pass(ms(1), scene.taken());
                        }
                    }
                    Step::Honest => scene.ack(u64::try_from(player.played.as_millis()).unwrap()),
                    Step::Ack(played_ms) if lies => {
                        let believed = ms(played_ms).min(received);
                        lied = lied.max(believed.saturating_sub(player.played));
                        scene.ack(played_ms);
                    }
                    Step::Ack(_) => {}
                    Step::Hold => {
                        scene.hold();
                        player.held = true;
                    }
                    Step::Release => {
                        scene.release();
                        player.held = false;
                    }
                    Step::Socket(takes) => {
                        scene.socket_takes = takes;
                        if takes {
                            let mut lane = std::mem::take(&mut scene.lane);
                            scene.taken.append(&mut lane);
                        }
                    }
                }
                let sent = scene.playback.sent();
                prop_assert!(sent <= player.played + LEAD + lied + ms(1), "{sent:?} sent, {:?} played", player.played);
                prop_assert!(scene.playback.heard() <= scene.taken());
            }
            let count = u16::try_from(scene.taken.len() + scene.lane.len()).unwrap();
            let sent: Vec<_> = scene.taken.iter().chain(&scene.lane).cloned().collect();
            prop_assert_eq!(sent, frames(0..count));
        }
    }
}
