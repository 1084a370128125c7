//! The master: one thread, one poll loop, no user code, no waiting inside a decision.

// A panic here would end every worker.
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod act;
mod banner;
mod binds;
mod canary_window;
mod capacity;
mod certificates;
mod check;
mod child;
mod child_signal;
mod children;
mod commands;
mod companions;
mod comparison;
mod condition;
mod configuration;
mod configuration_reading;
pub mod control;
mod daemon;
mod descriptors;
mod error;
mod event_log;
mod event_queue;
mod event_text;
mod failed_start;
mod fork;
mod generation;
mod generations;
mod hang;
mod heartbeats;
mod helper_exit;
mod helper_init;
mod helper_processes;
mod helpers;
mod host;
mod launch;
mod listeners;
mod listening;
mod load;
mod logs;
mod loop_control;
mod main_loop;
mod memory;
mod molds;
mod monitor_helper;
mod monitor_process;
mod names;
mod note;
mod orders;
mod pidfile;
mod prepare;
mod preview;
mod previews;
mod program;
mod reporting;
mod reports;
mod restart_counters;
mod running_command;
mod sampling;
mod scaling;
mod service;
mod shell;
mod signals;
mod stack_dump;
pub mod supervisor;
mod tidy_stacks;
mod turn;
pub mod upgrade;
mod watcher_helper;
mod watcher_process;
mod worker_exit;
mod worker_init;
mod worker_messages;
mod worker_processes;
mod worker_start;
mod workers;

pub use certificates::{
    SharedCertificates, check as check_certificates, for_a_server_without_master,
};
pub use check::{identity, try_out};
pub use configuration::{Configuration, ConfigurationStep, Misconfigured};
pub use daemon::{Announcement, DaemonStart, Detached, detach};
pub use error::Error;
pub use host::{Host, RunOutcome};
pub use launch::Launch;
pub use listeners::ServerListeners;
pub use molds::{ForkRequest, Forked, MoldChild, MoldRequest, MoldSeed, Newborn};
pub use program::Program;
pub use worker_init::WorkerInit;

use std::sync::Arc;

use self::check::try_temporary_directory;
use self::event_queue::HEARD;
use self::loop_control::End;
use self::pidfile::PidFile;
use self::shell::Shell;
use self::upgrade::first::FirstMaster;
use crate::config::{ProcessMode, Settings};
pub use crate::sys::Listener;
use crate::sys::{self, signals::SignalQueue};

/// Runs the master until it ends, or until this process is a worker that has ended.
///
/// `configuration` returns the new settings, or an error; it must be quick and must not change anything.
/// Listeners are opened by a reload before its generation boots, and closed once no generation accepts there.
///
/// # Errors
/// When the master cannot start, or a system error ends it: it leaves no file behind, and running workers drain once
/// this process has exited.
pub fn run(
    settings: Arc<Settings>,
    configuration: &dyn Configuration,
    host: &dyn Host,
    mut announcement: Option<Announcement>,
    first: Option<FirstMaster>,
) -> Result<RunOutcome, Error> {
    let outcome = govern(settings, configuration, host, &mut announcement, first);
    // Still unused: the server was not up.
    if let Some(announcement) = announcement {
        match &outcome {
            Ok(RunOutcome::Exit(0) | RunOutcome::Worker(_)) => {}
            Ok(RunOutcome::Exit(code)) => announcement.boot_failed(*code),
            Err(error) => {
                announcement.send(&DaemonStart::error(error.to_string(), error.hint()));
            }
        }
    }
    outcome
}

fn govern(
    settings: Arc<Settings>,
    configuration: &dyn Configuration,
    host: &dyn Host,
    announcement: &mut Option<Announcement>,
    first: Option<FirstMaster>,
) -> Result<RunOutcome, Error> {
    // First of all: from here on no signal is lost, and as PID 1 we would otherwise not even receive them.
    let signals = SignalQueue::open(&HEARD)?;
    sys::set_title("rgun: master", &names::master(&settings));
    crate::observability::hold_back_start(&settings);
    tracing::info!(
        pid = std::process::id(),
        "rgun {} starting",
        env!("CARGO_PKG_VERSION")
    );
    let mut shell = Shell::new(Arc::clone(&settings), signals, configuration, host)?;
    try_temporary_directory(&settings)?;
    let serving = shell.supervisor.generation();
    certificates::open(
        &mut shell.generations,
        &mut shell.listening,
        serving,
        &settings,
    )?;
    let is_second = first.is_some();
    let (listeners, set) = match first {
        None => {
            let caller = announcement.as_ref().map(Announcement::caller);
            ServerListeners::open(&settings, caller)?
        }
        Some(first) => {
            upgrade::second::begin_beside(
                &shell.generations,
                &mut shell.reporting,
                &mut shell.upgrade,
                first.pid,
            );
            first.listeners(&settings)?
        }
    };
    if let Some(identity) = &shell.fleet.identity {
        listeners.give(&set.numbers(), identity);
        if let Some(group) = identity.inherited_group() {
            tracing::warn!(
                group,
                hint = "--group GROUP",
                "the number of --user has no entry in passwd, workers keep the master's group"
            );
        }
    }
    if settings.place == ProcessMode::Foreground
        && let Some(shell) = sys::process::first_process_without_term()
    {
        tracing::warn!(
            shell,
            hint =
                "start the server with `exec`, or the container with an init (docker run --init)",
            "process 1 is a shell that does not pass SIGTERM on: a container that is stopped is killed"
        );
    }
    logs::give(&shell.fleet);
    for address in listeners.addresses(&set) {
        tracing::info!(address, "listening");
    }
    shell.listening.listeners = listeners;
    for config in shell.generations.values_mut() {
        config.listeners = set.clone();
    }
    listeners::show(
        &shell.generations,
        &mut shell.helpers.monitor,
        &mut shell.listening,
        serving,
    );
    let pid_file = match open_rest(&mut shell, &settings, is_second) {
        Ok(pid_file) => pid_file,
        Err(error) => {
            shell.helpers.monitor.dismiss();
            shell.listening.listeners.close();
            return Err(error);
        }
    };
    host.listening(&shell.listening.listeners.addresses(&set));
    // Memory that the start has used is not needed again, and the workers to come are copies of this process.
    crate::sys::trim();
    shell.reporting.announcement = announcement.take();
    shell.upgrade.pid_file = pid_file.as_ref().map(|file| file.path().to_owned());
    serve(shell, announcement, host)
}

/// What is opened once the server listens: for probes, its pid, and control.
fn open_rest(
    shell: &mut Shell<'_>,
    settings: &Settings,
    is_second: bool,
) -> Result<Option<PidFile>, Error> {
    shell.helpers.monitor.binds = binds::Binds::open_admin(settings)?;
    if !shell.helpers.monitor.binds.listeners.is_empty() {
        shell.helpers.companions.show()?;
    }
    for listener in &shell.helpers.monitor.binds.listeners {
        tracing::info!(address = %listener, "probes and metrics");
    }
    let pid_path = settings.pid_file.as_deref().map(|path| {
        if is_second {
            names::of_second(path)
        } else {
            path.to_owned()
        }
    });
    let pid_file = pid_path.as_deref().map(PidFile::write).transpose()?;
    let control = if is_second {
        control::Control::open_beside(settings)
    } else {
        control::Control::open(settings)
    };
    match control {
        Ok(control) => {
            shell.clients.control = control;
            Ok(pid_file)
        }
        Err(error) => {
            if let Some(pid_file) = pid_file {
                pid_file.remove();
            }
            Err(error)
        }
    }
}

/// Until the end, in the master and in each of its children.
fn serve(
    mut shell: Shell<'_>,
    announcement: &mut Option<Announcement>,
    host: &dyn Host,
) -> Result<RunOutcome, Error> {
    let end = match main_loop::run(&mut shell) {
        Ok(End::Child(child)) => {
            // Everything that belongs to the master alone is closed here: other workers' channels, the lifeline's
            // write end.
            drop(shell);
            return Ok(RunOutcome::Worker(child::live(*child, host)));
        }
        Ok(End::Monitor(helper_init)) => {
            drop(shell);
            monitor_helper::serve(helper_init.map(|helper_init| *helper_init))
        }
        Ok(End::Watcher(helper_init)) => {
            drop(shell);
            watcher_helper::serve(helper_init.map(|helper_init| *helper_init))
        }
        Ok(End::Mold(init)) => {
            drop(shell);
            return Ok(RunOutcome::Worker(molds::live(*init, host)));
        }
        Ok(End::ChildSetupFailed(code)) => return Ok(RunOutcome::Worker(code)),
        Ok(End::Exit(code)) => Ok(RunOutcome::Exit(code)),
        Err(error) => Err(error),
    };
    shell.molds.kill_all();
    shell.helpers.companions.kill_all();
    *announcement = shell.reporting.announcement.take();
    shell.clients.control.close();
    shell.helpers.monitor.dismiss();
    shell.helpers.watcher.dismiss();
    shell.listening.previews.close();
    shell.listening.listeners.close();
    if let Some(path) = shell.upgrade.pid_file.take() {
        PidFile::written(path).remove();
    }
    if let Ok(RunOutcome::Exit(code)) = end {
        // A gauge keeps its last value.
        crate::observability::statsd::workers(0);
        shell.reporting.event_log.stopped(code);
    }
    end
}
