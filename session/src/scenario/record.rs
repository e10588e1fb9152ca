//! Turns the events of a session into a scenario that replays it.
