//! What the demo and the black-box suite share: worlds of real processes, and sessions played in them.

pub mod built;
pub mod process;
pub mod session_play;
pub mod world;
