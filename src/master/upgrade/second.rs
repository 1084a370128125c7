//! gunicorn's way of an upgrade (`--upgrade-mode fork`): a second master runs the new program beside the first one, with
//! the same listeners. An operator ends one of the two.
//!
//! Until then neither closes a listener for both, and the second one has names of its own: its pid file and control
//! socket are called `.2`, and it does not notify the service manager. When the first one has ended, the second takes its names.

use std::fs;
use std::os::fd::{AsRawFd, RawFd};
use std::process::Command;

use super::attempt::{OtherMaster, UpgradeAttempt};
use super::first::{SharedListeners, VARIABLE};
use super::{answers, permission};
use crate::config::UpgradeMode;
use crate::master::commands::PRIVATE;
use crate::master::control::protocol::ControlResponse;
use crate::master::descriptors::KeptDescriptors;
use crate::master::event_text::ExitText;
use crate::master::generations::Generations;
use crate::master::launch::Launch;
use crate::master::listeners::ServerListeners;
use crate::master::molds::hooks;
use crate::master::reporting::Reporting;
use crate::master::service::ServiceNotifier;
use crate::master::shell::Shell;
use crate::master::supervisor::{Generation, ServiceState, Token};
use crate::master::workers::exit as ended;
use crate::master::{condition, names};
use crate::sys::command::start_beside;
use crate::sys::process::ProcessExit;
use crate::sys::{MemFile, Pid, set_title};

/// Whether the settings of the generation that serves say so.
pub fn is_chosen(generations: &Generations<'_>, serving: Generation) -> bool {
    generations.settings_of(serving).upgrade_mode == UpgradeMode::Fork
}

pub fn start(shell: &mut Shell<'_>, callers: &[Token]) {
    // It starts from the configuration, whatever is rolled out here.
    let started = permission::check(&shell.generations, &shell.supervisor, &shell.upgrade)
        .and_then(|_rollout| try_start(shell));
    match started {
        Ok(pid) => {
            shell.upgrade.other = OtherMaster::Second(pid);
            shell.listening.listeners.share();
            tracing::info!(
                event = "upgrade_second_started",
                second_pid = pid.as_raw(),
                hint =
                    "TERM to this one lets the other take its place, TERM to the other goes back",
                "second master started"
            );
            let response = ControlResponse::done(format!(
                "second master started: pid {pid}; it serves beside this one when its workers are ready"
            ));
            for caller in callers {
                shell.clients.control.answer(*caller, &response);
            }
        }
        Err(why) => answers::failed(&mut shell.clients.control, callers, &why),
    }
}

fn try_start(shell: &Shell<'_>) -> Result<Pid, String> {
    let launch = shell.host.successor();
    let launch = launch.ok_or("it is not known how this program was started")?;
    let program = launch.path.display();
    tracing::info!(%program, "upgrade: starting a second master");
    hooks::exec(
        &shell.generations,
        &shell.molds,
        shell.supervisor.generation(),
    );
    let mut kept = KeptDescriptors::default();
    let passed_on = SharedListeners {
        pid: Pid::this().as_raw(),
        listeners: shell.listening.listeners.state(Vec::new(), &mut kept),
        descriptors: kept.numbers().to_vec(),
    };
    let text = serde_json::to_vec(&passed_on).map_err(|error| error.to_string())?;
    let state = MemFile::holding(c"rgun-listeners", &[&text]);
    let state = state.map_err(|error| error.to_string())?;
    let open: Vec<RawFd> = kept
        .numbers()
        .iter()
        .copied()
        .chain([state.as_raw_fd()])
        .collect();
    let mut command = command(&shell.generations, &launch);
    command.env(VARIABLE, state.as_raw_fd().to_string());
    start_beside(&mut command, &open).map_err(|error| error.to_string())
}

fn command(generations: &Generations<'_>, launch: &Launch) -> Command {
    let mut command = Command::new(&launch.path);
    let (before, own) = launch.words_before_own();
    command
        .args(before)
        .args(own)
        .current_dir(&generations.start)
        .envs(launch.variables.iter().map(|(name, value)| (name, value)));
    // It notifies the service manager once it is alone.
    let private = PRIVATE.iter();
    private
        .filter(|name| !["NOTIFY_SOCKET", "WATCHDOG_USEC"].contains(*name))
        .for_each(|name| {
            command.env_remove(name);
        });
    command
}

/// Whether that was the second master.
pub fn reaped(
    listeners: &mut ServerListeners,
    upgrade: &mut UpgradeAttempt,
    pid: Pid,
    exit: ProcessExit,
) -> bool {
    if upgrade.other != OtherMaster::Second(pid) {
        return false;
    }
    upgrade.other = OtherMaster::None;
    listeners.keep_alone();
    let (second_pid, how) = (pid.as_raw(), ExitText(ended(exit)));
    match exit {
        // An operator has taken the upgrade back.
        ProcessExit::Code(0) => {
            tracing::info!(second_pid, exit = %how, "second master has ended")
        }
        ProcessExit::Code(_) | ProcessExit::Signal { .. } => {
            tracing::warn!(second_pid, exit = %how, "second master has ended");
        }
    }
    true
}

/// Called once per turn: the first master has ended, and this one takes its place.
pub fn look_for_first_master(shell: &mut Shell<'_>) {
    let OtherMaster::First(first) = shell.upgrade.other else {
        return;
    };
    // Its number may be another process' by now: it is the parent for as long as it lives.
    if Pid::parent() == Some(first) {
        return;
    }
    shell.upgrade.other = OtherMaster::None;
    shell.listening.listeners.keep_alone();
    let settings = &shell.generations.first;
    set_title("rgun: master", &names::master(settings));
    if let Some(path) = &settings.pid_file {
        match fs::rename(names::of_second(path), path) {
            Ok(()) => shell.upgrade.pid_file = Some(path.clone()),
            Err(error) => {
                let path = path.display();
                tracing::warn!(%path, %error, "pid file not renamed");
            }
        }
    }
    shell.clients.control.become_first(settings);
    tracing::info!(
        first_pid = first.as_raw(),
        "the master before has ended, this one takes its place"
    );
    shell.reporting.service = ServiceNotifier::of_this_process();
    if shell.supervisor.is_up() {
        condition::notify(shell, ServiceState::Ready);
    }
}

/// The second master's part of a start.
pub fn begin_beside(
    generations: &Generations<'_>,
    reporting: &mut Reporting,
    upgrade: &mut UpgradeAttempt,
    first: Pid,
) {
    upgrade.other = OtherMaster::First(first);
    reporting.service = ServiceNotifier::silent();
    set_title("rgun: master", &names::second_master(&generations.first));
}
