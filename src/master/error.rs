//! Errors of the master: why it could not start, or had to give up.

use std::path::PathBuf;

use crate::sys::Pid;
use crate::{ipc, sys, tls};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system error; `hint` may contain a remedy.
    #[error(transparent)]
    System(#[from] sys::Error),
    #[error(transparent)]
    Ipc(#[from] ipc::Error),
    /// After an upgrade in place.
    #[error("cannot go on in the place of the program before: {0}")]
    NotTakenOver(String),
    #[error(transparent)]
    Certificates(#[from] tls::Problem),
    /// The pid file names a process that lives.
    #[error("pid file {}: process {pid} is running", path.display())]
    Running { path: PathBuf, pid: Pid },
    /// Of `--run-before`.
    #[error("--run-before: the program {0} is not found")]
    NoProgram(String),
    #[error("--worker-tmp-dir: {0}")]
    NoTemporaryFiles(sys::Error),
    #[error(
        "--workers {workers}: at most {most} with the {descriptors} file descriptors that this process may have"
    )]
    TooManyWorkers {
        workers: u32,
        most: u32,
        descriptors: u64,
    },
    /// `-b fd://name` without such a name in LISTEN_FDNAMES.
    #[error(
        "bind fd://{name}: no such socket was passed ({})",
        passed_names(passed)
    )]
    NotPassed { name: String, passed: Vec<String> },
    /// A reload names one that this server does not have.
    #[error("bind {0}: sockets are passed in at the start only")]
    PassedAtStart(String),
    /// A reload adds TLS to a server without certificates.
    #[error("bind {0}: it is to use TLS, and this server was started without a certificate")]
    TlsAtReload(String),
    /// A reload names an address to be looked up.
    #[error("bind {0}: a running server looks up no names")]
    NameAtReload(String),
}

/// The hint on a program that is not found.
pub const WHERE_PROGRAMS_ARE: &str = "install it beside this Python, or name it with its path; it is looked for there first, then on PATH";

impl Error {
    /// The remedy, if it is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::System(error) | Self::Ipc(ipc::Error::System(error)) => error.hint.clone(),
            Self::NoProgram(_) => Some(WHERE_PROGRAMS_ARE.to_owned()),
            Self::Running { path, .. } => Some(format!(
                "stop it first; if it is another program, remove {}",
                path.display()
            )),
            Self::NoTemporaryFiles(_) => Some(
                "name a directory that this user may write to, as /dev/shm or $TMPDIR".to_owned(),
            ),
            Self::TooManyWorkers { .. } => Some(
                "raise the hard limit: ulimit -Hn, LimitNOFILE= of the unit, --ulimit nofile= of the container".to_owned(),
            ),
            Self::NotPassed { .. } => {
                Some("the name is FileDescriptorName= in the .socket unit".to_owned())
            }
            Self::Certificates(problem) => Some(problem.hint.clone()),
            Self::PassedAtStart(_) | Self::TlsAtReload(_) => Some("restart the server".to_owned()),
            Self::NameAtReload(_) => {
                Some("write the address in numbers, or restart the server".to_owned())
            }
            Self::Ipc(_) | Self::NotTakenOver(_) => None,
        }
    }
}

fn passed_names(names: &[String]) -> String {
    if names.is_empty() {
        "LISTEN_FDS is not set for this process".to_owned()
    } else {
        format!("LISTEN_FDNAMES: {}", names.join(", "))
    }
}
