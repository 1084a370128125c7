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
use self::processes::{CompanionProcesses, Running};
use self::record::shown;
use super::commands::{command, in_words};
use super::event_queue::EventQueue;
use super::generation::GenerationConfig;
use super::shell::Shell;
use super::supervisor::{
    CompanionEnd, CompanionId, CompanionReport, CompanionStage, Event, Generation, Supervisor,
};
use super::workers::exit;
use crate::config::{CompanionSettings, ReopenSignal};
use crate::sys::command::{kill_group, start_group};
use crate::sys::process::ProcessExit;
use crate::sys::signals::SignalNumber;
use crate::sys::{self, Pid, clock, pipe_from_program};

pub fn start(shell: &mut Shell<'_>, companion: CompanionId, generation: Generation) {
    let event = match start_as(shell, companion, generation) {
        Ok(running) => {
            tracing::info!(
                companion = running.name,
                pid = running.pid.as_raw(),
                command = running.command,
                "companion started"
            );
            shell.helpers.companions.running.insert(companion, running);
            Event::CompanionStarted { companion }
        }
        Err(error) => {
            let name = name(&shell.helpers.companions, &shell.supervisor, companion);
            tracing::error!(companion = name, %error, hint = error.hint, "companion not started");
            let end = CompanionEnd::NotStarted;
            Event::CompanionEnded { companion, end }
        }
    };
    shell.events.push(event);
    publish(&shell.helpers.companions, &shell.supervisor);
}

fn start_as(
    shell: &Shell<'_>,
    companion: CompanionId,
    generation: Generation,
) -> sys::Result<Running> {
    let name = name(&shell.helpers.companions, &shell.supervisor, companion);
    let missing = || sys::Error::new("run", &name, io::Error::from(io::ErrorKind::NotFound));
    let generation_config = shell.generations.get(generation);
    let GenerationConfig { settings, .. } = generation_config.ok_or_else(missing)?;
    let its = settings.companions.iter().find(|one| one.name == name);
    let CompanionSettings {
        command: program,
        environment,
        reopen,
        ..
    } = its.ok_or_else(missing)?;
    let directory = generation_config.map_or(Path::new("."), GenerationConfig::directory);
    let python = shell.host.python_executable();
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
    let pid = start_group(&mut command, shell.fleet.identity.clone(), &[])?;
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

pub fn name(
    companions: &CompanionProcesses,
    supervisor: &Supervisor,
    companion: CompanionId,
) -> String {
    let mut known = supervisor.companions();
    let known = known.find(|view| view.companion == companion);
    let running = || companions.get(companion).map(|it| it.name.clone());
    known
        .map(|view| view.name.to_owned())
        .or_else(running)
        .unwrap_or_default()
}

/// Whether the child that was reaped is one of them. What it has started ends with it.
pub fn reaped(
    events: &mut EventQueue,
    companions: &mut CompanionProcesses,
    pid: Pid,
    ended: ProcessExit,
) -> bool {
    let mut running = companions.running.iter();
    let its = running.find(|(_, running)| running.pid == pid);
    let Some(companion) = its.map(|(companion, _)| *companion) else {
        return false;
    };
    // Usually the group is empty by now: an error is no news.
    drop(kill_group(pid, SignalNumber::KILL));
    if let Some(running) = companions.running.get_mut(&companion) {
        running.output.end();
    }
    let end = CompanionEnd::Exited(exit(ended));
    events.push(Event::CompanionEnded { companion, end });
    true
}

pub fn note(
    companions: &mut CompanionProcesses,
    supervisor: &Supervisor,
    companion: CompanionId,
    what: CompanionReport,
) {
    let name = name(companions, supervisor, companion);
    let running = match what {
        CompanionReport::Died { .. } | CompanionReport::Left { .. } => {
            companions.running.remove(&companion)
        }
        CompanionReport::Overdue { .. } => None,
    };
    let name = running
        .as_ref()
        .map_or(name, |running| running.name.clone());
    let pid = running.map(|running| running.pid).or_else(|| {
        let running = companions.get(companion);
        running.map(|running| running.pid)
    });
    record::write(&name, pid, what);
    if let CompanionReport::Died { .. } = what {
        *companions.restarts.entry(name).or_default() += 1;
    }
    publish(companions, supervisor);
}

/// For the monitor.
pub fn publish(companions: &CompanionProcesses, supervisor: &Supervisor) {
    let Some(document) = &companions.shown else {
        return;
    };
    let lines = supervisor.companions().map(|view| {
        let runs = view.stage != CompanionStage::Paused && companions.get(view.companion).is_some();
        shown(view.name, runs, companions.restarts_of(view.name))
    });
    if let Err(error) = document.replace(lines.collect::<String>().as_bytes()) {
        tracing::debug!(%error, "companions not shown to the monitor");
    }
}
