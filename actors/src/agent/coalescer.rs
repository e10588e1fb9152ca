//! Joins the small steps of a reply, so that a fast model costs few events and a slow one no delay.

use std::time::Duration;

use greenroom_session::AgentStep;
use tokio::time::Instant;

/// What follows a step within this time is joined to what follows it: too short for a reader to notice, long
/// enough for several tokens.
pub(crate) const WINDOW: Duration = Duration::from_millis(20);

/// Steps that wait to be sent together.
#[derive(Debug, Default)]
pub(crate) struct Coalescer {
    waiting: Vec<AgentStep>,
    /// A sentence is complete: somebody may be waiting to hear it.
    urgent: bool,
    sent_at: Option<Instant>,
}

impl Coalescer {
    pub(crate) fn push(&mut self, step: AgentStep) {
        self.urgent |= step.ends_sentence();
        let unjoined = match self.waiting.last_mut() {
            Some(last) => last.merge(step),
            None => Some(step),
        };
        self.waiting.extend(unjoined);
    }

    /// When the waiting steps ought to be sent: the first of a burst and one that ends a sentence at once, others
    /// when the window since the last sending has passed.
    pub(crate) fn due_at(&self, now: Instant) -> Option<Instant> {
        if self.waiting.is_empty() {
            return None;
        }
        match self.sent_at {
            Some(sent_at) if !self.urgent => Some(now.max(sent_at + WINDOW)),
            Some(_) | None => Some(now),
        }
    }

    /// Takes what waits, to be sent now.
    pub(crate) fn take(&mut self, now: Instant) -> Vec<AgentStep> {
        self.sent_at = Some(now);
        self.urgent = false;
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> AgentStep {
        AgentStep::Answer(text.to_owned())
    }

    #[test]
    fn the_first_of_a_burst_goes_at_once_and_the_rest_is_joined() {
        let start = Instant::now();
        let mut coalescer = Coalescer::default();
        assert_eq!(coalescer.due_at(start), None);

        coalescer.push(answer("a"));
        assert_eq!(coalescer.due_at(start), Some(start));
        assert_eq!(coalescer.take(start), [answer("a")]);
        assert_eq!(coalescer.due_at(start), None);

        let later = start + WINDOW / 4;
        coalescer.push(answer("b"));
        coalescer.push(answer("c"));
        assert_eq!(coalescer.due_at(later), Some(start + WINDOW));
        assert_eq!(coalescer.take(start + WINDOW), [answer("bc")]);
    }

    #[test]
    fn after_a_pause_a_new_burst_begins() {
        let start = Instant::now();
        let mut coalescer = Coalescer::default();
        coalescer.push(answer("a"));
        coalescer.take(start);
        coalescer.push(answer("b"));
        let later = start + WINDOW * 3;
        assert_eq!(coalescer.due_at(later), Some(later));
    }

    #[test]
    fn the_end_of_a_sentence_never_waits() {
        let start = Instant::now();
        let mut coalescer = Coalescer::default();
        coalescer.push(answer("a"));
        coalescer.take(start);
        coalescer.push(answer(" b"));
        coalescer.push(answer(" c."));
        coalescer.push(answer(" d"));
        assert_eq!(coalescer.due_at(start), Some(start));
        assert_eq!(coalescer.take(start), [answer(" b c. d")]);
        coalescer.push(answer(" e"));
        assert_eq!(
            coalescer.due_at(start),
            Some(start + WINDOW),
            "the next sentence waits again"
        );
    }

    #[test]
    fn what_cannot_be_joined_keeps_its_order() {
        let start = Instant::now();
        let question = AgentStep::Question {
            ask: None,
            text: "and".to_owned(),
        };
        let mut coalescer = Coalescer::default();
        coalescer.push(answer("a"));
        coalescer.push(question.clone());
        coalescer.push(answer("b"));
        assert_eq!(coalescer.take(start), [answer("a"), question, answer("b")]);
    }
}
