//! Settings for operating a running server: probes, metrics, the control socket.

use super::{Definition, Group, Occurs, ValueType};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("admin-bind"),
        value: "ADDRESS",
        occurs: Occurs::Repeatedly,
        help: "Where to answer probes and show metrics: HOST:PORT or unix:PATH; default: nowhere",
        more: "`/-/live`, `/-/ready`, `/-/started`, `/-/metrics` (Prometheus) and `/-/` (a page for a browser), answered by a small process of their own, also \
               while every worker is stuck. It has no authentication: use an address that only the orchestrator reaches.",
        ..Definition::new("admin_bind", Group::Operators, ValueType::Text)
    },
    Definition {
        long: Some("control-socket"),
        value: "PATH",
        help: "Where rgun ctl reaches this server: a unix socket for its own user and root",
        more: "Without it: $RUNTIME_DIRECTORY/rgun.ctl (systemd), else $XDG_RUNTIME_DIR/rgun-NAME.ctl with --name or the pid for \
               NAME, else (in containers and root shells) the same name in /tmp/rgun-UID, a directory of mode 0700 that belongs to \
               the server's user ($TMPDIR for /tmp if it is set). If none of them can be used, the log says why.",
        ..Definition::new("control_socket", Group::Operators, ValueType::Path)
    },
    Definition {
        long: Some("no-control-socket"),
        help: "Open no control socket",
        ..Definition::new(
            "control_socket_disable",
            Group::Operators,
            ValueType::Switch,
        )
    },
];
