//! Programs of the user's with the surroundings of the workers: environment, directory, and the Python of this server first.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::config::{CompanionSettings, RunBefore, Settings};
use crate::sys::command::find_program;

/// Where the system looks for programs when nothing says (`_PATH_DEFPATH` of the C library).
const DEFAULT_PATH: &str = "/usr/bin:/bin";

/// Variables for this process only, which would mislead a worker or its child processes.
pub const PRIVATE: [&str; 6] = [
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// Without standard input; where its output goes is left to the caller. `python`: the one that the workers run, whose directory is
/// searched first: `python manage.py migrate` means that one, also where no virtual environment is activated.
pub fn command(
    run: &RunBefore,
    settings: &Settings,
    directory: &Path,
    python: Option<&Path>,
) -> Command {
    let mut command = Command::new(&run.program);
    command
        .args(&run.arguments)
        .envs(settings.environment())
        .env("PATH", search_path(settings, python))
        .stdin(Stdio::null())
        .current_dir(directory);
    PRIVATE.iter().for_each(|name| {
        command.env_remove(name);
    });
    command
}

/// The directories in which programs of these settings are looked for.
fn search_path(settings: &Settings, python: Option<&Path>) -> OsString {
    let given = settings
        .environment()
        .rev()
        .find(|(name, _)| *name == "PATH");
    let given = given.map(|(_, value)| OsString::from(value));
    let given = given.or_else(|| env::var_os("PATH"));
    let given = given.unwrap_or_else(|| DEFAULT_PATH.into());
    let Some(first) = python.and_then(Path::parent) else {
        return given;
    };
    let others = env::split_paths(&given).filter(|one| one != first);
    let all = std::iter::once(first.to_owned()).chain(others);
    // A directory with a colon in its name cannot be part of such a list.
    env::join_paths(all).unwrap_or(given)
}

/// As it was typed, but for its quotes.
pub fn in_words(command: &RunBefore) -> String {
    let words = std::iter::once(&command.program).chain(&command.arguments);
    words.cloned().collect::<Vec<_>>().join(" ")
}

/// The first command of `--run-before` whose program is not to be found.
pub fn missing_program<'s>(
    settings: &'s Settings,
    python: Option<&Path>,
    directory: &Path,
) -> Option<&'s RunBefore> {
    let path = search_path(settings, python);
    let mut all = settings.run_before.iter();
    all.find(|command| find_program(command.program.as_ref(), &path, directory).is_none())
}

/// The companions whose programs are not to be found.
pub fn missing_companions<'s>(
    settings: &'s Settings,
    python: Option<&Path>,
    directory: &'s Path,
) -> impl Iterator<Item = &'s CompanionSettings> {
    let path = search_path(settings, python);
    settings.companions.iter().filter(move |companion| {
        let own = companion
            .environment
            .iter()
            .rev()
            .find(|(name, _)| name == "PATH");
        let path = own.map_or(path.as_os_str(), |(_, value)| value.as_ref());
        find_program(companion.command.program.as_ref(), path, directory).is_none()
    })
}
