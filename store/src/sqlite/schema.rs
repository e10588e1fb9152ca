//! The schema's versions: migrated forward at start, never back, and never past what this release knows.

use sqlx::sqlite::SqliteConnection;

use super::StoreOpenError;
use super::migrations::Migrations;

/// Version, description and text of every migration, oldest first. One that was released is never changed.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (
        1,
        "journal and read models",
        include_str!("../../../migrations/sqlite/0001_journal_and_read_models.sql"),
    ),
    (
        2,
        "operations",
        include_str!("../../../migrations/sqlite/0002_operations.sql"),
    ),
    (
        3,
        "snapshots",
        include_str!("../../../migrations/sqlite/0003_snapshots.sql"),
    ),
    (
        4,
        "erasure",
        include_str!("../../../migrations/sqlite/0004_erasure.sql"),
    ),
];

/// The database's version, if this release can use it.
pub async fn usable_version(connection: &mut SqliteConnection) -> Result<i64, StoreOpenError> {
    Migrations(MIGRATIONS).usable_version(connection).await
}

/// Whether the database has the newest schema.
pub async fn require_newest(connection: &mut SqliteConnection) -> Result<(), StoreOpenError> {
    let known = MIGRATIONS.last().map_or(0, |(version, _, _)| *version);
    let found = usable_version(connection).await?;
    if found < known {
        return Err(StoreOpenError::SchemaOlder { found, known });
    }
    Ok(())
}

/// Brings the database to the newest schema.
pub async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreOpenError> {
    Migrations(MIGRATIONS).apply(connection).await
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;
    use crate::sqlite::migrations::{Migrations, files_in};

    #[test]
    fn every_file_is_a_migration() {
        assert_eq!(files_in("sqlite"), Migrations(MIGRATIONS).files());
    }
}
