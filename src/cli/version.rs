//! What `--version` prints: one line, or all that a report of a bug needs.

use std::fmt::Write;

use super::EntryPoint;
use crate::sys::kernel;

/// From the environment of the build; absent in builds from a checkout.
const COMMIT: Option<&str> = option_env!("RGUN_COMMIT");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VersionDetail {
    Short,
    /// With commit and platform.
    Full,
}

pub(super) fn text(entry: &dyn EntryPoint, detail: VersionDetail) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = match entry.interpreter().as_str() {
        "" => format!("rgun {version}\n"),
        interpreter => format!("rgun {version} ({interpreter})\n"),
    };
    if detail == VersionDetail::Short {
        return text;
    }
    let python = entry.python(None).map_or_else(
        |error| error.message,
        |executable| executable.display().to_string(),
    );
    for (name, value) in [
        ("commit", COMMIT.unwrap_or("not recorded in this build")),
        ("built for", env!("RGUN_TARGET")),
        ("python", &python),
        ("kernel", &kernel::release()),
    ] {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{name}: {value}");
    }
    text
}
