//! The processes of the commands that run before the first boot. Their order and time limits are decided by the
//! supervisor.

use std::io;
use std::process::Stdio;

use super::commands::{command, in_words};
use super::event_queue::EventQueue;
use super::generation::GenerationConfig;
use super::generations::Generations;
use super::host::Host;
use super::running_command::RunningCommand;
use super::shell::Shell;
use super::supervisor::{Event, Exit, Generation};
use super::worker_processes::WorkerProcesses;
use super::workers::exit;
use crate::config::{LogTarget, RunBefore};
use crate::observability;
use crate::sys::command::start_group;
use crate::sys::{self, Pid, clock};

/// A shell's exit codes for a program that does not exist, for one that cannot be run, and (added to its number) for
/// a signal.
const NOT_FOUND: u8 = 127;
const NOT_RUNNABLE: u8 = 126;
const SIGNALLED: u8 = 128;

pub fn start(shell: &mut Shell<'_>, step: u32) {
    let command = shell.generations.first.run_before.get(step as usize);
    let Some(run_before) = command.cloned() else {
        shell.events.push(Event::Prepared { step, code: 0 });
        return;
    };
    let command = in_words(&run_before);
    match start_command(&shell.fleet, &shell.generations, shell.host, &run_before) {
        Ok(pid) => {
            tracing::info!(
                command,
                pid = pid.as_raw(),
                "running before the first worker"
            );
            let began = clock::monotonic();
            shell.helpers.command = Some(RunningCommand { step, pid, began });
        }
        Err(error) => {
            tracing::error!(%error, hint = error.hint, "command not started");
            let code = match error.kind() {
                io::ErrorKind::NotFound => NOT_FOUND,
                _ => NOT_RUNNABLE,
            };
            shell.events.push(Event::Prepared { step, code });
        }
    }
}

fn start_command(
    fleet: &WorkerProcesses,
    generations: &Generations<'_>,
    host: &dyn Host,
    run_before: &RunBefore,
) -> sys::Result<Pid> {
    let settings = &generations.first;
    let generation_config = generations.get(Generation(1));
    let directory =
        generation_config.map_or(generations.start.as_path(), GenerationConfig::directory);
    let python = host.python_executable();
    let mut command = command(run_before, settings, directory, python.as_deref());
    if let (LogTarget::File(_), Some(output)) =
        (&generations.first.error_log, observability::output())
    {
        let copy = || output.duplicate().map(Stdio::from);
        command.stdout(copy()?).stderr(copy()?);
    }
    start_group(&mut command, fleet.identity.clone(), &[])
}

/// Whether the reaped child was the command.
pub fn reaped(
    events: &mut EventQueue,
    generations: &Generations<'_>,
    command: &mut Option<RunningCommand>,
    pid: Pid,
    ended: sys::process::ProcessExit,
) -> bool {
    let Some(running) = command.take_if(|running| running.pid == pid) else {
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
    let command = generations.first.run_before.get(step as usize);
    let command = command.map(in_words);
    match code {
        0 => tracing::info!(command, took_ms, "command succeeded"),
        _ => tracing::error!(command, took_ms, code, "command failed"),
    }
    events.push(Event::Prepared { step, code });
    true
}
