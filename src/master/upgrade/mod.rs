//! Upgrade in place: another program goes on in this process, with everything that is open and every child.
//!
//! It is tried first, as a child that gets the same state (`check`). Then this process becomes it (`exec`), and it takes over
//! (`takeover`): it works with copies of the descriptors until all is there, so that up to then the way back is open, also for one
//! that crashes or hangs.

pub mod attempt;
mod check;
pub mod first;
mod restored_settings;
mod second;
mod state;
mod takeover;

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::Duration;

pub use check::{CHECK, answer};
pub use takeover::{PreviousMaster, rehearse, take_over};

use self::attempt::{Attempt, Stage, Then};
use self::check::{Check, CheckKind, HandedOver, STATE_VARIABLE};
use self::state::{State, StateHeader, VERSION};
use super::control::protocol::ControlResponse;
use super::control::refused;
use super::descriptors::KeptDescriptors;
use super::launch::Launch;
use super::shell::Shell;
use super::supervisor::{NotNow, StateError, Token};
use crate::ipc::SCOREBOARD_VERSION;
use crate::observability;
use crate::sys::{self, MemFile, Pid, random, replace_program};

/// The executable of this process, also where its file was replaced.
const OWN_EXECUTABLE: &str = "/proc/self/exe";

impl Shell<'_> {
    /// `caller`: on the control socket; without one it was a signal.
    pub(super) fn begin_upgrade(&mut self, caller: Option<Token>, then: Then) {
        let callers: Vec<Token> = caller.into_iter().collect();
        if self.starts_second() {
            return self.start_second(&callers);
        }
        let begun = if self.upgrade.attempt.is_some() {
            Err("an upgrade is in progress: try again when it has ended".to_owned())
        } else {
            self.ask_successor(callers.clone(), then)
        };
        match begun {
            Ok(attempt) => {
                let program = attempt.launch.path.display();
                tracing::info!(event = "upgrade_started", %program, "upgrade: asking the new program");
                self.upgrade.attempt = Some(attempt);
            }
            Err(why) => self.upgrade_failed(&callers, &why),
        }
    }

    fn ask_successor(&mut self, callers: Vec<Token>, then: Then) -> Result<Attempt, String> {
        self.may_upgrade()?;
        let launch = self.host.successor();
        let launch = launch.ok_or("it is not known how this program was started")?;
        self.upgrade.executable = File::open(OWN_EXECUTABLE).ok();
        Ok(Attempt {
            check: self.try_out(CheckKind::Check, &launch, &callers, then)?,
            callers,
            then,
            launch,
            stage: Stage::Asked,
        })
    }

    fn try_out(
        &self,
        kind: CheckKind,
        launch: &Launch,
        callers: &[Token],
        then: Then,
    ) -> Result<Check, String> {
        let secret = format!("{:016x}{:016x}", random(), random());
        let reader = StateReader::Child {
            rehearses: kind == CheckKind::Rehearsal,
            secret: secret.clone(),
        };
        let (state, kept) = self.written(callers, then, reader).map_err(in_words)?;
        let handed = HandedOver {
            state: &state,
            secret,
            descriptors: match kind {
                CheckKind::Check => &[],
                CheckKind::Rehearsal => kept.numbers(),
            },
        };
        let (start, patience) = (&self.generations.start, self.upgrade_patience());
        Check::start(kind, launch, start, handed, patience).map_err(|error| error.to_string())
    }

    fn upgrade_patience(&self) -> Duration {
        let configs = &self.generations.generation_configs;
        let serving = configs.get(&self.supervisor.generation());
        let settings = serving.map_or(&self.generations.first, |serving| &serving.settings);
        settings.upgrade_timeout
    }

    fn may_upgrade(&self) -> Result<(), String> {
        self.no_other_master()?;
        if self.generations.first.reload.is_some() {
            return Err("a server with --reload is not upgraded: start it again".to_owned());
        }
        let why = match self.supervisor.may_be_handed_over() {
            Ok(()) => return Ok(()),
            Err(NotNow::Starting) => "the server is starting: try again when it is up".to_owned(),
            Err(NotNow::Stopping) => "the server is stopping".to_owned(),
            Err(NotNow::Rollout(refusal)) => refused(refusal),
        };
        Err(why)
    }

    /// Once a turn. What has come is handled before.
    pub(super) fn advance_upgrade(&mut self) {
        let Some(attempt) = &mut self.upgrade.attempt else {
            return;
        };
        let failed = match &attempt.stage {
            Stage::Asked => return attempt.check.enforce(),
            Stage::Failed(why) => Some(why.clone()),
            Stage::Answered | Stage::Ready => self.may_upgrade().err(),
        };
        if failed.is_none() && !self.is_at_rest() {
            return;
        }
        let Some(attempt) = self.upgrade.attempt.take() else {
            return;
        };
        let callers = attempt.callers.clone();
        let why = match (failed, &attempt.stage) {
            (Some(why), _) => Err(why),
            (None, Stage::Answered) => self.rehearse(attempt),
            (None, _) => Err(self.become_successor(&attempt)),
        };
        if let Err(why) = why {
            self.upgrade_failed(&callers, &why);
        }
    }

    fn rehearse(&mut self, attempt: Attempt) -> Result<(), String> {
        let Attempt { launch, then, .. } = &attempt;
        let check = self.try_out(CheckKind::Rehearsal, launch, &attempt.callers, *then)?;
        self.upgrade.attempt = Some(Attempt {
            check,
            stage: Stage::Asked,
            ..attempt
        });
        Ok(())
    }

    /// Nothing is on its way that the state does not tell of.
    fn is_at_rest(&self) -> bool {
        self.events.pending.is_empty()
            && self.handlers.stack_requests.is_empty()
            && self.molds.are_at_rest()
            && !self.awaits_stacks()
    }

    fn upgrade_failed(&mut self, callers: &[Token], why: &str) {
        tracing::error!(
            event = "upgrade_failed",
            error = why,
            "upgrade failed, the running program goes on"
        );
        let response =
            ControlResponse::failed(format!("not upgraded, the server is as it was: {why}"));
        for caller in callers {
            self.handlers.control.answer(*caller, &response);
        }
    }

    /// Only comes back with the reason why not.
    fn become_successor(&mut self, attempt: &Attempt) -> String {
        let program = attempt.launch.path.display();
        tracing::info!(event = "upgrade_handed_over", %program, "upgrade: handing over to the new program");
        self.hook_exec();
        observability::flush_pending();
        let (state, kept) =
            match self.written(&attempt.callers, attempt.then, StateReader::Successor) {
                Ok(written) => written,
                Err(error) => return in_words(error),
            };
        // Relative paths, and `current`, are meant as they were at the start.
        if let Err(error) = std::env::set_current_dir(&self.generations.start) {
            return sys::Error::new("chdir", self.generations.start.display(), error).to_string();
        }
        let mut descriptors = kept.numbers().to_vec();
        descriptors.push(state.as_raw_fd());
        let mut variables = attempt.launch.variables.clone();
        variables.push((STATE_VARIABLE.to_owned(), state.as_raw_fd().to_string()));
        let Launch { path, words, .. } = &attempt.launch;
        let path = OsStr::new(path);
        replace_program(path, words, &variables, &descriptors).to_string()
    }

    /// Everything that another program needs, and the descriptors in it.
    fn written(
        &self,
        callers: &[Token],
        then: Then,
        reader: StateReader,
    ) -> Result<(MemFile, KeptDescriptors), Unwritten> {
        let (secret, rehearsal) = match reader {
            StateReader::Child { secret, rehearses } => (secret, rehearses),
            StateReader::Successor => (String::new(), false),
        };
        let mut kept = KeptDescriptors::default();
        let back = self.way_back(&mut kept)?;
        let ends = self.fleet.lifeline.ends().ok_or(Unwritten::NoWayBack)?;
        let lifeline = (kept.keep(ends.0), kept.keep(ends.1));
        let generation_configs = self.generations.generation_configs.iter();
        let sets = generation_configs
            .clone()
            .map(|(generation, config)| (*generation, config.listeners.clone()));
        let previews = self.listening.previews.channels.as_ref().map(|channels| {
            channels.each().map(|channel| {
                let (given, taken) = channel.ends();
                (kept.keep(given), kept.keep(taken))
            })
        });
        let state = State {
            supervisor: self.supervisor.write()?,
            began: self.events.began,
            scoreboard_version: SCOREBOARD_VERSION,
            scoreboard: kept.keep(self.fleet.scoreboard.memfd()),
            lifeline,
            binds: None,
            listeners: Some(self.listening.listeners.state(sets.collect(), &mut kept)),
            admin: self.helpers.monitor.binds.state(&mut kept),
            companions: self.helpers.companions.state(&mut kept),
            monitor: self.helpers.monitor.pid().map(Pid::as_raw),
            workers: (self.fleet.workers).state(self.fleet.scoreboard.board(), &mut kept),
            molds: self.molds.state(&mut kept),
            control: self.handlers.control.state(&mut kept),
            waits: self.handlers.waits.clone(),
            certificates: self.certificates_state(&mut kept),
            generations: generation_configs
                .map(|(generation, generation_config)| {
                    let directory = generation_config.pinned_directory().map(PathBuf::from);
                    (*generation, directory)
                })
                .collect(),
            settings: (self.generations.generation_configs.iter())
                .filter_map(|(generation, config)| {
                    let record = config.settings.record.as_deref()?;
                    Some(serde_json::to_value(record).map(|record| (*generation, record)))
                })
                .collect::<Result<_, _>>()?,
            transfers: (self.generations.generation_configs.iter())
                .filter_map(|(generation, config)| {
                    let (given, taken) = config.transfers.as_ref()?.ends();
                    Some((*generation, (kept.keep(given), kept.keep(taken))))
                })
                .collect(),
            previews: previews.map(|[held, _]| held),
            previews_back: previews.map(|[_, back]| back),
            pid_file: self.upgrade.pid_file.clone(),
            restart_counters: self.reporting.restart_counters.clone(),
            note: self.reporting.note.clone(),
            description: self.reporting.description.clone(),
            callers: callers.to_vec(),
            then,
            header: StateHeader {
                version: VERSION,
                release: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id(),
                secret,
                back,
                descriptors: kept.numbers().to_vec(),
                rehearsal,
                patience: Some(self.upgrade_patience()),
            },
        };
        let text = serde_json::to_vec(&state)?;
        Ok((MemFile::holding(c"rgun-state", &[&text])?, kept))
    }

    /// How this program is started again, should the new one fail.
    fn way_back(&self, kept: &mut KeptDescriptors) -> Result<Launch, Unwritten> {
        let mut back = self.host.itself().ok_or(Unwritten::NoWayBack)?;
        if back.path == OWN_EXECUTABLE {
            let executable = self.upgrade.executable.as_ref();
            let number = kept.keep(executable.ok_or(Unwritten::NoWayBack)?);
            back.path = format!("/proc/self/fd/{number}").into();
        }
        Ok(back)
    }
}

/// For whom the state is written.
enum StateReader {
    /// It answers with the secret.
    Child { secret: String, rehearses: bool },
    /// The program that this process becomes.
    Successor,
}

/// Why there is no state to hand over.
#[derive(Debug, thiserror::Error)]
enum Unwritten {
    #[error("it is not known how this program was started")]
    NoWayBack,
    #[error(transparent)]
    Supervisor(#[from] StateError),
    #[error(transparent)]
    Text(#[from] serde_json::Error),
    #[error(transparent)]
    System(#[from] sys::Error),
}

fn in_words(error: Unwritten) -> String {
    error.to_string()
}
