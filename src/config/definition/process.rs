//! Settings of the run itself.

use super::{Definition, Group, Kind};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("pid"),
        short: Some('p'),
        value: "FILE",
        help: "Write the master's process id to this file",
        ..Definition::new("pidfile", Group::Process, Kind::Path)
    },
    Definition {
        long: Some("check-config"),
        help: "Check the settings and load the app, then exit: 0 when a start would work",
        ..Definition::new("check_config", Group::Process, Kind::Switch)
    },
];
