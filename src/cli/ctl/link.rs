//! One conversation with a server: connected, asked, answered. It does not know what is asked.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::find::{self, Wanted};
use super::{Failure, Request, Response};

/// A server that boots has no socket yet; it is looked for again this often.
const AGAIN: Duration = Duration::from_millis(100);

pub struct Link {
    stream: BufReader<UnixStream>,
}

impl Link {
    pub fn open(wanted: &Wanted) -> Result<Self, Failure> {
        let path = find::find(wanted)?;
        Self::at(&path)
    }

    pub fn at(path: &Path) -> Result<Self, Failure> {
        let stream = UnixStream::connect(path).map_err(|error| unreachable_at(path, &error))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    pub fn ask(&mut self, request: &Request) -> Result<Response, Failure> {
        let mut line =
            serde_json::to_string(request).map_err(|error| Failure::new(error.to_string()))?;
        line.push('\n');
        // Refused before we wrote: the reason is there to be read.
        drop(self.stream.get_mut().write_all(line.as_bytes()));
        let mut answer = String::new();
        match self.stream.read_line(&mut answer) {
            Ok(0) => Err(Failure::new("the server has ended")),
            Ok(_) => serde_json::from_str(&answer).map_err(|error| {
                Failure::new(format!("the server's answer is not understood: {error}"))
            }),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(Failure::new("the time is over"))
            }
            Err(error) => Err(Failure::new(format!("the server does not answer: {error}"))),
        }
    }

    /// The server closes the connection when it is gone, whatever came before.
    pub fn wait_for_the_end(&mut self) {
        let mut rest = String::new();
        while self
            .stream
            .read_line(&mut rest)
            .is_ok_and(|count| count > 0)
        {
            rest.clear();
        }
    }

    fn limit(&self, left: Duration) {
        // Zero would mean for ever. An error would only be a limit that does not hold.
        let left = left.max(Duration::from_millis(1));
        drop(self.stream.get_ref().set_read_timeout(Some(left)));
    }
}

/// Asks as soon as there is somebody to ask; the whole of it within `timeout`.
#[allow(clippy::disallowed_methods, reason = "a client's own patience")]
pub fn ask_in_time(
    wanted: &Wanted,
    request: &Request,
    timeout: Option<Duration>,
) -> Result<Response, Failure> {
    let began = Instant::now();
    let left = || timeout.map(|timeout| timeout.saturating_sub(began.elapsed()));
    let mut link = loop {
        match Link::open(wanted) {
            Ok(link) => break link,
            Err(failure) if left().is_some_and(|left| left.is_zero()) => return Err(failure),
            Err(_) => std::thread::park_timeout(AGAIN),
        }
    };
    if let Some(left) = left() {
        link.limit(left);
    }
    link.ask(request)
}

fn unreachable_at(path: &Path, error: &std::io::Error) -> Failure {
    let failure = |reason: &str| Failure::new(format!("{}: {reason}", path.display()));
    match error.kind() {
        ErrorKind::NotFound => failure("there is no such socket")
            .hint("the server's log says where its control socket is, or why it has none"),
        ErrorKind::ConnectionRefused => failure("no server answers there")
            .hint("the socket is left over from one that was killed"),
        ErrorKind::PermissionDenied => {
            failure("permission denied").hint("only the server's own user and root may ask")
        }
        _ => failure(&error.to_string()),
    }
}
