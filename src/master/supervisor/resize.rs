//! The number of workers, or the range of it, as operators set it.

use super::mutation::fault;
use super::server::Server;
use super::{Answer, Bounds, Report, Token};

/// From here on the number is fixed.
pub(super) fn scale_to(server: &mut Server, token: Token, workers: u32) {
    let most = server.plan.most_workers;
    let answer = match workers {
        0 => Answer::TooFew,
        n if n > most => Answer::TooMany { most },
        to => {
            let from = server.target;
            bound(server, |_| None);
            resize(server, to, to);
            Answer::Scaled { from, to }
        }
    };
    server.reply(token, answer);
}

pub(super) fn scale_between(server: &mut Server, token: Token, bounds: Bounds) {
    let ceiling = server.plan.most_workers;
    let answer = match bounds {
        _ if server.plan.scaling.is_none() => Answer::NotScaling,
        Bounds { least: 0, .. } => Answer::TooFew,
        Bounds { most, .. } if most > ceiling => Answer::TooMany { most: ceiling },
        bounds => {
            bound(server, |_| Some(bounds));
            let coming = coming_target(server);
            resize(server, bounds.clamp(server.target), bounds.clamp(coming));
            let workers = server.target;
            Answer::ScaledBetween { bounds, workers }
        }
    };
    server.reply(token, answer);
}

/// During a rollout both generations are resized: the one that remains has one worker more, or less. A range moves as a
/// whole.
pub(super) fn scale_by(server: &mut Server, step: i32) {
    if !server.keeps_up() {
        return;
    }
    let fewest = if fault!(server.effects, ScaleBelowOne) {
        0
    } else {
        1
    };
    // Only WINCH sets it to 0; fewer than one worker cannot be requested.
    let most = server.plan.most_workers;
    let moved = |n: u32| n.saturating_add_signed(step).clamp(fewest.min(n), most);
    if step > 0 && server.target >= most {
        server.report(Report::TooManyWorkers { most });
    }
    let (serving, coming) = (moved(server.target), moved(coming_target(server)));
    if server.target > 0 {
        bound(server, |bounds| Some(bounds?.moved(step, most)));
    }
    // After WINCH there is none, and the first is not the only one.
    let within = |bounds: Option<Bounds>, n: u32| match bounds {
        Some(bounds) if n > 0 => bounds.clamp(n),
        Some(_) | None => n,
    };
    let of_rollout = server.reload.rollout();
    let coming_bounds = of_rollout.map_or(server.scaling.bounds, |rollout| rollout.bounds);
    resize(
        server,
        within(server.scaling.bounds, serving),
        within(coming_bounds, coming),
    );
}

fn coming_target(server: &Server) -> u32 {
    let rollout = server.reload.rollout();
    rollout.map_or(server.target, |rollout| rollout.target)
}

/// Of the generation that serves, and of the one that comes.
fn bound(server: &mut Server, bounds: impl Fn(Option<Bounds>) -> Option<Bounds>) {
    server.scaling.bounds = bounds(server.scaling.bounds);
    server.scaling.rest();
    if let Some(rollout) = server.reload.rollout_mut() {
        rollout.bounds = bounds(rollout.bounds);
    }
}

/// Changes the numbers; the slots follow when the supervisor reconciles.
pub(super) fn resize(server: &mut Server, serving: u32, coming: u32) {
    let from = server.target;
    let mut serving = serving;
    if let Some(rollout) = server.reload.rollout_mut() {
        rollout.target = coming;
        // Slots that already run the new generation are counted by its number.
        serving = serving.max(coming.min(rollout.switched()));
    }
    server.target = serving;
    if from != serving {
        server.report(Report::Scaled { from, to: serving });
    }
}
