//! Reaps the master's child processes: the exit of each goes to what has started it.

use super::event_text::ExitText;
use super::shell::Shell;
use super::supervisor::{Event, Exit, Helper, HelperEnd};
use super::upgrade::second;
use super::workers::{Killed, exit};
use super::{Error, companions, hang, molds, prepare, worker_exit, worker_messages};
use crate::sys::Pid;
use crate::sys::process::{self, ProcessExit};
use crate::sys::signals::SignalNumber;

/// One SIGCHLD may stand for several children, including ones that we did not fork (orphans, when we are PID 1).
pub fn reap(shell: &mut Shell<'_>) -> Result<(), Error> {
    while let Some((pid, exit)) = process::reap()? {
        ended(shell, pid, exit);
    }
    Ok(())
}

/// That child was reaped.
pub fn ended(shell: &mut Shell<'_>, pid: Pid, how: ProcessExit) {
    let Some(incarnation) = shell.fleet.workers.with_pid(pid) else {
        if !helper_ended(shell, pid, how) {
            tracing::debug!(%pid, ended = %ExitText(exit(how)), "orphan reaped");
        }
        return;
    };
    // Messages that it sent before its exit come first. Later ones of its own child processes are dropped.
    worker_messages::receive(shell, incarnation, usize::from(u16::MAX));
    hang::collect_stacks(&shell.generations, &mut shell.fleet.workers, incarnation);
    let killed = shell
        .fleet
        .workers
        .get(incarnation)
        .map(|worker| worker.killed);
    let exit = match how {
        ProcessExit::Signal {
            signal: SignalNumber::KILL,
            ..
        } if killed == Some(Killed::No) && shell.fleet.memory.has_killed() => Exit::OutOfMemory,
        how => exit(how),
    };
    worker_exit::handle(shell, incarnation, pid, exit);
}

/// A child that is no worker was reaped. `false`: an unknown process.
fn helper_ended(shell: &mut Shell<'_>, pid: Pid, exit: ProcessExit) -> bool {
    if let Some(end) = shell.helpers.monitor.ended(pid, exit) {
        if end != HelperEnd::Renewed {
            shell.reporting.restart_counters.monitor += 1;
        }
        let helper = Helper::Monitor;
        shell.events.push(Event::HelperEnded { helper, end });
        return true;
    }
    if let Some(end) = shell.helpers.watcher.ended(pid, exit) {
        let helper = Helper::Watcher;
        shell.events.push(Event::HelperEnded { helper, end });
        return true;
    }
    shell.upgrade.ended(pid, exit)
        || prepare::reaped(
            &mut shell.events,
            &shell.generations,
            &mut shell.helpers.command,
            pid,
            exit,
        )
        || companions::reaped(&mut shell.events, &mut shell.helpers.companions, pid, exit)
        || molds::reaped(shell, pid, exit)
        || second::reaped(
            &mut shell.listening.listeners,
            &mut shell.upgrade,
            pid,
            exit,
        )
}
