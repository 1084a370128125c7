//! The embedded entry: the binary. It starts the interpreter in each worker; the master has none.

mod choice;
mod fit;
mod reach;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use pyo3::prelude::*;

use crate::cli::{self, Artifact, EntryError, EntryPoint};
use crate::config::Settings;
use crate::ipc::{FromWorker, Phase};
use crate::master::{Host, Launch, MoldChild, WorkerInit};
use crate::sys::Listener;
use crate::sys::process::set_variable;
use crate::sys::signals::reset_sigchld;
use crate::worker;
use crate::worker::python::{Interpreter, StartError, loaded_version};

/// Exit code of a worker whose interpreter does not start; gunicorn's `WORKER_BOOT_ERROR`.
const FAILED_TO_BOOT: u8 = 3;

struct Embedded {
    /// The process's arguments, its name first: `sys.argv`.
    arguments: Vec<OsString>,
    /// Chosen once: a reload does not change it.
    python: OnceLock<Chosen>,
}

struct Chosen {
    /// The Python whose environment the workers use.
    executable: PathBuf,
    /// The directory of its standard library; empty if it is not known.
    library: PathBuf,
}

/// The whole program.
pub fn main() -> ExitCode {
    // The interpreter is queried in a separate process, before the master starts.
    reset_sigchld();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let own = arguments.iter().skip(1).cloned().collect();
    let entry = Embedded {
        arguments,
        python: OnceLock::new(),
    };
    ExitCode::from(cli::main(own, &entry))
}

impl Embedded {
    fn start(&self) -> Result<Interpreter, StartError> {
        let python = self.python.get().ok_or(StartError::NotChosen)?;
        let environment = python.executable.parent().unwrap_or(Path::new("/"));
        let needed = [
            ("its standard library", python.library.as_path()),
            ("its executable", environment),
        ];
        if let Some(barrier) = reach::barrier(&needed) {
            return Err(StartError::Failed(barrier.to_string()));
        }
        let interpreter = Interpreter::start(&python.executable, &self.arguments)?;
        Python::attach(|py| {
            provide_rgun(py).map_err(|error| StartError::Failed(error.to_string()))
        })?;
        Ok(interpreter)
    }
}

impl Embedded {
    /// `None`: Python does not start.
    fn run_here<T>(&self, settings: &Settings, work: impl FnOnce(Python<'_>) -> T) -> Option<T> {
        // Before the interpreter reads them: this is the only thread.
        for (name, value) in &settings.env {
            set_variable(name, value);
        }
        match self.start() {
            Ok(interpreter) => {
                let done = Python::attach(work);
                interpreter.finish();
                Some(done)
            }
            Err(error) => {
                tracing::error!(%error, "python does not start");
                None
            }
        }
    }
}

impl Host for Embedded {
    // There is no interpreter yet where the fork happens.
    fn before_fork(&self) {}
    fn after_fork_parent(&self) {}
    fn after_fork_child(&self) {}

    fn python_executable(&self) -> Option<PathBuf> {
        self.python.get().map(|python| python.executable.clone())
    }

    /// Looked up again, as a shell does.
    fn successor(&self) -> Option<Launch> {
        let name = self.arguments.first()?;
        let path = if name.as_encoded_bytes().contains(&b'/') {
            PathBuf::from(name)
        } else {
            let directories = std::env::var_os("PATH")?;
            std::env::split_paths(&directories)
                .map(|directory| directory.join(name))
                .find(|path| path.is_file())?
        };
        Some(Launch {
            path: path.into(),
            words: self.arguments.clone(),
            before: 1,
            variables: Vec::new(),
        })
    }

    fn itself(&self) -> Option<Launch> {
        Some(Launch {
            path: "/proc/self/exe".into(),
            words: self.arguments.clone(),
            before: 1,
            variables: Vec::new(),
        })
    }

    fn run_mold(&self, mold: MoldChild) -> u8 {
        match self.start() {
            Ok(interpreter) => {
                let code = Python::attach(|py| worker::run_mold(py, mold));
                interpreter.finish();
                code
            }
            Err(error) => {
                mold.failed(Phase::Boot, &error.to_string(), "");
                FAILED_TO_BOOT
            }
        }
    }

    fn run_worker(&self, worker_init: WorkerInit) -> u8 {
        match self.start() {
            Ok(interpreter) => {
                let code = Python::attach(|py| worker::run(py, worker_init));
                interpreter.finish();
                code
            }
            Err(error) => {
                let failed = FromWorker::Failed {
                    phase: Phase::Boot,
                    summary: error.to_string(),
                    traceback: String::new(),
                };
                // If the master is gone, no process is left to act on it.
                drop(worker_init.channel.send(&failed));
                FAILED_TO_BOOT
            }
        }
    }
}

impl EntryPoint for Embedded {
    fn artifact(&self) -> Artifact {
        Artifact::Binary
    }

    fn interpreter(&self) -> String {
        format!("CPython {}", fit::first_word(loaded_version()))
    }

    fn python(&self, setting: Option<&Path>) -> Result<PathBuf, EntryError> {
        choice::choose(&choice::Places::of_this_process(
            setting,
            self.arguments.first(),
        ))
    }

    fn examine(&self, settings: &Settings) -> Result<(), EntryError> {
        let executable = self.python(settings.python.as_deref())?;
        let library = fit::examine(&executable)?;
        // A second choice in one process would have the same result.
        drop(self.python.set(Chosen {
            executable,
            library,
        }));
        Ok(())
    }

    fn check(&self, settings: &Arc<Settings>) -> Result<String, u8> {
        self.run_here(settings, |py| worker::check(py, settings))
            .unwrap_or(Err(1))
    }

    fn serve_here(&self, settings: &Arc<Settings>, listeners: Vec<Listener>) -> u8 {
        self.run_here(settings, |py| {
            worker::serve_here(py, settings, listeners, None, None)
        })
        .unwrap_or(FAILED_TO_BOOT)
    }
}

/// `import rgun` in an app: `rgun.ClientDisconnected` is what this worker raises, whether or not the package is installed.
fn provide_rgun(py: Python<'_>) -> PyResult<()> {
    let modules = py.import("sys")?.getattr("modules")?;
    let extension = module(py, "rgun._rgun")?;
    modules.set_item("rgun._rgun", &extension)?;
    let installed = py
        .import("importlib.util")?
        .call_method1("find_spec", ("rgun",))?;
    if installed.is_none() {
        let package = module(py, "rgun")?;
        package.add("__path__", pyo3::types::PyList::empty(py))?;
        package.add("_rgun", extension)?;
        modules.set_item("rgun", package)?;
    }
    Ok(())
}

fn module<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyModule>> {
    let module = PyModule::new(py, name)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add(
        "ClientDisconnected",
        py.get_type::<worker::ClientDisconnected>(),
    )?;
    Ok(module)
}
