//! Turns the sources into settings, at the start and for each reload; runs Python where a source needs it.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io;
use std::time::Duration;

use super::invocation::{self, ConfigurationSources, Parsed};
use super::{EntryError, EntryPoint, report};
use crate::config::{Error, PROGRAM, ProcessEnvironment, ScriptEffects, Settings, SettingsRecord};
use crate::master::{Configuration, ConfigurationStep, Misconfigured, Program};

/// How long a configuration file may take at the start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why there are no settings.
pub(super) enum SettingsFailure {
    Configuration(Error),
    Refused(EntryError),
    /// A signal has stopped the server before it was one.
    Stopped,
}

/// Runs Python for a source that needs it, and waits for its output.
pub(super) fn ask(
    sources: &mut ConfigurationSources,
    process_environment: &ProcessEnvironment,
    entry: &dyn EntryPoint,
) -> Result<ScriptEffects, SettingsFailure> {
    let Some(program) =
        program(sources, process_environment, entry).map_err(SettingsFailure::Refused)?
    else {
        return Ok(ScriptEffects::default());
    };
    let output = program.ask(PATIENCE).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => SettingsFailure::Stopped,
        _ => SettingsFailure::Refused(EntryError {
            message: format!("the configuration file: {error}"),
            hint: None,
        }),
    })?;
    let mut answered = sources
        .answered(&output)
        .map_err(SettingsFailure::Configuration)?;
    answered.directory = program.directory;
    Ok(answered)
}

fn program(
    sources: &ConfigurationSources,
    process_environment: &ProcessEnvironment,
    entry: &dyn EntryPoint,
) -> Result<Option<Program>, EntryError> {
    let Some(question) = sources.question() else {
        return Ok(None);
    };
    Ok(Some(Program {
        python: entry.python(sources.python(process_environment).as_deref())?,
        text: PROGRAM,
        question,
        directory: process_environment.directory.clone(),
    }))
}

/// As gunicorn, a reload reads the sources again with the environment and the arguments of the start; the CPUs are those of now.
pub(super) struct Reading<'a> {
    pub arguments: &'a [OsString],
    pub process_environment: &'a ProcessEnvironment,
    pub entry: &'a dyn EntryPoint,
    /// The sources that wait for Python's output.
    pub sources: RefCell<Option<Box<ConfigurationSources>>>,
}

impl Reading<'_> {
    fn settings(
        &self,
        sources: &ConfigurationSources,
        effects: ScriptEffects,
    ) -> Result<Settings, Misconfigured> {
        let record = sources.record(effects, &self.process_environment.renewed());
        let resolved = record.resolve(self.process_environment);
        let resolved = resolved.map_err(|error| misconfigured(&error))?;
        sources.warn();
        Ok(resolved.settings)
    }
}

impl Configuration for Reading<'_> {
    fn read(&self) -> Result<ConfigurationStep, Misconfigured> {
        let parsed = invocation::parse(self.arguments, self.process_environment);
        let sources = match parsed.map_err(|error| misconfigured(&error))? {
            Parsed::Run(sources) => sources,
            Parsed::Help(_) | Parsed::Version(_) | Parsed::Completions(_) | Parsed::Manual => {
                return Err(misconfigured(&Error::NoApp));
            }
        };
        match program(&sources, self.process_environment, self.entry) {
            Err(refusal) => Err(refusal.message.into()),
            Ok(Some(program)) => {
                self.sources.replace(Some(sources));
                Ok(ConfigurationStep::Ask(program))
            }
            Ok(None) => {
                let settings = self.settings(&sources, ScriptEffects::default())?;
                Ok(ConfigurationStep::Settings(Box::new(settings)))
            }
        }
    }

    fn answered(&self, answer: &[u8]) -> Result<Settings, Misconfigured> {
        let mut sources = self
            .sources
            .take()
            .ok_or_else(|| Misconfigured::from("no configuration was requested".to_owned()))?;
        let mut answered = sources
            .answered(answer)
            .map_err(|error| misconfigured(&error))?;
        answered
            .directory
            .clone_from(&self.process_environment.directory);
        self.settings(&sources, answered)
    }

    fn restored(&self, record: serde_json::Value) -> Result<Settings, Misconfigured> {
        let record: SettingsRecord =
            serde_json::from_value(record).map_err(|error| error.to_string())?;
        let resolved = record.resolve(self.process_environment);
        Ok(resolved.map_err(|error| misconfigured(&error))?.settings)
    }
}

fn misconfigured(error: &Error) -> Misconfigured {
    Misconfigured {
        message: report::in_one_line(error),
        traceback: error.traceback().or(error.excerpt()).map(str::to_owned),
    }
}
