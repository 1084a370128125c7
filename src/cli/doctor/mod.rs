//! `rgun doctor`: gathers the facts of an installation, of deployment files and of a running server, and prints findings.

mod certificate;
mod configured;
mod deployment;
mod machine;
mod print;
mod project;
mod server;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, value_parser};

use super::misuse::{self, USAGE};
use super::{EntryPoint, ctl, report};
use crate::config::ProcessEnvironment;
use crate::doctor::facts::{DeploymentFacts, RunningWorker, ServerStatus};
use crate::doctor::{count, examine};
use crate::master::control::protocol::Status;

const MORE: &str = "\
FILES are nginx's configuration, systemd units, compose files, Kubernetes manifests and Dockerfiles, or directories of them. Commands in them \
are read with their options and their variables. Without a command of rgun there, the configuration of the working directory counts, and the options after `--`.

The exit code is 0 where nothing worse than a notice was found, 1 for warnings, 3 for errors.";

pub(super) fn command() -> Command {
    let switch = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    Command::new("rgun doctor")
        .about("Check an installation, its deployment files and a running server")
        .after_long_help(MORE)
        .no_binary_name(true)
        .max_term_width(100)
        .arg(
            Arg::new("files")
                .value_name("FILES")
                .num_args(0..)
                .value_parser(value_parser!(PathBuf))
                .help("Deployment files, or directories of them"),
        )
        .arg(
            Arg::new("options")
                .value_name("APP AND OPTIONS")
                .num_args(0..)
                .last(true)
                .value_parser(value_parser!(OsString))
                .help("The command line of the server, as after `rgun`"),
        )
        .arg(
            Arg::new("socket")
                .long("socket")
                .value_name("PATH")
                .value_parser(value_parser!(PathBuf))
                .help("The control socket of the server; without it, the one that is configured, or the only one there is"),
        )
        .arg(switch("json", "Print the findings as JSON"))
        .arg(switch("no-import", "Do not read Django's settings, which runs code of the project"))
}

/// `arguments` begin after `doctor`. Returns the exit code: the worst severity.
pub(super) fn main(arguments: Vec<OsString>, entry: &dyn EntryPoint) -> u8 {
    let mut command = command();
    let matches = match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            return report::page(&error.render());
        }
        Err(error) => return report::misuse(&misuse::explained(&error, &command)),
    };
    let process_environment = ProcessEnvironment::of_this_process();
    let options: Vec<OsString> = matches
        .get_many::<OsString>("options")
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    let mut facts = DeploymentFacts {
        machine: machine::machine(&process_environment),
        ..DeploymentFacts::default()
    };
    let files = matches.get_many::<PathBuf>("files").into_iter().flatten();
    let read = deployment::read(files);
    match read {
        Ok(contents) => deployment::add(contents, &process_environment, entry, &mut facts),
        Err(problem) => {
            report::failure(&problem, None);
            return USAGE;
        }
    }
    project::read(
        &options,
        &process_environment,
        entry,
        matches.get_flag("no-import"),
        &mut facts,
    );
    let socket = matches.get_one::<PathBuf>("socket");
    match ctl::look(socket.map(PathBuf::as_path)) {
        Ok(status) => facts.running = status.map(running),
        Err(problem) => {
            report::failure(&problem, None);
            return USAGE;
        }
    }
    let findings = examine(&facts);
    if matches.get_flag("json") {
        print::json(&findings)
    } else {
        print::text(&findings, count())
    }
}

fn running(status: Status) -> ServerStatus {
    let workers = status.workers.iter().map(|worker| RunningWorker {
        slot: worker.slot,
        is_hung: worker.state == "hung",
        restarts: worker.restarts,
        memory: worker.memory,
    });
    ServerStatus {
        workers: workers.collect(),
        name: status.name.unwrap_or(status.app),
        last_failure: status.reloads.last_failure,
    }
}
