//! The actors: supervisor, sessions, agents, and the directory that reaches them.
