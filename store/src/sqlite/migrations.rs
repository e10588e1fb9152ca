//! Migrations: forward at start, never back, and never past what this release knows.

use std::borrow::Cow;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnection;

use super::StoreOpenError;

/// Version, description and text of every migration of one database, oldest first. One that was released is never
/// changed.
#[derive(Debug, Clone, Copy)]
pub struct Migrations(pub &'static [(i64, &'static str, &'static str)]);

impl Migrations {
    /// The database's version, if this release can use it.
    pub async fn usable_version(self, connection: &mut SqliteConnection) -> Result<i64, StoreOpenError> {
        let known = self.0.last().map_or(0, |(version, _, _)| *version);
        let found = applied_version(connection)
            .await
            .map_err(StoreOpenError::Database)?;
        if found > known {
            return Err(StoreOpenError::SchemaNewer { found, known });
        }
        Ok(found)
    }

    /// Brings the database to the newest schema.
    pub async fn apply(self, connection: &mut SqliteConnection) -> Result<(), StoreOpenError> {
        self.usable_version(connection).await?;
        let migrations = self
            .0
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

    /// The files that these migrations are read from.
    #[cfg(test)]
    pub fn files(self) -> Vec<String> {
        self.0
            .iter()
            .map(|(version, description, _)| format!("{version:04}_{}.sql", description.replace(' ', "_")))
            .collect()
    }
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

/// The migrations that lie in a folder of the workspace.
#[cfg(test)]
pub fn files_in(folder: &str) -> Vec<String> {
    let folder = format!("{}/../migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    files
}
