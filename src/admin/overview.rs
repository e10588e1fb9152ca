//! What is going on in all sessions together.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use greenroom_actors::SessionActivity;
use greenroom_protocol::{JobStatus, Millis, Seq, SessionId, Timestamp};
use greenroom_session::JobLimits;
use greenroom_session::ports::{Clock as _, JobFilter, StuckSince};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::http::{Failure, InQuery, JobDocument, ListDocument, ListQuery};
use crate::system::SystemClock;

/// Sessions that are shown unless an operator says how many.
const TOP_ROWS: usize = 20;
/// Sessions that are shown at most: each takes two look-ups.
const TOP_ROWS_MAX: usize = 100;
/// For how long it is looked unless an operator says.
const TOP_WINDOW_MS: u64 = 1_000;
/// For how long it is looked at most; a connection is held meanwhile.
const TOP_WINDOW_MS_MAX: u64 = 10_000;
/// Lines of the audit that are shown unless an operator says how many.
const AUDIT_ROWS: u32 = 50;
/// Lines of the audit that are shown at most.
const AUDIT_ROWS_MAX: u32 = 1_000;

/// Which jobs.
#[derive(Debug, Deserialize)]
pub(super) struct JobsQuery {
    state: Option<JobsIn>,
    limit: Option<u32>,
    offset: Option<u32>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum JobsIn {
    /// Queued or running, and unchanged for longer than `jobs` of the configuration allows.
    Stuck,
    Queued,
    Running,
    Completed,
    Failed,
}

impl JobsIn {
    fn filter(self, limits: &JobLimits, now: Timestamp) -> JobFilter {
        let before = |patience: Millis| {
            let patience_ms = i64::try_from(patience.0).unwrap_or(i64::MAX);
            Timestamp::from_unix_ms(now.unix_ms().saturating_sub(patience_ms))
        };
        let with = |status| JobFilter {
            status: Some(status),
            ..JobFilter::default()
        };
        match self {
            Self::Stuck => JobFilter {
                stuck: Some(StuckSince {
                    running: before(limits.running),
                    queued: before(limits.queued),
                }),
                ..JobFilter::default()
            },
            Self::Queued => with(JobStatus::Queued),
            Self::Running => with(JobStatus::Running),
            Self::Completed => with(JobStatus::Completed),
            Self::Failed => with(JobStatus::Failed),
        }
    }
}

pub(super) async fn jobs(
    State(app): State<Arc<App>>,
    InQuery(query): InQuery<JobsQuery>,
) -> Result<Json<ListDocument<JobDocument>>, Failure> {
    let paging = ListQuery {
        limit: query.limit,
        offset: query.offset,
    }
    .paging();
    let filter = query
        .state
        .map(|state| state.filter(&app.jobs, SystemClock.now()))
        .unwrap_or_default();
    let page = app.models.jobs(&app.tenant, &filter, paging).await?;
    Ok(Json(ListDocument::of(page, paging, JobDocument::from)))
}

/// How many sessions, and for how long to look.
#[derive(Debug, Deserialize)]
pub(super) struct TopQuery {
    limit: Option<usize>,
    window_ms: Option<u64>,
}

/// The busiest sessions: those that commit the most, then those for which the most waits. Nothing is counted while nobody
/// looks: the logs are looked at twice.
pub(super) async fn top(
    State(app): State<Arc<App>>,
    InQuery(query): InQuery<TopQuery>,
) -> Result<Json<Value>, Failure> {
    let window_ms = query
        .window_ms
        .unwrap_or(TOP_WINDOW_MS)
        .clamp(1, TOP_WINDOW_MS_MAX);
    let before = app.directory.activity();
    tokio::time::sleep(Duration::from_millis(window_ms)).await;
    let after = app.directory.activity();
    let limit = query.limit.unwrap_or(TOP_ROWS).clamp(1, TOP_ROWS_MAX);
    let mut items = Vec::new();
    for (activity, events) in busiest(&before, after, limit) {
        items.push(top_document(&app, activity, per_second(events, window_ms)).await?);
    }
    Ok(Json(json!({
        "items": items, "window_ms": window_ms, "live": app.directory.live(),
    })))
}

async fn top_document(
    app: &App,
    activity: SessionActivity,
    events_per_second: f64,
) -> Result<Value, Failure> {
    let session = activity.session_id;
    let row = app.models.session(&app.tenant, session).await?;
    let summary = row.as_ref().map(|row| &row.summary);
    let cost = app.models.cost(&app.tenant, session).await?;
    Ok(json!({
        "session_id": session,
        "state": summary.map(|summary| &summary.state),
        "title": summary.and_then(|summary| summary.title.as_ref()),
        "events_per_second": events_per_second,
        "events": activity.committed,
        "mailbox": activity.mailbox,
        "connections": activity.connections,
        "restarts": activity.restarts,
        "cost": cost,
    }))
}

/// The busiest sessions with what they committed in between. One that came meanwhile was as far as it is now.
fn busiest(
    before: &[SessionActivity],
    after: Vec<SessionActivity>,
    limit: usize,
) -> Vec<(SessionActivity, u64)> {
    let were: HashMap<SessionId, Seq> = before
        .iter()
        .map(|activity| (activity.session_id, activity.committed))
        .collect();
    let moved = |activity: SessionActivity| {
        let was = were.get(&activity.session_id).unwrap_or(&activity.committed);
        (activity, activity.committed.0.saturating_sub(was.0))
    };
    let mut sessions: Vec<(SessionActivity, u64)> = after.into_iter().map(moved).collect();
    sessions.sort_by_key(|(activity, events)| {
        Reverse((
            *events,
            activity.mailbox,
            activity.connections,
            activity.session_id,
        ))
    });
    sessions.truncate(limit);
    sessions
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nobody commits 2^52 events within seconds"
)]
fn per_second(events: u64, window_ms: u64) -> f64 {
    let per_second = events as f64 * 1_000.0 / window_ms as f64;
    (per_second * 10.0).round() / 10.0
}

/// How many lines.
#[derive(Debug, Deserialize)]
pub(super) struct AuditQuery {
    limit: Option<u32>,
}

pub(super) async fn audit(
    State(app): State<Arc<App>>,
    InQuery(query): InQuery<AuditQuery>,
) -> Result<Json<Value>, Failure> {
    let limit = query.limit.unwrap_or(AUDIT_ROWS).clamp(1, AUDIT_ROWS_MAX);
    let items = app.operator.audit(limit).await?;
    Ok(Json(json!({ "items": items })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity(number: u128, committed: u64, mailbox: usize) -> SessionActivity {
        SessionActivity {
            session_id: SessionId::new(ulid::Ulid(number)),
            committed: Seq(committed),
            mailbox,
            connections: 0,
            restarts: 0,
        }
    }

    #[test]
    fn who_commits_the_most_is_first_then_for_whom_the_most_waits() {
        let before = [
            activity(1, 100, 0),
            activity(2, 5, 0),
            activity(3, 7, 0),
            activity(9, 1, 0),
        ];
        let after = vec![
            activity(1, 101, 0),
            activity(2, 25, 0),
            activity(3, 7, 0),
            activity(4, 1_000, 3),
        ];
        let found: Vec<_> = busiest(&before, after, 3)
            .into_iter()
            .map(|(activity, events)| (activity.session_id.ulid().0, events))
            .collect();
        assert_eq!(found, [(2, 20), (1, 1), (4, 0)]);
    }

    #[test]
    fn a_rate_has_one_digit_behind_the_point() {
        let shown = |events, window_ms| per_second(events, window_ms).to_string();
        assert_eq!(shown(20, 1_000), "20");
        assert_eq!(shown(1, 300), "3.3");
    }
}
