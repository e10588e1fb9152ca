//! A moderator that finds what a test scripted, and can hang, fail and panic.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use greenroom_protocol::ErrorCode;
use greenroom_session::CallCost;
use greenroom_session::ports::{
    CallFailure, CallReceipt, ModelIdentity, ModerationRequest, Moderator, Verdict,
};
use tokio::sync::watch;

/// How a scripted check ends.
#[derive(Clone)]
pub enum Check {
    Flag,
    Down,
    Hang,
    Panic,
    /// Passes once the gate is opened.
    Gate(Arc<watch::Sender<bool>>),
}

#[derive(Default)]
pub struct ScriptedModerator {
    /// Without a script everything passes.
    scripts: Mutex<VecDeque<Check>>,
    requests: Mutex<Vec<ModerationRequest>>,
    under_way: watch::Sender<usize>,
}

impl ScriptedModerator {
    /// The next check goes like this.
    pub fn script(&self, check: Check) {
        self.scripts.lock().unwrap().push_back(check);
    }

    /// The texts of each check so far.
    pub fn asked(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|request| request.texts.join("\n")).collect()
    }

    pub fn under_way(&self) -> usize {
        *self.under_way.borrow()
    }

    pub async fn until_under_way(&self, count: usize) {
        self.under_way
            .subscribe()
            .wait_for(|under_way| *under_way == count)
            .await
            .unwrap();
    }
}

/// Counts a check as under way until it is dropped.
struct UnderWay(watch::Sender<usize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[async_trait]
impl Moderator for ScriptedModerator {
    async fn moderate(&self, request: ModerationRequest) -> Result<Verdict, CallFailure> {
        self.requests.lock().unwrap().push(request);
        self.under_way.send_modify(|count| *count += 1);
        let _under_way = UnderWay(self.under_way.clone());
        let scripted = self.scripts.lock().unwrap().pop_front();
        let flagged = match scripted {
            None => None,
            Some(Check::Flag) => Some(vec!["violence".to_owned()]),
            Some(Check::Down) => return Err(down()),
            Some(Check::Hang) => std::future::pending().await,
            Some(Check::Panic) => panic!("the moderator was asked to panic"),
            Some(Check::Gate(gate)) => {
                gate.subscribe().wait_for(|open| *open).await.unwrap();
                None
            }
        };
        let receipt = CallReceipt {
            provider: "scripted".to_owned(),
            model: "sim-guard".to_owned(),
            simulated: true,
            response_id: None,
            request_id: None,
            usage: None,
            cost: CallCost::Known(0),
        };
        Ok(Verdict { flagged, receipt })
    }

    fn identity(&self) -> Option<ModelIdentity> {
        Some(ModelIdentity {
            provider: "scripted".to_owned(),
            model: "sim-guard".to_owned(),
            simulated: true,
        })
    }
}

fn down() -> CallFailure {
    CallFailure {
        code: ErrorCode::SafetyUnavailable,
        retryable: true,
        retry_after: None,
        reason: "scripted".to_owned(),
        receipt: None,
    }
}
