//! The parsed command line of `rgun ctl`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;

use super::wanted::ServerSelector;
use crate::master::control::protocol::{ControlRequest, ControlStopMode};

/// What to do, at which server, and the time limit (`None`: no limit).
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    pub verb: Verb,
    pub wanted: ServerSelector,
    pub timeout: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Verb {
    Status(OutputFormat),
    Stop {
        mode: ControlStopMode,
        /// For the server to exit.
        waits: bool,
    },
    /// Also waits for a server that does not run yet.
    Wait(ControlRequest),
    Plain(ControlRequest),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    Table,
    Json,
    Watch,
}

/// The response comes at once, or after two seconds if workers are stuck.
const QUICK: Duration = Duration::from_secs(10);
/// For operations that wait for an app's boot or for in-flight requests.
const SLOW: Duration = Duration::from_secs(600);
const WAIT: Duration = Duration::from_secs(60);

impl Invocation {
    pub fn of(matches: &ArgMatches) -> Self {
        let (name, of) = matches.subcommand().expect("clap asks for one");
        let verb = Verb::of(name, of);
        let given = matches.get_one::<Duration>("timeout").copied();
        let timeout = given.unwrap_or(match &verb {
            Verb::Plain(ControlRequest::Canary { for_ms, .. }) => {
                let trial = Duration::from_millis(for_ms.unwrap_or(60_000));
                SLOW + trial
            }
            Verb::Wait(_) => WAIT,
            Verb::Stop { .. }
            | Verb::Plain(
                ControlRequest::Reload
                | ControlRequest::Upgrade { .. }
                | ControlRequest::Stage { .. }
                | ControlRequest::Promote
                | ControlRequest::Rollback
                | ControlRequest::RestartWorker { .. }
                | ControlRequest::Restart { .. },
            ) => SLOW,
            Verb::Status(_) | Verb::Plain(_) => QUICK,
        });
        Self {
            verb,
            wanted: wanted(matches),
            timeout: Some(timeout).filter(|timeout| !timeout.is_zero()),
        }
    }
}

fn wanted(matches: &ArgMatches) -> ServerSelector {
    if let Some(path) = matches.get_one::<PathBuf>("socket") {
        ServerSelector::At(path.clone())
    } else if let Some(name) = matches.get_one::<String>("name") {
        ServerSelector::Called(name.clone())
    } else if let Some(pid) = matches.get_one::<u32>("pid") {
        ServerSelector::Process(*pid)
    } else {
        ServerSelector::Any
    }
}

impl Verb {
    fn of(name: &str, of: &ArgMatches) -> Self {
        let number = |name| of.get_one::<u32>(name).copied();
        match name {
            "top" => Self::Status(OutputFormat::Watch),
            "status" if of.get_flag("watch") => Self::Status(OutputFormat::Watch),
            "status" if of.get_flag("json") => Self::Status(OutputFormat::Json),
            "status" => Self::Status(OutputFormat::Table),
            "reload" => Self::Plain(ControlRequest::Reload),
            "upgrade" => Self::Plain(ControlRequest::Upgrade {
                no_reload: of.get_flag("no-reload"),
            }),
            "stage" => Self::Plain(ControlRequest::Stage {
                bind: of
                    .get_many::<String>("bind")
                    .map(|all| all.cloned().collect())
                    .unwrap_or_default(),
            }),
            "canary" => Self::Plain(ControlRequest::Canary {
                share: of.get_one::<String>("share").expect("required").clone(),
                for_ms: of
                    .get_one::<Duration>("for")
                    .map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
                judged_after: of
                    .get_flag("auto")
                    .then(|| *of.get_one::<u64>("requests").expect("it has a default")),
            }),
            "rollback" => Self::Plain(ControlRequest::Rollback),
            "promote" => Self::Plain(ControlRequest::Promote),
            "discard" => Self::Plain(ControlRequest::Discard),
            "reload-certificates" => Self::Plain(ControlRequest::ReloadCertificates),
            "scale" => {
                let (workers, most) = *of
                    .get_one::<(u32, Option<u32>)>("workers")
                    .expect("required");
                Self::Plain(ControlRequest::Scale { workers, most })
            }
            "stop" => Self::Stop {
                mode: if of.get_flag("fast") {
                    ControlStopMode::Fast
                } else {
                    ControlStopMode::Graceful
                },
                waits: !of.get_flag("no-wait"),
            },
            "restart-worker" => Self::Plain(ControlRequest::RestartWorker {
                slot: number("slot").expect("required"),
            }),
            "restart" => Self::Plain(ControlRequest::Restart {
                name: of.get_one::<String>("companion").expect("required").clone(),
            }),
            "stacks" => Self::Plain(ControlRequest::Stacks {
                slot: number("slot"),
            }),
            "log-level" => Self::Plain(ControlRequest::LogLevel {
                level: of.get_one::<String>("level").expect("required").clone(),
            }),
            "wait-ready" => Self::Wait(ControlRequest::WaitReady),
            "wait-idle" => Self::Wait(ControlRequest::WaitIdle),
            other => unreachable!("{other} is no verb of the command"),
        }
    }
}
