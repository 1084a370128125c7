//! The `--ready-path` request, made inside the worker before it accepts connections.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use pyo3::prelude::*;

use super::call;
use super::core::Core;
use super::thread::Thread;
use crate::worker::ready::ReadyProbe;

/// What is wrong with the response; `None`: nothing, or the worker is to exit anyway.
pub fn complaint(py: Python<'_>, core: &Core, probe: &ReadyProbe) -> PyResult<Option<String>> {
    let status = ask(py, core, probe)?;
    let complaint = probe.complaint(status);
    Ok(complaint.filter(|_| !core.crew.roster.lock().draining))
}

/// The status of a GET, made over a socket pair: this thread is both sides in turn.
fn ask(py: Python<'_>, core: &Core, probe: &ReadyProbe) -> PyResult<Option<u16>> {
    let crew = &core.crew;
    let (mut ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    ours.write_all(&probe.bytes())?;
    crew.post.lock().reactor.add_own(theirs.into());
    let thread = Thread {
        crew: crew.clone(),
        number: 0,
    };
    let mut answer = Vec::new();
    loop {
        let mut block = [0; 4096];
        match ours.read(&mut block) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&block[..count]),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e.into()),
        }
        if answer.len() >= 12 || crew.roster.lock().over {
            break;
        }
        if let Some(job) = crew.next_queued(0) {
            call::run(py, core, &thread, *job);
            crew.done(0, None);
        } else {
            py.detach(|| crew.post.lock().turn(crew, Some(Duration::from_millis(50))));
            py.check_signals()?;
        }
    }
    Ok(answer
        .get(9..12)
        .and_then(|code| std::str::from_utf8(code).ok()?.parse().ok()))
}
