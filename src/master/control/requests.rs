//! The requests of clients of the control socket: answered at once, or translated into the supervisor's commands.

use std::time::Duration;

use super::protocol::{ControlRequest, ControlResponse, ControlStopMode as Mode};
use super::{companions, stack_request, status, wait};
use crate::config::LogLevel;
use crate::ipc::{ToMold, ToWorker};
use crate::master::molds::Molds;
use crate::master::shell::Shell;
use crate::master::supervisor::{Bounds, Command, Event, Portion, Slot, StopMode, Token, Trial};
use crate::master::upgrade::attempt::Then;
use crate::master::workers::Workers;
use crate::master::{certificates, preview, upgrade};
use crate::observability;

/// Handles all requests that have arrived.
pub fn take_requests(shell: &mut Shell<'_>) {
    loop {
        let requests = shell.clients.control.requests();
        if requests.is_empty() {
            break;
        }
        for (token, request) in requests {
            take_request(shell, token, &request);
        }
    }
    wait::settle(&mut shell.clients, &shell.fleet.workers, &shell.supervisor);
    stack_request::settle(&mut shell.clients, &shell.fleet.workers);
}

fn take_request(shell: &mut Shell<'_>, token: Token, request: &ControlRequest) {
    let (verb, command) = match request {
        ControlRequest::Status => {
            let response = ControlResponse {
                status: Some(status::of(shell)),
                ..ControlResponse::done("")
            };
            return shell.clients.control.answer(token, &response);
        }
        ControlRequest::LogLevel { level } => {
            let response = set_log_level(&shell.fleet.workers, &shell.molds, level);
            return shell.clients.control.answer(token, &response);
        }
        ControlRequest::ReloadCertificates => {
            let response = match certificates::reload(shell) {
                Ok(done) => ControlResponse::done(done),
                Err(why) => ControlResponse::failed(why),
            };
            return shell.clients.control.answer(token, &response);
        }
        ControlRequest::Stacks { slot } => {
            return stack_request::begin(
                &mut shell.clients,
                &mut shell.fleet.workers,
                token,
                *slot,
            );
        }
        ControlRequest::WaitReady | ControlRequest::WaitIdle => {
            shell.clients.waits.add(token, request);
            return;
        }
        ControlRequest::Upgrade { no_reload } => {
            let (verb, then) = if *no_reload {
                ("upgrade --no-reload", Then::Nothing)
            } else {
                ("upgrade", Then::Reload)
            };
            tracing::info!(command = verb, "command received on the control socket");
            return upgrade::begin(shell, Some(token), then);
        }
        ControlRequest::Reload => ("reload".to_owned(), Command::Reload),
        ControlRequest::Stage { bind } => {
            if let Err(why) = preview::open(
                &shell.fleet,
                &shell.generations,
                &mut shell.listening.previews,
                token,
                bind,
            ) {
                return shell
                    .clients
                    .control
                    .answer(token, &ControlResponse::failed(why));
            }
            let binds = bind.iter().map(|address| format!(" --bind {address}"));
            (
                format!("stage{}", binds.collect::<String>()),
                Command::Stage,
            )
        }
        ControlRequest::Promote => ("promote".to_owned(), Command::Promote),
        ControlRequest::Discard => ("discard".to_owned(), Command::Discard),
        ControlRequest::Rollback => ("rollback".to_owned(), Command::Rollback),
        ControlRequest::Canary {
            share,
            for_ms,
            judged_after,
        } => match portion(share) {
            Ok(portion) => (
                format!("canary {share}"),
                Command::Canary(Trial {
                    portion,
                    lasts: for_ms.map(Duration::from_millis),
                    judged: *judged_after,
                }),
            ),
            Err(why) => {
                return shell
                    .clients
                    .control
                    .answer(token, &ControlResponse::failed(why));
            }
        },
        ControlRequest::Scale { workers, most } => match *most {
            Some(most) if most < *workers => {
                let why = format!("{workers}..{most} is a range from {workers} down to {most}");
                return shell
                    .clients
                    .control
                    .answer(token, &ControlResponse::failed(why));
            }
            Some(most) if most > *workers => {
                let bounds = Bounds {
                    least: *workers,
                    most,
                };
                (
                    format!("scale {workers}..{most}"),
                    Command::ScaleBetween(bounds),
                )
            }
            Some(_) | None => (format!("scale {workers}"), Command::Scale(*workers)),
        },
        ControlRequest::RestartWorker { slot } => (
            format!("restart-worker {slot}"),
            Command::RestartWorker(Slot(*slot)),
        ),
        ControlRequest::Restart { name } => match companions::called(&shell.supervisor, name) {
            Ok(companion) => (
                format!("restart {name}"),
                Command::RestartCompanion(companion),
            ),
            Err(why) => {
                return shell
                    .clients
                    .control
                    .answer(token, &ControlResponse::failed(why));
            }
        },
        ControlRequest::Stop {
            mode: Mode::Graceful,
        } => ("stop".to_owned(), Command::Stop(StopMode::Graceful)),
        ControlRequest::Stop { mode: Mode::Fast } => {
            ("stop --fast".to_owned(), Command::Stop(StopMode::Fast))
        }
    };
    // As it is typed after `rgun ctl`.
    tracing::info!(command = verb, "command received on the control socket");
    shell.events.push(Event::Control { token, command });
}

/// Of the master and of every worker; later workers inherit it.
fn set_log_level(workers: &Workers, molds: &Molds, name: &str) -> ControlResponse {
    let Some(level) = LogLevel::named(name) else {
        return ControlResponse::failed(format!(
            "there is no log level {name}; there are {}",
            LogLevel::NAMES.join(", ")
        ));
    };
    observability::set_level(level);
    for (_, worker) in workers.iter() {
        worker.send(&ToWorker::LogLevel(level as u8));
    }
    molds.tell(&ToMold::LogLevel(level as u8));
    tracing::info!(level = name, "log level changed");
    ControlResponse::done(format!(
        "log level {name}, until a reload changes the log's settings"
    ))
}

/// `3` slots, or `10%` of them.
fn portion(text: &str) -> Result<Portion, String> {
    let malformed = || format!("`{text}` is no number of slots: write 2, or 10%");
    let read = match text.strip_suffix('%') {
        Some(percent) => percent
            .parse()
            .ok()
            .filter(|percent| (1..=100).contains(percent))
            .map(Portion::Percent),
        None => text.parse().ok().filter(|n| *n > 0).map(Portion::Slots),
    };
    read.ok_or_else(malformed)
}
