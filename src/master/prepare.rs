//! The processes of the commands that run before the first boot. Their order and time limits are decided by the
//! supervisor.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::child::PRIVATE;
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

/// The search path for programs if none is set (`_PATH_DEFPATH` of the C library).
const DEFAULT_PATH: &str = "/usr/bin:/bin";

/// The running command.
#[derive(Debug)]
pub struct RunningCommand {
    step: u32,
    pid: Pid,
    began: Duration,
}

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
        let mut command = Command::new(&run_before.program);
        command
            .args(&run_before.arguments)
            .envs(self.generations.first.environment())
            .env("PATH", self.path())
            .stdin(Stdio::null());
        PRIVATE.iter().for_each(|name| {
            command.env_remove(name);
        });
        if let Some(generation_config) = self.generations.generation_configs.get(&Generation(1)) {
            command.current_dir(generation_config.directory());
        }
        if let (LogTarget::File(_), Some(output)) =
            (&self.generations.first.error_log, observability::output())
        {
            let copy = || output.duplicate().map(Stdio::from);
            command.stdout(copy()?).stderr(copy()?);
        }
        start_group(&mut command, self.fleet.identity.clone(), None)
    }

    /// `python manage.py migrate` must run the Python of the workers, even if no virtual environment is activated.
    fn path(&self) -> OsString {
        let given = self
            .generations
            .first
            .environment()
            .rev()
            .find(|(name, _)| *name == "PATH");
        let given = given.map(|(_, value)| OsString::from(value));
        let given = given.or_else(|| env::var_os("PATH"));
        let given = given.unwrap_or_else(|| DEFAULT_PATH.into());
        let python = self.host.python_executable();
        let Some(first) = python.as_deref().and_then(Path::parent) else {
            return given;
        };
        let others = env::split_paths(&given).filter(|one| one != first);
        let all = std::iter::once(first.to_owned()).chain(others);
        // A directory with a colon in its name cannot be part of such a list.
        env::join_paths(all).unwrap_or(given)
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

fn in_words(command: &RunBefore) -> String {
    let words = std::iter::once(&command.program).chain(&command.arguments);
    words.cloned().collect::<Vec<_>>().join(" ")
}
