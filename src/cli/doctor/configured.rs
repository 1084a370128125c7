//! The settings that a command line, variables and the files of a directory give together.

use std::ffi::OsString;

use crate::cli::EntryPoint;
use crate::cli::invocation::{self, Parsed};
use crate::cli::reading::{self, SettingsFailure};
use crate::config::{Error, ProcessEnvironment, Settings};

/// As a start would resolve them, with a configuration file in Python.
pub fn configured(
    options: &[OsString],
    process_environment: &ProcessEnvironment,
    entry: &dyn EntryPoint,
) -> Result<Settings, SettingsFailure> {
    let parsed = invocation::parse(options, process_environment);
    let Parsed::Run(mut sources) = parsed.map_err(SettingsFailure::Configuration)? else {
        return Err(SettingsFailure::Configuration(Error::NoApp));
    };
    let effects = reading::ask(&mut sources, process_environment, entry)?;
    let resolved = sources
        .record(effects, process_environment)
        .resolve(process_environment);
    Ok(resolved.map_err(SettingsFailure::Configuration)?.settings)
}

/// As Django calls its modules.
pub fn interface_by_name(module: &str) -> Option<bool> {
    match module.rsplit('.').next() {
        Some("asgi") => Some(true),
        Some("wsgi") => Some(false),
        _ => None,
    }
}
