//! A client of a mouth: takes what the outlet has, plays it in (paused) time, and acks as a test wants it.

use std::time::Duration;

use bytes::Bytes;
use greenroom_actors::voice::outlet::AudioItem;
use greenroom_protocol::{Millis, Signal};
use tokio::time::Instant;

/// Of 20 ms at 24 kHz.
const FRAME_BYTES: usize = 960;
const FRAME: Duration = Duration::from_millis(20);

/// How a client acks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// Every 250 ms, what it has played.
    Honest,
    /// Never.
    Never,
    /// Every 250 ms, something else each time: too much, backwards, of other replies.
    Nonsense,
    /// Every 250 ms, that it has played nothing.
    Zero,
}

/// One reply as the client knows it.
#[derive(Debug, Clone)]
pub struct Received {
    pub id: String,
    pub signals: Vec<Signal>,
    pub frames: Vec<Bytes>,
    pub began: Instant,
    pub is_ended: bool,
    pub is_cancelled: bool,
    played: Duration,
    as_of: Instant,
    paused: bool,
    /// How far the frames were ahead of the playback, at most.
    pub ahead_max: Duration,
    /// How long there was nothing to play amid the reply.
    pub gaps: Duration,
}

/// Everything that a client has got.
#[derive(Debug, Default)]
pub struct Client {
    pub replies: Vec<Received>,
    pub other_signals: Vec<Signal>,
    acks: u64,
}

impl Received {
    /// The samples of all frames.
    pub fn samples(&self) -> Vec<i16> {
        let bytes: Vec<u8> = self.frames.iter().flatten().copied().collect();
        let (pairs, rest) = bytes.as_chunks::<2>();
        assert!(rest.is_empty());
        pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
    }

    pub fn received(&self) -> Duration {
        FRAME * u32::try_from(self.frames.len()).unwrap()
    }

    /// How much was played by now.
    pub fn played(&mut self, now: Instant) -> Duration {
        let passed = now - std::mem::replace(&mut self.as_of, now);
        if self.paused || self.is_cancelled {
            return self.played;
        }
        let playable = self.received().saturating_sub(self.played);
        let has_begun = !self.frames.is_empty();
        if has_begun && passed > playable && !self.is_ended {
            self.gaps += passed.saturating_sub(playable);
        }
        self.played += passed.min(playable);
        self.played
    }

    fn is_done(&self) -> bool {
        self.is_cancelled || (self.is_ended && self.played == self.received())
    }
}

impl Client {
    pub fn signal(&mut self, signal: Signal, now: Instant) {
        let (Signal::AudioPause { reply_id, at_ms }
        | Signal::AudioResume { reply_id, at_ms }
        | Signal::AudioCancel { reply_id, at_ms }) = &signal
        else {
            return self.other_signals.push(signal);
        };
        let reply = self.replies.iter_mut().find(|reply| reply.id == *reply_id);
        let reply = reply.expect("a client is told of replies that it knows");
        assert!(!reply.is_cancelled, "nothing follows a cancel");
        let received_ms = u64::try_from(reply.received().as_millis()).unwrap();
        assert_eq!(*at_ms, Millis(received_ms), "so much has been sent");
        reply.played(now);
        match &signal {
            Signal::AudioPause { .. } => reply.paused = true,
            Signal::AudioResume { .. } => reply.paused = false,
            _ => reply.is_cancelled = true,
        }
        reply.signals.push(signal);
    }

    pub fn audio(&mut self, item: AudioItem, now: Instant) {
        match item {
            AudioItem::Begin(signal) => {
                let Signal::AudioBegin { reply_id, .. } = &signal else {
                    panic!("a reply begins with {signal:?}");
                };
                self.replies.push(Received {
                    id: reply_id.clone(),
                    signals: vec![signal],
                    frames: Vec::new(),
                    began: now,
                    is_ended: false,
                    is_cancelled: false,
                    played: Duration::ZERO,
                    as_of: now,
                    paused: false,
                    ahead_max: Duration::ZERO,
                    gaps: Duration::ZERO,
                });
            }
            AudioItem::Frame(bytes) => {
                assert_eq!(bytes.len(), FRAME_BYTES);
                let reply = self.replies.last_mut().expect("frames follow a beginning");
                assert!(!reply.is_ended && !reply.is_cancelled && !reply.paused);
                reply.played(now);
                reply.frames.push(bytes);
                reply.ahead_max = reply.ahead_max.max(reply.received().saturating_sub(reply.played));
            }
            AudioItem::End(signal) => {
                let reply = self.replies.last_mut().expect("an end follows a beginning");
                let expected = Signal::AudioEnd {
                    reply_id: reply.id.clone(),
                };
                assert!(signal == expected && !reply.is_ended && !reply.is_cancelled);
                reply.played(now);
                reply.is_ended = true;
                reply.signals.push(signal);
            }
        }
    }

    /// What it acks now.
    pub fn ack(&mut self, acks: Acks, now: Instant) -> Option<(String, Millis)> {
        let reply = self.replies.last_mut()?;
        let played = reply.played(now);
        let played_ms = Millis(u64::try_from(played.as_millis()).unwrap());
        self.acks += 1;
        let id = reply.id.clone();
        match acks {
            Acks::Never => None,
            Acks::Zero => Some((id, Millis(0))),
            Acks::Honest => Some((id, played_ms)),
            Acks::Nonsense => Some(match self.acks % 5 {
                0 => (id, Millis(u64::MAX)),
                1 => (id, Millis(0)),
                2 => ("reply_unknown".to_owned(), Millis(700)),
                3 => (String::new(), Millis(u64::MAX)),
                _ => (id, Millis(played_ms.0 / 2)),
            }),
        }
    }

    /// Whether everything that was begun has been played or cancelled.
    pub fn is_done(&mut self, now: Instant) -> bool {
        self.replies.iter_mut().all(|reply| {
            reply.played(now);
            reply.is_done()
        })
    }
}
