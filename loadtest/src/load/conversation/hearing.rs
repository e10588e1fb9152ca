//! What a conversation does with what comes over its socket.

use std::time::Duration;

use greenroom_protocol::{
    CallPurpose, Event, MessageAdded, MessageHeard, Modality, Role, Seq, Signal, TurnCompleted, TurnId,
};

use super::super::exchange::{Voice, millis_between};
use super::super::microphone::Line;
use super::super::playback::Playback;
use super::super::statistics::ms;
use super::super::tally::PauseSample;
use super::super::violation::{Misplaced, Violation};
use super::{Conversation, UNDERRUN_TOLERANCE};
use crate::client::{Incoming, SeenEvent};

/// Events that say nothing that is checked here, and are not even read; the most frequent first.
const UNREAD: [&str; 6] = [
    "planner.delta",
    "slot.updated",
    "gate.changed",
    "gate.ready",
    "session.started",
    "stage.changed",
];

impl Conversation {
    /// Takes what came.
    pub fn hear(&mut self, now: Duration, incoming: Incoming) {
        match incoming {
            Incoming::Event(event) => self.event(now, &event),
            Incoming::Signal(signal) => self.signal(now, *signal),
            Incoming::Audio(frame) => self.audio(now, frame.len()),
            Incoming::Unknown(text) => {
                let reason = text.chars().take(120).collect();
                self.book(now, Violation::FrameUnreadable { reason });
            }
            Incoming::Closed { code } => self.lose(now, code),
            // These sockets do not come back by themselves, so that what a break costs is seen.
            Incoming::Reconnected { .. } => {}
        }
    }

    fn event(&mut self, now: Duration, event: &SeenEvent) {
        self.tally.counts.events += 1;
        self.follow(now, event.seq);
        if UNREAD.contains(&event.event_type.as_str()) {
            return;
        }
        let is_known = Event::TYPES.contains(&event.event_type.as_str());
        match event.event() {
            Ok(Event::TurnStarted(started)) if started.modality == Modality::Voice => {
                self.turn_started(now, started.turn_id);
            }
            Ok(Event::MessageAdded(message)) => self.message_added(now, message),
            Ok(Event::TurnCompleted(completed)) => self.turn_completed(now, completed),
            Ok(Event::MessageHeard(heard)) => self.message_heard(now, &heard),
            Ok(Event::CallReserved(call)) if call.purpose == CallPurpose::Speak => self.synthesis_at = now,
            Ok(Event::CallSettled(call)) if call.purpose == CallPurpose::Speak => self.synthesis_at = now,
            Ok(Event::Error(error)) => {
                let (code, message) = (error.error.code, error.error.message);
                self.book(now, Violation::ErrorReported { code, message });
            }
            Ok(_) => {}
            // A client ignores types that it does not know.
            Err(_) if !is_known => {}
            Err(error) => {
                let reason = format!("{}: {error}", event.event_type);
                self.book(now, Violation::FrameUnreadable { reason });
            }
        }
    }

    fn follow(&mut self, now: Duration, found: Seq) {
        let expected = self.seen.unwrap_or_default().next();
        if self.seen.is_some() && found != expected {
            self.book(now, Violation::SeqBroken { expected, found });
        }
        self.seen = Some(found);
    }

    fn turn_started(&mut self, now: Duration, turn: TurnId) {
        self.tally.counts.turns += 1;
        match &mut self.exchange {
            Some(exchange) if exchange.turn.is_none() && exchange.onset_at.is_some() => {
                exchange.turn = Some(turn);
            }
            _ if self.turns_excused > 0 => self.turns_excused -= 1,
            _ => self.book(now, Violation::TurnImagined { turn }),
        }
    }

    fn message_added(&mut self, now: Duration, message: MessageAdded) {
        let Some(exchange) = &mut self.exchange else {
            return;
        };
        if exchange.turn.is_none() || message.turn_id != exchange.turn {
            return;
        }
        match message.role {
            Role::Assistant => exchange.is_replied = true,
            Role::User => {
                exchange.is_understood = true;
                if message.text != exchange.said {
                    let (said, understood) = (exchange.said, message.text);
                    self.book(now, Violation::WordsDiffer { said, understood });
                }
            }
        }
    }

    fn turn_completed(&mut self, now: Duration, completed: TurnCompleted) {
        let is_of = |turn: Option<TurnId>| turn == Some(completed.turn_id);
        let violations = if let Some(exchange) = &mut self.exchange
            && is_of(exchange.turn)
        {
            exchange.complete(completed, false)
        } else if let Some(mut before) = self.interrupted.take_if(|before| is_of(before.turn)) {
            let violations = before.complete(completed, true);
            self.end_exchange(before);
            violations
        } else {
            return;
        };
        for violation in violations {
            self.book(now, violation);
        }
    }

    fn message_heard(&mut self, now: Duration, heard: &MessageHeard) {
        self.last_heard = Some((heard.turn_id, heard.heard_ms.0));
        let due = self
            .heard_due
            .iter()
            .position(|(turn, ..)| *turn == heard.turn_id);
        if let Some((_, acknowledged_ms, _)) = due.and_then(|place| self.heard_due.remove(place)) {
            self.check_heard(now, heard.heard_ms.0, acknowledged_ms);
        }
    }

    fn signal(&mut self, now: Duration, signal: Signal) {
        self.tally.counts.signals += 1;
        match signal {
            Signal::SessionSnapshot { as_of_seq, .. } => self.seen = Some(as_of_seq),
            Signal::SpeechStarted {} => self.speech_started(now),
            Signal::AudioBegin {
                reply_id,
                turn_id,
                codec,
                sample_rate,
            } => self.begin_reply(now, Playback::new(now, reply_id, turn_id, codec, sample_rate)),
            Signal::AudioPause { reply_id, at_ms } => {
                if let Some(playback) = self.reply("audio.pause", now, &reply_id) {
                    let position = playback.check_position("audio.pause", at_ms);
                    let ack = playback.pause(now);
                    self.messages.push(ack);
                    self.note(now, position);
                    self.paused(now);
                }
            }
            Signal::AudioResume { reply_id, at_ms } => {
                if let Some(playback) = self.reply("audio.resume", now, &reply_id) {
                    let position = playback.check_position("audio.resume", at_ms);
                    playback.resume(now);
                    self.note(now, position);
                    self.resumed(now);
                }
            }
            Signal::AudioCancel { reply_id, at_ms } => {
                if let Some(playback) = self.reply("audio.cancel", now, &reply_id) {
                    let position = playback.check_position("audio.cancel", at_ms);
                    playback.cancel(now);
                    self.note(now, position);
                    self.end_playback(now);
                    self.cancelled(now);
                }
            }
            Signal::AudioEnd { reply_id } => self.complete_reply(now, &reply_id),
            Signal::Rejected { error, .. } => {
                let (code, message) = (error.code, error.message);
                self.book(now, Violation::FrameRejected { code, message });
            }
            Signal::Notice { error } => {
                let (code, message) = (error.code, error.message);
                self.book(now, Violation::ErrorReported { code, message });
            }
            Signal::ReplayDone { .. }
            | Signal::Accepted { .. }
            | Signal::SpeechStopped {}
            | Signal::SpeechDiscarded { .. }
            | Signal::TranscriptPartial { .. }
            | Signal::MicrophoneTaken {}
            | Signal::ServerDraining { .. }
            | Signal::Pong { .. } => {}
        }
    }

    fn note(&mut self, now: Duration, result: Result<(), Violation>) {
        if let Err(violation) = result {
            self.book(now, violation);
        }
    }

    /// The reply that a signal names, if it is the one that is played.
    fn reply(&mut self, signal: &'static str, now: Duration, reply_id: &str) -> Option<&mut Playback> {
        let is_known = self
            .playback
            .as_ref()
            .is_some_and(|playback| playback.reply_id == reply_id);
        if !is_known {
            let reply_id = reply_id.to_owned();
            self.book(now, Violation::ReplyUnknown { signal, reply_id });
        }
        // One that was played to its end may still be paused or cancelled by a server that has not heard of it.
        self.playback
            .as_mut()
            .filter(|playback| is_known && !playback.is_over)
    }

    fn speech_started(&mut self, now: Duration) {
        if let Some(exchange) = &mut self.exchange
            && exchange.onset_at.is_some()
        {
            exchange.is_noticed = true;
        }
        if !self.is_speech_near(now) {
            let signal = "speech.started";
            self.book(now, Violation::SpeechImagined { signal });
        }
    }

    fn begin_reply(&mut self, now: Duration, playback: Playback) {
        let talked_into = self.drop_overlap();
        if let Some(before) = &self.playback
            && !before.is_over
            && !before.is_complete()
        {
            let reply_id = before.reply_id.clone();
            let violation = match talked_into.map(|overlap| overlap.line) {
                Some(Line::Turn(_)) => Violation::NotCancelled {},
                Some(Line::Backchannel) | None => Violation::AudioEndless { reply_id },
            };
            self.book(now, violation);
        }
        self.tally.counts.replies_spoken += 1;
        if let Some(exchange) = &mut self.exchange
            && exchange.turn.is_some()
            && exchange.turn == playback.turn
        {
            exchange.voice = Voice::Begun;
        }
        self.playback = Some(playback);
    }

    fn audio(&mut self, now: Duration, bytes: usize) {
        self.tally.counts.frames_received += 1;
        let Some(playback) = &mut self.playback else {
            let when = Misplaced::BeforeBegin;
            return self.book(now, Violation::AudioMisplaced { when });
        };
        let (arrival, duration) = match playback.audio(now, bytes) {
            Ok(taken) => taken,
            Err(violation) => return self.book(now, violation),
        };
        let turn = playback.turn;
        if let Some(exchange) = &mut self.exchange
            && exchange.turn.is_some()
            && exchange.turn == turn
        {
            exchange.sound(now);
        }
        self.tally.counts.audio_received_ms += duration.as_millis() as u64;
        self.tally.ahead_max = self.tally.ahead_max.max(arrival.ahead);
        self.check_lead(now, arrival.ahead);
        if let Some(late) = arrival.late {
            self.underrun(now, late);
        }
    }

    fn check_lead(&mut self, now: Duration, ahead: Duration) {
        let allowed = self.rules.ahead_max;
        let Some(playback) = &mut self.playback else {
            return;
        };
        if ahead > allowed && !playback.was_too_far_ahead {
            playback.was_too_far_ahead = true;
            let (ahead_ms, allowed_ms) = (ms(ahead), ms(allowed));
            self.book(now, Violation::TooFarAhead { ahead_ms, allowed_ms });
        }
    }

    /// The player was silent. If a synthesis was begun or ended meanwhile, it was that which was waited for.
    fn underrun(&mut self, now: Duration, late: Duration) {
        let silent_since = now.saturating_sub(late);
        if self.synthesis_at >= silent_since {
            self.tally.counts.gaps_between_sentences += 1;
            return;
        }
        self.tally.counts.underruns += 1;
        self.tally.silences_ms.push(ms(late));
        if late > UNDERRUN_TOLERANCE {
            let late_ms = ms(late);
            self.book(now, Violation::Underrun { late_ms });
        }
    }

    fn paused(&mut self, now: Duration) {
        let overlap = self.overlap.as_mut().filter(|overlap| !overlap.is_paused);
        if let Some(overlap) = overlap {
            overlap.is_paused = true;
            self.tally.pauses.push(PauseSample {
                at: overlap.onset_at,
                after_ms: millis_between(overlap.onset_at, now),
            });
        } else if !self.is_speech_near(now) {
            let signal = "audio.pause";
            self.book(now, Violation::SpeechImagined { signal });
        }
    }

    fn resumed(&mut self, now: Duration) {
        let Some(overlap) = self.overlap.take() else {
            return;
        };
        match overlap.line {
            Line::Backchannel => self.tally.counts.backchannels_resumed += 1,
            Line::Turn(_) => self.book(now, Violation::NotCancelled {}),
        }
    }

    fn cancelled(&mut self, now: Duration) {
        let Some(overlap) = self.overlap.take() else {
            return;
        };
        match overlap.line {
            Line::Turn(_) => self.tally.counts.barge_ins_cancelled += 1,
            Line::Backchannel => {
                self.turns_excused += 1;
                let instead = "it was cancelled";
                self.book(now, Violation::NotResumed { instead });
            }
        }
    }

    fn complete_reply(&mut self, now: Duration, reply_id: &str) {
        let Some(playback) = self.reply("audio.end", now, reply_id) else {
            return;
        };
        playback.complete(now);
        let has_audio = playback.received_ms() > 0;
        self.miss_overlap(now);
        // Somebody who begins to speak as the last of it leaves interrupts nothing any more.
        if self.overlap.as_ref().is_some_and(|overlap| !overlap.is_paused) {
            match self.drop_overlap().map(|overlap| overlap.line) {
                Some(Line::Turn(_)) => self.tally.counts.barge_ins -= 1,
                Some(Line::Backchannel) => self.tally.counts.backchannels -= 1,
                None => {}
            }
        }
        if !has_audio {
            self.book(now, Violation::ReplyNotSpoken { lacks: "audio" });
        }
    }
}
