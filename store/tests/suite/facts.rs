//! Sessions that append, and the events they have to tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use greenroom_protocol::{
    CallId, CallOutcome, CallPurpose, CallReserved, CallScope, CallSettled, Delta, DeltaChange, Event, Frame,
    Gate, GateJudged, JobId, JobStatus, JobType, JobUpdated, Locale, MessageAdded, MessageId, Millis,
    Modality, Mode, PlannerDelta, PlaybookRef, Provenance, Role, RunId, RunStarted, Seq, SessionId,
    SessionStarted, SlotSource, SlotUpdated, StageChanged, StageCompleted, StageId, StageStarted, Timestamp,
    TurnCompleted, TurnId, TurnLatency, TurnOutcome, TurnStarted,
};
use greenroom_session::ports::{
    Append, AppendOutcome, Entry, Epoch, Journal, OpenMode, SessionSummary, TenantId,
};
use greenroom_session::{CallCost, CallRecord, Fact, Private, Usage};
use serde_json::{Value, json};

/// When the first fact of every test is decided.
pub const START: i64 = 1_771_513_200_123;

/// An id that no other test value has.
pub fn fresh() -> ulid::Ulid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    ulid::Ulid::from_parts(START.unsigned_abs(), u128::from(number))
}

/// A summary with nothing due.
pub fn summary() -> SessionSummary {
    SessionSummary {
        user: None,
        state: "CHAT_COLLECTING".to_owned(),
        mode: Mode::Standard,
        locale: Locale::Ko,
        playbook: "launch".to_owned(),
        title: None,
        completeness: 0.0,
        wake_at: None,
    }
}

/// The only writer of one session.
#[derive(Clone)]
pub struct Author {
    /// Where it appends.
    pub journal: Arc<dyn Journal>,
    /// Its session.
    pub session_id: SessionId,
    /// Under which epoch.
    pub epoch: Epoch,
    /// What it believes to be the head.
    pub head: Seq,
    /// When its next fact is decided; one millisecond later for each.
    pub now: i64,
    /// What it says of the session.
    pub summary: SessionSummary,
}

impl Author {
    /// Begins a session that has no event yet.
    pub async fn begin(journal: &Arc<dyn Journal>) -> Self {
        Self::open(journal, SessionId::new(fresh()), OpenMode::New).await
    }

    /// Begins a session and appends its first event.
    pub async fn started(journal: &Arc<dyn Journal>) -> Self {
        let mut author = Self::begin(journal).await;
        author.tell(vec![session_started()]).await;
        author
    }

    /// Takes a session over.
    pub async fn open(journal: &Arc<dyn Journal>, session_id: SessionId, mode: OpenMode) -> Self {
        let opened = journal
            .open(&TenantId::default(), session_id, mode)
            .await
            .expect("the session opens");
        Self {
            journal: journal.clone(),
            session_id,
            epoch: opened.epoch,
            head: opened.head,
            now: START,
            summary: summary(),
        }
    }

    /// The append of these facts after the head, without sending it.
    pub fn facts(&mut self, facts: Vec<(Event, Private)>) -> Append {
        let mut seq = self.head;
        let entries = facts
            .into_iter()
            .map(|(event, private)| {
                seq = seq.next();
                let at = Timestamp::from_unix_ms(self.now);
                self.now += 1;
                let data = event.data_json().expect("events are JSON");
                let frame = Frame::new(self.session_id, seq, &event.event_type(), at, &data);
                Entry {
                    fact: Fact { at, event, private },
                    frame,
                }
            })
            .collect();
        Append {
            tenant: TenantId::default(),
            session_id: self.session_id,
            epoch: self.epoch,
            entries,
            summary: self.summary.clone(),
        }
    }

    /// The append of these events after the head, without sending it.
    pub fn events(&mut self, events: Vec<Event>) -> Append {
        self.facts(events.into_iter().map(|event| (event, Private::none())).collect())
    }

    /// Appends, and moves on if it was committed.
    pub async fn send(&mut self, append: Append) -> AppendOutcome {
        let outcome = self.journal.append(append).await;
        if let AppendOutcome::Committed { head } = outcome {
            self.head = head;
        }
        outcome
    }

    /// Appends events.
    pub async fn try_tell(&mut self, events: Vec<Event>) -> AppendOutcome {
        let append = self.events(events);
        self.send(append).await
    }

    /// Appends events, which must be committed; returns their frames.
    pub async fn tell(&mut self, events: Vec<Event>) -> Vec<Frame> {
        let append = self.events(events);
        let frames = append.entries.iter().map(|entry| entry.frame.clone()).collect();
        let outcome = self.send(append).await;
        assert_eq!(outcome, AppendOutcome::Committed { head: self.head });
        frames
    }

    /// Appends one event with a private part, which must be committed.
    pub async fn confide(&mut self, event: Event, private: Private) {
        let append = self.facts(vec![(event, private)]);
        let outcome = self.send(append).await;
        assert_eq!(outcome, AppendOutcome::Committed { head: self.head });
    }
}

/// `session.started`
pub fn session_started() -> Event {
    Event::SessionStarted(SessionStarted {
        locale: Locale::Ko,
        mode: Mode::Standard,
        playbook: PlaybookRef {
            name: "launch".to_owned(),
            hash: "5e".repeat(32),
        },
        state: "CHAT_COLLECTING".to_owned(),
    })
}

/// `turn.started`
pub fn turn_started(turn_id: TurnId, turn: u32) -> Event {
    Event::TurnStarted(TurnStarted {
        turn_id,
        turn,
        modality: Modality::Text,
    })
}

/// A user's message with the right provenance.
pub fn user_message(turn_id: TurnId, text: &str) -> Event {
    message(Some(turn_id), Role::User, Provenance::User { turn_id }, text)
}

/// A model's message with the right provenance.
pub fn assistant_message(turn_id: TurnId, text: &str) -> Event {
    message(Some(turn_id), Role::Assistant, model(), text)
}

/// Any message.
pub fn message(turn_id: Option<TurnId>, role: Role, provenance: Provenance, text: &str) -> Event {
    Event::MessageAdded(MessageAdded {
        message_id: MessageId::new(fresh()),
        turn_id,
        role,
        modality: Modality::Text,
        text: text.to_owned(),
        provenance,
        truncated: false,
        asks: None,
        locale: Some(Locale::Ko),
    })
}

/// What a model wrote.
pub fn model() -> Provenance {
    Provenance::Model {
        provider: "openai".to_owned(),
        model: "gpt-5.2".to_owned(),
        call_id: CallId::new(fresh()),
        simulated: false,
    }
}

/// `planner.delta`
pub fn planner_delta(turn_id: TurnId, text: &str) -> Event {
    let delta = Delta {
        path: "/reply".to_owned(),
        change: DeltaChange::Append(text.to_owned()),
    };
    Event::PlannerDelta(PlannerDelta {
        turn_id,
        attempt: 1,
        asks: None,
        delta,
    })
}

/// `slot.updated`
pub fn slot_updated(turn_id: TurnId, path: &str, value: Value) -> Event {
    Event::SlotUpdated(SlotUpdated {
        turn_id: Some(turn_id),
        path: path.parse().expect("a slot path"),
        value,
        confidence: 0.9,
        source: SlotSource::Turn {
            turn_id,
            words: "제품명은 루미세럼".to_owned(),
        },
    })
}

/// `gate.changed`
pub fn gate_changed(completeness: f64) -> Event {
    let missing = ["product.category", "goal.weekly_goal"];
    let gate = Gate {
        ready: false,
        missing_required: missing
            .iter()
            .map(|path| path.parse().expect("a slot path"))
            .collect(),
        low_confidence: Vec::new(),
        completeness,
    };
    Event::GateChanged(GateJudged { turn_id: None, gate })
}

/// `turn.completed`
pub fn turn_completed(turn_id: TurnId) -> Event {
    let latency = TurnLatency {
        total_ms: Millis(321),
        segments: Vec::new(),
    };
    Event::TurnCompleted(TurnCompleted {
        turn_id,
        outcome: TurnOutcome::Ok,
        latency,
    })
}

/// `run.started`
pub fn run_started(run_id: RunId, job_id: Option<JobId>) -> Event {
    Event::RunStarted(RunStarted {
        run_id,
        job_id,
        mode: Mode::Standard,
        locale: Locale::Ko,
        brief: Vec::new(),
        draft: false,
        stages: vec![stage("research"), stage("strategy")],
        budget_ms: Millis(600_000),
        from_run: None,
        from_stage: None,
    })
}

/// `stage.changed` of a run that goes on.
pub fn state_changed(run_id: RunId, state: &str) -> Event {
    Event::StageChanged(StageChanged {
        state: state.to_owned(),
        run_id: Some(run_id),
        failures: Vec::new(),
    })
}

/// `stage.started`
pub fn stage_started(run_id: RunId, name: &str, attempt: u32) -> Event {
    Event::StageStarted(StageStarted {
        run_id,
        stage: stage(name),
        attempt,
    })
}

/// `stage.completed`
pub fn stage_completed(run_id: RunId, name: &str, provenance: Provenance) -> Event {
    Event::StageCompleted(StageCompleted {
        run_id,
        stage: stage(name),
        attempt: 1,
        output: json!({ "made_by": name }),
        provenance,
        dropped: 0,
        sources: Vec::new(),
        notes: Vec::new(),
    })
}

/// `job.updated`
pub fn job_updated(job_id: JobId, run_id: RunId, status: JobStatus, progress: u8) -> Event {
    Event::JobUpdated(JobUpdated {
        job_id,
        job_type: JobType::Run,
        status,
        progress,
        run_id,
        retry_count: 0,
        last_retry_at: None,
        error: None,
    })
}

/// `job.updated` of a job that was begun again.
pub fn job_retried(job_id: JobId, run_id: RunId, retry_count: u32, at: Timestamp) -> Event {
    Event::JobUpdated(JobUpdated {
        job_id,
        job_type: JobType::Run,
        status: JobStatus::Running,
        progress: 40,
        run_id,
        retry_count,
        last_retry_at: Some(at),
        error: None,
    })
}

/// `call.reserved`
pub fn call_reserved(call_id: CallId, turn_id: TurnId) -> Event {
    let scope = CallScope::Turn { turn_id, attempt: 1 };
    Event::CallReserved(CallReserved {
        call_id,
        purpose: CallPurpose::Plan,
        scope,
    })
}

/// `call.settled` with what the provider said.
pub fn call_settled(
    call_id: CallId,
    turn_id: TurnId,
    outcome: CallOutcome,
    cost: CallCost,
) -> (Event, Private) {
    let event = Event::CallSettled(CallSettled {
        call_id,
        purpose: CallPurpose::Plan,
        scope: CallScope::Turn { turn_id, attempt: 1 },
        outcome,
    });
    let call = CallRecord {
        provider: "openai".to_owned(),
        model: "gpt-5.2".to_owned(),
        response_id: Some("resp_1".to_owned()),
        request_id: None,
        usage: Some(Usage {
            input_tokens: 812,
            cached_tokens: 512,
            output_tokens: 44,
            searches: 0,
            ..Usage::default()
        }),
        cost,
    };
    (
        event,
        Private {
            call: Some(call),
            ..Private::none()
        },
    )
}

/// A stage's name.
pub fn stage(name: &str) -> StageId {
    name.parse().expect("a stage's name")
}
