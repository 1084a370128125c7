//! Options that no server has, but that people write. With what to write instead; it explains, and changes nothing.

use super::Program;

pub(super) const PROGRAM: Program = Program {
    verdict: "is not an option",
    options: &[
        ("--keepalive", "use `--keep-alive SECONDS`"),
        ("--pidfile", "use `--pid FILE`"),
    ],
};
