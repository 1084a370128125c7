//! Settings of the compression of the app's responses.

use super::{Definition, Group, ValueType};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("compress"),
        value: "CODINGS",
        help: "Compress responses of the app with these codings, of gzip and zstd; off by default",
        more: "By the client's `Accept-Encoding`, zstd if both have the same weight. Each piece that the app sends goes out at once. Not \
               compressed are responses with `Content-Encoding`, `Set-Cookie`, `Cache-Control: no-transform`, ranges or digests, requests with \
               `Range`, `Authorization` or `Cookie`, and files.",
        ..Definition::new("compress", Group::Compression, ValueType::List)
    },
    Definition {
        long: Some("compress-level"),
        value: "LEVEL",
        default: Some("4"),
        help: "From 1, the fastest, to 9, the smallest result",
        ..Definition::new("compress_level", Group::Compression, ValueType::Number)
    },
    Definition {
        long: Some("compress-min-size"),
        value: "BYTES",
        default: Some("1024"),
        help: "Responses that are known to be shorter are not compressed",
        ..Definition::new("compress_min_size", Group::Compression, ValueType::Size)
    },
    Definition {
        long: Some("compress-types"),
        value: "TYPES",
        default: Some(
            "text/*,application/json,application/*+json,application/javascript,application/xml,application/*+xml,application/wasm,image/svg+xml",
        ),
        help: "Media types that are compressed; * stands for any characters",
        ..Definition::new("compress_types", Group::Compression, ValueType::List)
    },
    Definition {
        long: Some("compress-credentials"),
        help: "Also compress responses to requests with Authorization or Cookie (see BREACH), padded",
        more: "Where a response holds a secret beside text that an attacker chooses, its compressed length leaks the secret over TLS. Up to \
               100 random bytes are added to these responses, which makes that slower and not impossible.",
        ..Definition::new(
            "compress_credentials",
            Group::Compression,
            ValueType::Switch,
        )
    },
];
