//! What holds after every decision of a session, whatever the scenario.

use greenroom_protocol::{
    CallId, CallPurpose, Event, MessageAdded, PlannerDelta, Provenance, Role, SlotSource, SlotUpdated, TurnId,
};

use crate::playbook::Playbook;
use crate::{Fact, State, due};

/// A rule that was broken.
pub(super) struct Broken {
    pub rule: &'static str,
    pub found: String,
}

/// Follows a log and checks every fact that is new in it.
pub(super) struct Invariants<'a> {
    playbook: &'a Playbook,
    /// The fold of the facts that were checked.
    folded: Option<State>,
    /// How many these are.
    checked: usize,
    found: Vec<Broken>,
}

impl<'a> Invariants<'a> {
    pub(super) fn new(playbook: &'a Playbook) -> Self {
        Self {
            playbook,
            folded: None,
            checked: 0,
            found: Vec::new(),
        }
    }

    /// What the new facts of a log broke, and what the state breaks now.
    pub(super) fn check(&mut self, state: &State, log: &[Fact]) -> Vec<Broken> {
        for at in self.checked..log.len() {
            match self.folded.take() {
                None => self.folded = State::begin(state.id, &log[at]).ok(),
                Some(mut folded) => {
                    self.fact(&folded, &log[at], &log[..at]);
                    folded.evolve(&log[at]);
                    self.folded = Some(folded);
                }
            }
        }
        self.checked = log.len();
        if self.folded.as_ref() != Some(state) {
            self.note("the state is nothing but the fold of its facts", "another state");
        }
        if usize::try_from(state.head.0) != Ok(log.len()) {
            let found = format!("{} facts, head {}", log.len(), state.head.0);
            self.note("the numbers of events have no gap", found);
        }
        self.calls(state, log);
        std::mem::take(&mut self.found)
    }

    fn note(&mut self, rule: &'static str, found: impl Into<String>) {
        self.found.push(Broken {
            rule,
            found: found.into(),
        });
    }

    /// Every call under way was reserved, and every reserved one is under way or settled.
    fn calls(&mut self, state: &State, log: &[Fact]) {
        let due = due(state);
        for call in &due.calls {
            let reserved = usize::try_from(call.reserved_seq.0)
                .ok()
                .and_then(|seq| log.get(seq.checked_sub(1)?));
            let is_its_own = matches!(
                reserved.map(|fact| &fact.event),
                Some(Event::CallReserved(reserved)) if reserved.call_id == call.stamp.call_id
            );
            if !is_its_own {
                self.note(
                    "a call leaves only after its reservation",
                    call.stamp.call_id.to_string(),
                );
            }
        }
        let is_due = |call_id| due.calls.iter().any(|call| call.stamp.call_id == call_id);
        let is_made_here = |purpose| match purpose {
            CallPurpose::Plan | CallPurpose::Stage | CallPurpose::Repair => true,
            CallPurpose::Moderate | CallPurpose::Transcribe | CallPurpose::Speak => false,
        };
        for (call_id, call) in &state.open_calls {
            if is_made_here(call.purpose) && !is_due(*call_id) {
                self.note("a reserved call is under way or settled", call_id.to_string());
            }
        }
    }

    fn fact(&mut self, before: &State, fact: &Fact, earlier: &[Fact]) {
        match &fact.event {
            Event::MessageAdded(message) => match message.role {
                Role::User => self.users_words(message),
                Role::Assistant => self.assistants_words(before, message, earlier),
            },
            Event::PlannerDelta(delta) => self.delta(before, delta),
            Event::SlotUpdated(updated) => self.slot(before, updated, earlier),
            _ => {}
        }
    }

    fn users_words(&mut self, message: &MessageAdded) {
        let own =
            matches!(&message.provenance, Provenance::User { turn_id } if Some(*turn_id) == message.turn_id);
        if !own {
            self.note(
                "the user's words are the user's",
                format!("{:?}", message.provenance),
            );
        }
    }

    fn assistants_words(&mut self, before: &State, message: &MessageAdded, earlier: &[Fact]) {
        match &message.provenance {
            Provenance::Playbook { key, hash } => {
                let phrase = self.playbook.phrase(key, before.locale);
                if phrase != message.text || *hash != self.playbook.reference.hash {
                    self.note(
                        "a phrase is spoken as the playbook has it",
                        format!("{key}: {:?}", message.text),
                    );
                }
            }
            Provenance::Model { call_id, .. } => {
                if !was_reserved(earlier, *call_id) {
                    self.note(
                        "a model's text comes from a call that was reserved",
                        message.text.clone(),
                    );
                }
                let shown = before.planning().map(|planning| planning.reply.trim().to_owned());
                if shown.as_deref() != Some(message.text.as_str()) {
                    self.note(
                        "what was streamed is what was said",
                        format!("{shown:?} and {:?}", message.text),
                    );
                }
            }
            other @ (Provenance::User { .. } | Provenance::Operator) => {
                self.note(
                    "the assistant's texts come from a model or the playbook",
                    format!("{other:?}"),
                );
            }
        }
        if let Some(mark) = message
            .text
            .chars()
            .find(|mark| matches!(mark, '*' | '`' | '\n' | '#'))
        {
            self.note(
                "what is said can be spoken",
                format!("{mark:?} in {:?}", message.text),
            );
        }
        self.one_question(before, message, earlier);
    }

    /// At most one question a turn, and none for a slot that needs no answer.
    fn one_question(&mut self, before: &State, message: &MessageAdded, earlier: &[Fact]) {
        if let Some(path) = &message.asks
            && !crate::planner::ask_order(before, self.playbook).contains(path)
        {
            self.note(
                "nobody is asked for a slot that is filled",
                format!("{path}: {:?}", message.text),
            );
        }
        let Some(turn_id) = message.turn_id else { return };
        let said_before = earlier.iter().filter_map(|fact| match &fact.event {
            Event::MessageAdded(said) if said.role == Role::Assistant && said.turn_id == Some(turn_id) => {
                Some(said)
            }
            _ => None,
        });
        let said: Vec<&MessageAdded> = said_before.chain(std::iter::once(message)).collect();
        let marks: usize = said
            .iter()
            .map(|said| said.text.matches(['?', '？']).count())
            .sum();
        let asking = said.iter().filter(|said| said.asks.is_some()).count();
        if marks > 1 || asking > 1 {
            let texts: Vec<&str> = said.iter().map(|said| said.text.as_str()).collect();
            self.note("at most one question a turn", texts.join(" "));
        }
    }

    fn delta(&mut self, before: &State, delta: &PlannerDelta) {
        if before.planning().map(|planning| planning.turn_id) != Some(delta.turn_id) {
            self.note(
                "only the turn under way is answered",
                format!("{}", delta.turn_id),
            );
        }
    }

    /// Slots are frozen during a run, and a value's words are the user's own.
    fn slot(&mut self, before: &State, updated: &SlotUpdated, earlier: &[Fact]) {
        if before.active_run().is_some() {
            self.note(
                "slots are frozen while a run is under way",
                updated.path.to_string(),
            );
        }
        if let SlotSource::Turn { turn_id, words } = &updated.source
            && !said_in(earlier, *turn_id)
                .iter()
                .any(|said| said.contains(words.as_str()))
        {
            self.note(
                "a value comes from the user's own words",
                format!("{}: {words:?}", updated.path),
            );
        }
    }
}

fn was_reserved(log: &[Fact], call_id: CallId) -> bool {
    log.iter()
        .any(|fact| matches!(&fact.event, Event::CallReserved(reserved) if reserved.call_id == call_id))
}

/// What the user said in a turn.
fn said_in(log: &[Fact], turn_id: TurnId) -> Vec<&str> {
    let said = log.iter().filter_map(|fact| match &fact.event {
        Event::MessageAdded(message) if message.role == Role::User && message.turn_id == Some(turn_id) => {
            Some(message.text.as_str())
        }
        _ => None,
    });
    said.collect()
}
