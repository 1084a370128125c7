//! Settings of the logs: the error log, and Python's logging in the workers.

use super::{Definition, Group, ValueType};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("log-level"),
        value: "LEVEL",
        default: Some("info"),
        help: "The least severe messages of the error log",
        ..Definition::new(
            "loglevel",
            Group::Logs,
            ValueType::Choice(&["debug", "info", "warning", "error", "critical"]),
        )
    },
    Definition {
        long: Some("error-logfile"),
        aliases: &["log-file"],
        value: "FILE",
        default: Some("-"),
        help: "Where messages go: a file, or - for standard error",
        ..Definition::new("errorlog", Group::Logs, ValueType::Path)
    },
    Definition {
        long: Some("log-format"),
        value: "FORMAT",
        default: Some("text"),
        help: "The format of messages: gunicorn's lines, JSON objects, or logfmt",
        more: "In `json` and `logfmt` a traceback is part of its record. The levels of `text` have colours on a terminal, unless \
               the variable NO_COLOR is set.",
        ..Definition::new(
            "log_format",
            Group::Logs,
            ValueType::Choice(&["text", "json", "logfmt"]),
        )
    },
    Definition {
        long: Some("capture-output"),
        help: "What the app prints goes to the file of --error-logfile",
        more: "Without such a file nothing changes: prints and messages both go to the terminal or the container's log.",
        ..Definition::new("capture_output", Group::Logs, ValueType::Switch)
    },
    Definition {
        long: Some("enable-stdio-inheritance"),
        short: Some('R'),
        help: "With --daemon: keep standard output and error where they are no terminal",
        more: "Without it a daemon's are /dev/null. Set PYTHONUNBUFFERED for prints that appear at once.",
        ..Definition::new("enable_stdio_inheritance", Group::Logs, ValueType::Switch)
    },
    Definition {
        long: Some("log-config"),
        value: "FILE",
        help: "Configure Python's logging in the workers by this file (logging.config.fileConfig)",
        more: "Handlers that it gives to `gunicorn.error` and `gunicorn.access` get the workers' messages and requests. The master \
               runs no Python: its messages go to --error-logfile.",
        ..Definition::new("logconfig", Group::Logs, ValueType::Path)
    },
    Definition {
        long: Some("log-config-json"),
        value: "FILE",
        help: "Like --log-config, but a JSON file for logging.config.dictConfig; takes precedence",
        more: "What the file does not set comes from gunicorn's own defaults (`CONFIG_DEFAULTS`).",
        ..Definition::new("logconfig_json", Group::Logs, ValueType::Path)
    },
    Definition {
        value: "TABLE",
        help: "Like --log-config-json, as a table in the configuration file; takes precedence over both",
        more: "In a Python file it may hold classes, streams and other objects: each worker then reads the file for them.",
        ..Definition::new("logconfig_dict", Group::Logs, ValueType::Json)
    },
    Definition {
        long: Some("logger-class"),
        value: "CLASS",
        default: Some("gunicorn.glogging.Logger"),
        help: "gunicorn's own, or a subclass that only sets its formats: logs are written without Python",
        more: "A subclass may set `error_fmt`, `datefmt`, `access_fmt` and `syslog_fmt`; one that overrides methods is refused.",
        ..Definition::new("logger_class", Group::Logs, ValueType::Text)
    },
];
