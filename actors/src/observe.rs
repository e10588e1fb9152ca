//! What the actors tell operators: names of metrics, and what is read off the facts.

use std::time::Duration;

use greenroom_protocol::{CallPurpose, Event, Segment, StageId, Timestamp, TurnOutcome};
use greenroom_session::ports::ErasedBy;
use greenroom_session::{CommandKind, Fact};
use metrics::{counter, gauge, histogram};

/// How a command ended, as a label.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CommandOutcome {
    Done,
    Rejected,
    Lost,
}

pub(crate) fn command(kind: &CommandKind, outcome: CommandOutcome) {
    let kind = match kind {
        CommandKind::UserMessage { .. } => "user_message",
        CommandKind::ReserveCall { .. } => "reserve_call",
        CommandKind::SettleCall { .. } => "settle_call",
        CommandKind::SetSlots { .. } => "set_slots",
        CommandKind::Generate { .. } => "generate",
        CommandKind::CancelRun { .. } => "cancel_run",
        CommandKind::RetryRun { .. } => "retry_run",
        CommandKind::Restart { .. } => "restart",
        CommandKind::Stop { .. } => "stop",
        CommandKind::CancelResponse => "cancel_response",
        CommandKind::ReplyHeard { .. } => "reply_heard",
        CommandKind::ReplyVoiced { .. } => "reply_voiced",
        CommandKind::KeepRecording { .. } => "keep_recording",
    };
    let outcome = match outcome {
        CommandOutcome::Done => "done",
        CommandOutcome::Rejected => "rejected",
        CommandOutcome::Lost => "lost",
    };
    counter!("greenroom_commands_total", "kind" => kind, "outcome" => outcome).increment(1);
}

pub(crate) fn sessions_live(live: usize) {
    #[expect(clippy::cast_precision_loss, reason = "nobody holds 2^52 sessions")]
    gauge!("greenroom_sessions_live").set(live as f64);
}

pub(crate) fn activated(took: Duration) {
    counter!("greenroom_session_activations_total").increment(1);
    histogram!("greenroom_session_activation_seconds").record(took);
}

pub(crate) fn passivated() {
    counter!("greenroom_session_passivations_total").increment(1);
}

pub(crate) fn erased(by: ErasedBy) {
    let by = match by {
        ErasedBy::Client => "client",
        ErasedBy::Operator => "operator",
        ErasedBy::Retention => "retention",
    };
    counter!("greenroom_sessions_erased_total", "by" => by).increment(1);
}

pub(crate) fn blob_swept() {
    counter!("greenroom_blobs_swept_total").increment(1);
}

pub(crate) fn restarted() {
    counter!("greenroom_session_restarts_total").increment(1);
}

pub(crate) fn given_up() {
    counter!("greenroom_session_restart_limits_total").increment(1);
}

pub(crate) fn dropped(reason: &'static str) {
    counter!("greenroom_session_drops_total", "reason" => reason).increment(1);
}

pub(crate) fn answer_lost() {
    counter!("greenroom_answers_lost_total").increment(1);
}

pub(crate) fn append(took: Duration) {
    histogram!("greenroom_append_seconds").record(took);
}

pub(crate) fn agent(purpose: CallPurpose, outcome: &'static str) {
    let purpose = match purpose {
        CallPurpose::Plan => "plan",
        CallPurpose::Stage => "stage",
        CallPurpose::Repair => "repair",
        CallPurpose::Moderate => "moderate",
        CallPurpose::Transcribe => "transcribe",
        CallPurpose::Speak => "speak",
    };
    counter!("greenroom_agents_total", "purpose" => purpose, "outcome" => outcome).increment(1);
}

/// Reads latencies off the facts of one session.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    /// The attempts under way that began in this generation. A playbook has few stages.
    stages: Vec<(StageId, Timestamp)>,
}

impl Latencies {
    /// Sees the next fact.
    pub(crate) fn observe(&mut self, fact: &Fact) {
        match &fact.event {
            Event::TurnCompleted(turn) => {
                let outcome = match turn.outcome {
                    TurnOutcome::Ok => "ok",
                    TurnOutcome::Interrupted => "interrupted",
                    TurnOutcome::Failed => "failed",
                    TurnOutcome::Abandoned => "abandoned",
                };
                let total = Duration::from(turn.latency.total_ms);
                histogram!("greenroom_turn_seconds", "outcome" => outcome).record(total);
                for part in &turn.latency.segments {
                    let segment = segment(part.segment);
                    histogram!("greenroom_turn_segment_seconds", "segment" => segment)
                        .record(Duration::from(part.ms));
                }
            }
            Event::StageStarted(started) => {
                self.stages.retain(|(stage, _)| *stage != started.stage);
                self.stages.push((started.stage.clone(), fact.at));
            }
            Event::StageCompleted(completed) => {
                let Some(index) = self
                    .stages
                    .iter()
                    .position(|(stage, _)| *stage == completed.stage)
                else {
                    return;
                };
                let (stage, began) = self.stages.swap_remove(index);
                histogram!("greenroom_stage_seconds", "stage" => stage.to_string())
                    .record(Duration::from(fact.at.since(began)));
            }
            _ => {}
        }
    }
}

fn segment(segment: Segment) -> &'static str {
    match segment {
        Segment::Endpointing => "endpointing",
        Segment::Transcription => "transcription",
        Segment::PlannerFirstToken => "planner_first_token",
        Segment::FirstSentence => "first_sentence",
        Segment::VoiceFirstByte => "voice_first_byte",
        Segment::Delivery => "delivery",
    }
}
