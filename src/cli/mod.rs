//! The command line: parse, choose what to do, report. The only layer that prints errors and picks exit codes.

mod command;
mod ctl;
mod generated;
mod help;
mod init;
mod invocation;
mod reading;
mod report;
mod usage;

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::config::{
    Error, LogTarget, Mode, Place, Resolved, Settings, Surroundings, effective, resolve,
};
use crate::master::{self, Detached, Host, Outcome};
use crate::observability;
use invocation::{Parsed, Sources};
use reading::{Failure, Reading};

pub use generated::{completions, manual};
pub use invocation::settings;

/// The first argument that makes this program the client of a running server. An app of that name is `ctl:app`.
const CTL: &str = "ctl";

/// The first argument that makes it write files instead of serving. An app of that name is `init:app`.
const INIT: &str = "init";

/// What the reader of the log gets to take the last lines.
const LOG_PATIENCE: Duration = Duration::from_secs(1);

/// What an entry (hosted or embedded) brings.
pub trait Entry: Host {
    /// The Python that workers run in, as `--version` names it: `CPython 3.12.1`. Must not start an interpreter.
    fn interpreter(&self) -> String;

    /// The executable that a configuration file in Python is run by. `setting`: what `--python` says.
    ///
    /// # Errors
    /// When there is none.
    fn python(&self, setting: Option<&Path>) -> Result<PathBuf, Refusal>;

    /// Whether the interpreter suits these settings; asked once, before anything is started.
    fn examine(&self, _settings: &Settings) -> Result<(), Refusal> {
        Ok(())
    }

    /// `--check-config`: loads the app as a worker's boot would and reports what fails; the exit code.
    fn check(&self, settings: &Settings) -> u8;
}

/// Why an entry does not run: what a person reads.
#[derive(Debug)]
pub struct Refusal {
    pub message: String,
    pub hint: Option<String>,
}

/// Runs the program. `arguments` do not contain its name. Returns the exit code, in the master as in each worker.
pub fn main(arguments: Vec<OsString>, entry: &dyn Entry) -> u8 {
    if arguments.first().is_some_and(|first| first == CTL) {
        return ctl::main(arguments.into_iter().skip(1).collect());
    }
    if arguments.first().is_some_and(|first| first == INIT) {
        return init::main(arguments.into_iter().skip(1).collect());
    }
    let arguments = help_words(arguments);
    let surroundings = Surroundings::of_this_process();
    match invocation::parse(&arguments, &surroundings) {
        Ok(Parsed::Help(text)) => report::page(&text),
        Ok(Parsed::Version) => report::version(&entry.interpreter()),
        Ok(Parsed::Completions(shell)) => report::print(&completions(shell)),
        Ok(Parsed::Manual) => report::print(&manual()),
        Ok(Parsed::Run(mut sources)) => start(&mut sources, &arguments, &surroundings, entry),
        Err(error) => report::configuration(&error),
    }
}

/// `rgun help` alone asks for the help. An app of that name is `help:app`.
fn help_words(arguments: Vec<OsString>) -> Vec<OsString> {
    match arguments.as_slice() {
        [only] if only == "help" => vec!["--help".into()],
        _ => arguments,
    }
}

fn start(
    sources: &mut Sources,
    arguments: &[OsString],
    surroundings: &Surroundings,
    entry: &dyn Entry,
) -> u8 {
    let answered = match reading::ask(sources, surroundings, entry) {
        Ok(answered) => answered,
        Err(Failure::Configuration(error)) => return report::configuration(&error),
        Err(Failure::Refused(refusal)) => return report::refusal(&refusal),
    };
    let layers = sources.layers();
    let Resolved { mode, mut settings } = match resolve(&layers, surroundings) {
        Ok(resolved) => resolved,
        // All that could be said of the rest is that it is right.
        Err(Error::NoApp) if layers.given("print_config").last().is_some() => {
            return report::print(&effective(&layers));
        }
        Err(error) => return report::configuration(&error),
    };
    answered.complete(&mut settings, &layers);
    if let Err(refusal) = entry.examine(&settings) {
        return report::refusal(&refusal);
    }
    match mode {
        Mode::Serve => serve(settings, sources, arguments, surroundings, entry),
        Mode::CheckConfig => check(settings, sources, entry),
        Mode::PrintConfig => {
            report::print(&effective(&layers));
            check(settings, sources, entry)
        }
    }
}

/// Somebody waits for the answer: it comes on standard error, and no log file is made.
fn check(mut settings: Settings, sources: &Sources, entry: &dyn Entry) -> u8 {
    (settings.error_log, settings.access_log) = (LogTarget::Stderr, None);
    if let Err(error) = observability::start(&settings) {
        return report::start(&error.into());
    }
    sources.warn();
    sources.note();
    // Where a worker would be.
    if let Some(Err(error)) = settings.chdir.as_ref().map(std::env::set_current_dir) {
        let chdir = settings.chdir.unwrap_or_default();
        return report::refusal(&Refusal {
            message: format!("chdir {}: {error}", chdir.display()),
            hint: None,
        });
    }
    if let Err(error) = master::check_certificates(&settings) {
        return report::start(&error);
    }
    let code = entry.check(&settings);
    observability::finish(LOG_PATIENCE);
    code
}

fn serve(
    settings: Settings,
    sources: &Sources,
    arguments: &[OsString],
    surroundings: &Surroundings,
    entry: &dyn Entry,
) -> u8 {
    // Before the logs: they must not hold on to the terminal.
    let announcement = match settings.place {
        Place::Foreground => None,
        Place::Daemon => match master::detach(entry, settings.logging.stdio) {
            Ok(Detached::Daemon(announcement)) => Some(announcement),
            Ok(Detached::Caller(start)) => return report::daemon(start),
            Err(error) => return report::start(&error),
        },
    };
    if let Err(error) = observability::start(&settings) {
        if let Some(announcement) = announcement {
            announcement.failed(1, &error.to_string(), error.hint.as_deref());
        }
        return report::start(&error.into());
    }
    sources.warn();
    sources.note();
    let configuration = Reading {
        arguments,
        surroundings,
        entry,
        sources: RefCell::new(None),
    };
    let outcome = master::run(Arc::new(settings), &configuration, entry, announcement);
    observability::finish(LOG_PATIENCE);
    match outcome {
        Ok(Outcome::Exit(code) | Outcome::Worker(code)) => code,
        Err(error) => report::start(&error),
    }
}

#[cfg(test)]
mod tests;
