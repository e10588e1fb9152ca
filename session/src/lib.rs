//! The pure core of Greenroom: what a session is, what it decides, and what ought to be under way.
//!
//! Sans I/O: time and ids come in as arguments; what is read and written goes through the traits in [`ports`].

mod brief;
mod fact;
pub mod playbook;
pub mod ports;

pub use brief::{Brief, Slot};
pub use fact::{
    Breach, CallCost, CallRecord, CommandRecord, Fact, Private, Usage, UserKey, UserKeyError,
};
