//! A generation's settings for its workers, and the part of them that the supervisor decides by.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::capacity::Capacity;
use super::certificates::Certificates;
use super::listeners::ListenerSet;
use super::supervisor::{
    Abort, CompanionPlan, ForkedFrom, Helper, KeptProcesses, Plan, ScaleRules, SourceWatching,
    Winch, WorkerLimits,
};
use crate::config::{PortSharing, ProcessMode, RollbackKeep, Settings};
use crate::ipc::{HeldChannels, TransferChannel};

/// The settings of one generation, and its working directory as of the generation's start.
#[derive(Debug, Clone)]
pub struct GenerationConfig {
    pub settings: Arc<Settings>,
    /// `None`: it does not use TLS.
    pub certificates: Option<Certificates>,
    pub listeners: ListenerSet,
    /// What its settings change without effect, as the user names it.
    pub needs_restart: Vec<&'static str>,
    /// Where its workers pass connections to each other; `None`: they do not.
    pub transfers: Option<Arc<TransferChannel>>,
    /// Where they pass connections to the workers of a generation that is held, and back; `None`: they do not.
    pub previews: Option<Arc<HeldChannels>>,
    /// Without symbolic links: a worker that is respawned while a deploy switches `current` gets its own generation's
    /// code.
    directory: Option<PathBuf>,
    /// With symbolic links, for when the resolved directory is gone.
    wanted: PathBuf,
}

impl GenerationConfig {
    /// `start`: the directory in which the server was started, as the user named it.
    pub fn new(settings: Arc<Settings>, start: &Path) -> Self {
        let wanted = settings
            .chdir
            .as_ref()
            .map_or(start.to_owned(), |chdir| start.join(chdir));
        Self {
            directory: fs::canonicalize(&wanted).ok(),
            wanted,
            transfers: open_transfers(&settings),
            previews: None,
            settings,
            certificates: None,
            listeners: ListenerSet::default(),
            needs_restart: Vec::new(),
        }
    }

    /// Of a generation that the program before has begun there.
    pub fn begun_in(self, directory: Option<PathBuf>) -> Self {
        Self { directory, ..self }
    }

    /// As it was when the generation began, if it was there.
    pub fn pinned_directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    pub fn directory(&self) -> &Path {
        self.directory.as_deref().unwrap_or(&self.wanted)
    }

    /// Changes to the directory: in the child, right after the fork.
    ///
    /// # Errors
    /// Only when `--chdir` names a directory: without it the worker stays where the master is.
    pub fn enter(&self) -> Result<(), String> {
        if self
            .directory
            .as_ref()
            .is_some_and(|pinned| env::set_current_dir(pinned).is_ok())
        {
            return Ok(());
        }
        match env::set_current_dir(&self.wanted) {
            Err(error) if self.settings.chdir.is_some() => {
                let error = crate::sys::Error::new("chdir", self.wanted.display(), error);
                Err(error.to_string())
            }
            _ => Ok(()),
        }
    }
}

/// With `--reuse-port` each slot serves what the kernel has given to it.
fn open_transfers(settings: &Settings) -> Option<Arc<TransferChannel>> {
    if settings.port_sharing == PortSharing::BySlot {
        return None;
    }
    TransferChannel::open()
        .inspect_err(|error| {
            tracing::warn!(%error, "workers cannot pass connections to each other");
        })
        .ok()
        .map(Arc::new)
}

/// The part of the settings that decisions depend on.
pub fn plan(settings: &Settings, capacity: Capacity) -> Plan {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Plan {
        workers: settings.workers,
        scaling: settings.scaling.as_ref().map(|scaling| ScaleRules {
            most: scaling.most,
            wait: scaling.wait,
            idle: scaling.idle,
        }),
        most_workers: capacity.most_workers,
        parallel_boots: u32::try_from(cpus).unwrap_or(u32::MAX),
        surge: settings.reload_surge,
        boot_timeout: settings.boot_timeout,
        graceful_timeout: settings.graceful_timeout,
        timeout: settings.timeout,
        rollback_window: settings.rollback_window,
        rollback_keep: match settings.rollback_keep {
            RollbackKeep::Workers => KeptProcesses::Workers,
            RollbackKeep::Mold => KeptProcesses::Mold,
        },
        shutdown_delay: settings.shutdown_delay,
        winch: match settings.place {
            ProcessMode::Foreground => Winch::Ignored,
            ProcessMode::Daemon => Winch::RetiresWorkers,
        },
        sources: match settings.reload {
            Some(_) => SourceWatching::Watched,
            None => SourceWatching::Fixed,
        },
        abort: match &settings.hooks {
            Some(hooks) if hooks.has("worker_abort") => Abort::First,
            Some(_) | None => Abort::Never,
        },
        forked_from: if settings.uses_mold() {
            ForkedFrom::Mold
        } else {
            ForkedFrom::Master
        },
        refork_after: settings.refork_after,
        limits: WorkerLimits {
            requests: settings.recycling.requests,
            requests_jitter: settings.recycling.requests_jitter,
            memory: settings.recycling.memory,
            lifetime: settings.recycling.lifetime,
            lifetime_jitter: settings.recycling.lifetime_jitter,
        },
        helpers: [
            (Helper::Watcher, settings.reload.is_some()),
            (Helper::Monitor, !settings.admin_bind.is_empty()),
        ]
        .into_iter()
        .filter_map(|(helper, wanted)| wanted.then_some(helper))
        .collect(),
        companions: settings
            .companions
            .iter()
            .map(|companion| CompanionPlan {
                name: companion.name.clone(),
                grace: companion.grace.unwrap_or(settings.graceful_timeout),
            })
            .collect(),
        preparations: u32::try_from(settings.run_before.len()).unwrap_or(u32::MAX),
        preparation_timeout: settings.run_before_timeout,
    }
}

/// Whether the open logs are the configured ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logs {
    Open,
    /// Others are configured.
    ToOpen,
}

pub fn logs(open: &Settings, wanted: &Settings) -> Logs {
    let same = open.log_level == wanted.log_level
        && open.error_log == wanted.error_log
        && open.access_log == wanted.access_log
        && open.logging == wanted.logging;
    if same { Logs::Open } else { Logs::ToOpen }
}

/// The settings that only a restart can change, as the user names them.
pub fn fixed_at_start(old: &Settings, new: &Settings) -> Vec<&'static str> {
    [
        ("--umask", old.umask != new.umask),
        ("--backlog", old.backlog != new.backlog),
        (
            "--certfile (where there was none)",
            old.tls.is_none() && new.tls.is_some(),
        ),
        ("--certfile (none)", old.tls.is_some() && new.tls.is_none()),
        ("--reuse-port", old.port_sharing != new.port_sharing),
        ("--admin-bind", old.admin_bind != new.admin_bind),
        ("--control-socket", old.control_socket != new.control_socket),
        ("--pid", old.pid_file != new.pid_file),
        ("--python", old.python != new.python),
        ("--daemon", old.place != new.place),
        ("--user, --group, --initgroups", old.run_as != new.run_as),
        (
            "--reload, --reload-engine, --reload-extra-file",
            old.reload != new.reload,
        ),
        ("--run-before", old.run_before != new.run_before),
    ]
    .into_iter()
    .filter_map(|(name, changed)| changed.then_some(name))
    .collect()
}
