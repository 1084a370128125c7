//! The command line: parse, choose what to do, report. The only layer that prints errors and picks exit codes.

mod command;
mod ctl;
mod doctor;
mod generated;
mod help;
mod in_process;
mod init;
mod invocation;
mod misuse;
mod reading;
mod report;
mod subcommand;
mod usage;
mod value_sources;
mod version;

use std::cell::RefCell;
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::config::{
    Error, Layers, Lifespan, LogTarget, ProcessEnvironment, ProcessMode, Resolved, RunMode,
    Settings, effective,
};
use crate::master::upgrade::first::FirstMaster;
use crate::master::upgrade::{CHECK, PreviousMaster, rehearse, take_over};
use crate::master::{self, DaemonStart, Detached, Host, Listener, RunOutcome, ServerListeners};
use crate::observability;
use crate::sys::Error as SystemError;
use invocation::{ConfigurationSources, Parsed};
use reading::{Reading, SettingsFailure};
use subcommand::Subcommand;
use value_sources::ValueSources;

pub use generated::{completions, manual, manuals};
pub use invocation::settings;

/// How long the last log lines may take to be written.
const LOG_PATIENCE: Duration = Duration::from_secs(1);

/// The interface of an entry (hosted or embedded).
pub trait EntryPoint: Host {
    /// Which of rgun's forms this is.
    fn artifact(&self) -> Artifact;

    /// The Python that workers run in, as `--version` names it: `CPython 3.12.1`. Must not start an interpreter.
    fn interpreter(&self) -> String;

    /// The executable that evaluates a configuration file in Python. `setting`: the value of `--python`.
    ///
    /// # Errors
    /// When none is found.
    fn python(&self, setting: Option<&Path>) -> Result<PathBuf, EntryError>;

    /// Whether the interpreter suits these settings; called once, before anything is started.
    fn examine(&self, _settings: &Settings) -> Result<(), EntryError> {
        Ok(())
    }

    /// `--check-config`: boots the app as a worker does and logs errors. Returns a description of the app, or the exit code.
    ///
    /// # Errors
    /// When a start would fail.
    fn check(&self, settings: &Arc<Settings>) -> Result<String, u8>;

    /// Why this process is to serve by itself, without workers, regardless of the settings.
    fn in_process(&self) -> Option<&str> {
        None
    }

    /// `--in-process`: serves from these listeners; returns the exit code.
    fn serve_here(&self, settings: &Arc<Settings>, listeners: Vec<Listener>) -> u8;
}

/// How rgun is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Artifact {
    /// The program, which chooses a Python.
    Binary,
    /// The extension module of one Python.
    Wheel,
}

/// Why an entry does not run, as an error message.
#[derive(Debug)]
pub struct EntryError {
    pub message: String,
    pub hint: Option<String>,
}

/// Runs the program. `arguments` do not contain its name. Returns the exit code, in the master as in each worker.
pub fn main(arguments: Vec<OsString>, entry: &dyn EntryPoint) -> u8 {
    let Some(predecessor) = PreviousMaster::of_this_process() else {
        let first = FirstMaster::of_this_process();
        return run(arguments, entry, first.map(Before::Runs));
    };
    if arguments.first().is_some_and(|first| first == CHECK) {
        let arguments = arguments.into_iter().skip(1).collect();
        return run(arguments, entry, Some(Before::Asks(&predecessor)));
    }
    if predecessor.is_rehearsal() {
        return run(arguments, entry, Some(Before::Rehearses(&predecessor)));
    }
    predecessor.keep_way_back();
    let left = AssertUnwindSafe(|| run(arguments, entry, Some(Before::Left(&predecessor))));
    match catch_unwind(left) {
        Ok(code) => {
            predecessor.go_back(&format!(
                "the new program ended with exit code {code}; the log says why"
            ));
            code
        }
        Err(panic) => {
            predecessor.go_back("the new program panicked; the log says why");
            resume_unwind(panic)
        }
    }
}

/// The program whose place this one is to take (`master::Predecessor`).
enum Before<'a> {
    /// Whether that can be done.
    Asks(&'a PreviousMaster),
    /// As if it was in this process, in a child.
    Rehearses(&'a PreviousMaster),
    /// It was in this process.
    Left(&'a PreviousMaster),
    /// It goes on beside this one.
    Runs(FirstMaster),
}

fn run(arguments: Vec<OsString>, entry: &dyn EntryPoint, before: Option<Before<'_>>) -> u8 {
    let arguments = subcommand::help_words(arguments);
    if let Some(page) = subcommand::manual_page(&arguments).and_then(|name| generated::page(&name))
    {
        return report::print(&page);
    }
    match subcommand::split(&arguments) {
        Some((Subcommand::Ctl, rest)) => return ctl::main(rest),
        Some((Subcommand::Init, rest)) => return init::main(rest),
        Some((Subcommand::Doctor, rest)) => return doctor::main(rest, entry),
        None => {}
    }
    let command = command::command_of(entry.artifact());
    let process_environment = ProcessEnvironment::of_this_process();
    if let Some(error) = subcommand::mistyped(&arguments, &process_environment.directory) {
        return report::configuration(&error);
    }
    match invocation::parse_by(&command, &arguments, &process_environment) {
        Ok(Parsed::Help(text)) => report::page(&text),
        Ok(Parsed::Version(detail)) => report::print(&version::text(entry, detail)),
        Ok(Parsed::Completions(shell)) => report::print(&completions(shell, entry.artifact())),
        Ok(Parsed::Manual) => report::print(&manual(entry.artifact())),
        Ok(Parsed::Run(mut sources)) => start(
            &mut sources,
            &arguments,
            &process_environment,
            entry,
            before,
        ),
        Err(error) => report::configuration(&error),
    }
}

fn start(
    sources: &mut ConfigurationSources,
    arguments: &[OsString],
    process_environment: &ProcessEnvironment,
    entry: &dyn EntryPoint,
    before: Option<Before<'_>>,
) -> u8 {
    let effects = match reading::ask(sources, process_environment, entry) {
        Ok(effects) => effects,
        Err(SettingsFailure::Configuration(error)) => return report::configuration(&error),
        Err(SettingsFailure::Refused(refusal)) => return report::refusal(&refusal),
        Err(SettingsFailure::Stopped) => return 0,
    };
    let layers = sources.layers();
    let record = sources.record(effects, process_environment);
    let Resolved { mode, settings } = match record.resolve(process_environment) {
        Ok(resolved) => resolved,
        // All other settings are valid.
        Err(Error::NoApp) if requests_print(&layers) => {
            return report::print(&effective(&layers));
        }
        Err(error) => return report::configuration(&error),
    };
    if let Err(refusal) = entry.examine(&settings) {
        return report::refusal(&refusal);
    }
    if let Some(Before::Asks(predecessor)) = before {
        return can_take_over(predecessor, &settings);
    }
    let reason = entry
        .in_process()
        .or(settings.in_process.then_some("--in-process"));
    match (mode, reason) {
        (RunMode::Serve, Some(reason)) => serve_here(settings, sources, entry, reason),
        (RunMode::Serve, None) => serve(
            settings,
            sources,
            arguments,
            process_environment,
            entry,
            before,
        ),
        (RunMode::CheckConfig, _) => check(settings, sources, entry, Tries::EverythingOfAStart),
        (RunMode::PrintConfig, _) => {
            report::print(&effective(&layers));
            check(settings, sources, entry, Tries::App)
        }
    }
}

fn requests_print(layers: &Layers) -> bool {
    ["print_config", "print_changed"]
        .into_iter()
        .any(|name| !layers.given(name).is_empty())
}

/// `--upgrade-check`: the configuration was read, and so is what the running program hands over.
fn can_take_over(predecessor: &PreviousMaster, settings: &Settings) -> u8 {
    if let Err(error) = master::check_certificates(settings) {
        return report::start(&error);
    }
    match predecessor.answer() {
        Ok(answer) => report::print(&answer),
        Err(message) => report::refusal(&EntryError {
            message,
            hint: None,
        }),
    }
}

/// What a check of the configuration covers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tries {
    /// Also addresses, log files and directories, lifespan and readiness.
    EverythingOfAStart,
    /// That the app loads. Settings printed on one machine may be meant for another, which has those directories and services.
    App,
}

/// Logs to standard error, where the caller reads it, and creates no log file.
fn check(
    mut settings: Settings,
    sources: &ConfigurationSources,
    entry: &dyn EntryPoint,
    tries: Tries,
) -> u8 {
    let whole = settings.clone();
    (settings.error_log, settings.access_log) = (LogTarget::Stderr, None);
    if let Err(error) = observability::start(&settings) {
        return report::start(&error.into());
    }
    sources.warn();
    sources.note();
    match tries {
        Tries::EverythingOfAStart => {
            if let Err(error) = master::try_out(&whole, entry.python_executable().as_deref()) {
                let value_sources = ValueSources::of(&whole, &sources.layers());
                return report::start_of(&error, value_sources.hint(&error));
            }
        }
        Tries::App => (settings.lifespan, settings.ready_path) = (Lifespan::Off, None),
    }
    if let Err(error) = master::check_certificates(&settings) {
        let value_sources = ValueSources::of(&settings, &sources.layers());
        return report::start_of(&error, value_sources.hint(&error));
    }
    // The check has no listeners, and the workers' user may not be able to read the keys.
    settings.tls = None;
    if let Err(code) = become_worker(&settings, entry) {
        return code;
    }
    let settings = Arc::new(settings);
    let checked = entry.check(&settings);
    observability::finish(LOG_PATIENCE);
    match checked {
        Ok(about) if report::is_terminal() && tries == Tries::EverythingOfAStart => {
            let Settings { app, workers, .. } = &*settings;
            let plural = if *workers == 1 { "worker" } else { "workers" };
            report::print(&format!("ok: {app} is {about}, {workers} {plural}\n"))
        }
        Ok(_) => 0,
        Err(code) => code,
    }
}

/// Changes to the directory and the user of a worker.
fn become_worker(settings: &Settings, entry: &dyn EntryPoint) -> Result<(), u8> {
    let identity = master::identity(settings).map_err(|error| report::start(&error))?;
    if let Some(directory) = &settings.chdir
        && let Err(error) = std::env::set_current_dir(directory)
    {
        return Err(report::refusal(&EntryError {
            message: format!(
                "chdir {}: {}",
                directory.display(),
                SystemError::reason(&error)
            ),
            hint: None,
        }));
    }
    let Some(identity) = identity else {
        return Ok(());
    };
    entry.before_identity();
    identity
        .assume()
        .map_err(|error| report::start(&error.into()))
}

/// `--in-process`: one worker, which is this process.
fn serve_here(
    settings: Settings,
    sources: &ConfigurationSources,
    entry: &dyn EntryPoint,
    reason: &str,
) -> u8 {
    if let Err(error) = observability::start(&settings) {
        return report::start(&error.into());
    }
    sources.warn();
    sources.note();
    tracing::info!(
        pid = std::process::id(),
        reason,
        "rgun {} serving in this process, without a master or workers",
        env!("CARGO_PKG_VERSION")
    );
    let unused = in_process::without_effect(&sources.layers());
    if !unused.is_empty() {
        tracing::warn!(
            settings = unused.join(" "),
            "these settings have no effect without a master and workers"
        );
    }
    let (mut listeners, set) = match ServerListeners::open(&settings, None) {
        Ok(opened) => opened,
        Err(error) => {
            let value_sources = ValueSources::of(&settings, &sources.layers());
            return report::start_of(&error, value_sources.hint(&error));
        }
    };
    let addresses = listeners.addresses(&set);
    for address in &addresses {
        tracing::info!(address, "listening");
    }
    entry.listening(&addresses);
    let code = match become_worker(&settings, entry) {
        Ok(()) => entry.serve_here(&Arc::new(settings), listeners.take(0, &set)),
        Err(code) => code,
    };
    listeners.close();
    observability::finish(LOG_PATIENCE);
    code
}

fn serve(
    mut settings: Settings,
    sources: &ConfigurationSources,
    arguments: &[OsString],
    process_environment: &ProcessEnvironment,
    entry: &dyn EntryPoint,
    before: Option<Before<'_>>,
) -> u8 {
    if matches!(before, Some(Before::Rehearses(_))) {
        // What it says is for the program that tries it.
        (settings.error_log, settings.access_log) = (LogTarget::Stderr, None);
    }
    // Before the logs are opened: they must not keep the terminal open.
    let announcement = match settings.place {
        ProcessMode::Foreground => None,
        // The program before has gone there.
        ProcessMode::Daemon if before.is_some() => None,
        ProcessMode::Daemon => match master::detach(entry, settings.logging.stdio) {
            Ok(Detached::Daemon(announcement)) => Some(announcement),
            Ok(Detached::Caller(start)) => return report::daemon(start),
            Err(error) => return report::start(&error),
        },
    };
    if let Err(error) = observability::start(&settings) {
        if let Some(announcement) = announcement {
            announcement.send(&DaemonStart::error(error.to_string(), error.hint.clone()));
        }
        return report::start(&error.into());
    }
    sources.warn();
    sources.note();
    let configuration = Reading {
        arguments,
        process_environment,
        entry,
        sources: RefCell::new(None),
    };
    let value_sources = ValueSources::of(&settings, &sources.layers());
    let settings = Arc::new(settings);
    let outcome = match before {
        Some(Before::Left(predecessor)) => take_over(predecessor, settings, &configuration, entry),
        Some(Before::Rehearses(predecessor)) => {
            rehearse(predecessor, &settings, &configuration, entry)
                .map(|answer| RunOutcome::Exit(report::print(&answer)))
        }
        Some(Before::Runs(first)) => {
            master::run(settings, &configuration, entry, announcement, Some(first))
        }
        Some(Before::Asks(_)) | None => {
            master::run(settings, &configuration, entry, announcement, None)
        }
    };
    observability::finish(LOG_PATIENCE);
    match outcome {
        Ok(RunOutcome::Exit(code) | RunOutcome::Worker(code)) => code,
        Err(error) => report::start_of(&error, value_sources.hint(&error)),
    }
}

#[cfg(test)]
mod tests;
