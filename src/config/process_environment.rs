//! The inputs of resolution from the process: variables, working directory, CPUs. Read once, so that resolving is a function.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::cpus::{CpuFiles, cpus};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessEnvironment {
    /// Those that are Unicode; no setting has another value.
    pub variables: BTreeMap<String, String>,
    /// Where relative paths start.
    pub directory: PathBuf,
    /// What `--workers auto` means.
    pub cpus: u32,
}

impl ProcessEnvironment {
    #[must_use]
    pub fn of_this_process() -> ProcessEnvironment {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        // A deleted working directory has no name; relative paths then fail with a message of their own.
        let directory = start_directory();
        ProcessEnvironment {
            variables,
            directory,
            cpus: cpus_now(),
        }
    }

    /// With the CPUs of this moment: the quota of a control group can be changed while its processes run.
    #[must_use]
    pub fn renewed(&self) -> ProcessEnvironment {
        ProcessEnvironment {
            cpus: cpus_now(),
            ..self.clone()
        }
    }
}

/// The CPUs that this process may use at this moment.
#[must_use]
pub fn cpus_now() -> u32 {
    cpus(&Kernel)
}

/// The working directory as the shell names it (`$PWD`, if it is valid), so that a symbolic link in the path is followed
/// anew by each generation.
#[must_use]
pub fn start_directory() -> PathBuf {
    let physical = env::current_dir().unwrap_or_default();
    let place = |path: &Path| {
        fs::metadata(path)
            .map(|found| (found.dev(), found.ino()))
            .ok()
    };
    match env::var_os("PWD").map(PathBuf::from) {
        Some(named)
            if named.is_absolute()
                && place(&named).is_some()
                && place(&named) == place(&physical) =>
        {
            named
        }
        _ => physical,
    }
}

struct Kernel;

impl CpuFiles for Kernel {
    fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(path).ok()
    }

    fn affinity(&self) -> usize {
        crate::sys::cpus::affinity()
    }
}
