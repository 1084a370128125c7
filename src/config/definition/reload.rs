//! Settings of a worker's beginning and end: boot, readiness, reload, drain.

use super::{Definition, Group, Kind};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("boot-timeout"),
        value: "SECONDS",
        default: Some("60"),
        help: "How long a worker may take until it is ready",
        more: "Import, lifespan startup and --ready-path together. A reload whose workers are late is rolled back.",
        ..Definition::new("boot_timeout", Group::Reload, Kind::Duration)
    },
    Definition {
        long: Some("ready-path"),
        value: "PATH",
        help: "A path that must answer 2xx or 3xx inside a new worker before it counts as ready",
        more: "A reload to code that answers with an error there is rolled back while the old workers serve.",
        ..Definition::new("ready_path", Group::Reload, Kind::Text)
    },
    Definition {
        long: Some("ready-host"),
        value: "HOST",
        help: "The Host header of that request, for apps that check it (Django's ALLOWED_HOSTS)",
        ..Definition::new("ready_host", Group::Reload, Kind::Text)
    },
    Definition {
        long: Some("reload-surge"),
        value: "N",
        help: "On reload, replace this many workers at a time instead of all at once",
        more: "Needs less memory, but both versions serve for a while and only the first batch can be rolled back unseen.",
        ..Definition::new("reload_surge", Group::Reload, Kind::Number)
    },
    Definition {
        long: Some("graceful-timeout"),
        value: "SECONDS",
        default: Some("30"),
        help: "How long a worker that was asked to stop may finish what it has begun",
        ..Definition::new("graceful_timeout", Group::Reload, Kind::Duration)
    },
    Definition {
        long: Some("keepalive-drain"),
        value: "SECONDS",
        default: Some("5"),
        help: "How long a replaced worker keeps idle connections open for a request already on its way",
        ..Definition::new("keepalive_drain", Group::Reload, Kind::Duration)
    },
];
