//! The state of a process before it becomes a certain worker: the interpreter, the loggers, and in a mold the app.

use std::sync::Arc;

use pyo3::prelude::*;

use super::{StartFailure, python};
use crate::config::Settings;
use crate::ipc::Phase;
use python::{ForkReturn, Hooks, Preloaded, Scripts, in_worker, leave_forked_child};

pub struct Foundation {
    pub scripts: Scripts,
    /// Set in a mold.
    pub app: Option<Preloaded>,
    /// Of a configuration file that was run in this process.
    pub hooks: Option<Hooks>,
}

/// The kind of process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ProcessKind {
    /// Forked by the master.
    Ours,
    /// A user's program, in its main thread.
    Program,
    /// A user's program, in another thread.
    ProgramThread,
}

impl Foundation {
    /// The same objects again. Without the hooks of a configuration file, which belong to one process.
    pub fn again(&self, py: Python<'_>) -> Self {
        Self {
            scripts: self.scripts.again(py),
            app: self.app.as_ref().map(|app| app.again(py)),
            hooks: None,
        }
    }

    /// `master`: its pid.
    pub fn prepare(
        py: Python<'_>,
        settings: &Arc<Settings>,
        process_kind: ProcessKind,
        master: i32,
    ) -> Result<Self, StartFailure> {
        // A Python configuration file with hooks runs before the environment is set, as with gunicorn.
        if settings.hooks.is_none() {
            python::environment(py, settings).map_err(plain)?;
        }
        match process_kind {
            ProcessKind::Ours | ProcessKind::Program => python::prepare(py).map_err(plain)?,
            ProcessKind::ProgramThread => {}
        }
        let scripts = Scripts::new(py).map_err(plain)?;
        let loader = || python::loader(py, &scripts, settings);
        let hooks = Hooks::load(py, settings, master, loader)
            .map_err(|e| describe_failure(py, &scripts, Phase::Boot, e))?;
        leave_forked_child(py);
        if settings.hooks.is_some() {
            python::environment(py, settings).map_err(plain)?;
        }
        python::install_loggers(py, &scripts, settings).map_err(plain)?;
        python::configure_logging(py, &scripts, settings)
            .map_err(|e| describe_failure(py, &scripts, Phase::Settings, e))?;
        if let Some(hooks) = &hooks {
            hooks.warn(py).map_err(plain)?;
        }
        Ok(Self {
            scripts,
            app: None,
            hooks,
        })
    }

    /// Imports the app and warms it up, before it is known which worker it is for.
    pub fn load_app(
        &mut self,
        py: Python<'_>,
        settings: &Arc<Settings>,
    ) -> Result<(), StartFailure> {
        let scripts = &self.scripts;
        let loaded = match &self.hooks {
            Some(hooks) => hooks
                .app(py)
                .and_then(|app| python::recognise(py, scripts, settings, app)),
            None => python::load(py, scripts, settings),
        };
        let loaded = loaded
            .map_err(|e| describe_failure(py, scripts, python::failed_phase(py, scripts, &e), e))?;
        leave_forked_child(py);
        let warmth = python::warm_up(py, scripts, settings, &loaded.app, None)
            .map_err(|e| describe_failure(py, scripts, Phase::Import, e))?;
        let description = python::describe(py, scripts, &loaded)
            .map_err(|e| describe_failure(py, scripts, Phase::Boot, e))?;
        self.app = Some(Preloaded {
            loaded,
            description,
            warmth,
        });
        Ok(())
    }
}

/// For errors before our scripts are loaded that could explain them.
pub fn plain(error: PyErr) -> StartFailure {
    StartFailure {
        phase: Phase::Boot,
        summary: error.to_string(),
        traceback: String::new(),
    }
}

pub fn describe_failure(
    py: Python<'_>,
    scripts: &Scripts,
    phase: Phase,
    error: PyErr,
) -> StartFailure {
    // In a child that the user's code has forked it is the end of that child, not of this boot.
    let error = in_worker(py, error, |error| ForkReturn::ToAnEnd(Err(error)));
    let (summary, traceback) = python::explain(py, scripts, &error);
    StartFailure {
        phase,
        summary,
        traceback,
    }
}
