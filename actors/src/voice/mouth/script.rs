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

#[cfg(test)]
mod tests {
    use greenroom_protocol::{
        CallId, Delta, MessageId, Modality, SlotPath, TurnCompleted, TurnLatency, TurnStarted,
    };
    use serde_json::Value;

    use super::*;

    fn turn(number: u128) -> TurnId {
        TurnId::new(ulid::Ulid::from(number))
    }

    fn started(number: u128) -> Event {
        Event::TurnStarted(TurnStarted {
            turn_id: turn(number),
            turn: 1,
            modality: Modality::Voice,
        })
    }

    fn delta(number: u128, attempt: u32, change: DeltaChange) -> Event {
        Event::PlannerDelta(PlannerDelta {
            turn_id: turn(number),
            attempt,
            asks: None::<SlotPath>,
            delta: Delta {
                path: "/reply".to_owned(),
                change,
            },
        })
    }

    fn append(number: u128, attempt: u32, text: &str) -> Event {
        delta(number, attempt, DeltaChange::Append(text.to_owned()))
    }

    fn message(number: Option<u128>, text: &str, truncated: bool) -> Event {
        let provenance = Provenance::Model {
            provider: "scripted".to_owned(),
            model: "model".to_owned(),
            call_id: CallId::new(ulid::Ulid::from(1_u128)),
            simulated: true,
        };
        Event::MessageAdded(MessageAdded {
            message_id: MessageId::new(ulid::Ulid::from(1_u128)),
            turn_id: number.map(turn),
            role: Role::Assistant,
            modality: Modality::Text,
            text: text.to_owned(),
            provenance,
            truncated,
            asks: None,
            locale: None,
        })
    }

    fn phrase(number: Option<u128>, text: &str) -> Event {
        let Event::MessageAdded(mut added) = message(number, text, false) else {
            unreachable!("a message is one");
        };
        added.provenance = Provenance::Playbook {
            key: "phrase".to_owned(),
            hash: "hash".to_owned(),
        };
        Event::MessageAdded(added)
    }

    fn completed(number: u128, outcome: TurnOutcome) -> Event {
        Event::TurnCompleted(TurnCompleted {
            turn_id: turn(number),
            outcome,
            latency: TurnLatency::default(),
        })
    }

    fn said(words: &Words) -> String {
        let mark = if words.is_phrase { "*" } else { "" };
        format!("say{mark} {} {:?}", words.message, words.sentence.text)
    }

    #[track_caller]
    fn check_script(mut script: Script, events: &[Event], expected: &[&str]) -> Script {
        let mut cues = Vec::new();
        for event in events {
            script.read(event, &mut cues);
        }
        let told: Vec<String> = cues
            .iter()
            .map(|cue| match cue {
                Cue::Turn(_) => "turn".to_owned(),
                Cue::Say(words) => said(words),
                Cue::Void => "void".to_owned(),
                Cue::Message => "message".to_owned(),
                Cue::Complete => "complete".to_owned(),
                Cue::Stop => "stop".to_owned(),
            })
            .collect();
        assert_eq!(told, expected);
        script
    }

    #[track_caller]
    fn check(events: &[Event], expected: &[&str]) -> Script {
        let mut script = Script::new(Locale::En, false);
        script.set_speaking(true);
        check_script(script, events, expected)
    }

    #[test]
    fn sentences_are_said_as_they_are_written_and_messages_are_told_apart() {
        let script = check(
            &[
                started(1),
                append(1, 1, "The market is open. The harb"),
                append(1, 1, "our is close."),
                message(Some(1), "The market is open. The harbour is close.", false),
                phrase(Some(1), "How many of you are there?"),
                completed(1, TurnOutcome::Ok),
            ],
            &[
                "turn",
                "say 0 \"The market is open. \"",
                "say 0 \"The harbour is close.\"",
                "message",
                "say* 1 \"How many of you are there?\"",
                "message",
                "complete",
            ],
        );
        assert_eq!((script.expected(), script.waits_for_more()), (None, false));
    }

    #[test]
    fn a_message_that_reads_otherwise_and_a_higher_attempt_make_void_what_was_said() {
        let market = append(1, 1, "The market is open. The harb");
        check(
            &[
                started(1),
                market.clone(),
                phrase(Some(1), "How many of you are there?"),
            ],
            &[
                "turn",
                "say 0 \"The market is open. \"",
                "void",
                "say* 0 \"How many of you are there?\"",
                "message",
            ],
        );
        check(
            &[
                started(1),
                market.clone(),
                append(1, 2, "The harbour is close."),
                append(1, 1, "our is late."),
                message(Some(1), "The harbour is close.", false),
            ],
            &[
                "turn",
                "say 0 \"The market is open. \"",
                "void",
                "say 0 \"The harbour is close.\"",
                "message",
            ],
        );
        let anew = delta(1, 1, DeltaChange::Value(Value::Null));
        check(
            &[
                started(1),
                market,
                anew,
                append(1, 1, "The harbour is close. "),
                message(Some(1), "The harbour is close.", false),
            ],
            &[
                "turn",
                "say 0 \"The market is open. \"",
                "void",
                "say 0 \"The harbour is close. \"",
                "message",
            ],
        );
    }

    #[test]
    fn what_is_broken_off_is_not_said_to_its_end() {
        let broken_off = [
            started(1),
            append(1, 1, "The market is open. The harb"),
            message(Some(1), "The market is open. The harb", true),
            completed(1, TurnOutcome::Interrupted),
            started(2),
        ];
        let cues = [
            "turn",
            "say 0 \"The market is open. \"",
            "message",
            "stop",
            "turn",
        ];
        let script = check(&broken_off, &cues);
        assert_eq!(script.expected(), Some(turn(2)));
    }

    #[test]
    fn what_was_begun_elsewhere_is_not_taken_up_and_what_is_passed_over_stays_so() {
        let market = append(1, 1, "The market is open. Th");
        let harbour = append(1, 1, "e harbour is close. It");
        let mut silent = Script::new(Locale::En, false);
        silent.read(&started(1), &mut Vec::new());
        silent.read(&market, &mut Vec::new());
        silent.set_speaking(true);
        check_script(silent, std::slice::from_ref(&harbour), &[]);
        check(&[market.clone(), harbour.clone()], &[]);

        let mut script = check(&[started(1), market], &["turn", "say 0 \"The market is open. \""]);
        script.pass_over();
        let rest = [
            harbour,
            message(Some(1), "The market is open. The harbour is close.", false),
        ];
        let script = check_script(script, &rest, &[]);
        check_script(
            script,
            &[started(2), append(2, 1, "A new one is said. It")],
            &["turn", "say 0 \"A new one is said. \""],
        );
    }

    #[test]
    fn where_replies_are_checked_only_messages_are_said() {
        let mut script = Script::new(Locale::En, true);
        script.set_speaking(true);
        check_script(
            script,
            &[
                started(1),
                append(1, 1, "The market is open. The harbour is close. "),
                message(Some(1), "The market is open.", false),
            ],
            &["turn", "say 0 \"The market is open.\"", "message"],
        );
    }

    #[test]
    fn the_greeting_is_one_reply_of_no_turn() {
        let greeting = [
            phrase(None, "Welcome to the house."),
            phrase(None, "How many are you?"),
        ];
        check(
            &greeting,
            &[
                "say* 0 \"Welcome to the house.\"",
                "message",
                "complete",
                "say* 1 \"How many are you?\"",
                "message",
                "complete",
            ],
        );
    }

    #[test]
    fn after_a_pause_what_looks_whole_is_said() {
        let mut script = check(&[started(1), append(1, 1, "The market is open.")], &["turn"]);
        assert!(script.waits_for_more());
        let mut cues = Vec::new();
        script.pause(&mut cues);
        let paused: Vec<_> = cues
            .iter()
            .filter_map(|cue| match cue {
                Cue::Say(words) => Some(said(words)),
                _ => None,
            })
            .collect();
        assert_eq!(paused, ["say 0 \"The market is open.\""]);
        let rest = message(Some(1), "The market is open.", false);
        check_script(script, &[rest], &["message"]);
    }
}
