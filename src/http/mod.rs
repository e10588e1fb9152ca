//! HTTP: routes that turn words on the wire into commands and answers into words, and decide nothing.

mod access;
mod asker;
mod assets;
#[cfg(test)]
#[path = "../../build/comments.rs"]
mod comments;
mod documents;
mod edge;
mod events;
mod export;
mod extract;
mod failure;
mod health;
mod jobs;
mod listen;
mod object;
mod package;
mod pages;
mod playbook;
mod recording_form;
mod recording_refusals;
mod recordings;
mod router;
mod run_end;
mod runs;
mod schemas;
mod sessions;
mod slots;
mod sse;
#[cfg(test)]
mod tests;
mod turn;
mod turns;
mod voice;
mod wire;

pub use access::Access;
pub use asker::Asker;
pub use documents::Documents;
pub use edge::RequestId;
pub use events::{EventsPage, page as events_page, parse_event_id};
pub use extract::{InBody, InOptionalBody, InPath, InQuery, ListQuery};
pub use failure::{Failure, render};
pub use greenroom_actors::outside::send;
pub use health::ProviderHealth;
pub use listen::{Peer, WriteProgress, serve};
pub use router::router;
pub use turn::{TurnEvents, gather_within};
pub use wire::{JobDocument, ListDocument};
