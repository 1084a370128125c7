//! A simulated OS on a virtual clock: it carries out what the supervisor decides, with processes, an operator and a
//! disk that act at random. The decisions are judged in `oracle`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::companions::{CompanionHappening, CompanionProcesses};
use super::helpers::{HelperHappening, HelperProcesses};
use super::molds::{MoldHappening, MoldProcess};
use super::oracle::{Broken, Oracle};
use super::process::exit_code;
use super::process::{Code, Fate, Process, killed};
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
    agenda: BTreeMap<(Moment, u64), Happening>,
    pub(super) processes: BTreeMap<Incarnation, Process>,
    pub(super) molds: BTreeMap<Generation, MoldProcess>,
    /// Kept while a worker has become the mold.
    pub(super) molds_before: BTreeMap<Generation, MoldProcess>,
    pub(super) companions: CompanionProcesses,
    pub(super) helpers: HelperProcesses,
    preparing: Option<u32>,
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

    fn happen(&mut self, what: Happening) -> Result<(), Broken> {
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

    fn perform(&mut self, action: Action) {
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

    fn memory(&self) -> Option<AvailableMemory> {
        let most = self.most_processes?;
        let free = most.saturating_sub(self.alive() as u64);
        Some(AvailableMemory {
            limit: most * 100,
            free: free * 100 + 50,
            worker: 100,
        })
    }

    fn load(&mut self) -> Load {
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

fn random_rules(rng: &mut Rng) -> Option<ScaleRules> {
    rng.percent(25).then(|| ScaleRules {
        most: u32::try_from(rng.between(2, 8)).expect("small"),
        wait: Duration::from_millis(10),
        idle: Duration::from_secs(rng.pick(&[2, 10])),
    })
}

fn random_plan(rng: &mut Rng) -> Plan {
    Plan {
        workers: u32::try_from(rng.between(1, 5)).expect("small"),
        scaling: random_rules(rng),
        most_workers: u32::try_from(rng.between(5, 8)).expect("small"),
        parallel_boots: u32::try_from(rng.between(1, 4)).expect("small"),
        surge: rng.pick(&[None, None, None, Some(1), Some(2)]),
        boot_timeout: rng.millis(5000, 10_000),
        graceful_timeout: rng.millis(1000, 8000),
        timeout: rng.pick(&[None, Some(3), Some(6)]).map(Duration::from_secs),
        rollback_window: Duration::from_secs(rng.pick(&[0, 0, 20])),
        rollback_keep: rng.pick(&[KeptProcesses::Workers, KeptProcesses::Mold]),
        shutdown_delay: Duration::from_secs(rng.pick(&[0, 0, 2])),
        winch: rng.pick(&[Winch::Ignored, Winch::RetiresWorkers]),
        sources: rng.pick(&[
            SourceWatching::Fixed,
            SourceWatching::Fixed,
            SourceWatching::Watched,
        ]),
        limits: WorkerLimits {
            requests: rng.pick(&[None, Some(1000)]),
            requests_jitter: 500,
            memory: rng.pick(&[None, Some(1000)]),
            lifetime: rng.pick(&[None, None, Some(Duration::from_secs(60))]),
            lifetime_jitter: Duration::from_secs(30),
        },
        refork_after: rng.pick(&[None, Some(1500)]),
        abort: rng.pick(&[Abort::Never, Abort::First]),
        forked_from: rng.pick(&[ForkedFrom::Master, ForkedFrom::Mold]),
        helpers: rng.pick(&[vec![], vec![Helper::Monitor, Helper::Watcher]]),
        companions: vec![],
        preparations: rng.pick(&[0, 0, 0, 1, 2]),
        preparation_timeout: rng.pick(&[None, Some(2)]).map(Duration::from_secs),
    }
}
