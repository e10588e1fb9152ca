//! A playbook's files as one document: what is kept as a blob, and what a session is pinned to.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The format that this server writes. Raised whenever the meaning of a playbook's files changes, so that
/// [`Bundle::from_json`] can bring bundles of older sessions up to date.
const FORMAT: u32 = 1;

/// The folder of a playbook's scenarios. They test a playbook and are no part of it: an edited one changes no hash.
pub const SCENARIOS_FOLDER: &str = "scenarios/";

/// A playbook's files by name relative to its folder (`playbook.toml`, `prompts/research.md`, …).
/// The bundle as JSON is what is kept as a blob, and its SHA-256 pins a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// Text of each file.
    pub files: BTreeMap<String, String>,
}

/// Why a stored bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It is not a bundle.
    #[error("the stored playbook is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    /// Its format is not one that this server knows; a newer server wrote it.
    #[error("the stored playbook has format {format}, this server reads up to {FORMAT}; run a newer server")]
    UnknownFormat {
        /// The format that it claims.
        format: u32,
    },
}

/// The canonical form: files sorted by name, no white space, scenarios left out.
#[derive(Serialize)]
struct Stored<'a> {
    format: u32,
    files: BTreeMap<&'a str, &'a str>,
}

/// What every format has in common.
#[derive(Deserialize)]
struct Header {
    format: u32,
}

impl Bundle {
    /// The bundle as canonical JSON: `{"format":1,"files":{…}}`, files sorted by name. Scenarios are left out.
    pub fn to_json(&self) -> String {
        let files = self
            .files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()));
        let stored = Stored {
            format: FORMAT,
            files: files
                .filter(|(name, _)| !name.starts_with(SCENARIOS_FOLDER))
                .collect(),
        };
        serde_json::to_string(&stored).expect("a map of texts is always JSON")
    }

    /// Reads what [`Bundle::to_json`] of this or an older server wrote.
    pub fn from_json(json: &str) -> Result<Self, BundleError> {
        let Header { format } = serde_json::from_str(json)?;
        match format {
            FORMAT => Ok(serde_json::from_str(json)?),
            format => Err(BundleError::UnknownFormat { format }),
        }
    }

    /// SHA-256 of [`Bundle::to_json`], hexadecimal.
    pub fn hash(&self) -> String {
        Sha256::digest(self.to_json())
            .iter()
            .fold(String::with_capacity(64), |mut hex, byte| {
                write!(hex, "{byte:02x}").expect("writing to a string never fails");
                hex
            })
    }
}
