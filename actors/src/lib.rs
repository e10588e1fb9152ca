//! The actors: supervisor, sessions, agents, and the directory that reaches them.
//!
//! The session actor decides, the journal makes it true, and only then is anyone told and anything started.
//! Everything outside is reached through the traits in [`greenroom_session::ports`]: no vendor and no database
//! has a name here.

mod activity;
mod agent;
mod config;
mod cursor;
mod directory;
mod erasing;
mod greenroom;
mod observe;
mod operating;
pub mod outside;
mod playbooks;
#[cfg(debug_assertions)]
mod provoke;
mod recovery;
mod registry;
mod reply;
mod restart_limit;
mod ring;
mod session;
mod sessions;
mod shared;
mod sweeping;
pub mod voice;

pub use activity::SessionActivity;
#[cfg(debug_assertions)]
pub use config::Faults;
pub use config::{ActorsConfig, Ports};
pub use cursor::Cursor;
pub use directory::{CreateSession, Directory};
pub use greenroom::{Greenroom, StartError};
pub use operating::Restart;
pub use playbooks::{PlaybookLibrary, PlaybookUnavailable};
#[cfg(debug_assertions)]
pub use provoke::SessionFault;
pub use reply::Refused;
pub use session::{ActorSnapshot, ChildSnapshot, StageSnapshot};
