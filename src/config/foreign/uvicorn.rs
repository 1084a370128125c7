//! uvicorn's options, and what to write instead.

use super::ForeignServer;

pub(super) const PROGRAM: ForeignServer = ForeignServer {
    verdict: "is uvicorn's",
    options: &[
        ("--ssl-cert-reqs", "use `--cert-reqs MODE`"),
        ("--ssl-ca-certs", "use `--ca-certs FILE`"),
        ("--ssl-ciphers", "use `--ciphers SUITES`"),
        ("--no-factory", "leave it out"),
        (
            "--no-ws-per-message-deflate",
            "use `--ws-per-message-deflate false`",
        ),
        ("--fd", "use `-b fd://N`"),
        ("--app-dir", "use `--pythonpath DIR` or `--chdir DIR`"),
        (
            "--env-file",
            "use `-e KEY=VALUE`, or let the container or unit set the environment",
        ),
        ("--timeout-keep-alive", "use `--keep-alive SECONDS`"),
        (
            "--timeout-graceful-shutdown",
            "use `--graceful-timeout SECONDS`",
        ),
        ("--timeout-worker-healthcheck", "use `--timeout SECONDS`"),
        ("--limit-max-requests", "use `--max-requests N`"),
        (
            "--proxy-headers",
            "they are always read, from the peers of `--forwarded-allow-ips`: leave it out",
        ),
        ("--no-proxy-headers", "use `--forwarded-allow-ips \"\"`"),
        (
            "--use-colors",
            "messages are coloured on a terminal; the variable NO_COLOR switches it off",
        ),
        ("--no-use-colors", "set the variable NO_COLOR"),
        (
            "--h11-max-incomplete-event-size",
            "use `--limit-request-field-size BYTES`",
        ),
        ("--ssl-certfile", "use `--certfile FILE`"),
        (
            "--ws-max-queue",
            "messages are read as the app takes them: leave it out",
        ),
        (
            "--limit-max-requests-jitter",
            "use `--max-requests-jitter N`",
        ),
        ("--server-header", "there is one by default: leave it out"),
        ("--no-date-header", "HTTP requires one: leave it out"),
        ("--date-header", "there always is one: leave it out"),
        ("--header", "let the app or a proxy in front set it"),
        ("--reload-dir", "use `--reload-extra-file FILE`"),
        ("--reload-include", "use `--reload-extra-file FILE`"),
        (
            "--reload-exclude",
            "hidden directories, node_modules and virtual environments are ignored: leave it out",
        ),
        ("--reload-delay", "a save is detected at once: leave it out"),
    ],
};
