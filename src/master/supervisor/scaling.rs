//! How many workers there are to be, where that follows the load: a worker more while connections wait or all are busy, a worker
//! less after a time with little to do.
//!
//! - Never below the least nor above the most, never during a rollout or a stop, never beyond the memory.
//! - The workers of one growth serve before the next: what they bring is seen first.
//! - Growth starts the time of idleness anew, so that the direction changes once within it at the most.

use std::time::Duration;

use super::load::Pressure;
use super::mutation::fault;
use super::phase::MasterPhase;
use super::reload_state::Reload;
use super::server::Server;
use super::worker::WorkerLife;
use super::{
    Action, AvailableMemory, Bounds, Load, Moment, Plan, Report, ScaleDecision, ScaleReason,
};

/// Between two looks at the load.
const LOOK: Duration = Duration::from_millis(250);
/// Pressure that passes sooner is no reason.
const SUSTAINED: Duration = Duration::from_secs(1);
/// From a change of the workers to the next.
const APART: Duration = Duration::from_secs(1);
/// After a growth that the memory did not allow.
const RETRY: Duration = Duration::from_secs(5);

/// Scaling is on, and nothing else changes the workers.
fn may_decide(server: &Server) -> bool {
    let quiet = matches!(server.reload, Reload::Idle) && server.queued.is_none();
    server.scaling.bounds.is_some()
        && server.phase == MasterPhase::Running
        && server.target > 0
        && (quiet || fault!(server.effects, ScaleDuringRollout))
}

pub(super) fn deadline(server: &Server) -> Option<Moment> {
    let is_on = server.scaling.bounds.is_some() && server.phase == MasterPhase::Running;
    is_on.then_some(server.scaling.look_at.max(server.now()))
}

pub(super) fn look_at_load(server: &mut Server) {
    let now = server.now();
    if deadline(server).is_some_and(|at| at <= now) {
        server.scaling.look_at = now + LOOK;
        server.act(Action::SampleLoad);
    }
}

pub(super) fn take_load(server: &mut Server, load: Load) {
    let now = server.now();
    let (true, Some(bounds), Some(rules)) = (
        may_decide(server),
        server.scaling.bounds,
        server.plan.scaling,
    ) else {
        server.scaling.rest();
        return;
    };
    let serving = server
        .workers
        .values()
        .filter(|w| w.life == WorkerLife::Serving);
    if serving.count() < server.target as usize {
        server.scaling.window.forget_looks();
        server.scaling.idle_since = None;
        return;
    }
    server.scaling.note(now, load, rules.wait);
    if now < server.scaling.not_before || server.scaling.asked.is_some() {
        return;
    }
    let past =
        |since: Option<Moment>, span: Duration| since.is_some_and(|since| now.since(since) >= span);
    let idle = if fault!(server.effects, ScaleFlaps) {
        Duration::ZERO
    } else {
        rules.idle
    };
    if past(server.scaling.pressed_since, SUSTAINED) && server.scaling.window.is_full() {
        ask_growth(server, bounds, rules.wait);
    } else if past(server.scaling.idle_since, idle) {
        shrink(server, bounds);
    }
}

fn ask_growth(server: &mut Server, bounds: Bounds, wait: Duration) {
    let (why, by) = match server.scaling.window.pressure(wait) {
        Some(Pressure::Waits { urgent: true }) => (ScaleReason::AcceptWait, 2),
        Some(Pressure::Waits { urgent: false }) => (ScaleReason::AcceptWait, 1),
        Some(Pressure::AllBusy) => (ScaleReason::AllBusy, 1),
        None => return,
    };
    let from = server.target;
    let most = if fault!(server.effects, ScaleAboveMost) {
        bounds.most + 1
    } else {
        bounds.most
    };
    let to = from.saturating_add(by).min(most);
    if to > from {
        server.scaling.asked = Some(server.scaling.decision(why, from, to));
        server.act(Action::MeasureScaleRoom);
    }
}

/// The answer to `MeasureScaleRoom`.
pub(super) fn take_scale_room(server: &mut Server, memory: Option<AvailableMemory>) {
    let Some(asked) = server.scaling.asked.take() else {
        return;
    };
    let now = server.now();
    // An operator, or a reload, was faster.
    if !may_decide(server) || server.target != asked.from {
        return;
    }
    let room = memory.filter(|_| !fault!(server.effects, ScaleBeyondMemory));
    let room = room.map_or(u32::MAX, AvailableMemory::room);
    let to = asked.to.min(asked.from.saturating_add(room));
    if let Some(memory) = memory.filter(|_| to == asked.from) {
        server.scaling.not_before = now + RETRY;
        if !std::mem::replace(&mut server.scaling.cramped, true) {
            let workers = asked.from;
            server.report(Report::NoRoomToScale { workers, memory });
        }
        return;
    }
    change(
        server,
        ScaleDecision {
            to,
            memory: memory.map(|memory| (memory.free, memory.worker)),
            ..asked
        },
    );
    server.scaling.window.clear();
    server.scaling.idle_since = None;
}

fn shrink(server: &mut Server, bounds: Bounds) {
    let from = server.target;
    let least = if fault!(server.effects, ScaleBelowLeast) {
        0
    } else {
        bounds.least
    };
    if from > least {
        change(
            server,
            server.scaling.decision(ScaleReason::Idle, from, from - 1),
        );
        server.scaling.not_before = server.now() + APART;
    }
}

fn change(server: &mut Server, decision: ScaleDecision) {
    server.target = decision.to;
    server.scaling.cramped = false;
    server.scaling.last = Some((decision, server.now()));
    server.report(Report::ScaledByLoad(decision));
}

/// What the load or an operator has made of the numbers outlives a reload, unless those that are configured have changed.
/// WINCH does not: a reload is how workers come back after it.
pub(super) fn carried_over(server: &Server, plan: &Plan) -> (u32, Option<Bounds>) {
    let (wanted, bounds) = (plan.wanted(), plan.bounds());
    let same = (wanted, bounds) == (server.plan.wanted(), server.plan.bounds());
    match bounds {
        _ if server.target == 0 => (wanted, bounds),
        _ if same => (server.target, server.scaling.bounds),
        Some(bounds) => (bounds.clamp(server.target), Some(bounds)),
        None => (wanted, None),
    }
}

/// Numbers that an operator has set stay, until a reload has others.
pub(super) fn take_cpus(server: &mut Server, cpus: u32, workers: u32, most: u32) {
    let quiet = matches!(server.reload, Reload::Idle) && server.queued.is_none();
    if !quiet || !matches!(server.phase, MasterPhase::Running) || server.plan.counts(workers, most)
    {
        return;
    }
    let before = (server.plan.wanted(), server.plan.bounds());
    server.plan.workers = workers;
    if let Some(rules) = &mut server.plan.scaling {
        rules.most = most;
    }
    let bounds = server.plan.bounds();
    let is_of_the_plan = match before.1 {
        Some(_) => server.scaling.bounds == before.1,
        None => server.scaling.bounds.is_none() && server.target == before.0,
    };
    // After WINCH there are none.
    if server.target == 0 || !is_of_the_plan && !fault!(server.effects, CpusOverOperator) {
        return;
    }
    let from = server.target;
    let to = match bounds {
        Some(bounds) => bounds.clamp(from),
        None => server.plan.wanted(),
    };
    server.scaling.bounds = bounds;
    server.scaling.rest();
    server.target = to;
    server.report(Report::ScaledByCpus {
        cpus,
        from,
        to,
        bounds,
    });
}
