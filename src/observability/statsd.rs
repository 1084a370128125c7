//! Metrics to statsd with gunicorn's names, several in a datagram. Sending never blocks, and losses are not counted.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use parking_lot::Mutex;

use super::syslog::connect;
use crate::config::{self, LogLevel, Settings};
use crate::sys::{self, Remote};

/// A datagram that fits into an Ethernet frame (1,500 less the headers of IPv6 and UDP, and some for tunnels).
const MOST_BYTES: usize = 1400;

/// Of this process; made by the master, so that an error is reported before the first worker starts.
static STATSD: Mutex<Option<Statsd>> = Mutex::new(None);

/// The last number of workers that was sent.
static WORKERS: AtomicU32 = AtomicU32::new(u32::MAX);

/// Metrics to be sent.
#[derive(Debug, Clone)]
pub struct Statsd {
    /// Shared by all processes: a datagram is whole.
    remote: Arc<Mutex<Remote>>,
    prefix: String,
    tags: String,
    buffer: String,
}

pub(super) fn prepare(settings: Option<&config::StatsdSettings>) -> sys::Result<Option<Statsd>> {
    let Some(settings) = settings else {
        return Ok(None);
    };
    Ok(Some(Statsd {
        remote: Arc::new(Mutex::new(connect(&settings.address)?)),
        prefix: settings.prefix.clone(),
        tags: settings.tags.clone(),
        buffer: String::new(),
    }))
}

pub(super) fn install(statsd: Option<Statsd>) {
    *STATSD.lock() = statsd;
    // A new server gets the number of workers.
    WORKERS.store(u32::MAX, Relaxed);
}

/// A message of the error log, by gunicorn's counting: `exception` is an error with a traceback, and `info` is not counted.
pub(super) fn message(level: LogLevel, has_traceback: bool) {
    let name = match level {
        LogLevel::Error if has_traceback => "exception",
        LogLevel::Critical => "critical",
        LogLevel::Error => "error",
        LogLevel::Warning => "warning",
        LogLevel::Info | LogLevel::Debug => return,
    };
    if let Some(statsd) = &mut *STATSD.lock() {
        statsd.put(
            format_args!("gunicorn.log.{name}"),
            format_args!("1|c|@1.0"),
        );
        statsd.flush();
    }
}

/// The master's number of workers, where it has changed.
pub fn workers(count: u32) {
    if WORKERS.load(Relaxed) == count {
        return;
    }
    if let Some(statsd) = &mut *STATSD.lock() {
        // It is sent once for each number, so it must not be lost: if the address is not known yet, it is sent at the next turn.
        if statsd.remote.lock().is_unresolved() {
            return;
        }
        statsd.put(format_args!("gunicorn.workers"), format_args!("{count}|g"));
        statsd.flush();
    }
    WORKERS.store(count, Relaxed);
}

/// The load of a server, over the last second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LoadGauges {
    /// The share of time that workers were not asleep, on average.
    pub busy_ratio: f64,
    pub in_flight: u64,
    /// How long requests have waited since the time in `X-Request-Start`, which a proxy has set, on average.
    pub queue_ms: u64,
    /// Connections that wait to be accepted.
    pub backlog: u64,
}

/// How the backlog is sent: once, since dogstatsd accepts a name as one type only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backlog {
    Gauge,
    /// As gunicorn's own metric.
    Histogram,
}

pub fn load(load: &LoadGauges, backlog: Backlog) {
    if let Some(statsd) = &mut *STATSD.lock() {
        let workers = WORKERS.load(Relaxed);
        if workers != u32::MAX {
            // Again: datagrams are lost, and statsd forgets a gauge that is not sent for some time.
            statsd.put(
                format_args!("gunicorn.workers"),
                format_args!("{workers}|g"),
            );
        }
        statsd.load(load, backlog);
        statsd.flush();
    }
}

impl Statsd {
    /// For a worker; `None` where there is no server.
    #[must_use]
    pub fn inherited(settings: &Settings) -> Option<Statsd> {
        settings.logging.statsd.as_ref()?;
        STATSD.lock().clone()
    }

    /// A request that was answered.
    pub fn request(&mut self, status: u16, micros: u64) {
        let (whole, part) = (micros / 1000, micros % 1000);
        // As Python writes a float: no zeros at its end, but one.
        let part = format!("{part:03}");
        let part = match part.trim_end_matches('0') {
            "" => "0",
            part => part,
        };
        self.put(
            format_args!("gunicorn.request.duration"),
            format_args!("{whole}.{part}|ms"),
        );
        self.put(format_args!("gunicorn.requests"), format_args!("1|c|@1.0"));
        self.put(
            format_args!("gunicorn.request.status.{status}"),
            format_args!("1|c|@1.0"),
        );
    }

    fn load(&mut self, load: &LoadGauges, backlog: Backlog) {
        let LoadGauges {
            busy_ratio,
            in_flight,
            queue_ms,
            backlog: waiting,
        } = load;
        let kind = match backlog {
            Backlog::Gauge => 'g',
            Backlog::Histogram => 'h',
        };
        self.put(
            format_args!("gunicorn.busy_ratio"),
            format_args!("{busy_ratio:.3}|g"),
        );
        self.put(
            format_args!("gunicorn.in_flight"),
            format_args!("{in_flight}|g"),
        );
        self.put(format_args!("gunicorn.queue"), format_args!("{queue_ms}|g"));
        self.put(
            format_args!("gunicorn.backlog"),
            format_args!("{waiting}|{kind}"),
        );
    }

    fn put(&mut self, name: std::fmt::Arguments<'_>, value: std::fmt::Arguments<'_>) {
        let before = self.buffer.len();
        if before > 0 {
            self.buffer.push('\n');
        }
        // Writing to a String cannot fail.
        let _ = write!(self.buffer, "{}{name}:{value}{}", self.prefix, self.tags);
        if self.buffer.len() > MOST_BYTES && before > 0 {
            let last = self.buffer.split_off(before);
            self.flush();
            self.buffer.push_str(last.trim_start_matches('\n'));
        }
    }

    /// At the end of a turn.
    pub fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        // A full socket, or no receiver: the next metrics do as well.
        drop(self.remote.lock().send(self.buffer.as_bytes()));
        self.buffer.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn statsd(prefix: &str, tags: &str) -> (UdpSocket, Statsd) {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server
            .set_read_timeout(Some(std::time::Duration::from_secs(5)))
            .unwrap();
        let settings = config::StatsdSettings {
            address: config::RemoteAddress::Udp {
                host: "127.0.0.1".into(),
                port: server.local_addr().unwrap().port(),
            },
            prefix: prefix.into(),
            tags: tags.into(),
            backlog: config::BacklogMetric::No,
        };
        let statsd = prepare(Some(&settings)).unwrap().unwrap();
        (server, statsd)
    }

    fn received(server: &UdpSocket) -> String {
        let mut buffer = [0; 4096];
        let count = server.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    }

    #[test]
    fn a_request_is_three_metrics_in_one_datagram() {
        let (server, mut statsd) = statsd("app.", "|#env:prod");
        statsd.request(404, 12_340);
        statsd.flush();
        assert_eq!(
            received(&server).lines().collect::<Vec<_>>(),
            [
                "app.gunicorn.request.duration:12.34|ms|#env:prod",
                "app.gunicorn.requests:1|c|@1.0|#env:prod",
                "app.gunicorn.request.status.404:1|c|@1.0|#env:prod",
            ]
        );
        statsd.request(200, 3_000);
        statsd.flush();
        assert!(received(&server).starts_with("app.gunicorn.request.duration:3.0|ms"));
    }

    #[test]
    fn the_load_is_four_gauges() {
        let (server, mut statsd) = statsd("app.", "|#env:prod");
        let load = LoadGauges {
            busy_ratio: 1.0 / 3.0,
            in_flight: 7,
            queue_ms: 250,
            backlog: 3,
        };
        statsd.load(&load, Backlog::Gauge);
        statsd.flush();
        assert_eq!(
            received(&server).lines().collect::<Vec<_>>(),
            [
                "app.gunicorn.busy_ratio:0.333|g|#env:prod",
                "app.gunicorn.in_flight:7|g|#env:prod",
                "app.gunicorn.queue:250|g|#env:prod",
                "app.gunicorn.backlog:3|g|#env:prod",
            ]
        );
        statsd.load(&load, Backlog::Histogram);
        statsd.flush();
        assert!(received(&server).contains("gunicorn.backlog:3|h"));
    }

    #[test]
    fn many_metrics_are_several_datagrams_of_whole_lines() {
        let (server, mut statsd) = statsd("", "");
        (0..100).for_each(|_| statsd.request(200, 1));
        statsd.flush();
        let mut lines = 0;
        while lines < 300 {
            let text = received(&server);
            assert!(text.len() <= MOST_BYTES);
            assert!(
                text.lines()
                    .all(|line| line.starts_with("gunicorn.request"))
            );
            lines += text.lines().count();
        }
        assert_eq!(lines, 300);
    }
}
