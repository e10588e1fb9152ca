//! Responses that the language model's provider stores, because they were begun in the background: what becomes of them
//! as the session has done with them.

use greenroom_protocol::{CallId, CallOutcome, Event, Seq};
use greenroom_session::Fact;
use greenroom_session::ports::LanguageModel;

/// Responses that are recorded for good once what was decided is committed.
#[derive(Debug, Default)]
pub(super) struct Responses {
    recorded: Vec<(Seq, CallId, String)>,
}

impl Responses {
    /// A fact was decided. What was given up is to be stopped at once, for every moment is paid for.
    pub(super) fn observe(&mut self, seq: Seq, fact: &Fact, model: &dyn LanguageModel) {
        let (Event::CallSettled(settled), Some(response_id)) = (&fact.event, &fact.private.response_id)
        else {
            return;
        };
        match settled.outcome {
            CallOutcome::Unknown => model.abandon(settled.call_id, response_id),
            CallOutcome::Ok | CallOutcome::Failed => {
                self.recorded.push((seq, settled.call_id, response_id.clone()));
            }
        }
    }

    /// All facts up to one are committed: nobody will have to take up what they record.
    pub(super) fn commit(&mut self, head: Seq, model: &dyn LanguageModel) {
        for (_, call_id, response_id) in self.recorded.extract_if(.., |(seq, ..)| *seq <= head) {
            model.forget(call_id, &response_id);
        }
    }
}
