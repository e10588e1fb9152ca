//! What the actors are configured with, and the ports they are given.

use std::sync::Arc;
use std::time::Duration;

use greenroom_protocol::limits;
use greenroom_session::JobLimits;
use greenroom_session::ports::{
    Blobs, Capabilities, Clock, Erasures, IdSource, Journal, LanguageModel, Moderator,
};

use crate::PlaybookLibrary;

/// How the actors behave.
#[derive(Debug, Clone)]
pub struct ActorsConfig {
    /// A session that nobody listens to and that has nothing due leaves memory after this long.
    pub passivate_after: Duration,
    /// Events that a session keeps at hand for its connections: about those of two turns. Who is further behind reads
    /// from the journal.
    pub ring_events_max: usize,
    /// Bytes of the events that a session keeps at hand.
    pub ring_bytes_max: usize,
    /// Commands of one session that may wait for their answer; more are refused with `SYS_OVERLOADED`.
    pub commands_waiting_max: usize,
    /// Sessions in memory at once to begin with; more are refused with `SYS_OVERLOADED`. An idle one takes about 9 kB,
    /// and what was said in it.
    pub sessions_live_max: usize,
    /// Restarts that a session may need within [`Self::restart_window`]; the next panic gives it up.
    pub restarts_max: usize,
    /// The window of [`Self::restarts_max`].
    pub restart_window: Duration,
    /// How long a job may make no progress, and how often it is tried.
    pub jobs: JobLimits,
    /// Time between two activations while sessions are recovered, so that recovery leaves room for new work.
    pub recovery_pace: Duration,
    /// How long a session is kept after something was last told in it; none means for ever.
    pub sessions_kept: Option<Duration>,
    /// Time between two removals while it is swept up, so that sweeping leaves room for work.
    pub sweep_pace: Duration,
    /// Panics to provoke, for tests of the built server.
    #[cfg(debug_assertions)]
    pub faults: Faults,
}

impl Default for ActorsConfig {
    fn default() -> Self {
        Self {
            passivate_after: Duration::from_mins(1),
            ring_events_max: 64,
            ring_bytes_max: 64 * 1024,
            commands_waiting_max: limits::COMMANDS_WAITING_MAX,
            sessions_live_max: 50_000,
            restarts_max: 3,
            restart_window: Duration::from_mins(1),
            jobs: JobLimits::default(),
            recovery_pace: Duration::from_millis(1),
            sessions_kept: None,
            sweep_pace: Duration::from_millis(10),
            #[cfg(debug_assertions)]
            faults: Faults::default(),
        }
    }
}

/// Panics to provoke. Compiled in only with debug assertions; none by default.
#[cfg(debug_assertions)]
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// A session panics when it is sent exactly this message.
    pub panic_session_on: Option<String>,
    /// The first agent that is started after a message which contains this panics, once for each such message.
    pub panic_agent_on: Option<String>,
    /// The agent of the first attempt at this stage panics, in every run.
    pub panic_stage: Option<String>,
    /// The ear of a line panics when it is given exactly this frame.
    pub panic_ear_on: Option<Vec<u8>>,
    /// The log of a session cannot be folded any more, each time with a panic, once this message stands in it.
    pub panic_fold_on: Option<String>,
}

/// What the actors need from the outside.
#[derive(Clone)]
pub struct Ports {
    /// The log of all sessions.
    pub journal: Arc<dyn Journal>,
    /// The end of sessions.
    pub erasures: Arc<dyn Erasures>,
    /// Where the playbooks of older sessions are kept.
    pub blobs: Arc<dyn Blobs>,
    /// The language model.
    pub model: Arc<dyn LanguageModel>,
    /// Who checks texts, where [`Self::capabilities`] say that they are checked.
    pub moderator: Arc<dyn Moderator>,
    /// What the providers can do, and what is checked.
    pub capabilities: Capabilities,
    /// Where the time is read.
    pub clock: Arc<dyn Clock>,
    /// Makes a source of ids for each session that is activated.
    pub ids: Arc<dyn Fn() -> Box<dyn IdSource> + Send + Sync>,
    /// The playbooks of this server.
    pub playbooks: Arc<PlaybookLibrary>,
}
