//! The texts of `--help` around the definitions: the opening, values and variables, examples.

use std::fmt::Write;

use crate::config::{Definition, Group, ValueType};

pub(super) const ABOUT: &str =
    "Serves ASGI and WSGI apps: a master that binds, forks workers and keeps them alive.";

pub(super) const LAST_HEADING: &str = Group::Process.heading();

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Short,
    Long,
}

pub(super) const USAGE: &str = "rgun [OPTIONS] APP\n       rgun ctl COMMAND\n       rgun init TARGET\n       rgun doctor [FILES]";

/// The settings that `-h` shows: those that most servers are started with. `--help` shows all.
const COMMON: [&str; 22] = [
    "wsgi_app",
    "factory",
    "chdir",
    "raw_env",
    "bind",
    "workers",
    "threads",
    "timeout",
    "max_requests",
    "ready_path",
    "graceful_timeout",
    "reload",
    "keepalive",
    "forwarded_allow_ips",
    "errorlog",
    "loglevel",
    "accesslog",
    "admin_bind",
    "config",
    "user",
    "check_config",
    "print_config",
];

pub(super) fn is_common(definition: &Definition) -> bool {
    COMMON.contains(&definition.name)
}

pub(super) fn short(definition: &Definition) -> String {
    let mut text = definition.help.to_owned();
    notes(&mut text, definition);
    text
}

pub(super) fn long(definition: &Definition) -> String {
    let mut text = format!("{}.", definition.help);
    if !definition.more.is_empty() {
        // The backticks are for the settings page.
        let _ = write!(text, " {}", definition.more.replace('`', ""));
    }
    if let Some(long) = definition.long {
        // gunicorn's spellings of the same words.
        let respelt = definition
            .aliases
            .iter()
            .filter(|alias| letters(alias) == letters(long));
        respelt.for_each(|alias| {
            let _ = write!(text, " [also --{alias}]");
        });
    }
    notes(&mut text, definition);
    text
}

fn letters(spelling: &str) -> String {
    spelling.replace(['-', '_'], "")
}

/// Writing to a `String` cannot fail.
fn notes(text: &mut String, definition: &Definition) {
    if let ValueType::Choice(names) = definition.kind {
        let _ = write!(text, " [{}]", names.join(", "));
    }
    // The default of a negative switch (`--no-sendfile`) is that of the setting, and would read as that of the switch.
    let default = definition.default.filter(|default| !default.is_empty());
    if let Some(default) = default.filter(|_| definition.kind != ValueType::Switch) {
        let _ = write!(text, " [default: {default}]");
    }
    if let Some(variable) = &definition.variable {
        let _ = write!(text, " [${}]", variable.name);
    }
}

/// Where the documentation of this version is, in a build of a repository that has an address.
const DOCUMENTATION: &str = match option_env!("RGUN_DOCUMENTATION") {
    Some(address) => address,
    None => "",
};

pub(super) fn examples(length: Length) -> String {
    let text = match length {
        Length::Short => SHORT,
        Length::Long => LONG,
    };
    match DOCUMENTATION {
        "" => text.to_owned(),
        address => format!("{text}\n\nDocumentation: {address}"),
    }
}

const SHORT: &str = "\
Example: rgun config.asgi:application -b 0.0.0.0:8000 -w 4
All options, signals and more examples: rgun --help. A running server: rgun ctl --help";

const LONG: &str = "\
Examples:
  Django, four workers, reachable from outside
    rgun config.asgi:application -b 0.0.0.0:8000 -w 4
  WSGI behind nginx on the same machine
    rgun mysite.wsgi -w auto --threads 2 -b unix:/run/mysite.sock
  In a container: as many workers as it has CPUs, a line for each request
    rgun app:app -b :8000 -w auto --access-logfile -
  An app factory; a reload that must not serve a broken release
    rgun 'shop:create_app()' --ready-path /healthz

Durations are seconds (30, 0.5) or have a unit (500ms, 30s, 2m, 1h).
Sizes are bytes or have a unit (64k, 20m, 1g).
Options can also stand in the variable GUNICORN_CMD_ARGS; those on the command line win.

A running server is inspected and controlled by rgun ctl: status, reload, scale, stop and more; see rgun ctl --help.

Signals to the master:
  TERM       finish in-flight requests within --graceful-timeout, then exit; a second one: exit at once
  INT, QUIT  exit fast
  HUP        reload: new workers take over when all are ready; until then, or if one fails, the old ones serve";
