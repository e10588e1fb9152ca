//! Multi-row statements whose text depends on nothing but a power of two, so that each is prepared once.

use std::sync::{Arc, OnceLock};

use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments as _, AssertSqlSafe};

/// Statements of 1, 2, 4, … rows.
const SIZES: usize = 9;
/// Rows of the largest statement: enough that a batch needs a handful of them, few enough that the widest table
/// stays below SQLite's limit on variables.
const ROWS_MAX: usize = 1 << (SIZES - 1);
/// SQLite's default `SQLITE_MAX_VARIABLE_NUMBER`.
const VARIABLES_MAX: usize = 32_766;

/// A statement around a list of rows: `head (?, ?), (?, ?) tail`.
pub struct Shape {
    head: &'static str,
    columns: usize,
    tail: &'static str,
    texts: [OnceLock<Arc<str>>; SIZES],
}

/// A row of the list.
pub trait Row {
    /// The statement that takes it.
    fn shape() -> &'static Shape;

    /// Binds as many values as the shape has columns.
    fn bind(&self, arguments: &mut SqliteArguments) -> Result<(), BoxDynError>;
}

impl Shape {
    /// A statement of `columns` values a row.
    pub const fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        assert!(
            columns * ROWS_MAX <= VARIABLES_MAX,
            "the widest statement has more variables than SQLite takes"
        );
        Self {
            head,
            columns,
            tail,
            texts: [const { OnceLock::new() }; SIZES],
        }
    }

    /// The statement for two to the power of so many rows.
    pub(super) fn text(&self, power: usize) -> Arc<str> {
        let build = || {
            let row = format!("({})", vec!["?"; self.columns].join(", "));
            let rows = vec![row; 1 << power].join(", ");
            format!("{} {rows} {}", self.head, self.tail).into()
        };
        self.texts[power].get_or_init(build).clone()
    }
}

/// Runs the rows' statement over all of them, in order; returns how many rows of the table it touched.
pub async fn execute<'r, R: Row + 'r>(
    connection: &mut SqliteConnection,
    rows: impl IntoIterator<Item = &'r R>,
) -> Result<u64, sqlx::Error> {
    let rows: Vec<&R> = rows.into_iter().collect();
    let shape = R::shape();
    let mut touched = 0;
    let mut rest = rows.as_slice();
    while let Some(power) = rest.len().checked_ilog2() {
        let power = (power as usize).min(SIZES - 1);
        let (chunk, others) = rest.split_at(1 << power);
        let mut arguments = SqliteArguments::default();
        arguments.reserve(chunk.len() * shape.columns, 0);
        for row in chunk {
            row.bind(&mut arguments).map_err(sqlx::Error::Encode)?;
        }
        let query = sqlx::query_with(AssertSqlSafe(shape.text(power)), arguments);
        touched += query.execute(&mut *connection).await?.rows_affected();
        rest = others;
    }
    Ok(touched)
}
