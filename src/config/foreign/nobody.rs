//! Options that no server has but that are often typed, and what to write instead.

use super::ForeignServer;

pub(super) const PROGRAM: ForeignServer = ForeignServer {
    verdict: "is not an option",
    options: &[
        ("--keepalive", "use `--keep-alive SECONDS`"),
        ("--pidfile", "use `--pid FILE`"),
    ],
};
