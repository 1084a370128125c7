//! Settings for those who look after a running server.

use super::{Definition, Group, Kind, Occurs};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("admin-bind"),
        value: "ADDRESS",
        occurs: Occurs::Repeatedly,
        help: "Where to answer probes and show metrics: HOST:PORT or unix:PATH; default: nowhere",
        more: "`/-/live`, `/-/ready`, `/-/started` and `/-/metrics` (Prometheus), answered by a small process of their own, also \
               while every worker is stuck. Nobody is asked who he is: use an address that only the orchestrator reaches.",
        ..Definition::new("admin_bind", Group::Operators, Kind::Text)
    },
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
