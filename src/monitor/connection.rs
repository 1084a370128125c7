//! One client of the monitor: bytes in, answers out. It does not know what they say.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::response::{Answer, Answers};
use crate::http::{self, BodyEnd, Date, Event, Method, Policy, RequestHead};
use crate::sys::{Wanted, unix_seconds};

pub struct Connection {
    stream: UnixStream,
    http: http::Connection,
    output: Vec<u8>,
    /// Of the last progress, in monotonic milliseconds.
    since: u64,
    over: Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    No,
    WhenWritten,
    Now,
}

impl Connection {
    /// `stream` must not block.
    pub fn new(stream: UnixStream, policy: Arc<Policy>, now: u64) -> Self {
        Self {
            stream,
            http: http::Connection::new(policy),
            output: Vec::new(),
            since: now,
            over: Over::No,
        }
    }

    pub fn since(&self) -> u64 {
        self.since
    }

    pub fn wanted(&self) -> Wanted {
        if self.output.is_empty() {
            Wanted::Readable
        } else {
            Wanted::Writable
        }
    }

    pub fn is_over(&self) -> bool {
        self.over == Over::Now || self.over == Over::WhenWritten && self.output.is_empty()
    }

    /// Reads what is there, answers it, writes what is taken.
    pub fn attend(&mut self, answers: &mut Answers, now: u64) {
        self.write(now);
        // An answer that is not taken holds the next question back.
        while self.output.is_empty() && self.over == Over::No {
            match self.http.poll_event() {
                Event::Request(head) => self.answer(answers, &head),
                Event::NeedInput => {
                    if !self.read(now) {
                        return;
                    }
                    continue;
                }
                Event::Refused(refusal) => {
                    let answer = self.http.refuse(refusal, &date()).to_vec();
                    self.output.extend_from_slice(&answer);
                    self.over = Over::WhenWritten;
                }
                Event::Closed => self.over = Over::Now,
                // A body is not wanted: nobody reads it.
                Event::Body(_) | Event::EndOfBody | Event::Paused => {}
            }
            self.write(now);
        }
    }

    fn answer(&mut self, answers: &mut Answers, head: &RequestHead) {
        let answer = match head.known_method() {
            Method::Get | Method::Head => answers.answer(head.target_path()),
            _ => Answer::not_allowed(),
        };
        let Answer {
            status,
            content_type,
            body,
        } = answer;
        let length = body.len().to_string();
        let headers = [
            (&b"content-type"[..], content_type.as_bytes()),
            (b"content-length", length.as_bytes()),
            (b"cache-control", b"no-store"),
        ];
        let begun = self.http.start_response(status, None, headers, &date());
        match begun.and_then(|()| self.http.body(body.as_bytes(), BodyEnd::Last)) {
            Ok(transmit) => {
                for piece in [transmit.head, transmit.data, transmit.tail] {
                    self.output.extend_from_slice(piece);
                }
            }
            Err(error) => {
                tracing::error!(%error, "the monitor's own answer is not one");
                self.over = Over::Now;
            }
        }
        if !self.http.is_keep_alive() {
            self.over = Over::WhenWritten;
        }
    }

    /// False: nothing more to read now.
    fn read(&mut self, now: u64) -> bool {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece) {
            Ok(0) => self.http.input_ended(),
            Ok(count) => {
                self.since = now;
                self.http.receive(piece.get(..count).unwrap_or_default());
            }
            Err(error) if is_passing(error.kind()) => return false,
            Err(_) => self.over = Over::Now,
        }
        true
    }

    fn write(&mut self, now: u64) {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(count) => {
                    self.since = now;
                    drop(self.output.drain(..count));
                }
                Err(error) if is_passing(error.kind()) => return,
                Err(_) => {
                    self.over = Over::Now;
                    return;
                }
            }
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn date() -> Date {
    Date::at(u64::try_from(unix_seconds()).unwrap_or(0))
}
