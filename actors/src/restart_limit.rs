//! How often a session may crash, and what its supervisor writes when it crashed too often.

use std::collections::VecDeque;
use std::time::Duration;

use greenroom_protocol::{
    ErrorBody, ErrorCode, ErrorEvent, Event, Frame, Locale, Mode, Seq, SessionId, StageChanged,
};
use greenroom_session::ports::{
    Append, AppendOutcome, Entry as JournalEntry, OpenMode, ReadError, SessionSummary,
};
use greenroom_session::{Fact, Private};
use tokio::time::Instant;

use crate::registry::Entry;
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
    let summary = match entry.summary() {
        Some(summary) => summary,
        None => first_summary(shared, entry.session)
            .await
            .map_err(|error| NotGivenUp(error.to_string()))?,
    };
    let summary = SessionSummary {
        state: FAILED.to_owned(),
        wake_at: None,
        ..summary
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

/// What the first fact alone tells of a session that never lived long enough in this process to say more.
async fn first_summary(shared: &Shared, session: SessionId) -> Result<SessionSummary, ReadError> {
    let facts = shared
        .ports
        .journal
        .read(&shared.tenant, session, Seq::ZERO, 1)
        .await?;
    let Some(first) = facts.into_iter().next() else {
        return Err(ReadError::Damaged("the log is empty".to_owned()));
    };
    let (mode, locale, playbook) = match first.fact.event {
        Event::SessionStarted(started) => (started.mode, started.locale, started.playbook.name),
        _ => (Mode::default(), Locale::default(), String::new()),
    };
    Ok(SessionSummary {
        user: first.fact.private.user,
        state: FAILED.to_owned(),
        mode,
        locale,
        playbook,
        title: None,
        completeness: 0.0,
        wake_at: None,
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
