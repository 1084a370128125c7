//! `--reload`: files of the app have changed. Boots that waited for this start, serving workers are reloaded.

use super::phase::MasterPhase;
use super::reload_state::{Goal, Rollout};
use super::server::Server;
use super::slot::BootCondition;
use super::worker::Worker;
use super::{ReloadFailure, SourceWatching, mold, orders, reload, rollout};

pub(super) fn take(server: &mut Server) {
    if server.plan.sources == SourceWatching::Fixed {
        return;
    }
    match server.phase {
        MasterPhase::FirstBoot => boot_anew(server),
        MasterPhase::Running => {
            // Booting workers have read the old files, or a mixture; they may even hang because of them.
            let is_for_a_stage =
                matches!(server.reload.goal(), Some(Goal::Stage | Goal::Canary(_)));
            let booting = |rollout: &Rollout| {
                !rollout.is_switching() && !matches!(rollout.goal, Goal::Return { .. })
            };
            match server.reload.rollout() {
                Some(rollout) if is_for_a_stage || booting(rollout) => {
                    rollout::fail(server, ReloadFailure::Overtaken);
                }
                None if is_for_a_stage => reload::end_badly(server, ReloadFailure::Overtaken),
                Some(_) | None => {}
            }
            reload::ask(server, None);
        }
        MasterPhase::Preparing(_)
        | MasterPhase::Delayed { .. }
        | MasterPhase::Stopping { .. }
        | MasterPhase::Closing { .. }
        | MasterPhase::Gone => {}
    }
}

/// During the first boot: boots all workers again that are not ready.
fn boot_anew(server: &mut Server) {
    for (slot, place) in &mut server.places {
        place.awaits = BootCondition::Nothing;
        server.vacant.insert(*slot);
    }
    mold::boot_anew(server);
    for booting in server.incarnations(Worker::is_booting) {
        orders::dismiss(server, booting);
    }
    if server.workers.values().any(Worker::is_ready) {
        reload::ask(server, None);
    }
}
