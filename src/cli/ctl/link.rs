//! A connection to a server's control socket: requests and responses, within a time limit.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::failure::CtlFailure;
use crate::master::control::protocol::{ControlRequest, ControlResponse};
use crate::master::control::trust::{self, ServerProcess};

/// A server that accepts no connection for that long is taken to be gone.
const CONNECT: Duration = Duration::from_secs(5);
/// More than the stacks of a thousand workers.
const LONGEST_ANSWER: usize = 64 << 20;

/// The time limit of an operation, independent of what the server sends in that time.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    began: Instant,
    /// `None`: no limit.
    whole: Option<Duration>,
}

impl Limit {
    #[allow(clippy::disallowed_methods, reason = "a client's own patience")]
    pub fn of(whole: Option<Duration>) -> Self {
        Self {
            began: Instant::now(),
            whole,
        }
    }

    /// The earlier one of this limit and `whole` from now.
    pub fn at_most(self, whole: Duration) -> Self {
        Self::of(Some(self.left().map_or(whole, |left| left.min(whole))))
    }

    fn left(self) -> Option<Duration> {
        Some(self.whole?.saturating_sub(self.began.elapsed()))
    }

    pub fn is_over(self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    fn exceeded(self, what: &str) -> CtlFailure {
        let whole = self.whole.unwrap_or_default().as_secs_f64();
        CtlFailure::new(format!("{what} within {whole} s"))
            .hint("--timeout SECONDS waits longer, 0 for ever")
    }
}

/// What it means that the answer does not come in time. To some requests it comes at the end of what they have begun, which goes
/// on without the client.
fn absent(request: &ControlRequest) -> &'static str {
    match request {
        ControlRequest::WaitReady => "the server has not become ready",
        ControlRequest::WaitIdle => "the server has not become idle",
        ControlRequest::Reload => "the reload goes on in the server: it did not end",
        ControlRequest::Upgrade { .. } => "the upgrade goes on in the server: it did not end",
        ControlRequest::Stage { .. }
        | ControlRequest::Promote
        | ControlRequest::Discard
        | ControlRequest::Canary { .. }
        | ControlRequest::Rollback => "the rollout goes on in the server: there was no outcome",
        ControlRequest::RestartWorker { .. } | ControlRequest::Restart { .. } => {
            "the restart goes on in the server: it did not end"
        }
        _ => "no answer from the server",
    }
}

pub struct Link {
    stream: UnixStream,
    server: ServerProcess,
    /// Bytes received after the last response.
    rest: Vec<u8>,
    limit: Limit,
}

impl Link {
    pub fn at(path: &Path, limit: Limit) -> Result<Self, CtlFailure> {
        let patience = limit.left().map_or(CONNECT, |left| left.min(CONNECT));
        let (stream, server) = trust::connect(path, patience).map_err(|why| {
            let failure = CtlFailure::new(format!("{}: {why}", path.display()));
            CtlFailure {
                hint: why.hint(),
                may_pass: why.is_absence(),
                ..failure
            }
        })?;
        Ok(Self {
            stream,
            server,
            rest: Vec::new(),
            limit,
        })
    }

    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// Sets the limit of the next request.
    pub fn set_limit(&mut self, limit: Limit) {
        self.limit = limit;
    }

    pub fn ask(&mut self, request: &ControlRequest) -> Result<ControlResponse, CtlFailure> {
        let mut line =
            serde_json::to_string(request).map_err(|error| CtlFailure::new(error.to_string()))?;
        line.push('\n');
        // If the server rejected the connection before this write, its reason can still be read.
        drop(self.stream.write_all(line.as_bytes()));
        let answer = self.line(absent(request))?;
        serde_json::from_slice(&answer)
            .map_err(|error| CtlFailure::new(format!("invalid response from the server: {error}")))
    }

    /// Waits for the connection to close, which happens when the server exits; ignores anything received before.
    pub fn wait_for_the_end(&mut self) -> Result<(), CtlFailure> {
        self.rest.clear();
        while self
            .read()
            .map_err(|error| self.failure(error, "the server has not ended"))?
            > 0
        {
            self.rest.clear();
        }
        Ok(())
    }

    /// `absent`: what it means that none comes in time.
    fn line(&mut self, absent: &str) -> Result<Vec<u8>, CtlFailure> {
        let mut searched = 0;
        loop {
            let unseen = self.rest.iter().skip(searched);
            if let Some(end) = unseen.copied().position(|byte| byte == b'\n') {
                return Ok(self.rest.drain(..=searched + end).collect());
            }
            searched = self.rest.len();
            if searched > LONGEST_ANSWER {
                return Err(CtlFailure::new("the server's response is too long"));
            }
            match self.read() {
                Ok(0) => return Err(CtlFailure::new("the server has ended")),
                Ok(_) => {}
                Err(error) => return Err(self.failure(error, absent)),
            }
        }
    }

    /// Each read gets the remaining time, so that a server that sends a byte now and then does not extend the wait.
    fn read(&mut self) -> std::io::Result<usize> {
        let mut piece = [0; 16 * 1024];
        loop {
            let left = self.limit.left();
            if left.is_some_and(|left| left.is_zero()) {
                return Err(ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(left)?;
            match self.stream.read(&mut piece) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.rest.extend_from_slice(&piece[..count]);
                    return Ok(count);
                }
            }
        }
    }

    fn failure(&self, error: std::io::Error, what: &str) -> CtlFailure {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                let failure = self.limit.exceeded(what);
                match self.server.pid().zip(self.server.suspension()) {
                    Some((pid, why)) => failure.hint(format!(
                        "process {pid} is {why}: kill -CONT {pid} lets it go on"
                    )),
                    None => failure,
                }
            }
            _ => CtlFailure::new(format!("the server does not answer: {error}")),
        }
    }
}
