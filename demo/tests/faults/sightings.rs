//! What is looked at after a scene: a session's log, typed, and the simulator's bill.

use std::time::Duration;

use anyhow::Context as _;
use greenroom_demo::session_play::Stage;
use greenroom_protocol::{
    CallOutcome, CallPurpose, CallScope, ErrorEvent, Event, MessageAdded, Role, RunId, SessionId,
    StageChanged, StageCompleted, StageDelta, TurnId, TurnOutcome,
};
use loadtest::client::{Client, SeenEvent};
use loadtest::provider::BilledCall;
use serde_json::Value;

/// The stages of the launch playbook.
pub const STAGES: [&str; 4] = ["research", "strategy", "creative", "voice"];
/// How often a run is looked at that nobody listens to.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The log of a session.
#[derive(Debug)]
pub struct Log {
    events: Vec<Event>,
}

impl Log {
    /// Reads the whole log, as the operator does.
    pub async fn of(stage: &Stage, session: SessionId) -> anyhow::Result<Self> {
        let journal = stage.journal(session).await?;
        let events: Result<_, _> = journal.iter().map(SeenEvent::event).collect();
        Ok(Self { events: events? })
    }

    /// What `pick` picks, in order.
    pub fn all<'a, T>(&'a self, pick: impl FnMut(&'a Event) -> Option<T>) -> Vec<T> {
        self.events.iter().filter_map(pick).collect()
    }

    /// Every `error`.
    pub fn errors(&self) -> Vec<&ErrorEvent> {
        self.all(|event| match event {
            Event::Error(error) => Some(error),
            _ => None,
        })
    }

    /// What each call for a purpose (`planner`, or a stage's name) was reserved as, and the attempt it belongs to.
    pub fn calls(&self, of: &str) -> Vec<(CallPurpose, u32)> {
        self.all(|event| match event {
            Event::CallReserved(reserved) => match &reserved.scope {
                CallScope::Stage { stage, attempt, .. } if stage.as_str() == of => {
                    Some((reserved.purpose, *attempt))
                }
                CallScope::Turn { attempt, .. } if of == "planner" => Some((reserved.purpose, *attempt)),
                CallScope::Stage { .. } | CallScope::Turn { .. } | CallScope::Session {} => None,
            },
            _ => None,
        })
    }

    /// How the calls were settled, in order.
    pub fn settlements(&self) -> Vec<CallOutcome> {
        self.all(|event| match event {
            Event::CallSettled(settled) => Some(settled.outcome),
            _ => None,
        })
    }

    /// The attempts at a stage.
    pub fn attempts(&self, stage: &str) -> Vec<u32> {
        self.all(|event| match event {
            Event::StageStarted(started) if started.stage.as_str() == stage => Some(started.attempt),
            _ => None,
        })
    }

    /// The deltas of one attempt at a stage.
    pub fn deltas(&self, stage: &str, attempt: u32) -> Vec<&StageDelta> {
        self.all(|event| match event {
            Event::StageDelta(delta) if delta.stage.as_str() == stage && delta.attempt == attempt => {
                Some(delta)
            }
            _ => None,
        })
    }

    /// The document that the deltas of one attempt at a stage make.
    pub fn shown(&self, stage: &str, attempt: u32) -> anyhow::Result<Value> {
        let mut document = Value::Null;
        for delta in self.deltas(stage, attempt) {
            delta.delta.apply(&mut document)?;
        }
        Ok(document)
    }

    /// Every stage that was completed.
    pub fn completed(&self) -> Vec<&StageCompleted> {
        self.all(|event| match event {
            Event::StageCompleted(completed) => Some(completed),
            _ => None,
        })
    }

    /// The names of the stages that were completed, in order.
    pub fn completed_names(&self) -> Vec<&str> {
        self.completed()
            .iter()
            .map(|completed| completed.stage.as_str())
            .collect()
    }

    /// The one completion of a stage.
    pub fn completion(&self, stage: &str) -> anyhow::Result<&StageCompleted> {
        let found = self
            .completed()
            .into_iter()
            .find(|completed| completed.stage.as_str() == stage);
        found.with_context(|| format!("{stage} is complete"))
    }

    /// Every change of the session's state.
    pub fn states(&self) -> Vec<&StageChanged> {
        self.all(|event| match event {
            Event::StageChanged(changed) => Some(changed),
            _ => None,
        })
    }

    /// The session's state at the end.
    pub fn state(&self) -> &str {
        self.states().last().map_or("", |changed| changed.state.as_str())
    }

    /// What the assistant said in a turn.
    pub fn replies(&self, turn: TurnId) -> Vec<&MessageAdded> {
        self.all(|event| match event {
            Event::MessageAdded(message)
                if message.turn_id == Some(turn) && message.role == Role::Assistant =>
            {
                Some(message)
            }
            _ => None,
        })
    }

    /// The text that the deltas of one attempt at a turn's reply make.
    pub fn reply_shown(&self, turn: TurnId, attempt: u32) -> anyhow::Result<String> {
        let mut reply = Value::Null;
        for event in &self.events {
            if let Event::PlannerDelta(delta) = event
                && delta.turn_id == turn
                && delta.attempt == attempt
            {
                delta.delta.apply(&mut reply)?;
            }
        }
        Ok(reply["reply"].as_str().unwrap_or_default().trim().to_owned())
    }

    /// Every turn, in order.
    pub fn turns(&self) -> Vec<TurnId> {
        self.all(|event| match event {
            Event::TurnStarted(started) => Some(started.turn_id),
            _ => None,
        })
    }

    /// The newest turn.
    pub fn last_turn(&self) -> anyhow::Result<TurnId> {
        self.turns().last().copied().context("there is a turn")
    }

    /// How a turn ended.
    pub fn outcome(&self, turn: TurnId) -> Option<TurnOutcome> {
        let outcomes = self.all(|event| match event {
            Event::TurnCompleted(completed) if completed.turn_id == turn => Some(completed.outcome),
            _ => None,
        });
        outcomes.first().copied()
    }
}

/// The simulator's bill.
#[derive(Debug)]
pub struct Bill {
    calls: Vec<BilledCall>,
}

impl Bill {
    /// The bill, once no call is under way.
    pub async fn of(stage: &Stage) -> anyhow::Result<Self> {
        let statement = stage.bill().await?;
        anyhow::ensure!(statement.totals.open == 0, "calls are under way: {statement:?}");
        Ok(Self {
            calls: statement.calls,
        })
    }

    /// The calls for a purpose, oldest first.
    pub fn calls(&self, purpose: &str) -> Vec<&BilledCall> {
        self.calls.iter().filter(|call| call.purpose == purpose).collect()
    }

    /// How many calls there were for each stage, in the order of the run.
    pub fn stages(&self) -> [usize; 4] {
        STAGES.map(|stage| self.calls(stage).len())
    }

    /// How many calls there were.
    pub fn len(&self) -> usize {
        self.calls.len()
    }
}

/// Waits for the end of a run that nobody listens to: a look at its row wakes nobody.
pub async fn until_done_unseen(client: &Client, run: RunId) -> anyhow::Result<()> {
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    loop {
        looks.tick().await;
        let package = client.run(run).await?;
        match package["state"].as_str() {
            Some("DONE") => return Ok(()),
            Some("FAILED") | None => anyhow::bail!("{package}"),
            Some(_) => {}
        }
    }
}
