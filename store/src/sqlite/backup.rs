//! A copy of a database as it is at one moment, while others go on writing.

use std::io;
use std::path::{Path, PathBuf};

use sqlx::{ConnectOptions as _, Connection as _};

use super::data_dir::DataDirHold;
use super::looking_options;

/// Why a database was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// SQLite cannot read it, or cannot write the copy.
    #[error("{}: {source}", database.display())]
    Database {
        /// Which.
        database: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// The copy cannot be made durable.
    #[error("{}: {source}", copy.display())]
    Copy {
        /// Which.
        copy: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Copies a database of a data directory to a file that must not be there yet; durable when it returns. The copy has no
/// free pages, so nothing that was erased is in it, and no log beside it.
pub async fn copy_database(data_dir: &Path, file: &str, to: &Path) -> Result<(), CopyError> {
    let database = data_dir.join(file);
    let hold = DataDirHold::take(data_dir).map_err(|source| CopyError::Copy {
        copy: to.to_owned(),
        source,
    })?;
    let copied = async {
        let mut connection = looking_options(&database, &hold).connect().await?;
        sqlx::query("VACUUM INTO ?1")
            .bind(to.to_string_lossy().into_owned())
            .execute(&mut connection)
            .await?;
        connection.close().await
    };
    copied
        .await
        .map_err(|source| CopyError::Database { database, source })?;
    // SQLite does not wait for the disk when it writes a copy.
    let durable = std::fs::File::open(to).and_then(|copy| copy.sync_all());
    durable.map_err(|source| CopyError::Copy {
        copy: to.to_owned(),
        source,
    })
}
