//! granian's options, and what to write instead.

use super::ForeignServer;

pub(super) const PROGRAM: ForeignServer = ForeignServer {
    verdict: "is granian's",
    options: &[
        ("--ssl-protocol-min", "use `--tls-min-version 1.2` or `1.3`"),
        ("--ssl-ca", "use `--ca-certs FILE`"),
        ("--ssl-crl", "let a proxy in front check revocation"),
        (
            "--ssl-client-verify",
            "use `--cert-reqs required` with `--ca-certs FILE`",
        ),
        (
            "--http1-buffer-size",
            "use `--limit-request-field-size BYTES`",
        ),
        ("--http1-pipeline-flush", "leave it out"),
        ("--http2-adaptive-window", "leave it out"),
        ("--http2-initial-connection-window-size", "leave it out"),
        (
            "--http2-initial-stream-window-size",
            "use --http2-initial-window-size BYTES",
        ),
        ("--http2-keep-alive-interval", "leave it out"),
        ("--http2-keep-alive-timeout", "leave it out"),
        (
            "--http2-max-headers-size",
            "use --http2-max-header-list-size BYTES",
        ),
        ("--http2-max-send-buffer-size", "leave it out"),
        (
            "--blocking-threads-idle-timeout",
            "threads are kept: leave it out",
        ),
        (
            "--rss-sample-interval",
            "memory is measured automatically: leave it out",
        ),
        (
            "--rss-samples",
            "memory is measured automatically: leave it out",
        ),
        ("--static-path-expires", "use --static-max-age"),
        (
            "--static-path-dir-to-file",
            "write `index = true` in a table [[static]] of rgun.toml",
        ),
        (
            "--metrics-scrape-interval",
            "metrics are computed on request: leave it out",
        ),
        (
            "--reload-ignore-paths",
            "only `*.py`, loaded files and `--reload-extra-file` are watched: leave it out",
        ),
        (
            "--reload-ignore-worker-failure",
            "a reload that fails leaves the old workers serving: leave it out",
        ),
        ("--uds-permissions", "use `--umask`"),
        ("--working-dir", "use `--chdir DIR`"),
        (
            "--env-files",
            "use `-e KEY=VALUE`, or let the container or unit set the environment",
        ),
        (
            "--access-log-fmt",
            "use `--access-log-format FORMAT`, with gunicorn's names",
        ),
        ("--blocking-threads", "use `--threads N`"),
        (
            "--runtime-threads",
            "a worker needs no further threads: leave it out",
        ),
        (
            "--runtime-mode",
            "a worker needs no further threads: leave it out",
        ),
        (
            "--runtime-blocking-threads",
            "a worker needs no further threads: leave it out",
        ),
        ("--backpressure", "use `--limit-concurrency N`"),
        ("--task-impl", "requests are asyncio tasks: leave it out"),
        ("--http1-keep-alive", "use `--keep-alive SECONDS`"),
        ("--no-http1-keep-alive", "use `--keep-alive 0`"),
        (
            "--http1-header-read-timeout",
            "use `--header-timeout SECONDS`",
        ),
        ("--url-path-prefix", "use `--root-path PATH`"),
        (
            "--respawn-failed-workers",
            "workers are always replaced: leave it out",
        ),
        (
            "--respawn-interval",
            "a reload waits until the new workers are ready: leave it out",
        ),
        ("--workers-kill-timeout", "use `--graceful-timeout SECONDS`"),
        ("--pid-file", "use `--pid FILE`"),
        ("--log", "use `--log-level LEVEL`"),
        ("--no-log", "use `--error-logfile /dev/null`"),
        ("--no-http2", "use --http2 off"),
        ("--ssl-certificate", "use `--certfile FILE`"),
        ("--static-path-mount", "use --static ROUTE=DIR"),
        ("--static-path-route", "use --static ROUTE=DIR"),
        ("--metrics", "use `--admin-bind ADDRESS`"),
        ("--metrics-port", "use `--admin-bind ADDRESS`"),
        ("--metrics-address", "use `--admin-bind ADDRESS`"),
        ("--workers-lifetime", "use `--max-worker-lifetime SECONDS`"),
        ("--workers-max-rss", "use `--max-worker-memory BYTES`"),
        ("--process-name", "use `--name NAME`"),
        ("--no-ws", "use `--ws off`"),
        ("--reload-paths", "use `--reload-extra-file FILE`"),
        (
            "--reload-ignore-dirs",
            "hidden directories, node_modules and virtual environments are ignored: leave it out",
        ),
        (
            "--reload-ignore-patterns",
            "only `*.py`, loaded files and `--reload-extra-file` are watched: leave it out",
        ),
        ("--reload-tick", "a save is detected at once: leave it out"),
    ],
};
