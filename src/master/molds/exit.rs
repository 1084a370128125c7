//! The end of a mold, ordered or not.

use super::running::Molds;
use super::{hooks, requests};
use crate::master::child_signal::deliver;
use crate::master::generations::Generations;
use crate::master::shell::Shell;
use crate::master::supervisor::{BootFailure, Event, Supervisor};
use crate::master::workers::exit;
use crate::sys::Pid;
use crate::sys::process::ProcessExit;
use crate::sys::signals::SignalNumber;

/// Whether the reaped child was a mold.
pub fn reaped(shell: &mut Shell<'_>, pid: Pid, ended: ProcessExit) -> bool {
    if shell.molds.leaving.remove(&pid) {
        return true;
    }
    if shell.molds.before.values().any(|mold| mold.pid == pid) {
        shell.molds.before.retain(|_, mold| mold.pid != pid);
        return true;
    }
    let found = shell.molds.running.iter().find(|(_, mold)| mold.pid == pid);
    let Some(generation) = found.map(|(generation, _)| *generation) else {
        if shell.molds.is_forking() {
            shell.molds.orphans.insert(pid, ended);
        }
        return false;
    };
    // Messages that it sent before its exit come first.
    requests::receive(shell, generation, usize::from(u16::MAX));
    let Some(mut mold) = shell.molds.running.remove(&generation) else {
        return true;
    };
    let why = BootFailure::Exited(exit(ended));
    shell.events.push(Event::MoldEnded { generation, why });
    // A worker that it has forked and not reported sees the end of its channel, and exits.
    for unborn in mold.abandon().collect::<Vec<_>>() {
        requests::not_forked(
            &mut shell.events,
            &shell.fleet.scoreboard,
            unborn.incarnation,
            unborn.page,
        );
    }
    true
}

pub fn end_all(generations: &Generations<'_>, molds: &mut Molds, supervisor: &Supervisor) {
    let booting = molds.running.iter();
    let booting = booting.filter(|(generation, _)| !supervisor.mold_is_ready(**generation));
    for (_, mold) in booting {
        deliver(mold.pid, SignalNumber::KILL);
    }
    // The hook is sent before the channel is closed.
    hooks::exit(generations, molds, supervisor.generation());
    molds.dismiss_all();
}
