//! The operator's socket: HTTP and JSON on a Unix socket that only the server's own user may open; and its client.

mod client;
#[cfg(debug_assertions)]
mod faults;
mod routes;
mod socket;
pub mod table;

pub use client::{AskError, ask, get};
pub use socket::{AdminSocket, AdminSocketError};
