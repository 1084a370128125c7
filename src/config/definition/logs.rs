//! Settings of the logs.

use super::{Definition, Group, Kind};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("log-level"),
        value: "LEVEL",
        default: Some("info"),
        help: "The least severe messages of the error log",
        ..Definition::new(
            "loglevel",
            Group::Logs,
            Kind::Choice(&["debug", "info", "warning", "error", "critical"]),
        )
    },
    Definition {
        long: Some("error-logfile"),
        aliases: &["log-file"],
        value: "FILE",
        default: Some("-"),
        help: "Where messages go: a file, or - for standard error",
        ..Definition::new("errorlog", Group::Logs, Kind::Path)
    },
    Definition {
        long: Some("access-logfile"),
        value: "FILE",
        help: "Where a line for each request goes: a file, or - for standard output; absent: nowhere",
        more: "In gunicorn's default format.",
        ..Definition::new("accesslog", Group::Logs, Kind::Path)
    },
];
