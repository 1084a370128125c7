//! The end of a mold, ordered or not.

use crate::ipc::ToMold;
use crate::master::child_signal::deliver;
use crate::master::shell::Shell;
use crate::master::supervisor::{BootFailure, Event, Generation};
use crate::master::workers::exit;
use crate::sys::Pid;
use crate::sys::process::ProcessExit;
use crate::sys::signals::SignalNumber;

impl Shell<'_> {
    pub(in crate::master) fn kill_mold(&self, generation: Generation) {
        if let Some(mold) = self.molds.running.get(&generation) {
            tracing::warn!(
                generation = generation.0,
                pid = mold.pid.as_raw(),
                "killing mold"
            );
            deliver(mold.pid, SignalNumber::KILL);
        }
    }

    /// Whether the reaped child was a mold.
    pub(in crate::master) fn was_mold(&mut self, pid: Pid, ended: ProcessExit) -> bool {
        if self.molds.leaving.remove(&pid) {
            return true;
        }
        if self.molds.before.values().any(|mold| mold.pid == pid) {
            self.molds.before.retain(|_, mold| mold.pid != pid);
            return true;
        }
        let found = self.molds.running.iter().find(|(_, mold)| mold.pid == pid);
        let Some(generation) = found.map(|(generation, _)| *generation) else {
            if self.molds.is_forking() {
                self.molds.orphans.insert(pid, ended);
            }
            return false;
        };
        // Messages that it sent before its exit come first.
        self.hear_mold(generation, usize::from(u16::MAX));
        let Some(mut mold) = self.molds.running.remove(&generation) else {
            return true;
        };
        let why = BootFailure::Exited(exit(ended));
        self.events
            .pending
            .push_back(Event::MoldEnded { generation, why });
        // A worker that it has forked and not reported sees the end of its channel, and exits.
        for unborn in mold.abandon().collect::<Vec<_>>() {
            self.not_forked(unborn.incarnation, unborn.page);
        }
        true
    }

    /// Log files were rotated, or the level was changed.
    pub(in crate::master) fn tell_molds(&self, message: &ToMold) {
        let before = self.molds.before.iter();
        let before = before.map(|(generation, mold)| (*generation, mold));
        for (generation, mold) in self.molds.iter().chain(before) {
            if let Err(error) = mold.handle.send(message, &[]) {
                tracing::debug!(generation = generation.0, ?message, %error, "message not delivered");
            }
        }
    }

    pub(in crate::master) fn end_molds(&mut self) {
        let booting = self.molds.running.iter();
        let booting =
            booting.filter(|(generation, _)| !self.supervisor.mold_is_ready(**generation));
        for (_, mold) in booting {
            deliver(mold.pid, SignalNumber::KILL);
        }
        // The hook is sent before the channel is closed.
        self.hook_exit();
        self.molds.dismiss_all();
    }
}
