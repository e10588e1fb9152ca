//! Where settings come from: the command line, the environment, `.env` and the file, each with its place.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{ConfigFault, file};

/// What every environment name of a setting starts with.
const ENVIRONMENT_PREFIX: &str = "GREENROOM_";

/// Names that the ecosystem expects, and the settings that they stand for.
const ALIASES: &[(&str, &str)] = &[
    ("OPENAI_API_KEY", "llm.api_key"),
    ("OPENAI_BASE_URL", "llm.base_url"),
    ("RUST_LOG", "log.level"),
];

/// What other servers keep their data by. Whoever set it must not find later that it was passed over.
const DATABASE_URL: &str = "DATABASE_URL";

/// Where a setting was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A flag of the command line.
    CommandLine(&'static str),
    /// A variable of the environment.
    Environment(String),
    /// A line of `.env` that sets this variable.
    DotEnv(String),
    /// A line of the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine(flag) => f.write_str(flag),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::DotEnv(name) => write!(f, ".env: {name}"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
        }
    }
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub enum Raw {
    /// A text of a flag or variable: its type is the setting's.
    Text(String),
    /// A string of the file.
    String(String),
    /// A whole number of the file.
    Integer(i64),
    /// A list of strings of the file.
    List(Vec<String>),
    /// Something of the file that no setting is, by the name of its type.
    Other(&'static str),
}

/// One setting of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// `section.key`.
    pub key: String,
    /// As written.
    pub raw: Raw,
    /// Where.
    pub source: Source,
}

/// All settings of all layers, the highest layer first.
#[derive(Debug, Default)]
pub struct Layers {
    pub(super) entries: Vec<Entry>,
    pub(super) faults: Vec<ConfigFault>,
}

impl Layers {
    /// Adds a flag of the command line, if it was given.
    pub fn flag(&mut self, flag: &'static str, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.push(key, Raw::Text(value), Source::CommandLine(flag));
        }
    }

    /// Adds the variables of the process. One of ours that is not text is a fault; any other is none of our business.
    pub fn process(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        let mut texts = Vec::new();
        for (name, value) in variables {
            let shown = name.to_string_lossy().into_owned();
            if let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) {
                texts.push((name, value));
            } else if is_ours(&shown) {
                self.faults.push(ConfigFault::new(
                    format!("{shown}: the variable is not UTF-8"),
                    Source::Environment(shown),
                ));
            }
        }
        self.environment(texts, Source::Environment);
    }

    /// Adds the variables of an environment. Names that are neither ours nor an alias are left alone.
    pub fn environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
        source: fn(String) -> Source,
    ) {
        let mut aliased = Vec::new();
        for (name, value) in variables {
            if let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) {
                let key = rest.to_ascii_lowercase().replacen("__", ".", 1);
                self.push(&key, Raw::Text(value), source(name));
            } else if let Some((_, key)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
                // An empty `OPENAI_API_KEY=` is how people unset it.
                if !value.is_empty() {
                    aliased.push((*key, value, name));
                }
            } else if name == DATABASE_URL && !(value.is_empty() || value.starts_with("sqlite:")) {
                // Its value may hold a password.
                self.faults.push(ConfigFault::new(
                    format!(
                        "{DATABASE_URL}: PostgreSQL is not served by this release: unset it, and the database is a file \
                         in server.data_dir"
                    ),
                    source(name),
                ));
            }
        }
        // Our own name overrules the ecosystem's within one environment.
        for (key, value, name) in aliased {
            self.push(key, Raw::Text(value), source(name));
        }
    }

    /// Adds a `.env` file, if there is one.
    pub fn dot_env(&mut self, path: &Path) {
        if !path.is_file() {
            return;
        }
        let pairs = dotenvy::from_path_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match pairs {
            Ok(pairs) => self.environment(pairs, Source::DotEnv),
            // The error of a bad line repeats the line, which may hold a key.
            Err(dotenvy::Error::LineParse(_, position)) => {
                self.faults.push(ConfigFault::new(
                    format!("a line cannot be read, near character {position}"),
                    path.display(),
                ));
            }
            Err(error) => self
                .faults
                .push(ConfigFault::new(error.to_string(), path.display())),
        }
    }

    /// Adds the configuration file.
    pub fn file(&mut self, path: &Path) {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let (entries, faults) = file::read(path, &text);
                self.entries.extend(entries);
                self.faults.extend(faults);
            }
            Err(error) => {
                self.faults.push(ConfigFault::new(
                    format!("cannot be read: {error}; name a file that can be, or leave --config out"),
                    path.display(),
                ));
            }
        }
    }

    fn push(&mut self, key: &str, raw: Raw, source: Source) {
        self.entries.push(Entry {
            key: key.to_owned(),
            raw,
            source,
        });
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with(ENVIRONMENT_PREFIX)
        || name == DATABASE_URL
        || ALIASES.iter().any(|(alias, _)| *alias == name)
}

/// The name that a setting has in the environment.
pub(super) fn environment_name(key: &str) -> String {
    format!(
        "{ENVIRONMENT_PREFIX}{}",
        key.replacen('.', "__", 1).to_ascii_uppercase()
    )
}
