//! The mold: a process with the app loaded and warmed up, from which workers are forked.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyModule;

use super::foundation::{Foundation, ProcessKind, describe_failure, plain};
use super::{StartFailure, leave_failed, python, run_on};
use crate::config::Preload;
use crate::ipc::Phase;
use crate::master::{Forked, MoldChild, MoldRequest};
use crate::sys::process::ThreadPolicy;

const THREADS: &str = "start them in the workers (ASGI's lifespan, post_fork, the first request), or leave --preload out";
const SOCKETS: &str =
    "open connections in the workers (ASGI's lifespan, post_fork, the first request)";

/// Runs the mold, and each worker that it forks; returns the exit code.
pub fn run_mold(py: Python<'_>, mut mold: MoldChild) -> u8 {
    crate::sys::watch_forks();
    let (foundation, threads) = match prepare(py, &mut mold) {
        Ok(prepared) => prepared,
        Err(StartFailure {
            phase,
            summary,
            traceback,
        }) => {
            mold.failed(phase, &summary, &traceback);
            return leave_failed(py, phase);
        }
    };
    mold.ready();
    serve_master(py, mold, foundation, threads)
}

/// Forks workers as the master orders; returns the exit code of the mold, and in each worker that of the worker.
pub fn serve_master(
    py: Python<'_>,
    mut mold: MoldChild,
    foundation: Foundation,
    threads: ThreadPolicy,
) -> u8 {
    let hooks = foundation.hooks.as_ref();
    let logged = |done: PyResult<()>| {
        if let Err(error) = done {
            tracing::error!(%error, "hook not called");
        }
    };
    loop {
        // Meanwhile a signal handler of the user may run, or a thread started by a configuration file.
        match py.detach(|| mold.next()) {
            MoldRequest::End => return 0,
            MoldRequest::Nothing => logged(py.check_signals()),
            MoldRequest::Call(message) => {
                logged(hooks.map_or(Ok(()), |hooks| hooks.take(py, &message)))
            }
            MoldRequest::Fork(request) => {
                logged(hooks.map_or(Ok(()), |hooks| hooks.pre_fork(py, request.age())));
                python::before_fork();
                match mold.fork(request, threads) {
                    Forked::Worker(newborn) => {
                        python::after_fork_child();
                        return run_on(py, newborn.begin(), Some(foundation));
                    }
                    Forked::Mold(again, pid) => {
                        python::after_fork_parent();
                        if let Some((hooks, pid)) = hooks.zip(pid) {
                            logged(hooks.forked(py, pid));
                        }
                        mold = again;
                    }
                }
            }
        }
    }
}

fn prepare(
    py: Python<'_>,
    mold: &mut MoldChild,
) -> Result<(Foundation, ThreadPolicy), StartFailure> {
    let settings = Arc::clone(&mold.settings);
    let mut foundation = Foundation::prepare(py, &settings, ProcessKind::Ours, mold.master())?;
    let explain =
        |foundation: &Foundation, e| describe_failure(py, &foundation.scripts, Phase::Boot, e);
    if let Some(hooks) = &foundation.hooks {
        hooks
            .begin(py, &mold.hooks)
            .map_err(|e| explain(&foundation, e))?;
    }
    let script = python::mold_script(py).map_err(plain)?;
    let script = script.bind(py);
    let mut threads = threads(py, script, &foundation)?;
    if settings.preload == Preload::InMold {
        preload(py, mold, script, &mut foundation, &threads)?;
    } else if mold.changes_user() {
        // Modules that each worker needs before it changes to a user who may not read them.
        python::preload_stdlib(py);
    }
    if let Some(hooks) = &foundation.hooks {
        hooks
            .start(py, &mold.hooks)
            .map_err(|e| explain(&foundation, e))?;
        let hides = hooks.hides_server(py);
        if hides.map_err(|e| explain(&foundation, e))? {
            Arc::make_mut(&mut mold.settings).server_header = false;
        }
        threads = self::threads(py, script, &foundation)?;
    }
    // Pages that no collection writes to stay shared.
    python::freeze(py).map_err(|e| explain(&foundation, e))?;
    crate::sys::trim();
    if threads.is_empty() {
        return Ok((foundation, ThreadPolicy::Refused));
    }
    tracing::warn!(
        threads = threads.join(", "),
        "the configuration file has started threads: they are not in the workers, and what they have locked at a fork stays locked there"
    );
    Ok((foundation, ThreadPolicy::Allowed))
}

pub fn threads(
    py: Python<'_>,
    script: &Bound<'_, PyModule>,
    foundation: &Foundation,
) -> Result<Vec<String>, StartFailure> {
    let threads = script.call_method0("threads");
    threads
        .and_then(|threads| threads.extract())
        .map_err(|e| describe_failure(py, &foundation.scripts, Phase::Boot, e))
}

/// `known`: threads started by a configuration file.
fn preload(
    py: Python<'_>,
    mold: &mut MoldChild,
    script: &Bound<'_, PyModule>,
    foundation: &mut Foundation,
    known: &[String],
) -> Result<(), StartFailure> {
    if mold.changes_user() {
        python::preload_stdlib(py);
        mold.become_user().map_err(|summary| StartFailure {
            phase: Phase::Boot,
            summary,
            traceback: String::new(),
        })?;
    }
    let before = script.call_method0("sockets").map_err(plain)?;
    foundation.load_app(py, &mold.settings)?;
    let mut started = threads(py, script, foundation)?;
    started.retain(|thread| !known.contains(thread));
    if !started.is_empty() {
        return Err(StartFailure {
            phase: Phase::Import,
            summary: format!(
                "--preload: the app has started threads while it was imported, and a process with threads cannot be forked: {}",
                started.join(", ")
            ),
            traceback: format!("hint: {THREADS}"),
        });
    }
    let sockets: Vec<String> = script
        .call_method1("opened_since", (before,))
        .and_then(|sockets| sockets.extract())
        .map_err(|e| describe_failure(py, &foundation.scripts, Phase::Boot, e))?;
    if !sockets.is_empty() {
        tracing::warn!(
            sockets = sockets.join(", "),
            hint = SOCKETS,
            "--preload: the app has opened connections while it was imported, and all workers share them"
        );
    }
    Ok(())
}
