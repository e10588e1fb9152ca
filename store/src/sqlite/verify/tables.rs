//! The tables of the read models, and how the rows of a session differ between two databases.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::super::prepared::Key;

/// The journal itself.
pub const EVENTS: &str = "events";
/// Every table with rows of a session that are its read models, and how those are found.
const READ_MODELS: [(&str, &str); 9] = [
    ("sessions", BY_SESSION),
    ("messages", BY_SESSION),
    ("brief_slots", BY_SESSION),
    ("runs", BY_SESSION),
    ("run_waivers", BY_SESSION),
    (
        "run_outputs",
        "run_id IN (SELECT run_id FROM runs WHERE session_id = ?1)",
    ),
    ("media_assets", BY_SESSION),
    ("jobs", BY_SESSION),
    ("usage", BY_SESSION),
];
/// Tables that have no rows of an erased session either.
const OTHERS: [&str; 2] = [EVENTS, "snapshots"];
const BY_SESSION: &str = "session_id = ?1";
/// When a session wakes depends on when that was written; whether it does, on its facts alone.
const WAKE_AT: &str = "wake_at";

/// The read models, as the newest schema has them.
#[derive(Debug)]
pub struct Tables(Vec<Table>);

#[derive(Debug)]
struct Table {
    name: &'static str,
    columns: Vec<String>,
    /// Reads the key of each row of a session, then its columns, each as SQL writes its value.
    rows: String,
    keys: usize,
}

/// The rows of a table by their keys.
type Rows = BTreeMap<Vec<String>, Vec<String>>;

impl Tables {
    /// Of a database with the newest schema.
    pub async fn of(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let mut tables = Vec::new();
        for (name, condition) in READ_MODELS {
            let described = AssertSqlSafe(format!(
                "SELECT name, pk FROM pragma_table_info('{name}') ORDER BY cid"
            ));
            let described = sqlx::query(described).fetch_all(&mut *connection).await?;
            let mut columns = Vec::new();
            let mut keys = Vec::new();
            for column in &described {
                let name: String = column.try_get("name")?;
                if column.try_get::<i64, _>("pk")? > 0 {
                    keys.push(format!("quote({name})"));
                }
                columns.push(name);
            }
            let values = columns.iter().map(|column| match column.as_str() {
                WAKE_AT => format!("quote({WAKE_AT} IS NULL)"),
                column => format!("quote({column})"),
            });
            let all: Vec<String> = keys.iter().cloned().chain(values).collect();
            tables.push(Table {
                name,
                rows: format!("SELECT {} FROM {name} WHERE {condition}", all.join(", ")),
                columns,
                keys: keys.len(),
            });
        }
        Ok(Self(tables))
    }

    /// Empties all of them.
    pub async fn clear(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for table in &self.0 {
            let cleared = AssertSqlSafe(format!("DELETE FROM {}", table.name));
            sqlx::query(cleared).execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// How the rows of a session differ from those that it ought to have.
    pub async fn differences(
        &self,
        found: &mut SqliteConnection,
        expected: &mut SqliteConnection,
        session: Key,
    ) -> Result<Vec<String>, sqlx::Error> {
        let mut differences = Vec::new();
        for table in &self.0 {
            let found = table.rows_of(&mut *found, session).await?;
            let expected = table.rows_of(&mut *expected, session).await?;
            table.compare(&found, &expected, &mut differences);
        }
        Ok(differences)
    }

    /// The tables that have rows of a session.
    pub async fn with_rows_of(
        &self,
        connection: &mut SqliteConnection,
        session: Key,
    ) -> Result<Vec<&'static str>, sqlx::Error> {
        let read_models = READ_MODELS.iter().copied();
        let mut with_rows = Vec::new();
        for (name, condition) in read_models.chain(OTHERS.map(|name| (name, BY_SESSION))) {
            let asked = AssertSqlSafe(format!("SELECT EXISTS (SELECT 1 FROM {name} WHERE {condition})"));
            let has_rows: bool = sqlx::query_scalar(asked)
                .bind(session.blob())
                .fetch_one(&mut *connection)
                .await?;
            if has_rows {
                with_rows.push(name);
            }
        }
        Ok(with_rows)
    }
}

impl Table {
    async fn rows_of(&self, connection: &mut SqliteConnection, session: Key) -> Result<Rows, sqlx::Error> {
        let rows = sqlx::query(AssertSqlSafe(self.rows.clone()))
            .bind(session.blob())
            .fetch_all(connection)
            .await?;
        rows.iter()
            .map(|row| {
                let mut key: Vec<String> = (0..row.len())
                    .map(|index| row.try_get(index))
                    .collect::<Result<_, _>>()?;
                let values = key.split_off(self.keys);
                Ok((key, values))
            })
            .collect()
    }

    /// Tells by table, key and column, never by what is in it.
    fn compare(&self, found: &Rows, expected: &Rows, differences: &mut Vec<String>) {
        for (key, values) in expected {
            let place = format!("{} {}", self.name, key.join(" "));
            let Some(found) = found.get(key) else {
                differences.push(format!("{place} is missing"));
                continue;
            };
            let columns = self.columns.iter().zip(values.iter().zip(found));
            let differing: Vec<&str> = columns
                .filter(|(_, (expected, found))| expected != found)
                .map(|(column, _)| column.as_str())
                .collect();
            if !differing.is_empty() {
                differences.push(format!(
                    "{place} is not what the journal says: {}",
                    differing.join(", ")
                ));
            }
        }
        let surplus = found.keys().filter(|key| !expected.contains_key(*key));
        differences
            .extend(surplus.map(|key| format!("{} {} follows from no event", self.name, key.join(" "))));
    }
}
