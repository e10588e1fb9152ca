//! The journal of one simulated server process: slow, failing, and gone at once when the process is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use greenroom_protocol::{CallPurpose, Event, Frame, Seq, SessionId, Timestamp};
use greenroom_session::ports::{
    Append, AppendOutcome, Epoch, Erasures as _, Journal, OpenError, OpenMode, Opened, ReadError, SessionRow,
    Snapshot, StoredFact, TenantId,
};
use tokio::task::JoinSet;

use super::books::Books;
use super::fate::{Fate, Fault};
use super::ledger::Ledger;
use crate::journal::MemoryJournal;

/// How long a commit takes when the disk is well.
const COMMIT_MAX: Duration = Duration::from_millis(4);
/// And when it is not.
const SLOW_COMMIT_MAX: Duration = Duration::from_secs(6);
const READ_MAX: Duration = Duration::from_millis(3);

/// What is on disk: it outlives the processes.
pub struct Disk {
    pub rows: Arc<MemoryJournal>,
    pub books: Books,
    ledgers: Mutex<BTreeMap<SessionId, Ledger>>,
}

impl Disk {
    pub fn new(fate: Arc<Fate>) -> Self {
        Self {
            rows: Arc::default(),
            books: Books::new(fate),
            ledgers: Mutex::default(),
        }
    }

    /// Every session that has begun and was not deleted.
    pub fn sessions(&self) -> Vec<SessionId> {
        let deleted = self.deleted();
        let begun = self.ledgers.lock().unwrap();
        begun
            .keys()
            .filter(|session| !deleted.contains(session))
            .copied()
            .collect()
    }

    pub fn deleted(&self) -> BTreeSet<SessionId> {
        self.rows
            .erasures()
            .iter()
            .map(|erasure| erasure.session_id)
            .collect()
    }

    /// Sessions that were deleted and of which something is left.
    pub async fn unfinished_erasures(&self) -> Vec<SessionId> {
        let unfinished = self.rows.unfinished(&TenantId::default(), usize::MAX).await;
        unfinished.expect("memory can be read")
    }

    /// Looks at a session's log, with everything in it checked.
    pub fn look<T>(
        &self,
        session: SessionId,
        fate: &Fate,
        look: impl FnOnce(&Ledger, &[StoredFact]) -> Result<T, String>,
    ) -> Result<T, String> {
        if self.deleted().contains(&session) {
            return Err(format!("{session} was deleted"));
        }
        let mut ledgers = self.ledgers.lock().unwrap();
        let ledger = ledgers
            .get_mut(&session)
            .ok_or_else(|| format!("{session} was never begun"))?;
        self.rows.with_rows(session, |rows| {
            ledger.read(rows, fate)?;
            look(ledger, rows)
        })
    }

    /// Looks, unless the session was deleted, and remembers what is broken.
    pub fn check(
        &self,
        session: SessionId,
        fate: &Fate,
        look: impl FnOnce(&Ledger, &[StoredFact]) -> Result<(), String>,
    ) {
        if self.deleted().contains(&session) {
            return;
        }
        if let Err(broken) = self.look(session, fate, look) {
            fate.find(broken);
        }
    }

    fn committed(&self, append: &Append) {
        let mut ledgers = self.ledgers.lock().unwrap();
        ledgers
            .entry(append.session_id)
            .or_insert_with(|| Ledger::new(append.session_id));
        for entry in &append.entries {
            if let Some(response_id) = &entry.fact.private.response_id {
                self.books.note_response(response_id);
            }
            match &entry.fact.event {
                Event::CallReserved(call) if is_made_here(call.purpose) => self.books.reserved(call.call_id),
                Event::CallSettled(call) => self.books.settled(call.call_id, call.outcome),
                _ => {}
            }
        }
    }
}

/// Whether sessions make such calls themselves.
fn is_made_here(purpose: CallPurpose) -> bool {
    match purpose {
        CallPurpose::Plan | CallPurpose::Stage | CallPurpose::Repair | CallPurpose::Moderate => true,
        CallPurpose::Transcribe | CallPurpose::Speak => false,
    }
}

/// One process's way to the disk: one writer, to which whatever was handed over is written even if nobody waits for it.
pub struct UnsteadyJournal {
    disk: Arc<Disk>,
    fate: Arc<Fate>,
    writer: Arc<tokio::sync::Mutex<()>>,
    writing: Mutex<JoinSet<()>>,
    is_dead: AtomicBool,
}

impl UnsteadyJournal {
    pub fn new(disk: Arc<Disk>, fate: Arc<Fate>) -> Self {
        Self {
            disk,
            fate,
            writer: Arc::default(),
            writing: Mutex::default(),
            is_dead: AtomicBool::new(false),
        }
    }

    /// The process is gone. What was not written yet never will be.
    pub fn die(&self) {
        self.is_dead.store(true, Ordering::Relaxed);
        self.writing.lock().unwrap().abort_all();
    }

    /// Does something in the writer's task, in turn; none if the process is gone.
    async fn write<T: Send + 'static>(&self, write: impl Future<Output = T> + Send + 'static) -> Option<T> {
        if self.is_dead.load(Ordering::Relaxed) {
            return None;
        }
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (writer, fate) = (self.writer.clone(), self.fate.clone());
        {
            let mut writing = self.writing.lock().unwrap();
            while writing.try_join_next().is_some() {}
            writing.spawn(async move {
                let _in_turn = writer.lock().await;
                let is_slow = fate.strikes(Fault::AppendSlow);
                let longest = if is_slow { SLOW_COMMIT_MAX } else { COMMIT_MAX };
                tokio::time::sleep(fate.chance.up_to(longest)).await;
                // Whoever waited for it may have gone.
                let _gone = sender.send(write.await);
            });
        }
        receiver.await.ok()
    }

    async fn read_ahead(&self) -> Result<(), ReadError> {
        tokio::time::sleep(self.fate.chance.up_to(READ_MAX)).await;
        if self.fate.strikes(Fault::ReadUnavailable) {
            return Err(ReadError::Unavailable("asked to be".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl Journal for UnsteadyJournal {
    async fn open(&self, tenant: &TenantId, session: SessionId, mode: OpenMode) -> Result<Opened, OpenError> {
        let (disk, tenant) = (self.disk.clone(), tenant.clone());
        if self.fate.strikes(Fault::OpenUnavailable) {
            return Err(OpenError::Unavailable("asked to be".to_owned()));
        }
        let opened = self
            .write(async move { disk.rows.open(&tenant, session, mode).await })
            .await;
        opened.unwrap_or_else(|| Err(OpenError::Unavailable("the process is gone".to_owned())))
    }

    async fn append(&self, append: Append) -> AppendOutcome {
        let (disk, fate) = (self.disk.clone(), self.fate.clone());
        let appended = self.write(async move {
            if fate.strikes(Fault::AppendFailed) {
                return AppendOutcome::Failed("asked to fail".to_owned());
            }
            if fate.strikes(Fault::AppendUnknownLost) {
                return AppendOutcome::Unknown;
            }
            let outcome = disk.rows.append(append.clone()).await;
            if matches!(outcome, AppendOutcome::Committed { .. }) {
                disk.committed(&append);
                fate.count("append committed");
            }
            if fate.strikes(Fault::AppendUnknownWritten) {
                return AppendOutcome::Unknown;
            }
            outcome
        });
        appended.await.unwrap_or(AppendOutcome::Unknown)
    }

    async fn read(
        &self,
        tenant: &TenantId,
        session: SessionId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<StoredFact>, ReadError> {
        self.read_ahead().await?;
        assert!(
            !self.fate.strikes(Fault::ReadPanics),
            "reading a log was asked to panic"
        );
        self.disk.rows.read(tenant, session, after, limit).await
    }

    async fn frames(
        &self,
        tenant: &TenantId,
        session: SessionId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Frame>, ReadError> {
        self.read_ahead().await?;
        self.disk.rows.frames(tenant, session, after, limit).await
    }

    fn keep_snapshot(&self, tenant: &TenantId, session: SessionId, epoch: Epoch, snapshot: Snapshot) {
        self.disk.check(session, &self.fate, |ledger, rows| {
            ledger.check_snapshot(rows, &snapshot)
        });
        self.fate.count("snapshot kept by a session");
        self.disk.rows.keep_snapshot(tenant, session, epoch, snapshot);
    }

    async fn snapshot(&self, tenant: &TenantId, session: SessionId) -> Result<Option<Snapshot>, ReadError> {
        self.read_ahead().await?;
        self.disk.rows.snapshot(tenant, session).await
    }

    async fn due(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<SessionId>, ReadError> {
        self.read_ahead().await?;
        self.disk.rows.due(tenant, now, limit).await
    }

    async fn listed(&self, tenant: &TenantId, session: SessionId) -> Result<Option<SessionRow>, ReadError> {
        self.read_ahead().await?;
        self.disk.rows.listed(tenant, session).await
    }

    fn writable(&self) -> bool {
        !self.is_dead.load(Ordering::Relaxed) && self.disk.rows.writable()
    }

    async fn has_room(&self) -> bool {
        self.disk.rows.has_room().await
    }
}
