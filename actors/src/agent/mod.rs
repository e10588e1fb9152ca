//! An agent: the child of a session that makes one call and reports what comes of it.

mod coalescer;
mod outbox;
mod sources;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use greenroom_protocol::{CallScope, ErrorCode, SessionId, limits};
use greenroom_session::ports::{
    CallFailure, CallReceipt, LanguageModel, ModelEvent, ModelRequest, Moderator, SearchSource,
};
use greenroom_session::{AgentOutput, AgentReader, AgentReport, AgentTask, ModelTask, ModerationTask, Stamp};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::{Instant, timeout_at};

use self::outbox::Outbox;
use self::sources::Sources;
use crate::observe;
use crate::session::SessionMessage;

/// With this reason an agent stops once it has made its last report.
pub(crate) const REPORTED: &str = "reported";

/// How much longer than the call's own timeout an agent waits for a provider that does not keep to it.
const DEADLINE_GRACE: Duration = Duration::from_secs(5);

pub(crate) struct Agent;

/// What an agent works with.
pub(crate) struct AgentArguments {
    pub(crate) session_id: SessionId,
    pub(crate) session: ActorRef<SessionMessage>,
    pub(crate) model: Arc<dyn LanguageModel>,
    pub(crate) moderator: Arc<dyn Moderator>,
    /// Panics instead of making the call.
    #[cfg(debug_assertions)]
    pub(crate) panics: bool,
    /// Panics amid the call when this is notified.
    #[cfg(debug_assertions)]
    pub(crate) fault: Arc<tokio::sync::Notify>,
}

/// What an agent is told.
pub(crate) enum AgentMessage {
    /// Make this call, report, and stop.
    Perform(Box<AgentTask>),
}

impl Actor for Agent {
    type Msg = AgentMessage;
    type State = AgentArguments;
    type Arguments = AgentArguments;

    async fn pre_start(
        &self,
        _: ActorRef<AgentMessage>,
        arguments: AgentArguments,
    ) -> Result<AgentArguments, ActorProcessingErr> {
        Ok(arguments)
    }

    async fn handle(
        &self,
        myself: ActorRef<AgentMessage>,
        message: AgentMessage,
        state: &mut AgentArguments,
    ) -> Result<(), ActorProcessingErr> {
        let AgentMessage::Perform(task) = message;
        #[cfg(debug_assertions)]
        if state.panics {
            crate::provoke::panic_as_asked();
        }
        #[cfg(debug_assertions)]
        tokio::select! {
            () = perform(*task, state) => {}
            () = state.fault.notified() => crate::provoke::panic_as_asked(),
        }
        #[cfg(not(debug_assertions))]
        perform(*task, state).await;
        myself.stop(Some(REPORTED.to_owned()));
        Ok(())
    }
}

async fn perform(task: AgentTask, arguments: &AgentArguments) {
    match task {
        AgentTask::Model(task) => write(*task, arguments).await,
        AgentTask::Moderation(task) => check(task, arguments).await,
    }
}

/// Has texts checked and reports what was found. Dropping this cancels the call.
///
/// There is no grace for a moderator that does not keep its timeout: somebody waits for what is being checked.
async fn check(task: ModerationTask, arguments: &AgentArguments) {
    let began = Instant::now();
    let ModerationTask { stamp, request } = task;
    let deadline = began + Duration::from(request.timeout);
    let result = match timeout_at(deadline, arguments.moderator.moderate(request)).await {
        Ok(result) => result,
        Err(_elapsed) => Err(failure(
            ErrorCode::SafetyUnavailable,
            "the check did not end in its time",
        )),
    };
    log_end(
        arguments.session_id,
        &stamp,
        began.elapsed(),
        result.as_ref().map_or_else(End::Failed, |_| End::Ok),
    );
    Outbox::new(arguments.session.clone(), stamp).report(match result {
        Ok(verdict) => AgentReport::Checked(verdict),
        Err(failure) => AgentReport::Failed {
            failure,
            partial: String::new(),
            sources: Vec::new(),
        },
    });
}

/// Has the language model write and reports how that ended. Dropping this cancels the call.
async fn write(task: ModelTask, arguments: &AgentArguments) {
    let began = Instant::now();
    let ModelTask {
        stamp,
        request,
        reader,
    } = task;
    let deadline = began + Duration::from(request.timeout) + DEADLINE_GRACE;
    let outbox = Outbox::new(arguments.session.clone(), stamp.clone());
    let mut reading = Reading {
        reader,
        outbox,
        reply: String::new(),
        sources: Sources::default(),
    };
    let result = match timeout_at(deadline, reading.read(arguments.model.as_ref(), request)).await {
        Ok(result) => result,
        Err(_elapsed) => Err(Unfinished::Failed(failure(
            ErrorCode::LlmTimeout,
            "the provider kept neither its timeout nor ours",
        ))),
    };
    log_end(
        arguments.session_id,
        &stamp,
        began.elapsed(),
        match &result {
            Ok(_) => End::Ok,
            Err(Unfinished::Failed(failure)) => End::Failed(failure),
            Err(Unfinished::Lost { reason }) => End::Lost(reason),
        },
    );
    let Reading {
        mut outbox,
        reply,
        sources,
        ..
    } = reading;
    let sources = sources.into_vec();
    outbox.flush();
    outbox.report(match result {
        Ok(receipt) => AgentReport::Finished(AgentOutput {
            reply,
            sources,
            receipt,
        }),
        Err(Unfinished::Failed(failure)) => AgentReport::Failed {
            failure,
            partial: reply,
            sources,
        },
        Err(Unfinished::Lost { reason }) => AgentReport::Lost { reason },
    });
}

/// Why a reply is not complete.
enum Unfinished {
    /// The call failed.
    Failed(CallFailure),
    /// It was to be taken up, and will not come.
    Lost { reason: String },
}

impl From<CallFailure> for Unfinished {
    fn from(failure: CallFailure) -> Self {
        Self::Failed(failure)
    }
}

/// How a call ended, for the log.
#[derive(Clone, Copy)]
enum End<'a> {
    Ok,
    Failed(&'a CallFailure),
    Lost(&'a str),
}

/// A reply that is being read.
struct Reading {
    reader: AgentReader,
    outbox: Outbox,
    reply: String,
    sources: Sources,
}

impl Reading {
    /// Reads until the reply is complete. Safe to drop at any point: what has arrived is kept.
    async fn read(
        &mut self,
        model: &dyn LanguageModel,
        request: ModelRequest,
    ) -> Result<CallReceipt, Unfinished> {
        let mut stream = model.generate(request).await?;
        loop {
            let event = tokio::select! {
                biased;
                () = self.outbox.send_when_due() => continue,
                event = stream.next() => event,
            };
            match event {
                Some(Ok(ModelEvent::Begun { response_id })) => {
                    self.outbox.tell(AgentReport::Begun { response_id });
                }
                Some(Ok(ModelEvent::Text(text))) if self.fits(&text) => self.text(&text),
                Some(Ok(ModelEvent::Text(_))) => {
                    return Err(failure(
                        ErrorCode::LlmJsonInvalid,
                        "the reply is larger than a reply may be",
                    )
                    .into());
                }
                Some(Ok(ModelEvent::Source(source))) => self.source(source),
                Some(Ok(ModelEvent::Completed(receipt))) => return Ok(receipt),
                Some(Ok(ModelEvent::Lost { reason })) => return Err(Unfinished::Lost { reason }),
                Some(Err(failure)) => return Err(failure.into()),
                None => {
                    return Err(failure(
                        ErrorCode::LlmUpstream,
                        "the stream ended before the reply was complete",
                    )
                    .into());
                }
            }
        }
    }

    fn fits(&self, text: &str) -> bool {
        self.reply.len() + text.len() <= limits::MODEL_OUTPUT_BYTES_MAX
    }

    fn text(&mut self, text: &str) {
        self.reply.push_str(text);
        for step in self.reader.text(text) {
            self.outbox.push(step);
        }
    }

    fn source(&mut self, source: SearchSource) {
        if let Some(source) = self.sources.take(source) {
            self.reader.source(source);
        }
    }
}

/// A failure that the provider did not report itself. Another attempt may fare better.
fn failure(code: ErrorCode, reason: &str) -> CallFailure {
    CallFailure {
        code,
        retryable: true,
        retry_after: None,
        reason: reason.to_owned(),
        receipt: None,
    }
}

fn log_end(session_id: SessionId, stamp: &Stamp, took: Duration, end: End<'_>) {
    let (outcome, code, reason) = match end {
        End::Ok => ("ok", None, None),
        End::Failed(failure) => (
            "failed",
            Some(failure.code.as_str()),
            Some(failure.reason.as_str()),
        ),
        End::Lost(reason) => ("lost", None, Some(reason)),
    };
    observe::agent(stamp.purpose, outcome);
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match &stamp.scope {
        CallScope::Stage {
            run_id,
            stage,
            attempt,
        } => tracing::info!(
            %session_id, %run_id, %stage, attempt, call_id = %stamp.call_id, duration_ms, outcome, code, reason,
            "agent ended"
        ),
        CallScope::Turn { turn_id, attempt } => tracing::info!(
            %session_id, %turn_id, attempt, call_id = %stamp.call_id, duration_ms, outcome, code, reason,
            "agent ended"
        ),
        CallScope::Session {} => tracing::info!(
            %session_id, call_id = %stamp.call_id, duration_ms, outcome, code, reason,
            "agent ended"
        ),
    }
}
