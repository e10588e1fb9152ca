//! A language model that says what a test scripted, and can hang, fail and panic.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use greenroom_protocol::{CallId, ErrorCode};
use greenroom_session::CallCost;
use greenroom_session::ports::{
    Background, CallFailure, CallReceipt, LanguageModel, LlmIdentity, ModelEvent, ModelRequest, ModelStream,
    SearchSource,
};
use serde_json::{Value, json};
use tokio::sync::watch;

/// What every search returns.
pub const FOUND_URL: &str = "https://news.example/serum";

/// One step of a scripted reply.
#[derive(Clone)]
pub enum Step {
    /// The provider goes on with the reply, under this id.
    Begun(&'static str),
    Text(String),
    Source(&'static str),
    Pause(Duration),
    /// Waits until the gate is opened.
    Gate(Arc<watch::Sender<bool>>),
    Hang,
    Panic,
    Fail(CallFailure),
    /// What was to be taken up will not come.
    Lost,
    Done,
}

/// A reply in one piece.
pub fn whole(reply: &Value) -> Vec<Step> {
    vec![Step::Source(FOUND_URL), Step::Text(reply.to_string()), Step::Done]
}

/// A reply in pieces of so many characters.
pub fn pieces(reply: &Value, characters: usize, pause: Duration) -> Vec<Step> {
    let text: Vec<char> = reply.to_string().chars().collect();
    let pieces = text
        .chunks(characters)
        .map(|piece| Step::Text(piece.iter().collect()));
    let mut steps: Vec<Step> = pieces.flat_map(|piece| [piece, Step::Pause(pause)]).collect();
    steps.push(Step::Done);
    steps
}

/// A planner's reply that only says something.
pub fn answer(text: &str) -> Value {
    json!({ "answer": text, "slot_updates": [], "ask": null, "question": "", "intent": "none" })
}

pub fn failure(code: ErrorCode, retry_after_ms: Option<u64>) -> Step {
    Step::Fail(CallFailure {
        code,
        retryable: true,
        retry_after: retry_after_ms.map(greenroom_protocol::Millis),
        reason: "scripted".to_owned(),
        receipt: None,
    })
}

pub struct ScriptedModel {
    /// By the name of the output; without a script the model answers well.
    scripts: Mutex<HashMap<String, VecDeque<Vec<Step>>>>,
    usual: fn(&str) -> Value,
    calls: Mutex<Vec<(String, Background)>>,
    abandoned: Mutex<Vec<String>>,
    forgotten: Mutex<Vec<String>>,
    under_way: watch::Sender<usize>,
    completed: Arc<watch::Sender<usize>>,
}

impl ScriptedModel {
    pub fn new(usual: fn(&str) -> Value) -> Self {
        Self {
            scripts: Mutex::default(),
            usual,
            calls: Mutex::default(),
            abandoned: Mutex::default(),
            forgotten: Mutex::default(),
            under_way: watch::Sender::new(0),
            completed: Arc::new(watch::Sender::new(0)),
        }
    }

    /// The next call for this output goes like this.
    pub fn script(&self, output: &str, steps: Vec<Step>) {
        self.scripts
            .lock()
            .unwrap()
            .entry(output.to_owned())
            .or_default()
            .push_back(steps);
    }

    /// Responses that nobody wanted any more.
    pub fn abandoned(&self) -> Vec<String> {
        self.abandoned.lock().unwrap().clone()
    }

    /// Responses that were recorded for good.
    pub fn forgotten(&self) -> Vec<String> {
        self.forgotten.lock().unwrap().clone()
    }

    /// What was to become of each reply with this output when nobody waits for it.
    pub fn backgrounds(&self, output: &str) -> Vec<Background> {
        let calls = self.calls.lock().unwrap();
        let of_output = calls.iter().filter(|(name, _)| name == output);
        of_output.map(|(_, background)| background.clone()).collect()
    }

    /// Calls made so far, by the name of their output.
    pub fn calls(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        calls.iter().map(|(name, _)| name.clone()).collect()
    }

    pub fn calls_for(&self, output: &str) -> usize {
        self.calls().iter().filter(|name| *name == output).count()
    }

    pub fn under_way(&self) -> usize {
        *self.under_way.borrow()
    }

    /// Calls whose reply was read to its end.
    pub fn completed(&self) -> usize {
        *self.completed.borrow()
    }

    pub async fn until_under_way(&self, count: usize) {
        self.under_way
            .subscribe()
            .wait_for(|under_way| *under_way == count)
            .await
            .unwrap();
    }
}

/// Counts a call as under way until it is dropped.
struct UnderWay(watch::Sender<usize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[async_trait]
impl LanguageModel for ScriptedModel {
    async fn generate(&self, request: ModelRequest) -> Result<ModelStream, CallFailure> {
        let name = request.output.map_or_else(String::new, |output| output.name);
        self.calls
            .lock()
            .unwrap()
            .push((name.clone(), request.background));
        let scripted = self
            .scripts
            .lock()
            .unwrap()
            .get_mut(&name)
            .and_then(VecDeque::pop_front);
        let steps = scripted.unwrap_or_else(|| whole(&(self.usual)(&name)));
        self.under_way.send_modify(|count| *count += 1);
        let guard = UnderWay(self.under_way.clone());
        let completed = self.completed.clone();
        let events = stream::unfold((steps.into_iter(), guard), move |(mut steps, guard)| {
            let completed = completed.clone();
            async move {
                loop {
                    let event = match steps.next()? {
                        Step::Pause(Duration::ZERO) => continue,
                        Step::Pause(pause) => {
                            tokio::time::sleep(pause).await;
                            continue;
                        }
                        Step::Gate(gate) => {
                            gate.subscribe().wait_for(|open| *open).await.unwrap();
                            continue;
                        }
                        Step::Hang => std::future::pending().await,
                        Step::Panic => panic!("the model was asked to panic"),
                        Step::Begun(response_id) => Ok(ModelEvent::Begun {
                            response_id: response_id.to_owned(),
                        }),
                        Step::Lost => Ok(ModelEvent::Lost {
                            reason: "scripted".to_owned(),
                        }),
                        Step::Text(text) => Ok(ModelEvent::Text(text)),
                        Step::Source(url) => Ok(ModelEvent::Source(SearchSource {
                            url: url.to_owned(),
                            title: None,
                            passage: None,
                        })),
                        Step::Fail(failure) => Err(failure),
                        Step::Done => {
                            completed.send_modify(|count| *count += 1);
                            Ok(ModelEvent::Completed(receipt()))
                        }
                    };
                    return Some((event, (steps, guard)));
                }
            }
        });
        Ok(events.boxed())
    }

    fn identity(&self) -> Option<LlmIdentity> {
        Some(LlmIdentity {
            provider: "scripted".to_owned(),
            model: "sim-large".to_owned(),
            small_model: "sim-small".to_owned(),
            simulated: true,
        })
    }

    fn can_search(&self) -> bool {
        true
    }

    fn can_take_up(&self) -> bool {
        true
    }

    fn abandon(&self, _: CallId, response_id: &str) {
        self.abandoned.lock().unwrap().push(response_id.to_owned());
    }

    fn forget(&self, _: CallId, response_id: &str) {
        self.forgotten.lock().unwrap().push(response_id.to_owned());
    }
}

fn receipt() -> CallReceipt {
    CallReceipt {
        provider: "scripted".to_owned(),
        model: "sim-large".to_owned(),
        simulated: true,
        response_id: None,
        request_id: None,
        usage: None,
        cost: CallCost::Unknown,
    }
}
