//! A closed loop of N connections against one HTTP/1.1 server; every response is compared byte for byte.
//! Prints one JSON object. Exit code 1 when anything at all went wrong. Measures the client's side only.

mod args;
mod chunked;
mod connection;
mod histogram;
mod response;
mod websocket;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use args::Args;
use connection::Connection;
use histogram::Histogram;

/// So many errors end the run: the server is broken, not unlucky.
const ERRORS_MAX: u64 = 20;

struct Load {
    args: Args,
    poll: Poll,
    connections: Vec<Option<Connection>>,
    start: Instant,
    last_answer: Instant,
    started: u64,
    answered: u64,
    opened: u64,
    errors: u64,
    first_error: String,
    latency: Histogram,
}

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(e) => {
            eprintln!("load: {e}");
            return ExitCode::from(2);
        }
    };
    match Load::new(args).and_then(Load::run) {
        Ok(load) => {
            println!("{}", load.json());
            ExitCode::from(u8::from(load.errors > 0))
        }
        Err(e) => {
            eprintln!("load: {e}");
            ExitCode::from(1)
        }
    }
}

impl Load {
    fn new(args: Args) -> std::io::Result<Load> {
        let now = Instant::now();
        Ok(Load {
            poll: Poll::new()?,
            connections: (0..args.connections).map(|_| None).collect(),
            args,
            start: now,
            last_answer: now,
            started: 0,
            answered: 0,
            opened: 0,
            errors: 0,
            first_error: String::new(),
            latency: Histogram::new(),
        })
    }

    fn run(mut self) -> std::io::Result<Load> {
        let mut events = Events::with_capacity(256);
        let mut buffer = vec![0; 64 * 1024];
        for slot in 0..self.connections.len() {
            self.open(slot);
        }
        let mut checked = Instant::now();
        while self.connections.iter().any(Option::is_some) && self.errors < ERRORS_MAX {
            match self
                .poll
                .poll(&mut events, Some(Duration::from_millis(200)))
            {
                Err(e) if e.kind() != std::io::ErrorKind::Interrupted => return Err(e),
                _ => {}
            }
            for event in &events {
                let Token(slot) = event.token();
                let Some(connection) = &mut self.connections[slot] else {
                    continue;
                };
                match connection.ready(event, &self.args, &mut buffer) {
                    Ok(outcome) => {
                        if outcome.opened {
                            self.begin(slot);
                        }
                        if outcome.answered {
                            self.answered(slot);
                        }
                        if outcome.closed {
                            self.open(slot);
                        }
                    }
                    Err(e) => self.failed(slot, e),
                }
            }
            if checked.elapsed() > Duration::from_millis(500) {
                checked = Instant::now();
                self.check_timeouts();
            }
        }
        Ok(self)
    }

    fn may_start(&self, now: Instant) -> bool {
        now - self.start < self.args.seconds && self.started < self.args.requests
    }

    /// Puts a new connection with its first request into the slot, or leaves it empty when the time is over.
    fn open(&mut self, slot: usize) {
        self.connections[slot] = None; // the old one is closed first
        if !self.may_start(Instant::now()) {
            return;
        }
        self.started += 1;
        self.opened += 1;
        match Connection::open(&self.args, self.opened, Token(slot), self.poll.registry()) {
            Ok(connection) => self.connections[slot] = Some(connection),
            Err(e) => self.failed(slot, format!("connect: {e}")),
        }
    }

    /// The first message on a WebSocket that has just been opened: the handshake is not measured.
    fn begin(&mut self, slot: usize) {
        if let Some(connection) = &mut self.connections[slot]
            && let Err(e) = connection.again(&self.args, Instant::now())
        {
            self.failed(slot, e);
        }
    }

    fn answered(&mut self, slot: usize) {
        let now = Instant::now();
        self.answered += 1;
        self.last_answer = now;
        let may_start = self.may_start(now);
        let Some(connection) = &mut self.connections[slot] else {
            return;
        };
        self.latency
            .record((now - connection.since).as_nanos() as u64);
        if connection.is_closing() {
            connection.since = now;
        } else if self.args.close {
            self.failed(
                slot,
                "the server keeps a connection that it was asked to close".into(),
            );
        } else if may_start {
            self.started += 1;
            if let Err(e) = connection.again(&self.args, now) {
                self.failed(slot, e);
            }
        } else {
            self.connections[slot] = None;
        }
    }

    fn failed(&mut self, slot: usize, error: String) {
        if self.errors == 0 {
            self.first_error = error;
        }
        self.errors += 1;
        self.connections[slot] = None;
        if self.errors < ERRORS_MAX {
            self.open(slot);
        }
    }

    fn check_timeouts(&mut self) {
        for slot in 0..self.connections.len() {
            let Some(connection) = &self.connections[slot] else {
                continue;
            };
            if connection.since.elapsed() > self.args.timeout {
                let what = if connection.is_closing() {
                    "the close"
                } else {
                    "an answer"
                };
                self.failed(
                    slot,
                    format!("no sign of {what} for {:?}", self.args.timeout),
                );
            }
        }
    }

    fn json(&self) -> String {
        let seconds = (self.last_answer - self.start).as_secs_f64();
        let quantile = |share| self.latency.quantile(share);
        format!(
            "{{\"requests\": {}, \"seconds\": {seconds:.6}, \"opened\": {}, \"errors\": {}, \"first_error\": {:?}, \
             \"p50_us\": {:.1}, \"p90_us\": {:.1}, \"p99_us\": {:.1}, \"max_us\": {:.1}}}",
            self.answered,
            self.opened,
            self.errors,
            self.first_error,
            quantile(0.5),
            quantile(0.9),
            quantile(0.99),
            self.latency.max(),
        )
    }
}
