//! The mold's host side: Python with the app loaded and warmed up, from which workers are forked. It serves nothing.

use pyo3::prelude::*;

use super::foundation::{Foundation, Ground, plain, told};
use super::{Failure, leave_failed, python, run_on};
use crate::ipc::Phase;
use crate::master::{Asked, Forked, Mold};

const THREADS: &str = "start them in the workers (ASGI's lifespan, post_fork, the first request), or leave --preload out";
const SOCKETS: &str =
    "open connections in the workers (ASGI's lifespan, post_fork, the first request)";

/// The mold's whole life, and that of each worker that it forks; the exit code.
pub fn run_mold(py: Python<'_>, mut mold: Mold) -> u8 {
    let foundation = match prepare(py, &mold) {
        Ok(foundation) => foundation,
        Err(Failure {
            phase,
            summary,
            traceback,
        }) => {
            mold.failed(phase, &summary, &traceback);
            return leave_failed(py, phase);
        }
    };
    mold.ready();
    loop {
        // A handler of the user's may run, or a thread of a library's.
        match py.detach(|| mold.next()) {
            Asked::End => return 0,
            Asked::Nothing => {
                if let Err(error) = py.check_signals() {
                    tracing::error!(%error, "a signal handler has failed in the mold");
                }
            }
            Asked::Fork(request) => {
                python::before_fork();
                match mold.fork(request) {
                    Forked::Worker(newborn) => {
                        python::after_fork_child();
                        return run_on(py, newborn.begin(), Some(foundation));
                    }
                    Forked::Mold(again) => {
                        python::after_fork_parent();
                        mold = again;
                    }
                }
            }
        }
    }
}

fn prepare(py: Python<'_>, mold: &Mold) -> Result<Foundation, Failure> {
    let settings = &mold.settings;
    let mut foundation = Foundation::lay(py, settings, Ground::Ours)?;
    let script = python::mold_script(py).map_err(plain)?;
    let script = script.bind(py);
    let before = script.call_method0("sockets").map_err(plain)?;
    foundation.load_app(py, settings)?;
    let boot = |error| told(py, &foundation.scripts, Phase::Boot, error);
    let threads: Vec<String> = script
        .call_method0("threads")
        .and_then(|threads| threads.extract())
        .map_err(boot)?;
    if !threads.is_empty() {
        return Err(Failure {
            phase: Phase::Import,
            summary: format!(
                "--preload: the app has started threads while it was imported, and a process with threads cannot be forked: {}",
                threads.join(", ")
            ),
            traceback: format!("hint: {THREADS}"),
        });
    }
    let sockets: Vec<String> = script
        .call_method1("opened_since", (before,))
        .and_then(|sockets| sockets.extract())
        .map_err(boot)?;
    if !sockets.is_empty() {
        tracing::warn!(
            sockets = sockets.join(", "),
            hint = SOCKETS,
            "--preload: the app has opened connections while it was imported, and all workers share them"
        );
    }
    // Pages that no collection writes to stay shared.
    python::freeze(py).map_err(boot)?;
    crate::sys::trim();
    Ok(foundation)
}
