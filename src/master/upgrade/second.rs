//! gunicorn's way of an upgrade (`--upgrade-mode fork`): a second master runs the new program beside the first one, with
//! the same listeners. An operator ends one of the two.
//!
//! Until then neither closes a listener for both, and the second one has names of its own: its pid file and control
//! socket are called `.2`, and it does not notify the service manager. When the first one has ended, the second takes its names.

use std::fs;
use std::os::fd::{AsRawFd, RawFd};
use std::process::Command;

use super::attempt::OtherMaster;
use super::first::{SharedListeners, VARIABLE};
use crate::config::UpgradeMode;
use crate::master::commands::PRIVATE;
use crate::master::control::protocol::ControlResponse;
use crate::master::descriptors::KeptDescriptors;
use crate::master::event_text::ExitText;
use crate::master::launch::Launch;
use crate::master::names;
use crate::master::service::ServiceNotifier;
use crate::master::shell::Shell;
use crate::master::supervisor::{NotNow, ServiceState, Token};
use crate::master::workers::exit as ended;
use crate::sys::command::start_beside;
use crate::sys::process::{ProcessExit, is_alive};
use crate::sys::{MemFile, Pid, set_title};

impl Shell<'_> {
    /// Whether the settings of the generation that serves say so.
    pub(super) fn starts_second(&self) -> bool {
        let serving = self
            .generations
            .generation_configs
            .get(&self.supervisor.generation());
        let settings = serving.map_or(&self.generations.first, |serving| &serving.settings);
        settings.upgrade_mode == UpgradeMode::Fork
    }

    pub(super) fn start_second(&mut self, callers: &[Token]) {
        let started = self.may_have_second().and_then(|()| self.try_second());
        match started {
            Ok(pid) => {
                self.upgrade.other = OtherMaster::Second(pid);
                self.listening.listeners.share();
                tracing::info!(
                    event = "upgrade_second_started",
                    second_pid = pid.as_raw(),
                    hint = "TERM to this one lets the other take its place, TERM to the other goes back",
                    "second master started"
                );
                let response = ControlResponse::done(format!(
                    "second master started: pid {pid}; it serves beside this one when its workers are ready"
                ));
                for caller in callers {
                    self.handlers.control.answer(*caller, &response);
                }
            }
            Err(why) => self.upgrade_failed(callers, &why),
        }
    }

    pub(super) fn no_other_master(&self) -> Result<(), String> {
        match self.upgrade.other {
            OtherMaster::None => Ok(()),
            OtherMaster::Second(pid) => Err(format!("a second master runs already, pid {pid}")),
            OtherMaster::First(pid) => {
                Err(format!("the master before this one still runs, pid {pid}"))
            }
        }
    }

    fn may_have_second(&self) -> Result<(), String> {
        self.no_other_master()?;
        if self.generations.first.reload.is_some() {
            return Err("a server with --reload is not upgraded: start it again".to_owned());
        }
        match self.supervisor.may_be_handed_over() {
            Err(NotNow::Starting) => {
                Err("the server is starting: try again when it is up".to_owned())
            }
            Err(NotNow::Stopping) => Err("the server is stopping".to_owned()),
            // It starts from the configuration, whatever is rolled out here.
            Ok(()) | Err(NotNow::Rollout(_)) => Ok(()),
        }
    }

    fn try_second(&mut self) -> Result<Pid, String> {
        let launch = self.host.successor();
        let launch = launch.ok_or("it is not known how this program was started")?;
        let program = launch.path.display();
        tracing::info!(%program, "upgrade: starting a second master");
        self.hook_exec();
        let mut kept = KeptDescriptors::default();
        let passed_on = SharedListeners {
            pid: Pid::this().as_raw(),
            listeners: self.listening.listeners.state(Vec::new(), &mut kept),
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
        let mut command = self.command(&launch);
        command.env(VARIABLE, state.as_raw_fd().to_string());
        start_beside(&mut command, &open).map_err(|error| error.to_string())
    }

    fn command(&self, launch: &Launch) -> Command {
        let mut command = Command::new(&launch.path);
        let (before, own) = launch.words_before_own();
        command
            .args(before)
            .args(own)
            .current_dir(&self.generations.start)
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
    pub(in crate::master) fn was_second_master(&mut self, pid: Pid, exit: ProcessExit) -> bool {
        if self.upgrade.other != OtherMaster::Second(pid) {
            return false;
        }
        self.upgrade.other = OtherMaster::None;
        self.listening.listeners.keep_alone();
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
    pub(in crate::master) fn look_for_first_master(&mut self) {
        let OtherMaster::First(first) = self.upgrade.other else {
            return;
        };
        if is_alive(first) {
            return;
        }
        self.upgrade.other = OtherMaster::None;
        self.listening.listeners.keep_alone();
        let settings = &self.generations.first;
        set_title("rgun: master", &names::master(settings));
        if let Some(path) = &settings.pid_file {
            match fs::rename(names::of_second(path), path) {
                Ok(()) => self.upgrade.pid_file = Some(path.clone()),
                Err(error) => {
                    let path = path.display();
                    tracing::warn!(%path, %error, "pid file not renamed");
                }
            }
        }
        self.handlers.control.become_first(settings);
        tracing::info!(
            first_pid = first.as_raw(),
            "the master before has ended, this one takes its place"
        );
        self.reporting.service = ServiceNotifier::of_this_process();
        if self.supervisor.is_up() {
            self.notify(ServiceState::Ready);
        }
    }

    /// The service goes on with the other master: systemd must not take the end of this one for its end.
    pub(in crate::master) fn pass_service_on(&mut self) -> bool {
        let OtherMaster::Second(pid) = self.upgrade.other else {
            return false;
        };
        self.reporting.service.pass_on(pid);
        true
    }

    /// The second master's part of a start.
    pub(in crate::master) fn begin_beside(&mut self, first: Pid) {
        self.upgrade.other = OtherMaster::First(first);
        self.reporting.service = ServiceNotifier::silent();
        set_title(
            "rgun: master",
            &names::second_master(&self.generations.first),
        );
    }
}
