//! What one program hands over to the next one in the same process: JSON in a file in memory, beside the descriptors that it names.

use std::fs::File;
use std::os::fd::RawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attempt::Then;
use crate::ipc::SCOREBOARD_VERSION;
use crate::master::binds::BindsState;
use crate::master::certificates::CertificatesState;
use crate::master::companions::CompanionsState;
use crate::master::control::{ControlState, WaitingClients};
use crate::master::launch::Launch;
use crate::master::listeners::{BindsOfVersion1, ListenersState};
use crate::master::molds::MoldsState;
use crate::master::note::Note;
use crate::master::restart_counters::RestartCounters;
use crate::master::supervisor::{Generation, StateError, Supervisor, Token};
use crate::master::workers::WorkerState;
use crate::sys::{self, duplicate};

/// Of everything beside the supervisor, which has its own, and of the messages between master, workers and molds: raised
/// where an older program cannot go on with what this one writes, or the other way round.
pub const VERSION: u32 = 2;
/// The oldest one that can be read.
const OLDEST: u32 = 1;

/// What comes first, and is the same in every version: how to start the program again that has written it.
#[derive(Debug, Serialize, Deserialize)]
pub struct StateHeader {
    pub version: u32,
    /// Of rgun.
    pub release: String,
    pub pid: u32,
    /// What the new program answers a check with.
    pub secret: String,
    pub back: Launch,
    /// All that stay open over the exec.
    pub descriptors: Vec<RawFd>,
    /// The reader is a child that is tried: it answers when it has restored everything, and goes no further.
    #[serde(default)]
    pub rehearsal: bool,
    /// How long the new program may take to take over; `None`: the program before does not say.
    #[serde(default)]
    pub patience: Option<Duration>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    pub header: StateHeader,
    /// As `Supervisor::write` has written it.
    pub supervisor: String,
    /// Its moments count from there.
    pub began: Duration,
    pub scoreboard_version: u64,
    pub scoreboard: RawFd,
    pub lifeline: (RawFd, RawFd),
    /// Of version 1 only.
    #[serde(default, skip_serializing)]
    pub binds: Option<BindsOfVersion1>,
    /// Since version 2.
    pub listeners: Option<ListenersState>,
    pub admin: BindsState,
    /// Since version 2; in states of version 1 there are none.
    #[serde(default)]
    pub companions: CompanionsState,
    pub monitor: Option<i32>,
    pub workers: Vec<WorkerState>,
    pub molds: MoldsState,
    pub control: ControlState,
    pub waits: WaitingClients,
    pub certificates: Option<CertificatesState>,
    /// Those that there are settings of, and where each began.
    pub generations: Vec<(Generation, Option<PathBuf>)>,
    /// What the settings of each were resolved from. Older programs do not know it.
    #[serde(default)]
    pub settings: Vec<(Generation, serde_json::Value)>,
    /// Where the workers of each pass connections to each other. Older programs do not know it.
    #[serde(default)]
    pub transfers: Vec<(Generation, (RawFd, RawFd))>,
    /// Where they pass them to a generation that is held.
    #[serde(default)]
    pub previews: Option<(RawFd, RawFd)>,
    /// Where that one passes them to the serving generation.
    #[serde(default)]
    pub previews_back: Option<(RawFd, RawFd)>,
    pub pid_file: Option<PathBuf>,
    pub restart_counters: RestartCounters,
    pub note: Note,
    pub description: String,
    #[serde(default)]
    pub static_files: String,
    pub callers: Vec<Token>,
    pub then: Then,
}

/// Why a program cannot go on with a state.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("the running program ({release}) hands over state version {found}, this one ({}) reads versions {OLDEST} to {VERSION}", env!("CARGO_PKG_VERSION"))]
    Version { found: u32, release: String },
    #[error("the scoreboard of the running program has another layout")]
    Scoreboard,
    #[error("the supervisor: {0}")]
    Supervisor(#[from] StateError),
    #[error("the state of the running program cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error(transparent)]
    System(#[from] sys::Error),
}

#[derive(Deserialize)]
struct Headed {
    header: StateHeader,
}

/// The text behind a descriptor that was handed over.
///
/// # Errors
/// It is not open, or not text.
pub fn text_behind(fd: RawFd) -> sys::Result<String> {
    let failed = |error| sys::Error::new("read", "the state of the running program", error);
    let file = File::from(duplicate(fd).map_err(failed)?);
    let length = file.metadata().map_err(failed)?.len();
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0).map_err(failed)?;
    String::from_utf8(bytes).map_err(|_| failed(std::io::ErrorKind::InvalidData.into()))
}

/// # Errors
/// The text has none.
pub fn header(text: &str) -> Result<StateHeader, Unusable> {
    let Headed { header } = serde_json::from_str(text)?;
    Ok(header)
}

/// All of it, and the supervisor in it: nothing was taken over yet.
///
/// # Errors
/// Why this program cannot go on with it.
pub fn read(text: &str) -> Result<(State, Supervisor), Unusable> {
    let StateHeader {
        version, release, ..
    } = header(text)?;
    if !(OLDEST..=VERSION).contains(&version) {
        let found = version;
        return Err(Unusable::Version { found, release });
    }
    let state: State = serde_json::from_str(text)?;
    if state.scoreboard_version != SCOREBOARD_VERSION {
        return Err(Unusable::Scoreboard);
    }
    let supervisor = Supervisor::read(&state.supervisor)?;
    Ok((state, supervisor))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each was written by the first program that knew its version. One that cannot be read any more breaks the upgrade from it.
    const WRITTEN: [&str; 2] = [
        include_str!("states/version_1.json"),
        include_str!("states/version_2.json"),
    ];

    #[test]
    fn states_of_all_versions_are_read() {
        for (version, text) in (1..).zip(WRITTEN) {
            let (state, supervisor) =
                read(text).unwrap_or_else(|error| panic!("{version}: {error}"));
            assert_eq!(state.header.version, version);
            assert_eq!(state.workers.len(), 2);
            assert_eq!(state.workers.len(), supervisor.workers().count());
            // Where its listeners are: in one of the two forms.
            assert_ne!(state.binds.is_some(), state.listeners.is_some());
        }
        assert_eq!(WRITTEN.len(), VERSION as usize);
    }

    #[test]
    fn a_later_version_is_refused_with_both_numbers() {
        let later = WRITTEN[1].replacen(r#""version":2"#, r#""version":3"#, 1);
        let error = read(&later).expect_err("a later one").to_string();
        assert!(
            error.contains("state version 3") && error.contains("versions 1 to 2"),
            "{error}"
        );
    }
}
