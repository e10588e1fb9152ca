//! What a caller hears: replies, played in real time, each frame in its place.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use greenroom_protocol::{ClientMessage, Signal, TurnId};
use loadtest::load::Playback;

/// Plays what comes, and knows what there is to be acknowledged.
#[derive(Debug, Default)]
pub struct Loudspeaker {
    pub replies: Vec<HeardReply>,
}

/// A reply that was heard, or a part of it.
#[derive(Debug)]
pub struct HeardReply {
    pub playback: Playback,
    pub turn: Option<TurnId>,
    pub frames: Vec<Bytes>,
    pub state: ReplyState,
    /// Whether it was played to its end, and that was said.
    is_played: bool,
}

/// How a reply stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyState {
    Sounding,
    Ended,
    Cancelled,
}

impl Loudspeaker {
    /// Takes a frame. One that stands where none may is an error.
    pub fn hear(&mut self, now: Duration, frame: Bytes) -> Result<()> {
        let reply = self.replies.last_mut().context("sound before audio.begin")?;
        reply.playback.audio(now, frame.len())?;
        reply.frames.push(frame);
        Ok(())
    }

    /// Does what a signal says; answers with what is to be acknowledged at once. One that does not fit what came before it
    /// is an error.
    pub fn follow(&mut self, now: Duration, signal: &Signal) -> Result<Option<ClientMessage>> {
        match signal {
            Signal::AudioBegin {
                reply_id,
                turn_id,
                codec,
                sample_rate,
            } => {
                let is_over = |reply: &HeardReply| reply.state != ReplyState::Sounding;
                ensure!(self.replies.iter().all(is_over), "two replies at once");
                let playback = Playback::new(now, reply_id.clone(), *turn_id, *codec, *sample_rate);
                self.replies.push(HeardReply {
                    playback,
                    turn: *turn_id,
                    frames: Vec::new(),
                    state: ReplyState::Sounding,
                    is_played: false,
                });
            }
            Signal::AudioPause { reply_id, at_ms } => {
                let reply = self.reply(reply_id)?;
                reply.playback.check_position("audio.pause", *at_ms)?;
                return Ok(Some(reply.playback.pause(now)));
            }
            Signal::AudioResume { reply_id, at_ms } => {
                let reply = self.reply(reply_id)?;
                reply.playback.check_position("audio.resume", *at_ms)?;
                reply.playback.resume(now);
            }
            Signal::AudioCancel { reply_id, at_ms } => {
                let reply = self.reply(reply_id)?;
                reply.playback.check_position("audio.cancel", *at_ms)?;
                reply.playback.cancel(now);
                reply.state = ReplyState::Cancelled;
            }
            Signal::AudioEnd { reply_id } => {
                let reply = self.reply(reply_id)?;
                reply.playback.complete(now);
                reply.state = ReplyState::Ended;
            }
            _ => {}
        }
        Ok(None)
    }

    /// Plays on; answers with what is to be acknowledged.
    pub fn play(&mut self, now: Duration) -> Vec<ClientMessage> {
        let unplayed = self.replies.iter_mut().filter(|reply| !reply.is_played);
        unplayed.filter_map(|reply| reply.play(now)).collect()
    }

    /// Throws away what it has not played.
    pub fn fall_silent(&mut self, now: Duration) {
        let sounding = |reply: &&mut HeardReply| reply.state == ReplyState::Sounding;
        for reply in self.replies.iter_mut().filter(sounding) {
            reply.playback.cancel(now);
            reply.state = ReplyState::Cancelled;
        }
    }

    fn reply(&mut self, reply_id: &str) -> Result<&mut HeardReply> {
        let named = |reply: &&mut HeardReply| reply.playback.reply_id == reply_id;
        let reply = self.replies.iter_mut().find(named);
        reply.with_context(|| format!("{reply_id} was never begun"))
    }
}

impl HeardReply {
    /// Its sound, one frame after the other.
    pub fn sound(&self) -> Vec<u8> {
        self.frames.concat()
    }

    fn play(&mut self, now: Duration) -> Option<ClientMessage> {
        if !self.playback.is_finished(now) {
            return self.playback.due(now);
        }
        self.is_played = true;
        Some(self.playback.acknowledge(now))
    }
}
