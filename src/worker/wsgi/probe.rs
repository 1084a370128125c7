//! The `--ready-path` request, made inside the worker before it accepts connections.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use pyo3::prelude::*;

use super::call;
use super::core::WsgiCore;
use super::thread::Thread;
use crate::worker::ready::ReadyProbe;

/// What is wrong with the response; `None`: nothing, or the worker is to exit anyway.
pub fn complaint(py: Python<'_>, core: &WsgiCore, probe: &ReadyProbe) -> PyResult<Option<String>> {
    let status = ask(py, core, probe)?;
    let complaint = probe.complaint(status);
    Ok(complaint.filter(|_| !core.thread_pool.scheduler.lock().draining))
}

/// The status of a GET, made over a socket pair: this thread is both sides in turn.
fn ask(py: Python<'_>, core: &WsgiCore, probe: &ReadyProbe) -> PyResult<Option<u16>> {
    let thread_pool = &core.thread_pool;
    let (mut ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    ours.write_all(&probe.bytes())?;
    thread_pool
        .reactor_owner
        .lock()
        .reactor
        .add_own(theirs.into());
    let thread = Thread {
        thread_pool: thread_pool.clone(),
        number: 0,
    };
    let mut answer = Vec::new();
    Ok(loop {
        let mut block = [0; 4096];
        match ours.read(&mut block) {
            Ok(0) => break None,
            Ok(count) => answer.extend_from_slice(&block[..count]),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e.into()),
        }
        let status = probe.status(&answer);
        if status.is_some() || thread_pool.scheduler.lock().over {
            break status;
        }
        if let Some(job) = thread_pool.next_queued(0) {
            call::run(py, core, &thread, *job);
            thread_pool.done(0, None);
        } else {
            py.detach(|| thread_pool.turn_reactor(Some(Duration::from_millis(50))));
            py.check_signals()?;
        }
    })
}
