//! The processes of the programs beside the workers: started, read, terminated, killed with their children. The supervisor
//! decides when.

mod kept;
mod lines;
mod output;
pub mod processes;
mod record;

use std::io;
use std::path::Path;
use std::process::Stdio;

pub use self::kept::CompanionsState;
use self::output::CompanionOutput;
use self::processes::Running;
use self::record::shown;
use super::child_signal::deliver;
use super::commands::{command, in_words};
use super::generation::GenerationConfig;
use super::shell::Shell;
use super::supervisor::{
    CompanionEnd, CompanionId, CompanionReport, CompanionStage, Event, Generation,
};
use super::workers::exit;
use crate::config::{CompanionSettings, ReopenSignal};
use crate::sys::command::{kill_group, start_group};
use crate::sys::process::ProcessExit;
use crate::sys::signals::SignalNumber;
use crate::sys::{self, Pid, clock, pipe_from_program};

impl Shell<'_> {
    pub(super) fn start_companion(&mut self, companion: CompanionId, generation: Generation) {
        let event = match self.start_as(companion, generation) {
            Ok(running) => {
                tracing::info!(
                    companion = running.name,
                    pid = running.pid.as_raw(),
                    command = running.command,
                    "companion started"
                );
                self.helpers.companions.running.insert(companion, running);
                Event::CompanionStarted { companion }
            }
            Err(error) => {
                let name = self.companion_name(companion);
                tracing::error!(companion = name, %error, hint = error.hint, "companion not started");
                let end = CompanionEnd::NotStarted;
                Event::CompanionEnded { companion, end }
            }
        };
        self.events.pending.push_back(event);
        self.show_companions();
    }

    fn start_as(&self, companion: CompanionId, generation: Generation) -> sys::Result<Running> {
        let name = self.companion_name(companion);
        let missing = || sys::Error::new("run", &name, io::Error::from(io::ErrorKind::NotFound));
        let generation_config = self.generations.generation_configs.get(&generation);
        let GenerationConfig { settings, .. } = generation_config.ok_or_else(missing)?;
        let its = settings.companions.iter().find(|one| one.name == name);
        let CompanionSettings {
            command: program,
            environment,
            reopen,
            ..
        } = its.ok_or_else(missing)?;
        let directory = generation_config.map_or(Path::new("."), GenerationConfig::directory);
        let python = self.host.python_executable();
        let mut command = command(program, settings, directory, python.as_deref());
        let own = environment.iter();
        command.envs(own.map(|(name, value)| (name.as_str(), value.as_str())));
        let (ours, theirs) = pipe_from_program()?;
        let copy = theirs
            .try_clone()
            .map_err(|error| sys::Error::new("dup", "pipe", error))?;
        command
            .stdout(Stdio::from(copy))
            .stderr(Stdio::from(theirs));
        let pid = start_group(&mut command, self.fleet.identity.clone(), &[])?;
        Ok(Running {
            pid,
            command: in_words(program),
            output: CompanionOutput::new(&name, ours),
            name,
            born_ms: clock::monotonic_ms(),
            reopen: reopen.map(|signal| match signal {
                ReopenSignal::Hup => SignalNumber::HUP,
                ReopenSignal::Usr1 => SignalNumber::USR1,
                ReopenSignal::Usr2 => SignalNumber::USR2,
            }),
        })
    }

    pub(super) fn companion_name(&self, companion: CompanionId) -> String {
        let mut known = self.supervisor.companions();
        let known = known.find(|view| view.companion == companion);
        let running = || {
            self.helpers
                .companions
                .get(companion)
                .map(|it| it.name.clone())
        };
        known
            .map(|view| view.name.to_owned())
            .or_else(running)
            .unwrap_or_default()
    }

    /// To the process alone: what it has started is its own to end.
    pub(super) fn end_companion(&self, companion: CompanionId) {
        if let Some(running) = self.helpers.companions.get(companion) {
            deliver(running.pid, SignalNumber::TERM);
        }
    }

    pub(super) fn kill_companion(&self, companion: CompanionId) {
        if let Some(running) = self.helpers.companions.get(companion)
            && let Err(error) = kill_group(running.pid, SignalNumber::KILL)
        {
            tracing::warn!(%error, "signal not delivered");
        }
    }

    /// Whether the child that was reaped is one of them. What it has started ends with it.
    pub(super) fn was_companion(&mut self, pid: Pid, ended: ProcessExit) -> bool {
        let mut running = self.helpers.companions.running.iter();
        let its = running.find(|(_, running)| running.pid == pid);
        let Some(companion) = its.map(|(companion, _)| *companion) else {
            return false;
        };
        // Usually the group is empty by now: an error is no news.
        drop(kill_group(pid, SignalNumber::KILL));
        if let Some(running) = self.helpers.companions.running.get_mut(&companion) {
            running.output.end(clock::monotonic());
        }
        let end = CompanionEnd::Exited(exit(ended));
        self.events
            .pending
            .push_back(Event::CompanionEnded { companion, end });
        true
    }

    pub(super) fn hear_companion(&mut self, companion: CompanionId) {
        if let Some(running) = self.helpers.companions.running.get_mut(&companion) {
            running.output.hear(clock::monotonic());
        }
    }

    pub(super) fn note_companion(&mut self, companion: CompanionId, what: CompanionReport) {
        let name = self.companion_name(companion);
        let running = match what {
            CompanionReport::Died { .. } | CompanionReport::Left { .. } => {
                self.helpers.companions.running.remove(&companion)
            }
            CompanionReport::Overdue { .. } => None,
        };
        let name = running
            .as_ref()
            .map_or(name, |running| running.name.clone());
        let pid = running.map(|running| running.pid).or_else(|| {
            let running = self.helpers.companions.get(companion);
            running.map(|running| running.pid)
        });
        record::write(&name, pid, what);
        if let CompanionReport::Died { .. } = what {
            *self.helpers.companions.restarts.entry(name).or_default() += 1;
        }
        self.show_companions();
    }

    /// For the monitor.
    pub(super) fn show_companions(&self) {
        let companions = &self.helpers.companions;
        let Some(document) = &companions.shown else {
            return;
        };
        let lines = self.supervisor.companions().map(|view| {
            let runs =
                view.stage != CompanionStage::Paused && companions.get(view.companion).is_some();
            shown(view.name, runs, companions.restarts_of(view.name))
        });
        if let Err(error) = document.replace(lines.collect::<String>().as_bytes()) {
            tracing::debug!(%error, "companions not shown to the monitor");
        }
    }
}
