//! Turns: an utterance and the reply to it. A new turn ends the one under way.

use greenroom_protocol::{
    CallOutcome, CallPurpose, CallScope, ErrorCode, Event, MessageAdded, Modality, Provenance, Role,
    SlotPath, TurnCompleted, TurnId, TurnOutcome, TurnStarted, limits,
};

use super::Decider;
use super::latency::{FirstSound, latency};
use crate::Private;
use crate::command::{Answer, Receipt, Spoken};
use crate::planner;
use crate::ports::ModerationPolicy;
use crate::state::{Phase, PlanProgress, Turn};

impl Decider<'_, '_> {
    /// An utterance, typed or spoken.
    pub(super) fn user_message(&mut self, text: &str, spoken: Option<&Spoken>) -> Answer {
        let text = text.trim();
        if !text.chars().any(is_visible) {
            return Err(self.rejection(ErrorCode::InputBlank));
        }
        let characters = text.chars().count();
        if characters > limits::MESSAGE_CHARS_MAX {
            let details = serde_json::json!({ "characters": characters, "max": limits::MESSAGE_CHARS_MAX });
            return Err(Box::new(
                self.error_body(ErrorCode::InputTooLong).with_details(details),
            ));
        }
        self.end_turn(TurnOutcome::Interrupted, false);
        let reserved = spoken.filter(|spoken| self.may_begin(spoken));
        let turn_id = match reserved {
            Some(spoken) => spoken.turn_id,
            None => TurnId::new(self.context.ids.next_ulid()),
        };
        if let Some(spoken) = spoken {
            self.settle_transcription(spoken);
        }
        self.begin_turn(turn_id, text, spoken);
        match self.context.capabilities.moderate_input {
            ModerationPolicy::Off => self.take_words(turn_id, &[]),
            ModerationPolicy::Required | ModerationPolicy::BestEffort => self.check_words(turn_id, false),
        }
        Ok(Receipt {
            turn_id: Some(turn_id),
            ..Receipt::default()
        })
    }

    /// Reads what the user said in this turn, after what was said in `earlier` ones that nothing has read yet, and
    /// has it answered.
    pub(super) fn take_words(&mut self, turn_id: TurnId, earlier: &[(TurnId, String)]) {
        let words = self.state.planning().map(|planning| planning.words.clone());
        if self.state.active_run().is_none() {
            for (said_in, words) in earlier {
                self.extract(turn_id, *said_in, words);
            }
            self.extract(turn_id, turn_id, &words.unwrap_or_default());
            self.announce_gate(Some(turn_id));
        }
        if self.context.capabilities.llm.is_some() {
            let budget = Some(self.context.playbook.conversation.planner.budget);
            self.reserve_plan(
                turn_id,
                1,
                Private {
                    budget,
                    ..Private::none()
                },
            );
        } else {
            self.reply_from_playbook();
            self.reply_complete();
        }
    }

    /// Ends the reply that is under way; nothing under way is no error.
    pub(super) fn cancel_response(&mut self) -> Receipt {
        let turn_id = self.state.planning().map(|planning| planning.turn_id);
        self.end_turn(TurnOutcome::Interrupted, true);
        Receipt {
            turn_id,
            ..Receipt::default()
        }
    }

    fn begin_turn(&mut self, turn_id: TurnId, text: &str, spoken: Option<&Spoken>) {
        let turn = self.state.conversation.turns + 1;
        let modality = match spoken {
            Some(_) => Modality::Voice,
            None => Modality::Text,
        };
        let private = Private {
            speech_ended_at: spoken.map(|spoken| spoken.ended_at),
            endpoint_at: spoken.and_then(|spoken| spoken.endpoint_at),
            voiced: spoken.is_some_and(|spoken| spoken.voiced),
            ..Private::none()
        };
        self.record_command_with(
            Event::TurnStarted(TurnStarted {
                turn_id,
                turn,
                modality,
            }),
            private,
        );
        let message_id = self.next_message_id();
        self.record(Event::MessageAdded(MessageAdded {
            message_id,
            turn_id: Some(turn_id),
            role: Role::User,
            modality,
            text: text.to_owned(),
            provenance: Provenance::User { turn_id },
            truncated: false,
            asks: None,
            locale: crate::extractor::language_of(text),
        }));
    }

    /// Reserves the call of an attempt at the reply.
    pub(super) fn reserve_plan(&mut self, turn_id: TurnId, attempt: u32, private: Private) {
        let size = self
            .context
            .playbook
            .conversation
            .planner
            .model_size(self.state.mode);
        self.reserve(
            CallPurpose::Plan,
            CallScope::Turn { turn_id, attempt },
            size,
            private,
        );
    }

    /// Ends the turn under way, which something else takes the place of.
    pub(super) fn end_turn(&mut self, outcome: TurnOutcome, by_command: bool) {
        self.cut_reply_off();
        self.complete_cut_off_turn(outcome, by_command);
    }

    /// Ends the reply under way before it is complete: what was shown becomes its message, unless nothing may stand
    /// that was not checked.
    pub(super) fn cut_reply_off(&mut self) {
        let Some(planning) = self.state.planning() else {
            return;
        };
        if planning.progress.voicing_since().is_some() {
            return;
        }
        let call = planning.progress.call().cloned();
        let (turn_id, reply) = (planning.turn_id, planning.reply.trim().to_owned());
        let (speaker, asks) = (planning.speaker.clone(), planning.asks.clone());
        if let Some(call) = call {
            self.settle(call.call_id, CallOutcome::Unknown, Private::none());
        }
        let may_stand = self.context.capabilities.moderate_output != ModerationPolicy::Required;
        let spoken_by = speaker
            .filter(|_| may_stand)
            .and_then(|call| call.model.map(|model| (call.call_id, model)));
        if let (false, Some((call_id, model))) = (reply.is_empty(), spoken_by) {
            let provenance = Provenance::Model {
                provider: model.provider,
                model: model.model,
                call_id,
                simulated: model.simulated,
            };
            let asks = asks.filter(|path| self.is_wanted(path));
            self.say(Some(turn_id), reply, provenance, true, asks);
        }
    }

    /// Completes a turn whose reply was cut off. One whose text was complete is as good as any other.
    pub(super) fn complete_cut_off_turn(&mut self, outcome: TurnOutcome, by_command: bool) {
        let progress = self.state.planning().map(|planning| &planning.progress);
        let outcome = match progress.and_then(PlanProgress::voicing_since) {
            Some(_) => TurnOutcome::Ok,
            None => outcome,
        };
        match self.turn_completed(outcome, None) {
            Some(completed) if by_command => self.record_command(completed),
            Some(completed) => self.record(completed),
            None => {}
        }
    }

    /// Whether a slot still waits for an answer.
    pub(super) fn is_wanted(&self, path: &SlotPath) -> bool {
        planner::ask_order(self.state, self.context.playbook).contains(path)
    }

    /// The greeting, and the first question.
    pub(super) fn greet(&mut self) {
        self.say_phrase(None, "greeting", None);
        if let Some(path) = planner::ask_order(self.state, self.context.playbook)
            .into_iter()
            .next()
        {
            self.ask(None, path);
        }
    }

    /// Goes on without the planner's own words: the next question, or what can be done now.
    pub(super) fn reply_from_playbook(&mut self) {
        let turn_id = self.state.planning().map(|planning| planning.turn_id);
        let playbook = self.context.playbook;
        if planner::offers_draft(self.state, playbook) {
            return self.say_phrase(turn_id, "turn.offer_draft", None);
        }
        match (
            &self.state.phase,
            planner::ask_order(self.state, playbook).into_iter().next(),
        ) {
            (Phase::Running(_), _) => self.say_phrase(turn_id, "turn.run_active", None),
            (Phase::Collecting | Phase::Ready | Phase::Failed(_) | Phase::Done { .. }, Some(path)) => {
                self.ask(turn_id, path);
            }
            (Phase::Collecting | Phase::Ready | Phase::Failed(_), None) => {
                self.say_phrase(turn_id, "turn.ready", None);
            }
            (Phase::Done { .. }, None) => self.say_phrase(turn_id, "turn.ask_how_to_help", None),
        }
    }

    fn ask(&mut self, turn_id: Option<TurnId>, path: SlotPath) {
        let Some(spec) = self.context.playbook.slot(&path) else {
            return;
        };
        let question = spec.question.clone();
        self.say_phrase(turn_id, &question, Some(path));
    }

    fn say_phrase(&mut self, turn_id: Option<TurnId>, key: &str, asks: Option<SlotPath>) {
        let text = self.context.playbook.phrase(key, self.state.locale).to_owned();
        let provenance = self.context.playbook.phrase_provenance(key);
        self.say(turn_id, text, provenance, false, asks);
    }

    /// Adds a text of the assistant.
    pub(super) fn say(
        &mut self,
        turn_id: Option<TurnId>,
        text: String,
        provenance: Provenance,
        truncated: bool,
        asks: Option<SlotPath>,
    ) {
        let message_id = self.next_message_id();
        self.record(Event::MessageAdded(MessageAdded {
            message_id,
            turn_id,
            role: Role::Assistant,
            modality: Modality::Text,
            text,
            provenance,
            truncated,
            asks,
            locale: None,
        }));
    }

    /// The text of the reply is complete, and with it the turn, unless that waits to hear of its voice.
    pub(super) fn reply_complete(&mut self) {
        let progress = self.state.planning().map(|planning| &planning.progress);
        if progress.and_then(PlanProgress::voicing_since).is_none() {
            self.complete_turn(TurnOutcome::Ok);
        }
    }

    /// Completes a turn that has heard of its voice.
    pub(super) fn complete_voiced_turn(&mut self, sound: Option<FirstSound>) {
        if let Some(completed) = self.turn_completed(TurnOutcome::Ok, sound) {
            self.record_command(completed);
        }
    }

    pub(super) fn complete_turn(&mut self, outcome: TurnOutcome) {
        if let Some(completed) = self.turn_completed(outcome, None) {
            self.record(completed);
        }
    }

    fn turn_completed(&self, outcome: TurnOutcome, sound: Option<FirstSound>) -> Option<Event> {
        match &self.state.turn {
            Turn::Idle => None,
            Turn::Planning(planning) => Some(Event::TurnCompleted(TurnCompleted {
                turn_id: planning.turn_id,
                outcome,
                latency: latency(planning, self.context.now, sound),
            })),
        }
    }
}

/// Whether there is anything to see of a character by itself. What only fills, joins or steers says nothing.
fn is_visible(character: char) -> bool {
    let fills_or_joins = matches!(
        character,
        '\u{ad}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
    );
    !(fills_or_joins || character.is_whitespace() || character.is_control())
}
