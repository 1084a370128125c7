//! Turns the sources into settings, at the start and for each reload; runs Python where a source needs it.

use std::cell::RefCell;
use std::ffi::OsString;
use std::time::Duration;

use super::invocation::{self, Answered, Parsed, Sources};
use super::{Entry, Refusal, report};
use crate::config::{Error, PROGRAM, Resolved, Settings, Surroundings};
use crate::master::{Configuration, Misconfigured, Next, Program};

/// How long a configuration file may take at the start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why there are no settings.
pub(super) enum Failure {
    Configuration(Error),
    Refused(Refusal),
}

/// Runs Python for a source that needs it, and waits for its output.
pub(super) fn ask(
    sources: &mut Sources,
    surroundings: &Surroundings,
    entry: &dyn Entry,
) -> Result<Answered, Failure> {
    let Some(program) = program(sources, surroundings, entry).map_err(Failure::Refused)? else {
        return Ok(Answered::default());
    };
    let output = program.ask(PATIENCE).map_err(|error| {
        Failure::Refused(Refusal {
            message: format!("the configuration file: {error}"),
            hint: None,
        })
    })?;
    let mut answered = sources.answered(&output).map_err(Failure::Configuration)?;
    answered.directory = program.directory;
    Ok(answered)
}

fn program(
    sources: &Sources,
    surroundings: &Surroundings,
    entry: &dyn Entry,
) -> Result<Option<Program>, Refusal> {
    let Some(question) = sources.question() else {
        return Ok(None);
    };
    Ok(Some(Program {
        python: entry.python(sources.python(surroundings).as_deref())?,
        text: PROGRAM,
        question,
        directory: surroundings.directory.clone(),
    }))
}

/// As gunicorn, a reload reads the sources again with the environment and the arguments of the start.
pub(super) struct Reading<'a> {
    pub arguments: &'a [OsString],
    pub surroundings: &'a Surroundings,
    pub entry: &'a dyn Entry,
    /// The sources that wait for Python's output.
    pub sources: RefCell<Option<Box<Sources>>>,
}

impl Reading<'_> {
    fn settings(&self, sources: &Sources, answered: &Answered) -> Result<Settings, Misconfigured> {
        let resolved = sources.resolve(self.surroundings);
        let Resolved { mut settings, .. } = resolved.map_err(|error| misconfigured(&error))?;
        answered.complete(&mut settings, &sources.layers());
        sources.warn();
        Ok(settings)
    }
}

impl Configuration for Reading<'_> {
    fn read(&self) -> Result<Next, Misconfigured> {
        let parsed = invocation::parse(self.arguments, self.surroundings);
        let sources = match parsed.map_err(|error| misconfigured(&error))? {
            Parsed::Run(sources) => sources,
            Parsed::Help(_) | Parsed::Version | Parsed::Completions(_) | Parsed::Manual => {
                return Err(misconfigured(&Error::NoApp));
            }
        };
        match program(&sources, self.surroundings, self.entry) {
            Err(refusal) => Err(refusal.message.into()),
            Ok(Some(program)) => {
                self.sources.replace(Some(sources));
                Ok(Next::Ask(program))
            }
            Ok(None) => {
                let settings = self.settings(&sources, &Answered::default())?;
                Ok(Next::Settings(Box::new(settings)))
            }
        }
    }

    fn answered(&self, said: &[u8]) -> Result<Settings, Misconfigured> {
        let mut sources = self
            .sources
            .take()
            .ok_or_else(|| Misconfigured::from("no configuration was requested".to_owned()))?;
        let mut answered = sources
            .answered(said)
            .map_err(|error| misconfigured(&error))?;
        answered.directory.clone_from(&self.surroundings.directory);
        self.settings(&sources, &answered)
    }
}

fn misconfigured(error: &Error) -> Misconfigured {
    Misconfigured {
        message: report::in_one_line(error),
        traceback: error.traceback().map(str::to_owned),
    }
}
