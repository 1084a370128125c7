//! Settings of HTTP/2.

use super::{Definition, Group, ValueType};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("http2"),
        value: "MODE",
        default: Some("auto"),
        help: "HTTP/2: auto if negotiated by TLS (ALPN), prior-knowledge also without TLS, off never",
        more: "`prior-knowledge` is for proxies that speak HTTP/2 to the server, and for clients such as `curl \
               --http2-prior-knowledge`: a connection that begins with the preface of HTTP/2 speaks it. Without TLS there is no \
               upgrade from HTTP/1.1 (RFC 9113 §3.1 has none).",
        ..Definition::new(
            "http2",
            Group::Http2,
            ValueType::Choice(&["auto", "off", "prior-knowledge"]),
        )
    },
    Definition {
        long: Some("http-protocols"),
        value: "PROTOCOLS",
        help: "gunicorn's spelling of it: h1, or h2 and h1 separated by commas",
        more: "`--http2` takes precedence. HTTP/1.1 is always supported.",
        ..Definition::new("http_protocols", Group::Http2, ValueType::List)
    },
    Definition {
        long: Some("http2-cleartext"),
        value: "MODE",
        default: Some("off"),
        help: "gunicorn's spelling of HTTP/2 without TLS: off or prior-knowledge",
        more: "`--http2` takes precedence. gunicorn's `upgrade` and `both` are not supported.",
        ..Definition::new("http2_cleartext", Group::Http2, ValueType::Text)
    },
    Definition {
        long: Some("http2-max-concurrent-streams"),
        value: "N",
        default: Some("100"),
        help: "The most requests that a client may have in flight on one HTTP/2 connection",
        ..Definition::new(
            "http2_max_concurrent_streams",
            Group::Http2,
            ValueType::Number,
        )
    },
    Definition {
        long: Some("http2-initial-window-size"),
        value: "BYTES",
        default: Some("64k"),
        help: "What a client may send of the body of one HTTP/2 request before the app reads it",
        more: "All bodies of a connection together may be 1m, or this if it is more.",
        ..Definition::new("http2_initial_window_size", Group::Http2, ValueType::Size)
    },
    Definition {
        long: Some("http2-max-frame-size"),
        value: "BYTES",
        default: Some("16k"),
        help: "The largest HTTP/2 frame that is accepted, from 16384 to 16777215",
        ..Definition::new("http2_max_frame_size", Group::Http2, ValueType::Size)
    },
    Definition {
        long: Some("http2-max-header-list-size"),
        value: "BYTES",
        default: Some("64k"),
        help: "The most bytes that the header fields of one HTTP/2 request may have, decompressed; 0: 1m",
        more: "`--limit-request-fields` and `--limit-request-field-size` apply as well.",
        ..Definition::new("http2_max_header_list_size", Group::Http2, ValueType::Size)
    },
];
