//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use greenroom_protocol::SessionId;

use crate::admin::AdminArgs;

/// A realtime voice and chat server whose sessions cannot be lost.
#[derive(Debug, Parser)]
#[command(name = "greenroom", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; `serve` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Settings of `serve`.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve (the default)
    Serve(ServeArgs),
    /// Ask a running server, over its admin socket
    Admin(AdminArgs),
    /// Would it serve? Check the configuration, the data, the playbooks and everything that is configured
    Check(CheckArgs),
    /// Does what is stored agree with itself? Reads everything, changes nothing, also while a server runs
    Verify(VerifyArgs),
    /// Copy everything that is stored, while a server runs or not, and throw away old copies
    Backup(BackupArgs),
    /// Make a data directory of a backup
    Restore(RestoreArgs),
    /// Does the server answer? For the health check of a container
    Health(HealthArgs),
    /// Work on a playbook
    #[command(subcommand)]
    Playbook(PlaybookTask),
    /// Play conversations that are written down with what must follow, or record a session as one
    Scenario(ScenarioArgs),
}

/// Settings of `serve` that overrule everything else.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Configuration file [default: greenroom.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Folder of the database, the blobs and the admin socket [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// What to check, and how to tell it.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// Settings of `serve`.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What to verify, and how to tell it.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The data directory
    #[arg(long, value_name = "DIR", default_value = "./data")]
    pub data_dir: PathBuf,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

/// What to copy where, and what to keep.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The data directory
    #[arg(long, value_name = "DIR", default_value = "./data")]
    pub data_dir: PathBuf,
    /// The folder of the backups; another disk, or another machine's, is safer
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Hours of which the newest backup is kept
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub keep_hourly: usize,
    /// Days of which the newest backup is kept
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub keep_daily: usize,
}

/// What to restore where.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A backup, or the folder of all: then the newest
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    /// The data directory, which must be empty or not there
    #[arg(long, value_name = "DIR", default_value = "./data")]
    pub data_dir: PathBuf,
}

/// Which server to ask.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Address of the server [default: where the configuration says that it listens]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Settings of `serve`.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// A task with a playbook.
#[derive(Debug, Subcommand)]
pub enum PlaybookTask {
    /// Print everything that is wrong with a playbook, by file, line and column; exit with 1 if it cannot be used
    Validate {
        /// The playbook's folder
        dir: PathBuf,
        /// Print JSON instead of lines
        #[arg(long)]
        json: bool,
    },
}

/// What to do with scenarios.
#[derive(Debug, Args)]
pub struct ScenarioArgs {
    /// The task.
    #[command(subcommand)]
    pub task: ScenarioTask,
}

/// A task with scenarios.
#[derive(Debug, Subcommand)]
pub enum ScenarioTask {
    /// Print a session as a scenario that replays it
    Record {
        /// Where its events come from.
        #[command(flatten)]
        source: ScenarioSource,
        /// The server's admin socket [default: ./data/admin.sock]
        #[arg(long, value_name = "PATH", conflicts_with = "events")]
        socket: Option<PathBuf>,
    },
    /// Play scenarios and tell, by file and line, what was expected and what was found
    Run {
        /// Scenario files, or folders of them
        #[arg(required = true, value_name = "FILE|DIR")]
        paths: Vec<PathBuf>,
        /// The playbook's folder [default: the one built into the server]
        #[arg(long, value_name = "DIR")]
        playbook: Option<PathBuf>,
    },
}

/// Where a session's events come from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ScenarioSource {
    /// A session of a running server
    pub session: Option<SessionId>,
    /// A file with all events of a session: a page of them, a list, or one a line
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_is_the_default_and_takes_its_flags_with_or_without_the_word() {
        let bare = Cli::try_parse_from(["greenroom", "--listen", "127.0.0.1:9"]).unwrap();
        assert!(bare.command.is_none());
        assert_eq!(bare.serve.listen, Some("127.0.0.1:9".parse().unwrap()));
        let named = Cli::try_parse_from(["greenroom", "serve", "--data-dir", "x"]).unwrap();
        let Some(Command::Serve(args)) = named.command else {
            panic!("{named:?}")
        };
        assert_eq!(args.data_dir, Some(PathBuf::from("x")));
    }

    #[test]
    fn a_scenario_is_recorded_from_a_session_or_from_a_file() {
        let parse = |args: &[&str]| {
            Cli::try_parse_from(["greenroom", "scenario", "record"].iter().chain(args)).is_ok()
        };
        assert!(parse(&["sess_00000000000000000000000007"]));
        assert!(parse(&["sess_00000000000000000000000007", "--socket", "x.sock"]));
        assert!(parse(&["--events", "log.json"]));
        assert!(!parse(&[]));
        assert!(!parse(&[
            "sess_00000000000000000000000007",
            "--events",
            "log.json"
        ]));
        assert!(Cli::try_parse_from(["greenroom", "scenario", "run"]).is_err());
    }

    #[test]
    fn checks_take_the_settings_of_serve() {
        let parsed = Cli::try_parse_from(["greenroom", "check", "--config", "a.toml", "--json"]).unwrap();
        let Some(Command::Check(CheckArgs { json: true, serve })) = parsed.command else {
            panic!("not a check")
        };
        assert_eq!(serve.config, Some(PathBuf::from("a.toml")));
        assert!(Cli::try_parse_from(["greenroom", "health", "--url", "http://127.0.0.1:1"]).is_ok());
        assert!(Cli::try_parse_from(["greenroom", "playbook", "validate"]).is_err());
    }
}
