//! Canaries: a generation that serves in some slots, beside the one that serves in the others, until an operator, its
//! time limit or the comparison decides. The workers that it replaces are paused, and serve again if it is removed.

use std::time::Duration;

use super::mutation::fault;
use super::reload_state::{Batch, Goal, Replaced};
use super::server::Server;
use super::{
    Action, Answer, Evidence, Figures, Generation, Portion, Regression, ReloadFailure, Report,
    RolloutRefusal, ServiceState, Token, Trial, reload, rollout, stage,
};

/// Duration of a judged canary if none is given.
const JUDGED_FOR: Duration = Duration::from_secs(60);

pub(super) fn ask(server: &mut Server, token: Token, trial: Trial) {
    let in_progress = reload::in_progress(server);
    let (all, done) = match server.reload.rollout() {
        Some(rollout) => (rollout.target.min(server.target), rollout.done),
        None => (server.target, 0),
    };
    let slots = trial.portion.of(all);
    let trial = Trial {
        portion: Portion::Slots(slots),
        lasts: trial.lasts.or(trial.judged.map(|_| JUDGED_FOR)),
        ..trial
    };
    let refusal = match in_progress {
        None | Some(RolloutRefusal::Staged { .. } | RolloutRefusal::Canary { .. })
            if slots >= all =>
        {
            Some(RolloutRefusal::AllSlots { of: all })
        }
        Some(RolloutRefusal::Canary { .. }) if slots <= done => {
            Some(RolloutRefusal::NotMore { slots: done })
        }
        None | Some(RolloutRefusal::Staged { .. } | RolloutRefusal::Canary { .. }) => None,
        Some(refusal) => Some(refusal),
    };
    if let Some(refusal) = refusal {
        reload::refuse(server, token, refusal);
        return;
    }
    let goal = Goal::Canary(trial);
    let Some(rollout) = server.reload.rollout_mut() else {
        reload::queue(server, goal, Some(token));
        return;
    };
    rollout.replaced = Replaced::Paused;
    rollout.tokens.push(token);
    stage::go_on(server, goal);
}

/// All slots of the canary serve.
pub(super) fn hold(server: &mut Server, trial: Trial) {
    let until = trial.lasts.map(|span| server.now() + span);
    let of = server.target;
    let Some(rollout) = server.reload.rollout_mut() else {
        return;
    };
    rollout.batch = Batch::Held { until };
    let (generation, slots) = (rollout.generation, rollout.done);
    let tokens = match trial.judged {
        None => std::mem::take(&mut rollout.tokens),
        // They wait for the verdict.
        Some(_) => Vec::new(),
    };
    server.report(Report::CanaryServes {
        generation,
        slots,
        of,
    });
    let answer = Answer::CanaryServes {
        generation,
        slots,
        of,
    };
    for token in tokens {
        server.reply(token, answer);
    }
    server.act(Action::Notify(ServiceState::Ready));
    ask_comparison(server);
}

fn judged(server: &Server) -> Option<(Generation, u64)> {
    let rollout = server
        .reload
        .rollout()
        .filter(|_| server.reload.is_held())?;
    match rollout.goal {
        Goal::Canary(Trial { judged, .. }) => Some((rollout.generation, judged?)),
        Goal::Serve | Goal::Stage | Goal::Return { .. } => None,
    }
}

/// Requested once a second while a canary is judged.
pub(super) fn ask_comparison(server: &mut Server) {
    if let Some((canary, _)) = judged(server) {
        let old = server.generation;
        server.act(Action::CompareGenerations { canary, old });
    }
}

pub(super) fn take_comparison(
    server: &mut Server,
    canary: Generation,
    old: &Figures,
    new: &Figures,
) {
    let Some((generation, wanted)) = judged(server).filter(|(judged, _)| *judged == canary) else {
        return;
    };
    let evidence = Evidence::of(old, new);
    let is_over = server
        .reload
        .rollout()
        .is_some_and(|rollout| rollout.batch == Batch::Held { until: None });
    let requests = new.requests;
    if evidence.finding != Regression::NotWorse && requests >= wanted {
        server.report(Report::CanaryVerdict {
            generation,
            evidence,
        });
        if !fault!(server.effects, VerdictIsIgnored) {
            rollout::fail(server, ReloadFailure::Worse(evidence));
        }
    } else if is_over && requests < wanted {
        rollout::fail(server, ReloadFailure::TooFewRequests { requests, wanted });
    } else if is_over {
        server.report(Report::CanaryVerdict {
            generation,
            evidence,
        });
        stage::go_on(server, Goal::Serve);
    }
}

/// The canary's time is over.
pub(super) fn enforce(server: &mut Server) {
    let now = server.now();
    let judged = judged(server).is_some();
    let Some(rollout) = server.reload.rollout_mut() else {
        return;
    };
    match &mut rollout.batch {
        Batch::Held { until } if until.is_some_and(|at| at <= now) => *until = None,
        Batch::Held { .. } | Batch::Booting | Batch::Switching { .. } => return,
    }
    if judged {
        ask_comparison(server);
    } else if !fault!(server.effects, CanaryForEver) {
        rollout::fail(server, ReloadFailure::TimeOver);
    }
}
