//! One client of the control socket: reads its requests and writes the responses, as lines.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

use crate::master::descriptors::{KeptDescriptors, copy};
use crate::sys::{self, PollInterest};

/// Limit for one request.
pub const LONGEST_LINE: usize = 64 * 1024;

#[derive(Debug)]
pub struct ControlClient {
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
    /// The number of its request that is being answered.
    pub asked: Option<u64>,
    /// Whether it is to be closed once its response is written.
    leaving: Leaving,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    /// After its last response: it has closed its side, or sends invalid data.
    WhenWritten,
    Now,
}

/// A line, or what arrived instead of one.
#[derive(Debug, PartialEq, Eq)]
pub enum ReceivedLine {
    Whole(Vec<u8>),
    TooLong,
}

/// A client that was handed over to a program that goes on in this one's place.
#[derive(Debug, Serialize, Deserialize)]
pub struct ClientState {
    stream: RawFd,
    input: Vec<u8>,
    output: Vec<u8>,
    asked: Option<u64>,
    leaves: bool,
}

impl ControlClient {
    pub fn state(&self, kept: &mut KeptDescriptors) -> ClientState {
        ClientState {
            stream: kept.keep(&self.stream),
            input: self.input.clone(),
            output: self.output.clone(),
            asked: self.asked,
            leaves: self.leaving != Leaving::No,
        }
    }

    /// # Errors
    /// Its descriptor is not open.
    pub fn restore(state: ClientState) -> sys::Result<Self> {
        Ok(Self {
            stream: copy(state.stream)?.into(),
            input: state.input,
            output: state.output,
            asked: state.asked,
            leaving: if state.leaves {
                Leaving::WhenWritten
            } else {
                Leaving::No
            },
        })
    }

    /// `stream` must not block.
    pub fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            input: Vec::new(),
            output: Vec::new(),
            asked: None,
            leaving: Leaving::No,
        }
    }

    pub fn is_gone(&self) -> bool {
        self.leaving == Leaving::Now
            || self.leaving == Leaving::WhenWritten
                && self.output.is_empty()
                && self.asked.is_none()
    }

    /// One request at a time: while one is answered, the next waits in the socket.
    pub fn wanted(&self) -> PollInterest {
        if !self.output.is_empty() {
            PollInterest::Writable
        } else if self.asked.is_some() || self.leaving != Leaving::No {
            PollInterest::Closed
        } else {
            PollInterest::Readable
        }
    }

    /// Handles readiness of the socket.
    pub fn attend(&mut self) {
        match self.wanted() {
            PollInterest::Writable => self.write(),
            PollInterest::Readable => self.read(),
            PollInterest::Closed => self.leaving = Leaving::Now,
        }
    }

    fn read(&mut self) {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece) {
            // Its previous request is still answered.
            Ok(0) => self.leaving = Leaving::WhenWritten,
            Ok(count) => self
                .input
                .extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(error) if is_passing(error.kind()) => {}
            Err(_) => self.leaving = Leaving::Now,
        }
    }

    /// The next request, if it has arrived and the previous one was answered.
    pub fn line(&mut self) -> Option<ReceivedLine> {
        if self.asked.is_some() || !self.output.is_empty() {
            return None;
        }
        if let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
            let mut line: Vec<u8> = self.input.drain(..=end).collect();
            line.pop();
            return Some(ReceivedLine::Whole(line));
        }
        if self.input.len() > LONGEST_LINE {
            self.input.clear();
            self.leaving = Leaving::WhenWritten;
            return Some(ReceivedLine::TooLong);
        }
        None
    }

    /// Writes a line; what the client does not read now is kept.
    pub fn send_line(&mut self, line: &str) {
        self.asked = None;
        self.output.extend_from_slice(line.as_bytes());
        self.output.push(b'\n');
        self.write();
    }

    /// As `send_line`, then closes.
    pub fn send_last_line(&mut self, line: &str) {
        self.leaving = Leaving::WhenWritten;
        self.send_line(line);
    }

    fn write(&mut self) {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if is_passing(error.kind()) => return,
                Err(_) => {
                    self.leaving = Leaving::Now;
                    return;
                }
            }
        }
    }
}

impl AsFd for ControlClient {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (ControlClient, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("fcntl");
        (ControlClient::new(ours), theirs)
    }

    #[test]
    fn one_request_at_a_time() {
        let (mut client, mut other) = pair();
        other.write_all(b"one\ntwo\n").expect("room");
        client.attend();
        assert_eq!(client.line(), Some(ReceivedLine::Whole(b"one".to_vec())));
        client.asked = Some(1);
        assert_eq!(
            (client.line(), client.wanted()),
            (None, PollInterest::Closed)
        );
        client.send_line("answer");
        assert_eq!(client.line(), Some(ReceivedLine::Whole(b"two".to_vec())));
    }

    #[test]
    fn a_client_that_leaves_gets_its_answers_first() {
        let (mut client, mut other) = pair();
        other.write_all(b"one\n").expect("room");
        other
            .shutdown(std::net::Shutdown::Write)
            .expect("connected");
        client.attend();
        assert_eq!(client.line(), Some(ReceivedLine::Whole(b"one".to_vec())));
        client.send_line("answer");
        client.attend();
        assert!(client.is_gone());
        drop(client);
        let mut text = String::new();
        other.read_to_string(&mut text).expect("readable");
        assert_eq!(text, "answer\n");
    }

    #[test]
    fn a_line_without_an_end_is_not_kept() {
        let (mut client, mut other) = pair();
        for _ in 0..=LONGEST_LINE / 4096 {
            other.write_all(&[b'x'; 4096]).expect("room");
            client.attend();
        }
        assert_eq!(client.line(), Some(ReceivedLine::TooLong));
        client.send_line("too long");
        assert!(client.is_gone());
    }

    #[test]
    fn what_the_client_does_not_take_waits() {
        let (mut client, mut other) = pair();
        let long = "x".repeat(1 << 20);
        client.send_line(&long);
        assert_eq!(
            (client.wanted(), client.line()),
            (PollInterest::Writable, None)
        );
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            other.read_to_string(&mut text).expect("readable");
            text.len()
        });
        while client.wanted() == PollInterest::Writable {
            client.attend();
        }
        drop(client);
        assert_eq!(reader.join().expect("it only reads"), (1 << 20) + 1);
    }
}
