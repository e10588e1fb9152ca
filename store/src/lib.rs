//! The journal, its read models and the blobs, on SQLite and the local disk.
//!
//! [`SqliteStore`] hands out the ports `Journal` and `ReadModels`, [`LocalBlobs`] is the port `Blobs`. Nothing
//! here decides anything: what is appended is stored as it is, and the read models follow from the facts.

mod blobs;
mod folder;
mod operator;
mod sqlite;

pub use blobs::LocalBlobs;
pub use operator::{Act, AuditEntry, Operator, OperatorStore, OperatorStoreError, SetLimit};
pub use sqlite::{
    CopyError, DataDirState, Finding, FindingKind, Refold, SessionEnd, SqliteStore, StoreConfig,
    StoreOpenError, Verified, VerifiedAsset, Verifier, copy_database, inspect,
};
