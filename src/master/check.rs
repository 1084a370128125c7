//! `--check-config`: tries what a start would open and which user it would become, without leaving anything behind.

use std::path::Path;

use super::Error;
use super::binds::takes_ipv4;
use super::commands::{missing_companions, missing_program};
use super::error::WHERE_PROGRAMS_ARE;
use super::pidfile::PidFile;
use crate::config::{ControlSocket, Endpoint, Groups, LogTarget, Settings, start_directory};
use crate::sys::{self, AnyIpv6, Identity, Supplementary, may_append, try_tcp, try_unix};

/// Fails where a start with these settings would fail before its first worker boots. An address in use is no failure,
/// nor is a pid file of a running server: most often both belong to the server that is about to be reloaded.
///
/// `python`: the one that workers run in. A companion whose program is not there harms no server, and is a warning.
///
/// # Errors
/// Those of a start.
pub fn try_out(settings: &Settings, python: Option<&Path>) -> Result<(), Error> {
    let start = start_directory();
    let directory = settings
        .chdir
        .as_ref()
        .map_or(start.clone(), |chdir| start.join(chdir));
    if let Some(command) = missing_program(settings, python, &directory) {
        return Err(Error::NoProgram(command.program.clone()));
    }
    for companion in missing_companions(settings, python, &directory) {
        tracing::warn!(
            name = companion.name,
            program = companion.command.program,
            hint = WHERE_PROGRAMS_ARE,
            "--beside: the program is not found, the server will try to start it again and again"
        );
    }
    for target in settings.access_log.iter().chain([&settings.error_log]) {
        if let LogTarget::File(path) = target {
            may_append(path).map_err(|e| sys::Error::new("open", path.display(), e))?;
        }
    }
    try_temporary_directory(settings)?;
    let served: Vec<_> = settings
        .bind
        .iter()
        .map(|bind| bind.endpoint.clone())
        .collect();
    for all in [&served, &settings.admin_bind] {
        for endpoint in all {
            try_endpoint(endpoint, all)?;
        }
    }
    if let Some(path) = &settings.pid_file {
        PidFile::try_write(path)?;
    }
    if let ControlSocket::At(path) = &settings.control_socket {
        try_unix(path)?;
    }
    Ok(())
}

/// Workers need it only later, for large bodies; an error must be visible at the start. If none was configured, a
/// server can run without one (a read-only root).
pub fn try_temporary_directory(settings: &Settings) -> Result<(), Error> {
    let given = settings.temporary_directory.as_deref();
    let directory = given.map_or_else(sys::temporary_directory, Path::to_owned);
    let tried = sys::unnamed_file(&directory)
        .map(drop)
        .map_err(|error| sys::Error::new("create a file in", directory.display(), error));
    match tried {
        Err(error) if given.is_none() => {
            tracing::warn!(
                %error,
                hint = "--worker-tmp-dir DIR",
                "no temporary files: large WSGI uploads and slow readers of large responses occupy threads"
            );
            Ok(())
        }
        tried => tried.map_err(Error::NoTemporaryFiles),
    }
}

fn try_endpoint(endpoint: &Endpoint, all: &[Endpoint]) -> Result<(), Error> {
    match endpoint {
        Endpoint::Tcp { host, port } => {
            let any = if all.iter().any(|other| takes_ipv4(other, *port)) {
                AnyIpv6::Alone
            } else {
                AnyIpv6::WithIpv4
            };
            try_tcp(host, *port, any)?;
        }
        Endpoint::Unix { path } => try_unix(path)?,
        // The service manager passes them to the start, not to the check.
        Endpoint::Fd { .. } | Endpoint::FdName { .. } => {}
    }
    Ok(())
}

/// The user of the workers; `None`: that of this process.
///
/// # Errors
/// When there is no such user or group.
pub fn identity(settings: &Settings) -> Result<Option<Identity>, Error> {
    let groups = match settings.run_as.groups {
        Groups::None => Supplementary::None,
        Groups::OfTheUser => Supplementary::OfTheUser,
    };
    let user = settings.run_as.user.as_deref();
    let group = settings.run_as.group.as_deref();
    Ok(Identity::find(user, group, groups)?)
}
