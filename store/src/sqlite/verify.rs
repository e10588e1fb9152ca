//! Looks whether what is stored agrees with itself, and changes nothing: the journal's rows with its heads, the read
//! models with what the same code makes of the journal anew, erased sessions with their tombstones.
//!
//! Each session is read in a transaction of its own, so that a server may go on writing meanwhile.

mod tables;

use std::io;
use std::path::Path;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use greenroom_protocol::{Seq, SessionId};
use greenroom_session::ports::{
    Append, Entry, Epoch, ReadError, SessionSummary, Snapshot, StoredFact, TenantId,
};
use serde::Serialize;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{ConnectOptions as _, Row as _};

use super::data_dir::DataDirHold;
use super::fault::{Fault, read_error};
use super::journal::{stored_fact, stored_row};
use super::prepared::Key;
use super::projection::Projection;
use super::read_models::id;
use super::{DATABASE_FILE, StoreOpenError, looking_options, schema, snapshots, transaction};
use tables::Tables;

/// Findings that are told of one session: a wreck is told from a scratch by fewer.
const FINDINGS_MAX: usize = 20;
/// Facts that the read models are rebuilt from at once.
const REBUILT_FACTS_MAX: usize = 500;

/// Something that is not as it must be. Says where, never what people said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whose.
    pub session_id: Option<SessionId>,
    /// What it is about.
    pub kind: FindingKind,
    /// What is wrong.
    pub detail: String,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The file of the database.
    Database,
    /// The rows of the journal.
    Journal,
    /// What the journal folds to.
    Fold,
    /// A read model.
    ReadModel,
    /// A fold that was kept.
    Snapshot,
    /// What is left of an erased session.
    Tombstone,
    /// A blob that an event names.
    Blob,
}

/// Folds a session anew while its rows are read. An error says why that cannot be done.
#[async_trait]
pub trait Refold: Send {
    /// The fold that was kept of it, told before the first fact.
    fn kept(&mut self, snapshot: Snapshot);
    /// The next fact.
    fn fold(&mut self, fact: &StoredFact) -> Result<(), Finding>;
    /// What the list of sessions has to show after the last fact. Of the time when it is due only counts whether there is
    /// one.
    async fn summary(&mut self) -> Result<SessionSummary, Finding>;
}

/// A session that was looked at.
#[derive(Debug)]
pub struct Verified {
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// Events read.
    pub events: u64,
    /// Whether it is there.
    pub end: SessionEnd,
    /// The assets that its events name.
    pub assets: Vec<VerifiedAsset>,
}

/// Whether a session is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// It is.
    Present,
    /// It was erased.
    Erased,
    /// It was erased, and what it left is about to be removed.
    Unfinished,
}

/// An asset that an event names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedAsset {
    /// Where it is fetched.
    pub url: String,
    /// Its size, as the event tells it.
    pub size_bytes: u64,
}

/// A database that is looked at.
pub struct Verifier {
    connection: SqliteConnection,
    /// Where the read models are rebuilt.
    scratch: SqliteConnection,
    tables: Tables,
    _hold: DataDirHold,
}

/// The head of a session.
struct Head {
    epoch: i64,
    /// The number of its last event.
    seq: i64,
    is_erased: bool,
}

/// Why a session was not read to its end.
enum Stopped {
    /// It is broken there.
    At(Finding),
    /// The database cannot be read.
    Unread(ReadError),
}

impl From<sqlx::Error> for Stopped {
    fn from(error: sqlx::Error) -> Self {
        Self::Unread(read_error(&error))
    }
}

impl Verifier {
    /// Opens the database of a directory, whether a server has it or not. No server can start on it meanwhile, if none
    /// has it already.
    pub async fn open(data_dir: &Path) -> Result<Self, StoreOpenError> {
        let unusable = |source: io::Error| StoreOpenError::DataDir {
            data_dir: data_dir.to_owned(),
            source,
        };
        let database_file = data_dir.join(DATABASE_FILE);
        if !database_file.is_file() {
            let reason = format!("there is no {DATABASE_FILE} in it");
            return Err(unusable(io::Error::new(io::ErrorKind::NotFound, reason)));
        }
        let hold = DataDirHold::take(data_dir).map_err(unusable)?;
        let options = looking_options(&database_file, &hold);
        let mut connection = options.connect().await.map_err(StoreOpenError::Database)?;
        schema::require_newest(&mut connection).await?;
        let (scratch, tables) = Self::scratch().await?;
        Ok(Self {
            connection,
            scratch,
            tables,
            _hold: hold,
        })
    }

    async fn scratch() -> Result<(SqliteConnection, Tables), StoreOpenError> {
        let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(false);
        let mut scratch = options
            .disable_statement_logging()
            .connect()
            .await
            .map_err(StoreOpenError::Database)?;
        schema::migrate(&mut scratch).await?;
        let tables = Tables::of(&mut scratch).await.map_err(StoreOpenError::Database)?;
        Ok((scratch, tables))
    }

    /// Looks at the pages of the file, and at what its rows refer to.
    pub async fn database(&mut self) -> Result<Vec<Finding>, ReadError> {
        let told: Vec<String> = sqlx::query_scalar("PRAGMA quick_check")
            .fetch_all(&mut self.connection)
            .await
            .map_err(|error| read_error(&error))?;
        let references = sqlx::query("PRAGMA foreign_key_check")
            .fetch_all(&mut self.connection)
            .await
            .map_err(|error| read_error(&error))?;
        let finding = |detail| Finding {
            session_id: None,
            kind: FindingKind::Database,
            detail,
        };
        let told = told.into_iter().filter(|line| line != "ok").map(finding);
        let references = references.iter().map(|row| {
            let table: String = row.try_get(0).unwrap_or_default();
            finding(format!("a row of {table} refers to one that is not there"))
        });
        Ok(told.chain(references).take(FINDINGS_MAX).collect())
    }

    /// The session that follows one, by its id.
    pub async fn next_session(&mut self, after: Option<SessionId>) -> Result<Option<SessionId>, ReadError> {
        let after = after
            .map(|after| Key::new(after.ulid()).blob())
            .unwrap_or_default();
        let row = sqlx::query(
            "SELECT min(session_id) AS session_id FROM ( \
             SELECT min(session_id) AS session_id FROM heads WHERE session_id > ?1 UNION ALL \
             SELECT min(session_id) FROM events WHERE session_id > ?1 UNION ALL \
             SELECT min(session_id) FROM sessions WHERE session_id > ?1) HAVING min(session_id) IS NOT NULL",
        )
        .bind(after)
        .fetch_optional(&mut self.connection)
        .await
        .map_err(|error| read_error(&error))?;
        row.map(|row| id(&row, "session_id").map(SessionId::new))
            .transpose()
    }

    /// Looks at a session.
    pub async fn session(
        &mut self,
        session: SessionId,
        refold: &mut dyn Refold,
    ) -> Result<Verified, ReadError> {
        let mut verified = Verified {
            findings: Vec::new(),
            events: 0,
            end: SessionEnd::Present,
            assets: Vec::new(),
        };
        let begun = run(&mut self.connection, "BEGIN").await;
        begun.map_err(|error| read_error(&error))?;
        let looked = self.look(session, refold, &mut verified).await;
        let ended = run(&mut self.connection, "COMMIT").await;
        ended.map_err(|error| read_error(&error))?;
        match looked {
            Ok(()) => {}
            Err(Stopped::At(finding)) => verified.findings.push(finding),
            Err(Stopped::Unread(ReadError::Damaged(reason))) => {
                verified
                    .findings
                    .push(finding(session, FindingKind::Journal, reason));
            }
            Err(Stopped::Unread(error)) => return Err(error),
        }
        verified.findings.truncate(FINDINGS_MAX);
        Ok(verified)
    }

    /// Whether an event names an asset by this url.
    pub async fn is_named(&mut self, url: &str) -> Result<bool, ReadError> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM media_assets WHERE url = ?1)")
            .bind(url)
            .fetch_one(&mut self.connection)
            .await
            .map_err(|error| read_error(&error))
    }

    /// Whether there is such a session.
    pub async fn is_present(&mut self, session: SessionId) -> Result<bool, ReadError> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sessions WHERE session_id = ?1)")
            .bind(Key::new(session.ulid()).blob())
            .fetch_one(&mut self.connection)
            .await
            .map_err(|error| read_error(&error))
    }

    async fn look(
        &mut self,
        session: SessionId,
        refold: &mut dyn Refold,
        verified: &mut Verified,
    ) -> Result<(), Stopped> {
        let key = Key::new(session.ulid());
        let head = sqlx::query("SELECT epoch, head, tombstone FROM heads WHERE session_id = ?1")
            .bind(key.blob())
            .fetch_optional(&mut self.connection)
            .await?;
        let Some(head) = head.map(|row| Head::read(&row)).transpose()? else {
            return Err(stop(session, FindingKind::Journal, "it has rows and no head"));
        };
        if head.is_erased {
            return self.look_at_remains(session, key, verified).await;
        }
        let snapshot = snapshots::read(&mut self.connection, session).await;
        if let Some(snapshot) = snapshot.map_err(Stopped::Unread)? {
            refold.kept(snapshot);
        }
        self.tables.clear(&mut self.scratch).await?;
        self.rebuild(session, &head, refold, verified).await?;
        let differences = self
            .tables
            .differences(&mut self.connection, &mut self.scratch, key)
            .await?;
        let differences = differences.into_iter();
        verified
            .findings
            .extend(differences.map(|detail| finding(session, FindingKind::ReadModel, detail)));
        let assets = sqlx::query("SELECT url, size_bytes FROM media_assets WHERE session_id = ?1")
            .bind(key.blob())
            .fetch_all(&mut self.connection)
            .await?;
        for asset in &assets {
            verified.assets.push(VerifiedAsset {
                url: asset.try_get("url")?,
                size_bytes: u64::try_from(asset.try_get::<i64, _>("size_bytes")?).unwrap_or(0),
            });
        }
        Ok(())
    }

    /// Of an erased session nothing is left, or its events until they are removed too.
    async fn look_at_remains(
        &mut self,
        session: SessionId,
        key: Key,
        verified: &mut Verified,
    ) -> Result<(), Stopped> {
        let is_unfinished: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM erasures WHERE session_id = ?1)")
                .bind(key.blob())
                .fetch_one(&mut self.connection)
                .await?;
        verified.end = if is_unfinished {
            SessionEnd::Unfinished
        } else {
            SessionEnd::Erased
        };
        for table in self.tables.with_rows_of(&mut self.connection, key).await? {
            if !(is_unfinished && table == tables::EVENTS) {
                let detail = format!("it was erased and has rows in {table}");
                verified
                    .findings
                    .push(finding(session, FindingKind::Tombstone, detail));
            }
        }
        Ok(())
    }

    /// Reads all rows of a session, folds them, and rebuilds its read models.
    async fn rebuild(
        &mut self,
        session: SessionId,
        head: &Head,
        refold: &mut dyn Refold,
        verified: &mut Verified,
    ) -> Result<(), Stopped> {
        let Self {
            connection, scratch, ..
        } = self;
        let mut rows = sqlx::query(
            "SELECT seq, epoch, type, created_at, data, private, schema_version FROM events \
             WHERE session_id = ?1 ORDER BY seq",
        )
        .bind(Key::new(session.ulid()).blob())
        .fetch(connection);
        let mut lot = Lot::default();
        let mut seq = Seq::ZERO;
        while let Some(row) = rows.try_next().await? {
            let epoch: i64 = row.try_get("epoch")?;
            let fact = stored_row(session, &row).and_then(stored_fact);
            let fact = fact.map_err(Stopped::Unread)?;
            if fact.frame.seq != seq.next() {
                let detail = format!("event {} follows event {seq}", fact.frame.seq);
                return Err(stop(session, FindingKind::Journal, detail));
            }
            seq = fact.frame.seq;
            verified.events += 1;
            if epoch < lot.epoch || epoch > head.epoch {
                let detail = format!(
                    "event {seq} has epoch {epoch}, after {} and of {}",
                    lot.epoch, head.epoch
                );
                verified
                    .findings
                    .push(finding(session, FindingKind::Journal, detail));
            }
            if epoch != lot.epoch || lot.entries.len() >= REBUILT_FACTS_MAX {
                lot.write(session, scratch, refold).await?;
                lot.epoch = epoch;
            }
            refold.fold(&fact).map_err(Stopped::At)?;
            let StoredFact { frame, fact } = fact;
            lot.entries.push(Entry { fact, frame });
        }
        lot.write(session, scratch, refold).await?;
        if i64::try_from(seq.0) != Ok(head.seq) {
            let detail = format!("its head is {} and its last event {seq}", head.seq);
            return Err(stop(session, FindingKind::Journal, detail));
        }
        Ok(())
    }
}

/// Facts of one epoch: what was appended together was of one, and the read models follow from it together.
#[derive(Default)]
struct Lot {
    epoch: i64,
    entries: Vec<Entry>,
}

impl Lot {
    async fn write(
        &mut self,
        session: SessionId,
        scratch: &mut SqliteConnection,
        refold: &mut dyn Refold,
    ) -> Result<(), Stopped> {
        let entries = std::mem::take(&mut self.entries);
        if entries.is_empty() {
            return Ok(());
        }
        let append = Append {
            tenant: TenantId::default(),
            session_id: session,
            epoch: Epoch(self.epoch.unsigned_abs()),
            entries,
            summary: refold.summary().await.map_err(Stopped::At)?,
        };
        let unbuildable = |reason| {
            stop(
                session,
                FindingKind::ReadModel,
                format!("it cannot be rebuilt: {reason}"),
            )
        };
        let projection = Projection::new(&append).map_err(|defect| unbuildable(defect.to_string()))?;
        let staged = transaction::stage_projections(scratch, &projection.iter().collect::<Vec<_>>()).await;
        staged.map_err(|error| match Fault::of(&error) {
            Fault::Refused(reason) => unbuildable(reason),
            Fault::Unavailable(_) => error.into(),
        })
    }
}

impl Head {
    fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            epoch: row.try_get("epoch")?,
            seq: row.try_get("head")?,
            is_erased: row.try_get("tombstone")?,
        })
    }
}

fn finding(session: SessionId, kind: FindingKind, detail: impl Into<String>) -> Finding {
    Finding {
        session_id: Some(session),
        kind,
        detail: detail.into(),
    }
}

fn stop(session: SessionId, kind: FindingKind, detail: impl Into<String>) -> Stopped {
    Stopped::At(finding(session, kind, detail))
}

async fn run(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(statement).execute(connection).await.map(|_| ())
}
