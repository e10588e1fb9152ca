//! The fault harness: a server and a simulator as processes of their own, many people in every state, and a seeded
//! script of everything that can go wrong. `docs/faults.md` says what is tried, and how to replay a seed.
//!
//! [`plan`] draws what happens when; [`people`] live through it; [`stagehand`] makes it happen; [`rest`] waits until
//! everything has come to rest; [`inspection`] then looks for whatever must never be.

pub(crate) mod arguments;
mod database;
mod finding;
mod inspection;
mod options;
mod people;
mod plan;
mod report;
mod rest;
mod rolling;
mod stagehand;
mod trial;

pub use finding::Finding;
pub use options::FaultsOptions;
pub use plan::{Happening, Plan, Trouble};
pub use report::FaultsReport;
pub use rolling::rolling;
pub use trial::faults;
