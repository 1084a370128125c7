//! The new program: it reads what the one before has handed over, and goes on with it, or starts that one again.

use std::cell::Cell;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::{env, iter};

use super::attempt::Then;
use super::check::{FAILED_VARIABLE, STATE_VARIABLE};
use super::state::{self, State, StateHeader};
use crate::config::Settings;
use crate::ipc::{self, Scoreboard, TransferChannel};
use crate::master::binds::Binds;
use crate::master::companions::processes::CompanionProcesses;
use crate::master::configuration::Configuration;
use crate::master::control::Control;
use crate::master::control::protocol::ControlResponse;
use crate::master::descriptors::copy;
use crate::master::generation::GenerationConfig;
use crate::master::host::{Host, RunOutcome};
use crate::master::listeners::{BindsOfVersion1, ListenersState, ServerListeners};
use crate::master::molds::Molds;
use crate::master::shell::{HEARD, Lifeline, Shell};
use crate::master::supervisor::{Command, Event, Signal, Supervisor};
use crate::master::workers::Workers;
use crate::master::{Error, names, serve};
use crate::sys::process::{Parentage, ProcessExit, remove_variable, whose_child};
use crate::sys::signals::SignalQueue;
use crate::sys::{self, Pid, close_inherited, replace_program};

/// The program that was in this process before, and what it has left.
#[derive(Debug)]
pub struct PreviousMaster {
    memory: RawFd,
    text: String,
    /// This program has been in the process before: the other one failed, and why.
    failed: Option<String>,
    /// There is no way back any more.
    taken: Cell<bool>,
}

impl PreviousMaster {
    /// Looked for once, before anything else: what names it is taken out of the environment.
    pub fn of_this_process() -> Option<Self> {
        let memory = env::var(STATE_VARIABLE).ok()?.parse().ok()?;
        let failed = env::var(FAILED_VARIABLE).ok();
        [STATE_VARIABLE, FAILED_VARIABLE]
            .into_iter()
            .for_each(remove_variable);
        Some(Self {
            memory,
            text: state::text_behind(memory).unwrap_or_default(),
            failed,
            taken: Cell::new(false),
        })
    }

    /// `--upgrade-check`: what a program answers that can go on with it.
    ///
    /// # Errors
    /// Why this one cannot.
    pub fn answer(&self) -> Result<String, String> {
        let read = state::read(&self.text);
        let (state, _) = read.map_err(|error| error.to_string())?;
        Ok(super::answer(&state.header.secret))
    }

    /// This program ends, and did not take over: the one before is started again, with the reason. It comes back only where
    /// that cannot be done.
    pub fn go_back(&self, reason: &str) {
        if self.taken.get() || self.failed.is_some() {
            return;
        }
        let Ok(StateHeader {
            back, descriptors, ..
        }) = state::header(&self.text)
        else {
            return;
        };
        let mut variables = back.variables.clone();
        variables.push((STATE_VARIABLE.to_owned(), self.memory.to_string()));
        variables.push((FAILED_VARIABLE.to_owned(), reason.to_owned()));
        let kept: Vec<RawFd> = descriptors.into_iter().chain([self.memory]).collect();
        let error = replace_program(&back.path, &back.words, &variables, &kept);
        tracing::error!(%error, "upgrade failed, and the program before cannot be started again");
    }
}

/// As `master::run`, in the place of the program before.
///
/// # Errors
/// Why this program cannot go on; nothing was changed where `PreviousMaster::go_back` is still possible.
pub fn take_over(
    predecessor: &PreviousMaster,
    settings: Arc<Settings>,
    configuration: &dyn Configuration,
    host: &dyn Host,
) -> Result<RunOutcome, Error> {
    // The signals are blocked since before the exec; those that have come wait.
    let signals = SignalQueue::open(&HEARD)?;
    sys::set_title("rgun: master", &names::master(&settings));
    let (state, supervisor) =
        state::read(&predecessor.text).map_err(|error| Error::NotTakenOver(error.to_string()))?;
    let mut shell = Shell::new(Arc::clone(&settings), signals, configuration, host)?;
    let descriptors = state.header.descriptors.clone();
    let handed = Handed {
        from: state.header.release.clone(),
        callers: state.callers.clone(),
        then: state.then,
    };
    shell.restore(state, supervisor, &settings)?;
    predecessor.taken.set(true);
    // All of them were copied.
    close_inherited(&descriptors);
    close_inherited(&[predecessor.memory]);
    shell.resume(handed, predecessor.failed.as_deref())?;
    serve(shell, &mut None, host)
}

/// What remains to be done with it.
struct Handed {
    from: String,
    callers: Vec<crate::master::supervisor::Token>,
    then: Then,
}

impl Shell<'_> {
    /// Everything that was open, by copies.
    fn restore(
        &mut self,
        state: State,
        supervisor: Supervisor,
        settings: &Arc<Settings>,
    ) -> Result<(), Error> {
        if state.header.pid != std::process::id() {
            return Err(ipc::Error::Malformed("the state of another process").into());
        }
        self.supervisor = supervisor;
        self.events.began = state.began;
        self.fleet.scoreboard = Scoreboard::adopt(copy(state.scoreboard)?)?;
        self.fleet.lifeline = Lifeline::restore(copy(state.lifeline.0)?, copy(state.lifeline.1)?);
        self.helpers.monitor.binds = Binds::restore(state.admin)?;
        self.helpers.companions = CompanionProcesses::restore(state.companions)?;
        if !self.helpers.monitor.binds.listeners.is_empty() {
            self.helpers.companions.show()?;
            self.show_companions();
        }
        if let Some(pid) = state.monitor.and_then(Pid::new) {
            self.helpers.monitor.restore(pid);
        }
        let board = self.fleet.scoreboard.board();
        self.fleet.workers = Workers::restore(state.workers, board)?;
        self.molds = Molds::restore(state.molds)?;
        self.handlers.control = Control::restore(state.control)?;
        self.handlers.waits = state.waits;
        self.generations.generation_configs = state
            .generations
            .into_iter()
            .map(|(generation, directory)| {
                let generation_config =
                    GenerationConfig::new(Arc::clone(settings), &self.generations.start);
                (generation, generation_config.begun_in(directory))
            })
            .collect();
        for (generation, (given, taken)) in state.transfers {
            if let Some(config) = self.generations.generation_configs.get_mut(&generation) {
                let channel = TransferChannel::restore(copy(given)?, copy(taken)?);
                config.transfers = Some(Arc::new(channel));
            }
        }
        self.restore_listeners(state.listeners, state.binds, settings)?;
        if let Some(certificates) = state.certificates {
            self.restore_certificates(certificates)?;
        }
        self.upgrade.pid_file = state.pid_file;
        self.reporting.restart_counters = state.restart_counters;
        self.reporting.note = state.note;
        self.reporting.description = state.description;
        Ok(())
    }

    fn restore_listeners(
        &mut self,
        state: Option<ListenersState>,
        version_1: Option<BindsOfVersion1>,
        settings: &Settings,
    ) -> Result<(), Error> {
        let configs = &mut self.generations.generation_configs;
        if let Some(mut state) = state {
            for (generation, set) in std::mem::take(&mut state.sets) {
                if let Some(config) = configs.get_mut(&generation) {
                    config.listeners = set;
                }
            }
            let sharing = settings.port_sharing;
            self.listening.listeners = ServerListeners::restore(state, sharing)?;
        } else if let Some(state) = version_1 {
            let (listeners, set) = ServerListeners::restore_version_1(state, settings)?;
            self.listening.listeners = listeners;
            for config in configs.values_mut() {
                config.listeners = set.clone();
            }
        } else {
            return Err(ipc::Error::Malformed("a server without listeners").into());
        }
        self.show_listeners(self.supervisor.generation());
        Ok(())
    }

    /// Those that have ended while a program on the way here (a shell that has started this one) waited for them.
    fn miss_children(&mut self) {
        let workers = self.fleet.workers.iter().map(|(_, worker)| worker.pid);
        let molds = self.molds.iter().map(|(_, mold)| mold.pid);
        let companions = self.helpers.companions.running.values();
        let all = workers
            .chain(molds)
            .chain(companions.map(|running| running.pid))
            .chain(self.helpers.monitor.pid());
        let gone = all.filter(|pid| whose_child(*pid) == Parentage::NotOurs);
        for pid in gone.collect::<Vec<_>>() {
            tracing::warn!(
                pid = pid.as_raw(),
                "child has ended during the upgrade, its exit status is not known"
            );
            self.child_ended(pid, ProcessExit::Code(0));
        }
    }

    /// The way back is closed: what has happened meanwhile, and what follows.
    fn resume(&mut self, handed: Handed, failed: Option<&str>) -> Result<(), Error> {
        let Handed {
            from,
            callers,
            then,
            ..
        } = handed;
        self.reporting.service.resume();
        self.miss_children();
        self.reap()?;
        // It runs the program before.
        self.helpers.monitor.renew();
        if let Some(why) = failed {
            self.upgrade_failed(&callers, why);
            return Ok(());
        }
        let to = env!("CARGO_PKG_VERSION");
        tracing::info!(from, to, pid = std::process::id(), "upgraded in place");
        let done = format!("upgraded from rgun {from} to {to}");
        match then {
            Then::Nothing => {
                for caller in callers {
                    let response =
                        ControlResponse::done(format!("{done}, the workers stay as they are"));
                    self.handlers.control.answer(caller, &response);
                }
            }
            Then::Reload if callers.is_empty() => {
                self.events.pending.push_back(Event::Signal(Signal::Hup));
            }
            Then::Reload => {
                let events = callers.iter().zip(iter::repeat(Command::Reload));
                let events = events.map(|(token, command)| Event::Control {
                    token: *token,
                    command,
                });
                self.events.pending.extend(events);
                self.upgrade.done = Some((callers, done));
            }
        }
        Ok(())
    }
}
