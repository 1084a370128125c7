//! Settings of WebSocket connections.

use super::{Definition, Group, ValueType};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("ws"),
        value: "MODE",
        default: Some("auto"),
        help: "WebSocket for ASGI apps; off: a handshake is an ordinary GET request",
        ..Definition::new("ws", Group::WebSocket, ValueType::Choice(&["auto", "off"]))
    },
    Definition {
        long: Some("ws-max-size"),
        aliases: &["websocket-max-message-size"],
        value: "BYTES",
        default: Some("16m"),
        help: "The largest message from a client, decompressed (larger ones get close code 1009)",
        more: "0: no limit.",
        ..Definition::new(
            "websocket_max_message_size",
            Group::WebSocket,
            ValueType::Size,
        )
    },
    Definition {
        long: Some("ws-ping-interval"),
        value: "SECONDS",
        default: Some("20"),
        help: "How often a ping is sent on each WebSocket; 0: never",
        more: "It keeps proxies from closing idle connections, and finds clients that are gone.",
        ..Definition::new("ws_ping_interval", Group::WebSocket, ValueType::Duration)
    },
    Definition {
        long: Some("ws-ping-timeout"),
        value: "SECONDS",
        default: Some("20"),
        help: "How long after a ping a client may stay silent (close code 1011 after); 0: for ever",
        ..Definition::new("ws_ping_timeout", Group::WebSocket, ValueType::Duration)
    },
    Definition {
        long: Some("ws-per-message-deflate"),
        value: "MODE",
        default: Some("on"),
        help: "Compress messages for clients that offer permessage-deflate: on or off",
        more: "A connection keeps at most 4 KiB of what it sent, and as much as the client's window of what it received.",
        ..Definition::new(
            "ws_per_message_deflate",
            Group::WebSocket,
            ValueType::Choice(&["on", "off", "true", "false"]),
        )
    },
];
