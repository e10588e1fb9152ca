//! What is wrong in a playbook: where, how badly, and what to write instead.

use std::cell::RefCell;
use std::fmt;

use serde::Serialize;

/// Something wrong in a playbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlaybookFault {
    /// The file, relative to the playbook's folder.
    pub file: String,
    /// The line, from 1, if the fault stands on one.
    pub line: Option<usize>,
    /// The column, from 1, in characters.
    pub column: Option<usize>,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub instead: Option<String>,
}

/// How bad a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The playbook cannot be used.
    Error,
    /// It can be used, but hardly as it was meant.
    Warning,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    line: usize,
    column: usize,
}

/// What is told of a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    message: String,
    instead: Option<String>,
}

/// All faults found so far, in all files.
pub(super) struct Faults {
    found: RefCell<Vec<PlaybookFault>>,
    /// How bad a breach of a newer rule is.
    newer_rules: Severity,
}

impl fmt::Display for PlaybookFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        let warning = match self.severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
        };
        write!(f, ": {warning}{}", self.message)?;
        match &self.instead {
            Some(instead) => write!(f, "; {instead}"),
            None => Ok(()),
        }
    }
}

impl Place {
    /// The beginning of a file.
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// The place of a byte of a text.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: 1 + before.bytes().filter(|byte| *byte == b'\n').count(),
            column: 1 + before[line_start..].chars().count(),
        }
    }

    /// The place that a parser tells by its numbers, from 1.
    pub(super) const fn at(line: usize, column: usize) -> Self {
        Self { line, column }
    }
}

impl From<&str> for Told {
    fn from(message: &str) -> Self {
        Self::from(message.to_owned())
    }
}

impl From<String> for Told {
    fn from(message: String) -> Self {
        Self {
            message,
            instead: None,
        }
    }
}

impl<M: Into<String>, I: Into<String>> From<(M, I)> for Told {
    fn from((message, instead): (M, I)) -> Self {
        Self {
            message: message.into(),
            instead: Some(instead.into()),
        }
    }
}

impl Faults {
    /// For a playbook that is about to be offered to new sessions.
    pub(super) fn of_offered() -> Self {
        Self::new(Severity::Error)
    }

    /// For a playbook that sessions are pinned to, perhaps since an older server: newer rules do not bind it.
    pub(super) fn of_pinned() -> Self {
        Self::new(Severity::Warning)
    }

    fn new(newer_rules: Severity) -> Self {
        Self {
            found: RefCell::default(),
            newer_rules,
        }
    }

    /// Notes a breach of a rule that some released server did not know, and without which a playbook can still be
    /// read. Whoever adds a rule notes its breaches here, or the sessions of older playbooks are lost.
    pub(super) fn newer_rule(&self, file: &str, at: Option<Place>, told: impl Into<Told>) {
        self.add(self.newer_rules, file, at, told.into());
    }

    /// Notes what keeps the playbook from being used.
    pub(super) fn error(&self, file: &str, at: Option<Place>, told: impl Into<Told>) {
        self.add(Severity::Error, file, at, told.into());
    }

    /// Notes what does no harm but was hardly meant.
    pub(super) fn warning(&self, file: &str, at: Option<Place>, told: impl Into<Told>) {
        self.add(Severity::Warning, file, at, told.into());
    }

    /// Whether a file has errors so far.
    pub(super) fn any_in(&self, file: &str) -> bool {
        let is_error = |fault: &PlaybookFault| fault.file == file && fault.severity == Severity::Error;
        self.found.borrow().iter().any(is_error)
    }

    /// Whether any file has errors so far.
    pub(super) fn any(&self) -> bool {
        self.found
            .borrow()
            .iter()
            .any(|fault| fault.severity == Severity::Error)
    }

    /// What was found, in the order of files and places.
    pub(super) fn into_sorted(self) -> Vec<PlaybookFault> {
        let mut found = self.found.into_inner();
        found.sort_by(|a, b| {
            (&a.file, a.line, a.column, &a.message).cmp(&(&b.file, b.line, b.column, &b.message))
        });
        found.dedup();
        found
    }

    fn add(&self, severity: Severity, file: &str, at: Option<Place>, told: Told) {
        self.found.borrow_mut().push(PlaybookFault {
            file: file.to_owned(),
            line: at.map(|at| at.line),
            column: at.map(|at| at.column),
            severity,
            message: told.message,
            instead: told.instead,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let text = "a\n가나 = 1\n";
        for (offset, line, column) in [(0, 1, 1), (1, 1, 2), (2, 2, 1), (8, 2, 3), (99, 3, 1)] {
            assert_eq!(Place::of(text, offset), Place::at(line, column), "{offset}");
        }
    }
}
