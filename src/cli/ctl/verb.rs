//! What was typed after `rgun ctl`, understood. It asks nobody.

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;

use super::{Request, StopMode};

#[derive(Debug, Clone, PartialEq)]
pub enum Verb {
    Status(Form),
    Stop {
        mode: StopMode,
        /// For the server's end.
        waits: bool,
    },
    /// `None`: for ever.
    Wait {
        request: Request,
        timeout: Option<Duration>,
    },
    Plain(Request),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Table,
    Json,
    Watch,
}

impl Verb {
    /// With the path of the socket, where one was given.
    pub fn of(matches: &ArgMatches) -> (Self, Option<PathBuf>) {
        let socket = matches.get_one::<PathBuf>("socket").cloned();
        let (name, of) = matches.subcommand().expect("clap asks for one");
        let number = |name| of.get_one::<u32>(name).copied();
        let wait = |request| Self::Wait {
            request,
            timeout: of
                .get_one::<f64>("timeout")
                .filter(|seconds| **seconds > 0.0)
                .and_then(|seconds| Duration::try_from_secs_f64(*seconds).ok()),
        };
        let verb = match name {
            "status" if of.get_flag("watch") => Self::Status(Form::Watch),
            "status" if of.get_flag("json") => Self::Status(Form::Json),
            "status" => Self::Status(Form::Table),
            "reload" => Self::Plain(Request::Reload),
            "scale" => Self::Plain(Request::Scale {
                workers: number("workers").expect("required"),
            }),
            "stop" => Self::Stop {
                mode: if of.get_flag("fast") {
                    StopMode::Fast
                } else {
                    StopMode::Graceful
                },
                waits: !of.get_flag("no-wait"),
            },
            "restart-worker" => Self::Plain(Request::RestartWorker {
                slot: number("slot").expect("required"),
            }),
            "stacks" => Self::Plain(Request::Stacks {
                slot: number("slot"),
            }),
            "log-level" => Self::Plain(Request::LogLevel {
                level: of.get_one::<String>("level").expect("required").clone(),
            }),
            "wait-ready" => wait(Request::WaitReady),
            "wait-idle" => wait(Request::WaitIdle),
            other => unreachable!("{other} is no verb of the command"),
        };
        (verb, socket)
    }
}
