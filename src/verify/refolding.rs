//! One session, folded anew with the same code that folds it to live.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_trait::async_trait;
use greenroom_actors::PlaybookLibrary;
use greenroom_protocol::{Seq, SessionId, Timestamp};
use greenroom_session::playbook::Playbook;
use greenroom_session::ports::{SessionSummary, Snapshot, StoredFact};
use greenroom_session::snapshot::FOLD_VERSION;
use greenroom_session::{State, due, summary};
use greenroom_store::{Finding, FindingKind, Refold};

/// The fold of a session as far as its rows were read.
pub(super) struct Refolding {
    session: SessionId,
    library: Arc<PlaybookLibrary>,
    playbook: Option<Arc<Playbook>>,
    state: Option<State>,
    /// The fold that was kept, until the same fact is reached.
    kept: Option<(Seq, State)>,
    has_compared: bool,
    findings: Vec<Finding>,
}

impl Refolding {
    pub(super) fn new(session: SessionId, library: Arc<PlaybookLibrary>) -> Self {
        Self {
            session,
            library,
            playbook: None,
            state: None,
            kept: None,
            has_compared: false,
            findings: Vec::new(),
        }
    }

    /// The playbook that the session is pinned to, by its hash; none if it cannot be read.
    pub(super) fn playbook(&self) -> Option<(String, Option<Arc<Playbook>>)> {
        let state = self.state.as_ref()?;
        Some((state.playbook.hash.clone(), self.playbook.clone()))
    }

    /// Whether there was a snapshot of this release, and the fold reached it.
    pub(super) fn has_compared(&self) -> bool {
        self.has_compared
    }

    /// What is wrong with what was kept.
    pub(super) fn into_findings(mut self) -> Vec<Finding> {
        if let Some((head, _)) = self.kept.take()
            && self.state.is_some()
        {
            let detail = format!("a fold was kept of event {head}, which the journal does not have");
            self.findings.push(self.finding(FindingKind::Snapshot, detail));
        }
        self.findings
    }

    fn finding(&self, kind: FindingKind, detail: impl Into<String>) -> Finding {
        Finding {
            session_id: Some(self.session),
            kind,
            detail: detail.into(),
        }
    }

    /// Holds the fold that was kept against the one that was made now.
    fn compare(&mut self) {
        let reached = self.state.as_ref().map(|state| state.head);
        let Some((head, kept)) = self.kept.take_if(|(head, _)| Some(*head) == reached) else {
            return;
        };
        self.has_compared = true;
        if self.state.as_ref() != Some(&kept) {
            let detail = format!("the fold that was kept of event {head} is not what the journal folds to");
            self.findings.push(self.finding(FindingKind::Snapshot, detail));
        }
    }
}

#[async_trait]
impl Refold for Refolding {
    fn kept(&mut self, snapshot: Snapshot) {
        // Another release's is not read by this one either.
        if snapshot.fold_version != FOLD_VERSION {
            return;
        }
        match snapshot.restore(self.session, Seq(u64::MAX)) {
            Ok(state) => self.kept = Some((snapshot.head, state)),
            Err(unusable) => {
                let finding = self.finding(FindingKind::Snapshot, unusable.to_string());
                self.findings.push(finding);
            }
        }
    }

    fn fold(&mut self, fact: &StoredFact) -> Result<(), Finding> {
        let state = self.state.take();
        let session = self.session;
        let folding = AssertUnwindSafe(move || match state {
            None => State::begin(session, &fact.fact).map_err(|error| error.to_string()),
            Some(mut state) => {
                state.evolve(&fact.fact);
                Ok(state)
            }
        });
        let folded = catch_unwind(folding);
        let folded = folded.unwrap_or_else(|_| Err("folding it panics".to_owned()));
        match folded {
            Ok(state) => self.state = Some(state),
            Err(reason) => {
                let place = format!("event {} ({}): {reason}", fact.frame.seq, fact.frame.event_type());
                return Err(self.finding(FindingKind::Fold, place));
            }
        }
        self.compare();
        Ok(())
    }

    async fn summary(&mut self) -> Result<SessionSummary, Finding> {
        let Some(state) = &self.state else {
            return Err(self.finding(FindingKind::Fold, "there is nothing to fold"));
        };
        let playbook = if let Some(playbook) = &self.playbook {
            playbook.clone()
        } else {
            let pinned = self.library.pinned(&state.playbook.hash).await;
            pinned.map_err(|error| self.finding(FindingKind::Blob, error.to_string()))?
        };
        // One that was given up is woken by nobody but an operator.
        let wakes = !state.given_up;
        let wake_at = due(state).wake_index(Timestamp::default()).filter(|_| wakes);
        let summary = summary(state, &playbook, wake_at);
        self.playbook = Some(playbook);
        Ok(summary)
    }
}
