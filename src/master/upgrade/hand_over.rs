//! What is handed over to another program: the state of every part, and how to come back to this one.

use std::path::PathBuf;
use std::time::Duration;

use super::attempt::{Then, UpgradeAttempt};
use super::state::{State, StateHeader, VERSION};
use crate::ipc::SCOREBOARD_VERSION;
use crate::master::certificates;
use crate::master::descriptors::KeptDescriptors;
use crate::master::generations::Generations;
use crate::master::host::Host;
use crate::master::launch::Launch;
use crate::master::shell::Shell;
use crate::master::supervisor::{Generation, StateError, Token};
use crate::sys::{self, MemFile, Pid};

/// The executable of this process, also where its file was replaced.
pub const OWN_EXECUTABLE: &str = "/proc/self/exe";

/// How long the new program may take.
pub fn patience(generations: &Generations<'_>, serving: Generation) -> Duration {
    generations.settings_of(serving).upgrade_timeout
}

/// Everything that another program needs, and the descriptors in it.
pub fn written(
    shell: &Shell<'_>,
    callers: &[Token],
    then: Then,
    reader: StateReader,
) -> Result<(MemFile, KeptDescriptors), Unwritten> {
    let (secret, rehearsal) = match reader {
        StateReader::Child { secret, rehearses } => (secret, rehearses),
        StateReader::Successor => (String::new(), false),
    };
    let mut kept = KeptDescriptors::default();
    let back = way_back(shell.host, &shell.upgrade, &mut kept)?;
    let ends = shell.fleet.lifeline.ends().ok_or(Unwritten::NoWayBack)?;
    let lifeline = (kept.keep(ends.0), kept.keep(ends.1));
    let configs = shell.generations.iter();
    let sets = configs.clone();
    let sets = sets.map(|(generation, config)| (generation, config.listeners.clone()));
    let previews = shell.listening.previews.channels.as_ref().map(|channels| {
        channels.each().map(|channel| {
            let (given, taken) = channel.ends();
            (kept.keep(given), kept.keep(taken))
        })
    });
    let state = State {
        supervisor: shell.supervisor.write()?,
        began: shell.events.began,
        scoreboard_version: SCOREBOARD_VERSION,
        scoreboard: kept.keep(shell.fleet.scoreboard.memfd()),
        lifeline,
        binds: None,
        listeners: Some(shell.listening.listeners.state(sets.collect(), &mut kept)),
        admin: shell.helpers.monitor.binds.state(&mut kept),
        companions: shell.helpers.companions.state(&mut kept),
        monitor: shell.helpers.monitor.pid().map(Pid::as_raw),
        workers: (shell.fleet.workers).state(shell.fleet.scoreboard.board(), &mut kept),
        molds: shell.molds.state(&mut kept),
        control: shell.clients.control.state(&mut kept),
        waits: shell.clients.waits.clone(),
        certificates: certificates::state(&shell.generations, &shell.listening, &mut kept),
        generations: configs
            .clone()
            .map(|(generation, config)| {
                let directory = config.pinned_directory().map(PathBuf::from);
                (generation, directory)
            })
            .collect(),
        settings: configs
            .clone()
            .filter_map(|(generation, config)| {
                let record = config.settings.record.as_deref()?;
                Some(serde_json::to_value(record).map(|record| (generation, record)))
            })
            .collect::<Result<_, _>>()?,
        transfers: configs
            .filter_map(|(generation, config)| {
                let (given, taken) = config.transfers.as_ref()?.ends();
                Some((generation, (kept.keep(given), kept.keep(taken))))
            })
            .collect(),
        previews: previews.map(|[held, _]| held),
        previews_back: previews.map(|[_, back]| back),
        pid_file: shell.upgrade.pid_file.clone(),
        restart_counters: shell.reporting.restart_counters.clone(),
        note: shell.reporting.note.clone(),
        description: shell.reporting.description.clone(),
        static_files: shell.reporting.static_files.clone(),
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
            patience: Some(patience(&shell.generations, shell.supervisor.generation())),
        },
    };
    let text = serde_json::to_vec(&state)?;
    Ok((MemFile::holding(c"rgun-state", &[&text])?, kept))
}

/// How this program is started again, should the new one fail.
fn way_back(
    host: &dyn Host,
    upgrade: &UpgradeAttempt,
    kept: &mut KeptDescriptors,
) -> Result<Launch, Unwritten> {
    let mut back = host.itself().ok_or(Unwritten::NoWayBack)?;
    if back.path == OWN_EXECUTABLE {
        let executable = upgrade.executable.as_ref();
        let number = kept.keep(executable.ok_or(Unwritten::NoWayBack)?);
        back.path = format!("/proc/self/fd/{number}").into();
    }
    Ok(back)
}

/// For whom the state is written.
pub enum StateReader {
    /// It answers with the secret.
    Child { secret: String, rehearses: bool },
    /// The program that this process becomes.
    Successor,
}

/// Why there is no state to hand over.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    #[error("it is not known how this program was started")]
    NoWayBack,
    #[error(transparent)]
    Supervisor(#[from] StateError),
    #[error(transparent)]
    Text(#[from] serde_json::Error),
    #[error(transparent)]
    System(#[from] sys::Error),
}
