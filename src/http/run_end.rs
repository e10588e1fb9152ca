//! Waits for the end of a run, and says how it ended.

use std::time::Duration;

use greenroom_actors::Cursor;
use greenroom_protocol::{ErrorCode, Event, Frame, RunId, SessionId, StageFailure};
use greenroom_session::ports::{RunRow, RunStatus};

use super::wire::{RunReceipt, run_error};
use super::{Asker, Failure};
use crate::app::App;
use crate::lifecycle::Phase;

/// Time beyond a run's own budget after which its end is no longer waited for.
const RUN_MARGIN: Duration = Duration::from_secs(30);

/// How a run ended.
#[derive(Debug, PartialEq)]
enum RunEnd {
    Completed,
    Cancelled,
    Failed(Vec<StageFailure>),
}

/// Waits until a run has ended: the receipt of one that was completed or cancelled, the error of the stage that failed.
pub(super) async fn wait_for_end(
    app: &App,
    asker: &Asker,
    session_id: SessionId,
    run_id: RunId,
) -> Result<RunReceipt, Failure> {
    let _answering = app.lifecycle.answer();
    // The cursor first: whatever the row does not show yet, the cursor will.
    let (cursor, view) = app.directory.cursor(session_id, &asker.caller, None).await?;
    let row = app.models.run(&app.tenant, run_id).await?;
    let end = if let Some(end) = row.as_ref().and_then(end_of_row) {
        end
    } else {
        let playbook = app.playbooks.pinned(&view.playbook.hash).await;
        let budget = playbook.map_or(Duration::ZERO, |playbook| playbook.run_budget.into());
        let end = tokio::time::timeout(budget + RUN_MARGIN, end_in_log(cursor, run_id));
        let end = app.lifecycle.watch().unless_reached(Phase::Closing, end).await;
        let end = end.ok_or_else(Failure::closing)?;
        end.map_err(|_| Failure::new(ErrorCode::LlmTimeout))??
    };
    let state = app.directory.view(session_id, &asker.caller).await?.state;
    let receipt = RunReceipt {
        run_id,
        session_id,
        state,
    };
    match end {
        RunEnd::Completed | RunEnd::Cancelled => Ok(receipt),
        RunEnd::Failed(failures) => Err(failure(&receipt, failures)),
    }
}

fn failure(run: &RunReceipt, failures: Vec<StageFailure>) -> Failure {
    let Some(first) = failures.into_iter().next() else {
        tracing::error!("a run failed without a failure");
        return Failure::new(ErrorCode::SysInternal);
    };
    let error = run_error(first.error, run, first.stage.as_str(), first.attempt);
    Failure::Told(Box::new(error))
}

fn end_of_row(row: &RunRow) -> Option<RunEnd> {
    match row.status {
        RunStatus::Running => None,
        RunStatus::Completed => Some(RunEnd::Completed),
        RunStatus::Cancelled => Some(RunEnd::Cancelled),
        RunStatus::Failed => Some(RunEnd::Failed(
            serde_json::from_value(row.failures.clone()).unwrap_or_default(),
        )),
    }
}

async fn end_in_log(mut cursor: Cursor, run_id: RunId) -> Result<RunEnd, Failure> {
    loop {
        let frames = cursor.next().await?;
        if let Some(end) = frames.iter().find_map(|frame| end_in_frame(frame, run_id)) {
            return Ok(end);
        }
    }
}

fn end_in_frame(frame: &Frame, run_id: RunId) -> Option<RunEnd> {
    if !matches!(
        frame.event_type(),
        "run.completed" | "run.cancelled" | "stage.changed"
    ) {
        return None;
    }
    match Event::from_json(frame.event_type(), frame.data_json()).ok()? {
        Event::RunCompleted(completed) if completed.run_id == run_id => Some(RunEnd::Completed),
        Event::RunCancelled(cancelled) if cancelled.run_id == run_id => Some(RunEnd::Cancelled),
        Event::StageChanged(changed) if changed.run_id == Some(run_id) && !changed.failures.is_empty() => {
            Some(RunEnd::Failed(changed.failures))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::{ErrorBody, Locale, Seq, Timestamp};
    use serde_json::{Value, json};

    use super::*;

    fn run(number: u128) -> RunId {
        RunId::new(ulid::Ulid(number))
    }

    fn failures() -> Value {
        json!([{ "stage": "research", "attempt": 2, "error": ErrorBody::new(ErrorCode::LlmTimeout, Locale::Ko) }])
    }

    #[track_caller]
    fn check(event_type: &str, data: &Value, expected: Option<&str>) {
        let session = SessionId::new(ulid::Ulid(1));
        let frame = Frame::new(
            session,
            Seq(1),
            event_type,
            Timestamp::from_unix_ms(0),
            &data.to_string(),
        );
        let end = end_in_frame(&frame, run(1)).map(|end| match end {
            RunEnd::Completed => "completed",
            RunEnd::Cancelled => "cancelled",
            RunEnd::Failed(_) => "failed",
        });
        assert_eq!(end, expected, "{event_type} {data}");
    }

    #[test]
    fn only_this_runs_own_end_ends_the_wait() {
        check(
            "run.completed",
            &json!({ "run_id": run(1), "draft": false }),
            Some("completed"),
        );
        check(
            "run.completed",
            &json!({ "run_id": run(2), "draft": false }),
            None,
        );
        check("run.cancelled", &json!({ "run_id": run(1) }), Some("cancelled"));
        check(
            "stage.changed",
            &json!({ "state": "GEN_STRATEGY", "run_id": run(1) }),
            None,
        );
        check(
            "stage.changed",
            &json!({ "state": "FAILED", "run_id": run(1), "failures": failures() }),
            Some("failed"),
        );
        check(
            "stage.changed",
            &json!({ "state": "FAILED", "run_id": run(2), "failures": failures() }),
            None,
        );
        check(
            "stage.started",
            &json!({ "run_id": run(1), "stage": "research", "attempt": 1 }),
            None,
        );
    }

    #[test]
    fn a_failed_run_is_answered_with_its_stages_error_and_the_way_to_retry_it() {
        let receipt = RunReceipt {
            run_id: run(1),
            session_id: SessionId::new(ulid::Ulid(1)),
            state: "FAILED".to_owned(),
        };
        let Failure::Told(error) = failure(&receipt, serde_json::from_value(failures()).unwrap()) else {
            panic!("the stage's own error is told")
        };
        assert_eq!(error.code, ErrorCode::LlmTimeout);
        assert_eq!(error.details["run_id"], run(1).to_string());
        assert_eq!(error.details["stage"], "research");
    }
}
