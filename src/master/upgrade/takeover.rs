//! The new program: it reads what the one before has handed over, and goes on with it, or starts that one again.

use std::cell::RefCell;
use std::env;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use super::answers;
use super::attempt::Then;
use super::check::{FAILED_VARIABLE, STATE_VARIABLE};
use super::restored_settings::RestoredSettings;
use super::state::{self, State, StateHeader};
use crate::config::Settings;
use crate::ipc::{self, HeldChannels, Scoreboard, TransferChannel};
use crate::master::binds::Binds;
use crate::master::companions::processes::CompanionProcesses;
use crate::master::configuration::Configuration;
use crate::master::control::Control;
use crate::master::control::protocol::ControlResponse;
use crate::master::descriptors::copy;
use crate::master::event_queue::HEARD;
use crate::master::generation::GenerationConfig;
use crate::master::host::{Host, RunOutcome};
use crate::master::listeners::{self, BindsOfVersion1, ListenersState, ServerListeners};
use crate::master::molds::Molds;
use crate::master::shell::Shell;
use crate::master::supervisor::{Command, Event, Signal, Supervisor, Token};
use crate::master::worker_processes::Lifeline;
use crate::master::workers::Workers;
use crate::master::{Error, certificates, children, companions, logs, names, serve};
use crate::sys::crash_return::{CrashEnding, CrashReturn};
use crate::sys::process::{Parentage, ProcessExit, remove_variable, whose_child};
use crate::sys::signals::SignalQueue;
use crate::sys::{self, Pid, close_inherited, replace_program};

/// Where the program before does not say how long that may take: the default of `--upgrade-timeout`.
const LEFT_AFTER: Duration = Duration::from_secs(60);

/// The program that was in this process before, and what it has left.
#[derive(Debug)]
pub struct PreviousMaster {
    memory: RawFd,
    text: String,
    /// This program has been in the process before: the other one failed, and why.
    failed: Option<String>,
    way_back: RefCell<WayBack>,
}

/// To the program before.
#[derive(Debug, Default)]
enum WayBack {
    /// There is none: this program has taken over, or it is another process.
    #[default]
    Closed,
    /// It is taken where this program ends by itself.
    Open,
    /// Also where it crashes or hangs.
    Guarded { _until_closed: Box<CrashReturn> },
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
            way_back: RefCell::default(),
        })
    }

    /// This process is what the program before was: from here on that one is started again, whatever happens to this one.
    pub fn keep_way_back(&self) {
        let Some(header) = self.leaves() else {
            return;
        };
        let StateHeader { back, patience, .. } = &header;
        let variables = |ending| self.variables_of_return(&header, &reason_of(ending));
        let patience = patience.unwrap_or(LEFT_AFTER);
        let guard = CrashReturn::arm(&back.path, &back.words, variables, patience);
        self.way_back.replace(match guard {
            Ok(guard) => WayBack::Guarded {
                _until_closed: Box::new(guard),
            },
            Err(_) => WayBack::Open,
        });
    }

    /// `None`: there is no program to return to.
    fn leaves(&self) -> Option<StateHeader> {
        let header = state::header(&self.text).ok()?;
        (self.failed.is_none() && !header.rehearsal).then_some(header)
    }

    /// This is a child that does all that the new program does, and answers when it would take over.
    pub fn is_rehearsal(&self) -> bool {
        state::header(&self.text).is_ok_and(|header| header.rehearsal)
    }

    fn variables_of_return(&self, header: &StateHeader, reason: &str) -> Vec<(String, String)> {
        let mut variables = header.back.variables.clone();
        variables.push((STATE_VARIABLE.to_owned(), self.memory.to_string()));
        variables.push((FAILED_VARIABLE.to_owned(), reason.to_owned()));
        variables
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

    fn read(&self) -> Result<(State, Supervisor), Error> {
        state::read(&self.text).map_err(|error| Error::NotTakenOver(error.to_string()))
    }

    /// This program ends, and did not take over: the one before is started again, with the reason. It comes back only where
    /// that cannot be done.
    pub fn go_back(&self, reason: &str) {
        if matches!(self.way_back.take(), WayBack::Closed) {
            return;
        }
        let Some(header) = self.leaves() else {
            return;
        };
        let variables = self.variables_of_return(&header, reason);
        let StateHeader {
            back, descriptors, ..
        } = header;
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
    let (state, supervisor) = predecessor.read()?;
    let mut shell = Shell::new(Arc::clone(&settings), signals, configuration, host)?;
    let descriptors = state.header.descriptors.clone();
    let remaining = restore(&mut shell, state, supervisor, &settings)?;
    drop(predecessor.way_back.take());
    // All of them were copied.
    close_inherited(&descriptors);
    close_inherited(&[predecessor.memory]);
    resume(&mut shell, remaining, predecessor.failed.as_deref())?;
    serve(shell, &mut None, host)
}

/// All of `take_over` but for what cannot be undone, in a child of the program before. Returns the answer.
///
/// # Errors
/// Why this program could not go on.
pub fn rehearse(
    predecessor: &PreviousMaster,
    settings: &Arc<Settings>,
    configuration: &dyn Configuration,
    host: &dyn Host,
) -> Result<String, Error> {
    if let Some(why) = &predecessor.failed {
        // Another program has failed here and has started this one, as it would have in the place of the master.
        return Err(Error::NotTakenOver(why.clone()));
    }
    let signals = SignalQueue::open(&HEARD)?;
    sys::set_title("rgun: upgrade rehearsal", &names::master(settings));
    let (state, supervisor) = predecessor.read()?;
    let answer = super::answer(&state.header.secret);
    let mut shell = Shell::new(Arc::clone(settings), signals, configuration, host)?;
    restore(&mut shell, state, supervisor, settings)?;
    Ok(answer)
}

fn reason_of(ending: CrashEnding) -> String {
    match ending {
        CrashEnding::Crashed(signal) => {
            format!("the new program crashed ({signal}) before it had taken over")
        }
        CrashEnding::TookTooLong => {
            "the new program had not taken over within --upgrade-timeout".to_owned()
        }
    }
}

/// What remains to be done with it.
struct Remaining {
    from: String,
    monitor: Option<Pid>,
    callers: Vec<Token>,
    then: Then,
}

/// Everything that was open, by copies. Nothing outside of this process changes: it may be a rehearsal.
fn restore(
    shell: &mut Shell<'_>,
    state: State,
    supervisor: Supervisor,
    settings: &Arc<Settings>,
) -> Result<Remaining, Error> {
    let header = state.header;
    if !header.rehearsal && header.pid != std::process::id() {
        return Err(ipc::Error::Malformed("the state of another process").into());
    }
    shell.supervisor = supervisor;
    shell.events.began = state.began;
    shell.fleet.scoreboard = Scoreboard::adopt(copy(state.scoreboard)?)?;
    shell.fleet.lifeline = Lifeline::restore(copy(state.lifeline.0)?, copy(state.lifeline.1)?);
    shell.helpers.monitor.binds = Binds::restore(state.admin)?;
    shell.helpers.companions = CompanionProcesses::restore(state.companions)?;
    if !shell.helpers.monitor.binds.listeners.is_empty() {
        shell.helpers.companions.show()?;
        companions::publish(&shell.helpers.companions, &shell.supervisor);
    }
    let board = shell.fleet.scoreboard.board();
    shell.fleet.workers = Workers::restore(state.workers, board)?;
    shell.molds = Molds::restore(state.molds)?;
    shell.clients.control = Control::restore(state.control)?;
    shell.clients.waits = state.waits;
    let mut restored = RestoredSettings {
        configuration: shell.generations.configuration,
        read: settings,
        records: state.settings.into_iter().collect(),
        certificates: state.certificates.as_ref(),
    };
    let configs = state.generations.into_iter();
    let configs: Vec<_> = configs
        .map(|(generation, directory)| {
            let settings = restored.of(generation);
            let config = GenerationConfig::new(settings, &shell.generations.start);
            (generation, config.begun_in(directory))
        })
        .collect();
    shell.generations.restore(configs);
    if let Some((given, taken)) = state.previews {
        let held = TransferChannel::restore(copy(given)?, copy(taken)?);
        let serving = match state.previews_back {
            Some((given, taken)) => TransferChannel::restore(copy(given)?, copy(taken)?),
            None => {
                shell.listening.previews.without_way_back = Some(shell.supervisor.generation());
                TransferChannel::open()?
            }
        };
        shell.listening.previews.channels = Some(Arc::new(HeldChannels::restore(held, serving)));
    }
    let previews = shell.listening.previews.channels_for(settings);
    for config in shell.generations.values_mut() {
        config.previews.clone_from(&previews);
    }
    for (generation, (given, taken)) in state.transfers {
        if let Some(config) = shell.generations.get_mut(generation) {
            let channel = TransferChannel::restore(copy(given)?, copy(taken)?);
            config.transfers = Some(Arc::new(channel));
        }
    }
    restore_listeners(shell, state.listeners, state.binds, settings)?;
    if let Some(certificates) = state.certificates {
        certificates::restore(
            &mut shell.generations,
            &mut shell.listening,
            shell.supervisor.generation(),
            certificates,
        )?;
    }
    shell.upgrade.pid_file = state.pid_file;
    shell.reporting.restart_counters = state.restart_counters;
    shell.reporting.note = state.note;
    shell.reporting.description = state.description;
    shell.reporting.static_files = state.static_files;
    Ok(Remaining {
        from: header.release,
        monitor: state.monitor.and_then(Pid::new),
        callers: state.callers,
        then: state.then,
    })
}

fn restore_listeners(
    shell: &mut Shell<'_>,
    state: Option<ListenersState>,
    version_1: Option<BindsOfVersion1>,
    settings: &Settings,
) -> Result<(), Error> {
    let generations = &mut shell.generations;
    if let Some(mut state) = state {
        for (generation, set) in std::mem::take(&mut state.sets) {
            if let Some(config) = generations.get_mut(generation) {
                config.listeners = set;
            }
        }
        let sharing = settings.port_sharing;
        shell.listening.listeners = ServerListeners::restore(state, sharing)?;
    } else if let Some(state) = version_1 {
        let (listeners, set) = ServerListeners::restore_version_1(state, settings)?;
        shell.listening.listeners = listeners;
        for config in generations.values_mut() {
            config.listeners = set.clone();
        }
    } else {
        return Err(ipc::Error::Malformed("a server without listeners").into());
    }
    listeners::show(
        &shell.generations,
        &mut shell.helpers.monitor,
        &mut shell.listening,
        shell.supervisor.generation(),
    );
    Ok(())
}

/// Those that have ended while a program on the way here (a shell that has started this one) waited for them.
fn miss_children(shell: &mut Shell<'_>) {
    let workers = shell.fleet.workers.iter().map(|(_, worker)| worker.pid);
    let molds = shell.molds.iter().map(|(_, mold)| mold.pid);
    let companions = shell.helpers.companions.running.values();
    let all = workers
        .chain(molds)
        .chain(companions.map(|running| running.pid))
        .chain(shell.helpers.monitor.pid());
    let gone = all.filter(|pid| whose_child(*pid) == Parentage::NotOurs);
    for pid in gone.collect::<Vec<_>>() {
        tracing::warn!(
            pid = pid.as_raw(),
            "child has ended during the upgrade, its exit status is not known"
        );
        children::ended(shell, pid, ProcessExit::Code(0));
    }
}

/// The way back is closed: what has happened meanwhile, and what follows.
fn resume(shell: &mut Shell<'_>, remaining: Remaining, failed: Option<&str>) -> Result<(), Error> {
    let Remaining {
        from,
        monitor,
        callers,
        then,
    } = remaining;
    if let Some(monitor) = monitor {
        shell.helpers.monitor.restore(monitor);
    }
    shell.reporting.service.resume();
    // Some may have been made by the opening.
    logs::give(&shell.fleet);
    miss_children(shell);
    children::reap(shell)?;
    // It runs the program before.
    shell.helpers.monitor.renew();
    if let Some(why) = failed {
        answers::failed(&mut shell.clients.control, &callers, why);
        return Ok(());
    }
    let to = env!("CARGO_PKG_VERSION");
    tracing::info!(
        event = "upgrade_finished",
        from,
        to,
        pid = std::process::id(),
        "upgraded in place"
    );
    let done = format!("upgraded from rgun {from} to {to}");
    match then {
        Then::Nothing => {
            for caller in callers {
                let response =
                    ControlResponse::done(format!("{done}, the workers stay as they are"));
                shell.clients.control.answer(caller, &response);
            }
        }
        Then::Reload if callers.is_empty() => {
            shell.events.push(Event::Signal(Signal::Hup));
        }
        Then::Reload => {
            for token in callers.iter().copied() {
                let command = Command::Reload;
                shell.events.push(Event::Control { token, command });
            }
            shell.upgrade.done = Some((callers, done));
        }
    }
    Ok(())
}
