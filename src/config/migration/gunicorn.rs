//! gunicorn's settings (27.0), and how rgun's differ from each. Those without effect are in `definition/gunicorn.rs`.

/// How a setting compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Like {
    Same,
    /// rgun has it, with this difference.
    But(&'static str),
    /// rgun has no such setting: a hook, or not implemented yet.
    Not(&'static str),
}

use Like::{But, Not, Same};

const WORKER_HOOK: Like = Not("the same");
const SIDE_HOOK: Like = Not("the same: runs in the process that workers are forked from");

pub const SETTINGS: [(&str, Like); 120] = [
    (
        "config",
        But(
            "the same; also `rgun.toml` and `[tool.rgun]` in `pyproject.toml`. The file runs in a process of its own",
        ),
    ),
    ("wsgi_app", Same),
    (
        "bind",
        But(
            "the same, but for abstract unix sockets; also `fd://NAME` for a socket that systemd named. `HUP` opens and closes addresses as the file has them",
        ),
    ),
    ("backlog", Same),
    (
        "workers",
        But(
            "the same; also `auto`, one per available CPU, and a range that follows the load, `2..8`",
        ),
    ),
    (
        "worker_class",
        But(
            "`auto` by default; `sync` and `gthread` are WSGI, `asgi` and uvicorn's classes (also subclasses, with their \
             `CONFIG_KWARGS`) are ASGI; `gevent`, `eventlet` and `tornado` are refused",
        ),
    ),
    (
        "threads",
        But(
            "application threads of a WSGI worker; fewer are needed, because none waits for a client",
        ),
    ),
    ("worker_connections", Same),
    (
        "max_requests",
        But("the same; the replacement is ready before the worker goes"),
    ),
    ("max_requests_jitter", Same),
    (
        "timeout",
        But("the same for all kinds of workers; the Python stacks are logged before the kill"),
    ),
    ("graceful_timeout", But("the same; also units, as in `2m`")),
    ("keepalive", But("75 s by default")),
    ("limit_request_line", But("8190 by default; 0 is 1 MiB")),
    ("limit_request_fields", Same),
    ("limit_request_field_size", But("the same; 0 is 1 MiB")),
    ("reload", Same),
    ("reload_engine", Same),
    ("reload_extra_files", Same),
    ("spew", Same),
    ("check_config", Same),
    (
        "print_config",
        But("in the form of a TOML file, with the source of each value"),
    ),
    ("preload_app", Same),
    (
        "sendfile",
        But("the same, but `sendfile = True` in a file does switch it on"),
    ),
    ("reuse_port", Same),
    ("chdir", But("the same; looked up again for each reload")),
    (
        "daemon",
        But("the same; the caller waits until the server is up"),
    ),
    ("raw_env", Same),
    ("pidfile", Same),
    (
        "worker_tmp_dir",
        But("where large uploads wait; heartbeats need no directory"),
    ),
    ("user", But("the workers' alone; the master keeps its own")),
    ("group", But("the workers' alone; the master keeps its own")),
    (
        "umask",
        But("for unix sockets alone; `os.umask` in the file counts for the workers"),
    ),
    ("initgroups", Same),
    ("tmp_upload_dir", Same),
    ("secure_scheme_headers", Same),
    (
        "forwarded_allow_ips",
        But(
            "the same; the client's address is then taken from `X-Forwarded-For`, too (`--forwarded-headers`)",
        ),
    ),
    ("accesslog", Same),
    ("disable_redirect_access_to_syslog", Same),
    ("access_log_format", Same),
    ("errorlog", Same),
    ("loglevel", Same),
    ("capture_output", Same),
    (
        "logger_class",
        But(
            "gunicorn's own, and classes made of it that only set `error_fmt`, `datefmt`, `access_fmt` or `syslog_fmt`; one that overrides methods is refused: let `post_fork` or the app give `gunicorn.access` its filter, formatter or handler",
        ),
    ),
    (
        "logconfig",
        But("configures Python's logging in the workers"),
    ),
    (
        "logconfig_dict",
        But("configures Python's logging in the workers"),
    ),
    (
        "logconfig_json",
        But("configures Python's logging in the workers"),
    ),
    ("syslog_addr", Same),
    ("syslog", Same),
    ("syslog_prefix", Same),
    ("syslog_facility", Same),
    ("enable_stdio_inheritance", Same),
    ("statsd_host", Same),
    ("dogstatsd_tags", Same),
    ("statsd_prefix", Same),
    ("enable_backlog_metric", Same),
    ("proc_name", Same),
    ("default_proc_name", Same),
    ("pythonpath", Same),
    ("paste", Same),
    ("on_starting", SIDE_HOOK),
    ("on_reload", SIDE_HOOK),
    ("when_ready", SIDE_HOOK),
    (
        "pre_fork",
        Not("the same: runs in the process that workers are forked from"),
    ),
    ("post_fork", WORKER_HOOK),
    ("post_worker_init", WORKER_HOOK),
    ("worker_int", WORKER_HOOK),
    ("worker_abort", WORKER_HOOK),
    (
        "pre_exec",
        Not(
            "called when an upgrade in place begins, in the process that workers are forked from; the upgrade does not wait for it",
        ),
    ),
    ("pre_request", WORKER_HOOK),
    ("post_request", WORKER_HOOK),
    ("child_exit", SIDE_HOOK),
    ("worker_exit", WORKER_HOOK),
    ("nworkers_changed", SIDE_HOOK),
    ("on_exit", SIDE_HOOK),
    (
        "ssl_context",
        But(
            "called when the file names a `certfile`: verify mode, minimum version and ciphers of the context are used, any other change (another certificate, curves, ALPN) is an error",
        ),
    ),
    (
        "proxy_protocol",
        But("the same; the header is then required of the peers in `--proxy-allow-from`"),
    ),
    ("proxy_allow_ips", Same),
    ("protocol", Same),
    ("uwsgi_allow_ips", Same),
    ("keyfile", But("the same; may be repeated")),
    (
        "certfile",
        But(
            "the same; may be repeated (SNI). All TCP binds then speak TLS, but those that end in `,plain`; renewed files are loaded without a restart",
        ),
    ),
    (
        "ssl_version",
        But("the oldest version that is accepted, of 1.2 and 1.3; also `--tls-min-version`"),
    ),
    ("cert_reqs", Same),
    ("ca_certs", Same),
    ("suppress_ragged_eofs", Same),
    ("do_handshake_on_connect", Same),
    (
        "ciphers",
        But("the same, as far as rustls has the suites: one that it does not have is an error"),
    ),
    (
        "http_protocols",
        But("the same where it is set; without it HTTP/2 is on with TLS, see `--http2`"),
    ),
    (
        "http2_cleartext",
        But("`prior-knowledge` of any peer; `upgrade` and `both` are refused"),
    ),
    ("http2_max_concurrent_streams", Same),
    ("http2_initial_window_size", Same),
    ("http2_max_frame_size", Same),
    (
        "http2_max_header_list_size",
        But("the same, and 1 MiB at the most"),
    ),
    ("raw_paste_global_conf", Same),
    ("permit_obsolete_folding", Same),
    ("strip_header_spaces", Same),
    ("permit_unconventional_http_method", Same),
    ("permit_unconventional_http_version", Same),
    ("casefold_http_method", Same),
    (
        "forwarder_headers",
        But("none by default: name `SCRIPT_NAME,PATH_INFO` if your proxy sets or removes them"),
    ),
    ("header_map", Same),
    ("asgi_loop", But("the same; also `--loop`")),
    ("asgi_lifespan", But("the same; also `--lifespan`")),
    ("asgi_disconnect_grace_period", Same),
    (
        "websocket_max_message_size",
        But("the same; also `--ws-max-size`"),
    ),
    ("http_parser", Same),
    ("root_path", But("the same; also WSGI's SCRIPT_NAME")),
    ("dirty_apps", Same),
    ("dirty_workers", Same),
    ("dirty_timeout", Same),
    ("dirty_threads", Same),
    ("dirty_graceful_timeout", Same),
    ("on_dirty_starting", Same),
    ("dirty_post_fork", Same),
    ("dirty_worker_init", Same),
    ("dirty_worker_exit", Same),
    (
        "control_socket",
        But(
            "for `rgun ctl`, at `$RUNTIME_DIRECTORY/rgun.ctl`, `$XDG_RUNTIME_DIR/rgun-NAME.ctl` or `/tmp/rgun-UID/rgun-NAME.ctl` by default",
        ),
    ),
    ("control_socket_mode", Same),
    ("control_socket_disable", Same),
];

/// Whether gunicorn calls a function of that name in its configuration file.
pub fn is_hook(name: &str) -> bool {
    const OTHERS: [&str; 2] = ["pre_fork", "pre_exec"];
    OTHERS.contains(&name)
        || SETTINGS.iter().any(|(setting, verdict)| {
            *setting == name && [SIDE_HOOK, WORKER_HOOK].contains(verdict)
        })
}
