//! A reload before its rollout, and its bad end: queued, the configuration read again, given up. The rollout itself is in `rollout.rs`.

use super::mutation::fault;
use super::phase::MasterPhase;
use super::reload_state::{Goal, QueuedRollout, Reload, Rollout};
use super::server::Server;
use super::worker::{Worker, WorkerLife};
use super::{
    Action, Answer, Generation, ReloadFailure, Report, RolloutKind, RolloutRefusal, ServiceState,
    Token,
};

/// All requests before a reload begins are one reload; a running one may have read the old configuration. Beside
/// a staged generation none is possible.
pub(super) fn ask(server: &mut Server, token: Option<Token>) {
    let refusal = in_progress(server).filter(|it| it.is_for_a_stage());
    if let Some(refusal) = refusal.filter(|_| !fault!(server.effects, ReloadBesideStage)) {
        match token {
            Some(token) => server.reply(token, Answer::Refused(refusal)),
            None => server.report(Report::ReloadRefused {
                generation: server.reload.generation(),
            }),
        }
        return;
    }
    queue(server, Goal::Serve, token);
}

pub(super) fn queue(server: &mut Server, goal: Goal, token: Option<Token>) {
    if server.queued.is_none() && !may_begin(server) {
        server.report(Report::ReloadQueued);
    }
    if fault!(server.effects, ForgetQueuedReload) && !may_begin(server) {
        return;
    }
    let none = || QueuedRollout {
        goal,
        tokens: Vec::new(),
    };
    server.queued.get_or_insert_with(none).tokens.extend(token);
}

/// The rollout that prevents another one from beginning.
pub(super) fn in_progress(server: &Server) -> Option<RolloutRefusal> {
    let queued = server.queued.as_ref().map(|queued| queued.goal);
    let goal = server.reload.goal().or(queued)?;
    Some(match (goal, server.reload.generation()) {
        (Goal::Canary(_), Some(generation)) if server.reload.is_held() => {
            RolloutRefusal::Canary { generation }
        }
        (Goal::Return { from, .. }, _) => RolloutRefusal::TakingBack { generation: from },
        (Goal::Serve, generation) => RolloutRefusal::Reloading { generation },
        (Goal::Stage, Some(generation)) if server.reload.is_held() => {
            RolloutRefusal::Staged { generation }
        }
        (Goal::Stage | Goal::Canary(_), generation) => RolloutRefusal::Staging { generation },
    })
}

pub(super) fn refuse(server: &mut Server, token: Token, refusal: RolloutRefusal) {
    server.reply(token, Answer::Refused(refusal));
}

/// Not during the first boot, not during another one, and not while more than one generation's worth of workers
/// is still draining: consecutive reloads must not accumulate processes (at most three per slot).
fn may_begin(server: &Server) -> bool {
    let leaving = |w: &&Worker| !w.stays() && w.life != WorkerLife::Killed;
    server.phase == MasterPhase::Running
        && matches!(server.reload, Reload::Idle)
        && server.workers.values().filter(leaving).count() <= server.target as usize
}

pub(super) fn begin_queued(server: &mut Server) {
    if server.queued.is_none() || !may_begin(server) {
        return;
    }
    let Some(QueuedRollout { goal, tokens }) = server.queued.take() else {
        return;
    };
    server.last_generation = Generation(server.last_generation.0 + 1);
    let generation = server.last_generation;
    server.known.insert(generation);
    let until = server.now() + server.plan.boot_timeout;
    let stage = tokens.first().copied().filter(|_| goal != Goal::Serve);
    server.reload = Reload::Reading {
        generation,
        goal,
        tokens,
        until,
    };
    if let Some(token) = stage {
        server.report(Report::StageBegan { generation, token });
    }
    server.act(Action::Notify(ServiceState::Reloading));
    server.act(Action::ReadConfig { generation });
}

pub(super) fn fail_reading(server: &mut Server) {
    if matches!(server.reload, Reload::Reading { .. }) {
        end_badly(server, ReloadFailure::BadConfig);
    }
}

/// The caller handles its workers.
pub(super) fn end_badly(server: &mut Server, why: ReloadFailure) {
    let (generation, goal, tokens, replaced) =
        match std::mem::replace(&mut server.reload, Reload::Idle) {
            Reload::Idle => return,
            Reload::Reading {
                generation,
                goal,
                tokens,
                ..
            } => (generation, goal, tokens, 0),
            Reload::Rolling(rollout) => {
                let Rollout {
                    generation,
                    goal,
                    tokens,
                    done,
                    ..
                } = *rollout;
                (generation, goal, tokens, done)
            }
        };
    server.report(match (why, goal) {
        (why, Goal::Return { from, .. }) => Report::NotTakenBack {
            generation: from,
            to: generation,
            why,
        },
        (ReloadFailure::Discarded, _) => Report::Discarded { generation },
        (why, goal) => Report::ReloadFailed {
            generation,
            kind: match goal {
                Goal::Stage => RolloutKind::Stage,
                Goal::Canary(_) => RolloutKind::Canary,
                Goal::Serve | Goal::Return { .. } => RolloutKind::Reload,
            },
            why,
            replaced,
            of: server.target,
        },
    });
    let answer = match goal {
        Goal::Serve => Answer::ReloadFailed { generation, why },
        Goal::Stage | Goal::Canary(_) => Answer::StageFailed { generation, why },
        Goal::Return { from, .. } => Answer::NotTakenBack {
            generation: from,
            why,
        },
    };
    for token in tokens {
        if !fault!(server.effects, ForgetReply) {
            server.reply(token, answer);
        }
    }
    if server.keeps_up() {
        server.act(Action::Notify(ServiceState::Ready));
    }
}

/// The server stops: clients that wait for a reload are notified.
pub(super) fn abandon(server: &mut Server) {
    end_badly(server, ReloadFailure::Abandoned);
    let queued = server.queued.take().into_iter();
    for token in queued.flat_map(|queued| queued.tokens) {
        server.reply(token, Answer::ServerStopping);
    }
}
