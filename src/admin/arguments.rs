//! The command line of the operator's client.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use greenroom_protocol::{EventId, SessionId, StageId};

/// What to ask a running server.
#[derive(Debug, Args)]
pub struct AdminArgs {
    /// The server's admin socket [default: ./data/admin.sock]
    #[arg(long, value_name = "PATH", global = true)]
    pub socket: Option<PathBuf>,
    /// Print the server's JSON instead of a table
    #[arg(long, global = true)]
    pub json: bool,
    /// The question.
    #[command(subcommand)]
    pub question: AdminQuestion,
}

/// A question to a running server, or something that it is to do.
#[derive(Debug, Subcommand)]
pub enum AdminQuestion {
    /// List sessions, newest change first
    Sessions {
        /// Only sessions in this state, such as FAILED
        #[arg(long)]
        state: Option<String>,
        /// Rows at most
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show one session: its actor, stages, waiting commands and cost
    Show {
        /// The session
        session: SessionId,
    },
    /// Print the events of a session, one a line
    Events {
        /// The session
        session: SessionId,
        /// Only what came after this event
        #[arg(long, value_name = "EVENT_ID")]
        after: Option<EventId>,
        /// Events at most
        #[arg(long, default_value_t = 1_000)]
        limit: u32,
    },
    /// Take a session up again: a failed one from the stage that failed, any other from its log
    Restart {
        /// The session
        session: SessionId,
        /// Why; kept in the session's log, which its user does not see
        #[arg(long)]
        reason: String,
        /// Of a failed session: begin at this earlier stage, in a new run on the same brief
        #[arg(long, value_name = "STAGE")]
        from_stage: Option<StageId>,
    },
    /// Cancel what a session has under way, and let it leave memory
    Stop {
        /// The session
        session: SessionId,
        /// Why; kept in the session's log, which its user does not see
        #[arg(long)]
        reason: String,
    },
    /// Stop the server: no new work, what is under way may finish, clients are told when to come back
    Drain {
        /// Why; kept in the audit
        #[arg(long)]
        reason: Option<String>,
    },
    /// List jobs of all sessions, newest first
    Jobs {
        /// Only jobs in this state
        #[arg(long, value_enum)]
        state: Option<JobState>,
        /// Rows at most
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show how each provider fares, or let calls to one through again
    Providers {
        /// What to do; list them if nothing is said
        #[command(subcommand)]
        task: Option<ProvidersTask>,
    },
    /// Show the limits, or change them at once and for good
    Limits {
        /// What to do; list them if nothing is said
        #[command(subcommand)]
        task: Option<LimitsTask>,
    },
    /// Show the busiest sessions
    Top {
        /// Rows at most
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// For how long to look, in milliseconds
        #[arg(long, default_value_t = 1_000)]
        window_ms: u32,
    },
    /// Print what operators did to the server, newest first
    Audit {
        /// Rows at most
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
}

/// Which jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum JobState {
    /// Queued or running for longer than they should
    Stuck,
    /// Accepted
    Queued,
    /// Under way
    Running,
    /// Done
    Completed,
    /// Failed
    Failed,
}

impl JobState {
    /// The state as the socket calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// What to do with a provider.
#[derive(Debug, Subcommand)]
pub enum ProvidersTask {
    /// Close the circuit of a provider that is known to be back
    Reset {
        /// `llm`, `stt`, `stt_live`, `tts` or `moderation`
        name: String,
        /// Why; kept in the audit
        #[arg(long)]
        reason: Option<String>,
    },
}

/// What to do with limits.
#[derive(Debug, Subcommand)]
pub enum LimitsTask {
    /// Set limits; they hold at once, and after a restart
    Set {
        /// Such as `turns_per_minute=100`
        #[arg(required = true, value_name = "NAME=VALUE", value_parser = limit_setting)]
        limits: Vec<(String, u64)>,
        /// Why; kept in the audit
        #[arg(long)]
        reason: Option<String>,
    },
    /// Give limits back to the configuration
    Unset {
        /// Such as `turns_per_minute`
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// Why; kept in the audit
        #[arg(long)]
        reason: Option<String>,
    },
}

fn limit_setting(text: &str) -> Result<(String, u64), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("expected NAME=VALUE, such as turns_per_minute=100")?;
    let value = value
        .parse()
        .map_err(|_| format!("`{value}` is not a whole number"))?;
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Cli;

    fn is_understood(args: &[&str]) -> bool {
        Cli::try_parse_from(["greenroom", "admin"].iter().chain(args)).is_ok()
    }

    #[test]
    fn what_is_asked_is_checked_before_anyone_is_asked() {
        const SESSION: &str = "sess_00000000000000000000000007";
        let restart = ["restart", SESSION, "--reason", "why"];
        assert!(is_understood(&restart));
        assert!(is_understood(
            &[&restart[..], &["--from-stage", "strategy"]].concat()
        ));
        assert!(is_understood(&["stop", SESSION, "--reason", "why"]));
        assert!(is_understood(&["jobs", "--state", "stuck"]));
        assert!(is_understood(&["providers"]));
        assert!(is_understood(&["providers", "reset", "llm"]));
        assert!(is_understood(&[
            "limits",
            "set",
            "connections=5",
            "turns_per_minute=0"
        ]));
        assert!(is_understood(&["limits", "unset", "connections", "--json"]));
        for args in [
            &["show", "nonsense"][..],
            &["restart", SESSION],
            &["stop", SESSION],
            &["jobs", "--state", "lost"],
            &["providers", "reset"],
            &["limits", "set"],
            &["limits", "set", "connections"],
            &["limits", "set", "connections=many"],
            &["limits", "unset"],
        ] {
            assert!(!is_understood(args), "{args:?}");
        }
    }
}
