//! One reply that is being spoken: its sentences, the sound that is being made, and how far that has come.

use std::time::Duration;

use bytes::Bytes;
use greenroom_audio::mouth::{OutputCodec, OutputFormat, SpeechFramer};
use greenroom_protocol::{AudioCodec, Millis, Signal, Timestamp, TurnId};
use greenroom_session::speaking::SpeakingPace;
use tokio::time::Instant;

use super::lines::Lines;
use super::observe;
use super::playback::Playback;
use super::synthesis::{Sound, SoundPiece};
use crate::voice::outlet::{HandedOver, OutletSender};

/// Sound of a sentence is taken while less than this waits to be sent: it is made faster than it is played.
const TAKEN_WAITING_MAX: Duration = Duration::from_secs(2);
/// The next sentence is made while less than this waits to be sent: what nobody comes to hear is paid for.
const MADE_WAITING_MAX: Duration = Duration::from_secs(4);

/// A reply, from its first words until it was played.
pub(super) struct Reply {
    /// What its sound is stamped with.
    pub(super) number: u64,
    /// What the client acks by.
    pub(super) id: String,
    pub(super) turn_id: Option<TurnId>,
    pub(super) lines: Lines,
    pub(super) playback: Playback,
    pub(super) voice: Voice,
    /// Messages of it that are complete.
    pub(super) messages: usize,
    /// Whether nothing more is to be said.
    pub(super) is_complete: bool,
    /// When the first of its sound was there.
    pub(super) first_byte_at: Option<Timestamp>,
    /// When the socket took the first of its sound.
    pub(super) first_sent_at: Option<Instant>,
    /// Whether the session was told of its voice.
    pub(super) is_voiced: bool,
    making: Option<Making>,
    /// Made with the first sound, and gone with the last.
    framer: Option<SpeechFramer>,
    /// How much had been made when the newest sentence began.
    sentence_began: Option<Duration>,
    outgoing: Outgoing,
}

/// Whether a reply sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Voice {
    /// It does, or will.
    Sounding,
    /// As far as it was made; the rest could not be.
    Broken,
    /// Not any more.
    Silenced,
}

/// A sentence of which the sound is being made.
struct Making {
    sound: Sound,
    /// The first half of a sample whose other half is to come.
    half: Option<u8>,
}

/// How far a reply has come on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outgoing {
    /// The client knows nothing of it.
    Unbegun,
    /// Its beginning is in the outlet, or was taken from there.
    Begun,
    /// So is its end.
    Ended { taken: bool },
}

impl Reply {
    pub(super) fn new(
        number: u64,
        id: String,
        turn_id: Option<TurnId>,
        lead: Duration,
        now: Instant,
    ) -> Self {
        Self {
            number,
            id,
            turn_id,
            lines: Lines::default(),
            playback: Playback::new(lead, now),
            voice: Voice::Sounding,
            messages: 0,
            is_complete: false,
            first_byte_at: None,
            first_sent_at: None,
            is_voiced: false,
            making: None,
            framer: None,
            sentence_began: None,
            outgoing: Outgoing::Unbegun,
        }
    }

    /// Learns what the socket has taken by now.
    pub(super) fn look(&mut self, outlet: &OutletSender, now: Instant) {
        let handed_over = match self.outgoing {
            Outgoing::Unbegun => HandedOver::default(),
            Outgoing::Begun | Outgoing::Ended { .. } if self.voice == Voice::Silenced => return,
            Outgoing::Begun | Outgoing::Ended { .. } => outlet.handed_over(),
        };
        self.note(&handed_over, now);
    }

    /// Whether the next sentence may be made.
    pub(super) fn may_make_next(&self) -> bool {
        // At most one sentence is ahead of the one that is being sent.
        let newest_is_sent = match self.sentence_began {
            Some(began) => self.playback.sent() > began || self.playback.waiting_sound().is_zero(),
            None => true,
        };
        self.voice == Voice::Sounding
            && self.making.is_none()
            && newest_is_sent
            && self.playback.waiting_sound() < MADE_WAITING_MAX
    }

    /// The sound of the next sentence is being made.
    pub(super) fn begin_sound(&mut self, sound: Sound) {
        self.sentence_began = Some(self.playback.made());
        self.making = Some(Making { sound, half: None });
    }

    /// What is being made, if more of it is wanted now.
    pub(super) fn wanted_sound(&mut self) -> Option<&mut Sound> {
        let wants_more = self.playback.waiting_sound() < TAKEN_WAITING_MAX;
        self.making
            .as_mut()
            .filter(|_| wants_more)
            .map(|making| &mut making.sound)
    }

    /// Takes what was made.
    pub(super) fn take_piece(
        &mut self,
        piece: &SoundPiece,
        output: OutputFormat,
        pace: &mut SpeakingPace,
        now: Instant,
    ) {
        match piece {
            SoundPiece::Samples(bytes) => {
                let Some(making) = &mut self.making else { return };
                let samples = making.samples(bytes);
                self.lines.add_samples(samples.len());
                let framer = self.framer.get_or_insert_with(|| SpeechFramer::new(output));
                let mut ready = Vec::new();
                framer.push(&samples, &mut ready);
                if self.playback.push(ready, now) {
                    observe::underrun();
                }
            }
            SoundPiece::Whole => {
                self.making = None;
                self.lines.complete(pace);
            }
            SoundPiece::Broken { .. } => {
                self.making = None;
                self.voice = Voice::Broken;
            }
        }
    }

    /// Whether some of it still has to be made, as far as is known.
    pub(super) fn is_being_made(&self) -> bool {
        let awaits_text = !self.is_complete || self.lines.has_next();
        self.making.is_some() || (self.voice == Voice::Sounding && awaits_text)
    }

    /// Whether there is no sound, and none to come of what is known.
    pub(super) fn is_mute(&self) -> bool {
        match self.voice {
            Voice::Sounding => {
                self.playback.made().is_zero() && self.making.is_none() && !self.lines.has_next()
            }
            Voice::Broken => self.playback.made().is_zero(),
            Voice::Silenced => true,
        }
    }

    /// Sends what is due.
    pub(super) fn send(&mut self, output: OutputFormat, outlet: &OutletSender, now: Instant) {
        if self.voice == Voice::Silenced {
            return;
        }
        let is_made = !self.is_being_made();
        if let Some(mut framer) = self.framer.take_if(|_| is_made) {
            let mut rest = Vec::new();
            framer.finish(&mut rest);
            self.playback.push(rest, now);
        }
        let due = self.playback.take_due(now);
        if !due.is_empty() {
            if self.outgoing == Outgoing::Unbegun {
                outlet.begin(self.begin_signal(output));
                self.outgoing = Outgoing::Begun;
            }
            outlet.frames(due);
        }
        if is_made && self.outgoing == Outgoing::Begun && self.playback.waiting_sound().is_zero() {
            outlet.end(Signal::AudioEnd {
                reply_id: self.id.clone(),
            });
            self.outgoing = Outgoing::Ended { taken: false };
        }
    }

    /// Stops the sound where the client's stands, and tells it so.
    pub(super) fn hold(&mut self, outlet: &OutletSender, now: Instant) {
        if self.voice == Voice::Silenced || self.outgoing == Outgoing::Unbegun {
            return self.playback.hold(Vec::new());
        }
        let reply_id = self.id.clone();
        let mut as_of_now = HandedOver::default();
        let taken_back = outlet.take_back(|handed_over| {
            as_of_now = *handed_over;
            handed_over.begin.then(|| Signal::AudioPause {
                reply_id,
                at_ms: millis(handed_over.sound),
            })
        });
        self.note(&as_of_now, now);
        self.playback.hold(taken_back.frames);
        if taken_back.begin {
            self.outgoing = Outgoing::Unbegun;
        } else if taken_back.end {
            self.outgoing = Outgoing::Begun;
        }
    }

    /// Goes on.
    pub(super) fn release(&mut self, outlet: &OutletSender, now: Instant) {
        self.playback.release(now);
        if self.voice != Voice::Silenced && self.outgoing != Outgoing::Unbegun {
            outlet.signal(Signal::AudioResume {
                reply_id: self.id.clone(),
                at_ms: millis(self.playback.sent()),
            });
        }
    }

    /// Nothing more of it sounds: what is being made is cancelled, what was sent is taken back, and the client throws
    /// away what it has. `reason` is for operators.
    pub(super) fn silence(&mut self, reason: &'static str, outlet: &OutletSender, now: Instant) {
        if self.voice == Voice::Silenced {
            return;
        }
        observe::reply(reason);
        let (making, framer) = (self.making.take(), self.framer.take());
        drop((making, framer));
        if self.outgoing != Outgoing::Unbegun {
            let reply_id = self.id.clone();
            let mut as_of_now = HandedOver::default();
            outlet.take_back(|handed_over| {
                as_of_now = *handed_over;
                handed_over.begin.then(|| Signal::AudioCancel {
                    reply_id,
                    at_ms: millis(handed_over.sound),
                })
            });
            self.note(&as_of_now, now);
        }
        self.playback.drop_waiting();
        self.voice = Voice::Silenced;
    }

    /// Whether the client has something of it, and something left to play or to come.
    pub(super) fn is_sounding(&self, now: Instant) -> bool {
        let has_begun = self.outgoing != Outgoing::Unbegun && self.first_sent_at.is_some();
        let is_played = || {
            self.playback
                .played_at()
                .is_some_and(|played_at| played_at <= now)
        };
        has_begun
            && match self.voice {
                Voice::Sounding => true,
                Voice::Broken => !is_played(),
                Voice::Silenced => false,
            }
    }

    /// Whether the client was told that it is complete, or will be next.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.outgoing, Outgoing::Ended { .. })
    }

    /// Whether nothing of it is left to be done, but to wait for its last acks.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        if !self.is_complete {
            return false;
        }
        match self.outgoing {
            _ if self.voice == Voice::Silenced => true,
            Outgoing::Ended { taken: true } => {
                let played_at = self.playback.played_at();
                played_at.is_some_and(|played_at| played_at <= now || self.playback.is_acked())
            }
            Outgoing::Unbegun => !self.is_being_made() && self.playback.waiting_sound().is_zero(),
            Outgoing::Begun | Outgoing::Ended { taken: false } => false,
        }
    }

    /// Whether its text must be complete, although nobody said so: all of it that is known was played a while ago.
    pub(super) fn seems_complete(&self, now: Instant) -> bool {
        self.complete_by().is_some_and(|complete_by| complete_by <= now)
    }

    /// When to look at it again, if nothing else happens before.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        if self.voice == Voice::Silenced {
            return None;
        }
        let end_at = match self.outgoing {
            Outgoing::Ended { taken: false } => Some(self.playback.next_look()),
            Outgoing::Ended { taken: true } if self.is_complete => self.playback.played_at(),
            Outgoing::Unbegun | Outgoing::Begun | Outgoing::Ended { .. } => self.complete_by(),
        };
        self.playback.wake_at().into_iter().chain(end_at).min()
    }

    fn note(&mut self, handed_over: &HandedOver, now: Instant) {
        self.playback.advance(handed_over.sound, now);
        self.first_sent_at = self.first_sent_at.or(handed_over.first_sound_at);
        if let Outgoing::Ended { taken } = &mut self.outgoing {
            *taken = handed_over.end;
        }
    }

    fn begin_signal(&self, output: OutputFormat) -> Signal {
        let codec = match output.codec() {
            OutputCodec::PcmS16le => AudioCodec::PcmS16le,
            OutputCodec::Opus => AudioCodec::Opus,
        };
        Signal::AudioBegin {
            reply_id: self.id.clone(),
            turn_id: self.turn_id,
            codec,
            sample_rate: output.rate_hz(),
        }
    }

    fn complete_by(&self) -> Option<Instant> {
        let is_all_made = self.making.is_none() && !(self.voice == Voice::Sounding && self.lines.has_next());
        let may_be_complete = !self.is_complete && self.messages > 0 && is_all_made;
        let by = self.playback.last_acks_by();
        by.filter(|_| may_be_complete && self.first_sent_at.is_some())
    }
}

impl Making {
    /// The whole samples of a piece; a half one waits for the next piece.
    fn samples(&mut self, bytes: &Bytes) -> Vec<i16> {
        let mut samples = Vec::with_capacity(bytes.len() / 2 + 1);
        let mut rest = bytes.as_ref();
        if let (Some(low), Some((high, after))) = (self.half, rest.split_first()) {
            samples.push(i16::from_le_bytes([low, *high]));
            self.half = None;
            rest = after;
        }
        let (pairs, half) = rest.as_chunks::<2>();
        samples.extend(pairs.iter().map(|pair| i16::from_le_bytes(*pair)));
        if let [low] = half {
            self.half = Some(*low);
        }
        samples
    }
}

pub(super) fn millis(duration: Duration) -> Millis {
    Millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
