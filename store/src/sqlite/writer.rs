//! The one writer: takes what all sessions have to say, and commits it in one transaction.
//!
//! What cannot be written now is held and tried again until its time is up; while it is, and until a transaction
//! succeeds again, the journal counts as not writable.

use std::collections::{HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use greenroom_protocol::SessionId;
use greenroom_session::ports::{AppendOutcome, EraseError, Erasure, OpenError, OpenMode, Purged};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::data_dir::DataDirLock;
use super::health::Health;
use super::prepared::PreparedAppend;
use super::remains::{self, Remains};
use super::snapshots::{self, SnapshotQueue};
use super::transaction::{self, Ask, TransactionError, Verdict};

/// Requests that may wait in the channel; whoever comes later waits for a place.
pub const QUEUE_REQUESTS_MAX: usize = 4_096;
/// Requests in one transaction: as many as make its fsync cheap, few enough that nobody waits long behind it.
const BATCH_REQUESTS_MAX: usize = 512;
/// Bytes of events in one transaction, unless a single append has more.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long the writer waits before it tries again what it holds.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// How often the writer looks whether the journal can be written again when nobody appends.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);
/// SQLite's own limit on pages, which stands for no limit of ours.
const PAGES_MAX: u32 = u32::MAX - 1;

/// What the owner of the store tells the writer.
#[derive(Debug, Clone, Copy)]
pub struct Control {
    /// Pages that the database may have.
    pub page_limit: Option<u32>,
    /// Finish what is queued, then end.
    pub closing: bool,
}

/// What a session asks for, with whom to answer. It does not matter whether anybody still waits for the answer.
pub struct Request {
    /// What it asks for.
    pub work: Work,
    /// Since when the caller waits.
    pub since: Instant,
    /// Whom to tell.
    pub reply: oneshot::Sender<Verdict>,
}

/// What the writer can do for a session.
pub enum Work {
    /// Append these events.
    Append(Box<PreparedAppend>),
    /// Take the session over.
    Open(SessionId, OpenMode),
    /// End the session for good.
    Erase(Box<Erasure>),
    /// Remove a part of what is left of an erased session.
    Purge(SessionId),
    /// Panic.
    #[cfg(debug_assertions)]
    Panic,
}

/// What reaches the writer.
pub struct Intake {
    /// What sessions ask for.
    pub queue: mpsc::Receiver<Request>,
    /// What is written when nobody asks for anything.
    pub snapshots: SnapshotQueue,
    /// What the owner of the store says.
    pub control: watch::Receiver<Control>,
}

/// Owns the only connection that writes, and the data directory.
pub struct Writer {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
    page_limit: Option<u32>,
    queue: mpsc::Receiver<Request>,
    snapshots: SnapshotQueue,
    remains: Remains,
    control: watch::Receiver<Control>,
    health: Arc<Health>,
    hold: Duration,
    incoming: Vec<Request>,
    pending: VecDeque<Request>,
    /// Held for as long as there may be a connection that writes.
    _lock: DataDirLock,
}

impl Request {
    fn ask(&self) -> Ask<'_> {
        match &self.work {
            Work::Append(append) => Ask::Append(append),
            Work::Open(session_id, mode) => Ask::Open(*session_id, *mode),
            Work::Erase(erasure) => Ask::Erase(erasure),
            Work::Purge(session_id) => Ask::Purge(*session_id),
            #[cfg(debug_assertions)]
            Work::Panic => super::provoke::panic_as_asked(),
        }
    }

    fn session_id(&self) -> SessionId {
        match self.ask() {
            Ask::Append(append) => append.session_id,
            Ask::Open(session_id, _) | Ask::Purge(session_id) => session_id,
            Ask::Erase(erasure) => erasure.session_id,
        }
    }

    fn append(&self) -> Option<&PreparedAppend> {
        match self.ask() {
            Ask::Append(append) => Some(append),
            Ask::Open(..) | Ask::Erase(_) | Ask::Purge(_) => None,
        }
    }

    /// The answer to something that was not written, or of which nobody knows whether it was.
    fn refusal(&self, appended: AppendOutcome, reason: &str) -> Verdict {
        match self.ask() {
            Ask::Append(_) => Verdict::Appended(appended),
            Ask::Open(..) => Verdict::Opened(Err(OpenError::Unavailable(reason.to_owned()))),
            Ask::Erase(_) => Verdict::Erased(Err(EraseError::Unavailable(reason.to_owned()))),
            Ask::Purge(_) => Verdict::Purged(Err(EraseError::Unavailable(reason.to_owned()))),
        }
    }
}

impl Writer {
    /// A writer over a connection to a database that is migrated already.
    pub fn new(
        options: SqliteConnectOptions,
        connection: SqliteConnection,
        intake: Intake,
        health: Arc<Health>,
        hold: Duration,
        lock: DataDirLock,
    ) -> Self {
        let Intake {
            queue,
            snapshots,
            control,
        } = intake;
        Self {
            options,
            connection: Some(connection),
            page_limit: None,
            queue,
            snapshots,
            remains: Remains::unknown(),
            control,
            health,
            hold,
            incoming: Vec::with_capacity(BATCH_REQUESTS_MAX),
            pending: VecDeque::with_capacity(BATCH_REQUESTS_MAX),
            _lock: lock,
        }
    }

    /// Writes until the store is closed or dropped. A panic costs the requests of one batch, whose outcome is then
    /// unknown, and a new connection.
    pub async fn supervise(mut self) {
        while let Err(panic) = AssertUnwindSafe(self.run()).catch_unwind().await {
            // The hook has logged the panic with its place; its payload says nothing more.
            drop(panic);
            self.health.panicked();
            self.health.found_unwritable("the writer panicked");
            self.connection = None;
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the journal was not closed cleanly");
        }
    }

    async fn run(&mut self) {
        while self.receive().await {
            let batch = self.next_batch();
            let events = batch
                .iter()
                .filter_map(Request::append)
                .map(PreparedAppend::events_len)
                .sum();
            self.health
                .tried(batch.len(), events, self.queue.len() + self.pending.len());
            self.write(batch).await;
            if self.snapshots.is_overdue() {
                self.keep_snapshots().await;
            }
            if self.remains.are_due() {
                self.clean_log().await;
            }
        }
        while self.keep_snapshots().await {}
    }

    /// Waits until something is pending; false once nothing can come any more.
    async fn receive(&mut self) -> bool {
        while self.pending.is_empty() {
            let unwritable = !self.health.is_writable();
            tokio::select! {
                biased;
                Ok(()) = self.control.changed() => self.obey().await,
                received = self.queue.recv_many(&mut self.incoming, BATCH_REQUESTS_MAX) => {
                    if received == 0 {
                        return false;
                    }
                    self.pending.extend(self.incoming.drain(..));
                }
                true = self.snapshots.wait(), if !unwritable => {
                    self.keep_snapshots().await;
                }
                () = self.remains.due(), if !unwritable => self.clean_log().await,
                () = tokio::time::sleep(PROBE_INTERVAL), if unwritable => self.probe().await,
            }
        }
        while self.pending.len() < BATCH_REQUESTS_MAX
            && let Ok(request) = self.queue.try_recv()
        {
            self.pending.push_back(request);
        }
        true
    }

    /// Takes requests from the front, until a session comes a second time or the batch is full.
    fn next_batch(&mut self) -> Vec<Request> {
        let mut batch: Vec<Request> = Vec::with_capacity(self.pending.len());
        let mut sessions = HashSet::with_capacity(self.pending.len());
        let mut size_bytes = 0;
        while batch.len() < BATCH_REQUESTS_MAX
            && let Some(request) = self.pending.pop_front()
        {
            size_bytes += request.append().map_or(0, |append| append.size_bytes);
            let fits = batch.is_empty() || size_bytes <= BATCH_BYTES_MAX;
            if !fits || !sessions.insert(request.session_id()) {
                self.pending.push_front(request);
                break;
            }
            batch.push(request);
        }
        batch
    }

    async fn write(&mut self, batch: Vec<Request>) {
        let asks: Vec<Ask<'_>> = batch.iter().map(Request::ask).collect();
        let written = match self.connect().await {
            Ok(connection) => transaction::write(connection, &asks).await,
            Err(error) => Err(TransactionError::Staging(error)),
        };
        match written {
            Ok(verdicts) => {
                self.health.found_writable();
                self.answer(batch, verdicts);
            }
            Err(TransactionError::Staging(error)) => {
                self.roll_back().await;
                self.hold(batch, &error).await;
            }
            Err(TransactionError::Committing(error, verdicts)) => {
                self.health.found_unwritable(&error.to_string());
                self.reopen().await;
                self.settle(batch, verdicts, &error).await;
            }
        }
    }

    /// Writes some of the snapshots that wait, once; whether there were any. That it fails says nothing of appends,
    /// which may be smaller.
    async fn keep_snapshots(&mut self) -> bool {
        if !self.health.is_writable() {
            return false;
        }
        let lot = self.snapshots.take_lot();
        if lot.is_empty() {
            return false;
        }
        let kept = match self.connect().await {
            Ok(connection) => snapshots::keep(connection, &lot).await,
            Err(error) => Err(error),
        };
        if kept.is_err() {
            self.roll_back().await;
        }
        self.snapshots.told(lot.len(), kept);
        true
    }

    /// Removes from the log what was erased from the database.
    async fn clean_log(&mut self) {
        let cleaned = match self.connect().await {
            Ok(connection) => remains::clean(connection).await,
            Err(error) => Err(error),
        };
        self.remains.told(cleaned);
    }

    /// After a failed commit: what the database has decides.
    async fn settle(&mut self, batch: Vec<Request>, verdicts: Vec<Verdict>, commit_error: &sqlx::Error) {
        let give_up_at = Instant::now() + self.hold;
        loop {
            match self.look_up(&batch, &verdicts).await {
                Ok(true) => return self.answer(batch, verdicts),
                Ok(false) => return self.hold(batch, commit_error).await,
                Err(_) if Instant::now() < give_up_at => {
                    self.reopen().await;
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                Err(error) => {
                    for request in batch {
                        let verdict = request.refusal(AppendOutcome::Unknown, &error.to_string());
                        self.reply(request, verdict);
                    }
                    return;
                }
            }
        }
    }

    /// Whether a transaction with these verdicts is in the database. One that appended and erased nothing may be done
    /// again.
    async fn look_up(&mut self, batch: &[Request], verdicts: &[Verdict]) -> Result<bool, sqlx::Error> {
        let appended: Vec<&PreparedAppend> = batch
            .iter()
            .zip(verdicts)
            .filter(|(_, verdict)| matches!(verdict, Verdict::Appended(AppendOutcome::Committed { .. })))
            .filter_map(|(request, _)| request.append())
            .collect();
        let erased: Vec<SessionId> = batch
            .iter()
            .zip(verdicts)
            .filter(|(_, verdict)| matches!(verdict, Verdict::Erased(Ok(()))))
            .map(|(request, _)| request.session_id())
            .collect();
        if appended.is_empty() && erased.is_empty() {
            return Ok(false);
        }
        transaction::was_committed(self.connect().await?, appended, erased).await
    }

    /// Keeps what was not written for another try, refuses what was held long enough, and waits a little.
    async fn hold(&mut self, batch: Vec<Request>, error: &sqlx::Error) {
        let reason = error.to_string();
        self.health.found_unwritable(&reason);
        let now = Instant::now();
        let mut retry_at = now + RETRY_INTERVAL;
        for request in batch.into_iter().rev() {
            let refuse_at = request.since + self.hold;
            if refuse_at <= now {
                let verdict = request.refusal(AppendOutcome::Failed(reason.clone()), &reason);
                self.reply(request, verdict);
            } else {
                retry_at = retry_at.min(refuse_at);
                self.pending.push_front(request);
            }
        }
        if !self.pending.is_empty() {
            tokio::select! {
                () = tokio::time::sleep_until(retry_at) => {}
                Ok(()) = self.control.changed() => self.obey().await,
            }
        }
    }

    async fn obey(&mut self) {
        if self.control.borrow_and_update().closing {
            self.queue.close();
        }
        if !self.health.is_writable() {
            self.probe().await;
        }
    }

    async fn probe(&mut self) {
        let probed = match self.connect().await {
            Ok(connection) => transaction::probe(connection).await,
            Err(error) => Err(error),
        };
        match probed {
            Ok(()) => self.health.found_writable(),
            Err(_) => self.roll_back().await,
        }
    }

    /// The connection, opened if there is none, with the page limit as it is to be.
    async fn connect(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        let connection = if let Some(connection) = self.connection.take() {
            connection
        } else {
            self.page_limit = None;
            self.options.connect().await?
        };
        let connection = self.connection.insert(connection);
        let page_limit = self.control.borrow().page_limit;
        if self.page_limit != page_limit {
            let pages = page_limit.unwrap_or(PAGES_MAX);
            sqlx::query(AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")))
                .execute(&mut *connection)
                .await?;
            self.page_limit = page_limit;
        }
        Ok(connection)
    }

    /// Ends a failed transaction. SQLite may have done so itself, so a connection that cannot is replaced.
    async fn roll_back(&mut self) {
        if let Some(connection) = &mut self.connection
            && transaction::roll_back(connection).await.is_err()
        {
            self.reopen().await;
        }
    }

    /// Gives the connection up; [`Writer::connect`] opens another.
    async fn reopen(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "a failed connection was not closed cleanly");
        }
    }

    fn answer(&mut self, batch: Vec<Request>, verdicts: Vec<Verdict>) {
        if verdicts.contains(&Verdict::Purged(Ok(Purged::Wholly))) {
            self.remains.left();
        }
        for (request, verdict) in batch.into_iter().zip(verdicts) {
            self.reply(request, verdict);
        }
    }

    fn reply(&self, request: Request, verdict: Verdict) {
        if let Verdict::Appended(outcome) = &verdict {
            self.health.answered(outcome, request.since.elapsed());
        }
        // Whoever asked may be gone; the journal holds the truth all the same.
        let _ = request.reply.send(verdict);
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::{Seq, Timestamp, TurnId};
    use greenroom_session::ports::{ErasedBy, TenantId};
    use tempfile::TempDir;

    use super::*;
    use crate::sqlite::facts::{self, Author};
    use crate::{SqliteStore, StoreConfig};

    #[cfg(debug_assertions)]
    async fn ask(store: &SqliteStore, work: Work) -> Result<Verdict, oneshot::error::RecvError> {
        let (request, verdict) = request(work);
        store
            .database
            .queue
            .send(request)
            .await
            .map_err(|_| "the queue is open")
            .unwrap();
        verdict.await
    }

    #[cfg(debug_assertions)]
    #[tokio::test]
    async fn the_writer_survives_its_own_panic() {
        let data_dir = TempDir::new().unwrap();
        let store = SqliteStore::open(StoreConfig::new(data_dir.path()))
            .await
            .unwrap();
        let journal = store.journal();
        let mut author = Author::started(&journal).await;
        ask(&store, Work::Panic)
            .await
            .expect_err("whoever asked learns that nobody knows");
        author.tell(vec![facts::gate_changed(0.5)]).await;
        assert!(journal.writable());
    }

    #[cfg(debug_assertions)]
    #[tokio::test]
    async fn requests_in_a_batch_whose_writer_panics_have_an_unknown_outcome() {
        let data_dir = TempDir::new().unwrap();
        let store = SqliteStore::open(StoreConfig::new(data_dir.path()))
            .await
            .unwrap();
        let journal = store.journal();
        let mut author = Author::started(&journal).await;
        let append = author.events(vec![facts::gate_changed(0.5)]);
        // The runtime has one thread, so both are queued before the writer runs.
        let (outcome, _) = tokio::join!(journal.append(append), ask(&store, Work::Panic));
        assert_eq!(outcome, AppendOutcome::Unknown);
        author.tell(vec![facts::gate_changed(0.5)]).await;
    }

    /// A request, and where its answer arrives.
    fn request(work: Work) -> (Request, oneshot::Receiver<Verdict>) {
        let (reply, verdict) = oneshot::channel();
        let since = Instant::now();
        (Request { work, since, reply }, verdict)
    }

    /// A writer over a database that is there, without a task.
    async fn writer_of(data_dir: &TempDir) -> Writer {
        let options = crate::sqlite::writer_options(&data_dir.path().join("greenroom.sqlite"));
        let connection = options.connect().await.unwrap();
        let (_, queue) = mpsc::channel(1);
        let (_, snapshots) = snapshots::queue();
        let (_, control) = watch::channel(Control {
            page_limit: None,
            closing: false,
        });
        let intake = Intake {
            queue,
            snapshots,
            control,
        };
        let lock = DataDirLock::take(data_dir.path()).unwrap();
        let health = Arc::new(Health::new());
        Writer::new(options, connection, intake, health, Duration::ZERO, lock)
    }

    /// A writer over a database of its own; with the requests of one session.
    async fn idle(data_dir: &TempDir) -> (Writer, Vec<Request>, oneshot::Receiver<Verdict>) {
        let store = SqliteStore::open(StoreConfig::new(data_dir.path()))
            .await
            .unwrap();
        let mut author = Author::started(&store.journal()).await;
        store.close().await;
        let append = Box::new(PreparedAppend::new(&author.events(vec![facts::gate_changed(0.5)])).unwrap());
        let (request, verdict) = request(Work::Append(append));
        (writer_of(data_dir).await, vec![request], verdict)
    }

    fn committed() -> Vec<Verdict> {
        vec![Verdict::Appended(AppendOutcome::Committed { head: Seq(2) })]
    }

    #[tokio::test]
    async fn a_failed_commit_that_was_written_after_all_is_committed() {
        let data_dir = TempDir::new().unwrap();
        let (mut writer, batch, verdict) = idle(&data_dir).await;
        let asks: Vec<Ask<'_>> = batch.iter().map(Request::ask).collect();
        transaction::write(writer.connect().await.unwrap(), &asks)
            .await
            .unwrap();
        writer.reopen().await;
        writer
            .settle(batch, committed(), &sqlx::Error::WorkerCrashed)
            .await;
        assert_eq!(verdict.await.unwrap(), committed()[0]);
    }

    #[tokio::test]
    async fn a_failed_commit_that_was_not_written_is_failed() {
        let data_dir = TempDir::new().unwrap();
        let (mut writer, batch, verdict) = idle(&data_dir).await;
        writer.reopen().await;
        writer
            .settle(batch, committed(), &sqlx::Error::WorkerCrashed)
            .await;
        let Verdict::Appended(AppendOutcome::Failed(reason)) = verdict.await.unwrap() else {
            panic!("it failed")
        };
        assert_eq!(reason, sqlx::Error::WorkerCrashed.to_string());
    }

    #[tokio::test]
    async fn what_was_erased_is_neither_in_the_database_nor_in_its_log() {
        const SECRET: &str = "아무도 모르는 제품 이름";
        let data_dir = TempDir::new().unwrap();
        let store = SqliteStore::open(StoreConfig::new(data_dir.path()))
            .await
            .unwrap();
        let mut author = Author::started(&store.journal()).await;
        let turn_id = TurnId::new(facts::fresh());
        author.tell(vec![facts::user_message(turn_id, SECRET)]).await;
        store.close().await;
        let mut writer = writer_of(&data_dir).await;
        let held = |file: &str| {
            let bytes = std::fs::read(data_dir.path().join(file)).unwrap();
            bytes
                .windows(SECRET.len())
                .any(|window| window == SECRET.as_bytes())
        };
        assert!(held("greenroom.sqlite"));

        let erasure = Erasure {
            tenant: TenantId::default(),
            session_id: author.session_id,
            by: ErasedBy::Client,
            at: Timestamp::from_unix_ms(facts::START),
            only_if_idle_since: None,
        };
        for work in [
            // It logs the page that the words are on.
            Work::Append(Box::new(
                PreparedAppend::new(&author.events(vec![facts::gate_changed(0.5)])).unwrap(),
            )),
            Work::Erase(Box::new(erasure)),
            Work::Purge(author.session_id),
        ] {
            let (request, _) = request(work);
            writer.write(vec![request]).await;
        }
        assert!(held("greenroom.sqlite-wal"), "the log has it until it is cleaned");
        writer.clean_log().await;
        assert!(!held("greenroom.sqlite") && !held("greenroom.sqlite-wal"));
    }

    #[tokio::test]
    async fn a_failed_commit_that_nobody_can_look_up_is_unknown() {
        let data_dir = TempDir::new().unwrap();
        let (mut writer, batch, verdict) = idle(&data_dir).await;
        writer.reopen().await;
        writer.options = writer
            .options
            .filename(data_dir.path().join("no").join("such.sqlite"));
        writer
            .settle(batch, committed(), &sqlx::Error::WorkerCrashed)
            .await;
        assert_eq!(verdict.await.unwrap(), Verdict::Appended(AppendOutcome::Unknown));
    }
}
