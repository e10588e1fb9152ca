//! How often a session may crash, what its supervisor writes when it crashed too often, and who reads its log then.

use std::collections::VecDeque;
use std::time::Duration;

use greenroom_protocol::{
    BriefSlots, ErrorBody, ErrorCode, ErrorEvent, Event, Frame, Gate, Locale, Seq, SessionId,
    SessionRestarted, StageChanged,
};
use greenroom_session::ports::{
    Append, AppendOutcome, Entry as JournalEntry, OpenMode, ReadError, SessionRow, SessionSummary,
};
use greenroom_session::{Caller, Fact, Private, SessionView};
use tokio::time::Instant;

use crate::registry::Entry;
use crate::reply::Refused;
use crate::session::{LoadFailure, last_fact};
use crate::shared::Shared;

/// The state on the wire of a session that was given up, whatever its playbook calls its own failures: the
/// supervisor does not read what might be the reason of the crash.
const FAILED: &str = "FAILED";

/// The restarts of one session within a sliding window.
#[derive(Debug, Default)]
pub(crate) struct RestartWindow {
    restarts: VecDeque<Instant>,
}

impl RestartWindow {
    /// Asks for a restart. Whether it is granted: at most `max` within any `window`.
    pub(crate) fn grant(&mut self, now: Instant, max: usize, window: Duration) -> bool {
        self.forget(now, window);
        let granted = self.restarts.len() < max;
        if granted {
            self.restarts.push_back(now);
        }
        granted
    }

    /// Forgets what lies outside of the window. Whether nothing is left.
    pub(crate) fn forget(&mut self, now: Instant, window: Duration) -> bool {
        while self
            .restarts
            .front()
            .is_some_and(|restart| now.duration_since(*restart) >= window)
        {
            self.restarts.pop_front();
        }
        self.restarts.is_empty()
    }
}

/// Whether a session was given up: the last thing in its log is what [`give_up`] wrote.
pub(crate) fn was_given_up(last: &Fact) -> bool {
    matches!(&last.event, Event::Error(error) if error.error.code == ErrorCode::SessionRestartLimit)
}

/// Why a session could not be given up for now.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotGivenUp(String);

impl NotGivenUp {
    pub(crate) fn panicked() -> Self {
        Self("it panicked".to_owned())
    }
}

/// Writes into the log that a session failed, under a new epoch and without folding what made it crash, and
/// shows it to whoever listens.
pub(crate) async fn give_up(shared: &Shared, entry: &Entry) -> Result<(), NotGivenUp> {
    let journal = &shared.ports.journal;
    let opened = journal
        .open(&shared.tenant, entry.session, OpenMode::Existing)
        .await
        .map_err(|error| NotGivenUp(error.to_string()))?;
    let listed = journal.listed(&shared.tenant, entry.session).await;
    let Some(row) = listed.map_err(|error| NotGivenUp(error.to_string()))? else {
        return Err(NotGivenUp("it is not in the list of sessions".to_owned()));
    };
    let summary = SessionSummary {
        state: FAILED.to_owned(),
        wake_at: None,
        ..row.summary
    };
    let entries = last_facts(shared, entry.session, opened.head, summary.locale);
    let frames: Vec<Frame> = entries.iter().map(|entry| entry.frame.clone()).collect();
    let append = Append {
        tenant: shared.tenant.clone(),
        session_id: entry.session,
        epoch: opened.epoch,
        entries,
        summary,
    };
    match journal.append(append).await {
        AppendOutcome::Committed { .. } => {
            entry.publish_head(opened.head);
            entry.publish(frames);
            Ok(())
        }
        AppendOutcome::Fenced => Err(NotGivenUp("another writer took the session over".to_owned())),
        AppendOutcome::Failed(reason) => Err(NotGivenUp(reason)),
        AppendOutcome::Unknown => Err(NotGivenUp("the outcome is unknown".to_owned())),
    }
}

/// Writes into the log of a session that was given up that an operator restarts it, under a new epoch and without
/// folding, and shows it to whoever listens. It is due from then on, so that it lives again whatever becomes of this
/// server.
pub(crate) async fn take_up(shared: &Shared, entry: &Entry, reason: String) -> Result<Seq, Refused> {
    let (journal, session) = (&shared.ports.journal, entry.session);
    let listed = journal.listed(&shared.tenant, session).await;
    let Some(row) = listed.map_err(|error| unreadable(session, &error))? else {
        return Err(Refused::code(ErrorCode::SessionNotFound));
    };
    let refused = |failure: LoadFailure| Refused::code(failure.code());
    // Before it is opened: who has restarted it meanwhile, and lives, is not to be fenced off.
    let last = last_fact(shared, session, row.head, &[]).await.map_err(refused)?;
    if !was_given_up(&last) {
        return Err(Refused::code(ErrorCode::SessionRestarting));
    }
    let opened = journal
        .open(&shared.tenant, session, OpenMode::Existing)
        .await
        .map_err(|error| refused(error.into()))?;
    if opened.head != row.head {
        return Err(Refused::code(ErrorCode::SessionRestarting));
    }
    let at = shared.ports.clock.now();
    let fact = Fact {
        at,
        event: Event::SessionRestarted(SessionRestarted {
            from_stage: None,
            run_id: None,
        }),
        private: Private {
            reason: Some(reason),
            ..Private::none()
        },
    };
    let seq = opened.head.next();
    let restarted = crate::session::journal_entry(session, seq, fact);
    let frames = vec![restarted.frame.clone()];
    let append = Append {
        tenant: shared.tenant.clone(),
        session_id: session,
        epoch: opened.epoch,
        entries: vec![restarted],
        summary: SessionSummary {
            wake_at: Some(at),
            ..row.summary
        },
    };
    match journal.append(append).await {
        AppendOutcome::Committed { .. } => {
            entry.publish_head(opened.head);
            entry.publish(frames);
            Ok(seq)
        }
        AppendOutcome::Fenced => Err(Refused::code(ErrorCode::SessionRestarting)),
        AppendOutcome::Failed(reason) => {
            tracing::warn!(session_id = %session, reason, "session that was given up not restarted");
            Err(Refused::code(ErrorCode::DbUnavailable))
        }
        AppendOutcome::Unknown => Err(Refused::Lost),
    }
}

fn last_facts(shared: &Shared, session: SessionId, head: Seq, locale: Locale) -> Vec<JournalEntry> {
    let changed = StageChanged {
        state: FAILED.to_owned(),
        run_id: None,
        failures: Vec::new(),
    };
    let error = ErrorEvent {
        turn_id: None,
        run_id: None,
        stage: None,
        attempt: None,
        will_retry: false,
        error: ErrorBody::new(ErrorCode::SessionRestartLimit, locale),
    };
    let at = shared.ports.clock.now();
    let mut seq = head;
    [Event::StageChanged(changed), Event::Error(error)]
        .into_iter()
        .map(|event| {
            seq = seq.next();
            crate::session::journal_entry(
                session,
                seq,
                Fact {
                    at,
                    event,
                    private: Private::none(),
                },
            )
        })
        .collect()
}

/// What is known of a session whose log must not be folded, for who only reads the log: what the list shows, and
/// the playbook that it began with. Its slots and messages are in the log alone.
pub(crate) async fn unfolded_view(
    shared: &Shared,
    session: SessionId,
    caller: &Caller,
) -> Result<SessionView, Refused> {
    let journal = &shared.ports.journal;
    let listed = journal.listed(&shared.tenant, session).await;
    let row = listed
        .map_err(|error| unreadable(session, &error))?
        .filter(|row| caller.may_access(row.summary.user.as_ref()));
    let Some(SessionRow {
        summary,
        head,
        created_at,
        updated_at,
        ..
    }) = row
    else {
        return Err(Refused::code(ErrorCode::SessionNotFound));
    };
    let first = journal
        .read(&shared.tenant, session, Seq::ZERO, 1)
        .await
        .map_err(|error| unreadable(session, &error))?
        .into_iter()
        .next();
    let Some(Event::SessionStarted(started)) = first.map(|first| first.fact.event) else {
        return Err(Refused::code(ErrorCode::SysInternal));
    };
    Ok(SessionView {
        session_id: session,
        as_of_seq: head,
        state: summary.state,
        mode: summary.mode,
        locale: summary.locale,
        playbook: started.playbook,
        brief_slots: BriefSlots::default(),
        gate: Gate {
            completeness: summary.completeness,
            ..Gate::default()
        },
        messages: Vec::new(),
        heard: Vec::new(),
        turn_id: None,
        run_id: None,
        stages: Vec::new(),
        created_at,
        updated_at,
    })
}

pub(crate) fn unreadable(session: SessionId, error: &ReadError) -> Refused {
    tracing::warn!(session_id = %session, %error, "session not read");
    Refused::code(match error {
        ReadError::Unavailable(_) => ErrorCode::DbUnavailable,
        ReadError::Gone => ErrorCode::SessionGone,
        ReadError::Damaged(_) => ErrorCode::SysInternal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_mins(1);

    #[test]
    fn three_restarts_within_a_minute() {
        let start = Instant::now();
        let mut window = RestartWindow::default();
        let at = |seconds| start + Duration::from_secs(seconds);
        let granted = [0, 10, 20, 30, 59].map(|seconds| window.grant(at(seconds), 3, WINDOW));
        assert_eq!(granted, [true, true, true, false, false]);
        assert!(
            window.grant(at(60), 3, WINDOW),
            "the first one has left the window"
        );
        assert!(!window.grant(at(61), 3, WINDOW));
    }

    #[test]
    fn forgets_sessions_that_recovered() {
        let start = Instant::now();
        let mut window = RestartWindow::default();
        assert!(window.grant(start, 3, WINDOW));
        assert!(!window.forget(start + WINDOW / 2, WINDOW));
        assert!(window.forget(start + WINDOW, WINDOW));
    }
}
