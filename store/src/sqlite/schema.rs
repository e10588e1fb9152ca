//! The schema's versions: migrated forward at start, never back, and never past what this release knows.

use std::borrow::Cow;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnection;

use super::StoreOpenError;

/// Version, description and text of every migration, oldest first. One that was released is never changed.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (
        1,
        "journal and read models",
        include_str!("../../../migrations/sqlite/0001_journal_and_read_models.sql"),
    ),
    (
        3,
        "snapshots",
        include_str!("../../../migrations/sqlite/0003_snapshots.sql"),
    ),
];

/// The database's version, if this release can use it.
pub async fn usable_version(connection: &mut SqliteConnection) -> Result<i64, StoreOpenError> {
    let known = MIGRATIONS.last().map_or(0, |(version, _, _)| *version);
    let found = applied_version(connection)
        .await
        .map_err(StoreOpenError::Database)?;
    if found > known {
        return Err(StoreOpenError::SchemaNewer { found, known });
    }
    Ok(found)
}

/// Brings the database to the newest schema.
pub async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreOpenError> {
    usable_version(connection).await?;
    let migrations = MIGRATIONS
        .iter()
        .map(|(version, description, text)| {
            let simple = MigrationType::Simple;
            Migration::new(
                *version,
                Cow::Borrowed(description),
                simple,
                text.into_sql_str(),
                false,
            )
        })
        .collect();
    // `run` takes anything that a connection can be got from, in a way that keeps the caller from being `Send`.
    Migrator::with_migrations(migrations)
        .run_direct(None, connection, false)
        .await
        .map_err(StoreOpenError::Migration)
}

/// The newest version that was applied; zero for a database that is new.
async fn applied_version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let migrated: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')")
            .fetch_one(&mut *connection)
            .await?;
    if !migrated {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
        .fetch_one(connection)
        .await
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;

    #[test]
    fn every_file_is_a_migration() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/sqlite");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let listed: Vec<String> = MIGRATIONS
            .iter()
            .map(|(version, description, _)| format!("{version:04}_{}.sql", description.replace(' ', "_")))
            .collect();
        assert_eq!(files, listed);
    }
}
