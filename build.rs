//! Tells the binary which Python it is built for, and lets it find that libpython also where it is not on the system's path.

use std::process::Command;

/// Version as `python --version` says it, and the flags of its ABI.
const FACTS: &str = "import sys; print(sys.version.split()[0], sys.abiflags)";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    pyo3_build_config::use_pyo3_cfgs();
    pyo3_build_config::add_libpython_rpath_link_args();
    let config = pyo3_build_config::get();
    if !config.shared() {
        // Extension modules find the C API in the program itself: all of it, also what the program does not use.
        println!("cargo:rustc-link-arg-bins=-Wl,--export-dynamic");
    }
    // A cross build has no interpreter that could be asked, nor one to fall back to.
    let executable = config.executable().unwrap_or_default();
    let (version, flags) =
        facts(executable).unwrap_or((config.version().to_string(), String::new()));
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo:rustc-env=RGUN_TARGET={target}");
    println!("cargo:rustc-env=RGUN_PYTHON={executable}");
    println!("cargo:rustc-env=RGUN_PYTHON_VERSION={version}");
    println!("cargo:rustc-env=RGUN_PYTHON_ABI_FLAGS={flags}");
}

fn facts(executable: &str) -> Option<(String, String)> {
    let arguments = ["-I", "-S", "-c", FACTS];
    let output = Command::new(executable).args(arguments).output().ok()?;
    let answer = String::from_utf8(output.stdout).ok()?;
    let (version, flags) = answer.trim_end_matches('\n').split_once(' ')?;
    Some((version.to_owned(), flags.to_owned()))
}
