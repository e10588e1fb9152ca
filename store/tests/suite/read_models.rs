//! The read models: that they follow from the events, and that nothing is stored without provenance.

use greenroom_protocol::{
    CallId, CallOutcome, ErrorBody, ErrorCode, ErrorEvent, Event, GateWaived, JobId, JobStatus, JobType,
    Locale, Provenance, Role, RunCancelled, RunCompleted, RunId, Seq, SessionId, StageChanged, StageFailure,
    Timestamp, TurnId,
};
use greenroom_session::ports::{
    AppendOutcome, JobFilter, JobRow, Paging, ReadModels, RunRow, RunStatus, SessionCost, SessionFilter,
    SessionRow, StuckSince, TenantId,
};
use greenroom_session::{CallCost, UserKey};
use serde_json::{Value, json};

use super::facts::{self, Author, START, fresh};
use super::{Backend, Ports};

const ALL: Paging = Paging {
    limit: 100,
    offset: 0,
};

async fn run(read_models: &dyn ReadModels, run_id: RunId) -> RunRow {
    read_models
        .run(&TenantId::default(), run_id)
        .await
        .expect("runs can be read")
        .expect("the run exists")
}

fn data(event: &Event) -> Value {
    serde_json::from_str(&event.data_json().expect("JSON")).expect("JSON")
}

fn user(key: &str) -> UserKey {
    key.parse().expect("a user key")
}

/// A session's row holds its last summary, its head, and when it began and last changed.
pub async fn a_session_shows_its_last_summary(backend: &impl Backend) {
    let ports = backend.open().await;
    let tenant = TenantId::default();
    let mut author = Author::begin(&ports.journal).await;
    assert_eq!(
        ports
            .read_models
            .session(&tenant, author.session_id)
            .await
            .expect("a look-up"),
        None
    );

    author.summary.user = Some(user("user-42"));
    author.tell(vec![facts::session_started()]).await;
    author.summary.state = "BRIEF_READY".into();
    author.summary.locale = Locale::En;
    author.summary.title = Some("Lumi Serum".to_owned());
    author.summary.completeness = 0.875;
    author.summary.wake_at = Some(Timestamp::from_unix_ms(START + 5));
    author
        .tell(vec![facts::gate_changed(0.875), facts::gate_changed(0.875)])
        .await;
    let expected = SessionRow {
        session_id: author.session_id,
        summary: author.summary.clone(),
        head: Seq(3),
        created_at: Timestamp::from_unix_ms(START),
        updated_at: Timestamp::from_unix_ms(START + 2),
    };
    let found = ports
        .read_models
        .session(&tenant, author.session_id)
        .await
        .expect("a look-up");
    assert_eq!(found, Some(expected.clone()));

    // Deltas move the head and touch nothing else.
    author.summary.state = "DONE".into();
    author
        .tell(vec![facts::planner_delta(TurnId::new(fresh()), "네")])
        .await;
    let found = ports
        .read_models
        .session(&tenant, author.session_id)
        .await
        .expect("a look-up");
    assert_eq!(
        found,
        Some(SessionRow {
            head: Seq(4),
            ..expected
        })
    );
}

/// The list: newest change first, by user, state and title, in pages with the number of all.
pub async fn sessions_are_listed_filtered_and_paged(backend: &impl Backend) {
    let ports = backend.open().await;
    let tenant = TenantId::default();
    let mut ids = Vec::new();
    for (index, (key, state, title)) in [
        ("ann", "CHAT_COLLECTING", Some("루미세럼")),
        ("ann", "DONE", Some("Lumi_Serum 100%")),
        ("bob", "DONE", Some("LUMI serum")),
        ("ann", "DONE", None),
    ]
    .into_iter()
    .enumerate()
    {
        let mut author = Author::begin(&ports.journal).await;
        author.now = START + 1_000 * i64::try_from(index).expect("four sessions");
        author.summary.user = Some(user(key));
        author.summary.state = state.to_owned();
        author.summary.title = title.map(str::to_owned);
        author.tell(vec![facts::session_started()]).await;
        ids.push(author.session_id);
    }
    let list = |filter: SessionFilter, paging: Paging| {
        let (read_models, tenant) = (ports.read_models.clone(), tenant.clone());
        async move {
            let page = read_models
                .sessions(&tenant, &filter, paging)
                .await
                .expect("a page");
            let found: Vec<SessionId> = page.items.iter().map(|row| row.session_id).collect();
            (found, page.total)
        }
    };
    let of_ann = SessionFilter {
        user: Some(user("ann")),
        ..SessionFilter::default()
    };
    let titled = |text: &str| SessionFilter {
        text: Some(text.to_owned()),
        ..SessionFilter::default()
    };

    assert_eq!(
        list(SessionFilter::default(), ALL).await,
        (vec![ids[3], ids[2], ids[1], ids[0]], 4)
    );
    assert_eq!(list(of_ann.clone(), ALL).await, (vec![ids[3], ids[1], ids[0]], 3));
    assert_eq!(
        list(of_ann.clone(), Paging { limit: 1, offset: 1 }).await,
        (vec![ids[1]], 3)
    );
    assert_eq!(
        list(of_ann.clone(), Paging { limit: 5, offset: 9 }).await,
        (vec![], 3)
    );
    let done_of_ann = SessionFilter {
        state: Some("DONE".to_owned()),
        ..of_ann
    };
    assert_eq!(list(done_of_ann, ALL).await, (vec![ids[3], ids[1]], 2));
    assert_eq!(list(titled("lumi"), ALL).await, (vec![ids[2], ids[1]], 2));
    assert_eq!(list(titled("미세"), ALL).await, (vec![ids[0]], 1));
    assert_eq!(list(titled("_"), ALL).await, (vec![ids[1]], 1));
    assert_eq!(list(titled("100%"), ALL).await, (vec![ids[1]], 1));
    assert_eq!(list(titled("' OR 1 = 1 --"), ALL).await, (vec![], 0));
}

/// A run from its start to its end, with its waiver and its outputs.
pub async fn a_run_follows_its_events(backend: &impl Backend) {
    let ports = backend.open().await;
    let read_models = &*ports.read_models;
    let mut author = Author::begin(&ports.journal).await;
    author.summary.user = Some(user("ann"));
    author.tell(vec![facts::session_started()]).await;
    let run_id = RunId::new(fresh());
    assert_eq!(
        read_models
            .run(&TenantId::default(), run_id)
            .await
            .expect("a look-up"),
        None
    );

    let waived = GateWaived {
        run_id,
        missing_required: vec!["goal.weekly_goal".parse().expect("a slot path")],
        low_confidence: Vec::new(),
    };
    let started = facts::run_started(run_id, None);
    let research = facts::stage_completed(run_id, "research", facts::model());
    author
        .tell(vec![
            Event::GateWaived(waived.clone()),
            started.clone(),
            facts::state_changed(run_id, "RUN_RESEARCH"),
            facts::stage_started(run_id, "research", 1),
            research.clone(),
        ])
        .await;
    let row = run(read_models, run_id).await;
    assert_eq!(
        (row.status, row.state.as_str()),
        (RunStatus::Running, "RUN_RESEARCH")
    );
    assert_eq!((row.session_id, row.user), (author.session_id, Some(user("ann"))));
    assert_eq!(row.started, data(&started));
    assert_eq!(row.waiver, Some(data(&Event::GateWaived(waived))));
    assert_eq!(row.failures, json!([]));
    assert_eq!(row.outputs, [data(&research)]);

    let ended_at = author.now + 2;
    let strategy = facts::stage_completed(run_id, "strategy", facts::model());
    author
        .tell(vec![
            strategy.clone(),
            Event::RunCompleted(RunCompleted { run_id, draft: true }),
            facts::state_changed(run_id, "DONE"),
        ])
        .await;
    let row = run(read_models, run_id).await;
    assert_eq!((row.status, row.state.as_str()), (RunStatus::Completed, "DONE"));
    assert_eq!(row.outputs, [data(&research), data(&strategy)]);
    assert_eq!(row.updated_at, Timestamp::from_unix_ms(ended_at));
}

/// A failed run says what failed, until a stage of it begins again or the state moves on.
pub async fn a_failed_run_can_go_on(backend: &impl Backend) {
    let ports = backend.open().await;
    let read_models = &*ports.read_models;
    let mut author = Author::started(&ports.journal).await;
    let run_id = RunId::new(fresh());
    let failure = StageFailure {
        stage: facts::stage("strategy"),
        attempt: 2,
        error: ErrorBody::new(ErrorCode::SysInternal, Locale::En),
    };
    let failed = StageChanged {
        state: "FAILED".to_owned(),
        run_id: Some(run_id),
        failures: vec![failure],
    };
    let failures = serde_json::to_value(&failed.failures).expect("JSON");
    author.tell(vec![facts::run_started(run_id, None)]).await;
    for going_on in [
        facts::stage_started(run_id, "strategy", 3),
        facts::state_changed(run_id, "GEN_STRATEGY"),
    ] {
        author.tell(vec![Event::StageChanged(failed.clone())]).await;
        let row = run(read_models, run_id).await;
        assert_eq!((row.status, row.state.as_str()), (RunStatus::Failed, "FAILED"));
        assert_eq!(row.failures, failures);
        author.tell(vec![going_on]).await;
        let row = run(read_models, run_id).await;
        assert_eq!((row.status, row.failures), (RunStatus::Running, json!([])));
    }
    assert_eq!(run(read_models, run_id).await.state, "GEN_STRATEGY");
}

/// A session that is given up takes its run and jobs with it, and nothing that had ended or is another's.
pub async fn a_session_that_fails_fails_what_it_has_under_way(backend: &impl Backend) {
    let ports = backend.open().await;
    let tenant = TenantId::default();
    let mut author = Author::started(&ports.journal).await;
    let mut other = Author::started(&ports.journal).await;
    let [done, running, others] = [(); 3].map(|()| RunId::new(fresh()));
    let [done_job, queued_job, running_job, others_job] = [(); 4].map(|()| JobId::new(fresh()));
    let begun = |run_id, job_id| {
        vec![
            facts::run_started(run_id, Some(job_id)),
            facts::job_updated(job_id, run_id, JobStatus::Running, 10),
        ]
    };
    author.tell(begun(done, done_job)).await;
    author
        .tell(vec![
            Event::RunCompleted(RunCompleted {
                run_id: done,
                draft: false,
            }),
            facts::job_updated(done_job, done, JobStatus::Completed, 100),
        ])
        .await;
    author.tell(begun(running, running_job)).await;
    author
        .tell(vec![facts::job_updated(
            queued_job,
            running,
            JobStatus::Queued,
            0,
        )])
        .await;
    other.tell(begun(others, others_job)).await;

    let error = ErrorBody::new(ErrorCode::SessionRestartLimit, Locale::En);
    let failed_at = Timestamp::from_unix_ms(author.now);
    author
        .tell(vec![
            Event::StageChanged(StageChanged {
                state: "FAILED".to_owned(),
                run_id: None,
                failures: Vec::new(),
            }),
            Event::Error(ErrorEvent {
                turn_id: None,
                run_id: None,
                stage: None,
                attempt: None,
                will_retry: false,
                error: error.clone(),
            }),
        ])
        .await;

    let row = run(&*ports.read_models, running).await;
    assert_eq!((row.status, row.state.as_str()), (RunStatus::Failed, "FAILED"));
    assert_eq!(row.updated_at, failed_at);
    assert_eq!(run(&*ports.read_models, done).await.status, RunStatus::Completed);
    assert_eq!(run(&*ports.read_models, others).await.status, RunStatus::Running);
    let error = serde_json::to_value(&error).expect("JSON");
    for (job_id, expected) in [
        (done_job, (JobStatus::Completed, Value::Null)),
        (queued_job, (JobStatus::Failed, error.clone())),
        (running_job, (JobStatus::Failed, error)),
        (others_job, (JobStatus::Running, Value::Null)),
    ] {
        let row = ports.read_models.job(&tenant, job_id).await.expect("a look-up");
        assert_eq!(row.map(|row| (row.status, row.error)), Some(expected));
    }
}

/// A session's runs, newest first and without their outputs; a cancelled one stays cancelled.
pub async fn runs_are_listed_by_session(backend: &impl Backend) {
    let ports = backend.open().await;
    let tenant = TenantId::default();
    let mut author = Author::started(&ports.journal).await;
    let mut other = Author::started(&ports.journal).await;
    other
        .tell(vec![facts::run_started(RunId::new(fresh()), None)])
        .await;
    let runs: Vec<RunId> = (0..3).map(|_| RunId::new(fresh())).collect();
    for run_id in &runs {
        author
            .tell(vec![
                facts::run_started(*run_id, None),
                facts::stage_completed(*run_id, "research", facts::model()),
                Event::RunCancelled(RunCancelled { run_id: *run_id }),
                facts::state_changed(*run_id, "BRIEF_READY"),
            ])
            .await;
    }
    let page = Paging { limit: 2, offset: 0 };
    let listed = ports
        .read_models
        .runs(&tenant, author.session_id, page)
        .await
        .expect("a page");
    assert_eq!(listed.total, 3);
    assert_eq!(
        listed.items.iter().map(|row| row.run_id).collect::<Vec<_>>(),
        [runs[2], runs[1]]
    );
    for row in listed.items {
        assert_eq!(
            (row.status, row.state.as_str()),
            (RunStatus::Cancelled, "BRIEF_READY")
        );
        assert_eq!(row.outputs, Vec::<Value>::new());
    }
}

/// A job from queued to running, by its id.
pub async fn a_job_follows_its_events(backend: &impl Backend) {
    let ports = backend.open().await;
    let tenant = TenantId::default();
    let mut author = Author::begin(&ports.journal).await;
    author.summary.user = Some(user("ann"));
    author.tell(vec![facts::session_started()]).await;
    let (job_id, run_id) = (JobId::new(fresh()), RunId::new(fresh()));
    author
        .tell(vec![facts::job_updated(job_id, run_id, JobStatus::Queued, 0)])
        .await;
    author
        .tell(vec![facts::job_updated(job_id, run_id, JobStatus::Running, 40)])
        .await;
    let retried_at = Timestamp::from_unix_ms(START + 3);
    author
        .tell(vec![facts::job_retried(job_id, run_id, 2, retried_at)])
        .await;
    let expected = JobRow {
        job_id,
        job_type: JobType::Run,
        status: JobStatus::Running,
        progress: 40,
        session_id: author.session_id,
        user: Some(user("ann")),
        run_id,
        error: Value::Null,
        retry_count: 2,
        last_retry_at: Some(retried_at),
        created_at: Timestamp::from_unix_ms(START + 1),
        updated_at: Timestamp::from_unix_ms(START + 3),
    };
    assert_eq!(
        ports.read_models.job(&tenant, job_id).await.expect("a look-up"),
        Some(expected)
    );
    assert_eq!(
        ports
            .read_models
            .job(&tenant, JobId::new(fresh()))
            .await
            .expect("a look-up"),
        None
    );
}

/// The jobs of a list that fits on one page.
async fn jobs_in_all(ports: &Ports, filter: &JobFilter) -> Vec<JobId> {
    let page = ports.read_models.jobs(&TenantId::default(), filter, ALL).await;
    let page = page.expect("a page");
    assert_eq!(page.total, page.items.len() as u64, "{filter:?}");
    page.items.iter().map(|job| job.job_id).collect()
}

/// The list of jobs, newest first, by every filter and in pages.
pub async fn jobs_are_listed_filtered_and_paged(backend: &impl Backend) {
    let ports = backend.open().await;
    let mut of_ann = Author::begin(&ports.journal).await;
    of_ann.summary.user = Some(user("ann"));
    of_ann.tell(vec![facts::session_started()]).await;
    let mut of_nobody = Author::started(&ports.journal).await;
    of_nobody.now = START + 1_000;
    let (first, second) = (JobId::new(fresh()), JobId::new(fresh()));
    let run_id = RunId::new(fresh());
    of_ann
        .tell(vec![facts::job_updated(first, run_id, JobStatus::Running, 40)])
        .await;
    of_nobody
        .tell(vec![facts::job_updated(
            second,
            RunId::new(fresh()),
            JobStatus::Queued,
            0,
        )])
        .await;

    let only = |narrow: fn(&mut JobFilter, SessionId, RunId)| {
        let mut filter = JobFilter::default();
        narrow(&mut filter, of_nobody.session_id, run_id);
        filter
    };
    let stuck = |running_ms, queued_ms| JobFilter {
        stuck: Some(StuckSince {
            running: Timestamp::from_unix_ms(running_ms),
            queued: Timestamp::from_unix_ms(queued_ms),
        }),
        ..JobFilter::default()
    };
    for (filter, expected) in [
        (JobFilter::default(), vec![second, first]),
        (
            only(|filter, session, _| filter.session_id = Some(session)),
            vec![second],
        ),
        (only(|filter, _, run| filter.run_id = Some(run)), vec![first]),
        (
            only(|filter, _, _| filter.status = Some(JobStatus::Running)),
            vec![first],
        ),
        (
            only(|filter, _, _| filter.status = Some(JobStatus::Failed)),
            vec![],
        ),
        (only(|filter, _, _| filter.user = Some(user("ann"))), vec![first]),
        (only(|filter, _, _| filter.user = Some(user("bob"))), vec![]),
        (stuck(START + 500, START + 500), vec![first]),
        (stuck(START - 1, START + 10_000), vec![second]),
        (stuck(START + 10_000, START + 10_000), vec![second, first]),
        (stuck(START - 1, START - 1), vec![]),
    ] {
        assert_eq!(jobs_in_all(&ports, &filter).await, expected, "{filter:?}");
    }
    let paging = Paging { limit: 1, offset: 1 };
    let paged = ports
        .read_models
        .jobs(&TenantId::default(), &JobFilter::default(), paging)
        .await
        .expect("a page");
    assert_eq!(
        (paged.items[0].job_id, paged.items.len(), paged.total),
        (first, 1, 2)
    );
}

/// A call is counted from its reservation on; its cost is unknown until somebody knows it.
pub async fn a_session_costs_what_its_calls_cost(backend: &impl Backend) {
    let ports = backend.open().await;
    let mut author = Author::started(&ports.journal).await;
    let mut other = Author::started(&ports.journal).await;
    let turn_id = TurnId::new(fresh());
    let calls: Vec<CallId> = (0..4).map(|_| CallId::new(fresh())).collect();
    let cost = |session_id| {
        let read_models = ports.read_models.clone();
        async move {
            read_models
                .cost(&TenantId::default(), session_id)
                .await
                .expect("a sum")
        }
    };
    assert_eq!(cost(author.session_id).await, SessionCost::default());

    author
        .tell(
            calls
                .iter()
                .map(|call| facts::call_reserved(*call, turn_id))
                .collect(),
        )
        .await;
    other
        .tell(vec![facts::call_reserved(CallId::new(fresh()), turn_id)])
        .await;
    assert_eq!(
        cost(author.session_id).await,
        SessionCost {
            calls: 4,
            micro_usd: 0,
            unknown_calls: 4
        }
    );

    for (call, outcome, settled) in [
        (calls[0], CallOutcome::Ok, CallCost::Known(1_200)),
        (calls[1], CallOutcome::Failed, CallCost::Known(34)),
        (calls[2], CallOutcome::Ok, CallCost::Unknown),
    ] {
        let (event, private) = facts::call_settled(call, turn_id, outcome, settled);
        author.confide(event, private).await;
    }
    assert_eq!(
        cost(author.session_id).await,
        SessionCost {
            calls: 4,
            micro_usd: 1_234,
            unknown_calls: 2
        }
    );
}

/// A stage's output is a model's, and a message's provenance fits who speaks; everything else is refused.
pub async fn nothing_is_stored_without_fitting_provenance(backend: &impl Backend) {
    let ports = backend.open().await;
    let mut author = Author::started(&ports.journal).await;
    let turn_id = TurnId::new(fresh());
    let run_id = RunId::new(fresh());
    author.tell(vec![facts::run_started(run_id, None)]).await;
    let of_user = Provenance::User { turn_id };
    let of_playbook = Provenance::Playbook {
        key: "ask.name".to_owned(),
        hash: "5e".repeat(32),
    };

    for refused in [
        facts::stage_completed(run_id, "research", of_user.clone()),
        facts::stage_completed(run_id, "research", of_playbook.clone()),
        facts::stage_completed(run_id, "research", Provenance::Operator),
        facts::message(None, Role::User, facts::model(), "가짜"),
        facts::message(None, Role::User, of_playbook.clone(), "가짜"),
        facts::message(None, Role::User, Provenance::Operator, "가짜"),
        facts::message(None, Role::Assistant, of_user.clone(), "가짜"),
    ] {
        let outcome = author.try_tell(vec![refused.clone()]).await;
        assert!(
            matches!(outcome, AppendOutcome::Failed(_)),
            "{outcome:?} for {refused:?}"
        );
    }
    assert_eq!(author.head, Seq(2), "nothing was written");
    author
        .tell(vec![
            facts::stage_completed(run_id, "research", facts::model()),
            facts::message(None, Role::User, of_user, "안녕하세요"),
            facts::message(None, Role::Assistant, facts::model(), "반갑습니다"),
            facts::message(None, Role::Assistant, of_playbook, "제품명이 무엇인가요?"),
            facts::message(None, Role::Assistant, Provenance::Operator, "점검 중입니다"),
        ])
        .await;
}

/// A finished stage cannot be finished again.
pub async fn a_stage_is_completed_once(backend: &impl Backend) {
    let ports = backend.open().await;
    let mut author = Author::started(&ports.journal).await;
    let run_id = RunId::new(fresh());
    let completed = || facts::stage_completed(run_id, "research", facts::model());
    author
        .tell(vec![facts::run_started(run_id, None), completed()])
        .await;
    let again = author.try_tell(vec![completed()]).await;
    assert!(matches!(again, AppendOutcome::Failed(_)), "{again:?}");
    assert_eq!(run(&*ports.read_models, run_id).await.outputs.len(), 1);
}
