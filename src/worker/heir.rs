//! `--refork-after`: a worker that was ordered to ends as a worker, and its process becomes the mold of its generation, with all that
//! the app has loaded and made in its requests.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use pyo3::prelude::*;

use super::foundation::{Foundation, plain};
use super::mold::{serve_master, threads};
use super::sentinel::Sentinel;
use super::{StartFailure, WorkerContext, python};
use crate::ipc::WorkerChannel;
use crate::master::{MoldChild, MoldSeed};
use crate::sys;
use crate::sys::process::ThreadPolicy;

/// What a worker keeps from its beginning, for that order.
pub struct Heir {
    seed: MoldSeed,
    foundation: Foundation,
    /// The sockets that it had then.
    sockets: Py<PyAny>,
}

impl Heir {
    pub fn keep(py: Python<'_>, seed: MoldSeed, foundation: &Foundation) -> PyResult<Self> {
        let script = python::mold_script(py)?;
        Ok(Self {
            seed,
            foundation: foundation.again(py),
            sockets: script.call_method0(py, "sockets")?,
        })
    }

    /// The worker has ended: its requests, its event loop and the app's lifespan, its threads of Python. Returns the exit code
    /// of the process.
    pub fn become_mold(self, py: Python<'_>, context: Arc<WorkerContext>) -> u8 {
        match self.try_become_mold(py, context) {
            Ok(Some((mold, foundation))) => {
                serve_master(py, mold, foundation, ThreadPolicy::Refused)
            }
            Ok(None) => 0,
            Err(reason) => {
                tracing::warn!(
                    reason,
                    "--refork-after: the worker cannot become the mold, it exits; this is not tried again before a reload"
                );
                0
            }
        }
    }

    fn try_become_mold(
        self,
        py: Python<'_>,
        context: Arc<WorkerContext>,
    ) -> Result<Option<(MoldChild, Foundation)>, String> {
        let Self {
            seed,
            foundation,
            sockets,
        } = self;
        let (settings, generation) = (Arc::clone(&context.net.settings), context.generation);
        let master = context.master;
        if settings.hooks.is_some() {
            return Err("the configuration file has hooks, which belong to the mold before".into());
        }
        let sentinel = py
            .detach(|| context.end_threads())
            .ok_or("its own threads do not end")?;
        drop(context);
        release(py, &foundation, &sockets).map_err(|failure| failure.summary)?;
        python::freeze(py).map_err(|error| error.to_string())?;
        sys::trim();
        let Sentinel {
            channel, lifeline, ..
        } = sentinel;
        let channel = own(channel).map_err(|error| error.to_string())?;
        let ends = (channel, lifeline);
        let mold = py.detach(|| MoldChild::succeed(seed, settings, generation, ends, master));
        let mold = mold.map_err(|error| error.to_string())?;
        Ok(mold.map(|mold| (mold, foundation)))
    }
}

/// Objects of Python that are in use may hold it, too.
fn own(channel: Arc<WorkerChannel>) -> io::Result<WorkerChannel> {
    match Arc::try_unwrap(channel) {
        Ok(channel) => Ok(channel),
        Err(shared) => sys::duplicate(shared.as_fd().as_raw_fd()).map(WorkerChannel::from),
    }
}

/// Whether nothing is left that a fork must not share.
fn release(
    py: Python<'_>,
    foundation: &Foundation,
    sockets: &Py<PyAny>,
) -> Result<(), StartFailure> {
    python::unregister_stacks(py).map_err(plain)?;
    python::close_idle(py, &foundation.scripts).map_err(plain)?;
    // What the app has registered with `os.register_at_fork` may close its connections: that counts.
    python::before_fork();
    python::after_fork_parent();
    let script = python::mold_script(py).map_err(plain)?;
    let script = script.bind(py);
    let left = threads(py, script, foundation)?;
    if !left.is_empty() {
        return Err(refusal("threads of the app are left in it", &left));
    }
    let opened: Vec<String> = script
        .call_method1("opened_since", (sockets,))
        .and_then(|opened| opened.extract())
        .map_err(plain)?;
    if !opened.is_empty() {
        return Err(refusal("connections of the app are open in it", &opened));
    }
    Ok(())
}

fn refusal(what: &str, names: &[String]) -> StartFailure {
    StartFailure {
        phase: crate::ipc::Phase::Boot,
        summary: format!("{what}: {}", names.join(", ")),
        traceback: String::new(),
    }
}
