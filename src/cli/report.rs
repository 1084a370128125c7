//! Output on standard error and standard output: `error:` and `hint:` lines, pages.

use std::io::{IsTerminal, Write};

use clap::builder::StyledStr;

use super::EntryError;
use super::misuse::{Misuse, USAGE};
use crate::observability::terminal;
use crate::sys::Error as SystemError;
use crate::{config, master, observability};

/// Exit code of a start that failed; gunicorn's.
const FAILED: u8 = 1;

pub(super) fn configuration(error: &config::Error) -> u8 {
    if let Some(traceback) = error.traceback() {
        complain(traceback);
    }
    explained(&error.to_string(), error.excerpt(), error.hint());
    error.exit_code()
}

pub(super) fn refusal(refusal: &EntryError) -> u8 {
    lines(&refusal.message, refusal.hint.as_deref());
    FAILED
}

pub(super) fn start(error: &master::Error) -> u8 {
    start_of(error, None)
}

/// `source`: a hint on where the setting in question comes from.
pub(super) fn start_of(error: &master::Error, source: Option<String>) -> u8 {
    let hints: Vec<String> = error.hint().into_iter().chain(source).collect();
    let hint = (!hints.is_empty()).then(|| hints.join("; "));
    lines(&error.to_string(), hint.as_deref());
    FAILED
}

/// Reports a daemon's start to its caller.
pub(super) fn daemon(start: master::DaemonStart) -> u8 {
    if !start.message.is_empty() {
        // Both may quote an exception of the app.
        let message = terminal::shown_lines(&start.message);
        let details = terminal::shown_lines(&start.details);
        explained(message.trim_end(), Some(&details), start.hint.as_deref());
    }
    start.code
}

/// For a log record or a control response, which have one line.
pub(super) fn in_one_line(error: &config::Error) -> String {
    error.hint().map_or_else(
        || error.to_string(),
        |hint| format!("{error} (hint: {hint})"),
    )
}

/// Help goes to standard output, in colour only on a terminal.
pub(super) fn page(text: &StyledStr) -> u8 {
    if is_coloured(&std::io::stdout()) {
        print(&text.ansi().to_string())
    } else {
        print(&text.to_string())
    }
}

/// A reader that closes early (`rgun --help | head`) is no failure; a disk that is full is one.
pub(super) fn print(text: &str) -> u8 {
    match written(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => failure(
            &format!(
                "standard output cannot be written: {}",
                SystemError::reason(&error)
            ),
            None,
        ),
        Ok(()) | Err(_) => 0,
    }
}

/// `false`: the reader has closed it.
pub(super) fn text(text: &str) -> bool {
    written(text).is_ok()
}

fn written(text: &str) -> std::io::Result<()> {
    let mut output = std::io::stdout();
    output.write_all(text.as_bytes())?;
    output.flush()
}

pub(super) fn failure(message: &str, hint: Option<&str>) -> u8 {
    lines(message, hint);
    FAILED
}

/// The arguments of a command are wrong.
pub(super) fn misuse(misuse: &Misuse) -> u8 {
    lines(&misuse.message, misuse.hint.as_deref());
    USAGE
}

/// Writes to standard error, unchanged.
pub(super) fn complain(text: &str) {
    // Fails if standard error is closed; the exit code still reports the error.
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

/// Escape sequences that style text on a terminal; empty elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Colours {
    pub bold: &'static str,
    pub red: &'static str,
    pub green: &'static str,
    pub yellow: &'static str,
    pub end: &'static str,
}

impl Colours {
    pub const NONE: Self = Self {
        bold: "",
        red: "",
        green: "",
        yellow: "",
        end: "",
    };
    pub const ANSI: Self = Self {
        bold: "\x1b[1m",
        red: "\x1b[31m",
        green: "\x1b[32m",
        yellow: "\x1b[33m",
        end: "\x1b[0m",
    };
}

/// For standard output.
pub(super) fn colours() -> Colours {
    if is_coloured(&std::io::stdout()) {
        Colours::ANSI
    } else {
        Colours::NONE
    }
}

pub(super) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

fn lines(message: &str, hint: Option<&str>) {
    explained(message, None, hint);
}

fn explained(message: &str, excerpt: Option<&str>, hint: Option<&str>) {
    let mut output = std::io::stderr().lock();
    let (red, cyan, end) = if is_coloured(&output) {
        ("\x1b[1;31m", "\x1b[1;36m", "\x1b[0m")
    } else {
        ("", "", "")
    };
    let mut text = format!("{red}error:{end} {message}\n");
    text.push_str(excerpt.unwrap_or_default());
    if let Some(hint) = hint {
        text.push_str(&format!("{cyan}hint:{end} {hint}\n"));
    }
    // Fails if standard error is closed; the exit code still reports the error.
    drop(output.write_all(text.as_bytes()));
}

fn is_coloured(output: &impl IsTerminal) -> bool {
    observability::colour::is_wanted(output.is_terminal())
}
