//! All deadlines: what happens when each passes, and when the next one is due.

use super::clock::PULSE;
use super::phase::MasterPhase;
use super::reload_state::Reload;
use super::server::{Server, Spawning};
use super::worker::Worker;
use super::{
    Action, Moment, canary, closing, mold, overdue, preparation, reload, rollback, room, scaling,
    shutdown,
};

pub(super) fn enforce(server: &mut Server) {
    let now = server.now();
    // Enforcing one can change other workers' states, so each is checked again in its turn.
    for incarnation in server.incarnations(|w| w.deadline().is_some_and(|at| at <= now)) {
        overdue::enforce(server, incarnation);
    }
    if let Reload::Reading { until, .. } = server.reload
        && until <= now
    {
        reload::fail_reading(server);
    }
    if let MasterPhase::Delayed { until } = server.phase
        && until <= now
    {
        shutdown::begin_drain(server);
    }
    mold::enforce(server);
    room::enforce(server);
    canary::enforce(server);
    rollback::enforce(server);
    server.companions.enforce(&mut server.effects);
    closing::enforce(server);
    preparation::enforce(server);
    scaling::look_at_load(server);
    sample(server);
}

/// Once a second the heartbeats of ready workers are sampled.
fn sample(server: &mut Server) {
    let now = server.now();
    if server.pulse_at > now {
        return;
    }
    server.pulse_at = now + PULSE;
    if server.workers.values().any(Worker::is_heard) {
        server.act(Action::SampleHeartbeats);
    }
    if server.phase.keeps_helpers() && server.helpers.runs() {
        server.act(Action::SampleHelpers);
    }
    canary::ask_comparison(server);
}

/// In our own time; always in the future, because passed deadlines were enforced.
pub(super) fn next(server: &Server) -> Option<Moment> {
    if server.phase == MasterPhase::Gone {
        return None;
    }
    let workers = server.workers.values().filter_map(Worker::deadline);
    let helpers = server.helpers.deadline();
    let helpers = helpers.filter(|_| server.phase.keeps_helpers());
    let companions = server
        .companions
        .deadline(server.phase, server.generation, &server.effects);
    let places = server
        .vacant
        .iter()
        .filter_map(|slot| server.places.get(slot));
    let retries = places
        .map(|place| place.pacing.not_before)
        .filter(|at| *at > server.now() && server.keeps_up());
    let more = (server.spawning == Spawning::MoreToDo && server.keeps_up()).then(|| server.now());
    workers
        .chain(server.phase.deadline())
        .chain(server.reload.deadline())
        .chain(retries)
        .chain(more)
        .chain(room::deadline(server))
        .chain(helpers)
        .chain(companions)
        .chain(mold::deadline(server))
        .chain(rollback::deadline(server))
        .chain(scaling::deadline(server))
        .chain([server.pulse_at])
        .min()
}
