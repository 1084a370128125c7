//! Logs: the error log behind the `tracing` facade, and the access log.
//!
//! Any layer calls `tracing::info!(slot, "worker ready")`; the line is written in gunicorn's format. Logging never blocks: when
//! a reader is slow, lines are queued, and beyond a bound dropped and counted.

pub mod access;
pub mod colour;
mod error_log;
mod json;
mod line;
pub mod lookups;
mod record;
pub mod relay;
mod shape;
mod sink;
mod stamp;
pub mod statsd;
mod subscriber;
mod syslog;
pub mod terminal;

use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::config::{LogLevel, LogTarget, ProcessMode, Settings};
use crate::sys::{self, Identity, Output, clock, wait_writable};
use error_log::ErrorLog;

/// Target of an event that is `critical`; the highest level of `tracing` itself is `error`.
///
/// `tracing::error!(target: observability::CRITICAL, "…")`
pub const CRITICAL: &str = "rgun::critical";

/// A field of this name is printed whole, below its line.
pub const TRACEBACK: &str = "traceback";

/// A field of this name is for programs, which know what happened by it whatever the words are: JSON and logfmt have it, text does not.
const EVENT: &str = "event";

static LOG: OnceLock<Arc<ErrorLog>> = OnceLock::new();

/// Opens both logs and receives the events of this process. Called again (after a reload) it switches to the new settings.
///
/// # Errors
/// When a file cannot be opened: then everything stays as it was.
pub fn start(settings: &Settings) -> sys::Result<()> {
    // The master's zone: workers may change theirs.
    sys::keep_zone();
    let output = open(&settings.error_log).map_err(|error| of_option("--error-logfile", error))?;
    if LOG.get().is_none() {
        lookups::begin(&settings.logging)?;
        lookups::wait();
    }
    let syslog = syslog::prepare(settings.logging.syslog.as_ref())?;
    let statsd = statsd::prepare(settings.logging.statsd.as_ref())?;
    access::start(settings)?;
    syslog.install();
    statsd::install(statsd);
    if let Some(log) = LOG.get() {
        log.redirect(settings.error_log.clone(), output);
        log.set_format(settings.logging.format, settings.logging.line.clone());
        set_level(settings.log_level);
    } else {
        let log = Arc::new(ErrorLog::new(
            settings.error_log.clone(),
            output,
            settings.log_level,
        ));
        log.set_format(settings.logging.format, settings.logging.line.clone());
        // Only a test can have set another subscriber; it then receives the lines.
        drop(tracing::subscriber::set_global_default(
            subscriber::Subscriber::new(Arc::clone(&log)),
        ));
        drop(LOG.set(log));
        lookups::report();
    }
    Ok(())
}

/// On a terminal, in the format for people: events until the server is up are shown as one text (`show_start`), and those that
/// are mere information are left out. After a start that fails, the error is therefore the last line.
pub fn hold_back_start(settings: &Settings) {
    if let Some(log) = LOG.get()
        && settings.log_level == LogLevel::Info
        && settings.place == ProcessMode::Foreground
    {
        log.hold_back();
    }
}

/// Ends `hold_back_start`: writes `text`, unless nothing was held back.
pub fn show_start(text: impl FnOnce(colour::Style) -> String) {
    if let Some(log) = LOG.get() {
        log.show_start(text);
    }
}

/// Less severe events are discarded, from now on.
pub fn set_level(level: LogLevel) {
    if let Some(log) = LOG.get() {
        log.set_level(level);
        // Each call site remembers whether it is wanted.
        tracing::callsite::rebuild_interest_cache();
    }
}

/// In a child right after its fork: it has its own pid, and leaves the parent's queue to the parent.
pub fn after_fork() {
    syslog::after_fork();
    if let Some(log) = LOG.get() {
        log.after_fork();
    }
}

/// Writes what was queued, as far as the reader accepts it now.
pub fn flush_pending() {
    syslog::flush();
    if let Some(log) = LOG.get() {
        log.flush();
    }
}

/// Whether `flush_pending` has something to do, now or soon.
#[must_use]
pub fn is_behind() -> bool {
    pending().is_some() || syslog::is_behind()
}

/// What to poll for writability before the next `flush_pending`; `None` while nothing is queued.
#[must_use]
pub fn pending() -> Option<Arc<Output>> {
    LOG.get()?.pending()
}

/// A record of one of Python's loggers, as the error log writes its own. `level` is Python's number.
pub fn log_from_python(level: i64, message: String, traceback: String) {
    let level = level_from_python(level);
    if let Some(log) = LOG.get().filter(|log| log.wants(level)) {
        log.put_down(level, &line::LogMessage::of_python(message, traceback));
    }
}

/// Counts one that gunicorn's `Logger` gets, as that does, for statsd.
pub fn count_from_python(level: i64, has_traceback: bool) {
    let level = level_from_python(level);
    if LOG.get().is_some_and(|log| log.wants(level)) {
        statsd::message(level, has_traceback);
    }
}

fn level_from_python(level: i64) -> LogLevel {
    match level {
        ..20 => LogLevel::Debug,
        20..30 => LogLevel::Info,
        30..40 => LogLevel::Warning,
        40..50 => LogLevel::Error,
        50.. => LogLevel::Critical,
    }
}

/// What the app writes to `wsgi.errors`, in whole lines: in text as it is, as with gunicorn, else as a record.
pub fn log_wsgi_errors(text: &str) {
    if let Some(log) = LOG.get() {
        log.put_stream(text);
    }
}

/// A line that a companion has printed. It has no level of its own, so that no level hides it.
pub fn companion_says(name: &str, line: &str) {
    if let Some(log) = LOG.get() {
        log.put_down(LogLevel::Info, &line::LogMessage::of_companion(name, line));
    }
}

/// Text of a handler that formats for itself, as it is.
pub fn write_raw(text: &str) {
    if let Some(log) = LOG.get() {
        log.put_raw(text);
    }
}

/// Redirects standard output and error of this process to the file of the error log; other outputs are left alone.
///
/// # Errors
/// The system's.
pub fn capture_prints() -> sys::Result<()> {
    match LOG.get() {
        Some(log) if log.is_to_file() => sys::daemon::lead_stdio_to(log.output().as_fd()),
        Some(_) | None => Ok(()),
    }
}

/// Where the error log goes, for programs that write beside it.
#[must_use]
pub fn output() -> Option<Arc<Output>> {
    Some(LOG.get()?.output())
}

/// Opens the files again by their names, after a rotation (USR1).
///
/// # Errors
/// When a file cannot be opened: then the old one stays in use.
pub fn reopen() -> sys::Result<()> {
    let error_log = LOG.get().map_or(Ok(()), |log| log.reopen());
    // One that fails does not keep the other from its new file.
    error_log.and(access::reopen())
}

/// Gives the open log files to the user of the workers, which open them again after a rotation. As gunicorn does.
pub fn give_files(identity: &Identity) {
    let error_log = LOG.get().map_or(Ok(()), |log| log.give_to(identity));
    for given in [error_log, access::give_to(identity)] {
        if let Err(error) = given {
            tracing::warn!(%error, hint = error.hint, "workers may not be able to reopen this log file");
        }
    }
}

/// Before the process ends: gives the reader this long to take what is queued.
pub fn finish(patience: Duration) {
    let deadline = clock::monotonic() + patience;
    flush_pending();
    while let Some(output) = pending() {
        let left = deadline.saturating_sub(clock::monotonic());
        // An error leaves nothing to wait for either; an interrupted wait goes round.
        if left.is_zero() || wait_writable(output.as_fd(), Some(left)).is_err() {
            return;
        }
        flush_pending();
    }
}

/// An error of a log's file, with the option that names it.
fn of_option(option: &'static str, error: sys::Error) -> sys::Error {
    let directory = Path::new(&error.object).parent();
    let missing = directory
        .filter(|directory| error.kind() == ErrorKind::NotFound && !directory.exists())
        .map(|directory| format!("the directory {} does not exist", directory.display()));
    sys::Error {
        call: option,
        hint: error.hint.or(missing),
        ..error
    }
}

fn open(target: &LogTarget) -> sys::Result<Arc<Output>> {
    match target {
        LogTarget::Stdout => Output::stdout(),
        LogTarget::Stderr => Output::stderr(),
        LogTarget::File(path) => Output::file(path),
    }
    .map(Arc::new)
}
