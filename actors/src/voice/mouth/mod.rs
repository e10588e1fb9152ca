//! The mouth of a line: speaks the replies of its session, sentence by sentence, as they are written.
//!
//! ```text
//! events ─▶ script ─sentences─▶ synthesis ─samples─▶ framer ─frames─▶ playback ─in time─▶ outlet ─▶ socket
//! ```
//!
//! Whoever drives it shows it the session's events ([`Mouth::frame`]), waits for what happens to it ([`Mouth::next`]) and
//! hands that back ([`Mouth::handle`]); nothing else in here waits. Calls run in tasks of the server's, which settle what
//! they booked even when the mouth is gone; what comes of a sentence that nobody waits for any more is dropped.

mod lines;
mod observe;
mod parts;
mod phrases;
mod playback;
mod reply;
mod script;
mod synthesis;
mod telling;

use std::sync::Arc;
use std::time::Duration;

use greenroom_audio::mouth::OutputFormat;
use greenroom_protocol::{Event, Frame, Millis, Signal, TurnId};
use greenroom_session::ports::IdSource;
use greenroom_session::speaking::SpeakingPace;
use tokio::time::{Instant, sleep_until};

use self::reply::{Reply, Voice, millis};
use self::script::{Cue, Script, Words};
use self::synthesis::{Sound, SoundPiece, Synthesis};
use self::telling::Teller;
use super::outlet::OutletSender;

pub(super) use self::observe::describe;
pub use self::parts::MouthParts;
pub use self::phrases::PhraseSounds;
pub use self::telling::HeardReply;

/// After so long without more of a reply what looks like a whole sentence is said: a model may think in between.
const WRITING_PAUSE: Duration = Duration::from_millis(300);

/// Speaks one session's replies to one client.
pub struct Mouth {
    synthesis: Arc<Synthesis>,
    teller: Teller,
    output: OutputFormat,
    lead: Duration,
    outlet: Arc<OutletSender>,
    ids: Box<dyn IdSource>,
    script: Script,
    /// When the words that wait for more have waited long enough.
    pause_at: Option<Instant>,
    pace: SpeakingPace,
    /// Nothing is sent, and nothing more is made.
    held: bool,
    /// Replies so far.
    replies: u64,
    reply: Option<Box<Reply>>,
    /// The reply before, of which the last acks are waited for.
    played: Option<Box<Reply>>,
}

/// Something that happened to a mouth.
#[derive(Debug)]
pub struct MouthEvent(Happening);

#[derive(Debug)]
enum Happening {
    /// More of a sentence was made, for the reply of this number.
    Made { reply: u64, piece: SoundPiece },
    /// It is time to look what is due.
    Due,
}

/// What a mouth is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is being said, and nothing will be that is known of.
    Silent,
    /// A reply will be spoken; nobody has heard anything of it.
    Pending {
        /// Its turn; the greeting answers none.
        turn_id: Option<TurnId>,
    },
    /// A reply is being spoken.
    Speaking {
        /// Its turn; the greeting answers none.
        turn_id: Option<TurnId>,
        /// Whether its question was heard, as far as the client said; then what is told of the reply says so too. A reply
        /// that asks nothing has none that could be.
        question_heard: bool,
    },
}

impl Mouth {
    /// A mouth that is silent until [`Self::set_speaking`].
    pub fn new(parts: MouthParts) -> Self {
        let MouthParts {
            directory,
            session,
            caller,
            locale,
            playbook,
            preset,
            speaker,
            phrases,
            output,
            lead,
            outlet,
            clock,
            ids,
            tasks,
            waits_for_check,
        } = parts;
        Self {
            teller: Teller {
                directory: directory.clone(),
                session,
                caller: caller.clone(),
                clock,
                tasks: tasks.clone(),
            },
            synthesis: Arc::new(Synthesis {
                directory,
                session,
                caller,
                playbook,
                preset,
                speaker,
                phrases,
                tasks,
            }),
            output,
            lead,
            outlet,
            ids,
            script: Script::new(locale, waits_for_check),
            pause_at: None,
            pace: SpeakingPace::default(),
            held: false,
            replies: 0,
            reply: None,
            played: None,
        }
    }

    /// Whether replies are spoken from now on. One that is being spoken falls silent, and what was heard of it is told;
    /// its text goes on. One that was begun before is not taken up.
    pub fn set_speaking(&mut self, speaking: bool) {
        self.script.set_speaking(speaking);
        if let (false, Some(reply)) = (speaking, &mut self.reply) {
            reply.silence("cancelled", &self.outlet, Instant::now());
        }
        self.look();
    }

    /// Takes the session's next event.
    pub fn frame(&mut self, frame: &Frame) {
        if !Script::reads(frame.event_type()) {
            return;
        }
        match Event::from_json(frame.event_type(), frame.data_json()) {
            Ok(event) => {
                let mut cues = Vec::new();
                self.script.read(&event, &mut cues);
                let waits = self.script.waits_for_more();
                self.pause_at = waits.then(|| Instant::now() + WRITING_PAUSE);
                self.follow(cues);
            }
            Err(error) => {
                let event_type = frame.event_type();
                tracing::error!(session_id = %self.teller.session, %error, event_type, "an event cannot be read");
            }
        }
    }

    /// Waits for what happens next; for ever while nothing is being said. Cancel safe.
    pub async fn next(&mut self) -> MouthEvent {
        let wake_at = self.wake_at();
        let reply = self.reply.as_deref_mut();
        let awaits_sending = reply.as_ref().is_some_and(|reply| reply.first_sent_at.is_none());
        let making = reply.and_then(|reply| {
            let number = reply.number;
            reply.wanted_sound().map(|sound| (number, sound))
        });
        let happening = tokio::select! {
            made = next_piece(making) => made,
            () = self.outlet.sounded(), if awaits_sending => Happening::Due,
            () = until(wake_at) => Happening::Due,
        };
        MouthEvent(happening)
    }

    /// Acts on what happened.
    pub fn handle(&mut self, event: MouthEvent) {
        match event.0 {
            Happening::Made { reply, piece } => self.made(reply, &piece),
            Happening::Due => {}
        }
        let now = Instant::now();
        if self.pause_at.take_if(|pause_at| *pause_at <= now).is_some() {
            let mut cues = Vec::new();
            self.script.pause(&mut cues);
            self.follow(cues);
        } else {
            self.look();
        }
    }

    /// The user speaks: the sound stops at once, and what the client was not sent is taken back. A reply that has not
    /// begun does not begin.
    pub fn hold(&mut self) {
        if std::mem::replace(&mut self.held, true) {
            return;
        }
        if let Some(reply) = &mut self.reply {
            reply.hold(&self.outlet, Instant::now());
        }
    }

    /// It was nothing: the sound goes on where it stopped.
    pub fn release(&mut self) {
        if !std::mem::replace(&mut self.held, false) {
            return;
        }
        if let Some(reply) = &mut self.reply {
            reply.release(&self.outlet, Instant::now());
        }
        self.look();
    }

    /// The rest of what is being said, or will be, is not wanted: everything stops, upstream too, and a hold ends. Answers
    /// what was heard of it, for [`CommandKind::ReplyHeard`](greenroom_session::CommandKind::ReplyHeard); none if nothing was being said.
    pub fn cancel(&mut self) -> Option<HeardReply> {
        let now = Instant::now();
        self.look_at_socket(now);
        self.held = false;
        self.pause_at = None;
        let expected = self.script.expected();
        self.script.pass_over();
        let played = self.played.take();
        if let Some(mut reply) = self.reply.take() {
            if let Some(played) = played {
                self.teller.heard(&played, &self.pace);
            }
            self.teller.voiced(&mut reply);
            reply.silence("cancelled", &self.outlet, now);
            return Some(HeardReply::of(&reply, &self.pace));
        }
        if let Some(turn_id) = expected {
            if let Some(played) = played {
                self.teller.heard(&played, &self.pace);
            }
            return Some(HeardReply {
                turn_id: Some(turn_id),
                parts: Vec::new(),
            });
        }
        played.map(|played| HeardReply::of(&played, &self.pace))
    }

    /// The client says how much of a reply it has played. What it says of a reply that is not known any more means nothing.
    pub fn played(&mut self, reply_id: &str, played: Millis) {
        let now = Instant::now();
        let played = Duration::from(played);
        self.look_at_socket(now);
        let known = [&mut self.reply, &mut self.played];
        for reply in known.into_iter().flatten() {
            if reply.id == reply_id {
                reply.playback.ack(played, now);
            }
        }
        self.look();
    }

    /// Whether nothing is being said, nor will be. Cheaper than to ask where it stands.
    pub fn is_silent(&self) -> bool {
        let now = Instant::now();
        let sounds = |reply: &Reply| reply.voice == Voice::Sounding || reply.is_sounding(now);
        !self.reply.as_deref().is_some_and(sounds) && self.script.expected().is_none()
    }

    /// Whether the client plays something of a reply now.
    pub fn is_sounding(&self) -> bool {
        let now = Instant::now();
        let reply = self.reply.as_deref();
        !self.held && reply.is_some_and(|reply| reply.is_sounding(now))
    }

    /// What it is at.
    pub fn standing(&self) -> Standing {
        let now = Instant::now();
        match &self.reply {
            Some(reply) if reply.is_sounding(now) => {
                let heard = millis(reply.playback.heard());
                Standing::Speaking {
                    turn_id: reply.turn_id,
                    question_heard: reply.lines.is_question_heard(heard, &self.pace),
                }
            }
            Some(reply) if reply.voice == Voice::Sounding => Standing::Pending {
                turn_id: reply.turn_id,
            },
            Some(_) | None => match self.script.expected() {
                Some(turn_id) => Standing::Pending {
                    turn_id: Some(turn_id),
                },
                None => Standing::Silent,
            },
        }
    }

    /// The client is gone. Answers what was heard of what was being said, for [`CommandKind::ReplyHeard`](greenroom_session::CommandKind::ReplyHeard).
    pub fn close(mut self) -> Option<HeardReply> {
        self.cancel()
    }

    fn follow(&mut self, cues: Vec<Cue>) {
        for cue in cues {
            match cue {
                Cue::Turn(_) | Cue::Stop => self.break_off(),
                Cue::Say(words) => self.say(words),
                Cue::Void => self.begin_anew(),
                Cue::Message => {
                    if let Some(reply) = &mut self.reply {
                        reply.messages += 1;
                    }
                }
                Cue::Complete => {
                    if let Some(reply) = &mut self.reply {
                        reply.is_complete = true;
                    }
                }
            }
        }
        self.look();
    }

    /// What is being said is not answered to any more.
    fn break_off(&mut self) {
        let now = Instant::now();
        self.look_at_socket(now);
        if let Some(played) = self.played.take() {
            self.teller.heard(&played, &self.pace);
        }
        if let Some(mut reply) = self.reply.take() {
            self.teller.voiced(&mut reply);
            reply.silence("cancelled", &self.outlet, now);
            self.teller.heard(&reply, &self.pace);
        }
    }

    fn say(&mut self, words: Words) {
        let now = Instant::now();
        // What comes after the end of a reply is another one.
        if let Some(ended) = self.reply.take_if(|reply| reply.has_ended()) {
            self.wait_for_last_acks(ended);
        }
        let turn_id = words.turn_id;
        if self.reply.is_none() {
            self.reply = Some(self.new_reply(turn_id, now));
        }
        if let Some(reply) = &mut self.reply {
            reply.is_complete = false;
            reply.lines.push(words);
        }
    }

    /// What was said of the reply never was: the client forgets it, and it begins under another name.
    fn begin_anew(&mut self) {
        let now = Instant::now();
        let Some(mut voided) = self.reply.take() else {
            return;
        };
        let voice = voided.voice;
        voided.silence("voided", &self.outlet, now);
        let mut reply = self.new_reply(voided.turn_id, now);
        if voice == Voice::Silenced {
            reply.voice = voice;
        }
        self.reply = Some(reply);
    }

    fn new_reply(&mut self, turn_id: Option<TurnId>, now: Instant) -> Box<Reply> {
        self.replies += 1;
        let id = format!("reply_{}", self.ids.next_ulid());
        let mut reply = Reply::new(self.replies, id, turn_id, self.lead, now);
        if self.held {
            reply.hold(&self.outlet, now);
        }
        Box::new(reply)
    }

    fn made(&mut self, number: u64, piece: &SoundPiece) {
        let now = Instant::now();
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.number == number) else {
            return;
        };
        reply.look(&self.outlet, now);
        match piece {
            SoundPiece::Samples(_) => {
                reply.first_byte_at.get_or_insert_with(|| self.teller.clock.now());
            }
            SoundPiece::Whole => {}
            SoundPiece::Broken { refused } => {
                observe::reply("failed");
                if let Some(error) = refused {
                    let error = error.as_ref().clone();
                    self.outlet.signal(Signal::Notice { error });
                }
            }
        }
        reply.take_piece(piece, self.output, &mut self.pace, now);
    }

    /// Does whatever is due.
    fn look(&mut self) {
        let now = Instant::now();
        let acks_came = |played: &mut Box<Reply>| {
            let by = played.playback.last_acks_by();
            played.playback.is_acked() || by.is_none_or(|by| by <= now)
        };
        if let Some(played) = self.played.take_if(acks_came) {
            self.teller.heard(&played, &self.pace);
        }
        let Some(mut reply) = self.reply.take() else {
            return;
        };
        reply.look(&self.outlet, now);
        if reply.playback.is_stalled(now) {
            reply.silence("stalled", &self.outlet, now);
        }
        reply.is_complete |= reply.seems_complete(now);
        if !self.held {
            self.make_next(&mut reply);
            reply.send(self.output, &self.outlet, now);
        }
        self.teller.voiced(&mut reply);
        if reply.is_over(now) {
            self.wait_for_last_acks(reply);
        } else {
            self.reply = Some(reply);
        }
    }

    /// Learns how far the sound has come.
    fn look_at_socket(&mut self, now: Instant) {
        if let Some(reply) = &mut self.reply {
            reply.look(&self.outlet, now);
        }
    }

    fn make_next(&self, reply: &mut Reply) {
        if !reply.may_make_next() {
            return;
        }
        if let Some(words) = reply.lines.begin_next() {
            let sound = self.synthesis.speak(words);
            reply.begin_sound(sound);
        }
    }

    /// A reply was played; what was heard of it is told once its last acks have come.
    fn wait_for_last_acks(&mut self, reply: Box<Reply>) {
        if let Some(before) = self.played.take() {
            self.teller.heard(&before, &self.pace);
        }
        if reply.voice == Voice::Sounding && reply.has_ended() {
            observe::reply("played");
        }
        if reply.voice == Voice::Silenced || reply.playback.is_acked() {
            self.teller.heard(&reply, &self.pace);
        } else {
            self.played = Some(reply);
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let reply_at = self.reply.as_ref().and_then(|reply| reply.wake_at());
        let played_at = self
            .played
            .as_ref()
            .and_then(|played| played.playback.last_acks_by());
        [self.pause_at, reply_at, played_at].into_iter().flatten().min()
    }
}

async fn next_piece(making: Option<(u64, &mut Sound)>) -> Happening {
    match making {
        Some((reply, sound)) => Happening::Made {
            reply,
            piece: sound.next().await,
        },
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a silent mouth takes beside what it shares: a thousand of them are a megabyte.
    #[test]
    fn a_silent_mouth_is_small() {
        let bytes = size_of::<Mouth>() + size_of::<Synthesis>() + size_of::<OutletSender>();
        assert!(bytes <= 1_024, "{bytes} bytes");
    }
}
