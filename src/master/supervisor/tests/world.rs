//! A simulated OS on a virtual clock: it carries out what the supervisor decides, with processes, an operator and a
//! disk that act at random. The decisions are judged in `oracle`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::companions::{CompanionHappening, CompanionProcesses};
use super::helpers::{HelperHappening, HelperProcesses};
use super::molds::{MoldHappening, MoldProcess};
use super::oracle::{Broken, Oracle};
use super::process::{Code, Process};
use super::random_plan::random_plan;
use super::rewriting::Rewriting;
use super::rng::Rng;
use crate::master::supervisor::mutation::Mutation;
use crate::master::supervisor::*;

/// Pending events of the simulation.
#[derive(Debug, Clone)]
pub enum Happening {
    Says(Incarnation, WorkerMessage),
    Ends(Incarnation, Exit),
    Hangs(Incarnation),
    /// One of its threads hangs.
    Lags(Incarnation),
    /// Its other threads have finished.
    OnlyLags(Incarnation),
    StacksPrinted(Incarnation),
    NotForked(Incarnation),
    /// The memory was measured.
    Measured,
    LoadSeen,
    RoomSeen,
    /// The generations were compared.
    Compared(Generation),
    AbortInVain(Incarnation),
    HelpersEnd,
    /// The number distinguishes the process from its successors.
    Helper(Helper, u64, HelperHappening),
    /// The number distinguishes the process from its successors.
    Mold(Generation, u64, MoldHappening),
    /// The number tells the process from its successors.
    Companion(CompanionId, u64, CompanionHappening),
    Config(Generation),
    Prepared(u32, u8),
}

pub struct World {
    pub now: Moment,
    pub rng: Rng,
    pub supervisor: Supervisor,
    pub oracle: Oracle,
    pub plan: Plan,
    /// The code on the disk.
    pub code: Code,
    pub config: Config,
    /// How often fork fails, in percent.
    pub fork_fails: u64,
    /// How loaded the workers are.
    pub traffic: Traffic,
    /// So many processes fit into the memory.
    pub most_processes: Option<u64>,
    pub agenda: BTreeMap<(Moment, u64), Happening>,
    pub(super) processes: BTreeMap<Incarnation, Process>,
    pub(super) molds: BTreeMap<Generation, MoldProcess>,
    /// Kept while a worker has become the mold.
    pub(super) molds_before: BTreeMap<Generation, MoldProcess>,
    pub(super) companions: CompanionProcesses,
    pub(super) helpers: HelperProcesses,
    pub preparing: Option<u32>,
    /// The machine was suspended until then: heartbeats are old for a moment.
    pub(super) resumed: Moment,
    pub(super) sequence: u64,
    tokens: u64,
    pub over: bool,
    pub trace: Option<Vec<String>>,
    /// Its state is written out and read back between events.
    pub rewriting: Option<Rewriting>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    Little,
    Much,
    /// Connections wait.
    TooMuch,
    Changing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Config {
    Good,
    Bad,
    /// The reader never answers.
    Silent,
}

impl World {
    pub fn new(seed: u64, mutation: Option<Mutation>, trace: bool) -> Result<Self, Broken> {
        let mut rng = Rng(seed.wrapping_mul(0x5851_F42D_4C95_7F2D));
        let mut companions = CompanionProcesses::new(seed);
        let mut plan = random_plan(&mut rng);
        plan.companions = companions.random_plans();
        let mut supervisor = Supervisor::new(plan.clone(), seed);
        supervisor.server.effects.mutation = mutation;
        let code = if rng.percent(85) {
            Code::Good
        } else {
            rng.pick(&[Code::Flaky, Code::Broken, Code::Hangs])
        };
        let mut world = Self {
            now: Moment(rng.millis(0, 100_000)),
            rng,
            supervisor,
            oracle: Oracle::new(plan.clone()),
            plan,
            code,
            config: Config::Good,
            fork_fails: 0,
            traffic: Traffic::Little,
            most_processes: None,
            agenda: BTreeMap::new(),
            processes: BTreeMap::new(),
            molds: BTreeMap::new(),
            molds_before: BTreeMap::new(),
            companions,
            helpers: HelperProcesses::new(seed),
            preparing: None,
            resumed: Moment::default(),
            sequence: 0,
            tokens: 0,
            over: false,
            trace: trace.then(Vec::new),
            rewriting: None,
        };
        world.feed(None)?;
        Ok(world)
    }

    pub fn later(&mut self, after: Duration, what: Happening) {
        self.sequence += 1;
        self.agenda.insert((self.now + after, self.sequence), what);
    }

    /// Passes an event to the supervisor (`None`: the start), has the outcome judged, and carries it out.
    pub fn feed(&mut self, event: Option<Event>) -> Result<(), Broken> {
        let actions = match event.clone() {
            None => self.supervisor.start(self.now),
            Some(event) => self.supervisor.handle(self.now, event),
        };
        if let Some(trace) = &mut self.trace {
            let quiet = matches!(
                event,
                Some(
                    Event::Timeout
                        | Event::Heartbeats(_)
                        | Event::HelperBeat { .. }
                        | Event::Load(_)
                )
            );
            let looks = |a: &Action| {
                matches!(
                    a,
                    Action::SampleHeartbeats | Action::SampleHelpers | Action::SampleLoad
                )
            };
            if !quiet || !actions.iter().all(looks) {
                trace.push(format!("{:?} {event:?}\n      => {actions:?}", self.now.0));
            }
        }
        if let Some(rewriting) = &mut self.rewriting {
            rewriting.compare(self.now, event.as_ref(), &actions, &self.supervisor)?;
            rewriting.rewrite(&mut self.supervisor)?;
        }
        self.oracle
            .judge(self.now, event.as_ref(), &actions, &self.supervisor)?;
        // As in the shell, heartbeats are an event of their own, after all actions.
        let samples = actions.contains(&Action::SampleHeartbeats);
        let samples_helpers = actions.contains(&Action::SampleHelpers);
        for action in actions {
            self.perform(action);
        }
        if samples {
            self.sample()?;
        }
        if samples_helpers {
            self.sample_helpers()?;
        }
        Ok(())
    }

    /// Runs until `span` has passed, or the server has exited.
    pub fn run(&mut self, span: Duration) -> Result<(), Broken> {
        let end = self.now + span;
        while !self.over && self.step(end)? {}
        if !self.over {
            self.now = end;
        }
        Ok(())
    }

    /// One event, the next in time. False when nothing happens before `end`.
    fn step(&mut self, end: Moment) -> Result<bool, Broken> {
        let wake = self
            .supervisor
            .next_timeout()
            .unwrap_or(Moment(Duration::MAX));
        let next = self.agenda.first_key_value().map(|(key, _)| *key);
        match next.filter(|(at, _)| *at < wake) {
            Some((at, _)) if at <= end => {
                let (_, what) = self.agenda.pop_first().expect("just seen");
                self.now = self.now.max(at);
                self.happen(what)?;
            }
            None if wake <= end => {
                self.now = self.now.max(wake);
                self.feed(Some(Event::Timeout))?;
            }
            Some(_) | None => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn happen(&mut self, what: Happening) -> Result<(), Broken> {
        let alive =
            |world: &Self, who: Incarnation| world.processes.get(&who).is_some_and(|p| p.alive);
        match what {
            Happening::Says(incarnation, message) if alive(self, incarnation) => {
                if message == WorkerMessage::Ready {
                    self.became_ready(incarnation);
                }
                self.feed(Some(Event::Worker {
                    incarnation,
                    message,
                }))
            }
            Happening::Ends(incarnation, exit) if alive(self, incarnation) => {
                self.processes.get_mut(&incarnation).expect("alive").alive = false;
                self.feed(Some(Event::Exited { incarnation, exit }))
            }
            Happening::Hangs(incarnation) if alive(self, incarnation) => {
                self.processes
                    .get_mut(&incarnation)
                    .expect("alive")
                    .hung_since = Some(self.now);
                self.oracle.hangs(incarnation, self.now);
                Ok(())
            }
            Happening::Lags(incarnation) if alive(self, incarnation) => {
                let process = self.processes.get_mut(&incarnation).expect("alive");
                process.lags_since = Some(self.now);
                self.oracle.lags(incarnation, self.now);
                Ok(())
            }
            Happening::OnlyLags(incarnation) if alive(self, incarnation) => {
                let process = self.processes.get_mut(&incarnation).expect("alive");
                process.hung_since = process.lags_since;
                process.last_beat = process.lags_since.expect("it lags");
                self.oracle.hangs(incarnation, process.last_beat);
                Ok(())
            }
            Happening::StacksPrinted(incarnation) if alive(self, incarnation) => {
                self.feed(Some(Event::StacksDumped { incarnation }))
            }
            Happening::Says(..)
            | Happening::Ends(..)
            | Happening::Hangs(_)
            | Happening::Lags(_)
            | Happening::OnlyLags(_)
            | Happening::StacksPrinted(_) => Ok(()),
            Happening::Prepared(step, code) if self.preparing == Some(step) => {
                self.preparing = None;
                self.feed(Some(Event::Prepared { step, code }))
            }
            Happening::Prepared(..) => Ok(()),
            Happening::AbortInVain(incarnation) if alive(self, incarnation) => {
                self.feed(Some(Event::AbortInVain { incarnation }))
            }
            Happening::AbortInVain(_) => Ok(()),
            Happening::Helper(helper, number, what) => self.happen_to_helper(helper, number, what),
            Happening::Mold(generation, number, what) => {
                self.happen_to_mold(generation, number, what)
            }
            Happening::Companion(companion, number, what) => {
                self.happen_to_companion(companion, number, what)
            }
            Happening::HelpersEnd => self.feed(Some(Event::HelpersEnded)),
            Happening::Compared(canary) => {
                let requests = self.rng.pick(&[0, 50, 1000]);
                let errors = self.rng.pick(&[0, 0, 0, 0, 0, requests / 2]);
                let figures = |requests, errors| {
                    Box::new(Figures {
                        requests,
                        errors,
                        ..Figures::default()
                    })
                };
                self.feed(Some(Event::Compared {
                    canary,
                    old: figures(1000, 1),
                    new: figures(requests, errors),
                }))
            }
            Happening::LoadSeen => {
                let load = self.load();
                self.feed(Some(Event::Load(Box::new(load))))
            }
            Happening::RoomSeen => self.feed(Some(Event::ScaleRoom(self.memory()))),
            Happening::Measured => self.feed(Some(Event::Memory(self.memory()))),
            Happening::NotForked(incarnation) => {
                self.processes.remove(&incarnation);
                self.feed(Some(Event::SpawnFailed { incarnation }))
            }
            Happening::Config(generation) => {
                let result = match self.config {
                    Config::Good => ConfigResult::Good(Box::new(self.plan.clone())),
                    Config::Bad => ConfigResult::Bad,
                    Config::Silent => return Ok(()),
                };
                self.feed(Some(Event::ConfigRead { generation, result }))
            }
        }
    }

    fn became_ready(&mut self, incarnation: Incarnation) {
        let now = self.now;
        let process = self.processes.get_mut(&incarnation).expect("alive");
        process.last_beat = now;
        let (hangs, lags) = (process.hangs, process.lags);
        if let Some(after) = hangs {
            self.later(after, Happening::Hangs(incarnation));
        }
        if let Some(after) = lags {
            self.later(after, Happening::Lags(incarnation));
        }
    }

    fn sample(&mut self) -> Result<(), Broken> {
        let ready: Vec<_> = self
            .supervisor
            .workers()
            .filter(|w| {
                matches!(
                    w.stage,
                    WorkerStage::Standby
                        | WorkerStage::Serving
                        | WorkerStage::Paused
                        | WorkerStage::Draining
                )
            })
            .map(|w| w.who.incarnation)
            .collect();
        let mut beats = Vec::new();
        for incarnation in ready {
            let now = self.now;
            let process = self.processes.get_mut(&incarnation).expect("spawned");
            if !process.alive {
                continue;
            }
            let tick = self.rng.millis(0, 900);
            if let Some(since) = process.hung_since {
                process.last_beat = process.last_beat.max(since);
            } else if now.since(self.resumed) > tick {
                process.last_beat = process.last_beat.max(now - tick);
            }
            let age = now.since(process.last_beat);
            let slowest = process.lags_since.map(|since| now.since(since));
            beats.push(Beat {
                incarnation,
                age,
                slowest,
                requests: process.requests,
                memory: process.memory,
            });
        }
        self.feed(Some(Event::Heartbeats(beats)))
    }

    pub fn control(&mut self, command: Command) -> Result<Token, Broken> {
        self.tokens += 1;
        let token = Token(self.tokens);
        self.feed(Some(Event::Control { token, command }))?;
        Ok(token)
    }

    pub fn alive(&self) -> usize {
        self.processes.values().filter(|p| p.alive).count()
    }
}
