//! Live voice, over real sockets against the built server and the simulator: what is said becomes turns, replies are
//! spoken, interrupted and taken up again, and whatever goes wrong, the conversation goes on. Every scene ends with the
//! checker. Time really passes here, so nothing asserts one: only what came, and in which order.

mod caller;
mod conversation;
mod devices;
mod diary;
mod hanging_up;
mod interruptions;
mod loudspeaker;
mod microphone;
mod nonsense;
mod patience;
mod recognition;
mod recordings;
mod restarts;
mod silence;
mod speaking;
mod turns;
