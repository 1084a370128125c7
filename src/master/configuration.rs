//! Where the settings of a reload come from: a file in Python is run by a child process, without blocking the loop.

use std::time::Duration;

use super::program::{Program, ProgramProcess};
use super::supervisor::Generation;
use crate::config::Settings;

/// The source of the settings. Nothing here may block.
pub trait Configuration {
    /// The new settings, or the program that has to be run for them.
    ///
    /// # Errors
    /// What is wrong with them.
    fn read(&self) -> Result<ConfigurationStep, Misconfigured>;

    /// The settings, from the output of that program.
    ///
    /// # Errors
    /// What is wrong with them.
    fn answered(&self, output: &[u8]) -> Result<Settings, Misconfigured>;

    /// Those of a generation that the program before has begun, from the record that it has handed over.
    ///
    /// # Errors
    /// Why this program cannot resolve them.
    fn restored(&self, record: serde_json::Value) -> Result<Settings, Misconfigured>;
}

#[derive(Debug)]
pub enum ConfigurationStep {
    Settings(Box<Settings>),
    Ask(Program),
}

/// Why there are no settings, for the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Misconfigured {
    /// One line.
    pub message: String,
    /// The user's own, or the lines of the file that are wrong.
    pub traceback: Option<String>,
}

impl From<String> for Misconfigured {
    fn from(message: String) -> Self {
        Self {
            message,
            traceback: None,
        }
    }
}

/// Settings that need no other process.
impl<F: Fn() -> Result<Settings, String>> Configuration for F {
    fn read(&self) -> Result<ConfigurationStep, Misconfigured> {
        let settings = self().map_err(Misconfigured::from)?;
        Ok(ConfigurationStep::Settings(Box::new(settings)))
    }

    fn answered(&self, _said: &[u8]) -> Result<Settings, Misconfigured> {
        self().map_err(Misconfigured::from)
    }

    fn restored(&self, _record: serde_json::Value) -> Result<Settings, Misconfigured> {
        self().map_err(Misconfigured::from)
    }
}

/// The program that reads a file.
#[derive(Debug)]
pub struct Asking {
    pub generation: Generation,
    pub child: ProgramProcess,
    /// Monotonic.
    pub until: Duration,
}
