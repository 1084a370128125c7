//! The supervisor's answers, as responses to the clients that have sent the commands.

use std::time::Duration;

use super::protocol::ControlResponse;
use super::refusal::refused;
use crate::master::companions;
use crate::master::generations::Generations;
use crate::master::molds::Molds;
use crate::master::reporting::Reporting;
use crate::master::shell::Shell;
use crate::master::supervisor::{
    Answer, Bounds, Generation, ReloadFailure, RolloutRefusal, Supervisor, Token,
};
use crate::master::workers::Workers;

pub fn reply(shell: &mut Shell<'_>, token: Token, answer: &Answer) {
    let mut response = response(shell, answer);
    if let Some(done) = shell.upgrade.done_for(token) {
        response.message = format!("{done}; {}", response.message);
    }
    shell.listening.previews.answered(token);
    shell.clients.control.answer(token, &response);
}

/// The outcome, then the reason and the traceback of the app, if it raised.
fn rollout_failed(
    workers: &Workers,
    molds: &Molds,
    reporting: &mut Reporting,
    generation: Generation,
    why: &ReloadFailure,
    outcome: &str,
) -> ControlResponse {
    let (reason, traceback) = reporting.event_log.reload_failure(why, workers, molds);
    // Nothing goes on.
    let outcome = match why {
        ReloadFailure::Abandoned => "abandoned",
        _ => outcome,
    };
    ControlResponse {
        generation: Some(generation.0),
        traceback,
        ..ControlResponse::failed(format!("{outcome}: {reason}"))
    }
}

/// The settings of that generation that a reload does not apply, as the end of a sentence.
fn needs_restart(generations: &Generations<'_>, generation: Generation) -> String {
    let config = generations.get(generation);
    match config.map(|config| config.needs_restart.as_slice()) {
        None | Some([]) => String::new(),
        Some(names) => format!("; only a restart applies {}", names.join(", ")),
    }
}

fn response(shell: &mut Shell<'_>, answer: &Answer) -> ControlResponse {
    match answer {
        Answer::Reloaded { generation } => ControlResponse {
            generation: Some(generation.0),
            ..ControlResponse::done(format!(
                "reloaded: generation {generation} serves{}{}",
                shell.reporting.event_log.verdict_of(*generation),
                needs_restart(&shell.generations, *generation)
            ))
        },
        Answer::ReloadFailed { generation, why } => rollout_failed(
            &shell.fleet.workers,
            &shell.molds,
            &mut shell.reporting,
            *generation,
            why,
            "reload rolled back, the old workers go on",
        ),
        Answer::Staged {
            generation,
            workers,
        } => {
            let preview = shell.listening.preview_addresses(*generation).join(" ");
            let preview = match preview.as_str() {
                "" => String::new(),
                addresses => format!(", preview at {addresses}"),
            };
            ControlResponse {
                generation: Some(generation.0),
                ..ControlResponse::done(format!(
                    "staged: generation {generation} is ready, {workers} workers{preview}{}",
                    needs_restart(&shell.generations, *generation)
                ))
            }
        }
        Answer::StageFailed { generation, why } => rollout_failed(
            &shell.fleet.workers,
            &shell.molds,
            &mut shell.reporting,
            *generation,
            why,
            "not staged, the server is as it was",
        ),
        Answer::Discarded { generation } => ControlResponse {
            generation: Some(generation.0),
            ..ControlResponse::done(format!("discarded: generation {generation}"))
        },
        Answer::CanaryServes {
            generation,
            slots,
            of,
        } => ControlResponse {
            generation: Some(generation.0),
            ..ControlResponse::done(format!(
                "canary: generation {generation} serves in {slots} of {of} slots{}",
                needs_restart(&shell.generations, *generation)
            ))
        },
        Answer::TakenBack {
            generation,
            to,
            why: ReloadFailure::Discarded,
        } => ControlResponse {
            generation: Some(to.0),
            ..ControlResponse::done(format!(
                "generation {generation} was taken back: generation {to} serves"
            ))
        },
        Answer::TakenBack {
            generation,
            to,
            why,
        } => {
            let outcome = format!("generation {generation} was taken back, generation {to} serves");
            ControlResponse {
                taken_back: true,
                ..rollout_failed(
                    &shell.fleet.workers,
                    &shell.molds,
                    &mut shell.reporting,
                    *to,
                    why,
                    &outcome,
                )
            }
        }
        Answer::NotTakenBack { generation, why } => {
            let outcome = format!("not taken back, generation {generation} serves");
            rollout_failed(
                &shell.fleet.workers,
                &shell.molds,
                &mut shell.reporting,
                *generation,
                why,
                &outcome,
            )
        }
        Answer::Refused(RolloutRefusal::NothingKept) => ControlResponse::failed(nothing_kept(
            &shell.generations,
            &shell.reporting,
            &shell.supervisor,
        )),
        Answer::Refused(refusal) => ControlResponse::failed(refused(*refusal)),
        Answer::Scaled { from, to } => {
            ControlResponse::done(format!("number of workers: {to} (was {from})"))
        }
        Answer::ScaledBetween {
            bounds: Bounds { least, most },
            workers,
        } => ControlResponse::done(format!(
            "number of workers: {least}..{most} by load (now {workers})"
        )),
        Answer::NotScaling => ControlResponse::failed(
            "the server was started with a fixed number of workers; only one that is started with -w MIN..MAX takes a range",
        ),
        Answer::Stopping => ControlResponse::done("stopping"),
        Answer::WorkerReplaced { slot } => {
            ControlResponse::done(format!("slot {slot} has a new worker"))
        }
        Answer::RestartFailed { slot, why } => {
            let (reason, traceback) =
                shell
                    .reporting
                    .event_log
                    .restart_failure(*slot, *why, &shell.fleet.workers);
            ControlResponse {
                traceback,
                ..ControlResponse::failed(format!("slot {slot} has no new worker: {reason}"))
            }
        }
        Answer::CompanionRestarted { companion } => ControlResponse::done(format!(
            "{} runs anew",
            companions::name(&shell.helpers.companions, &shell.supervisor, *companion)
        )),
        Answer::CompanionNotStarted { companion } => ControlResponse::failed(format!(
            "{} does not run; it is tried again, and the log says why it ended",
            companions::name(&shell.helpers.companions, &shell.supervisor, *companion)
        )),
        Answer::NoSuchCompanion => ControlResponse::failed("there is no such companion any more"),
        Answer::NoSuchSlot { slot } => ControlResponse::failed(format!(
            "there is no slot {slot}; slots are counted from 0, and there are {}",
            shell.supervisor.target()
        )),
        Answer::TooFew => ControlResponse::failed("a server has at least one worker"),
        Answer::TooMany { most } => {
            ControlResponse::failed(format!("this server can have at most {most} workers"))
        }
        Answer::ServerStopping => ControlResponse::failed("the server is stopping"),
    }
}

/// Why there is nothing to go back to.
fn nothing_kept(
    generations: &Generations<'_>,
    reporting: &Reporting,
    supervisor: &Supervisor,
) -> String {
    let refusal = refused(RolloutRefusal::NothingKept);
    let serving = supervisor.generation();
    if let Some(last) = reporting.note.rolled_back() {
        return format!(
            "{refusal}: generation {last} was taken back already, generation {serving} serves"
        );
    }
    let config = generations.get(serving);
    let window = config.map_or(Duration::ZERO, |config| config.settings.rollback_window);
    match reporting.restart_counters.reloads {
        _ if window.is_zero() => format!("{refusal}: --rollback-window keeps one"),
        0 => format!("{refusal}: no other one has served"),
        _ => format!(
            "{refusal}: --rollback-window ({} s) is over, addresses were removed, or what was kept has ended",
            window.as_secs_f64()
        ),
    }
}
