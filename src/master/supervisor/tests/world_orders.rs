//! The simulated OS carries out what the supervisor decides: processes are forked, get orders and signals, and act on them later.

use std::time::Duration;

use super::process::{Fate, Process, exit_code, killed};
use super::world::{Happening, Traffic, World};
use crate::master::supervisor::*;

impl World {
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Prepare { step } => {
                self.preparing = Some(step);
                let after = self.rng.millis(1, 3000);
                let code = self.rng.pick(&[0, 0, 0, 0, 0, 7]);
                self.later(after, Happening::Prepared(step, code));
            }
            Action::SignalPreparation { .. } => {
                // Some ignore the signal.
                if let Some(step) = self.preparing.filter(|_| !self.rng.percent(30)) {
                    let after = self.rng.millis(0, 500);
                    self.later(after, Happening::Prepared(step, 143));
                }
            }
            Action::KillPreparation => {
                if let Some(step) = self.preparing {
                    self.later(Duration::ZERO, Happening::Prepared(step, 137));
                }
            }
            Action::StartMold { generation } => self.start_mold(generation),
            Action::KillMold { generation } => self.kill_mold(generation),
            Action::AdoptMold {
                incarnation,
                generation,
            } => self.adopt_mold(incarnation, generation),
            Action::EndMoldBefore { generation } => {
                self.molds_before.remove(&generation);
            }
            Action::ReturnToMoldBefore { generation } => self.return_to_mold(generation),
            Action::Forget { generation } => self.dismiss_mold(generation),
            Action::Spawn {
                incarnation,
                generation,
                ..
            } => self.spawn(incarnation, generation),
            Action::Send { incarnation, order } => self.order(incarnation, order),
            Action::Terminate { incarnation } => {
                if !self.processes[&incarnation].alive {
                    self.take_back(incarnation);
                } else if let Some(after) = self.processes[&incarnation].term {
                    self.later(after, Happening::Ends(incarnation, killed(15)));
                }
            }
            Action::Kill { incarnation, .. } if !self.processes[&incarnation].alive => {
                self.take_back(incarnation);
            }
            Action::Kill { incarnation, .. } => {
                let after = self.rng.millis(0, 20);
                self.later(after, Happening::Ends(incarnation, killed(9)));
            }
            Action::DumpStacks { incarnation } => {
                if let Some(after) = self.processes[&incarnation].prints_stacks {
                    self.later(after, Happening::StacksPrinted(incarnation));
                }
            }
            Action::Abort { incarnation } => match self.rng.upto(2) {
                0 => self.later(Duration::ZERO, Happening::AbortInVain(incarnation)),
                1 => {
                    let after = self.rng.millis(0, 1500);
                    self.later(after, Happening::Ends(incarnation, killed(6)));
                }
                _ => {}
            },
            Action::StartHelper { helper } => self.start_helper(helper),
            Action::KillHelper { helper } => self.kill_helper(helper),
            Action::StartCompanion { companion, .. } => self.start_companion(companion),
            Action::EndCompanion { companion } => self.end_companion(companion),
            Action::KillCompanion { companion } => self.kill_companion(companion),
            Action::EndHelpers => {
                if !self.rng.percent(10) {
                    let after = self.rng.millis(0, 6000);
                    self.later(after, Happening::HelpersEnd);
                }
            }
            Action::MeasureMemory => {
                let after = self.rng.millis(0, 20);
                self.later(after, Happening::Measured);
            }
            // By `feed`.
            Action::SampleHeartbeats | Action::SampleHelpers => {}
            Action::SampleLoad => self.later(Duration::ZERO, Happening::LoadSeen),
            Action::MeasureScaleRoom => {
                let after = self.rng.millis(0, 20);
                self.later(after, Happening::RoomSeen);
            }
            Action::CompareGenerations { canary, .. } => {
                let after = self.rng.millis(0, 20);
                self.later(after, Happening::Compared(canary));
            }
            Action::ReadConfig { generation } => {
                let after = self.rng.millis(1, 500);
                self.later(after, Happening::Config(generation));
            }
            Action::Exit { .. } => self.over = true,
            Action::Lead { .. }
            | Action::CloseListeners
            | Action::ReopenLogs
            | Action::Report(_)
            | Action::Notify(_)
            | Action::Reply { .. } => {}
        }
    }

    fn spawn(&mut self, incarnation: Incarnation, generation: Generation) {
        let mut process = Process::new(self.code, &mut self.rng, &self.plan);
        process.alive = false;
        self.processes.insert(incarnation, process);
        if self.ask_mold(incarnation, generation) {
            return;
        }
        if self.rng.percent(self.fork_fails) {
            self.later(Duration::ZERO, Happening::NotForked(incarnation));
            return;
        }
        self.begin(incarnation);
    }

    /// Begins the life of a forked worker.
    pub(super) fn begin(&mut self, incarnation: Incarnation) {
        let process = self.processes.get_mut(&incarnation).expect("spawned");
        process.alive = true;
        let (boot, fate) = (process.boot, process.fate);
        self.kill_for_memory(incarnation);
        self.later(
            boot / 2,
            Happening::Says(incarnation, WorkerMessage::Booted),
        );
        match fate {
            Fate::Ready => self.later(boot, Happening::Says(incarnation, WorkerMessage::Ready)),
            Fate::Says(phase) => {
                self.later(
                    boot,
                    Happening::Says(incarnation, WorkerMessage::Failed { phase }),
                );
                let code = exit_code(phase);
                // Some never manage to exit.
                if !self.rng.percent(5) {
                    let after = boot + self.rng.millis(0, 100);
                    self.later(after, Happening::Ends(incarnation, Exit::Code(code)));
                }
            }
            Fate::Exits(exit) => self.later(boot, Happening::Ends(incarnation, exit)),
            Fate::Hangs => {}
        }
    }

    pub(super) fn memory(&self) -> Option<AvailableMemory> {
        let most = self.most_processes?;
        let free = most.saturating_sub(self.alive() as u64);
        Some(AvailableMemory {
            limit: most * 100,
            free: free * 100 + 50,
            worker: 100,
        })
    }

    pub(super) fn load(&mut self) -> Load {
        let traffic = match self.traffic {
            Traffic::Changing => self.rng.pick(&[Traffic::Little, Traffic::Much]),
            traffic => traffic,
        };
        let (busy, waits) = match traffic {
            Traffic::Little => (50, 0),
            Traffic::Much | Traffic::Changing => (990, 0),
            Traffic::TooMuch => (700, 50),
        };
        let mut load = Load {
            span: Duration::from_millis(250),
            workers: self.supervisor.target(),
            least_busy: busy,
            busy,
            in_flight: 1,
            waits: [0; WAITS],
            waiting: 0,
        };
        load.waits[8] = waits;
        load
    }

    /// The kernel kills booting workers first.
    fn kill_for_memory(&mut self, incarnation: Incarnation) {
        let most = self.most_processes.unwrap_or(u64::MAX);
        if self.alive() as u64 > most {
            let after = self.rng.millis(0, 20);
            self.later(after, Happening::Ends(incarnation, Exit::OutOfMemory));
        }
    }

    fn order(&mut self, incarnation: Incarnation, order: Order) {
        let process = &self.processes[&incarnation];
        let (acknowledge, drain, stop, life) = (
            process.acknowledge,
            process.drain,
            process.stop,
            process.life,
        );
        let lags = process.lags_since.is_some() && process.hung_since.is_none();
        let hung = process.hung_since.is_some() || lags;
        if lags && matches!(order, Order::Drain { .. } | Order::BecomeMold { .. }) {
            let after = drain.unwrap_or_default();
            self.later(after, Happening::OnlyLags(incarnation));
        }
        match order {
            Order::Go => {
                if let Some((after, exit)) = life {
                    self.later(after, Happening::Ends(incarnation, exit));
                }
            }
            Order::Drain { .. } => {
                if let Some(after) = acknowledge {
                    self.later(
                        after,
                        Happening::Says(incarnation, WorkerMessage::StoppedAccepting),
                    );
                }
                if let Some(after) = drain.filter(|_| !hung) {
                    self.later(after, Happening::Ends(incarnation, Exit::Code(0)));
                }
            }
            Order::BecomeMold { .. } => {
                if let Some(after) = acknowledge {
                    self.later(
                        after,
                        Happening::Says(incarnation, WorkerMessage::StoppedAccepting),
                    );
                }
                if let Some(after) = drain.filter(|_| !hung) {
                    let outcome = if self.rng.percent(75) {
                        Happening::Says(incarnation, WorkerMessage::CanFork)
                    } else {
                        Happening::Ends(incarnation, Exit::Code(0))
                    };
                    self.later(after, outcome);
                }
            }
            Order::Pause => {
                if let Some(after) = acknowledge {
                    self.later(
                        after,
                        Happening::Says(incarnation, WorkerMessage::StoppedAccepting),
                    );
                }
            }
            Order::StopFast => {
                if let Some(after) = stop.filter(|_| !hung) {
                    self.later(after, Happening::Ends(incarnation, Exit::Code(0)));
                }
            }
        }
    }
}
