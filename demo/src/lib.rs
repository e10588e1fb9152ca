//! What the demo and the black-box suite share: the programs as cargo builds them, and sessions played with them.

pub mod built;
pub mod session_play;
