//! The configuration: layers, typed settings, and every fault in one message.

mod file;
mod jobs;
mod layers;
mod origin;
mod places;
mod reader;
mod services;
mod settings;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::cli::ServeArgs;

pub use layers::Layers;
pub use origin::{Origin, host_of as origin_host};
pub use places::Places;
pub use services::{ServiceServer, ServiceSettings};
pub use settings::{
    Config, Dependency, LimitSettings, LlmSettings, LogFormat, LogSettings, PlaybookSettings, ServerSettings,
};

/// The file that is read if none is named.
const DEFAULT_FILE: &str = "greenroom.toml";

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// What is wrong, and what to write instead. Never contains a secret.
    pub message: String,
    /// Where it was written, if it was.
    pub source: Option<String>,
}

impl ConfigFault {
    fn new(message: impl Into<String>, source: impl fmt::Display) -> Self {
        Self {
            message: message.into(),
            source: Some(source.to_string()),
        }
    }

    /// What an error tells that begins with its setting.
    pub fn told(error: &impl fmt::Display, places: &Places) -> Self {
        let message = error.to_string();
        let source = places.told_by(&message).map(str::to_owned);
        Self { message, source }
    }
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.source {
            Some(source) => write!(f, " ({source})"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigFaults(pub Vec<ConfigFault>);

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(
            f,
            "the configuration has {count} fault{}:",
            if count == 1 { "" } else { "s" }
        )?;
        for fault in &self.0 {
            write!(f, "\n  - {fault}")?;
        }
        Ok(())
    }
}

/// Reads the configuration of a process: its command line, its environment, and `.env` and `greenroom.toml`
/// in its folder.
pub fn load(args: &ServeArgs) -> Result<Config, ConfigFaults> {
    load_from(args, std::env::vars_os(), Path::new("."))
}

/// Reads the configuration with a given environment, in a given folder.
pub fn load_from<T: Into<OsString>>(
    args: &ServeArgs,
    variables: impl IntoIterator<Item = (T, T)>,
    folder: &Path,
) -> Result<Config, ConfigFaults> {
    let mut layers = Layers::default();
    layers.flag(
        "--listen",
        "server.listen",
        args.listen.map(|address| address.to_string()),
    );
    let data_dir = args
        .data_dir
        .as_ref()
        .map(|path| path.to_string_lossy().into_owned());
    layers.flag("--data-dir", "server.data_dir", data_dir);
    layers.process(
        variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into())),
    );
    layers.dot_env(&folder.join(".env"));
    if let Some(file) = configuration_file(args, folder) {
        layers.file(&file);
    }
    Config::read(layers)
}

fn configuration_file(args: &ServeArgs, folder: &Path) -> Option<PathBuf> {
    args.config
        .clone()
        .or_else(|| Some(folder.join(DEFAULT_FILE)).filter(|path| path.is_file()))
}
