//! What was typed on the command line. No help page: `benches/compare` is the only caller.

use std::net::SocketAddr;
use std::time::Duration;

use crate::websocket;

pub struct Args {
    pub address: SocketAddr,
    pub connections: usize,
    /// No request is started after this long.
    pub seconds: Duration,
    /// No request is started after this many.
    pub requests: u64,
    /// One whole request, head and body, as it goes on the wire.
    pub request: Vec<u8>,
    /// The whole decoded body that every response must have.
    pub expect: Vec<u8>,
    /// A new connection for each request; the server must close it.
    pub close: bool,
    /// The request is a handshake, `expect` a text message that the server echoes: each echo counts as a request.
    pub websocket: bool,
    /// The message as a frame; empty without `websocket`.
    pub message: Vec<u8>,
    /// A request, or a close that was announced, that takes longer is an error.
    pub timeout: Duration,
}

impl Args {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
        let mut args = Args {
            address: SocketAddr::from(([127, 0, 0, 1], 8000)),
            connections: 1,
            seconds: Duration::from_secs(1),
            requests: u64::MAX,
            request: Vec::new(),
            expect: Vec::new(),
            close: false,
            websocket: false,
            message: Vec::new(),
            timeout: Duration::from_secs(5),
        };
        while let Some(flag) = words.next() {
            if flag == "--close" {
                args.close = true;
                continue;
            }
            if flag == "--websocket" {
                args.websocket = true;
                continue;
            }
            let value = words
                .next()
                .ok_or_else(|| format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--address" => args.address = number(&flag, &value)?,
                "--connections" => args.connections = number(&flag, &value)?,
                "--seconds" => args.seconds = seconds(&flag, &value)?,
                "--requests" => args.requests = number(&flag, &value)?,
                "--request" => args.request = file(&value)?,
                "--expect" => args.expect = file(&value)?,
                "--timeout" => args.timeout = seconds(&flag, &value)?,
                _ => return Err(format!("unknown flag {flag}")),
            }
        }
        if args.request.is_empty() {
            return Err("--request FILE is needed".into());
        }
        if args.websocket {
            args.message = websocket::frame(&args.expect);
        }
        Ok(args)
    }
}

fn number<T: std::str::FromStr>(flag: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{flag}: cannot read {value:?}"))
}

fn seconds(flag: &str, value: &str) -> Result<Duration, String> {
    Duration::try_from_secs_f64(number(flag, value)?).map_err(|e| format!("{flag}: {e}"))
}

fn file(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("read {path}: {e}"))
}
