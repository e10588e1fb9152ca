//! The way from a voice line to its socket: a control lane that overtakes an audio lane.
//!
//! What lies in the audio lane can be taken back until the socket has taken it: so a pause stops the sound at once, and
//! everybody knows to the frame how much of a reply is on its way to the client.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use greenroom_audio::mouth::SpeechFrame;
use greenroom_protocol::Signal;
use metrics::counter;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::shared::lock;

/// Signals that may wait for their socket. One that takes nothing is closed after ten seconds, in which a person brings
/// about a few dozen; more are dropped, as signals may be.
const SIGNALS_WAITING_MAX: usize = 256;

/// Frames that a recording may be behind by: more than are sent before the line looks again.
const TAPED_MAX: usize = 512;

/// What the audio lane carries, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum AudioItem {
    /// `audio.begin`.
    Begin(Signal),
    /// One binary frame.
    Frame(Bytes),
    /// `audio.end`.
    End(Signal),
}

/// The socket's end. One task takes from it.
#[derive(Debug)]
pub struct Outlet {
    shared: Arc<Shared>,
}

/// The line's end.
#[derive(Debug)]
pub struct OutletSender {
    shared: Arc<Shared>,
}

/// How much of the reply that was begun last the socket has taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HandedOver {
    /// Its beginning.
    pub begin: bool,
    /// When the first of its sound was taken.
    pub first_sound_at: Option<Instant>,
    /// So much sound.
    pub sound: Duration,
    /// Its end.
    pub end: bool,
}

/// A frame that the socket has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapedFrame {
    /// When.
    pub at: Instant,
    /// The frame.
    pub bytes: Bytes,
}

/// What was taken back of the reply that was begun last.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TakenBack {
    /// Its beginning, of which the client knows nothing now.
    pub begin: bool,
    /// Its frames, in order.
    pub frames: Vec<SpeechFrame>,
    /// Its end.
    pub end: bool,
}

/// Two ends of a new outlet.
pub fn outlet() -> (OutletSender, Outlet) {
    let shared = Arc::new(Shared::default());
    let sender = OutletSender {
        shared: Arc::clone(&shared),
    };
    (sender, Outlet { shared })
}

#[derive(Debug, Default)]
struct Shared {
    lanes: Mutex<Lanes>,
    /// Something is there to be taken.
    filled: Notify,
    /// The first sound of a reply was taken.
    sounded: Notify,
}

#[derive(Debug, Default)]
struct Lanes {
    control: VecDeque<Signal>,
    audio: VecDeque<Item>,
    handed_over: HandedOver,
    /// What was handed over, while it is recorded.
    tape: Option<Vec<TapedFrame>>,
}

#[derive(Debug)]
enum Item {
    Begin(Signal),
    Frame(SpeechFrame),
    End(Signal),
}

impl Outlet {
    /// Returns once there is something to take. Cancel safe.
    pub async fn ready(&self) {
        loop {
            let filled = self.shared.filled.notified();
            if lock(&self.shared.lanes).has_something() {
                return;
            }
            filled.await;
        }
    }

    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        !lock(&self.shared.lanes).has_something()
    }

    /// The next signal of the control lane, which goes before anything of the audio lane.
    pub fn control(&self) -> Option<Signal> {
        let mut lanes = lock(&self.shared.lanes);
        let signal = lanes.control.pop_front();
        lanes.release_if_empty();
        signal
    }

    /// The next item of the audio lane. It counts as sent.
    pub fn audio(&self) -> Option<AudioItem> {
        let mut lanes = lock(&self.shared.lanes);
        let item = lanes.audio.pop_front()?;
        lanes.release_if_empty();
        let handed_over = &mut lanes.handed_over;
        Some(match item {
            Item::Begin(signal) => {
                handed_over.begin = true;
                AudioItem::Begin(signal)
            }
            Item::Frame(frame) => {
                handed_over.sound += frame.duration;
                if handed_over.first_sound_at.is_none() {
                    handed_over.first_sound_at = Some(Instant::now());
                    self.shared.sounded.notify_one();
                }
                if let Some(tape) = &mut lanes.tape
                    && tape.len() < TAPED_MAX
                {
                    tape.push(TapedFrame {
                        at: Instant::now(),
                        bytes: frame.bytes.clone(),
                    });
                }
                AudioItem::Frame(frame.bytes)
            }
            Item::End(signal) => {
                handed_over.end = true;
                AudioItem::End(signal)
            }
        })
    }
}

impl OutletSender {
    /// Sends a signal ahead of all audio. Of partial transcripts only the newest waits.
    pub fn signal(&self, signal: Signal) {
        lock(&self.shared.lanes).signal(signal);
        self.shared.filled.notify_one();
    }

    /// Begins a reply; what is handed over counts from here. The one before has ended, or was taken back.
    pub fn begin(&self, begin: Signal) {
        let mut lanes = lock(&self.shared.lanes);
        lanes.handed_over = HandedOver::default();
        lanes.audio.push_back(Item::Begin(begin));
        drop(lanes);
        self.shared.filled.notify_one();
    }

    /// Sends frames of the reply that was begun.
    pub fn frames(&self, frames: impl IntoIterator<Item = SpeechFrame>) {
        let frames = frames.into_iter().map(Item::Frame);
        lock(&self.shared.lanes).audio.extend(frames);
        self.shared.filled.notify_one();
    }

    /// Ends the reply that was begun.
    pub fn end(&self, end: Signal) {
        lock(&self.shared.lanes).audio.push_back(Item::End(end));
        self.shared.filled.notify_one();
    }

    /// How much of the reply that was begun last the socket has taken.
    pub fn handed_over(&self) -> HandedOver {
        lock(&self.shared.lanes).handed_over
    }

    /// Keeps what the socket takes from now on for [`Self::take_tape`], or no longer.
    pub fn tape(&self, taped: bool) {
        lock(&self.shared.lanes).tape = taped.then(Vec::new);
    }

    /// What the socket has taken since the last look.
    pub fn take_tape(&self) -> Vec<TapedFrame> {
        let mut lanes = lock(&self.shared.lanes);
        lanes.tape.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Takes back what the socket has not taken, and sends the signal that tells so, both at one moment.
    pub fn take_back(&self, signal: impl FnOnce(&HandedOver) -> Option<Signal>) -> TakenBack {
        let mut lanes = lock(&self.shared.lanes);
        let mut taken = TakenBack::default();
        for item in std::mem::take(&mut lanes.audio) {
            match item {
                Item::Begin(_) => taken.begin = true,
                Item::Frame(frame) => taken.frames.push(frame),
                Item::End(_) => taken.end = true,
            }
        }
        if let Some(signal) = signal(&lanes.handed_over) {
            lanes.signal(signal);
        }
        drop(lanes);
        self.shared.filled.notify_one();
        taken
    }

    /// Returns when the first sound of a reply was taken. Cancel safe; it may return late or for nothing, never not at all.
    pub async fn sounded(&self) {
        self.shared.sounded.notified().await;
    }
}

impl Lanes {
    fn has_something(&self) -> bool {
        !(self.control.is_empty() && self.audio.is_empty())
    }

    fn signal(&mut self, signal: Signal) {
        if let (Signal::TranscriptPartial { .. }, Some(Signal::TranscriptPartial { .. })) =
            (&signal, self.control.back())
        {
            self.control.pop_back();
        }
        if self.control.len() < SIGNALS_WAITING_MAX {
            self.control.push_back(signal);
        } else {
            counter!("greenroom_voice_signals_dropped_total").increment(1);
        }
    }

    /// A silent outlet holds no memory.
    fn release_if_empty(&mut self) {
        if !self.has_something() {
            self.control = VecDeque::new();
            self.audio = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::{AudioCodec, Millis};

    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    fn begin() -> Signal {
        Signal::AudioBegin {
            reply_id: "reply".to_owned(),
            turn_id: None,
            codec: AudioCodec::PcmS16le,
            sample_rate: 24_000,
        }
    }

    fn end() -> Signal {
        Signal::AudioEnd {
            reply_id: "reply".to_owned(),
        }
    }

    fn pause(at_ms: u128) -> Signal {
        Signal::AudioPause {
            reply_id: "reply".to_owned(),
            at_ms: Millis(u64::try_from(at_ms).unwrap()),
        }
    }

    fn frame(number: u8) -> SpeechFrame {
        SpeechFrame {
            bytes: Bytes::from(vec![number]),
            duration: FRAME,
        }
    }

    fn partial(text: &str) -> Signal {
        Signal::TranscriptPartial {
            text: text.to_owned(),
        }
    }

    #[test]
    fn control_goes_first_and_audio_keeps_its_order() {
        let (sender, outlet) = outlet();
        sender.begin(begin());
        sender.frames([frame(1), frame(2)]);
        sender.end(end());
        sender.signal(Signal::SpeechStarted {});
        assert_eq!(outlet.control(), Some(Signal::SpeechStarted {}));
        assert_eq!(outlet.control(), None);
        let audio: Vec<_> = std::iter::from_fn(|| outlet.audio()).collect();
        let frames = [1, 2].map(|number| AudioItem::Frame(Bytes::from(vec![number])));
        let [first, second] = frames;
        assert_eq!(
            audio,
            [AudioItem::Begin(begin()), first, second, AudioItem::End(end())]
        );
    }

    #[test]
    fn what_was_not_taken_comes_back_and_the_signal_says_how_much_was() {
        let (sender, outlet) = outlet();
        sender.begin(begin());
        sender.frames([frame(1), frame(2), frame(3)]);
        sender.end(end());
        outlet.audio();
        outlet.audio();
        let taken = sender.take_back(|handed_over| Some(pause(handed_over.sound.as_millis())));
        assert_eq!(
            taken,
            TakenBack {
                begin: false,
                frames: vec![frame(2), frame(3)],
                end: true,
            }
        );
        assert_eq!(outlet.audio(), None);
        assert_eq!(outlet.control(), Some(pause(20)));
    }

    #[test]
    fn what_the_socket_takes_is_taped_while_that_is_wanted() {
        let (sender, outlet) = outlet();
        let taped = || {
            let frames = sender.take_tape().into_iter();
            frames.map(|taped| taped.bytes[0]).collect::<Vec<_>>()
        };
        sender.begin(begin());
        sender.frames([frame(1), frame(2), frame(3), frame(4)]);
        outlet.audio();
        outlet.audio();
        assert_eq!(taped(), [0; 0]);
        sender.tape(true);
        outlet.audio();
        outlet.audio();
        assert_eq!(taped(), [2, 3]);
        assert_eq!(taped(), [0; 0]);
        sender.tape(false);
        outlet.audio();
        assert_eq!(taped(), [0; 0]);
    }

    #[test]
    fn a_reply_that_nobody_took_comes_back_whole() {
        let (sender, outlet) = outlet();
        sender.begin(begin());
        sender.frames([frame(1)]);
        let taken = sender.take_back(|handed_over| handed_over.begin.then(|| pause(0)));
        assert!(taken.begin && !taken.end && taken.frames == [frame(1)]);
        assert_eq!((outlet.control(), outlet.audio()), (None, None));
    }

    #[test]
    fn what_was_handed_over_is_counted_anew_for_each_reply() {
        let (sender, outlet) = outlet();
        sender.begin(begin());
        sender.frames([frame(1), frame(2)]);
        while outlet.audio().is_some() {}
        assert_eq!(sender.handed_over().sound, FRAME * 2);
        sender.begin(begin());
        assert_eq!(sender.handed_over(), HandedOver::default());
    }

    #[test]
    fn only_the_newest_partial_waits_and_signals_are_bounded() {
        let (sender, outlet) = outlet();
        sender.signal(Signal::SpeechStarted {});
        sender.signal(partial("a"));
        sender.signal(partial("a b"));
        assert_eq!(outlet.control(), Some(Signal::SpeechStarted {}));
        assert_eq!(outlet.control(), Some(partial("a b")));
        assert_eq!(outlet.control(), None);

        for _ in 0..SIGNALS_WAITING_MAX + 5 {
            sender.signal(Signal::SpeechStarted {});
        }
        let waiting = std::iter::from_fn(|| outlet.control()).count();
        assert_eq!(waiting, SIGNALS_WAITING_MAX);
    }

    #[tokio::test]
    async fn the_socket_is_woken_by_either_lane() {
        let (sender, outlet) = outlet();
        let waiting = async {
            outlet.ready().await;
            outlet.control()
        };
        let sending = async {
            tokio::task::yield_now().await;
            sender.signal(Signal::SpeechStopped {});
        };
        assert_eq!(tokio::join!(waiting, sending).0, Some(Signal::SpeechStopped {}));
        sender.frames([frame(1)]);
        outlet.ready().await;
        assert!(outlet.audio().is_some());
        sender.sounded().await;
    }
}
