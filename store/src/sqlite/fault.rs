//! What an error of sqlx means for who asked: the one place where they are mapped.

use greenroom_session::ports::ReadError;

/// What went wrong with a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The database is well and refuses what it was given; giving it again is no use.
    Refused(String),
    /// The database cannot take anything now: busy, full, unreadable, gone.
    Unavailable(String),
}

/// SQLite's primary result codes that are about the database or the disk and not about what was written
/// (<https://sqlite.org/rescode.html>).
mod code {
    pub const PERM: i32 = 3;
    pub const BUSY: i32 = 5;
    pub const LOCKED: i32 = 6;
    pub const NOMEM: i32 = 7;
    pub const READONLY: i32 = 8;
    pub const INTERRUPT: i32 = 9;
    pub const IOERR: i32 = 10;
    pub const CORRUPT: i32 = 11;
    pub const FULL: i32 = 13;
    pub const CANTOPEN: i32 = 14;
    pub const PROTOCOL: i32 = 15;
    pub const AUTH: i32 = 23;
    pub const NOTADB: i32 = 26;
}

impl Fault {
    /// What an error while writing means.
    pub fn of(error: &sqlx::Error) -> Self {
        let reason = error.to_string();
        match error {
            sqlx::Error::Database(_) => match primary_code(error) {
                Some(
                    code::PERM
                    | code::BUSY
                    | code::LOCKED
                    | code::NOMEM
                    | code::READONLY
                    | code::INTERRUPT
                    | code::IOERR
                    | code::CORRUPT
                    | code::FULL
                    | code::CANTOPEN
                    | code::PROTOCOL
                    | code::AUTH
                    | code::NOTADB,
                ) => Self::Unavailable(reason),
                Some(_) | None => Self::Refused(reason),
            },
            sqlx::Error::Encode(_) | sqlx::Error::InvalidArgument(_) => Self::Refused(reason),
            _ => Self::Unavailable(reason),
        }
    }
}

/// What an error while reading means.
pub fn read_error(error: &sqlx::Error) -> ReadError {
    let damaged = match error {
        sqlx::Error::Database(_) => matches!(primary_code(error), Some(code::CORRUPT | code::NOTADB)),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::TypeNotFound { .. } => true,
        _ => false,
    };
    if damaged {
        ReadError::Damaged(error.to_string())
    } else {
        ReadError::Unavailable(error.to_string())
    }
}

/// The low byte of the extended code that sqlx reports.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}
