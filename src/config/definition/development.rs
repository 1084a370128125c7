//! Settings for development: reloads on changed files.

use super::{Definition, Group, Occurs, ValueType};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("reload"),
        help: "Reload when a file of the app changes; for development",
        more: "rgun watches every file that the workers have loaded, the `*.py` below the working directory (not in hidden \
               directories, `node_modules` and virtual environments), `rgun.toml` in it, and --reload-extra-file. A reload is the same as on HUP: \
               code that does not start is reported and the old code serves, until the next save. So does the first start \
               wait for the next save. Replaced workers have one second to finish requests, and idle connections are closed.",
        ..Definition::new("reload", Group::Development, ValueType::Switch)
    },
    Definition {
        long: Some("reload-engine"),
        value: "ENGINE",
        default: Some("auto"),
        help: "How changes are detected",
        more: "inotify: the kernel reports changes. poll: the files are checked four times a second, less often when there are many. auto: \
               inotify, and a check every two seconds for file systems that do not report every change; poll where the system \
               has no watches left.",
        ..Definition::new(
            "reload_engine",
            Group::Development,
            ValueType::Choice(&["auto", "inotify", "poll"]),
        )
    },
    Definition {
        long: Some("reload-extra-file"),
        value: "PATH",
        occurs: Occurs::Repeatedly,
        help: "Reload on changes of this file, directory or pattern, too; may be repeated",
        more: "`*`, `?`, `[` and `]` make it a pattern, and `**` descends: `templates/**/*.html`. New files that match \
               are included. Relative to where rgun is started.",
        ..Definition::new("reload_extra_files", Group::Development, ValueType::Path)
    },
    Definition {
        long: Some("in-process"),
        help: "Serve in the process that was started, without forking; for debuggers and profilers",
        more: "One worker, no master: breakpoints, coverage and profiles see the app; Ctrl-C ends it. It is on by itself where a \
               debugger, tracer or profiler has started rgun, as `python -m debugpy --listen 5678 -m rgun ...`, `coverage run -m \
               rgun ...` or `python -m cProfile -m rgun ...` do. Reloads, timeouts, recycling, the control socket and probes need \
               a master.",
        ..Definition::new("in_process", Group::Development, ValueType::Switch)
    },
];
