//! Options that both uvicorn and granian have, and what to write instead.

use super::ForeignServer;

pub(super) const PROGRAM: ForeignServer = ForeignServer {
    verdict: "is uvicorn's and granian's",
    options: &[
        (
            "--ssl-keyfile-password",
            "decrypt the key with `openssl pkey`, and use `--keyfile FILE`",
        ),
        ("--no-reload", "leave it out"),
        ("--host", "use `-b HOST:PORT`"),
        ("--port", "use `-b HOST:PORT`"),
        ("--uds", "use `-b unix:PATH`"),
        (
            "--interface",
            "use `-k asgi` or `-k wsgi`; usually neither is needed",
        ),
        ("--http", "rgun has one HTTP implementation: leave it out"),
        ("--access-log", "use `--access-logfile -`"),
        (
            "--no-access-log",
            "there is none without `--access-logfile`: leave it out",
        ),
        ("--ssl-keyfile", "use `--keyfile FILE`"),
    ],
};
