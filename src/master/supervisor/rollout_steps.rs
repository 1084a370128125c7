//! Replacing one generation by another: boot a batch beside the old workers, switch to it (`switch.rs`), next batch.
//!
//! Without a surge there is one batch, all slots; then the whole is a transaction. With `surge` K the batches are K
//! slots wide: a failure in the first one leaves nothing behind, a later one stops the rollout where it is (the slots
//! already replaced keep the new generation, because without a mold the code of the old one may be gone from the
//! disk).

use super::mutation::fault;
use super::reload_state::{Batch, Goal, Reload, Rollout};
use super::server::Server;
use super::switch::RolloutStep;
use super::{Action, Answer, Report, ServiceState, batch, canary, rollout, stage, switch};

pub(super) fn advance(server: &mut Server) {
    while step(server) == RolloutStep::Again {}
}

fn step(server: &mut Server) -> RolloutStep {
    let Some(rollout) = server.reload.rollout() else {
        return RolloutStep::Wait;
    };
    match rollout.batch {
        Batch::Held { .. } => {
            batch::boot(server);
            RolloutStep::Wait
        }
        Batch::Booting => match rollout.goal {
            _ if rollout.committed => complete(server),
            Goal::Canary(trial) if rollout.done >= rollout.slots_of(trial) => {
                canary::hold(server, trial);
                RolloutStep::Wait
            }
            Goal::Serve if rollout.done >= rollout.target => complete(server),
            _ => boot_next(server),
        },
        Batch::Switching { end, until, doomed } => switch::finish(server, end, until, doomed),
    }
}

fn boot_next(server: &mut Server) -> RolloutStep {
    match batch::boot(server) {
        None => RolloutStep::Wait,
        Some(end) => end_batch(server, end),
    }
}

fn end_batch(server: &mut Server, end: u32) -> RolloutStep {
    match server.reload.rollout().map(|rollout| rollout.goal) {
        Some(Goal::Stage) if !fault!(server.effects, StageServes) => {
            stage::hold(server);
            RolloutStep::Wait
        }
        Some(_) => {
            switch::begin(server, end);
            RolloutStep::Again
        }
        None => RolloutStep::Wait,
    }
}

fn complete(server: &mut Server) -> RolloutStep {
    // Scaled down until nothing was left to do, the last batch never came: the remaining old workers are surplus.
    switch::commit(server);
    if let Some(Goal::Return { from, why, .. }) = server.reload.goal() {
        rollout::end_return(server, from, why);
        return RolloutStep::Wait;
    }
    let Reload::Rolling(rollout) = std::mem::replace(&mut server.reload, Reload::Idle) else {
        return RolloutStep::Wait;
    };
    let Rollout {
        generation, tokens, ..
    } = *rollout;
    server.report(Report::Reloaded {
        generation,
        workers: server.target,
    });
    for token in tokens {
        server.reply(token, Answer::Reloaded { generation });
    }
    server.act(Action::Notify(ServiceState::Ready));
    RolloutStep::Wait
}
