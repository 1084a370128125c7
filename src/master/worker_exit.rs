//! The end of a worker: its page becomes free, and the supervisor and the hooks learn of it.

use super::molds::hooks;
use super::shell::Shell;
use super::supervisor::{Event, Exit, Incarnation};
use crate::sys::Pid;

pub fn handle(shell: &mut Shell<'_>, incarnation: Incarnation, pid: Pid, exit: Exit) {
    hooks::child_exit(
        &shell.generations,
        &shell.molds,
        shell.supervisor.generation(),
        incarnation,
        pid,
    );
    if let Some(page) = shell.fleet.workers.remove(incarnation) {
        shell.fleet.scoreboard.free(page);
    }
    shell.events.push(Event::Exited { incarnation, exit });
}
