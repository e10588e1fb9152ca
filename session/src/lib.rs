//! The pure core of Greenroom: what a session is, what it decides, and what ought to be under way.
//!
//! Sans I/O: time and ids come in as arguments; what is read and written goes through the traits in [`ports`].

mod agent;
pub mod blob_names;
mod brief;
mod command;
mod decide;
mod evolve;
pub mod extractor;
mod fact;
mod gate;
mod moderation;
pub mod partial_json;
pub mod planner;
pub mod playbook;
pub mod ports;
pub mod scenario;
pub mod schema;
mod slot_value;
pub mod snapshot;
pub mod speaking;
pub mod stage;
pub mod state;
pub mod support;
mod view;

pub use agent::{
    AgentOutput, AgentReader, AgentReport, AgentStep, AgentTask, Due, DueCall, ModelTask, ModerationTask,
    ProposedSlot, Stamp, agent_task, due,
};
pub use brief::{Brief, Slot};
pub use command::{
    Answer, Caller, Command, CommandKind, HeardPart, KeptRecording, OutsideCall, Receipt, Settlement,
    SlotEdit, Spoken,
};
pub use decide::{Context, Decision, Input, JobLimits, NewSession, create, decide};
pub use evolve::FoldError;
pub use fact::{
    Breach, CallCost, CallRecord, Checked, CommandRecord, Fact, Held, Private, Usage, UserKey, UserKeyError,
};
pub use gate::gate;
pub use state::State;
pub use view::{SessionView, brief_slots, summary};
