//! What happens to the simulated OS unasked: it is suspended, processes are killed, sent away, or reach a limit.

use std::time::Duration;

use super::oracle::Broken;
use super::world::{Happening, World};
use crate::master::supervisor::*;

impl World {
    /// The whole machine is suspended.
    pub fn suspend(&mut self, span: Duration) {
        for process in self
            .processes
            .values_mut()
            .filter(|p| p.hung_since.is_none())
        {
            let ticked = self.now - self.rng.millis(0, 900);
            if ticked > self.resumed {
                process.last_beat = process.last_beat.max(ticked);
            }
        }
        self.helpers.suspend(self.now, self.resumed);
        self.stop_master(span);
        self.resumed = self.now;
        let agenda = std::mem::take(&mut self.agenda);
        self.agenda = agenda
            .into_iter()
            .map(|((at, n), what)| ((at + span, n), what))
            .collect();
    }

    /// Only the master is stopped; events in that time wait for it.
    pub fn stop_master(&mut self, span: Duration) {
        self.now = self.now + span;
        self.oracle.stood_still(span);
        if let Some(trace) = &mut self.trace {
            trace.push(format!(
                "{:?} (the master stood still for {span:?})",
                self.now.0
            ));
        }
    }

    pub fn kill_some(&mut self, exit: Exit) -> Result<(), Broken> {
        let alive: Vec<_> = self
            .processes
            .iter()
            .filter(|(_, p)| p.alive)
            .map(|(id, _)| *id)
            .collect();
        if alive.is_empty() {
            return Ok(());
        }
        let victim = self.rng.pick(&alive);
        self.happen(Happening::Ends(victim, exit))
    }

    /// SIGTERM is sent to a worker directly.
    pub fn send_away_some(&mut self) -> Result<(), Broken> {
        let serving: Vec<_> = self
            .oracle
            .workers
            .values()
            .filter(|w| w.is_ready() && w.went)
            .map(|w| w.who.incarnation)
            .filter(|one| self.processes.get(one).is_some_and(|p| p.alive))
            .collect();
        if serving.is_empty() {
            return Ok(());
        }
        let who = self.rng.pick(&serving);
        if let Some(after) = self.processes[&who].drain {
            self.later(after, Happening::Ends(who, Exit::Code(0)));
        }
        self.happen(Happening::Says(who, WorkerMessage::StoppedAccepting))
    }

    /// One of them has reached a limit of requests or memory.
    pub fn wear_some(&mut self) {
        let alive = self.processes.values_mut().filter(|p| p.alive);
        let mut alive: Vec<_> = alive.collect();
        if alive.is_empty() {
            return;
        }
        let last = alive.len() as u64 - 1;
        let chosen = usize::try_from(self.rng.upto(last)).expect("an index");
        if self.rng.percent(50) {
            alive[chosen].requests = 2000;
        } else {
            alive[chosen].memory = Some(2000);
        }
    }

    /// Some worker serves beyond its limit, whatever the jitter.
    pub fn is_worn(&self) -> bool {
        let limits = &self.plan.limits;
        self.processes.values().filter(|p| p.alive).any(|process| {
            limits.requests.is_some() && process.requests >= 2000
                || limits.memory.is_some() && process.memory >= Some(2000)
        })
    }
}
