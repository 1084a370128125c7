//! Settings that bound what a client may send and how long it may take.

use super::{Definition, Empty, Group, ValueType, Variable};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("keep-alive"),
        value: "SECONDS",
        default: Some("75"),
        help: "How long an idle connection stays open; 0 closes after each response",
        more: "Keep it longer than the proxy's own (nginx and most load balancers: 60 s), or the proxy will now and then send a \
               request into a connection that is just being closed.",
        ..Definition::new("keepalive", Group::Clients, ValueType::Duration)
    },
    Definition {
        long: Some("first-byte-timeout"),
        value: "SECONDS",
        default: Some("10"),
        help: "How long a new connection may stay silent",
        ..Definition::new("first_byte_timeout", Group::Clients, ValueType::Duration)
    },
    Definition {
        long: Some("header-timeout"),
        value: "SECONDS",
        default: Some("10"),
        help: "How long a request's head may take from its first byte",
        ..Definition::new("header_timeout", Group::Clients, ValueType::Duration)
    },
    Definition {
        long: Some("body-timeout"),
        value: "SECONDS",
        default: Some("30"),
        help: "How long a request's body may stand still while the app waits for it",
        ..Definition::new("body_timeout", Group::Clients, ValueType::Duration)
    },
    Definition {
        long: Some("body-min-rate"),
        value: "BYTES",
        default: Some("100"),
        help: "What a request's body must bring in a second while the app waits for it; 0 for no such limit",
        more: "It counts on average, and not before the app has waited four times --body-timeout: a slow start is accepted, \
               a client that sends a byte now and then for hours gets 408.",
        ..Definition::new("body_min_rate", Group::Clients, ValueType::Size)
    },
    Definition {
        long: Some("write-timeout"),
        value: "SECONDS",
        default: Some("30"),
        help: "Close the connection if the client reads nothing for this long",
        ..Definition::new("write_timeout", Group::Clients, ValueType::Duration)
    },
    Definition {
        long: Some("limit-request-line"),
        value: "BYTES",
        default: Some("8190"),
        help: "The longest request line (longer ones get 414); 0 for the most that rgun allows, 1 MiB",
        ..Definition::new("limit_request_line", Group::Clients, ValueType::Size)
    },
    Definition {
        long: Some("limit-request-fields"),
        value: "N",
        default: Some("100"),
        help: "The most header fields (more get 431)",
        ..Definition::new("limit_request_fields", Group::Clients, ValueType::Number)
    },
    Definition {
        long: Some("limit-request-field-size"),
        aliases: &["limit-request-field_size"],
        value: "BYTES",
        default: Some("8190"),
        help: "The longest header field (longer ones get 431); 0 for the most that rgun allows, 1 MiB",
        ..Definition::new("limit_request_field_size", Group::Clients, ValueType::Size)
    },
    Definition {
        long: Some("limit-request-body"),
        value: "BYTES",
        help: "The largest request body (larger ones get 413), for example 20m; 0 or absent: any size",
        ..Definition::new("limit_request_body", Group::Clients, ValueType::Size)
    },
    Definition {
        long: Some("limit-concurrency"),
        value: "N",
        help: "The most requests in flight in one worker (more get 503); 0 or absent: any number",
        ..Definition::new("limit_concurrency", Group::Clients, ValueType::Number)
    },
    Definition {
        long: Some("no-sendfile"),
        default: Some("true"),
        bare: Some("false"),
        variable: Some(Variable {
            name: "SENDFILE",
            prefix: "",
            empty: Empty::Unset,
        }),
        help: "Do not have the kernel send the files of a WSGI app's wsgi.file_wrapper",
        ..Definition::new("sendfile", Group::Clients, ValueType::Switch)
    },
    Definition {
        long: Some("no-server-header"),
        default: Some("true"),
        bare: Some("false"),
        help: "Do not add \"server: rgun\" to responses; the app's own Server header is always sent as it is",
        ..Definition::new("server_header", Group::Clients, ValueType::Switch)
    },
    Definition {
        long: Some("pathsend"),
        help: "Advertise ASGI's http.response.pathsend, with which an app names a file and the kernel sends it",
        more: "Starlette's FileResponse uses it where it is advertised. Middleware that is not written for it (brotli-asgi 1.7, for \
               example) loses such a response: switch it on when nothing between the app and the server changes responses.",
        ..Definition::new("pathsend", Group::Clients, ValueType::Switch)
    },
];
