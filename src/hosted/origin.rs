//! Where a hosted master was started from: the console script, looked up again for an upgrade, and the interpreter that it became.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use pyo3::prelude::*;

use crate::master::Launch;

/// As `_hosted.py` and `__main__.py` have them.
const SCRIPT_VARIABLE: &str = "__RGUN_SCRIPT";
const PATH_VARIABLE: &str = "__RGUN_PATH";
/// The console script.
const SCRIPT: &str = "rgun";
/// `python -m rgun`
const MODULE: &str = "__main__.py";

#[derive(Debug)]
pub struct HostedOrigin {
    /// `sys.argv[0]`.
    script: PathBuf,
    /// `_hosted.py`, as Python runs it.
    hosted: OsString,
    /// Of the interpreter, among them `-S`.
    flags: Vec<OsString>,
    /// What a launcher has made of `sys.path`.
    path: Option<String>,
    arguments: Vec<OsString>,
}

impl HostedOrigin {
    pub fn of_this_process(py: Python<'_>, arguments: Vec<OsString>) -> Self {
        let sys = py.import("sys").ok();
        let of_sys = |name| sys.as_ref()?.getattr(name).ok();
        let modules = of_sys("modules");
        let module = |name| modules.as_ref()?.get_item(name).ok();
        let argv = of_sys("argv");
        let script = argv.and_then(|argv| argv.get_item(0).ok()?.extract().ok());
        let file = module("__main__").and_then(|it| it.getattr("__file__").ok()?.extract().ok());
        let path = module("rgun").and_then(|it| it.getattr("_launcher_path").ok()?.extract().ok());
        let hosted: OsString = file.unwrap_or_default();
        // Python 3.9 does not have them.
        let words: Option<Vec<OsString>> = of_sys("orig_argv").and_then(|it| it.extract().ok());
        let words = words.unwrap_or_default();
        let at = words.iter().position(|word| *word == hosted);
        let flags = at.and_then(|at| words.get(1..at)).map(<[_]>::to_vec);
        Self {
            script: script.unwrap_or_default(),
            hosted,
            flags: flags.unwrap_or_else(|| vec!["-S".into()]),
            path,
            arguments,
        }
    }

    /// By the path of the script: a virtual environment that was replaced counts. Where another program has called this one,
    /// only the package is looked up again.
    pub fn successor(&self, python: &Path) -> Option<Launch> {
        let name = self.script.file_name().and_then(OsStr::to_str);
        match name {
            Some(SCRIPT) => {
                let script = OsString::from(&self.script);
                Some(self.launch(script.clone(), vec![script], Vec::new()))
            }
            Some(MODULE) => {
                let words = vec![python.into(), "-m".into(), SCRIPT.into()];
                Some(self.launch(python.into(), words, Vec::new()))
            }
            Some(_) | None => self.itself(python),
        }
    }

    pub fn itself(&self, python: &Path) -> Option<Launch> {
        if self.hosted.is_empty() {
            return None;
        }
        let mut words = vec![OsString::from(python)];
        words.extend(self.flags.iter().cloned());
        words.push(self.hosted.clone());
        let script = self.script.to_string_lossy().into_owned();
        let mut variables = vec![(SCRIPT_VARIABLE.to_owned(), script)];
        let path = self.path.clone();
        variables.extend(path.map(|path| (PATH_VARIABLE.to_owned(), path)));
        Some(self.launch(python.into(), words, variables))
    }

    fn launch(
        &self,
        path: OsString,
        mut words: Vec<OsString>,
        variables: Vec<(String, String)>,
    ) -> Launch {
        let before = words.len();
        words.extend(self.arguments.iter().cloned());
        Launch {
            path,
            words,
            before,
            variables,
        }
    }
}
