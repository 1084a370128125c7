//! Settings for those who look after a running server.

use super::{Definition, Group, Kind};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("control-socket"),
        value: "PATH",
        help: "Where rgun ctl reaches this server: a unix socket for its own user and root",
        more: "Without it: $RUNTIME_DIRECTORY/rgun.ctl (systemd), else $XDG_RUNTIME_DIR/rgun-NAME.ctl with --name or the pid for \
               NAME. Where neither directory is there, or another server has the socket, there is none, and the log says so.",
        ..Definition::new("control_socket", Group::Operators, Kind::Path)
    },
    Definition {
        long: Some("no-control-socket"),
        help: "Open no control socket",
        ..Definition::new("control_socket_disable", Group::Operators, Kind::Switch)
    },
];
