//! Lines to syslog as gunicorn's handler writes them: priority, program, pid, text. Never blocks; lost lines are counted.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::Duration;

use parking_lot::Mutex;

use super::{lookups, shape};
use crate::config::{self, LogLevel};
use crate::sys::{self, Remote, clock};

/// The most records to queue.
const MOST_WAITING: usize = 1000;
/// How often a server that does not answer is reported.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// The syslog client of this process.
static SYSLOG: Mutex<Option<SyslogSender>> = Mutex::new(None);

#[derive(Debug)]
struct SyslogSender {
    settings: config::SyslogSettings,
    remote: Remote,
    pid: u32,
    waiting: VecDeque<Vec<u8>>,
    /// How much of the first record was written to a stream.
    begun: usize,
    lost: u64,
    report_after: Duration,
}

/// # Errors
/// When there is no descriptor left; then everything stays as it was.
pub(super) fn prepare(settings: Option<&config::SyslogSettings>) -> sys::Result<Prepared> {
    let settings = settings.cloned();
    let remote = settings
        .as_ref()
        .map(|settings| connect(&settings.address))
        .transpose()?;
    Ok(Prepared(settings.zip(remote)))
}

pub(super) struct Prepared(Option<(config::SyslogSettings, Remote)>);

impl Prepared {
    pub fn install(self) {
        *SYSLOG.lock() = self.0.map(|(settings, remote)| SyslogSender {
            settings,
            remote,
            pid: std::process::id(),
            waiting: VecDeque::new(),
            begun: 0,
            lost: 0,
            report_after: Duration::ZERO,
        });
    }
}

pub(super) fn connect(address: &config::RemoteAddress) -> sys::Result<Remote> {
    match address {
        config::RemoteAddress::Udp { host, port } => Ok(Remote::udp(lookups::find(host, *port)?)),
        config::RemoteAddress::Tcp { host, port } => Ok(Remote::tcp(lookups::find(host, *port)?)),
        config::RemoteAddress::Datagrams(path) => Remote::datagrams(path),
        config::RemoteAddress::Stream(path) => Remote::stream(path),
        config::RemoteAddress::Unix(path) => Remote::unix(path),
    }
}

pub(super) fn after_fork() {
    if let Some(syslog) = &mut *SYSLOG.lock() {
        syslog.pid = std::process::id();
        syslog.remote.after_fork();
        syslog.waiting.clear();
        (syslog.begun, syslog.lost) = (0, 0);
    }
}

pub(super) fn is_on() -> bool {
    SYSLOG.lock().is_some()
}

/// Whether the access log goes there.
pub(super) fn takes_access() -> bool {
    SYSLOG
        .lock()
        .as_ref()
        .is_some_and(|syslog| syslog.settings.access)
}

/// A record of the error log.
pub(super) fn error(level: LogLevel, text: &str) {
    if let Some(syslog) = &mut *SYSLOG.lock() {
        let severity = match level {
            LogLevel::Debug => 7,
            LogLevel::Info => 6,
            LogLevel::Warning => 4,
            LogLevel::Error => 3,
            LogLevel::Critical => 2,
        };
        syslog.put(severity, level, "error", text.as_bytes());
    }
}

/// A line of the access log, without its end.
pub(super) fn access(line: &[u8]) {
    if let Some(syslog) = &mut *SYSLOG.lock() {
        syslog.put(6, LogLevel::Info, "access", line);
    }
}

pub(super) fn is_behind() -> bool {
    SYSLOG
        .lock()
        .as_ref()
        .is_some_and(|syslog| !syslog.waiting.is_empty() && !syslog.remote.is_unresolved())
}

/// Sends queued records, and logs how many were lost; to be called from time to time.
pub(super) fn flush() {
    let lost = {
        let mut syslog = SYSLOG.lock();
        let Some(syslog) = &mut *syslog else { return };
        syslog.flush();
        syslog.take_lost()
    };
    if let Some(lines) = lost {
        tracing::warn!(lines, "syslog lines dropped");
        // That this line may be lost too needs no report.
        if let Some(syslog) = &mut *SYSLOG.lock() {
            syslog.lost = 0;
        }
    }
}

impl SyslogSender {
    /// `<priority>gunicorn.prefix.name: [pid] text`, and the NUL that Python's handler ends with. A stream has lines.
    fn put(&mut self, severity: u8, level: LogLevel, name: &str, text: &[u8]) {
        let priority = u16::from(self.settings.facility) << 3 | u16::from(severity);
        let mut record =
            format!("<{priority}>gunicorn.{}.{name}: ", self.settings.prefix).into_bytes();
        if let Some(shape) = &self.settings.line {
            let line = shape::LogRecord {
                level,
                pid: self.pid,
                logger: &format!("gunicorn.{name}"),
                message: &String::from_utf8_lossy(text),
            };
            record.extend_from_slice(shape::render(shape, &line).as_bytes());
        } else {
            record.extend_from_slice(format!("[{}] ", self.pid).as_bytes());
            record.extend_from_slice(text);
        }
        if self.waiting.len() >= MOST_WAITING {
            self.lost += 1;
            return;
        }
        self.waiting.push_back(record);
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(record) = self.waiting.front() {
            let is_stream = self.remote.is_stream();
            let mut framed;
            let whole = if is_stream {
                // RFC 6587: one record per line, so it must not contain newlines.
                framed = record.clone();
                framed
                    .iter_mut()
                    .filter(|b| **b == b'\n')
                    .for_each(|b| *b = b' ');
                framed.push(b'\n');
                &framed
            } else {
                framed = record.clone();
                framed.push(0);
                &framed
            };
            let rest = whole.get(self.begun..).unwrap_or_default();
            match self.remote.send(rest) {
                Ok(count) if is_stream && count < rest.len() => {
                    self.begun += count;
                    continue;
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // A stream is connected again; records for it are kept, within the bound.
                Err(_) if is_stream => {
                    self.begun = 0;
                    return;
                }
                Err(_) => self.lost += 1,
            }
            self.begun = 0;
            self.waiting.pop_front();
        }
    }

    fn take_lost(&mut self) -> Option<u64> {
        let now = clock::monotonic();
        if self.lost == 0 || now < self.report_after {
            return None;
        }
        self.report_after = now + REPORT_EVERY;
        Some(std::mem::take(&mut self.lost))
    }
}
