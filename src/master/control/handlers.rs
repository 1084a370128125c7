//! Translates requests into the supervisor's commands, and its answers into responses.

use std::time::Duration;

use super::protocol::{ControlRequest, ControlResponse, ControlStopMode as Mode};
use crate::config::LogLevel;
use crate::ipc::{ToMold, ToWorker};
use crate::master::shell::Shell;
use crate::master::supervisor::{
    Answer, Bounds, Command, Event, Generation, Portion, ReloadFailure, RolloutRefusal, Slot,
    StopMode, Token, Trial,
};
use crate::master::upgrade::attempt::Then;
use crate::observability;

impl Shell<'_> {
    /// Handles all requests that have arrived.
    pub(in crate::master) fn take_requests(&mut self) {
        loop {
            let requests = self.handlers.control.requests();
            if requests.is_empty() {
                break;
            }
            for (token, request) in requests {
                self.take_request(token, &request);
            }
        }
        self.settle_waits();
        self.settle_errands();
    }

    fn take_request(&mut self, token: Token, request: &ControlRequest) {
        let (verb, command) = match request {
            ControlRequest::Status => {
                let response = ControlResponse {
                    status: Some(self.status()),
                    ..ControlResponse::done("")
                };
                return self.handlers.control.answer(token, &response);
            }
            ControlRequest::LogLevel { level } => {
                let response = self.set_log_level(level);
                return self.handlers.control.answer(token, &response);
            }
            ControlRequest::ReloadCertificates => {
                let response = match self.reload_certificates() {
                    Ok(done) => ControlResponse::done(done),
                    Err(why) => ControlResponse::failed(why),
                };
                return self.handlers.control.answer(token, &response);
            }
            ControlRequest::Stacks { slot } => return self.ask_stacks(token, *slot),
            ControlRequest::WaitReady | ControlRequest::WaitIdle => {
                self.handlers.waits.add(token, request);
                return;
            }
            ControlRequest::Upgrade { no_reload } => {
                let (verb, then) = if *no_reload {
                    ("upgrade --no-reload", Then::Nothing)
                } else {
                    ("upgrade", Then::Reload)
                };
                tracing::info!(command = verb, "command received on the control socket");
                return self.begin_upgrade(Some(token), then);
            }
            ControlRequest::Reload => ("reload".to_owned(), Command::Reload),
            ControlRequest::Stage { bind } => {
                if let Err(why) = self.open_preview(token, bind) {
                    return self
                        .handlers
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
                    return self
                        .handlers
                        .control
                        .answer(token, &ControlResponse::failed(why));
                }
            },
            ControlRequest::Scale { workers, most } => match *most {
                Some(most) if most < *workers => {
                    let why = format!("{workers}..{most} is a range from {workers} down to {most}");
                    return self
                        .handlers
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
            ControlRequest::Restart { name } => match self.companion_called(name) {
                Ok(companion) => (
                    format!("restart {name}"),
                    Command::RestartCompanion(companion),
                ),
                Err(why) => {
                    return self
                        .handlers
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
        self.events
            .pending
            .push_back(Event::Control { token, command });
    }

    pub(in crate::master) fn reply(&mut self, token: Token, answer: &Answer) {
        let mut response = self.response(answer);
        if let Some(done) = self.upgrade.done_for(token) {
            response.message = format!("{done}; {}", response.message);
        }
        self.listening.previews.answered(token);
        self.handlers.control.answer(token, &response);
    }

    /// The outcome, then the reason and the traceback of the app, if it raised.
    fn rollout_failed(
        &mut self,
        generation: Generation,
        why: &ReloadFailure,
        outcome: &str,
    ) -> ControlResponse {
        let (reason, traceback) =
            self.reporting
                .event_log
                .reload_failure(why, &self.fleet.workers, &self.molds);
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
    fn needs_restart(&self, generation: Generation) -> String {
        let config = self.generations.generation_configs.get(&generation);
        match config.map(|config| config.needs_restart.as_slice()) {
            None | Some([]) => String::new(),
            Some(names) => format!("; only a restart applies {}", names.join(", ")),
        }
    }

    fn response(&mut self, answer: &Answer) -> ControlResponse {
        match answer {
            Answer::Reloaded { generation } => ControlResponse {
                generation: Some(generation.0),
                ..ControlResponse::done(format!(
                    "reloaded: generation {generation} serves{}{}",
                    self.reporting.event_log.verdict_of(*generation),
                    self.needs_restart(*generation)
                ))
            },
            Answer::ReloadFailed { generation, why } => self.rollout_failed(
                *generation,
                why,
                "reload rolled back, the old workers go on",
            ),
            Answer::Staged {
                generation,
                workers,
            } => {
                let preview = self.preview_addresses(*generation).join(" ");
                let preview = match preview.as_str() {
                    "" => String::new(),
                    addresses => format!(", preview at {addresses}"),
                };
                ControlResponse {
                    generation: Some(generation.0),
                    ..ControlResponse::done(format!(
                        "staged: generation {generation} is ready, {workers} workers{preview}{}",
                        self.needs_restart(*generation)
                    ))
                }
            }
            Answer::StageFailed { generation, why } => {
                self.rollout_failed(*generation, why, "not staged, the server is as it was")
            }
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
                    self.needs_restart(*generation)
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
                let outcome =
                    format!("generation {generation} was taken back, generation {to} serves");
                ControlResponse {
                    taken_back: true,
                    ..self.rollout_failed(*to, why, &outcome)
                }
            }
            Answer::NotTakenBack { generation, why } => {
                let outcome = format!("not taken back, generation {generation} serves");
                self.rollout_failed(*generation, why, &outcome)
            }
            Answer::Refused(RolloutRefusal::NothingKept) => {
                ControlResponse::failed(self.nothing_kept())
            }
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
                    self.reporting
                        .event_log
                        .restart_failure(*slot, *why, &self.fleet.workers);
                ControlResponse {
                    traceback,
                    ..ControlResponse::failed(format!("slot {slot} has no new worker: {reason}"))
                }
            }
            Answer::CompanionRestarted { companion } => {
                ControlResponse::done(format!("{} runs anew", self.companion_name(*companion)))
            }
            Answer::CompanionNotStarted { companion } => ControlResponse::failed(format!(
                "{} does not run; it is tried again, and the log says why it ended",
                self.companion_name(*companion)
            )),
            Answer::NoSuchCompanion => {
                ControlResponse::failed("there is no such companion any more")
            }
            Answer::NoSuchSlot { slot } => ControlResponse::failed(format!(
                "there is no slot {slot}; slots are counted from 0, and there are {}",
                self.supervisor.target()
            )),
            Answer::TooFew => ControlResponse::failed("a server has at least one worker"),
            Answer::TooMany { most } => {
                ControlResponse::failed(format!("this server can have at most {most} workers"))
            }
            Answer::ServerStopping => ControlResponse::failed("the server is stopping"),
        }
    }

    /// Of the master and of every worker; later workers inherit it.
    fn set_log_level(&mut self, name: &str) -> ControlResponse {
        let Some(level) = LogLevel::named(name) else {
            return ControlResponse::failed(format!(
                "there is no log level {name}; there are {}",
                LogLevel::NAMES.join(", ")
            ));
        };
        observability::set_level(level);
        for (_, worker) in self.fleet.workers.iter() {
            worker.send(&ToWorker::LogLevel(level as u8));
        }
        self.tell_molds(&ToMold::LogLevel(level as u8));
        tracing::info!(level = name, "log level changed");
        ControlResponse::done(format!(
            "log level {name}, until a reload changes the log's settings"
        ))
    }

    /// Why there is nothing to go back to.
    fn nothing_kept(&self) -> String {
        let refusal = refused(RolloutRefusal::NothingKept);
        let serving = self.supervisor.generation();
        if let Some(last) = self.reporting.note.rolled_back() {
            return format!(
                "{refusal}: generation {last} was taken back already, generation {serving} serves"
            );
        }
        let config = self.generations.generation_configs.get(&serving);
        let window = config.map_or(Duration::ZERO, |config| config.settings.rollback_window);
        match self.reporting.restart_counters.reloads {
            _ if window.is_zero() => format!("{refusal}: --rollback-window keeps one"),
            0 => format!("{refusal}: no other one has served"),
            _ => format!(
                "{refusal}: --rollback-window ({} s) is over, addresses were removed, or what was kept has ended",
                window.as_secs_f64()
            ),
        }
    }
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

/// The refusal, with what to do about it.
pub fn refused(refusal: RolloutRefusal) -> String {
    match refusal {
        RolloutRefusal::Reloading { generation: None } => {
            "a reload is queued: try again when it has ended".to_owned()
        }
        RolloutRefusal::Reloading {
            generation: Some(generation),
        } => format!(
            "the server is reloading to generation {generation}: try again when that has ended"
        ),
        RolloutRefusal::Staging { generation: None } => {
            "another generation is queued to be staged: try again when it is".to_owned()
        }
        RolloutRefusal::Staging {
            generation: Some(generation),
        } => format!(
            "generation {generation} is being staged: wait until it is ready, or `rgun ctl discard`"
        ),
        RolloutRefusal::Staged { generation } => format!(
            "generation {generation} is staged: `rgun ctl promote` or `rgun ctl discard` first"
        ),
        RolloutRefusal::Canary { generation } => format!(
            "generation {generation} is a canary: `rgun ctl promote` or `rgun ctl discard` first"
        ),
        RolloutRefusal::TakingBack { generation } => {
            format!("generation {generation} is being taken back: try again when that has ended")
        }
        RolloutRefusal::NothingKept => "no generation is kept for a rollback".to_owned(),
        RolloutRefusal::NotMore { slots } => {
            format!("the canary has {slots} slots already: name more, promote or discard it")
        }
        RolloutRefusal::AllSlots { of } => format!(
            "the server has {of} slots, and a canary leaves at least one of them to the version that serves: name fewer, or `rgun ctl stage` and `promote`"
        ),
        RolloutRefusal::NothingStaged => "nothing is staged: `rgun ctl stage` first".to_owned(),
    }
}
