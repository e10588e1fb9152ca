//! What providers are asked for, held against what the journal says was reserved and paid.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use greenroom_protocol::{CallId, CallOutcome};

use super::fate::Fate;

/// The bills of all simulated providers.
pub struct Books {
    fate: Arc<Fate>,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    reserved: BTreeSet<CallId>,
    settled: BTreeMap<CallId, CallOutcome>,
    /// Calls that left, and whether the provider was done with them.
    made: BTreeMap<CallId, bool>,
    /// Responses that a provider goes on with, whoever waits for them.
    responses: BTreeMap<String, Response>,
}

struct Response {
    call_id: CallId,
    /// Whether the journal knows of it. One that was cut off before could not be told of.
    is_noted: bool,
    /// Whether nobody wants it any more, or it was recorded, or the provider has forgotten it.
    is_gone: bool,
}

impl Books {
    pub fn new(fate: Arc<Fate>) -> Self {
        Self {
            fate,
            pages: Mutex::default(),
        }
    }

    /// The journal has a reservation of a call that a session makes itself.
    pub fn reserved(&self, call_id: CallId) {
        self.pages.lock().unwrap().reserved.insert(call_id);
    }

    pub fn settled(&self, call_id: CallId, outcome: CallOutcome) {
        self.pages.lock().unwrap().settled.insert(call_id, outcome);
    }

    /// A request reaches a provider.
    pub fn leaves(&self, call_id: CallId) {
        let mut pages = self.pages.lock().unwrap();
        if !pages.reserved.contains(&call_id) {
            self.fate
                .find(format!("{call_id} left before its reservation was committed"));
        }
        if pages.settled.contains_key(&call_id) {
            self.fate.find(format!("{call_id} left after it was settled"));
        }
        if pages.made.insert(call_id, false).is_some() {
            self.fate.find(format!("{call_id} was made twice"));
        }
    }

    /// A provider goes on with a request whoever waits for it, and says so.
    pub fn begin_response(&self, call_id: CallId, response_id: &str) {
        let response = Response {
            call_id,
            is_noted: false,
            is_gone: false,
        };
        self.pages
            .lock()
            .unwrap()
            .responses
            .insert(response_id.to_owned(), response);
    }

    /// The journal has the id of a response.
    pub fn note_response(&self, response_id: &str) {
        if let Some(response) = self.pages.lock().unwrap().responses.get_mut(response_id) {
            response.is_noted = true;
        }
    }

    /// A response is asked for again. Whether the provider still has it.
    pub fn take_up(&self, call_id: CallId, response_id: &str) -> bool {
        let pages = self.pages.lock().unwrap();
        let response = pages.responses.get(response_id);
        if response.is_none_or(|response| response.call_id != call_id) {
            self.fate
                .find(format!("{response_id} is not the response of {call_id}"));
        }
        if pages.settled.contains_key(&call_id) {
            self.fate
                .find(format!("{call_id} is taken up after it was settled"));
        }
        response.is_some_and(|response| !response.is_gone)
    }

    /// Nobody will have a response any more.
    pub fn lose(&self, response_id: &str) {
        if let Some(response) = self.pages.lock().unwrap().responses.get_mut(response_id) {
            response.is_gone = true;
        }
    }

    /// A provider is done with a request.
    pub fn done(&self, call_id: CallId) {
        self.pages.lock().unwrap().made.insert(call_id, true);
    }

    /// Whatever the journal says went well did so at the provider, and no provider works on what was given up.
    pub fn check(&self) {
        let pages = self.pages.lock().unwrap();
        for (response_id, response) in &pages.responses {
            let is_given_up = pages.settled.get(&response.call_id) == Some(&CallOutcome::Unknown);
            if is_given_up && response.is_noted && !response.is_gone && !pages.made[&response.call_id] {
                self.fate.find(format!(
                    "{response_id} was given up, and its provider was not told"
                ));
            }
        }
        for call_id in &pages.reserved {
            let is_claimed = pages.settled.get(call_id) == Some(&CallOutcome::Ok);
            if is_claimed && pages.made.get(call_id) != Some(&true) {
                self.fate.find(format!(
                    "{call_id} is booked as well done, and no provider did it"
                ));
            }
        }
    }
}
