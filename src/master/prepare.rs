//! The processes of the commands that run before the first boot. Their order and time limits are decided by the
//! supervisor.

use std::io;
use std::process::Stdio;

use super::commands::{command, in_words};
use super::generation::GenerationConfig;
use super::running_command::RunningCommand;
use super::shell::Shell;
use super::supervisor::{Event, Exit, Generation, Signal};
use super::workers::exit;
use crate::config::{LogTarget, RunBefore};
use crate::observability;
use crate::sys::command::{kill_group, start_group};
use crate::sys::signals::SignalNumber as Raw;
use crate::sys::{self, Pid, clock};

/// A shell's exit codes for a program that does not exist, for one that cannot be run, and (added to its number) for
/// a signal.
const NOT_FOUND: u8 = 127;
const NOT_RUNNABLE: u8 = 126;
const SIGNALLED: u8 = 128;

impl Shell<'_> {
    pub(super) fn prepare(&mut self, step: u32) {
        let command = self.generations.first.run_before.get(step as usize);
        let Some(run_before) = command.cloned() else {
            self.events
                .pending
                .push_back(Event::Prepared { step, code: 0 });
            return;
        };
        let command = in_words(&run_before);
        match self.start(&run_before) {
            Ok(pid) => {
                tracing::info!(
                    command,
                    pid = pid.as_raw(),
                    "running before the first worker"
                );
                let began = clock::monotonic();
                self.helpers.command = Some(RunningCommand { step, pid, began });
            }
            Err(error) => {
                tracing::error!(%error, hint = error.hint, "command not started");
                let code = match error.kind() {
                    io::ErrorKind::NotFound => NOT_FOUND,
                    _ => NOT_RUNNABLE,
                };
                self.events
                    .pending
                    .push_back(Event::Prepared { step, code });
            }
        }
    }

    fn start(&self, run_before: &RunBefore) -> sys::Result<Pid> {
        let settings = &self.generations.first;
        let generation_config = self.generations.generation_configs.get(&Generation(1));
        let directory = generation_config.map_or(
            self.generations.start.as_path(),
            GenerationConfig::directory,
        );
        let python = self.host.python_executable();
        let mut command = command(run_before, settings, directory, python.as_deref());
        if let (LogTarget::File(_), Some(output)) =
            (&self.generations.first.error_log, observability::output())
        {
            let copy = || output.duplicate().map(Stdio::from);
            command.stdout(copy()?).stderr(copy()?);
        }
        start_group(&mut command, self.fleet.identity.clone(), &[])
    }

    pub(super) fn signal_preparation(&mut self, signal: Signal) {
        self.deliver_preparation(match signal {
            Signal::Int => Raw::INT,
            Signal::Quit => Raw::QUIT,
            _ => Raw::TERM,
        });
    }

    pub(super) fn kill_preparation(&self) {
        if let Some(running) = &self.helpers.command {
            tracing::warn!(pid = running.pid.as_raw(), "killing the command");
        }
        self.deliver_preparation(Raw::KILL);
    }

    fn deliver_preparation(&self, signal: Raw) {
        let Some(running) = &self.helpers.command else {
            return;
        };
        if let Err(error) = kill_group(running.pid, signal) {
            tracing::warn!(%error, "signal not delivered");
        }
    }

    /// Whether the reaped child was the command.
    pub(super) fn was_preparation(&mut self, pid: Pid, ended: sys::process::ProcessExit) -> bool {
        let Some(running) = self.helpers.command.take_if(|running| running.pid == pid) else {
            return false;
        };
        let step = running.step;
        let code = match exit(ended) {
            Exit::Code(code) => code,
            Exit::OutOfMemory => 128 + 9,
            Exit::Signal { signal, .. } => {
                SIGNALLED.saturating_add(u8::try_from(signal).unwrap_or(u8::MAX))
            }
        };
        let took_ms = clock::monotonic().saturating_sub(running.began).as_millis();
        let took_ms = u64::try_from(took_ms).unwrap_or(u64::MAX);
        let command = self.generations.first.run_before.get(step as usize);
        let command = command.map(in_words);
        match code {
            0 => tracing::info!(command, took_ms, "command succeeded"),
            _ => tracing::error!(command, took_ms, code, "command failed"),
        }
        self.events
            .pending
            .push_back(Event::Prepared { step, code });
        true
    }
}
