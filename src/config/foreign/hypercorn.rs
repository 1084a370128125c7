//! hypercorn's options, and what to write instead.

use super::ForeignServer;

pub(super) const PROGRAM: ForeignServer = ForeignServer {
    verdict: "is hypercorn's",
    options: &[
        ("--debug", "use `--log-level debug`"),
        ("--error-log", "use `--error-logfile FILE`"),
        (
            "--keyfile-password",
            "decrypt the key with `openssl pkey`, and use `--keyfile FILE`",
        ),
        ("--verify-mode", "use `--cert-reqs MODE`"),
        ("--verify-flags", "let a proxy in front check revocation"),
        (
            "--server-name",
            "let the proxy in front, or the app (ALLOWED_HOSTS), check the host",
        ),
        ("--insecure-bind", "use `-b ADDRESS`"),
        ("--quic-bind", "let a proxy in front speak HTTP/3"),
        ("--read-timeout", "use `--body-timeout SECONDS`"),
        (
            "--websocket-ping-interval",
            "use `--ws-ping-interval SECONDS`",
        ),
    ],
};
