//! What a line does about what it heard.

use tokio::time::Instant;

use super::Line;
use super::recognition::stream_lost;
use crate::voice::desk::HeardTold;
use crate::voice::hearing::{Action, Input};
use crate::voice::microphone::Microphone;
use crate::voice::mouth::HeardReply;
use crate::voice::observe;

impl Line {
    /// Lets the hearing decide, and does what it says.
    pub(super) fn hear(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            let mid_reply = self.is_mid_reply();
            let mut actions = std::mem::take(&mut self.actions);
            self.hearing.handle(input, mid_reply, &mut actions);
            for action in actions.drain(..) {
                // At most one action of an input can fail at once: the beginning of a stream.
                next = self.act(action).or(next);
            }
            self.actions = actions;
        }
    }

    /// Does something. Answers what came of it, if that is known at once.
    fn act(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Tell(signal) => self.outlet.signal(*signal),
            Action::Hush => {
                self.hush(true);
                let onset = self.microphone.as_mut().and_then(Microphone::take_onset);
                if let Some(arrived_at) = onset {
                    observe::onset_to_pause(arrived_at.elapsed());
                }
            }
            Action::Unhush => self.hush(false),
            Action::CutOff => self.cut_off(),
            Action::Reserve { utterance } => self.errands.reserve(utterance),
            Action::BeginStream { call_id } => {
                if !self.recogniser.begin(call_id) {
                    let result = Err(stream_lost());
                    return Some(Input::Transcribed { call_id, result });
                }
            }
            Action::CommitStream {
                call_id,
                pcm,
                patience,
            } => {
                self.recogniser.commit(call_id, &pcm);
                self.committed.push((call_id, Instant::now()));
                self.errands.remind(call_id, patience);
            }
            Action::DiscardStream { call_id, patience } => {
                self.recogniser.discard(call_id);
                self.errands.remind(call_id, patience);
            }
            Action::Transcribe { call_id, audio } => self.errands.transcribe(call_id, audio),
            Action::Settle { call_id, settlement } => self.errands.settle(call_id, settlement),
            Action::Say { utterance, words } => {
                let voiced = self.floor.borrow().speaker().is_some();
                self.errands.say(utterance, *words, voiced);
            }
            Action::Count(outcome) => observe::utterance(outcome),
        }
        None
    }

    /// The floor knows too, for whoever comes to speak meanwhile.
    fn hush(&mut self, hushed: bool) {
        self.hush_here();
        self.presence.entry().floor().hush(self.id, hushed);
    }

    /// Lets the mouth of this line, if it is the one that speaks, be silent as long as somebody is heard.
    pub(super) fn hush_here(&mut self) {
        if self.voicing.has_the_floor() {
            let floor = self.floor.borrow();
            let is_hushed_elsewhere = floor.holder() != Some(self.id) && floor.is_hushed();
            drop(floor);
            self.voicing.hush(self.hearing.is_hushed() || is_hushed_elsewhere);
        }
    }

    fn cut_off(&mut self) {
        if self.voicing.has_the_floor() {
            self.cut_off_here();
        } else {
            self.presence.entry().floor().cut_off(self.id);
        }
    }

    /// Ends the reply that is being spoken on this line, if there is one.
    pub(super) fn cut_off_here(&mut self) {
        if let Some(heard) = self.voicing.cut_off() {
            self.tell_heard(heard, true);
        }
        self.tape.cut_off();
        // To cancel ends a hold, and somebody may still be speaking.
        self.hush_here();
    }

    /// The greeting answers no turn, and there is nobody to tell of it.
    pub(super) fn tell_heard(&mut self, heard: HeardReply, cancels: bool) {
        if let HeardReply {
            turn_id: Some(turn_id),
            parts,
        } = heard
        {
            self.errands.tell_heard(HeardTold {
                turn_id,
                parts,
                cancels,
            });
        }
    }
}
