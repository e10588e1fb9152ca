//! The operator's socket: HTTP and JSON on a Unix socket that only the server's own user may open; and its client.

mod arguments;
mod client;
mod controls;
#[cfg(debug_assertions)]
mod faults;
mod overview;
mod peer;
mod question;
mod readable;
mod reason;
mod routes;
mod sessions;
mod socket;
pub mod table;

pub use arguments::AdminArgs;
pub use client::{AskError, ask, get};
pub use socket::{AdminSocket, AdminSocketError};
