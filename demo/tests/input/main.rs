//! Input and the protocol, over real sockets against the built server: what is let in, what is refused and how, and
//! that nothing of it does harm.

mod abuse;
mod admin;
mod answers;
mod check;
mod configuration;
mod deletion;
mod door;
mod export;
mod health;
mod keys;
mod messages;
mod operator;
mod operator_door;
mod playbook;
mod replay;
mod runs;
mod scenario;
mod speech;
mod voice;
mod whole;
mod wire;
