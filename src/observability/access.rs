//! The access log: a line for each request in gunicorn's default format, buffered for a turn of the worker. It waits for nobody.

mod escape;
mod user;

use std::io::{ErrorKind, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::stamp::Stamp;
use crate::config::{LogTarget, Settings};
use crate::sys::{self, Output, end_of_piece};
use escape::{Longest, push_quoted};

/// A burst is written before it grows beyond this.
const FLUSH_ABOVE: usize = 32 * 1024;
/// What waits for a reader that does not read; then lines are dropped.
const MOST_WAITING: usize = 256 * 1024;

/// Opened by the master, so that every worker appends to the same file, and an error comes before the first worker.
static OUTPUT: Mutex<Option<(LogTarget, Arc<Output>)>> = Mutex::new(None);

/// What is known of a request when its response has ended, or when it was refused.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The client; `None` for a unix socket.
    pub peer: Option<IpAddr>,
    /// Empty, with an empty target, when the request line was not understood.
    pub method: &'a [u8],
    /// As it stood in the request line.
    pub target: &'a [u8],
    /// `HTTP/1.1`.
    pub version: &'a str,
    pub status: u16,
    /// Bytes of the response's body.
    pub bytes: u64,
    pub referer: Option<&'a [u8]>,
    pub user_agent: Option<&'a [u8]>,
    /// The Authorization field; the user's name is taken from it when it is Basic.
    pub authorization: Option<&'a [u8]>,
    /// From the first byte of the request to the last of the response. Not part of the default format.
    pub duration: Duration,
}

/// A worker's end of the access log.
#[derive(Debug)]
pub struct AccessLog {
    output: Arc<Output>,
    buffer: Vec<u8>,
    stamp: Stamp,
    dropped: u64,
}

pub(super) fn start(settings: &Settings) -> sys::Result<()> {
    let opened = match &settings.access_log {
        Some(target) => Some((target.clone(), super::open(target)?)),
        None => None,
    };
    *OUTPUT.lock() = opened;
    Ok(())
}

pub(super) fn reopen() -> sys::Result<()> {
    let mut current = OUTPUT.lock();
    if let Some((target @ LogTarget::File(_), output)) = current.as_mut() {
        *output = super::open(target)?;
    }
    Ok(())
}

impl AccessLog {
    /// What the master opened; `None` when there is no access log.
    #[must_use]
    pub fn inherited() -> Option<AccessLog> {
        OUTPUT
            .lock()
            .as_ref()
            .map(|(_, output)| AccessLog::new(Arc::clone(output)))
    }

    fn new(output: Arc<Output>) -> AccessLog {
        AccessLog {
            output,
            buffer: Vec::with_capacity(FLUSH_ABOVE),
            stamp: Stamp::common(),
            dropped: 0,
        }
    }

    /// After `observability::reopen` in this process: goes on in the new file.
    pub fn follow_rotation(&mut self) {
        self.flush();
        if let Some((_, output)) = &*OUTPUT.lock() {
            self.output = Arc::clone(output);
        }
    }

    /// `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`, at the time of the call.
    pub fn record(&mut self, request: &Request<'_>) {
        if self.buffer.len() > FLUSH_ABOVE {
            self.flush();
            if self.buffer.len() > MOST_WAITING {
                self.dropped += 1;
                return;
            }
        }
        // A file takes a line of any length in one append. A pipe does not, so there a line is kept to what it takes whole.
        let longest = if self.output.is_file() {
            Longest::ANY
        } else {
            Longest::ATOMIC
        };
        let line = &mut self.buffer;
        push_peer(line, request.peer);
        line.extend_from_slice(b" - ");
        match request.authorization.and_then(user::basic) {
            Some(user) => push_quoted(line, &user, longest.user),
            None => line.push(b'-'),
        }
        line.push(b' ');
        line.extend_from_slice(self.stamp.now().as_bytes());
        line.extend_from_slice(b" \"");
        if request.method.is_empty() && request.target.is_empty() {
            line.push(b'-');
        } else {
            push_quoted(line, request.method, longest.method);
            line.push(b' ');
            push_quoted(line, request.target, longest.target);
            line.push(b' ');
            line.extend_from_slice(request.version.as_bytes());
        }
        line.extend_from_slice(b"\" ");
        line.extend_from_slice(itoa::Buffer::new().format(request.status).as_bytes());
        line.push(b' ');
        line.extend_from_slice(itoa::Buffer::new().format(request.bytes).as_bytes());
        for field in [request.referer, request.user_agent] {
            line.extend_from_slice(b" \"");
            push_quoted(line, field.unwrap_or(b"-"), longest.field);
            line.push(b'"');
        }
        line.push(b'\n');
    }

    /// At the end of a turn. What the reader does not take stays for the next one.
    pub fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let mut done = 0;
        while let Some(rest) = self.buffer.get(done..).filter(|rest| !rest.is_empty()) {
            let piece = if self.output.is_file() {
                rest
            } else {
                rest.get(..end_of_piece(rest)).unwrap_or(rest)
            };
            match self.output.attempt(piece) {
                Ok(count) if count > 0 => done += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // Nobody reads, or the disk is full: these lines are lost, the next ones may not be.
                Ok(_) | Err(_) => {
                    self.dropped +=
                        u64::try_from(memchr::memchr_iter(b'\n', rest).count()).unwrap_or(0);
                    done = self.buffer.len();
                    break;
                }
            }
        }
        self.buffer.drain(..done);
        if done > 0 && self.dropped > 0 && self.buffer.is_empty() {
            // Not inside the macro, which looks at its fields only when somebody listens.
            let lines = std::mem::take(&mut self.dropped);
            tracing::warn!(lines, "access log lines dropped");
        }
    }
}

/// A worker that ends in order leaves nothing unwritten.
impl Drop for AccessLog {
    fn drop(&mut self) {
        self.flush();
    }
}

fn push_peer(line: &mut Vec<u8>, peer: Option<IpAddr>) {
    match peer {
        Some(IpAddr::V4(address)) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    line.push(b'.');
                }
                line.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
            }
        }
        // Writing to a vector cannot fail.
        Some(IpAddr::V6(address)) => drop(write!(line, "{address}")),
        None => line.push(b'-'),
    }
}

#[cfg(test)]
mod tests;
