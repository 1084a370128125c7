//! What the observer concludes from each event.

use std::time::Duration;

use super::facts::{Facts, is_close, is_failure};
use super::oracle::{Oracle, Stop};
use super::process::exit_code;
use crate::master::supervisor::*;

impl Oracle {
    pub(super) fn note_event(&mut self, event: &Event, supervisor: &Supervisor) {
        self.molds.changed = matches!(event, Event::Changed);
        match event {
            Event::Signal(Signal::Hup) => self.wants_reload |= self.keeps_up(),
            Event::Signal(Signal::Term) => {
                // The second one ends the delay, a later one the graceful period. Without workers there is no delay.
                let delayed = |stop: Stop| {
                    stop.mode == StopMode::Graceful
                        && !self.listeners_closed
                        && stop.by + self.slack > self.now
                        && !supervisor.server.plan.shutdown_delay.is_zero()
                };
                let again = self.stop.is_some_and(|stop| !delayed(stop));
                if let Some(stop) = self.stop.as_mut().filter(|_| !again) {
                    stop.by = self.now;
                }
                self.note_stop(
                    if again {
                        StopMode::Fast
                    } else {
                        StopMode::Graceful
                    },
                    supervisor,
                );
            }
            Event::Signal(Signal::Int | Signal::Quit) => self.note_stop(StopMode::Fast, supervisor),
            Event::Signal(Signal::Ttin | Signal::Ttou | Signal::Usr1 | Signal::Winch) => {}
            Event::Worker {
                incarnation,
                message,
            } => self.note_message(
                *incarnation,
                *message,
                supervisor.server.plan.graceful_timeout,
            ),
            Event::Forked { incarnation } => {
                if let Some(facts) = self.workers.get_mut(incarnation) {
                    facts.forked = true;
                }
            }
            Event::Mold {
                generation,
                message,
            } => self.note_mold_message(*generation, *message),
            Event::MoldEnded { generation, why } => self.note_mold_end(*generation, *why),
            Event::Exited { incarnation, exit } => self.note_exit(*incarnation, *exit),
            Event::SpawnFailed { incarnation } => {
                self.note_exit(*incarnation, Exit::Code(255));
            }
            Event::ConfigRead { generation, result } => {
                if let ConfigResult::Good(plan) = result
                    && self.reload == Some(*generation)
                {
                    self.surged |= plan.surge.is_some();
                    self.plans.insert(*generation, (**plan).clone());
                }
            }
            Event::Control { token, command } => {
                self.unanswered.insert(*token);
                match command {
                    Command::Stop(mode) => self.note_stop(*mode, supervisor),
                    Command::Reload => self.wants_reload |= self.keeps_up(),
                    Command::Scale(_)
                    | Command::ScaleBetween(_)
                    | Command::Stage
                    | Command::Promote
                    | Command::Canary(_)
                    | Command::Rollback
                    | Command::Discard => {}
                    Command::RestartCompanion(companion) => {
                        self.note_companion_restart(*companion);
                    }
                    Command::RestartWorker(slot) => {
                        for ((of, _), failures) in &mut self.failures {
                            if of == slot {
                                failures.not_before = self.now;
                            }
                        }
                    }
                }
            }
            Event::Prepared { code, .. } => {
                self.preparing = None;
                self.prepared += 1;
                if *code != 0 && self.keeps_up() {
                    self.failed_boot = Some((*code, self.now));
                }
            }
            Event::Changed => self.note_change(),
            Event::Cpus { .. } => self.note_cpus(supervisor),
            Event::ScaleRoom(memory) => self.scaling.memory = *memory,
            Event::Memory(memory) => {
                self.room = memory.map(|memory| memory.free / memory.worker);
            }
            Event::HelperEnded { helper, end } => self.note_helper_end(*helper, *end),
            Event::CompanionStarted { .. } => {}
            Event::CompanionEnded { companion, end } => {
                self.note_companion_end(*companion, *end);
            }
            Event::HelpersEnded => self.helpers_ended = true,
            Event::Compared { .. }
            | Event::Heartbeats(_)
            | Event::HelperBeat { .. }
            | Event::Load(_)
            | Event::AbortInVain { .. }
            | Event::StacksDumped { .. }
            | Event::Timeout => {}
        }
    }

    fn note_change(&mut self) {
        if self.sources == SourceWatching::Fixed || !self.keeps_up() || self.preparing.is_some() {
            return;
        }
        self.awaiting.clear();
        self.note_change_for_molds();
        // Workers in their first boot boot again; serving ones already have the old files.
        self.wants_reload |= self.up || self.workers.values().any(Facts::is_ready);
        self.died_in_reload = true;
    }

    fn note_stop(&mut self, mode: StopMode, supervisor: &Supervisor) {
        // A second stop does not wait for the last hook.
        self.helpers_ended |= self.closing.is_some();
        if self.failed_boot.is_some() {
            return;
        }
        self.wants_reload = false;
        let delay = match mode {
            StopMode::Graceful => supervisor.server.plan.shutdown_delay,
            StopMode::Fast => Duration::ZERO,
        };
        let by = self.now + delay;
        match self.stop {
            Some(Stop {
                mode: StopMode::Fast,
                ..
            }) => {}
            Some(_) if mode == StopMode::Graceful => {}
            Some(_) | None => self.stop = Some(Stop { mode, by }),
        }
    }

    fn note_message(
        &mut self,
        incarnation: Incarnation,
        message: WorkerMessage,
        graceful: Duration,
    ) {
        let (now, up) = (self.now, self.up);
        let Some(facts) = self.workers.get_mut(&incarnation) else {
            return;
        };
        match message {
            WorkerMessage::Booted => {}
            WorkerMessage::Ready => {
                let who = facts.who;
                if facts.told.is_none() {
                    facts.ready = Some(now);
                    self.note_younger(who, true);
                }
            }
            WorkerMessage::CanFork => {
                let who = facts.who;
                self.note_can_fork(who);
            }
            WorkerMessage::StoppedAccepting => {
                let acknowledges = std::mem::take(&mut facts.accepting) && facts.paused.is_some();
                if facts.is_ready() && facts.went && !acknowledges {
                    let (who, ready) = (facts.who, facts.ready);
                    facts.tell(now, graceful + Duration::from_secs(3));
                    self.note_hung_end(who, ready);
                }
            }
            WorkerMessage::Failed { phase } => {
                if facts.boots() {
                    let who = facts.who;
                    facts.tell(now, Duration::from_secs(3));
                    self.note_failure(who, exit_code(phase), up, false);
                }
            }
        }
    }

    fn note_exit(&mut self, incarnation: Incarnation, exit: Exit) {
        let Some(facts) = self.workers.remove(&incarnation) else {
            return;
        };
        self.note_refork_exit(facts.who);
        if facts.told.is_some() {
            return;
        }
        self.died_in_reload = true;
        if facts.paused.is_some() {
            return;
        }
        let Some(ready) = facts.ready else {
            let code = if exit == Exit::Code(4) { 4 } else { 3 };
            let killed = matches!(exit, Exit::Signal { signal: 9, .. });
            self.note_failure(facts.who, code, self.up, killed);
            return;
        };
        let (uptime, slack) = (self.now.since(ready), self.slack);
        let failures = self
            .failures
            .entry((facts.who.slot, facts.who.generation))
            .or_default();
        failures.unsure |= is_close(uptime, slack);
        if is_failure(exit, uptime) {
            failures.add(self.now, 2);
        } else {
            failures.not_before = self.now;
            failures.note_uptime(uptime, slack);
        }
    }

    pub(super) fn note_failure(&mut self, who: Who, code: u8, up: bool, killed: bool) {
        if self.keeps_up() {
            self.note_younger(who, false);
        }
        if !up && self.keeps_up() && self.sources == SourceWatching::Watched {
            self.awaiting.insert(who.slot);
            return;
        }
        if !up && self.keeps_up() {
            self.failed_boot = Some((code, self.now));
        }
        self.died_in_reload = true;
        let (now, slack) = (self.now, self.slack);
        let failures = self.failures.entry((who.slot, who.generation)).or_default();
        // The worker that it was to replace keeps serving; it clears the count, if it has become ready since.
        let serves = |w: &&Facts| {
            w.is_ready() && w.who.slot == who.slot && w.who.generation == who.generation
        };
        let ready = self.workers.values().filter(serves).filter_map(|w| w.ready);
        if let Some(ready) = ready.max().filter(|ready| *ready > failures.last) {
            failures.note_uptime(now.since(ready), slack);
        }
        if killed {
            failures.add_kill(now);
        } else {
            failures.add(now, 30);
        }
    }

    /// The exit of a hung worker, or of one that got SIGTERM from outside, does not count against its slot.
    pub(super) fn note_hung_end(&mut self, who: Who, ready: Option<Moment>) {
        self.died_in_reload = true;
        let failures = self.failures.entry((who.slot, who.generation)).or_default();
        failures.not_before = self.now;
        let uptime = ready.map_or(Duration::ZERO, |at| self.now.since(at));
        failures.note_uptime(uptime, self.slack);
    }
}
