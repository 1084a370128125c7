//! The access log: a line for each request, in gunicorn's default format, another one or JSON, written without blocking.

mod custom;
mod escape;
mod file;
mod record;
mod user;

use std::borrow::Cow;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::stamp::RenderedTime;
use super::{relay, syslog};
use crate::config::{ALL_OF_A_MILLION, AccessFormat, AccessLines, LogTarget, Logging, Settings};
use crate::sys::{self, ATOMIC, Identity, Output};
use custom::{Around, push_json_pieces, push_pieces, push_request_line};
use escape::{Longest, Quoting, push_quoted};
use file::LineBuffer;
use record::{RecordShape, push_record};

/// Opened by the master, so that every worker appends to the same file, and an error is reported before the first worker starts.
static OUTPUT: Mutex<Option<(LogTarget, Arc<Output>)>> = Mutex::new(None);

/// What is known of a request when its response has ended, or when it was refused.
#[derive(Clone, Copy)]
pub struct LoggedRequest<'a> {
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
    /// The field that carries the request's id.
    pub id_field: &'a str,
    /// `None` where the head was not understood.
    pub details: Option<&'a dyn Details>,
}

/// What only some formats show.
pub trait Details {
    /// Decoded, without the query.
    fn path(&self) -> Cow<'_, [u8]>;
    fn query(&self) -> &[u8];
    /// Names are lower-cased.
    fn request_field(&self, name: &str) -> Option<&[u8]>;
    fn response_field(&self, name: &str) -> Option<&[u8]>;
    fn environ(&self, name: &str) -> Option<Cow<'_, [u8]>>;
    /// All of them in their order, each with its name; of several with one name the last counts.
    fn request_fields(&self, each: &mut dyn FnMut(&str, &[u8]));
    fn response_fields(&self, each: &mut dyn FnMut(&str, &[u8]));
    fn environ_all(&self, each: &mut dyn FnMut(&str, &[u8]));
}

/// A worker's end of the access log.
#[derive(Debug)]
pub struct AccessLog {
    lines: LineBuffer,
    syslog: SyslogCopy,
    format: AccessFormat,
    stamp: RenderedTime,
    pid: u32,
    sample: u32,
    /// Of the sampling.
    random: u64,
}

/// Whether lines go to syslog, beside the file if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SyslogCopy {
    Too,
    Not,
}

pub(super) fn start(settings: &Settings) -> sys::Result<()> {
    let opened = match &settings.access_log {
        Some(target) => {
            let output =
                super::open(target).map_err(|error| super::of_option("--access-logfile", error))?;
            Some((target.clone(), output))
        }
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

/// Gives the file, if it is one, to that user.
pub(super) fn give_to(identity: &Identity) -> sys::Result<()> {
    match &*OUTPUT.lock() {
        Some((LogTarget::File(path), output)) => output.give_to(identity, path),
        Some((LogTarget::Stdout | LogTarget::Stderr, _)) | None => Ok(()),
    }
}

impl AccessLog {
    /// What the master opened; `None` when there is no access log.
    #[must_use]
    pub fn inherited(logging: &Logging) -> Option<AccessLog> {
        let lines = &logging.access;
        // Whether Python's loggers want lines is known when they are configured.
        let is_possible = logging.python.is_some();
        let output = OUTPUT.lock().as_ref().map(|(_, output)| Arc::clone(output));
        let syslog = if syslog::takes_access() {
            SyslogCopy::Too
        } else {
            SyslogCopy::Not
        };
        (output.is_some() || syslog == SyslogCopy::Too || is_possible)
            .then(|| AccessLog::new(output, lines, syslog))
    }

    fn new(output: Option<Arc<Output>>, lines: &AccessLines, syslog: SyslogCopy) -> AccessLog {
        let pid = std::process::id();
        AccessLog {
            lines: LineBuffer::new(output),
            syslog,
            format: lines.format.clone(),
            stamp: match lines.format {
                AccessFormat::Gunicorns | AccessFormat::Custom(_) | AccessFormat::JsonShaped(_) => {
                    RenderedTime::common()
                }
                AccessFormat::Json | AccessFormat::Logfmt => RenderedTime::rfc3339(),
            },
            pid,
            sample: lines.sample,
            // Different in each worker; xorshift must not begin with zero.
            random: u64::from(pid) << 32 | sys::monotonic_ms() | 1,
        }
    }

    /// After `observability::reopen` in this process: continues in the new file.
    pub fn follow_rotation(&mut self) {
        self.lines.flush();
        if let Some((_, output)) = &*OUTPUT.lock() {
            self.lines.output = Some(Arc::clone(output));
        }
    }

    /// At the time of the call.
    pub fn record(&mut self, request: &LoggedRequest<'_>) {
        if self.sample < ALL_OF_A_MILLION && request.status < 500 && !self.is_drawn() {
            return;
        }
        let relays = relay::takes_access();
        let is_native = self.lines.output.is_some() && relay::access_is_native();
        let is_ours = self.lines.output.is_none() || is_native;
        let is_copied = relays || is_ours && self.syslog == SyslogCopy::Too;
        // Each taker has its own room: a reader of the file that has stopped costs the others no line.
        let is_written = is_native && self.lines.has_room();
        if !is_written && !is_copied {
            return;
        }
        let start = self.lines.buffer.len();
        // A file takes a line of any length in one append. A pipe does not, so there a line is limited to what it takes whole.
        let is_file = self.lines.is_file();
        let longest = if is_file {
            Longest::ANY
        } else {
            Longest::ATOMIC
        };
        let line = &mut self.lines.buffer;
        let mut around = Around {
            stamp: &mut self.stamp,
            pid: self.pid,
            longest,
            quoting: Quoting::Apache,
        };
        match &self.format {
            AccessFormat::Gunicorns => push_default(line, request, &mut around),
            AccessFormat::Json => push_record(line, request, &mut around, RecordShape::Json),
            AccessFormat::Logfmt => push_record(line, request, &mut around, RecordShape::Logfmt),
            AccessFormat::Custom(pieces) => push_pieces(line, pieces, request, &mut around),
            AccessFormat::JsonShaped(pieces) => {
                around.quoting = Quoting::Json;
                let room = if is_file { usize::MAX } else { ATOMIC };
                push_json_pieces(line, pieces, request, &mut around, room);
            }
        }
        if !is_file && !matches!(self.format, AccessFormat::JsonShaped(_)) {
            escape::cut(line, start);
        }
        let whole = line
            .get(start..line.len().saturating_sub(1))
            .unwrap_or_default();
        if self.syslog == SyslogCopy::Too {
            syslog::access(whole);
        }
        if relays {
            let text = String::from_utf8_lossy(whole).into_owned();
            relay::put(custom::relayed(text, request, &mut around));
        }
        if !is_written {
            self.lines.buffer.truncate(start);
        }
    }

    /// Text of a handler of Python's, as it is.
    pub fn write_raw(&mut self, text: &str) {
        if self.lines.output.is_some() && self.lines.has_room() {
            self.lines.buffer.extend_from_slice(text.as_bytes());
        }
    }

    /// At the end of a turn. What is not accepted stays for the next one.
    pub fn flush(&mut self) {
        self.lines.flush();
    }

    fn is_drawn(&mut self) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        // The high bits are the random ones.
        (self.random >> 32) % u64::from(ALL_OF_A_MILLION) < u64::from(self.sample)
    }
}

/// A worker that ends in order leaves nothing unwritten.
impl Drop for AccessLog {
    fn drop(&mut self) {
        self.flush();
    }
}

/// `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`
fn push_default(line: &mut Vec<u8>, request: &LoggedRequest<'_>, around: &mut Around<'_>) {
    let longest = around.longest;
    push_peer(line, request.peer);
    line.extend_from_slice(b" - ");
    match request.authorization.and_then(user::basic) {
        Some(user) => push_quoted(line, &user, longest.user),
        None => line.push(b'-'),
    }
    line.push(b' ');
    line.extend_from_slice(around.stamp.now().as_bytes());
    line.extend_from_slice(b" \"");
    push_request_line(line, request, longest, Quoting::Apache);
    line.extend_from_slice(b"\" ");
    push_number(line, request.status);
    line.push(b' ');
    push_number(line, request.bytes);
    for field in [request.referer, request.user_agent] {
        line.extend_from_slice(b" \"");
        push_quoted(line, field.unwrap_or(b"-"), longest.field);
        line.push(b'"');
    }
    line.push(b'\n');
}

fn push_number(line: &mut Vec<u8>, number: impl itoa::Integer) {
    line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn push_peer(line: &mut Vec<u8>, peer: Option<IpAddr>) {
    match peer {
        Some(IpAddr::V4(address)) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    line.push(b'.');
                }
                push_number(line, octet);
            }
        }
        // Writing to a vector cannot fail.
        Some(IpAddr::V6(address)) => drop(write!(line, "{address}")),
        None => line.push(b'-'),
    }
}

#[cfg(test)]
mod tests;
