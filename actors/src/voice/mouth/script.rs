//! What is said of a session's events: the sentences of each reply as it is written, and what becomes void.
//!
//! A reply is spoken from its first word or not at all. Its deltas are said as they come, and its messages are
//! authoritative: they say where one ends and the next begins, and one that reads otherwise makes void what was said of it.

use greenroom_protocol::{
    DeltaChange, Event, Locale, MessageAdded, PlannerDelta, Provenance, Role, TurnId, TurnOutcome,
};
use greenroom_session::speaking::{Sentence, SentenceCutter};

/// The events that a script reads; the others need not be parsed for it.
const READ: [&str; 4] = ["turn.started", "planner.delta", "message.added", "turn.completed"];

/// A sentence of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    /// The turn that is answered; the greeting answers none.
    pub(super) turn_id: Option<TurnId>,
    /// Which of the reply's messages it belongs to, counted from 0.
    pub(super) message: usize,
    /// The sentence.
    pub(super) sentence: Sentence,
    /// The language that is spoken.
    pub(super) locale: Locale,
    /// Whether the playbook says so, to everybody alike.
    pub(super) is_phrase: bool,
}

/// What follows for the mouth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cue {
    /// A turn has begun, so whatever is being said is not answered to any more. Its own reply may follow.
    Turn(TurnId),
    /// Say this next.
    Say(Words),
    /// What was said of this reply never was; it begins anew.
    Void,
    /// A message is complete.
    Message,
    /// The reply is complete.
    Complete,
    /// The reply was broken off.
    Stop,
}

/// Reads a session's events.
#[derive(Debug)]
pub(super) struct Script {
    /// Whether nothing may be said of a reply before it was checked.
    waits_for_check: bool,
    locale: Locale,
    speaking: bool,
    place: Place,
}

/// Where the conversation stands.
#[derive(Debug)]
enum Place {
    /// Between turns.
    Between,
    /// A turn has begun; nothing of its reply is known.
    Begun(TurnId),
    /// A reply is said as it comes.
    Saying(Draft),
    /// The rest of a turn is not said here.
    Passed,
}

/// A reply that is being written.
#[derive(Debug)]
struct Draft {
    turn_id: Option<TurnId>,
    attempt: u32,
    /// Messages that are complete.
    messages: usize,
    /// What was shown of the next one.
    shown: String,
    cutter: SentenceCutter,
}

impl Script {
    /// At the place where the events begin that it will read. With `waits_for_check` deltas are not said.
    pub(super) fn new(locale: Locale, waits_for_check: bool) -> Self {
        Self {
            waits_for_check,
            locale,
            speaking: false,
            place: Place::Between,
        }
    }

    /// Whether events of this type mean anything to a script.
    pub(super) fn reads(event_type: &str) -> bool {
        READ.contains(&event_type)
    }

    /// Whether replies are said from now on. One that is being said is passed over, one that has begun is not taken up.
    pub(super) fn set_speaking(&mut self, speaking: bool) {
        self.speaking = speaking;
    }

    /// The turn whose reply will be said, once it comes.
    pub(super) fn expected(&self) -> Option<TurnId> {
        match &self.place {
            Place::Begun(turn_id) if self.speaking => Some(*turn_id),
            Place::Begun(_) | Place::Between | Place::Saying(_) | Place::Passed => None,
        }
    }

    /// The rest of the turn's reply is not said.
    pub(super) fn pass_over(&mut self) {
        self.place = match self.place {
            Place::Between => Place::Between,
            Place::Begun(_) | Place::Saying(_) | Place::Passed => Place::Passed,
        };
    }

    /// Whether words wait for what follows them.
    pub(super) fn waits_for_more(&self) -> bool {
        match &self.place {
            Place::Saying(draft) => !draft.shown.is_empty(),
            Place::Between | Place::Begun(_) | Place::Passed => false,
        }
    }

    /// Nothing came for a while: what looks whole is said.
    pub(super) fn pause(&mut self, cues: &mut Vec<Cue>) {
        if let Place::Saying(draft) = &mut self.place {
            let mut sentences = Vec::new();
            draft.cutter.pause(&mut sentences);
            draft.say(sentences, self.locale, false, cues);
        }
    }

    /// Reads the next event.
    pub(super) fn read(&mut self, event: &Event, cues: &mut Vec<Cue>) {
        match event {
            Event::TurnStarted(started) => {
                self.place = Place::Begun(started.turn_id);
                cues.push(Cue::Turn(started.turn_id));
            }
            Event::PlannerDelta(delta) if !self.waits_for_check => self.delta(delta, cues),
            Event::MessageAdded(message) => match message.role {
                Role::User => self.locale = message.locale.unwrap_or(self.locale),
                Role::Assistant => self.message(message, cues),
            },
            Event::TurnCompleted(completed) => self.completed(completed.turn_id, completed.outcome, cues),
            _ => {}
        }
    }

    fn delta(&mut self, delta: &PlannerDelta, cues: &mut Vec<Cue>) {
        let locale = self.locale;
        let Some(draft) = self.draft_of(Some(delta.turn_id)) else {
            return;
        };
        if delta.attempt < draft.attempt {
            return;
        }
        if delta.attempt > draft.attempt {
            draft.attempt = delta.attempt;
            draft.void(cues);
        }
        match &delta.delta.change {
            DeltaChange::Append(text) => draft.push(text, locale, cues),
            DeltaChange::Value(value) => {
                draft.void(cues);
                draft.push(value.as_str().unwrap_or_default(), locale, cues);
            }
        }
    }

    fn message(&mut self, message: &MessageAdded, cues: &mut Vec<Cue>) {
        let locale = self.locale;
        let Some(draft) = self.draft_of(message.turn_id) else {
            return;
        };
        let is_phrase = matches!(message.provenance, Provenance::Playbook { .. });
        let mut sentences = Vec::new();
        if draft.shown.trim() != message.text.trim() {
            draft.void(cues);
            draft.cutter.push(&message.text, &mut sentences);
        }
        draft.cutter.finish(&mut sentences);
        // What was cut off had been said as far as it goes, and is broken off next.
        if !message.truncated {
            draft.say(sentences, locale, is_phrase, cues);
        }
        draft.shown.clear();
        draft.messages += 1;
        cues.push(Cue::Message);
        if message.turn_id.is_none() {
            cues.push(Cue::Complete);
        }
    }

    fn completed(&mut self, turn_id: TurnId, outcome: TurnOutcome, cues: &mut Vec<Cue>) {
        let is_its_own = match &self.place {
            Place::Begun(begun) => *begun == turn_id,
            Place::Saying(draft) => draft.turn_id == Some(turn_id),
            Place::Passed => true,
            Place::Between => false,
        };
        if !is_its_own {
            return;
        }
        self.place = Place::Between;
        cues.push(match outcome {
            TurnOutcome::Ok => Cue::Complete,
            TurnOutcome::Interrupted | TurnOutcome::Failed | TurnOutcome::Abandoned => Cue::Stop,
        });
    }

    /// The reply of a turn, if it is said here.
    fn draft_of(&mut self, turn_id: Option<TurnId>) -> Option<&mut Draft> {
        let begins = match (&self.place, turn_id) {
            (Place::Begun(begun), Some(turn_id)) => *begun == turn_id,
            (Place::Between, None) => true,
            (Place::Begun(_), None) | (Place::Between, Some(_)) | (Place::Saying(_) | Place::Passed, _) => {
                false
            }
        };
        if begins {
            self.place = match (self.speaking, turn_id) {
                (true, turn_id) => Place::Saying(Draft::new(turn_id)),
                (false, Some(_)) => Place::Passed,
                (false, None) => Place::Between,
            };
        }
        match &mut self.place {
            Place::Saying(draft) if draft.turn_id == turn_id => Some(draft),
            Place::Saying(_) | Place::Between | Place::Begun(_) | Place::Passed => None,
        }
    }
}

impl Draft {
    fn new(turn_id: Option<TurnId>) -> Self {
        Self {
            turn_id,
            attempt: 0,
            messages: 0,
            shown: String::new(),
            cutter: SentenceCutter::default(),
        }
    }

    fn push(&mut self, text: &str, locale: Locale, cues: &mut Vec<Cue>) {
        let mut sentences = Vec::new();
        self.shown.push_str(text);
        self.cutter.push(text, &mut sentences);
        self.say(sentences, locale, false, cues);
    }

    /// Takes back what was shown of the message under way. Messages stand.
    fn void(&mut self, cues: &mut Vec<Cue>) {
        self.cutter = SentenceCutter::default();
        if !std::mem::take(&mut self.shown).is_empty() {
            cues.push(Cue::Void);
        }
    }

    fn say(&self, sentences: Vec<Sentence>, locale: Locale, is_phrase: bool, cues: &mut Vec<Cue>) {
        let words = sentences.into_iter().map(|sentence| Words {
            turn_id: self.turn_id,
            message: self.messages,
            sentence,
            locale,
            is_phrase,
        });
        cues.extend(words.map(Cue::Say));
    }
}
