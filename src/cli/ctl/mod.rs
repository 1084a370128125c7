//! `rgun ctl`: asks a running server, and prints what it answers. It changes nothing by itself.

mod command;
mod find;
mod link;
mod table;
#[cfg(test)]
mod tests;
mod verb;
mod watch;

use std::ffi::OsString;

use clap::error::ErrorKind;

pub(super) use self::command::command;
use self::find::Wanted;
use self::link::Link;
use self::verb::{Form, Verb};
use super::report;
use crate::master::control::protocol::{Request, Response, StopMode, Way};

/// Somebody asked wrongly.
const USAGE: u8 = 2;

/// What went wrong on this side of the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub message: String,
    pub hint: Option<String>,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// `arguments` begin after `ctl`. The exit code: 0 when the server did what was asked.
pub(super) fn main(arguments: Vec<OsString>) -> u8 {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            let text = error.render();
            return match error.kind() {
                ErrorKind::DisplayHelp => report::page(&text),
                _ => {
                    report::complaint(&text);
                    USAGE
                }
            };
        }
    };
    let (verb, socket) = Verb::of(&matches);
    match perform(&verb, &Wanted { socket }) {
        Ok(response) => finish(&response),
        Err(failure) => report::failure(&failure.message, failure.hint.as_deref()),
    }
}

fn perform(verb: &Verb, wanted: &Wanted) -> Result<Response, Failure> {
    match verb {
        Verb::Status(Form::Watch) => watch::watch(wanted).map(|()| Response::done("")),
        Verb::Status(form) => {
            let response = Link::open(wanted)?.ask(&Request::Status)?;
            if let Some(status) = &response.status {
                let text = match form {
                    Form::Json => json(status)?,
                    Form::Table | Form::Watch => table::table(status, report::colours()),
                };
                report::text(&text);
            }
            Ok(response)
        }
        Verb::Stop { mode, waits } => {
            let mut link = Link::open(wanted)?;
            let response = link.ask(&Request::Stop { mode: *mode })?;
            if *waits && response.ok {
                link.wait_for_the_end();
                return Ok(Response::done("stopped"));
            }
            Ok(response)
        }
        Verb::Wait { request, timeout } => link::ask_in_time(wanted, request, *timeout),
        Verb::Plain(request) => Link::open(wanted)?.ask(request),
    }
}

fn json(status: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(status)
        .map(|text| text + "\n")
        .map_err(|error| Failure::new(error.to_string()))
}

fn finish(response: &Response) -> u8 {
    if !response.ok {
        let code = report::failure(&response.message, None);
        if let Some(traceback) = &response.traceback {
            report::complain(&format!("\n{}\n", traceback.trim_end()));
        }
        return code;
    }
    for stacks in response.stacks.iter().flatten() {
        let how = match stacks.way {
            Way::Inside | Way::None => "",
            Way::Signal => ", asked by signal",
        };
        let text = stacks.text.trim_end();
        report::text(&format!(
            "worker {} (pid {}{how})\n\n{text}\n\n",
            stacks.slot, stacks.pid
        ));
    }
    if !response.message.is_empty() {
        report::text(&format!("{}\n", response.message));
    }
    0
}
