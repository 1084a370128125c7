//! The loop around the supervisor: turns what happens into events, and actions into syscalls.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::canary_window::CanaryWindow;
use super::capacity::Capacity;
use super::certificates::CertificateState;
use super::child::ChildContext;
use super::child_signal::deliver;
use super::companions::processes::CompanionProcesses;
use super::configuration::{Asking, Configuration};
use super::control::{Control, StackRequests, WaitingClients};
use super::daemon::Announcement;
use super::event_log::EventLog;
use super::event_text::ExitText;
use super::generation::{GenerationConfig, plan};
use super::helper_init::HelperInit;
use super::host::Host;
use super::listeners::{ListenerSet, ServerListeners};
use super::molds::{MoldInit, Molds};
use super::monitor_process::MonitorHelper;
use super::note::Note;
use super::previews::Previews;
use super::restart_counters::RestartCounters;
use super::running_command::RunningCommand;
use super::scaling::LoadWindow;
use super::service::ServiceNotifier;
use super::supervisor::{
    BootPhase, Event, Exit, Generation, Incarnation, Moment, Signal, Supervisor, WorkerMessage,
};
use super::upgrade::attempt::{Then, UpgradeAttempt};
use super::watcher_process::WatcherHelper;
use super::workers::{Hearing, Killed, WorkerFailure, Workers, exit};
use crate::config::{Settings, start_directory};
use crate::ipc::{FromWorker, Incoming, Phase, Scoreboard, ToWorker};
use crate::sys::signals::{Arrival, SignalNumber as Raw, SignalQueue};
use crate::sys::{Identity, OutOfMemory, Pid, clock, process, random};

/// The signals that the master handles; all others keep their default action.
pub const HEARD: [Raw; 10] = [
    Raw::HUP,
    Raw::INT,
    Raw::QUIT,
    Raw::TERM,
    Raw::CHLD,
    Raw::TTIN,
    Raw::TTOU,
    Raw::USR1,
    Raw::USR2,
    Raw::WINCH,
];

/// How the loop continues after an action.
pub enum LoopControl {
    Go,
    End(End),
}

/// The end of the loop.
pub enum End {
    /// The master has ended.
    Exit(u8),
    /// This is the child of a fork. It must leave everything outside of this process that belongs to the master
    /// alone.
    Child(Box<ChildContext>),
    /// This is the child of a fork that becomes the monitor; `None`: it lacks what it needs.
    Monitor(Option<Box<HelperInit<crate::monitor::MonitorInit>>>),
    /// The same for the watcher of files.
    Watcher(Option<Box<HelperInit<crate::watcher::WatcherInit>>>),
    /// This is the child of a fork that becomes a mold.
    Mold(Box<MoldInit>),
    /// This is the child of a fork whose setup failed.
    ChildSetupFailed(u8),
}

/// The whole state of the master. Dropping it closes descriptors and does nothing else: children drop it too.
pub struct Shell<'a> {
    pub(super) supervisor: Supervisor,
    pub(super) capacity: Capacity,
    pub(super) host: &'a dyn Host,
    pub(super) events: EventQueue,
    pub(super) generations: Generations<'a>,
    pub(super) listening: Listening,
    pub(super) fleet: WorkerProcesses,
    pub(super) helpers: HelperProcesses,
    pub(super) molds: Molds,
    pub(super) handlers: ControlClients,
    pub(super) reporting: Reporting,
    pub(super) upgrade: UpgradeAttempt,
}

/// Events that were not handled yet, and their sources.
pub struct EventQueue {
    pub(super) signals: SignalQueue,
    pub(super) pending: VecDeque<Event>,
    /// The time from which the supervisor counts, monotonic.
    pub(super) began: Duration,
    /// The exit code, once nothing is left to decide.
    pub(super) leaving: Option<u8>,
}

/// The settings of all generations, and their source.
pub struct Generations<'a> {
    pub(super) generation_configs: BTreeMap<Generation, GenerationConfig>,
    pub(super) first: Arc<Settings>,
    /// The settings whose logs are open.
    pub(super) logging: Arc<Settings>,
    pub(super) start: PathBuf,
    pub(super) configuration: &'a dyn Configuration,
}

/// The addresses at which the server listens.
#[derive(Debug)]
pub struct Listening {
    pub(super) listeners: ServerListeners,
    /// Those of the generation that serves.
    pub(super) shown: ListenerSet,
    pub(super) previews: Previews,
    /// `None`: no TLS.
    pub(super) certificates: Option<CertificateState>,
    /// Of these, as an operator reads them.
    pub(super) addresses: Arc<[String]>,
}

/// The workers' processes, and what all of them get.
pub struct WorkerProcesses {
    pub(super) workers: Workers,
    pub(super) scoreboard: Scoreboard,
    pub(super) lifeline: Lifeline,
    /// The user of the workers, if it is not that of the master.
    pub(super) identity: Option<Identity>,
    /// The available memory, and the kernel's out-of-memory kills.
    pub(super) memory: OutOfMemory,
    pub(super) canary: CanaryWindow,
    /// Where their number follows the load.
    pub(super) load: LoadWindow,
}

/// The processes that are no workers.
#[derive(Default)]
pub struct HelperProcesses {
    pub(super) monitor: MonitorHelper,
    pub(super) watcher: WatcherHelper,
    /// Reads the configuration for a reload.
    pub(super) reader: Option<Asking>,
    /// `--beside`.
    pub(super) companions: CompanionProcesses,
    /// `--run-before`.
    pub(super) command: Option<RunningCommand>,
    /// They were ordered to end.
    pub(super) ending: bool,
}

/// Clients of the control socket, and the events that they wait for.
#[derive(Default)]
pub struct ControlClients {
    pub(super) control: Control,
    pub(super) waits: WaitingClients,
    pub(super) stack_requests: StackRequests,
}

/// Recipients of reports: the log, the counters, the service manager, the caller of `--daemon`.
pub struct Reporting {
    pub(super) event_log: EventLog,
    /// Description of the app, from the newest worker.
    pub(super) description: String,
    pub(super) restart_counters: RestartCounters,
    pub(super) note: Note,
    pub(super) service: ServiceNotifier,
    /// Set while the caller of `--daemon` waits.
    pub(super) announcement: Option<Announcement>,
}

/// A pipe that is never written to. While the master lives, it is not readable; afterwards, it returns EOF.
pub struct Lifeline {
    pub(super) read: Option<OwnedFd>,
    write: OwnedFd,
}

impl Lifeline {
    pub fn new() -> Result<Self, Error> {
        let (read, write) = crate::sys::pipe()?;
        Ok(Self {
            read: Some(read),
            write,
        })
    }

    /// Both ends, for a program that goes on in this one's place.
    pub fn ends(&self) -> Option<(&OwnedFd, &OwnedFd)> {
        self.read.as_ref().map(|read| (read, &self.write))
    }

    pub fn restore(read: OwnedFd, write: OwnedFd) -> Self {
        Self {
            read: Some(read),
            write,
        }
    }
}

impl<'a> Shell<'a> {
    pub fn new(
        settings: Arc<Settings>,
        signals: SignalQueue,
        configuration: &'a dyn Configuration,
        host: &'a dyn Host,
    ) -> Result<Self, Error> {
        let capacity = Capacity::of_this_process(&settings)?;
        capacity.check(settings.most_workers())?;
        let start = start_directory();
        let identity = super::identity(&settings)?;
        let mut previews = Previews::default();
        let mut generation_config = GenerationConfig::new(Arc::clone(&settings), &start);
        generation_config.previews = previews.channels_for(&settings);
        Ok(Self {
            supervisor: Supervisor::new(plan(&settings, capacity), random()),
            capacity,
            host,
            events: EventQueue {
                signals,
                pending: VecDeque::new(),
                began: clock::monotonic(),
                leaving: None,
            },
            generations: Generations {
                generation_configs: BTreeMap::from([(Generation(1), generation_config)]),
                first: Arc::clone(&settings),
                logging: settings,
                start,
                configuration,
            },
            listening: Listening {
                listeners: ServerListeners::default(),
                shown: ListenerSet::default(),
                previews,
                certificates: None,
                addresses: Arc::new([]),
            },
            fleet: WorkerProcesses {
                workers: Workers::default(),
                scoreboard: Scoreboard::create(capacity.pages())?,
                lifeline: Lifeline::new()?,
                identity,
                memory: OutOfMemory::of_this_process(),
                canary: CanaryWindow::default(),
                load: LoadWindow::default(),
            },
            helpers: HelperProcesses::default(),
            molds: Molds::default(),
            handlers: ControlClients::default(),
            reporting: Reporting {
                event_log: EventLog::default(),
                description: String::new(),
                restart_counters: RestartCounters::default(),
                note: Note::default(),
                service: ServiceNotifier::of_this_process(),
                announcement: None,
            },
            upgrade: UpgradeAttempt::default(),
        })
    }

    /// Runs until the end of the master, or the start of a child.
    pub fn run(&mut self) -> Result<End, Error> {
        let mut actions = self.supervisor.start(self.now());
        // One of the actions starts the monitor, which may get requests before the first turn.
        self.publish();
        loop {
            if let LoopControl::End(end) = self.perform(actions) {
                return Ok(end);
            }
            let event = loop {
                if let Some(event) = self.events.pending.pop_front() {
                    break event;
                }
                if let Some(code) = self.events.leaving {
                    return Ok(End::Exit(code));
                }
                self.publish();
                self.turn()?;
            };
            tracing::trace!(?event, "event");
            actions = self.supervisor.handle(self.now(), event);
        }
    }

    pub(super) fn now(&self) -> Moment {
        Moment(clock::monotonic().saturating_sub(self.events.began))
    }

    pub(super) fn signal(&mut self, Arrival { signal, sender }: Arrival) -> Result<(), Error> {
        let event = match signal {
            Raw::CHLD => return self.reap(),
            Raw::HUP => Signal::Hup,
            Raw::TERM => Signal::Term,
            Raw::INT => Signal::Int,
            Raw::QUIT => Signal::Quit,
            Raw::TTIN => Signal::Ttin,
            Raw::TTOU => Signal::Ttou,
            Raw::USR1 => Signal::Usr1,
            Raw::WINCH => Signal::Winch,
            Raw::USR2 => {
                tracing::info!(%signal, sender, "signal received");
                self.begin_upgrade(None, Then::Reload);
                return Ok(());
            }
            _ => return Ok(()),
        };
        match event {
            Signal::Winch => tracing::debug!(%signal, sender, "signal received"),
            _ => tracing::info!(%signal, sender, "signal received"),
        }
        self.events.pending.push_back(Event::Signal(event));
        Ok(())
    }

    /// One SIGCHLD may stand for several children, including ones that we did not fork (orphans, when we are PID 1).
    pub(super) fn reap(&mut self) -> Result<(), Error> {
        while let Some((pid, ended)) = process::reap()? {
            self.child_ended(pid, ended);
        }
        Ok(())
    }

    pub(super) fn child_ended(&mut self, pid: Pid, ended: process::ProcessExit) {
        let Some(incarnation) = self.fleet.workers.with_pid(pid) else {
            if !self.reap_helper(pid, ended) {
                tracing::debug!(%pid, ended = %ExitText(exit(ended)), "orphan reaped");
            }
            return;
        };
        // Messages that it sent before its exit come first. Later ones of its own child processes are dropped.
        self.listen(incarnation, usize::from(u16::MAX));
        self.collect_stacks(incarnation);
        let killed = self
            .fleet
            .workers
            .get(incarnation)
            .map(|worker| worker.killed);
        let exit = match ended {
            process::ProcessExit::Signal {
                signal: Raw::KILL, ..
            } if killed == Some(Killed::No) && self.fleet.memory.has_killed() => Exit::OutOfMemory,
            ended => exit(ended),
        };
        self.worker_ended(incarnation, pid, exit);
    }

    pub(super) fn worker_ended(&mut self, incarnation: Incarnation, pid: Pid, exit: Exit) {
        self.hook_child_exit(incarnation, pid);
        if let Some(page) = self.fleet.workers.remove(incarnation) {
            self.fleet.scoreboard.free(page);
        }
        self.events
            .pending
            .push_back(Event::Exited { incarnation, exit });
    }

    /// Handles the messages of a worker.
    pub(super) fn listen(&mut self, incarnation: Incarnation, most: usize) {
        let Some(worker) = self.fleet.workers.get_mut(incarnation) else {
            return;
        };
        let preview = self.listening.previews.of(worker.generation).is_some()
            || self.listening.previews.channels.is_some()
                && self.supervisor.will_hold(worker.generation);
        for _ in 0..most {
            if worker.hearing == Hearing::Closed {
                return;
            }
            let message = match worker.channel.receive() {
                Ok(Incoming::Message(message)) => message,
                Ok(Incoming::Nothing) => return,
                Ok(Incoming::Closed) => {
                    worker.hearing = Hearing::Closed;
                    return;
                }
                Err(error) => {
                    // From here on its messages cannot be trusted; its exit is an event like any other.
                    tracing::error!(slot = worker.slot.0, pid = worker.pid.as_raw(), %error, "invalid message from worker, killing it");
                    worker.hearing = Hearing::Closed;
                    deliver(worker.pid, Raw::KILL);
                    return;
                }
            };
            let message = match message {
                FromWorker::Booted => WorkerMessage::Booted,
                FromWorker::Ready => {
                    worker.ready_ms = Some(clock::monotonic_ms());
                    if preview {
                        worker.send(&ToWorker::Preview);
                    }
                    WorkerMessage::Ready
                }
                FromWorker::Entered(phase) => {
                    worker.boot.phase = phase;
                    continue;
                }
                FromWorker::Description(text) => {
                    self.reporting.description = text;
                    continue;
                }
                FromWorker::StoppedAccepting => WorkerMessage::StoppedAccepting,
                FromWorker::CanFork => WorkerMessage::CanFork,
                FromWorker::Stacks { number, text } => {
                    worker.reported_stacks = Some((number, text));
                    continue;
                }
                FromWorker::Failed {
                    phase,
                    summary,
                    traceback,
                } => {
                    worker.failure = Some(WorkerFailure {
                        phase,
                        summary,
                        traceback,
                    });
                    WorkerMessage::Failed {
                        phase: boot_phase(phase),
                    }
                }
            };
            self.events.pending.push_back(Event::Worker {
                incarnation,
                message,
            });
        }
    }
}

pub fn boot_phase(phase: Phase) -> BootPhase {
    match phase {
        Phase::Boot => BootPhase::Boot,
        Phase::Import => BootPhase::Import,
        Phase::Load => BootPhase::Load,
        Phase::Lifespan => BootPhase::Lifespan,
        Phase::ReadyPath => BootPhase::ReadyPath,
        Phase::Settings => BootPhase::Settings,
    }
}
