//! The kernel that runs this process.

/// As `uname -srm` prints it; empty if it is not known.
#[must_use]
pub fn release() -> String {
    nix::sys::utsname::uname().map_or_else(
        |_| String::new(),
        |names| {
            let parts = [names.sysname(), names.release(), names.machine()];
            parts.map(|part| part.to_string_lossy()).join(" ")
        },
    )
}
