//! Settings of logs and metrics that go to other servers: syslog, statsd.

use super::{Definition, Group, ValueType};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("log-syslog"),
        help: "Send messages and requests to syslog, too",
        more: "As gunicorn writes them: the program is called gunicorn.PREFIX.error or gunicorn.PREFIX.access.",
        ..Definition::new("syslog", Group::Logs, ValueType::Switch)
    },
    Definition {
        long: Some("log-syslog-to"),
        value: "ADDRESS",
        default: Some("udp://localhost:514"),
        help: "Where syslog listens: udp://HOST:PORT, tcp://HOST:PORT or unix://PATH#dgram or #stream",
        ..Definition::new("syslog_addr", Group::Logs, ValueType::Text)
    },
    Definition {
        long: Some("log-syslog-prefix"),
        value: "PREFIX",
        help: "The program's name in syslog, behind gunicorn.; default: --name, or the app",
        ..Definition::new("syslog_prefix", Group::Logs, ValueType::Text)
    },
    Definition {
        long: Some("log-syslog-facility"),
        value: "FACILITY",
        default: Some("user"),
        help: "The facility in syslog",
        ..Definition::new("syslog_facility", Group::Logs, ValueType::Text)
    },
    Definition {
        long: Some("disable-redirect-access-to-syslog"),
        help: "Send only messages to syslog, not requests",
        ..Definition::new(
            "disable_redirect_access_to_syslog",
            Group::Logs,
            ValueType::Switch,
        )
    },
    Definition {
        long: Some("statsd-host"),
        value: "ADDRESS",
        help: "Send metrics to statsd: HOST[:PORT], or unix://PATH",
        more: "With gunicorn's names: gunicorn.requests, gunicorn.request.duration, gunicorn.request.status.NNN, gunicorn.workers, \
               gunicorn.log.LEVEL. Several metrics may come in one datagram, a line each.",
        ..Definition::new("statsd_host", Group::Logs, ValueType::Text)
    },
    Definition {
        long: Some("statsd-prefix"),
        value: "PREFIX",
        default: Some(""),
        help: "The prefix of the names of metrics, with a dot",
        ..Definition::new("statsd_prefix", Group::Logs, ValueType::Text)
    },
    Definition {
        long: Some("enable-backlog-metric"),
        help: "Send gunicorn.backlog to statsd once a second: connections that wait to be accepted (TCP)",
        ..Definition::new("enable_backlog_metric", Group::Logs, ValueType::Switch)
    },
    Definition {
        long: Some("dogstatsd-tags"),
        value: "TAGS",
        default: Some(""),
        help: "Tags of every metric for Datadog, such as env:prod,team:web",
        ..Definition::new("dogstatsd_tags", Group::Logs, ValueType::Text)
    },
];
