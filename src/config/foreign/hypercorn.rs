//! hypercorn's options. What to write instead; it explains, and changes nothing.

use super::Program;

pub(super) const PROGRAM: Program = Program {
    verdict: "is hypercorn's",
    options: &[
        ("--debug", "use `--log-level debug`"),
        ("--error-log", "use `--error-logfile FILE`"),
        ("--keyfile-password", "let a proxy in front do TLS"),
        ("--verify-mode", "let a proxy in front do TLS"),
        ("--verify-flags", "let a proxy in front do TLS"),
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
