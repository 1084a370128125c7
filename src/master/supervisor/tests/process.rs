//! A simulated worker process: how long each step takes, and which never happens. Chosen at random at its start.

use std::time::Duration;

use super::rng::Rng;
use crate::master::supervisor::*;

/// The app on the disk at the time of a spawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Good,
    /// Does not import.
    Broken,
    /// Never becomes ready.
    Hangs,
    /// Dies by a signal during its boot.
    Crashes,
    /// Becomes ready and exits with an error soon after.
    DiesEarly,
    /// Any of these, at random.
    Flaky,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Ready,
    Says(BootPhase),
    Exits(Exit),
    Hangs,
}

#[derive(Debug)]
pub struct Process {
    pub alive: bool,
    pub boot: Duration,
    pub fate: Fate,
    /// How long SIGTERM takes during its boot; `None`: the app handles the signal.
    pub term: Option<Duration>,
    /// From `Drain` to `StoppedAccepting`.
    pub acknowledge: Option<Duration>,
    /// From `Drain` to the exit.
    pub drain: Option<Duration>,
    /// From `StopFast` to the exit.
    pub stop: Option<Duration>,
    /// From `Go` to an exit of its own.
    pub life: Option<(Duration, Exit)>,
    /// From `Ready` to the moment at which it hangs.
    pub hangs: Option<Duration>,
    /// From `Ready` to the moment at which one of its threads hangs.
    pub lags: Option<Duration>,
    pub lags_since: Option<Moment>,
    pub prints_stacks: Option<Duration>,
    pub hung_since: Option<Moment>,
    pub last_beat: Moment,
    pub requests: u64,
    pub memory: Option<u64>,
}

pub fn killed(signal: i32) -> Exit {
    let core = CoreDump::No;
    Exit::Signal { signal, core }
}

impl Process {
    pub fn new(code: Code, rng: &mut Rng, plan: &Plan) -> Self {
        let fate = match code {
            Code::Good | Code::DiesEarly => Fate::Ready,
            Code::Broken => rng.pick(&[
                Fate::Says(BootPhase::Import),
                Fate::Says(BootPhase::Load),
                Fate::Says(BootPhase::Lifespan),
                Fate::Says(BootPhase::ReadyPath),
                Fate::Says(BootPhase::Boot),
                Fate::Says(BootPhase::Settings),
                Fate::Exits(Exit::Code(4)),
                Fate::Exits(Exit::Code(0)),
            ]),
            Code::Hangs => Fate::Hangs,
            Code::Crashes => Fate::Exits(killed(11)),
            Code::Flaky => rng.pick(&[
                Fate::Ready,
                Fate::Ready,
                Fate::Ready,
                Fate::Says(BootPhase::Load),
                Fate::Exits(killed(9)),
                Fate::Hangs,
            ]),
        };
        let flaky = code == Code::Flaky;
        let life = match code {
            Code::DiesEarly => Some((rng.millis(0, 4000), Exit::Code(1))),
            _ if flaky && rng.percent(40) => {
                let exit = rng.pick(&[Exit::Code(0), Exit::Code(1), killed(9), killed(11)]);
                Some((rng.millis(0, 20_000), exit))
            }
            _ => None,
        };
        let graceful = u64::try_from(plan.graceful_timeout.as_millis()).expect("small");
        let slowest = if rng.percent(20) { 4000 } else { 500 };
        let boot = rng.millis(1, slowest);
        let hangs = (flaky && rng.percent(20)).then(|| rng.millis(0, 10_000));
        let lags = (flaky && rng.percent(20)).then(|| rng.millis(0, 10_000));
        // Some never obey an order, or are late.
        let mut within = |most: u64, never: u64| {
            if flaky && rng.percent(never) {
                None
            } else {
                Some(rng.millis(0, most))
            }
        };
        Self {
            alive: true,
            term: within(10, 20),
            acknowledge: within(if flaky { 1500 } else { 50 }, 20),
            drain: within(if flaky { graceful + 1000 } else { graceful / 2 }, 20),
            stop: within(2000, 20),
            prints_stacks: within(1500, 30),
            boot,
            fate,
            life,
            hangs,
            lags,
            lags_since: None,
            hung_since: None,
            last_beat: Moment::default(),
            requests: 0,
            memory: Some(1),
        }
    }
}

/// Of a worker whose boot failed there.
pub fn exit_code(phase: BootPhase) -> u8 {
    match phase {
        BootPhase::Load => 4,
        BootPhase::Settings => 1,
        BootPhase::Boot | BootPhase::Import | BootPhase::Lifespan | BootPhase::ReadyPath => 3,
    }
}
