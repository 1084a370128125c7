//! Settings of the listeners.

use super::{Definition, Empty, Group, Occurs, ValueType, Variable};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("bind"),
        short: Some('b'),
        value: "ADDRESS",
        occurs: Occurs::Repeatedly,
        default: Some("127.0.0.1:8000"),
        variable: Some(Variable {
            name: "PORT",
            prefix: "0.0.0.0:",
            empty: Empty::Unset,
        }),
        help: "Where to listen: HOST:PORT, [V6]:PORT, :PORT, unix:PATH or fd://N; may be repeated",
        more: "HOST may be a name; without a PORT it is 8000. Port 0 lets the kernel choose one, which the log names. `:PORT` \
               listens on all IPv4 addresses, `[::]:PORT` on those and IPv6, unless another bind has IPv4 at that port. `fd://N` \
               takes a socket that was passed in, `fd://NAME` one that systemd named. \
               `,tls` or `,plain` behind an address switches TLS on or off; without it TCP addresses have TLS if there is a \
               `--certfile`, and unix sockets do not. When no bind is given and $PORT is set, it is 0.0.0.0:$PORT.",
        ..Definition::new("bind", Group::Listening, ValueType::Text)
    },
    Definition {
        long: Some("backlog"),
        value: "N",
        default: Some("2048"),
        help: "How many connections the kernel keeps waiting",
        more: "The kernel caps it at net.core.somaxconn.",
        ..Definition::new("backlog", Group::Listening, ValueType::Number)
    },
    Definition {
        long: Some("reuse-port"),
        help: "Give each worker listening sockets of its own (SO_REUSEPORT)",
        more: "The kernel then chooses a worker for each connection, also one that is busy or stuck; without this option the \
               one that has time takes it. A slot's sockets outlive its workers. Where connections must not be reset when \
               there are fewer workers than before, set net.ipv4.tcp_migrate_req=1. Other servers of the same user may \
               listen at the same address.",
        ..Definition::new("reuse_port", Group::Listening, ValueType::Switch)
    },
    Definition {
        long: Some("umask"),
        short: Some('m'),
        value: "MASK",
        default: Some("0"),
        help: "Mode bits to withhold from unix sockets",
        more: "A leading 0 means octal: 0117 makes a socket that its owner and group can use. The default lets every user \
               connect, so that a proxy under another user can.",
        ..Definition::new("umask", Group::Listening, ValueType::Mask)
    },
];
