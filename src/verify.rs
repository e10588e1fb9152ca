//! `greenroom verify`: does what is stored agree with itself? Reads the journal, folds every session, rebuilds its read
//! models, and looks for the blobs that events name. Changes nothing, and works beside a running server.

mod refolding;
mod report;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use greenroom_actors::PlaybookLibrary;
use greenroom_protocol::SessionId;
use greenroom_session::blob_names::{BlobKeeper, blob_at, keeper_of, playbook_blob};
use greenroom_session::playbook::Playbook;
use greenroom_session::ports::{BlobError, Blobs, ReadError};
use greenroom_store::{
    Finding, FindingKind, LocalBlobs, SessionEnd, StoreOpenError, Verified, VerifiedAsset, Verifier,
};

use crate::cli::VerifyArgs;
use refolding::Refolding;
pub use report::Report;

/// Findings that are kept: whoever has more has one problem.
const FINDINGS_MAX: usize = 1_000;

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] StoreOpenError),
    /// The database cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The blobs cannot be read.
    #[error("the blobs cannot be read: {0}")]
    Blobs(#[from] BlobError),
}

/// Verifies, prints what was found, and answers with 0 if that is nothing, with 1 if there are findings, and with 2 if
/// nothing can be said.
pub async fn run(args: &VerifyArgs) -> ExitCode {
    /// As `playbook validate` answers to what it cannot read.
    const UNREADABLE: u8 = 2;
    match verify(&args.data_dir).await {
        Ok(report) => {
            if args.json {
                println!("{:#}", report.to_json());
            } else {
                print!("{}", report.to_text(&args.data_dir));
            }
            if report.findings.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("greenroom: {error}");
            ExitCode::from(UNREADABLE)
        }
    }
}

/// Looks at a data directory.
pub async fn verify(data_dir: &Path) -> Result<Report, VerifyError> {
    let blobs_folder = data_dir.join("blobs");
    let verifier = Verifier::open(data_dir).await?;
    let blobs: Arc<dyn Blobs> = Arc::new(LocalBlobs::open_to_read(blobs_folder.clone()).await?);
    let mut verification = Verification {
        verifier,
        // No playbook of this server's own: each is read as sessions are pinned to it.
        library: Arc::new(PlaybookLibrary::new("", Vec::new(), Arc::clone(&blobs))),
        blobs,
        blobs_folder,
        pinned: HashMap::new(),
        report: Report::default(),
    };
    match verification.look().await {
        Ok(()) => {}
        // Behind it nothing can be read; what was found before it counts.
        Err(VerifyError::Read(ReadError::Damaged(reason))) => verification.found([Finding {
            session_id: None,
            kind: FindingKind::Database,
            detail: format!("it cannot be read any further: {reason}"),
        }]),
        Err(error) => return Err(error),
    }
    Ok(verification.report)
}

/// A data directory that is being looked at.
struct Verification {
    verifier: Verifier,
    library: Arc<PlaybookLibrary>,
    blobs: Arc<dyn Blobs>,
    blobs_folder: PathBuf,
    /// Playbooks that sessions are pinned to, kept so that each is read once; none of one that cannot be read.
    pinned: HashMap<String, Option<Arc<Playbook>>>,
    report: Report,
}

impl Verification {
    async fn look(&mut self) -> Result<(), VerifyError> {
        let findings = self.verifier.database().await?;
        self.found(findings);
        let mut after = None;
        while let Some(session) = self.verifier.next_session(after).await? {
            self.session(session).await?;
            after = Some(session);
        }
        self.blobs().await
    }

    fn found(&mut self, findings: impl IntoIterator<Item = Finding>) {
        let room = FINDINGS_MAX.saturating_sub(self.report.findings.len());
        self.report.findings.extend(findings.into_iter().take(room));
    }

    async fn session(&mut self, session: SessionId) -> Result<(), VerifyError> {
        let mut refolding = Refolding::new(session, Arc::clone(&self.library));
        let Verified {
            findings,
            events,
            end,
            assets,
        } = self.verifier.session(session, &mut refolding).await?;
        let counts = &mut self.report.counts;
        counts.events += events;
        match end {
            SessionEnd::Present => counts.sessions += 1,
            SessionEnd::Erased => counts.erased += 1,
            SessionEnd::Unfinished => counts.unfinished_erasures += 1,
        }
        counts.snapshots += u64::from(refolding.has_compared());
        self.pinned.extend(refolding.playbook());
        let findings = findings.into_iter().chain(refolding.into_findings());
        self.found(findings);
        for asset in assets {
            self.asset(session, &asset).await?;
        }
        Ok(())
    }

    /// What an event names is there, whole.
    async fn asset(&mut self, session: SessionId, asset: &VerifiedAsset) -> Result<(), VerifyError> {
        self.report.counts.assets += 1;
        let Some(blob) = blob_at(&asset.url) else {
            return Ok(());
        };
        let size_bytes = self.size_bytes(&blob).await?;
        if size_bytes == Some(asset.size_bytes) {
            return Ok(());
        }
        // It may have been erased since its event was read.
        if !self.verifier.is_named(&asset.url).await? {
            return Ok(());
        }
        let detail = match size_bytes {
            None => format!("the blob {blob} is missing"),
            Some(size_bytes) => format!(
                "the blob {blob} has {size_bytes} bytes where its event says {}",
                asset.size_bytes
            ),
        };
        self.found([Finding {
            session_id: Some(session),
            kind: FindingKind::Blob,
            detail,
        }]);
        Ok(())
    }

    async fn size_bytes(&self, blob: &str) -> Result<Option<u64>, VerifyError> {
        match tokio::fs::metadata(self.blobs_folder.join(blob)).await {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BlobError::Unavailable(error.to_string()).into()),
        }
    }

    /// Playbooks that sessions need, and what nothing needs: that is swept by the server in its time, and no finding.
    async fn blobs(&mut self) -> Result<(), VerifyError> {
        for hash in self.pinned.keys() {
            let blob = playbook_blob(hash);
            if self.size_bytes(&blob).await?.is_none() {
                self.report.findings.push(Finding {
                    session_id: None,
                    kind: FindingKind::Blob,
                    detail: format!("the blob {blob}, a playbook that sessions are pinned to, is missing"),
                });
            }
        }
        let mut blobs = self.blobs.list("");
        while let Some(blob) = blobs.try_next().await? {
            self.report.counts.blobs += 1;
            let is_kept = match keeper_of(&blob.name) {
                BlobKeeper::Event { url } => self.verifier.is_named(&url).await?,
                BlobKeeper::Session(session) => self.verifier.is_present(session).await?,
                // A server keeps those that it offers, too.
                BlobKeeper::Playbook { .. } | BlobKeeper::Server => true,
                BlobKeeper::Unknown => {
                    self.report.counts.unknown_blobs += 1;
                    true
                }
            };
            self.report.counts.orphaned_blobs += u64::from(!is_kept);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use greenroom_store::{SqliteStore, StoreConfig};

    use super::*;

    #[tokio::test]
    async fn a_file_with_broken_pages_is_a_finding() {
        const PAGE_BYTES: usize = 4_096;
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(StoreConfig::new(dir.path())).await.unwrap();
        LocalBlobs::open(dir.path().join("blobs")).await.unwrap();
        store.close().await;
        assert!(verify(dir.path()).await.unwrap().findings.is_empty());

        let path = dir.path().join("greenroom.sqlite");
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        // Behind what tells the schema's version: the journal's tables, where they begin.
        for page in 3..10 {
            file.write_all_at(&[0xff; PAGE_BYTES], page * PAGE_BYTES as u64)
                .unwrap();
        }
        let report = verify(dir.path()).await.unwrap();
        let kinds: Vec<FindingKind> = report.findings.iter().map(|finding| finding.kind).collect();
        assert!(kinds.contains(&FindingKind::Database), "{:?}", report.findings);
        assert_eq!(report.to_json()["status"], "damaged");
    }
}
