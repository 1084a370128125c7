//! Settings about what to believe of a proxy in front.

use super::{Definition, Empty, Group, Kind, Variable};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("forwarded-allow-ips"),
        value: "PEERS",
        default: Some("127.0.0.1,::1"),
        variable: Some(Variable {
            name: "FORWARDED_ALLOW_IPS",
            prefix: "",
            empty: Empty::Value,
        }),
        help: "Peers whose X-Forwarded-For and -Proto count: addresses, networks, or * for all",
        more: "Separated by commas, for example `10.0.0.0/8,::1`; empty trusts nobody. Peers on a unix socket are always trusted. \
               Use * only where nobody but the proxy can connect.",
        ..Definition::new("forwarded_allow_ips", Group::Proxies, Kind::Text)
    },
    Definition {
        long: Some("header-map"),
        value: "MODE",
        default: Some("drop"),
        help: "What happens to header names with an underscore",
        more: "WSGI and CGI cannot tell X_User from X-User, so a client could forge what a proxy sets. drop leaves them out, \
               refuse answers 400, dangerous passes them on.",
        ..Definition::new(
            "header_map",
            Group::Proxies,
            Kind::Choice(&["drop", "refuse", "dangerous"]),
        )
    },
];
