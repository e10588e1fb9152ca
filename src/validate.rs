//! `greenroom playbook validate`: everything that is wrong with a playbook, each with its file, line and column and
//! what to write instead.

use std::path::Path;
use std::process::ExitCode;

use greenroom_session::playbook::{CheckedPlaybook, PlaybookFault, Severity};
use serde_json::json;

use crate::playbooks::{self, PlaybooksError};

/// Nothing can be said of the playbook: it cannot be read.
const UNREADABLE: u8 = 2;

/// Validates, prints what was found, and answers with 0 for a playbook that can be used (warnings or not), with 1 for one
/// that cannot, and with 2 if it cannot be read.
pub fn run(folder: &Path, as_json: bool) -> ExitCode {
    let CheckedPlaybook { playbook, faults } = match playbooks::check_folder(folder) {
        Ok(checked) => checked,
        Err(error) => {
            eprintln!("greenroom: {}", unreadable(&error));
            return ExitCode::from(UNREADABLE);
        }
    };
    let is_valid = playbook.is_some();
    if as_json {
        println!("{:#}", json!({ "valid": is_valid, "faults": faults }));
    } else {
        print!("{}", told(folder, &faults));
    }
    if is_valid {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Why the folder cannot be read. It comes from the command line, not from a setting.
fn unreadable(error: &PlaybooksError) -> String {
    match error {
        PlaybooksError::Unreadable { path, reason } => {
            format!(
                "{}: {reason}; name a playbook's folder, whose files are UTF-8",
                path.display()
            )
        }
        PlaybooksError::Invalid { .. } | PlaybooksError::NoDefault { .. } | PlaybooksError::NotStored(_) => {
            error.to_string()
        }
    }
}

/// A line for each fault, with a path that editors and terminals can follow, and a summary.
fn told(folder: &Path, faults: &[PlaybookFault]) -> String {
    let count = |severity| faults.iter().filter(|fault| fault.severity == severity).count();
    let counted = |count: usize, name: &str| format!("{count} {name}{}", if count == 1 { "" } else { "s" });
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let summary = format!(
        "{}: {}, {}",
        folder.display(),
        counted(errors, "error"),
        counted(warnings, "warning")
    );
    let lines = faults.iter().map(|fault| {
        let path = folder.join(&fault.file);
        let fault = fault.to_string();
        // The fault begins with its file, relative to the folder.
        let rest = fault.split_once(':').map_or("", |(_, rest)| rest);
        format!("{}:{rest}\n", path.display())
    });
    lines.chain([summary, "\n".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_a_line_each_with_a_path_to_follow() {
        let fault = |severity, line| PlaybookFault {
            file: "prompts/a.md".to_owned(),
            line,
            column: line,
            severity,
            message: "wrong: this".to_owned(),
            instead: Some("write that".to_owned()),
        };
        let faults = [fault(Severity::Error, Some(3)), fault(Severity::Warning, None)];
        assert_eq!(
            told(Path::new("my/book"), &faults),
            "my/book/prompts/a.md:3:3: wrong: this; write that\n\
             my/book/prompts/a.md: warning: wrong: this; write that\n\
             my/book: 1 error, 1 warning\n"
        );
    }
}
