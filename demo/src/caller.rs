//! The person on the line: says the brief, hears the replies, talks into one of them, and murmurs into another.
//!
//! It has no socket and no clock: [`Caller::frame`] is asked for each frame as it leaves, [`Caller::hear`] is told what
//! came, and [`Caller::take_messages`] has what is to be sent besides.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail, ensure};
use bytes::Bytes;
use greenroom_protocol::{ClientMessage, Event, Modality, Signal, SpeechDiscardReason, TurnId, TurnOutcome};
use loadtest::client::Incoming;
use loadtest::load::{Line, Microphone, Playback, Reaction, Recordings, Sound};

/// What people need before they answer what they have heard to its end.
const THINKING: Duration = Duration::from_millis(200);
/// How long nothing at all may come of what was said. The server gives up the voice of a reply after 10 s.
const STALL: Duration = Duration::from_secs(20);

/// What a viewer does not see in the session's events.
#[derive(Debug, Clone, PartialEq)]
pub enum Moment {
    /// Somebody begins to say the line with this number.
    Speaks {
        /// The line.
        line: usize,
    },
    /// Somebody murmurs something into a reply.
    Murmurs {},
    /// So much is understood of what is being said.
    Words {
        /// All of it until now.
        text: String,
    },
    /// The reply was told to wait for whoever speaks.
    Paused {
        /// How long after the first sound.
        after_onset: Duration,
        /// How much of the reply had been played.
        played: Duration,
    },
    /// It was nothing: the reply goes on.
    Resumed {
        /// How long it waited.
        waited: Duration,
    },
    /// What was said makes no turn.
    NoTurn {
        /// Why.
        reason: SpeechDiscardReason,
    },
    /// Somebody took the word: nothing more of the reply comes.
    CutOff {},
}

/// What the conversation came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Of each answered turn, from the end of speech to the first sound of the reply.
    pub felt: Vec<Duration>,
    /// Of each reply that was cut off, from the first sound of whoever interrupted to its silence.
    pub silenced_after: Vec<Duration>,
    /// Of each reply that was murmured into, how long it waited.
    pub waited: Vec<Duration>,
}

/// One person, who may have colleagues.
#[derive(Debug)]
pub struct Caller {
    microphone: Microphone,
    /// What is done while each line is answered.
    reactions: Vec<Reaction>,
    /// The line that is said next.
    next: usize,
    /// When it is due, unless something is waited for.
    next_due: Duration,
    /// The line that was said last, until its reply was heard.
    exchange: Option<Exchange>,
    /// The reply that came last.
    playback: Option<Playback>,
    /// Whoever speaks into it.
    overlap: Option<Overlap>,
    /// When anything happened last.
    active_at: Duration,
    /// The error that was reported last.
    error: Option<String>,
    messages: Vec<ClientMessage>,
    moments: Vec<Moment>,
    figures: Figures,
}

/// A line and what comes of it.
#[derive(Debug)]
struct Exchange {
    /// What is still to be done while it is answered.
    reaction: Reaction,
    turn: Option<TurnId>,
    is_completed: bool,
}

/// Somebody speaks into a reply.
#[derive(Debug)]
struct Overlap {
    /// When the first sound was made, once it was.
    onset_at: Option<Duration>,
    /// Since when the reply waits, and how long after the first sound it began to.
    paused: Option<(Duration, Duration)>,
}

impl Caller {
    /// Says the turns of these recordings in their order, from `begins_at` on.
    pub fn new(recordings: Arc<Recordings>, reactions: Vec<Reaction>, begins_at: Duration) -> Self {
        Self {
            microphone: Microphone::new(recordings, 0),
            reactions,
            next: 0,
            next_due: begins_at,
            exchange: None,
            playback: None,
            overlap: None,
            active_at: begins_at,
            error: None,
            messages: Vec::new(),
            moments: Vec::new(),
            figures: Figures::default(),
        }
    }

    /// The frame that leaves now. Called for every frame, in their order.
    pub fn frame(&mut self, now: Duration) -> Bytes {
        self.play(now);
        if self.microphone.is_speaking() {
            self.active_at = now;
        } else {
            self.speak(now);
        }
        let (frame, sound) = self.microphone.frame(now);
        if let Some((_, Sound::Onset(at))) = sound
            && let Some(overlap) = &mut self.overlap
        {
            overlap.onset_at = Some(at);
        }
        frame
    }

    /// What is to be sent besides frames.
    pub fn take_messages(&mut self) -> Vec<ClientMessage> {
        std::mem::take(&mut self.messages)
    }

    /// What there is to be shown.
    pub fn take_moments(&mut self) -> Vec<Moment> {
        std::mem::take(&mut self.moments)
    }

    /// Whether everything was said and every reply was heard.
    pub fn is_done(&self) -> bool {
        self.next == self.reactions.len() && self.exchange.is_none() && !self.microphone.is_speaking()
    }

    /// What it came to.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// An error if what is waited for has not come for so long that it never will.
    pub fn check(&self, now: Duration) -> anyhow::Result<()> {
        let Some(exchange) = &self.exchange else {
            return Ok(());
        };
        if now < self.active_at + STALL {
            return Ok(());
        }
        let lacks = match (exchange.turn, self.reply_of(exchange)) {
            (None, _) => "no turn came of what was said",
            (Some(_), None) if exchange.is_completed => "the reply was not spoken",
            (Some(_), None) => "no reply came",
            (Some(_), Some(_)) => "the voice of the reply stopped and did not go on",
        };
        Err(match &self.error {
            Some(error) => anyhow!("{lacks}, within {STALL:?}; the last error was {error}"),
            None => anyhow!("{lacks}, within {STALL:?}"),
        })
    }

    /// Takes what came. Whatever makes it pointless to go on is an error.
    pub fn hear(&mut self, now: Duration, incoming: &Incoming) -> anyhow::Result<()> {
        self.active_at = now;
        match incoming {
            Incoming::Event(event) => self.event(&event.event()?),
            Incoming::Signal(signal) => self.signal(now, signal)?,
            Incoming::Audio(frame) => self.audio(now, frame.len())?,
            Incoming::Closed { code } => bail!("the server closed the socket ({code:?})"),
            Incoming::Unknown(_) | Incoming::Reconnected { .. } => {}
        }
        Ok(())
    }

    /// Says what is due: something into the reply, or the next line once the reply was heard.
    fn speak(&mut self, now: Duration) {
        let Some(exchange) = &mut self.exchange else {
            if self.next < self.reactions.len() && now >= self.next_due {
                self.say_next(now);
            }
            return;
        };
        let Some(playback) = &mut self.playback else {
            return;
        };
        if exchange.turn.is_none() || playback.turn != exchange.turn || self.overlap.is_some() {
            return;
        }
        if playback.is_under_way() {
            let played = playback.played(now);
            match exchange.reaction {
                Reaction::BargeIn { after } if played >= after => self.interrupt(now),
                Reaction::Backchannel { after } if played >= after => {
                    exchange.reaction = Reaction::Listen;
                    self.overlap = Some(Overlap::begin());
                    self.microphone.say(Line::Backchannel);
                    self.moments.push(Moment::Murmurs {});
                }
                Reaction::Listen | Reaction::BargeIn { .. } | Reaction::Backchannel { .. } => {}
            }
        } else if exchange.is_completed && playback.is_over {
            self.exchange = None;
            self.next_due = now + THINKING;
        }
    }

    fn interrupt(&mut self, now: Duration) {
        if self.next < self.reactions.len() {
            self.overlap = Some(Overlap::begin());
            self.say_next(now);
        }
    }

    fn say_next(&mut self, now: Duration) {
        let line = self.next;
        self.next += 1;
        self.active_at = now;
        self.exchange = Some(Exchange {
            reaction: self.reactions[line],
            turn: None,
            is_completed: false,
        });
        self.microphone.say(Line::Turn(line));
        self.moments.push(Moment::Speaks { line });
    }

    /// Plays on, and acknowledges what is due.
    fn play(&mut self, now: Duration) {
        let Some(playback) = self.playback.as_mut().filter(|playback| !playback.is_over) else {
            return;
        };
        if playback.is_finished(now) {
            playback.is_over = true;
            self.messages.push(playback.acknowledge(now));
            // Who began to speak as the last of it was played interrupts nothing any more.
            self.overlap = None;
        } else {
            self.messages.extend(playback.due(now));
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::TurnStarted(started) if started.modality == Modality::Voice => {
                if let Some(exchange) = &mut self.exchange {
                    exchange.turn = Some(started.turn_id);
                    exchange.is_completed = false;
                }
            }
            Event::TurnCompleted(completed) => {
                if let Some(exchange) = &mut self.exchange
                    && exchange.turn == Some(completed.turn_id)
                {
                    exchange.is_completed = true;
                }
                if completed.outcome == TurnOutcome::Ok {
                    let felt = Duration::from_millis(completed.latency.total_ms.0);
                    self.figures.felt.push(felt);
                }
            }
            Event::Error(error) => {
                self.error = Some(format!("{}: {}", error.error.code, error.error.message));
            }
            _ => {}
        }
    }

    fn signal(&mut self, now: Duration, signal: &Signal) -> anyhow::Result<()> {
        match signal {
            Signal::TranscriptPartial { text } => {
                self.moments.push(Moment::Words { text: text.clone() });
            }
            Signal::AudioBegin {
                reply_id,
                turn_id,
                codec,
                sample_rate,
            } => {
                let playback = Playback::new(now, reply_id.clone(), *turn_id, *codec, *sample_rate);
                self.playback = Some(playback);
                self.overlap = None;
            }
            Signal::AudioPause { reply_id, .. } => self.pause(now, reply_id),
            Signal::AudioResume { reply_id, .. } => self.resume(now, reply_id),
            Signal::AudioCancel { reply_id, .. } => self.cut_off(now, reply_id),
            Signal::AudioEnd { reply_id } => {
                if let Some(playback) = self.reply(reply_id) {
                    playback.complete(now);
                }
            }
            Signal::SpeechDiscarded { reason } => self.discarded(*reason)?,
            Signal::Rejected { error, .. } | Signal::Notice { error } => {
                bail!("{}: {}", error.code, error.message)
            }
            Signal::MicrophoneTaken {} => bail!("another client took the microphone"),
            Signal::SessionSnapshot { .. }
            | Signal::ReplayDone { .. }
            | Signal::Accepted { .. }
            | Signal::SpeechStarted {}
            | Signal::SpeechStopped {}
            | Signal::ServerDraining { .. }
            | Signal::Pong { .. } => {}
        }
        Ok(())
    }

    /// A line of the brief that makes no turn is the end of the show; a murmur is meant to make none.
    fn discarded(&mut self, reason: SpeechDiscardReason) -> anyhow::Result<()> {
        let waits_for_turn = self
            .exchange
            .as_ref()
            .is_some_and(|exchange| exchange.turn.is_none());
        ensure!(
            !waits_for_turn || reason == SpeechDiscardReason::Noise,
            "what was said was not understood ({reason:?})"
        );
        self.moments.push(Moment::NoTurn { reason });
        Ok(())
    }

    fn audio(&mut self, now: Duration, bytes: usize) -> anyhow::Result<()> {
        let Some(playback) = &mut self.playback else {
            bail!("sound came of no reply")
        };
        let taken = playback.audio(now, bytes);
        taken.map_err(|violation| anyhow!("the sound of a reply broke the protocol: {violation:?}"))?;
        Ok(())
    }

    fn pause(&mut self, now: Duration, reply_id: &str) {
        let Some(playback) = self.reply(reply_id) else {
            return;
        };
        let acknowledgement = playback.pause(now);
        let played = playback.played(now);
        self.messages.push(acknowledgement);
        if let Some(overlap) = &mut self.overlap
            && let Some(onset_at) = overlap.onset_at
        {
            let after_onset = now.saturating_sub(onset_at);
            overlap.paused = Some((now, after_onset));
            self.moments.push(Moment::Paused { after_onset, played });
        }
    }

    fn resume(&mut self, now: Duration, reply_id: &str) {
        let Some(playback) = self.reply(reply_id) else {
            return;
        };
        playback.resume(now);
        if let Some((paused_at, _)) = self.overlap.take().and_then(|overlap| overlap.paused) {
            let waited = now.saturating_sub(paused_at);
            self.figures.waited.push(waited);
            self.moments.push(Moment::Resumed { waited });
        }
    }

    fn cut_off(&mut self, now: Duration, reply_id: &str) {
        let Some(playback) = self.reply(reply_id) else {
            return;
        };
        playback.cancel(now);
        if let Some((_, after_onset)) = self.overlap.take().and_then(|overlap| overlap.paused) {
            self.figures.silenced_after.push(after_onset);
            self.moments.push(Moment::CutOff {});
        }
    }

    /// The reply that a signal names, if it is the one that is played.
    fn reply(&mut self, reply_id: &str) -> Option<&mut Playback> {
        self.playback
            .as_mut()
            .filter(|playback| playback.reply_id == reply_id && !playback.is_over)
    }

    fn reply_of(&self, exchange: &Exchange) -> Option<&Playback> {
        self.playback
            .as_ref()
            .filter(|playback| playback.turn == exchange.turn)
    }
}

impl Overlap {
    fn begin() -> Self {
        Self {
            onset_at: None,
            paused: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::{AudioCodec, Millis, Seq};
    use loadtest::client::SeenEvent;
    use loadtest::load::FrameShape;
    use loadtest::voice::utterances::{UsedBy, shipped};
    use serde_json::json;

    use super::*;

    const FRAME: Duration = Duration::from_millis(20);
    const TURNS: [&str; 2] = [
        "turn_01M7ZHJ9855AKW3MSPAVGPYR3Z",
        "turn_01M7ZJ7PX3KBBNY0FEBDVEFQ62",
    ];
    const LISTEN: Reaction = Reaction::Listen;

    /// A caller with the first lines of the brief, the time, and what came of it.
    struct Call {
        caller: Caller,
        now: Duration,
        shown: Vec<Moment>,
        sent: Vec<ClientMessage>,
    }

    impl Call {
        fn new(reactions: &[Reaction]) -> Self {
            let shape = FrameShape {
                codec: AudioCodec::PcmS16le,
                sample_rate_hz: 16_000,
                frame: FRAME,
            };
            let brief = shipped()
                .iter()
                .filter(|utterance| utterance.used_by == UsedBy::Brief);
            let recordings = Recordings::of(shape, brief.take(reactions.len())).unwrap();
            Self {
                caller: Caller::new(Arc::new(recordings), reactions.to_vec(), FRAME),
                now: Duration::ZERO,
                shown: Vec::new(),
                sent: Vec::new(),
            }
        }

        /// Sends frames, and plays as much, until this is shown.
        fn until(&mut self, is_it: impl Fn(&Moment) -> bool) {
            while !self.shown.iter().any(&is_it) {
                self.tick();
            }
        }

        fn tick(&mut self) {
            self.now += FRAME;
            self.caller.frame(self.now);
            self.shown.extend(self.caller.take_moments());
            self.sent.extend(self.caller.take_messages());
            assert!(self.now < Duration::from_mins(2), "it goes on for ever");
        }

        fn silence(&mut self) {
            while self.caller.microphone.is_speaking() {
                self.tick();
            }
        }

        fn hears(&mut self, signal: Signal) -> anyhow::Result<()> {
            self.caller.hear(self.now, &Incoming::Signal(Box::new(signal)))?;
            self.shown.extend(self.caller.take_moments());
            Ok(())
        }

        fn sees(&mut self, event_type: &str, data: &serde_json::Value) {
            let event = SeenEvent {
                seq: Seq::ZERO.next(),
                event_type: event_type.to_owned(),
                data: data.to_string(),
            };
            self.caller.hear(self.now, &Incoming::Event(event)).unwrap();
        }

        /// The line is understood, and its reply begins: so many frames of 20 ms come at once.
        fn answered(&mut self, number: usize, frames: usize) {
            let turn_id = TURNS[number];
            self.sees(
                "turn.started",
                &json!({ "turn_id": turn_id, "turn": number + 1, "modality": "voice" }),
            );
            self.hears(Signal::AudioBegin {
                reply_id: format!("reply-{number}"),
                turn_id: Some(turn_id.parse().unwrap()),
                codec: AudioCodec::PcmS16le,
                sample_rate: 24_000,
            })
            .unwrap();
            for _ in 0..frames {
                let frame = Incoming::Audio(Bytes::from_static(&[0; 960]));
                self.caller.hear(self.now, &frame).unwrap();
            }
            let latency = json!({ "total_ms": 800 + number, "segments": [] });
            self.sees(
                "turn.completed",
                &json!({ "turn_id": turn_id, "outcome": "ok", "latency": latency }),
            );
        }

        fn reply_is_complete(&mut self, number: usize) {
            let reply_id = format!("reply-{number}");
            self.hears(Signal::AudioEnd { reply_id }).unwrap();
        }

        fn is_paused(&mut self) {
            let (reply_id, at_ms) = ("reply-0".to_owned(), Millis(0));
            self.hears(Signal::AudioPause { reply_id, at_ms }).unwrap();
        }
    }

    fn speaks(line: usize) -> impl Fn(&Moment) -> bool {
        move |moment| *moment == Moment::Speaks { line }
    }

    #[test]
    fn the_next_line_is_said_once_the_reply_was_heard_to_its_end() {
        let mut line = Call::new(&[LISTEN, LISTEN]);
        line.until(speaks(0));
        line.silence();
        line.answered(0, 50);
        line.reply_is_complete(0);
        let began = line.now;
        line.until(speaks(1));
        assert!(line.now >= began + FRAME * 50 + THINKING);
        let last = ClientMessage::PlaybackAck {
            reply_id: "reply-0".to_owned(),
            played_ms: Millis(1_000),
        };
        assert_eq!(line.sent.last(), Some(&last), "{:?}", line.sent);
        line.silence();
        line.answered(1, 1);
        line.reply_is_complete(1);
        while !line.caller.is_done() {
            line.tick();
        }
        let felt = [Duration::from_millis(800), Duration::from_millis(801)];
        assert_eq!(line.caller.figures().felt, felt);
    }

    #[test]
    fn whoever_interrupts_says_the_next_line_into_the_reply() {
        let after = Duration::from_millis(400);
        let mut line = Call::new(&[Reaction::BargeIn { after }, LISTEN]);
        line.until(speaks(0));
        line.silence();
        line.answered(0, 500);
        let began = line.now;
        line.until(speaks(1));
        assert!(line.now < began + Duration::from_secs(1));
        for _ in 0..20 {
            line.tick();
        }
        line.is_paused();
        let (reply_id, at_ms) = ("reply-0".to_owned(), Millis(0));
        line.hears(Signal::AudioCancel { reply_id, at_ms }).unwrap();
        assert_eq!(line.shown.last(), Some(&Moment::CutOff {}));
        let after_onset = line.caller.figures().silenced_after[0];
        assert!(
            after_onset < FRAME * 20,
            "{after_onset:?} is counted from the first sound"
        );
    }

    #[test]
    fn a_murmur_ends_nothing() {
        let after = Duration::from_millis(400);
        let mut line = Call::new(&[Reaction::Backchannel { after }]);
        line.until(speaks(0));
        line.silence();
        line.answered(0, 100);
        line.until(|moment| *moment == Moment::Murmurs {});
        for _ in 0..20 {
            line.tick();
        }
        line.is_paused();
        line.silence();
        let reason = SpeechDiscardReason::Backchannel;
        line.hears(Signal::SpeechDiscarded { reason }).unwrap();
        let (reply_id, at_ms) = ("reply-0".to_owned(), Millis(0));
        line.hears(Signal::AudioResume { reply_id, at_ms }).unwrap();
        line.reply_is_complete(0);
        while !line.caller.is_done() {
            line.tick();
        }
        assert_eq!(line.caller.figures().waited.len(), 1);
        assert_eq!(
            line.shown
                .iter()
                .filter(|moment| **moment == Moment::Murmurs {})
                .count(),
            1
        );
    }

    #[test]
    fn what_never_comes_is_waited_for_no_longer_than_it_may_take() {
        let mut line = Call::new(&[LISTEN]);
        line.until(speaks(0));
        line.silence();
        let end = line.now;
        let lacks = loop {
            line.tick();
            if let Err(error) = line.caller.check(line.now) {
                break error.to_string();
            }
        };
        assert!(lacks.starts_with("no turn came of what was said"), "{lacks}");
        assert!(line.now <= end + STALL + FRAME);

        line.sees(
            "turn.started",
            &json!({ "turn_id": TURNS[0], "turn": 1, "modality": "voice" }),
        );
        assert!(line.caller.check(line.now).is_ok());
        let lacks = line.caller.check(line.now + STALL).unwrap_err().to_string();
        assert!(lacks.starts_with("no reply came"), "{lacks}");
    }

    #[test]
    fn a_line_that_is_not_understood_ends_the_show() {
        let mut line = Call::new(&[LISTEN]);
        line.until(speaks(0));
        line.silence();
        let reason = SpeechDiscardReason::Noise;
        assert!(line.hears(Signal::SpeechDiscarded { reason }).is_ok());
        let reason = SpeechDiscardReason::NothingUnderstood;
        assert!(line.hears(Signal::SpeechDiscarded { reason }).is_err());
    }
}
