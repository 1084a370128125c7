//! Molds of the simulated OS: they boot as workers do, fork one worker after the other, and die or hang at any
//! moment.

use std::collections::VecDeque;
use std::time::Duration;

use super::oracle::Broken;
use super::process::{Code, Fate, Process, exit_code, killed};
use super::world::{Happening, World};
use crate::master::supervisor::*;

#[derive(Debug)]
pub struct MoldProcess {
    /// Distinguishes it from its successors.
    number: u64,
    alive: bool,
    /// It no longer forks.
    hangs: bool,
    /// Workers to be forked, in this order.
    asked: VecDeque<Incarnation>,
}

#[derive(Debug, Clone)]
pub enum MoldHappening {
    Says(MoldMessage),
    Ends(Exit),
    NotStarted,
    Hangs,
    Forks,
}

impl World {
    pub(super) fn start_mold(&mut self, generation: Generation) {
        self.sequence += 1;
        let number = self.sequence;
        let mold = MoldProcess {
            number,
            alive: true,
            hangs: false,
            asked: VecDeque::new(),
        };
        self.molds.insert(generation, mold);
        if self.rng.percent(self.fork_fails) {
            self.mold_later(
                generation,
                number,
                Duration::ZERO,
                MoldHappening::NotStarted,
            );
            return;
        }
        let Process { boot, fate, .. } = Process::new(self.code, &mut self.rng, &self.plan);
        match fate {
            Fate::Ready => self.mold_later(
                generation,
                number,
                boot,
                MoldHappening::Says(MoldMessage::Ready),
            ),
            Fate::Says(phase) => {
                let failed = MoldHappening::Says(MoldMessage::Failed { phase });
                self.mold_later(generation, number, boot, failed);
                if !self.rng.percent(5) {
                    let after = boot + self.rng.millis(0, 100);
                    let end = MoldHappening::Ends(Exit::Code(exit_code(phase)));
                    self.mold_later(generation, number, after, end);
                }
            }
            Fate::Exits(exit) => {
                self.mold_later(generation, number, boot, MoldHappening::Ends(exit));
            }
            Fate::Hangs => {}
        }
        if self.code == Code::Flaky && self.rng.percent(40) {
            let after = boot + self.rng.millis(0, 20_000);
            let what = self.rng.pick(&[
                MoldHappening::Ends(killed(9)),
                MoldHappening::Ends(Exit::Code(1)),
                MoldHappening::Hangs,
            ]);
            self.mold_later(generation, number, after, what);
        }
    }

    fn mold_later(
        &mut self,
        generation: Generation,
        number: u64,
        after: Duration,
        what: MoldHappening,
    ) {
        self.later(after, Happening::Mold(generation, number, what));
    }

    pub(super) fn kill_mold(&mut self, generation: Generation) {
        let number = self.molds[&generation].number;
        let after = self.rng.millis(0, 20);
        self.mold_later(generation, number, after, MoldHappening::Ends(killed(9)));
    }

    /// Its generation was forgotten: its exit is not reported.
    pub(super) fn dismiss_mold(&mut self, generation: Generation) {
        self.molds.remove(&generation);
        self.molds_before.remove(&generation);
    }

    /// The process of a worker is a mold from here on.
    pub(super) fn adopt_mold(&mut self, incarnation: Incarnation, generation: Generation) {
        self.processes.remove(&incarnation);
        self.sequence += 1;
        let number = self.sequence;
        let mold = MoldProcess {
            number,
            alive: true,
            hangs: false,
            asked: VecDeque::new(),
        };
        if let Some(before) = self.molds.insert(generation, mold) {
            self.molds_before.insert(generation, before);
        }
        if self.rng.percent(30) {
            let after = self.rng.millis(0, 4000);
            let what = self
                .rng
                .pick(&[MoldHappening::Ends(killed(9)), MoldHappening::Hangs]);
            self.mold_later(generation, number, after, what);
        }
    }

    /// The one that was kept is the mold again.
    pub(super) fn return_to_mold(&mut self, generation: Generation) {
        let ended = self.molds.remove(&generation);
        for incarnation in ended.into_iter().flat_map(|mold| mold.asked) {
            self.later(Duration::ZERO, Happening::NotForked(incarnation));
        }
        let mut before = self.molds_before.remove(&generation).expect("it was kept");
        let number = before.number;
        let lives = std::mem::replace(&mut before.alive, true);
        self.molds.insert(generation, before);
        if !lives {
            let end = MoldHappening::Ends(killed(9));
            self.mold_later(generation, number, Duration::ZERO, end);
        }
    }

    /// Whether a mold is to fork that worker; else the master does.
    pub(super) fn ask_mold(&mut self, incarnation: Incarnation, generation: Generation) -> bool {
        let Some(mold) = self.molds.get_mut(&generation) else {
            return false;
        };
        mold.asked.push_back(incarnation);
        let (number, after) = (mold.number, self.rng.millis(0, 30));
        self.mold_later(generation, number, after, MoldHappening::Forks);
        true
    }

    /// The worker is no longer wanted. One that a mold is about to fork cannot be withdrawn.
    pub(super) fn take_back(&mut self, incarnation: Incarnation) {
        for mold in self.molds.values_mut() {
            let at = mold.asked.iter().position(|one| *one == incarnation);
            if at.is_some_and(|at| at > 0 || !mold.hangs) {
                mold.asked.retain(|one| *one != incarnation);
                self.later(Duration::ZERO, Happening::NotForked(incarnation));
                return;
            }
        }
    }

    pub(super) fn happen_to_mold(
        &mut self,
        generation: Generation,
        number: u64,
        what: MoldHappening,
    ) -> Result<(), Broken> {
        if let Some(before) = self.molds_before.get_mut(&generation)
            && before.number == number
        {
            match what {
                MoldHappening::Ends(_) => before.alive = false,
                MoldHappening::Hangs => before.hangs = true,
                MoldHappening::Says(_) | MoldHappening::NotStarted | MoldHappening::Forks => {}
            }
            return Ok(());
        }
        let Some(mold) = self.molds.get_mut(&generation) else {
            return Ok(());
        };
        if !mold.alive || mold.number != number {
            return Ok(());
        }
        match what {
            MoldHappening::Says(message) => self.feed(Some(Event::Mold {
                generation,
                message,
            })),
            MoldHappening::Hangs => {
                mold.hangs = true;
                Ok(())
            }
            MoldHappening::Forks => {
                if mold.hangs {
                    return Ok(());
                }
                let Some(incarnation) = mold.asked.pop_front() else {
                    return Ok(());
                };
                self.feed(Some(Event::Forked { incarnation }))?;
                self.begin(incarnation);
                Ok(())
            }
            MoldHappening::Ends(exit) => {
                mold.alive = false;
                let asked = std::mem::take(&mut mold.asked);
                let why = BootFailure::Exited(exit);
                self.feed(Some(Event::MoldEnded { generation, why }))?;
                for incarnation in asked {
                    self.processes.remove(&incarnation);
                    self.feed(Some(Event::SpawnFailed { incarnation }))?;
                }
                Ok(())
            }
            MoldHappening::NotStarted => {
                mold.alive = false;
                let why = BootFailure::NotSpawned;
                self.feed(Some(Event::MoldEnded { generation, why }))
            }
        }
    }

    /// Kills one of the molds.
    pub fn kill_a_mold(&mut self) -> Result<(), Broken> {
        let alive = self.molds.iter().filter(|(_, mold)| mold.alive);
        let alive: Vec<_> = alive.map(|(one, mold)| (*one, mold.number)).collect();
        if alive.is_empty() {
            return Ok(());
        }
        let (generation, number) = self.rng.pick(&alive);
        let end = MoldHappening::Ends(killed(9));
        self.happen_to_mold(generation, number, end)
    }
}
