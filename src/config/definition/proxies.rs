//! Settings of proxies in front: which peers and header fields are trusted.

use super::{Definition, Empty, Group, ValueType, Variable};

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
        help: "Peers whose forwarding headers are trusted: addresses, networks, or * for all",
        more: "Separated by commas, for example `10.0.0.0/8,::1`; empty: no peer is trusted. Peers on a unix socket are always trusted. \
               Name every proxy of a chain: the client is the nearest address that is not one of them. Use * only if nothing \
               but the proxy can connect, and if it does not pass on what clients send.",
        ..Definition::new("forwarded_allow_ips", Group::Proxies, ValueType::List)
    },
    Definition {
        long: Some("forwarded-headers"),
        value: "NAMES",
        default: Some("x-forwarded-for,x-forwarded-proto"),
        help: "Which header fields of those peers are used",
        more: "Some of x-forwarded-for, x-forwarded-proto, x-forwarded-host, x-forwarded-port and x-forwarded-prefix; or \
               forwarded alone (RFC 7239: for, proto and host). Never both families: a proxy passes on what it does not know, \
               so a client could forge the other one. Name only what your proxy sets or removes itself; empty: none.",
        ..Definition::new("forwarded_headers", Group::Proxies, ValueType::List)
    },
    Definition {
        long: Some("secure-scheme-headers"),
        value: "NAME=VALUE,...",
        default: Some("X-Forwarded-Protocol=ssl,X-Forwarded-Proto=https,X-Forwarded-Ssl=on"),
        help: "Which header fields of those peers mean https, and with which value",
        more: "A field with another value means http; where two fields disagree the answer is 400. They are used as \
               x-forwarded-proto is in --forwarded-headers.",
        ..Definition::new("secure_scheme_headers", Group::Proxies, ValueType::Pairs)
    },
    Definition {
        long: Some("forwarder-headers"),
        value: "NAMES",
        default: Some(""),
        help: "Header names with an underscore that those peers may set, for example SCRIPT_NAME",
        more: "They are exempt from --header-map, and SCRIPT_NAME is the path where the app is mounted. gunicorn's default is \
               SCRIPT_NAME,PATH_INFO: name them only if your proxy sets or removes them itself (nginx removes them). * exempts \
               all names.",
        ..Definition::new("forwarder_headers", Group::Proxies, ValueType::List)
    },
    Definition {
        long: Some("header-map"),
        value: "MODE",
        default: Some("drop"),
        help: "What happens to header names with an underscore",
        more: "WSGI and CGI cannot distinguish X_User from X-User, so a client could forge what a proxy sets. drop leaves them out, \
               refuse answers 400, dangerous passes them on.",
        ..Definition::new(
            "header_map",
            Group::Proxies,
            ValueType::Choice(&["drop", "refuse", "dangerous"]),
        )
    },
    Definition {
        long: Some("proxy-protocol"),
        value: "MODE",
        default: Some("off"),
        bare: Some("auto"),
        help: "Connections of proxies begin with a PROXY header of that version",
        more: "The header is then required of the peers in --proxy-allow-from; a connection without a valid one is closed. The \
               client's address in it stands for the peer's own from there on, also for --forwarded-allow-ips. Without a value: \
               auto, either version.",
        ..Definition::new(
            "proxy_protocol",
            Group::Proxies,
            ValueType::Choice(&["off", "v1", "v2", "auto"]),
        )
    },
    Definition {
        long: Some("proxy-allow-from"),
        value: "PEERS",
        default: Some("127.0.0.1,::1"),
        help: "Peers that send a PROXY header, where that is on: addresses, networks, or * for all",
        more: "Peers on a unix socket always do. All others speak HTTP from the first byte, so health checks from elsewhere \
               work, and a PROXY header of theirs is answered 400.",
        ..Definition::new("proxy_allow_ips", Group::Proxies, ValueType::List)
    },
];
