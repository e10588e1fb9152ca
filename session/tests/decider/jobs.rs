//! Jobs that make no progress: begun again, three tries in all, then failed.

use greenroom_protocol::{ErrorCode, Event, JobStatus, JobUpdated, Millis};
use greenroom_session::state::Phase;
use greenroom_session::{CommandKind, due};

use crate::outputs;
use crate::play::{Play, types};

/// The time after which a job counts as stuck.
const PATIENCE_MS: u64 = 15 * 60 * 1_000;

fn job() -> Play {
    job_of(Play::launch())
}

fn job_of(mut play: Play) -> Play {
    play.fill_launch_brief();
    play.send(CommandKind::Generate {
        draft: false,
        background: true,
    })
    .expect("started");
    play
}

fn jobs(events: &[Event]) -> Vec<JobUpdated> {
    let told = events.iter().filter_map(|event| match event {
        Event::JobUpdated(job) => Some(job.clone()),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_job_that_runs_says_until_when_it_may_stand_still() {
    let play = job();
    let told = play
        .log
        .iter()
        .find(|fact| matches!(fact.event, Event::JobUpdated(_)))
        .expect("the job runs");
    let stuck_at = told.private.stuck_at.expect("a limit");
    assert_eq!(stuck_at.since(told.at).0, PATIENCE_MS);
    assert_eq!(due(&play.state).wake_at, Some(stuck_at));

    let mut finished = job();
    let stamp = finished.stage_stamp("research");
    finished.fail(&stamp, ErrorCode::LlmUpstream, false);
    let last = finished
        .log
        .iter()
        .rev()
        .find(|fact| matches!(fact.event, Event::JobUpdated(_)));
    assert_eq!(
        last.map(|fact| fact.private.stuck_at),
        Some(None),
        "one that has ended has none"
    );
    assert_eq!(due(&finished.state).wake_at, None);
}

#[test]
fn every_sign_of_life_puts_it_off() {
    let mut play = job();
    play.now = play.now.after(Millis(PATIENCE_MS - 1));
    let stamp = play.stage_stamp("research");
    let begun = outputs::research().to_string();
    play.stream(&stamp, &begun[..begun.len() / 2], &["https://news.example/serum"]);
    assert_eq!(play.wait(1), [], "it goes on");
    assert_eq!(
        due(&play.state).wake_at,
        Some(play.now.after(Millis(PATIENCE_MS - 1)))
    );
    assert_eq!(
        types(&play.wait(PATIENCE_MS - 1))[0],
        "job.updated",
        "and then it does not"
    );
}

#[test]
fn a_stuck_job_is_tried_three_times_and_then_fails() {
    let mut play = job();
    for retry in 1..=2 {
        let stuck = play.stage_stamp("research");
        let events = play.wait(PATIENCE_MS);
        assert_eq!(
            types(&events),
            ["job.updated", "call.settled", "stage.started", "call.reserved"]
        );
        let told = &jobs(&events)[0];
        assert_eq!(
            (told.status, told.retry_count, told.last_retry_at),
            (JobStatus::Running, retry, Some(play.now))
        );
        assert_ne!(
            play.stage_stamp("research"),
            stuck,
            "the agent that hangs is given up"
        );
        assert!(!play.state.open_calls.contains_key(&stuck.call_id));
        let budget = play
            .state
            .active_run()
            .and_then(|run| run.attempt(&crate::play::stage("research")));
        assert!(
            budget.is_some_and(|attempt| attempt.budget.0 > 0),
            "with the time that it began with"
        );
    }
    let events = play.wait(PATIENCE_MS);
    assert_eq!(
        types(&events),
        ["call.settled", "error", "job.updated", "stage.changed"]
    );
    let failed = &jobs(&events)[0];
    assert_eq!((failed.status, failed.retry_count), (JobStatus::Failed, 2));
    assert_eq!(
        failed.error.as_ref().map(|error| error.code),
        Some(ErrorCode::LlmTimeout)
    );
    assert_eq!(play.state.wire_state, "FAILED");
    assert!(due(&play.state).calls.is_empty());
}

#[test]
fn one_that_waits_for_its_next_attempt_is_not_stuck() {
    let mut play = Play::launch();
    play.jobs.running = Millis(1);
    play.jobs.tries_max = 1;
    let mut play = job_of(play);
    let stamp = play.stage_stamp("research");
    play.fail(&stamp, ErrorCode::LlmUpstream, true);
    let events = play.wait(1);
    assert_eq!(types(&events), Vec::<String>::new());
    let retry_at = due(&play.state).wake_at.expect("an attempt follows");
    assert!(
        retry_at > play.now,
        "it is not asked for again and again until then"
    );
    let events = play.wait(retry_at.since(play.now).0);
    assert_eq!(types(&events), ["stage.started", "call.reserved"]);
    play.wait(1);
    assert_eq!(play.state.wire_state, "FAILED", "what is under way may be stuck");
}

#[test]
fn who_takes_it_up_again_grants_it_all_its_tries() {
    let mut play = job();
    for _ in 0..3 {
        play.wait(PATIENCE_MS);
    }
    assert!(matches!(play.state.phase, Phase::Failed(_)));
    let retry = CommandKind::RetryRun { run_id: None };
    play.send(retry).expect("taken up");
    let events = play.wait(PATIENCE_MS);
    assert_eq!(jobs(&events)[0].retry_count, 1);
}

#[test]
fn one_that_was_away_for_too_long_counts_as_tried_again() {
    let mut play = job();
    let events = play.crash_and_return(PATIENCE_MS - 1);
    assert!(jobs(&events).is_empty(), "soon enough");
    for retry in 1..=2 {
        let events = play.crash_and_return(PATIENCE_MS);
        assert_eq!(jobs(&events)[0].retry_count, retry);
        assert_eq!(
            types(&events),
            ["job.updated", "call.settled", "stage.started", "call.reserved"]
        );
    }
    play.crash_and_return(PATIENCE_MS);
    assert_eq!(play.state.wire_state, "FAILED");
}

#[test]
fn a_stage_that_is_complete_is_no_part_of_it() {
    let mut play = job();
    play.stage("research", &outputs::research());
    let events = play.wait(PATIENCE_MS);
    let started: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::StageStarted(started) => Some(started.stage.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(started, ["strategy"]);
}

#[test]
fn a_run_that_nobody_waits_for_otherwise_has_no_such_rule() {
    let mut play = Play::launch();
    play.fill_launch_brief();
    play.generate().expect("started");
    assert_eq!(due(&play.state).wake_at, None);
    assert_eq!(play.wait(PATIENCE_MS), []);
}
