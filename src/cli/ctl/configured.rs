//! The control socket that is configured here, by environment and configuration files other than Python's.

use std::path::PathBuf;

use crate::cli::invocation::{self, Parsed};
use crate::config::{ControlSocket, Error, ProcessEnvironment, control};

#[derive(Debug, Default)]
pub struct Configured {
    pub socket: Option<PathBuf>,
    pub name: Option<String>,
    /// Why that is not known; a running server can be queried all the same.
    pub error: Option<String>,
}

impl Configured {
    pub fn here() -> Self {
        match read() {
            Ok((socket, name)) => Self {
                socket: match socket {
                    ControlSocket::At(path) => Some(path),
                    ControlSocket::Usual | ControlSocket::None => None,
                },
                name,
                error: None,
            },
            Err(error) => Self {
                error: Some(error.to_string()),
                ..Self::default()
            },
        }
    }
}

fn read() -> Result<(ControlSocket, Option<String>), Error> {
    let process_environment = ProcessEnvironment::of_this_process();
    match invocation::parse(&[], &process_environment)? {
        Parsed::Run(sources) => control(&sources.layers(), &process_environment),
        // Requested by a variable that holds arguments.
        Parsed::Help(_) | Parsed::Version(_) | Parsed::Completions(_) | Parsed::Manual => {
            Ok((ControlSocket::Usual, None))
        }
    }
}
