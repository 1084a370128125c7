//! Settings that only gunicorn has: understood wherever a setting may stand, so that nothing else has to change first.

use super::{Definition, Group, Occurs, Support, ValueType};

const fn switch(name: &'static str, long: &'static str, support: Support) -> Definition {
    Definition {
        long: Some(long),
        default: Some("false"),
        support,
        ..Definition::new(name, Group::Process, ValueType::Switch)
    }
}

const fn value(
    name: &'static str,
    long: &'static str,
    default: Option<&'static str>,
    support: Support,
) -> Definition {
    Definition {
        long: Some(long),
        value: "VALUE",
        default,
        support,
        ..Definition::new(name, Group::Process, ValueType::Text)
    }
}

/// Without an option: in a configuration file only.
const fn in_file(name: &'static str, support: Support) -> Definition {
    Definition {
        value: "VALUE",
        support,
        ..Definition::new(name, Group::Process, ValueType::Text)
    }
}

const MODULE: Support = Support::Refused("make a module that loads the app, and name that");
const QUEUE: Support = Support::Refused("use a task queue");
const PROXIES: Support = Support::Refused("proxies read such requests differently");
const STRICT: Support = Support::Refused("leave it out");
const DIRTY: Support = Support::Idle("there are no dirty workers");
const SSL_CONTEXT: Support = Support::Part("without `certfile` it is never called");

pub(super) const SETTINGS: &[Definition] = &[
    value(
        "worker_connections",
        "worker-connections",
        Some("1000"),
        Support::Idle("use `--limit-concurrency N` to bound the requests in a worker"),
    ),
    switch(
        "spew",
        "spew",
        Support::Refused("use a debugger or a profiler"),
    ),
    in_file(
        "tmp_upload_dir",
        Support::Idle("`worker_tmp_dir` is the directory of large uploads"),
    ),
    in_file(
        "default_proc_name",
        Support::Idle("`proc_name` is the one to set"),
    ),
    value(
        "http_parser",
        "http-parser",
        Some("auto"),
        Support::Idle("rgun has one HTTP implementation"),
    ),
    value(
        "asgi_disconnect_grace_period",
        "asgi-disconnect-grace-period",
        Some("3"),
        Support::Idle("an app that was notified of a disconnect ends by itself"),
    ),
    value(
        "control_socket_mode",
        "control-socket-mode",
        None,
        Support::Idle("the control socket is always for the server's own user and root alone"),
    ),
    value(
        "protocol",
        "protocol",
        Some("http"),
        Support::Refused("let the proxy speak HTTP: in nginx `proxy_pass` instead of `uwsgi_pass`"),
    ),
    value(
        "uwsgi_allow_ips",
        "uwsgi-allow-from",
        None,
        Support::Idle("rgun does not speak the uwsgi protocol"),
    ),
    Definition {
        aliases: &["paster"],
        ..value("paste", "paste", None, MODULE)
    },
    Definition {
        occurs: Occurs::Repeatedly,
        ..value("raw_paste_global_conf", "paste-global", None, MODULE)
    },
    switch(
        "permit_obsolete_folding",
        "permit-obsolete-folding",
        PROXIES,
    ),
    switch("strip_header_spaces", "strip-header-spaces", PROXIES),
    switch(
        "permit_unconventional_http_method",
        "permit-unconventional-http-method",
        STRICT,
    ),
    switch(
        "permit_unconventional_http_version",
        "permit-unconventional-http-version",
        STRICT,
    ),
    switch(
        "casefold_http_method",
        "casefold-http-method",
        Support::Refused("methods are case-sensitive"),
    ),
    Definition {
        occurs: Occurs::Repeatedly,
        ..value("dirty_apps", "dirty-app", None, QUEUE)
    },
    value("dirty_workers", "dirty-workers", Some("0"), QUEUE),
    value("dirty_timeout", "dirty-timeout", Some("300"), DIRTY),
    value("dirty_threads", "dirty-threads", Some("1"), DIRTY),
    value(
        "dirty_graceful_timeout",
        "dirty-graceful-timeout",
        Some("30"),
        DIRTY,
    ),
    in_file("on_dirty_starting", DIRTY),
    in_file("dirty_post_fork", DIRTY),
    in_file("dirty_worker_init", DIRTY),
    in_file("dirty_worker_exit", DIRTY),
    in_file("ssl_context", SSL_CONTEXT),
    Definition {
        default: Some("true"),
        ..switch(
            "suppress_ragged_eofs",
            "suppress-ragged-eofs",
            Support::Idle("a client that leaves without closing TLS is no error"),
        )
    },
    switch(
        "do_handshake_on_connect",
        "do-handshake-on-connect",
        Support::Idle("handshakes hold up no other connection"),
    ),
];
