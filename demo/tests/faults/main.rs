//! What must hold when things go wrong, tried over real sockets against the built server: providers that fail, a journal
//! that cannot be written, panics, kills, restarts. Every scene ends with the checker.

mod background;
mod contract;
mod departures;
mod drain;
mod erasure;
mod journal;
mod kills;
mod operator;
mod panics;
mod provider;
mod rules;
mod sightings;
mod supervision;
mod viewer;
