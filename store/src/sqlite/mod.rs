//! The store on SQLite: one database in one data directory, one writer, a few readers.

mod backup;
mod data_dir;
mod erase;
#[cfg(test)]
#[allow(dead_code, reason = "the unit tests tell a part of what the suite tells")]
#[path = "../../tests/suite/facts.rs"]
mod facts;
mod fault;
mod health;
mod inspect;
mod journal;
pub mod migrations;
mod prepared;
mod projection;
#[cfg(debug_assertions)]
mod provoke;
mod read_models;
mod remains;
mod schema;
mod shape;
mod snapshots;
mod tables;
mod transaction;
mod verify;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use greenroom_session::ports::{Erasures, Journal, ReadModels};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;

use crate::folder;
pub use backup::{CopyError, copy_database};
pub use inspect::{DataDirState, inspect};
pub use verify::{Finding, FindingKind, Refold, SessionEnd, Verified, VerifiedAsset, Verifier};

use data_dir::{DataDirHold, DataDirLock, FreeDisk, LockError};
use health::Health;
use snapshots::SnapshotInlet;
use writer::{Control, Intake, QUEUE_REQUESTS_MAX, Request, Writer};

const DATABASE_FILE: &str = "greenroom.sqlite";
/// Connections that read; each is a thread.
const READERS_MAX: u32 = 4;
/// How long a read waits for one of them.
const READER_WAIT: Duration = Duration::from_secs(5);
/// How long SQLite itself waits for another program's lock. The writer tries again on its own.
const BUSY_TIMEOUT: Duration = Duration::from_millis(100);
/// How long the opening waits for it: a backup may be under way.
const OPEN_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages of log (64 MiB) after which a commit copies them into the database: a page that live sessions write again and
/// again is then copied once for many times that it is logged.
const CHECKPOINT_PAGES: &str = "16000";
/// What the log is cut to (128 MiB) when a long read has kept it from being copied.
const LOG_BYTES_KEPT: &str = "134217728";
/// The writer's page cache, in KiB below zero: the pages where live sessions end stay in it.
const WRITER_CACHE: &str = "-32768";

/// Where the store is, and its limits.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The directory that holds everything; created if it is not there.
    pub data_dir: PathBuf,
    /// Pages (4 KiB) that the database may have; none means no limit but SQLite's own. It does not shrink a
    /// database that is larger already.
    pub page_limit: Option<u32>,
    /// Below this much free disk nothing new is begun.
    pub min_free_disk_bytes: u64,
    /// How long an append may be held while the database is busy, full or failing.
    pub hold: Duration,
}

impl StoreConfig {
    /// A directory without limits, and what ARCHITECTURE.md says of holding.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            page_limit: None,
            min_free_disk_bytes: 0,
            hold: Duration::from_secs(5),
        }
    }
}

/// Why the store did not open.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// The directory cannot be created or used.
    #[error("the data directory {} cannot be used: {source}", data_dir.display())]
    DataDir {
        /// Which.
        data_dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process owns the directory.
    #[error(
        "the data directory {} is in use by another process: stop that one, or name another directory with --data-dir",
        data_dir.display()
    )]
    Locked {
        /// Which.
        data_dir: PathBuf,
    },
    /// A newer release has migrated the database.
    #[error(
        "the database has schema version {found}, and this release knows versions up to {known}: \
         run the release that wrote it, or a newer one"
    )]
    SchemaNewer {
        /// The database's version.
        found: i64,
        /// The newest version that is known.
        known: i64,
    },
    /// The database was made by an older release, and is only to be looked at.
    #[error(
        "the database has schema version {found}, and this release has {known}: start the server on it once, \
         which brings it up to date"
    )]
    SchemaOlder {
        /// The database's version.
        found: i64,
        /// The newest version.
        known: i64,
    },
    /// A migration failed; the database is as it was.
    #[error("the database cannot be migrated: {0}")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// The database cannot be opened.
    #[error("the database cannot be opened: {0}")]
    Database(#[source] sqlx::Error),
}

/// The journal and its read models in one SQLite database. What it hands out keeps it alive; the writer ends, and
/// the directory is free again, when all of it is dropped or after [`SqliteStore::close`].
pub struct SqliteStore {
    database: Arc<Database>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What the ports are implemented on.
struct Database {
    queue: mpsc::Sender<Request>,
    snapshots: SnapshotInlet,
    control: watch::Sender<Control>,
    health: Arc<Health>,
    readers: SqlitePool,
    free_disk: FreeDisk,
}

impl SqliteStore {
    /// Locks the directory, opens and migrates the database, and starts its writer on the current runtime.
    pub async fn open(config: StoreConfig) -> Result<Self, StoreOpenError> {
        let lock = own(config.data_dir.clone()).await?;
        let database_file = config.data_dir.join(DATABASE_FILE);
        let opening = writer_options(&database_file)
            .create_if_missing(true)
            .busy_timeout(OPEN_BUSY_TIMEOUT);
        let mut migrating = opening.connect().await.map_err(StoreOpenError::Database)?;
        schema::migrate(&mut migrating).await?;
        migrating.close().await.map_err(StoreOpenError::Database)?;
        let options = writer_options(&database_file).busy_timeout(BUSY_TIMEOUT);
        let connection = options.connect().await.map_err(StoreOpenError::Database)?;

        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(READER_WAIT)
            .test_before_acquire(false)
            .connect_lazy_with(reader_options(&database_file));
        let (queue, requests) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let (snapshots, snapshots_waiting) = snapshots::queue();
        let (control, commands) = watch::channel(Control {
            page_limit: config.page_limit,
            closing: false,
        });
        let health = Arc::new(Health::new());
        let writer = Writer::new(
            options,
            connection,
            Intake {
                queue: requests,
                snapshots: snapshots_waiting,
                control: commands,
            },
            health.clone(),
            config.hold,
            lock,
        );
        Ok(Self {
            database: Arc::new(Database {
                queue,
                snapshots,
                control,
                health,
                readers,
                free_disk: FreeDisk::new(config.data_dir, config.min_free_disk_bytes),
            }),
            writer: Mutex::new(Some(tokio::spawn(writer.supervise()))),
        })
    }

    /// The journal.
    pub fn journal(&self) -> Arc<dyn Journal> {
        self.database.clone()
    }

    /// The read models.
    pub fn read_models(&self) -> Arc<dyn ReadModels> {
        self.database.clone()
    }

    /// The end of sessions.
    pub fn erasures(&self) -> Arc<dyn Erasures> {
        self.database.clone()
    }

    /// Changes how many pages the database may have. What is held because it was full is tried again at once.
    pub fn set_page_limit(&self, page_limit: Option<u32>) {
        self.database
            .control
            .send_modify(|control| control.page_limit = page_limit);
    }

    /// What makes the writer panic whenever it is called; for tests of the built server.
    #[cfg(debug_assertions)]
    pub fn writer_fault(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let queue = self.database.queue.downgrade();
        move || {
            let request = Request {
                work: writer::Work::Panic,
                since: tokio::time::Instant::now(),
                // Nobody waits for the answer.
                reply: tokio::sync::oneshot::channel().0,
            };
            queue
                .upgrade()
                .is_some_and(|queue| queue.try_send(request).is_ok())
        }
    }

    /// Refuses what comes from now on, finishes what is queued, and frees the directory.
    pub async fn close(&self) {
        // The readers go first, so that the writer, which goes as soon as it is told, is the last to leave and folds the
        // log into the database.
        self.database.readers.close().await;
        self.database
            .control
            .send_modify(|control| control.closing = true);
        if let Some(writer) = self.writer.lock().await.take()
            && let Err(error) = writer.await
        {
            tracing::error!(%error, "the journal's writer did not end well");
        }
    }
}

async fn own(data_dir: PathBuf) -> Result<DataDirLock, StoreOpenError> {
    let locking = {
        let data_dir = data_dir.clone();
        move || {
            folder::create_durably(&data_dir)?;
            DataDirLock::take(&data_dir)
        }
    };
    match tokio::task::spawn_blocking(locking).await {
        Ok(Ok(lock)) => Ok(lock),
        Ok(Err(LockError::Taken)) => Err(StoreOpenError::Locked { data_dir }),
        Ok(Err(LockError::Io(source))) => Err(StoreOpenError::DataDir { data_dir, source }),
        Err(error) => Err(StoreOpenError::DataDir {
            data_dir,
            source: io::Error::other(error),
        }),
    }
}

fn writer_options(database_file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(database_file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .pragma("cache_size", WRITER_CACHE)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", LOG_BYTES_KEPT)
        // What is erased is overwritten, not only given free.
        .pragma("secure_delete", "ON")
        .thread_name(|_| "journal-writer".to_owned())
        .disable_statement_logging()
}

fn reader_options(database_file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(database_file)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .row_buffer_size(256)
        .thread_name(|number| format!("journal-reader-{number}"))
        .disable_statement_logging()
}

/// How a database is looked at by who does not own it. One that nobody writes to, and that no log lies beside, is read as
/// it is, so that SQLite makes no file. A log, of either kind, holds what is yet to be done or undone.
fn looking_options(database_file: &Path, hold: &DataDirHold) -> SqliteConnectOptions {
    let has_log = ["-wal", "-journal"].iter().any(|suffix| {
        let mut log = database_file.as_os_str().to_owned();
        log.push(suffix);
        Path::new(&log).exists()
    });
    let is_still = match hold {
        DataDirHold::Held { .. } => !has_log,
        DataDirHold::Owned => false,
    };
    reader_options(database_file)
        .immutable(is_still)
        .thread_name(|_| "onlooker".to_owned())
}
