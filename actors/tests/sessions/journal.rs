//! A journal in memory: epochs and fences as the real one has, acknowledgements that can be held back, and
//! failures on demand.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use greenroom_protocol::{Event, Frame, Seq, SessionId, Timestamp};
use greenroom_session::ports::{
    Append, AppendOutcome, Epoch, EraseError, Erasure, Erasures, Journal, OpenError, OpenMode, Opened,
    Purged, ReadError, SessionRow, SessionSummary, Snapshot, StoredFact, TenantId,
};
use tokio::sync::watch;

/// What the journal does with an append instead of committing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Failed,
    /// The outcome is not known, and it was written.
    UnknownWritten,
    /// The outcome is not known, and it was not written.
    UnknownLost,
}

#[derive(Default)]
struct Log {
    epoch: u64,
    erased: bool,
    opens: usize,
    rows: Vec<StoredFact>,
    /// Facts of each append, for those that were committed.
    batches: Vec<usize>,
    /// What the last append said of the session.
    summary: Option<SessionSummary>,
    snapshot: Option<Snapshot>,
    /// Snapshots that were kept.
    snapshots: usize,
}

#[derive(Default)]
pub struct MemoryJournal {
    logs: Mutex<HashMap<SessionId, Log>>,
    faults: Mutex<VecDeque<Fault>>,
    every_append_fails: AtomicBool,
    held: watch::Sender<bool>,
    /// Appends that wait while the journal is held.
    waiting: watch::Sender<usize>,
    /// The next `open` waits for the next commit.
    late_open: AtomicBool,
    commits: watch::Sender<usize>,
    unwritable: AtomicBool,
    full: AtomicBool,
    frames_read: AtomicUsize,
    facts_read: AtomicUsize,
    reads_to_fail: AtomicUsize,
    /// Erased sessions with something left, and the assets of those.
    left: Mutex<BTreeMap<SessionId, Vec<String>>>,
    /// Sessions as they were erased.
    erasures: Mutex<Vec<Erasure>>,
}

impl MemoryJournal {
    /// Commits nothing until [`Self::release`].
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    pub fn release(&self) {
        self.held.send_replace(false);
    }

    /// Returns once so many appends wait for the release.
    pub async fn until_appends_wait(&self, count: usize) {
        self.waiting
            .subscribe()
            .wait_for(|waiting| *waiting >= count)
            .await
            .unwrap();
    }

    /// The next session that is opened is so only after something was committed.
    pub fn delay_next_open(&self) {
        self.late_open.store(true, Ordering::Relaxed);
    }

    /// The next append meets this fault.
    pub fn fail_next(&self, fault: Fault) {
        self.faults.lock().unwrap().push_back(fault);
    }

    /// Appends fail although the journal can be written: as when a constraint refuses them.
    pub fn refuse_appends(&self, refuse: bool) {
        self.every_append_fails.store(refuse, Ordering::Relaxed);
    }

    pub fn set_writable(&self, writable: bool) {
        self.unwritable.store(!writable, Ordering::Relaxed);
    }

    /// There is no room for anything new.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// What the list of sessions shows of a session.
    pub fn summary(&self, session: SessionId) -> SessionSummary {
        self.logs.lock().unwrap()[&session].summary.clone().unwrap()
    }

    pub fn fail_next_read(&self) {
        self.reads_to_fail.fetch_add(1, Ordering::Relaxed);
    }

    /// Another writer takes the session over.
    pub fn steal(&self, session: SessionId) {
        self.logs.lock().unwrap().get_mut(&session).unwrap().epoch += 1;
    }

    pub fn opens(&self, session: SessionId) -> usize {
        self.logs.lock().unwrap()[&session].opens
    }

    /// Facts of each committed append.
    pub fn batches(&self, session: SessionId) -> Vec<usize> {
        self.logs.lock().unwrap()[&session].batches.clone()
    }

    pub fn rows(&self, session: SessionId) -> Vec<StoredFact> {
        self.with_rows(session, <[StoredFact]>::to_vec)
    }

    /// Looks at the rows where they are.
    pub fn with_rows<T>(&self, session: SessionId, look: impl FnOnce(&[StoredFact]) -> T) -> T {
        look(&self.logs.lock().unwrap()[&session].rows)
    }

    /// The snapshot of a session.
    pub fn kept(&self, session: SessionId) -> Option<Snapshot> {
        self.logs.lock().unwrap()[&session].snapshot.clone()
    }

    /// Snapshots of a session that were kept, one in place of another.
    pub fn times_kept(&self, session: SessionId) -> usize {
        self.logs.lock().unwrap()[&session].snapshots
    }

    /// Puts this in the place of the snapshot of a session.
    pub fn forge_snapshot(&self, session: SessionId, snapshot: Option<Snapshot>) {
        self.logs.lock().unwrap().get_mut(&session).unwrap().snapshot = snapshot;
    }

    /// Facts that were read to be folded.
    pub fn facts_read(&self) -> usize {
        self.facts_read.load(Ordering::Relaxed)
    }

    pub fn events(&self, session: SessionId) -> Vec<Event> {
        self.rows(session).into_iter().map(|row| row.fact.event).collect()
    }

    /// How often frames were read for a connection.
    pub fn frames_read(&self) -> usize {
        self.frames_read.load(Ordering::Relaxed)
    }

    fn commit(&self, append: &Append) -> AppendOutcome {
        let mut logs = self.logs.lock().unwrap();
        let log = logs.entry(append.session_id).or_default();
        if log.erased || log.epoch != append.epoch.0 {
            return AppendOutcome::Fenced;
        }
        for entry in &append.entries {
            let expected = Seq(log.rows.len() as u64).next();
            assert_eq!(entry.frame.seq, expected, "an append continues the log");
            log.rows.push(StoredFact {
                frame: entry.frame.clone(),
                fact: entry.fact.clone(),
            });
        }
        log.batches.push(append.entries.len());
        log.summary = Some(append.summary.clone());
        self.commits.send_modify(|commits| *commits += 1);
        AppendOutcome::Committed {
            head: Seq(log.rows.len() as u64),
        }
    }

    fn rows_after(&self, session: SessionId, after: Seq, limit: usize) -> Result<Vec<StoredFact>, ReadError> {
        let fails = self
            .reads_to_fail
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if fails.is_ok() {
            return Err(ReadError::Unavailable("asked to fail".to_owned()));
        }
        let logs = self.logs.lock().unwrap();
        let rows = logs
            .get(&session)
            .map(|log| log.rows.as_slice())
            .unwrap_or_default();
        let skip = usize::try_from(after.0).unwrap();
        Ok(rows.iter().skip(skip).take(limit).cloned().collect())
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn open(&self, _: &TenantId, session: SessionId, mode: OpenMode) -> Result<Opened, OpenError> {
        tokio::task::yield_now().await;
        if self.late_open.swap(false, Ordering::Relaxed) {
            self.commits.subscribe().changed().await.unwrap();
        }
        if !self.writable() {
            return Err(OpenError::Unavailable("asked to be".to_owned()));
        }
        let mut logs = self.logs.lock().unwrap();
        if logs.get(&session).is_some_and(|log| log.erased) {
            return Err(OpenError::Gone);
        }
        let exists = logs.get(&session).is_some_and(|log| !log.rows.is_empty());
        match (mode, exists) {
            (OpenMode::Existing, false) => return Err(OpenError::NotFound),
            (OpenMode::New, true) => return Err(OpenError::Exists),
            (OpenMode::Existing, true) | (OpenMode::New, false) => {}
        }
        let log = logs.entry(session).or_default();
        log.epoch += 1;
        log.opens += 1;
        Ok(Opened {
            epoch: Epoch(log.epoch),
            head: Seq(log.rows.len() as u64),
        })
    }

    async fn append(&self, append: Append) -> AppendOutcome {
        assert!(!append.entries.is_empty(), "an append has facts");
        tokio::task::yield_now().await;
        self.waiting.send_modify(|waiting| *waiting += 1);
        self.held.subscribe().wait_for(|held| !held).await.unwrap();
        self.waiting.send_modify(|waiting| *waiting -= 1);
        if !self.writable() || self.every_append_fails.load(Ordering::Relaxed) {
            return AppendOutcome::Failed("asked to fail".to_owned());
        }
        let fault = self.faults.lock().unwrap().pop_front();
        match fault {
            None => self.commit(&append),
            Some(Fault::Failed) => AppendOutcome::Failed("asked to fail".to_owned()),
            Some(Fault::UnknownLost) => AppendOutcome::Unknown,
            Some(Fault::UnknownWritten) => {
                self.commit(&append);
                AppendOutcome::Unknown
            }
        }
    }

    async fn read(
        &self,
        _: &TenantId,
        session: SessionId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<StoredFact>, ReadError> {
        tokio::task::yield_now().await;
        let rows = self.rows_after(session, after, limit)?;
        self.facts_read.fetch_add(rows.len(), Ordering::Relaxed);
        Ok(rows)
    }

    async fn frames(
        &self,
        _: &TenantId,
        session: SessionId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Frame>, ReadError> {
        tokio::task::yield_now().await;
        self.frames_read.fetch_add(1, Ordering::Relaxed);
        Ok(self
            .rows_after(session, after, limit)?
            .into_iter()
            .map(|row| row.frame)
            .collect())
    }

    fn keep_snapshot(&self, _: &TenantId, session: SessionId, epoch: Epoch, snapshot: Snapshot) {
        let mut logs = self.logs.lock().unwrap();
        let log = logs
            .get_mut(&session)
            .expect("a session is opened before it is kept");
        if log.epoch == epoch.0 {
            assert!(
                snapshot.head.0 <= log.rows.len() as u64,
                "what is kept is committed"
            );
            log.snapshot = Some(snapshot);
            log.snapshots += 1;
        }
    }

    async fn snapshot(&self, _: &TenantId, session: SessionId) -> Result<Option<Snapshot>, ReadError> {
        tokio::task::yield_now().await;
        let logs = self.logs.lock().unwrap();
        Ok(logs.get(&session).and_then(|log| log.snapshot.clone()))
    }

    async fn due(&self, _: &TenantId, now: Timestamp, limit: usize) -> Result<Vec<SessionId>, ReadError> {
        let logs = self.logs.lock().unwrap();
        let mut due: Vec<(Timestamp, SessionId)> = logs
            .iter()
            .filter_map(|(session, log)| Some((log.summary.as_ref()?.wake_at?, *session)))
            .filter(|(wake_at, _)| *wake_at <= now)
            .collect();
        due.sort();
        Ok(due.into_iter().take(limit).map(|(_, session)| session).collect())
    }

    async fn listed(&self, _: &TenantId, session: SessionId) -> Result<Option<SessionRow>, ReadError> {
        let logs = self.logs.lock().unwrap();
        if logs.get(&session).is_some_and(|log| log.erased) {
            return Err(ReadError::Gone);
        }
        Ok(logs.get(&session).and_then(|log| {
            Some(SessionRow {
                session_id: session,
                summary: log.summary.clone()?,
                head: log.rows.last()?.frame.seq,
                created_at: log.rows.first()?.fact.at,
                updated_at: log.rows.last()?.fact.at,
            })
        }))
    }

    fn writable(&self) -> bool {
        !self.unwritable.load(Ordering::Relaxed)
    }

    async fn has_room(&self) -> bool {
        !self.full.load(Ordering::Relaxed)
    }
}

impl MemoryJournal {
    /// Who had which session erased, in order.
    pub fn erasures(&self) -> Vec<Erasure> {
        self.erasures.lock().unwrap().clone()
    }

    /// Assets that some session names.
    fn assets(log: &Log) -> impl Iterator<Item = String> {
        log.rows.iter().filter_map(|row| match &row.fact.event {
            Event::AssetReady(asset) => Some(asset.url.clone()),
            _ => None,
        })
    }

    fn listed_logs<T>(&self, read: impl Fn(&SessionId, &Log) -> Option<T>) -> Vec<T> {
        let logs = self.logs.lock().unwrap();
        let listed = logs.iter().filter(|(_, log)| !log.erased && !log.rows.is_empty());
        listed.filter_map(|(session, log)| read(session, log)).collect()
    }
}

#[async_trait]
impl Erasures for MemoryJournal {
    async fn erase(&self, erasure: Erasure) -> Result<(), EraseError> {
        tokio::task::yield_now().await;
        if !self.writable() {
            return Err(EraseError::Unavailable("asked to be".to_owned()));
        }
        let session = erasure.session_id;
        let mut logs = self.logs.lock().unwrap();
        let log = logs.get_mut(&session).filter(|log| !log.rows.is_empty());
        let log = log.ok_or(EraseError::NotFound)?;
        if log.erased {
            return Err(EraseError::Gone);
        }
        let told_at = log.rows.last().map(|row| row.fact.at);
        let is_due = log
            .summary
            .as_ref()
            .is_some_and(|summary| summary.wake_at.is_some());
        if erasure
            .only_if_idle_since
            .is_some_and(|since| is_due || told_at >= Some(since))
        {
            return Err(EraseError::InUse);
        }
        log.erased = true;
        log.epoch += 1;
        self.left
            .lock()
            .unwrap()
            .insert(session, Self::assets(log).collect());
        self.erasures.lock().unwrap().push(erasure);
        Ok(())
    }

    /// One row at a time.
    async fn purge(&self, _: &TenantId, session: SessionId) -> Result<Purged, EraseError> {
        tokio::task::yield_now().await;
        if !self.writable() {
            return Err(EraseError::Unavailable("asked to be".to_owned()));
        }
        let mut logs = self.logs.lock().unwrap();
        let log = logs.get_mut(&session).ok_or(EraseError::NotFound)?;
        assert!(log.erased, "only what was erased is purged");
        if log.rows.pop().is_some() {
            return Ok(Purged::Partly);
        }
        self.left.lock().unwrap().remove(&session);
        Ok(Purged::Wholly)
    }

    async fn left_assets(&self, _: &TenantId, session: SessionId) -> Result<Vec<String>, ReadError> {
        let left = self.left.lock().unwrap();
        Ok(left.get(&session).cloned().unwrap_or_default())
    }

    async fn unfinished(&self, _: &TenantId, limit: usize) -> Result<Vec<SessionId>, ReadError> {
        Ok(self.left.lock().unwrap().keys().copied().take(limit).collect())
    }

    async fn idle_since(
        &self,
        _: &TenantId,
        before: Timestamp,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, ReadError> {
        let mut idle = self.listed_logs(|session, log| {
            let is_due = log.summary.as_ref()?.wake_at.is_some();
            (!is_due && log.rows.last()?.fact.at < before).then_some(*session)
        });
        idle.sort();
        idle.retain(|session| Some(*session) > after);
        idle.truncate(limit);
        Ok(idle)
    }

    async fn named_assets(&self, _: &TenantId, urls: &[String]) -> Result<HashSet<String>, ReadError> {
        let named = self.listed_logs(|_, log| Some(Self::assets(log).collect::<Vec<_>>()));
        Ok(named
            .into_iter()
            .flatten()
            .filter(|url| urls.contains(url))
            .collect())
    }

    async fn present(&self, _: &TenantId, sessions: &[SessionId]) -> Result<HashSet<SessionId>, ReadError> {
        let present = self.listed_logs(|session, _| sessions.contains(session).then_some(*session));
        Ok(present.into_iter().collect())
    }

    async fn pinned_playbooks(&self, _: &TenantId) -> Result<HashSet<String>, ReadError> {
        let pinned = self.listed_logs(|_, log| match &log.rows.first()?.fact.event {
            Event::SessionStarted(started) => Some(started.playbook.hash.clone()),
            _ => None,
        });
        Ok(pinned.into_iter().collect())
    }
}
