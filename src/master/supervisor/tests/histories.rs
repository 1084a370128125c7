//! Random histories: an operator, a disk and processes that do anything at any moment; then a quiet phase, in which
//! the supervisor must reach the wanted state.

use std::time::Duration;

use super::oracle::{Broken, law};
use super::process::{Code, killed};
use super::world::{Config, Traffic, World};
use crate::master::supervisor::mutation::Mutation;
use crate::master::supervisor::reload;
use crate::master::supervisor::*;

/// The longest time to come to rest: a reload that waits for a drain, batch by batch, each boot in time.
const QUIET: Duration = Duration::from_secs(240);

/// Runs one history from its seed. The error names the law that was broken.
pub fn history(seed: u64, mutation: Option<Mutation>) -> Result<(), Broken> {
    let mut world = World::new(seed, mutation, false)?;
    play(&mut world)
}

pub(super) fn play(world: &mut World) -> Result<(), Broken> {
    for _ in 0..world.rng.between(5, 40) {
        let pause = world.rng.pick(&[10, 100, 1000, 5000]);
        let pause = world.rng.millis(0, pause);
        world.run(pause)?;
        if world.over {
            return over(world);
        }
        deed(world)?;
    }
    if world.oracle.keeps_up() {
        settle(world)?;
    }
    if !world.over && world.oracle.keeps_up() {
        let mode = world.rng.pick(&[Signal::Term, Signal::Int]);
        world.feed(Some(Event::Signal(mode)))?;
    }
    world.run(QUIET)?;
    law!(world.over, "it does not end");
    over(world)
}

fn over(world: &World) -> Result<(), Broken> {
    law!(world.alive() == 0, "it left workers behind");
    Ok(())
}

/// A random step of an operator, a deploy or the machine.
fn deed(world: &mut World) -> Result<(), Broken> {
    world.restart_some_companion()?;
    if world.over {
        return Ok(());
    }
    match world.rng.upto(132) {
        129..132 => {
            let workers = u32::try_from(world.rng.between(1, 4)).expect("small");
            let more = u32::try_from(world.rng.between(0, 3)).expect("small");
            world.feed(Some(Event::Cpus {
                cpus: workers,
                workers,
                most: workers + more,
            }))
        }
        121..129 => {
            use Traffic::{Changing, Little, Much, TooMuch};
            world.traffic = world.rng.pick(&[Little, Much, TooMuch, Changing]);
            let span = world.rng.pick(&[1, 4, 16]);
            world.run(Duration::from_secs(span))
        }
        0..15 => world.feed(Some(Event::Signal(Signal::Hup))),
        15..20 => world.control(Command::Reload).map(drop),
        20..28 => world.feed(Some(Event::Signal(Signal::Ttin))),
        28..38 => world.feed(Some(Event::Signal(Signal::Ttou))),
        38..42 => {
            let n = u32::try_from(world.rng.upto(6)).expect("small");
            world.control(Command::Scale(n)).map(drop)
        }
        42..43 => {
            let least = u32::try_from(world.rng.between(0, 3)).expect("small");
            let most = least + u32::try_from(world.rng.between(1, 3)).expect("small");
            let bounds = Bounds { least, most };
            world.control(Command::ScaleBetween(bounds)).map(drop)
        }
        43..44 => world.send_away_some(),
        44..46 => world.kill_a_mold(),
        46..50 => {
            let exit = world.rng.pick(&[
                killed(9),
                killed(15),
                killed(11),
                Exit::OutOfMemory,
                Exit::Code(0),
                Exit::Code(1),
            ]);
            world.kill_some(exit)
        }
        50..68 => {
            let all = [
                Code::Good,
                Code::Good,
                Code::Broken,
                Code::Hangs,
                Code::Crashes,
                Code::DiesEarly,
                Code::Flaky,
                Code::Flaky,
            ];
            world.code = world.rng.pick(&all);
            // The watcher reports it, and often more.
            if world.rng.percent(70) {
                world.feed(Some(Event::Changed))?;
            }
            Ok(())
        }
        68..76 => {
            world.config = world.rng.pick(&[
                Config::Good,
                Config::Good,
                Config::Good,
                Config::Bad,
                Config::Silent,
            ]);
            world.plan.workers = u32::try_from(world.rng.between(1, 5)).expect("small");
            if world.rng.percent(30) {
                let all = [ForkedFrom::Master, ForkedFrom::Mold];
                world.plan.forked_from = world.rng.pick(&all);
            }
            world.change_companions();
            if world.rng.percent(30) {
                world.plan.surge = world.rng.pick(&[None, Some(1), Some(2)]);
            }
            Ok(())
        }
        76..84 => {
            world.wear_some();
            Ok(())
        }
        84..88 => {
            let slot = Slot(u32::try_from(world.rng.upto(5)).expect("small"));
            world.control(Command::RestartWorker(slot)).map(drop)
        }
        88..91 => {
            world.fork_fails = world.rng.pick(&[0, 0, 50, 100]);
            let most = u64::from(world.supervisor.target()) + world.rng.upto(4);
            world.most_processes = world.rng.pick(&[None, Some(most), Some(most)]);
            Ok(())
        }
        91..93 => {
            let span = world.rng.pick(&[3_000, 40_000, 4_000_000]);
            world.suspend(Duration::from_millis(span));
            Ok(())
        }
        93..94 => {
            let span = world.rng.millis(500, 30_000);
            world.stop_master(span);
            Ok(())
        }
        94..95 => bad_deploy_twice(world),
        95..96 => {
            let signal = world.rng.pick(&[Signal::Usr1, Signal::Winch, Signal::Quit]);
            world.feed(Some(Event::Signal(signal)))
        }
        96..98 => world.feed(Some(Event::Signal(Signal::Term))),
        98..99 => world.feed(Some(Event::Signal(Signal::Int))),
        99..104 => world.control(Command::Stage).map(drop),
        104..108 => world.control(Command::Promote).map(drop),
        108..111 => world.control(Command::Discard).map(drop),
        111..117 => {
            let slots = u32::try_from(world.rng.between(1, 3)).expect("small");
            let trial = Trial {
                portion: world
                    .rng
                    .pick(&[Portion::Slots(slots), Portion::Percent(30)]),
                lasts: world
                    .rng
                    .pick(&[None, Some(5), Some(20)])
                    .map(Duration::from_secs),
                judged: world.rng.pick(&[None, Some(10), Some(100)]),
            };
            world.control(Command::Canary(trial)).map(drop)
        }
        117..121 => world.control(Command::Rollback).map(drop),
        _ => {
            let mode = world.rng.pick(&[StopMode::Graceful, StopMode::Fast]);
            world.control(Command::Stop(mode)).map(drop)
        }
    }
}

/// Workers fail, then all works for more than a minute, then they fail again.
fn bad_deploy_twice(world: &mut World) -> Result<(), Broken> {
    for (code, millis) in [
        (Code::Broken, 3000),
        (Code::Good, 100_000),
        (Code::Broken, 3000),
    ] {
        world.code = code;
        world.kill_some(killed(9))?;
        world.run(Duration::from_millis(millis))?;
    }
    Ok(())
}

/// The code is good again and there are no further steps: soon all workers serve, and a reload reaches all of them.
fn settle(world: &mut World) -> Result<(), Broken> {
    world.code = Code::Good;
    world.config = Config::Good;
    world.fork_fails = 0;
    world.traffic = Traffic::Little;
    world.most_processes = None;
    world.feed(Some(Event::Changed))?;
    // Nothing else decides about it.
    let begun = reload::in_progress(&world.supervisor.server);
    if begun.is_some_and(RolloutRefusal::is_for_a_stage) {
        let command = world.rng.pick(&[Command::Discard, Command::Promote]);
        world.control(command)?;
        world.run(Duration::from_secs(30))?;
        if !world.over {
            world.control(Command::Discard)?;
        }
    }
    rest(world, |_| true)?;
    if world.over {
        return over(world);
    }
    let before = world.supervisor.generation();
    world.control(Command::Reload)?;
    rest(world, |world| {
        let now = world.supervisor.generation();
        now > before
            && world
                .oracle
                .workers
                .values()
                .all(|w| w.who.generation == now)
    })
}

/// Runs until everything is in its wanted state.
fn rest(world: &mut World, also: impl Fn(&World) -> bool) -> Result<(), Broken> {
    let end = world.now + QUIET;
    while !world.over && unrest(world, &also).is_some() {
        let unrest = unrest(world, &also);
        law!(world.now < end, "it does not come to rest: {unrest:?}");
        world.run(Duration::from_secs(5))?;
    }
    Ok(())
}

fn unrest(world: &World, also: impl Fn(&World) -> bool) -> Option<String> {
    let (oracle, wanted) = (&world.oracle, world.supervisor.target() as usize);
    let serving = oracle
        .workers
        .values()
        .filter(|w| w.is_ready() && w.went)
        .count();
    if serving != wanted || oracle.workers.len() != wanted {
        return Some(format!(
            "{serving} serve and {} live of {wanted}",
            oracle.workers.len()
        ));
    }
    if oracle.wants_reload || oracle.reload.is_some() {
        return Some("a reload was forgotten".into());
    }
    let lags = oracle.workers.values().any(|w| w.lags.is_some());
    if lags && world.supervisor.server.plan.timeout.is_some() {
        return Some("nobody cares for a thread that hangs".into());
    }
    if world.is_worn() {
        return Some("a worker that has done enough serves on".into());
    }
    if !oracle.unanswered.is_empty() {
        return Some(format!("nobody answered {:?}", oracle.unanswered));
    }
    if oracle.state != Some(ServiceState::Ready) {
        return Some(format!("it says that it is {:?}", oracle.state));
    }
    if let Some(unrest) = oracle.companions_unrest(&world.supervisor) {
        return Some(unrest);
    }
    if let Some(unrest) = oracle.refork_unrest(&world.supervisor) {
        return Some(unrest);
    }
    (!also(world)).then(|| "the last reload did not reach everybody".into())
}

/// Runs it again with a record, and shows the end of it.
fn explain(seed: u64, mutation: Option<Mutation>) -> String {
    let Ok(mut world) = World::new(seed, mutation, true) else {
        return "at its start".into();
    };
    let outcome = play(&mut world);
    let trace = world.trace.unwrap_or_default();
    let from = trace.len().saturating_sub(400);
    format!(
        "{}\n{outcome:?}\n{:?}",
        trace[from..].join("\n"),
        world.plan
    )
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// `RGUN_SEED=n` repeats one, `RGUN_HISTORIES=n` runs more of them.
#[test]
fn random_histories_keep_every_law() {
    let seeds = match number("RGUN_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("RGUN_HISTORIES").unwrap_or(3000),
    };
    for seed in seeds {
        if let Err(broken) = history(seed, None) {
            panic!("seed {seed}: {broken}\n{}", explain(seed, None));
        }
    }
}
