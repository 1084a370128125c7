//! `rgun ctl`: sends requests to a running server and prints its responses.

mod command;
mod configured;
mod dashboard;
mod failure;
mod find;
mod link;
mod screen;
mod table;
#[cfg(test)]
mod tests;
mod verb;
mod wanted;
mod watch;

use std::ffi::OsString;

use clap::error::ErrorKind;

pub(super) use self::command::command;
use self::failure::CtlFailure;
use self::link::Limit;
use self::screen::Text;
use self::verb::{Invocation, OutputFormat, Verb};
use super::misuse::{self, USAGE};
use super::report;
use crate::master::control::place;
use crate::master::control::protocol::{ControlRequest, ControlResponse, StackSource, Status};

/// How long a server may take to answer with its status.
const LOOK: std::time::Duration = std::time::Duration::from_secs(3);

/// Exit code of a canary that was taken back.
const TAKEN_BACK: u8 = 3;

/// `arguments` begin after `ctl`. Returns the exit code: 0 when the server carried out the request.
pub(super) fn main(arguments: Vec<OsString>) -> u8 {
    let mut command = command();
    let matches = match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            return screen::help(&error.render());
        }
        Err(error) => {
            let misuse = misuse::explained(&error, &command);
            screen::fail(&CtlFailure {
                hint: misuse.hint,
                ..CtlFailure::new(misuse.message)
            });
            return USAGE;
        }
    };
    match perform(&Invocation::of(&matches)) {
        Ok(response) => finish(response),
        Err(failure) => screen::fail(&failure),
    }
}

/// The status of the server at `socket`, or of the one that is configured here, or of the only one that runs.
///
/// # Errors
/// No server listens at a socket that was named.
pub(super) fn look(socket: Option<&std::path::Path>) -> Result<Option<Status>, String> {
    let path = match socket {
        Some(path) => Some(path.to_owned()),
        None => configured::Configured::here().socket.or_else(|| {
            let own = place::existing().own;
            <[_; 1]>::try_from(own).ok().map(|[only]| only)
        }),
    };
    let Some(path) = path else {
        return Ok(None);
    };
    let limit = Limit::of(Some(LOOK));
    let answer =
        link::Link::at(&path, limit).and_then(|mut link| link.ask(&ControlRequest::Status));
    match answer {
        Ok(response) => Ok(response.status),
        Err(failure) if socket.is_some() => Err(failure.message),
        Err(_) => Ok(None),
    }
}

fn perform(invocation: &Invocation) -> Result<ControlResponse, CtlFailure> {
    let Invocation {
        verb,
        wanted,
        timeout,
    } = invocation;
    let limit = Limit::of(*timeout);
    match verb {
        Verb::Status(OutputFormat::Watch) => {
            watch::watch(wanted, *timeout).map(|()| ControlResponse::done(""))
        }
        Verb::Status(form) => {
            let response = find::open(wanted, limit)?.ask(&ControlRequest::Status)?;
            if let Some(status) = &response.status {
                let text = match form {
                    OutputFormat::Json => json(status)?,
                    OutputFormat::Table | OutputFormat::Watch => {
                        let columns = screen::size().map(|size| size.columns);
                        table::table(status, report::colours(), columns)
                    }
                };
                screen::show(&text);
            }
            Ok(response)
        }
        Verb::Stop { mode, waits } => {
            let mut link = find::open(wanted, limit)?;
            let response = link.ask(&ControlRequest::Stop { mode: *mode })?;
            if *waits && response.ok {
                link.wait_for_the_end()?;
                return Ok(ControlResponse::done("stopped"));
            }
            Ok(response)
        }
        Verb::Wait(request) => find::ask_in_time(wanted, request, limit),
        Verb::Plain(request) => find::open(wanted, limit)?.ask(request),
    }
}

fn json(status: &impl serde::Serialize) -> Result<Text, CtlFailure> {
    let document =
        serde_json::to_string_pretty(status).map_err(|error| CtlFailure::new(error.to_string()))?;
    let mut text = Text::default();
    text.append_json(&document);
    text.end_line();
    Ok(text)
}

fn finish(response: ControlResponse) -> u8 {
    if !response.ok {
        let code = screen::fail(&CtlFailure {
            traceback: response.traceback,
            ..CtlFailure::new(response.message)
        });
        return if response.taken_back {
            TAKEN_BACK
        } else {
            code
        };
    }
    for stacks in response.stacks.iter().flatten() {
        let how = match stacks.way {
            StackSource::Inside | StackSource::None => "",
            StackSource::Signal => ", by signal",
        };
        let mut text = Text::default();
        text.append(format_args!(
            "worker {} (pid {}{how})",
            stacks.slot, stacks.pid
        ));
        text.end_line();
        text.end_line();
        text.append_lines(stacks.text.trim_end());
        text.end_line();
        text.end_line();
        screen::show(&text);
    }
    if !response.message.is_empty() {
        let mut text = Text::line(&response.message);
        text.end_line();
        screen::show(&text);
    }
    0
}
