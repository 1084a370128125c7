//! What a companion prints, read without waiting and as far as its budget goes.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::lines::{Lines, PartialLine};
use crate::observability;

/// Read in one turn of the loop.
const A_TURN: usize = 64 << 10;

#[derive(Debug)]
pub struct CompanionOutput {
    name: String,
    /// `None`: it was closed.
    pipe: Option<File>,
    lines: Lines,
}

impl CompanionOutput {
    pub fn new(name: &str, pipe: OwnedFd) -> Self {
        Self {
            name: name.to_owned(),
            pipe: Some(pipe.into()),
            lines: Lines::default(),
        }
    }

    /// One that the program before has read.
    pub fn restore(name: &str, pipe: Option<OwnedFd>, partial: PartialLine) -> Self {
        Self {
            name: name.to_owned(),
            pipe: pipe.map(File::from),
            lines: partial.into_lines(),
        }
    }

    pub fn pipe(&self) -> Option<&File> {
        self.pipe.as_ref()
    }

    pub fn partial_line(&self) -> PartialLine {
        self.lines.partial()
    }

    /// What there is to wait for: `None` while nothing more is read.
    pub fn watched(&self) -> Option<BorrowedFd<'_>> {
        let pipe = self.pipe.as_ref().filter(|_| !self.lines.is_full());
        pipe.map(AsFd::as_fd)
    }

    /// When `hear` is to be called though nothing comes, monotonic.
    pub fn due(&self) -> Option<Duration> {
        self.lines.resumes()
    }

    /// Logs what has come.
    pub fn hear(&mut self, now: Duration) {
        if let Some(lines) = self.lines.dropped(now) {
            tracing::warn!(
                companion = self.name,
                lines,
                "companion prints too much, lines dropped"
            );
        }
        let allowed = self.lines.allowance(now).min(A_TURN);
        let Some(pipe) = self.pipe.as_mut().filter(|_| allowed > 0) else {
            return;
        };
        let mut buffer = vec![0; allowed];
        match pipe.read(&mut buffer) {
            Ok(0) => self.pipe = None,
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                let name = &self.name;
                self.lines
                    .push(bytes, |line| observability::companion_says(name, line));
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => self.pipe = None,
        }
    }

    /// The process is gone: its last words are in the pipe, which holds no more than `A_TURN`. Another process that has the pipe,
    /// and left the group, is not heard.
    pub fn end(&mut self) {
        let mut buffer = vec![0; A_TURN];
        let found = self.pipe.take().map(|mut pipe| pipe.read(&mut buffer));
        let bytes = buffer.get(..found.and_then(Result::ok).unwrap_or(0));
        let name = &self.name;
        self.lines.push(bytes.unwrap_or_default(), |line| {
            observability::companion_says(name, line);
        });
        let lines = self
            .lines
            .end(|line| observability::companion_says(name, line));
        if lines > 0 {
            tracing::warn!(
                companion = self.name,
                lines,
                "companion prints too much, lines dropped"
            );
        }
    }
}
