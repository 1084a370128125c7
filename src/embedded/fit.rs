//! Checks that a Python and this binary match: same version, same ABI. The Python is chosen in `choice.rs`.
//!
//! The interpreter is the libpython that the dynamic linker found; the standard library and the installed packages are those of
//! the chosen executable. A binary built for one CPython 3.11.7 also runs with another libpython 3.11.2, silently, and
//! then with a standard library that is not its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cli::EntryError;
use crate::worker::python::loaded_version;

/// The facts that an executable reports about itself.
const FACTS: &str = "import os, sys; print(sys.implementation.name, sys.version.split()[0], sys.abiflags); print(os.path.dirname(getattr(os, '__file__', '')))";

/// Versions such as `3.11.7`; `3.11` from a cross build, which has no more.
struct Versions<'a> {
    built: &'a str,
    loaded: &'a str,
    chosen: &'a str,
}

/// Runs `python` once, before anything else is started; returns the directory of its standard library.
pub fn examine(python: &Path) -> Result<PathBuf, EntryError> {
    let InterpreterFacts {
        name,
        mut version,
        flags,
        library,
    } = facts(python, Linking::AsIs)?;
    let own_flags = env!("RGUN_PYTHON_ABI_FLAGS");
    if name != "cpython" || flags != own_flags {
        let kind = |name: &str, flags: &str| match flags {
            "" => name.to_owned(),
            _ => format!("{name} with the ABI flags {flags:?}"),
        };
        return Err(EntryError {
            message: format!(
                "{} is {}, but this binary is built for {}",
                python.display(),
                kind(&name, &flags),
                kind("cpython", own_flags)
            ),
            hint: Some(another(python)),
        });
    }
    let built = env!("RGUN_PYTHON_VERSION");
    let loaded = first_word(loaded_version());
    if loaded != built && loaded == version {
        // The whole Python was upgraded, or the variable that points this binary to another libpython affects that Python, too.
        if let Ok(own) = facts(python, Linking::Undisturbed) {
            version = own.version;
        }
    }
    let versions = Versions {
        built,
        loaded,
        chosen: &version,
    };
    compare(&versions, python)?;
    Ok(library)
}

fn compare(versions: &Versions<'_>, python: &Path) -> Result<(), EntryError> {
    let Versions {
        built,
        loaded,
        chosen,
    } = *versions;
    let library = || match library(&std::fs::read_to_string("/proc/self/maps").unwrap_or_default())
    {
        Some(path) => format!("the libpython that was loaded ({path})"),
        None => "its libpython".to_owned(),
    };
    if minor(loaded) != minor(built) {
        return Err(EntryError {
            message: format!(
                "this binary is built for CPython {built}, but {} is {loaded}",
                library()
            ),
            hint: Some("see LD_LIBRARY_PATH, LD_PRELOAD and ldconfig -p".to_owned()),
        });
    }
    if loaded == chosen {
        return Ok(());
    }
    let hint = if minor(chosen) == minor(built) {
        // Most often the system's libpython was found first.
        format!(
            "let the linker find the libpython of {} (LD_LIBRARY_PATH), or {}",
            python.display(),
            another(python)
        )
    } else {
        another(python)
    };
    Err(EntryError {
        message: format!(
            "{} is CPython {chosen}, but {} is {loaded}, and this binary is built for {built}",
            python.display(),
            library()
        ),
        hint: Some(hint),
    })
}

fn another(python: &Path) -> String {
    format!(
        "name another interpreter with --python, or build for this one: PYO3_PYTHON={} cargo build --release",
        python.display()
    )
}

/// How the dynamic linker is to look for libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Linking {
    AsIs,
    Undisturbed,
}

struct InterpreterFacts {
    /// Of the implementation.
    name: String,
    version: String,
    flags: String,
    library: PathBuf,
}

fn facts(python: &Path, linking: Linking) -> Result<InterpreterFacts, EntryError> {
    let refusal = |why: String| EntryError {
        message: format!("{} does not run: {why}", python.display()),
        hint: Some("--python takes the path of an interpreter".to_owned()),
    };
    let mut command = Command::new(python);
    if linking == Linking::Undisturbed {
        command
            .env_remove("LD_LIBRARY_PATH")
            .env_remove("LD_PRELOAD");
    }
    // Without `site` and the environment: only its facts are needed.
    command.args(["-I", "-S", "-c", FACTS]).stdin(Stdio::null());
    let output = command
        .output()
        .map_err(|error| refusal(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (line, library) = text.split_once('\n').unwrap_or_default();
    let mut words = line.split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some(name), Some(version), Some(flags)) if output.status.success() => {
            Ok(InterpreterFacts {
                name: name.to_owned(),
                version: version.to_owned(),
                flags: flags.to_owned(),
                library: library.trim_end_matches('\n').into(),
            })
        }
        _ => {
            let complaint = String::from_utf8_lossy(&output.stderr);
            let last = complaint.trim().lines().last().unwrap_or_default();
            Err(match last {
                "" => refusal(format!("not a Python ({})", output.status)),
                _ => refusal(format!("{} ({last})", output.status)),
            })
        }
    }
}

/// `3.11.7` of `3.11.7 (main, …) [GCC …]`.
pub fn first_word(version: &str) -> &str {
    version.split_whitespace().next().unwrap_or_default()
}

fn minor(version: &str) -> Vec<&str> {
    version.split('.').take(2).collect()
}

/// The file that the C API comes from, out of `/proc/self/maps`; `None`: it is part of the binary.
fn library(maps: &str) -> Option<&str> {
    maps.lines()
        .filter_map(|line| line.find('/').and_then(|at| line.get(at..)))
        .find(|path| {
            path.rsplit('/')
                .next()
                .is_some_and(|name| name.starts_with("libpython"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(built: &str, loaded: &str, chosen: &str) -> Result<(), String> {
        let versions = Versions {
            built,
            loaded,
            chosen,
        };
        compare(&versions, Path::new("/ve/bin/python"))
            .map_err(|r| format!("{} / {}", r.message, r.hint.unwrap_or_default()))
    }

    #[test]
    fn the_same_everywhere_fits() {
        assert_eq!(verdict("3.11.7", "3.11.7", "3.11.7"), Ok(()));
        assert_eq!(verdict("3.11", "3.11.7", "3.11.7"), Ok(()), "a cross build");
    }

    #[test]
    fn a_patch_release_of_the_whole_python_fits() {
        assert_eq!(verdict("3.11.2", "3.11.7", "3.11.7"), Ok(()));
    }

    #[test]
    fn a_libpython_of_another_patch_release_than_its_library_does_not() {
        let message = verdict("3.11.7", "3.11.2", "3.11.7").unwrap_err();
        assert!(
            message.contains("/ve/bin/python is CPython 3.11.7"),
            "{message}"
        );
        assert!(message.contains("is 3.11.2"), "{message}");
        assert!(message.contains("LD_LIBRARY_PATH"), "{message}");
    }

    #[test]
    fn another_minor_version_does_not() {
        let message = verdict("3.11.7", "3.11.7", "3.12.1").unwrap_err();
        assert!(
            message.contains("3.12.1") && message.contains("built for 3.11.7"),
            "{message}"
        );
        assert!(message.contains("PYO3_PYTHON=/ve/bin/python"), "{message}");
        let message = verdict("3.11.7", "3.12.1", "3.12.1").unwrap_err();
        assert!(message.contains("built for CPython 3.11.7"), "{message}");
        assert!(verdict("3.1.0", "3.11.0", "3.11.0").is_err());
    }

    #[test]
    fn the_library_is_found_among_the_mappings() {
        let maps = "7f00-7f01 r--p 00000000 08:01 1 /usr/lib/libc.so.6\n7f02-7f03 r-xp 0 08:01 2    /opt/py/lib/libpython3.11.so.1.0\n7f04-7f05 rw-p 0 0 0\n";
        assert_eq!(library(maps), Some("/opt/py/lib/libpython3.11.so.1.0"));
        assert_eq!(library("7f04-7f05 rw-p 0 0 0 [heap]\n"), None);
    }

    #[test]
    fn who_does_not_run_is_named() {
        let refusal = examine(Path::new("/nowhere/python")).unwrap_err();
        assert!(
            refusal.message.starts_with("/nowhere/python does not run"),
            "{refusal:?}"
        );
        let refusal = examine(Path::new("/bin/false")).unwrap_err();
        assert!(refusal.message.contains("exit status: 1"), "{refusal:?}");
    }
}
