//! Settings of the access log, and of the ids of requests.

use super::{Definition, Group, Occurs, ValueType};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("access-logfile"),
        value: "FILE",
        help: "Where a line for each request goes: a file, or - for standard output; absent: nowhere",
        ..Definition::new("accesslog", Group::Logs, ValueType::Path)
    },
    Definition {
        long: Some("access-log-format"),
        aliases: &["access-logformat"],
        value: "FORMAT",
        default: Some(r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#),
        help: "The format of those lines, as with gunicorn, or json, or logfmt",
        more: "h client, l a dash, u user, t time, r request line, m method, U path, q query, H protocol, s status, b and B bytes of \
               the response's body, f referer, a user agent, T seconds, M milliseconds, D microseconds, L decimal seconds, p \
               process, {name}i a field of the request, {name}o of the response, {name}e of the WSGI environ as it is when the \
               response ends (ASGI: REQUEST_METHOD, RAW_URI, PATH_INFO, QUERY_STRING, SERVER_PROTOCOL, REMOTE_ADDR and HTTP_…). A \
               missing value is a dash. Quotes, backslashes and what is not printable ASCII are escaped.",
        ..Definition::new("access_log_format", Group::Logs, ValueType::Text)
    },
    Definition {
        long: Some("access-log-sample"),
        value: "SHARE",
        default: Some("1"),
        help: "The share of requests that have a line, such as 0.1 or 10%; those with a 5xx always have",
        ..Definition::new("access_log_sample", Group::Logs, ValueType::Text)
    },
    Definition {
        long: Some("access-log-exclude"),
        value: "PATHS",
        occurs: Occurs::Repeatedly,
        help: "Paths that have no lines, such as /healthz,/static/*; may be repeated",
        ..Definition::new("access_log_exclude", Group::Logs, ValueType::Text)
    },
    Definition {
        long: Some("request-id"),
        help: "Each request has an id: the client's own if it is valid, else a new one",
        more: "It is in the request's X-Request-ID as the app sees it, in the response unless the app has set its own, in messages \
               about the request, and in the access log as JSON or by `%({x-request-id}i)s`. An id of a client is valid if it has up to \
               128 letters, digits and `-_.:;,=+/@~#`.",
        ..Definition::new("request_id", Group::Logs, ValueType::Switch)
    },
    Definition {
        long: Some("request-id-header"),
        value: "NAME",
        default: Some("X-Request-ID"),
        help: "The header field that carries the id",
        ..Definition::new("request_id_header", Group::Logs, ValueType::Text)
    },
];
