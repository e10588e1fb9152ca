//! `greenroom check`: would this configuration serve? Reads it, looks at the data directory and the playbooks, reaches
//! every provider, changes nothing, and says what to do about whatever is wrong.

mod probes;
mod report;

use std::path::Path;
use std::process::ExitCode;

use greenroom_session::playbook::CheckedPlaybook;
use greenroom_store::{DataDirState, inspect};

use crate::cli::CheckArgs;
use crate::config::{self, Config, ConfigFault, ConfigFaults};
use crate::playbooks::{Playbooks, PlaybooksError};
use crate::providers::{Providers, ProvidersError};
use report::{Report, Row, State};

/// Checks, prints what was found, and answers with success unless there is a fault.
pub async fn run(args: &CheckArgs) -> ExitCode {
    let report = match config::load(&args.serve) {
        Ok(config) => checked(&config).await,
        Err(faults) => refused(faults),
    };
    if args.json {
        println!("{:#}", report.to_json());
    } else {
        print!("{}", report.to_text());
    }
    if report.has_fault() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Of a configuration that cannot be read nothing else can be checked.
fn refused(ConfigFaults(faults): ConfigFaults) -> Report {
    let rows = faults.into_iter().map(|fault| Row {
        place: fault.source,
        detail: Some(fault.message),
        ..Row::new("configuration", State::Fault)
    });
    Report { rows: rows.collect() }
}

async fn checked(config: &Config) -> Report {
    let (providers, errors) = Providers::from_settings(config);
    let mut rows = vec![Row::new("configuration", State::Ok)];
    rows.extend(errors.iter().map(|error| {
        let told = ConfigFault::told(error, &config.places);
        Row {
            place: told.source,
            detail: Some(told.message),
            ..Row::new("configuration", State::Fault)
        }
    }));
    rows.push(data_row(&config.server.data_dir).await);
    rows.extend(playbook_rows(config));
    let told: Vec<&str> = errors.iter().filter_map(ProvidersError::section).collect();
    rows.extend(probes::rows(config, &providers, &told).await);
    Report { rows }
}

async fn data_row(data_dir: &Path) -> Row {
    let (state, detail) = match inspect(data_dir).await {
        Ok(DataDirState::Ready { schema }) => (State::Ok, Some(format!("schema version {schema}"))),
        Ok(DataDirState::New) => (State::Ok, Some("new; made at the first start".to_owned())),
        Ok(DataDirState::InUse) => (
            State::Note,
            Some("a server is running on it; only one may".to_owned()),
        ),
        Err(error) => (State::Fault, Some(error.to_string())),
    };
    Row {
        place: Some(data_dir.display().to_string()),
        detail,
        ..Row::new("data", state)
    }
}

/// A row for each playbook, and one for each of its faults.
fn playbook_rows(config: &Config) -> Vec<Row> {
    let mut rows = Vec::new();
    for (place, checked) in Playbooks::check(&config.playbook) {
        match checked {
            Ok(CheckedPlaybook { playbook, faults }) => {
                let state = if playbook.is_some() {
                    State::Ok
                } else {
                    State::Fault
                };
                let name = playbook.map_or_else(
                    || "playbook".to_owned(),
                    |playbook| format!("playbook {}", playbook.reference.name),
                );
                rows.push(Row {
                    place: Some(place.clone()),
                    ..Row::new(&name, state)
                });
                let told = faults.iter().map(|fault| Row {
                    place: Some(place.clone()),
                    detail: Some(fault.to_string()),
                    ..Row::new(&name, State::of(fault.severity))
                });
                rows.extend(told);
            }
            Err(error) => rows.push(unusable_row(&error, config)),
        }
    }
    // Of playbooks that cannot be read it has been said why.
    let missing = Playbooks::load(&config.playbook).err().into_iter().flatten();
    let missing = missing.filter(|error| matches!(error, PlaybooksError::NoDefault { .. }));
    rows.extend(missing.map(|error| unusable_row(&error, config)));
    rows
}

fn unusable_row(error: &PlaybooksError, config: &Config) -> Row {
    let told = ConfigFault::told(error, &config.places);
    Row {
        place: told.source,
        detail: Some(told.message),
        ..Row::new("playbook", State::Fault)
    }
}
