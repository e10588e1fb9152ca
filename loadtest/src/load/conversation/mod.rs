//! One session as its person lives it: what is said when, what comes of it, and what has to.
//!
//! It has no socket and no clock. [`Conversation::frame`] is asked for each frame as it leaves, [`Conversation::hear`] is
//! told what came, and [`Conversation::take_messages`] has what is to be sent besides. This half speaks and waits;
//! `hearing` has what is done with what comes.

mod hearing;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use greenroom_protocol::{ClientMessage, Seq, SessionId, TurnId};

use super::exchange::{Exchange, Overlap};
use super::microphone::{Line, Microphone, Sound};
use super::options::VoiceOptions;
use super::playback::Playback;
use super::player::BUFFER_BEFORE_START;
use super::recordings::Recordings;
use super::script::{Reaction, Script};
use super::tally::Tally;
use super::violation::{Found, Violation};

/// How long after the end of a playback `message.heard` may come.
const HEARD_WAIT: Duration = Duration::from_secs(3);
/// How long nothing may come of a reply that has not ended.
const STALL_WAIT: Duration = Duration::from_secs(15);
/// How long after its last sound somebody who spoke may still be taken for speaking.
const SPEECH_ECHO: Duration = Duration::from_millis(1_500);
/// How much more than the allowed lead may be there: the jitter of two schedulers.
const LEAD_TOLERANCE: Duration = Duration::from_millis(40);
/// A player that is silent for longer within a stretch of speech has a frame too few.
const UNDERRUN_TOLERANCE: Duration = Duration::from_millis(20);

/// What holds for every session of a test.
#[derive(Debug, Clone, Copy)]
struct Rules {
    /// Whether replies are spoken.
    is_spoken: bool,
    /// Whether anything is expected at all, or frames are only sent.
    is_answered: bool,
    /// How far ahead of playback audio may be.
    ahead_max: Duration,
}

/// One person who talks to one session.
#[derive(Debug)]
pub struct Conversation {
    session: SessionId,
    rules: Rules,
    script: Script,
    microphone: Microphone,
    /// How many utterances were begun.
    utterances: usize,
    /// When the next one may begin; none until the microphone was opened.
    next_due: Option<Duration>,
    /// What was said last that is to be answered.
    exchange: Option<Exchange>,
    /// The one before, if its reply was talked into and its turn has not ended.
    interrupted: Option<Exchange>,
    /// The reply that came last.
    playback: Option<Playback>,
    /// Whoever speaks into it.
    overlap: Option<Overlap>,
    /// Turns of which `message.heard` has to come, with what was acknowledged, and until when it may.
    heard_due: VecDeque<(TurnId, u64, Duration)>,
    /// The turn of the last `message.heard`.
    last_heard: Option<(TurnId, u64)>,
    /// Turns that may begin though nothing is waited for: too late ones, and backchannels that came too late to be some.
    turns_excused: usize,
    /// When a synthesis was begun or ended last.
    synthesis_at: Duration,
    /// When somebody was last heard to speak.
    spoke_at: Option<Duration>,
    /// The event that was seen last.
    seen: Option<Seq>,
    messages: Vec<ClientMessage>,
    is_closing: bool,
    tally: Tally,
}

impl Conversation {
    /// The person with this number, and a microphone that is not open yet.
    pub fn new(
        session: SessionId,
        options: &VoiceOptions,
        recordings: Arc<Recordings>,
        number: usize,
    ) -> Self {
        Self {
            session,
            rules: Rules {
                is_spoken: options.output.is_some(),
                is_answered: !options.floor,
                ahead_max: options.lead + BUFFER_BEFORE_START + LEAD_TOLERANCE,
            },
            script: Script::new(
                options.every,
                options.barge_in,
                options.backchannel,
                options.seed,
                number,
            ),
            microphone: Microphone::new(recordings, number),
            utterances: 0,
            next_due: None,
            exchange: None,
            interrupted: None,
            playback: None,
            overlap: None,
            heard_due: VecDeque::new(),
            last_heard: None,
            turns_excused: 0,
            synthesis_at: Duration::ZERO,
            spoke_at: None,
            seen: None,
            messages: Vec::new(),
            is_closing: false,
            tally: Tally::default(),
        }
    }

    /// The frame that leaves now. Called for every frame, in their order.
    pub fn frame(&mut self, now: Duration) -> Bytes {
        let phase = self.script.phase();
        let next_due = *self.next_due.get_or_insert(now + phase);
        if self.rules.is_answered {
            self.play(now);
            self.miss(now);
            self.settle(now);
        } else {
            self.exchange = None;
        }
        if !self.is_closing && !self.microphone.is_speaking() {
            self.speak(now, next_due);
        }
        let (frame, sound) = self.microphone.frame(now);
        self.tally.counts.frames_sent += 1;
        if self.microphone.is_speaking() {
            self.spoke_at = Some(now);
        }
        match sound {
            Some((line, Sound::Onset(at))) => self.begin_sound(line, at),
            Some((line, Sound::End(at))) => self.end_sound(line, at),
            None => {}
        }
        frame
    }

    /// What is to be sent besides frames.
    pub fn take_messages(&mut self) -> Vec<ClientMessage> {
        std::mem::take(&mut self.messages)
    }

    /// Says nothing new from now on; what was begun goes on.
    pub fn close(&mut self) {
        self.is_closing = true;
    }

    /// Whether nothing is said, played or waited for.
    pub fn is_settled(&self) -> bool {
        !self.microphone.is_speaking() && self.is_idle()
    }

    /// What it came to. What is still under way counts as unfinished.
    pub fn finish(mut self) -> Tally {
        self.tally.counts.unfinished += u64::from(self.exchange.is_some());
        self.tally
    }

    /// Books that the connection ended while it was needed.
    pub fn lose(&mut self, now: Duration, code: Option<u16>) {
        self.book(now, Violation::ConnectionLost { code });
    }

    fn is_idle(&self) -> bool {
        self.exchange.is_none()
            && self.overlap.is_none()
            && self.heard_due.is_empty()
            && self.playback.as_ref().is_none_or(|playback| playback.is_over)
    }

    fn book(&mut self, now: Duration, violation: Violation) {
        let found = Found {
            session_id: Some(self.session),
            at_ms: super::statistics::ms(now),
            utterance: (self.utterances > 0).then_some(self.utterances),
            violation,
        };
        self.tally.book(found);
    }

    /// Says what is due: something into the reply, or the next thing once nobody speaks.
    fn speak(&mut self, now: Duration, next_due: Duration) {
        if let Some(exchange) = &self.exchange
            && let Some(playback) = self.playback.as_mut()
            && playback.turn.is_some()
            && playback.turn == exchange.turn
            && playback.is_under_way()
            && self.overlap.is_none()
        {
            let played = playback.played(now);
            match exchange.reaction {
                Reaction::BargeIn { after } if played >= after => self.begin_turn(now),
                Reaction::Backchannel { after } if played >= after => {
                    if let Some(exchange) = &mut self.exchange {
                        exchange.reaction = Reaction::Listen;
                    }
                    self.microphone.say(Line::Backchannel);
                }
                Reaction::Listen | Reaction::BargeIn { .. } | Reaction::Backchannel { .. } => {}
            }
        } else if now >= next_due && self.is_idle() {
            self.begin_turn(now);
        }
    }

    fn begin_turn(&mut self, now: Duration) {
        let number = self.utterances;
        self.utterances += 1;
        self.tally.counts.utterances += 1;
        self.next_due = Some(now + self.script.until_next(number));
        let line = Line::Turn(number);
        let said = self.microphone.recording(line).text;
        let reaction = self.script.reaction(number);
        let before = self.exchange.replace(Exchange::new(said, reaction));
        self.interrupted = before.and_then(|before| self.end_exchange(before));
        self.microphone.say(line);
    }

    /// Takes note of an exchange that is over if its turn has ended; else gives it back.
    fn end_exchange(&mut self, exchange: Exchange) -> Option<Exchange> {
        if exchange.completed.is_none() {
            return Some(exchange);
        }
        self.tally.counts.answered += 1;
        self.tally.turns.extend(exchange.sample());
        None
    }

    fn begin_sound(&mut self, line: Line, at: Duration) {
        if let (Line::Turn(_), Some(exchange)) = (line, &mut self.exchange) {
            exchange.onset_at = Some(at);
        }
        if !self.playback.as_ref().is_some_and(Playback::is_under_way) {
            // The reply ended in the moment in which it was to be talked into.
            self.turns_excused += usize::from(line == Line::Backchannel);
            return;
        }
        match line {
            Line::Turn(_) => self.tally.counts.barge_ins += 1,
            Line::Backchannel => self.tally.counts.backchannels += 1,
        }
        self.overlap = Some(Overlap {
            line,
            onset_at: at,
            end_at: None,
            is_paused: false,
        });
    }

    fn end_sound(&mut self, line: Line, at: Duration) {
        let recording = self.microphone.recording(line);
        let heard_end_at = (at + recording.heard_end).saturating_sub(recording.end);
        if let (Line::Turn(_), Some(exchange)) = (line, &mut self.exchange) {
            (exchange.end_at, exchange.heard_end_at) = (Some(at), Some(heard_end_at));
        }
        if let Some(overlap) = &mut self.overlap
            && overlap.line == line
        {
            overlap.end_at = Some(at);
        }
    }

    /// Plays on, and acknowledges what is due.
    fn play(&mut self, now: Duration) {
        let Some(playback) = self.playback.as_mut().filter(|playback| !playback.is_over) else {
            return;
        };
        if playback.is_finished(now) {
            playback.is_over = true;
            let last = playback.acknowledge(now);
            self.messages.push(last);
            self.tally.counts.replies_played += 1;
            self.end_playback(now);
        } else {
            self.messages.extend(playback.due(now));
        }
    }

    /// The reply was played to its end or cancelled: it is to be recorded how much of it was heard.
    fn end_playback(&mut self, now: Duration) {
        let Some(playback) = &self.playback else { return };
        let Some(turn) = playback.turn else { return };
        let acknowledged_ms = playback.acknowledged_ms();
        match self.last_heard {
            Some((heard, heard_ms)) if heard == turn => {
                self.check_heard(now, heard_ms, acknowledged_ms);
            }
            _ => self
                .heard_due
                .push_back((turn, acknowledged_ms, now + HEARD_WAIT)),
        }
        if let Some(exchange) = &mut self.exchange
            && exchange.turn == Some(turn)
        {
            exchange.end_voice();
        }
    }

    fn check_heard(&mut self, now: Duration, heard_ms: u64, acknowledged_ms: u64) {
        if heard_ms > acknowledged_ms {
            self.book(
                now,
                Violation::HeardTooMuch {
                    heard_ms,
                    acknowledged_ms,
                },
            );
        }
    }

    /// Books what did not come in time, and waits for it no longer.
    fn miss(&mut self, now: Duration) {
        while let Some((_, _, until)) = self.heard_due.front()
            && now > *until
        {
            self.heard_due.pop_front();
            self.book(now, Violation::HeardMissing {});
        }
        self.miss_overlap(now);
        if let Some(playback) = self.playback.as_mut().filter(|playback| !playback.is_over)
            && now > playback.active_at + STALL_WAIT
        {
            playback.is_over = true;
            let reply_id = playback.reply_id.clone();
            self.overlap = None;
            self.book(now, Violation::AudioEndless { reply_id });
            if let Some(exchange) = &mut self.exchange {
                exchange.end_voice();
            }
        }
        let overdue = self.exchange.as_ref();
        if let Some(violation) = overdue.and_then(|exchange| exchange.overdue(now, self.rules.is_spoken)) {
            let is_excused = self
                .exchange
                .take()
                .is_some_and(|exchange| exchange.turn.is_none());
            self.turns_excused += usize::from(is_excused);
            self.book(now, violation);
        }
    }

    /// Books what did not come of somebody's speaking into a reply.
    fn miss_overlap(&mut self, now: Duration) {
        let overdue = self.overlap.as_ref().and_then(|overlap| overlap.overdue(now));
        let Some(violation) = overdue else { return };
        self.drop_overlap();
        self.book(now, violation);
    }

    /// Waits no longer for what comes of somebody's speaking into a reply; a backchannel may have been taken for a turn.
    fn drop_overlap(&mut self) -> Option<Overlap> {
        let overlap = self.overlap.take()?;
        self.turns_excused += usize::from(overlap.line == Line::Backchannel);
        Some(overlap)
    }

    /// Takes note of what is complete.
    fn settle(&mut self, now: Duration) {
        let is_spoken = self.rules.is_spoken;
        let Some(exchange) = self.exchange.take_if(|exchange| exchange.is_done(is_spoken)) else {
            return;
        };
        self.end_exchange(exchange);
        // Its own turn is over, so the one before it must be.
        if let Some(before) = self.interrupted.take() {
            let said = before.said;
            self.book(now, Violation::ReplyMissing { said, outcome: None });
        }
    }

    /// Whether somebody speaks, or has just spoken.
    fn is_speech_near(&self, now: Duration) -> bool {
        self.spoke_at
            .is_some_and(|spoke_at| now <= spoke_at + SPEECH_ECHO)
    }
}
