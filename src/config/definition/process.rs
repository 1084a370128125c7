//! Settings of the run itself.

use super::{Definition, Group, ValueType};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("config"),
        short: Some('c'),
        value: "FILE",
        help: "The configuration file: FILE, file:FILE or python:MODULE; .toml is TOML, all else Python",
        more: "Without it, what is in the working directory: `rgun.toml` or the table `[tool.rgun]` of `pyproject.toml`, and \
               `gunicorn.conf.py`, which takes precedence over `[tool.rgun]`. If both an `rgun.toml` and a `gunicorn.conf.py` exist, \
               it has to name one. A Python file is run in a process of its own, at the start and again for each reload.",
        ..Definition::new("config", Group::Process, ValueType::Text)
    },
    Definition {
        long: Some("pid"),
        short: Some('p'),
        value: "FILE",
        help: "Write the master's process id to this file",
        ..Definition::new("pidfile", Group::Process, ValueType::Path)
    },
    Definition {
        long: Some("daemon"),
        short: Some('D'),
        help: "Leave the terminal and run in the background",
        more: "An error at the start is still reported, with its reason, the app's traceback and its exit code. Logs go to /dev/null unless --error-logfile and \
               --access-logfile name files. Not for containers, nor for systemd units with Type=notify.",
        ..Definition::new("daemon", Group::Process, ValueType::Switch)
    },
    Definition {
        long: Some("user"),
        short: Some('u'),
        value: "USER",
        help: "The user, by name or number, that the workers run as",
        more: "The master keeps its own, so that it can bind privileged ports and read certificates. Without --group the group is \
               the user's own.",
        ..Definition::new("user", Group::Process, ValueType::Text)
    },
    Definition {
        long: Some("group"),
        short: Some('g'),
        value: "GROUP",
        help: "The group, by name or number, that the workers run as",
        ..Definition::new("group", Group::Process, ValueType::Text)
    },
    Definition {
        long: Some("initgroups"),
        help: "Workers also get the supplementary groups of --user; otherwise they have none",
        ..Definition::new("initgroups", Group::Process, ValueType::Switch)
    },
    Definition {
        long: Some("name"),
        short: Some('n'),
        aliases: &["proc-name"],
        value: "NAME",
        help: "What the processes are called in ps and top; default: the app",
        ..Definition::new("proc_name", Group::Process, ValueType::Text)
    },
    Definition {
        long: Some("worker-tmp-dir"),
        value: "DIR",
        help: "Where workers put temporary files: large uploads, large responses to slow clients",
        more: "Only WSGI workers need them. Heartbeats are in shared memory and need no directory. \
               A directory in which no file can be created is an error.",
        ..Definition::new("worker_tmp_dir", Group::Process, ValueType::Path)
    },
    Definition {
        long: Some("spool-limit"),
        value: "BYTES",
        default: Some("32m"),
        help: "The most bytes of one request or response in a temporary file; sixteen times as many in one worker",
        more: "Only WSGI workers need them. Of a longer or unannounced request body the app gets the rest as it comes, while its thread waits for the client; \
               a thread that makes a longer response waits until a slow client has taken what is kept. 0: no such files. \
               Where the device is full, a request whose body does not fit into memory is answered with 507.",
        ..Definition::new("spool_limit", Group::Process, ValueType::Size)
    },
    Definition {
        long: Some("check-config"),
        help: "Check all that a start needs and boot the app, then exit: 0 when a start would succeed",
        ..Definition::new("check_config", Group::Process, ValueType::Switch)
    },
    Definition {
        long: Some("print-config"),
        help: "Print each setting and where it comes from, then load the app",
        ..Definition::new("print_config", Group::Process, ValueType::Switch)
    },
    Definition {
        long: Some("print-changed"),
        aliases: &["changed"],
        help: "As --print-config, but only the settings that differ from their defaults",
        ..Definition::new("print_changed", Group::Process, ValueType::Switch)
    },
];
