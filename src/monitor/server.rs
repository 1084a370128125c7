//! The monitor's poll loop: accepts, reads, answers, closes. It does not know what is asked.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use super::Post;
use super::connection::Connection;
use super::response::Answers;
use crate::http::{HeaderMap, KeepAlive, Policy};
use crate::sys::{self, Wanted, clock, stream, wait_for};

/// The oldest leaves when another one comes.
const MOST: usize = 64;
/// A client that is silent, or does not take its answer, for so long.
const PATIENCE_MS: u64 = 30_000;

pub struct Server {
    post: Post,
    answers: Answers,
    policy: Arc<Policy>,
    connections: Vec<Connection>,
}

impl Server {
    pub fn new(post: Post) -> Self {
        let policy = Policy {
            limit_request_line: 1024,
            limit_request_fields: 64,
            limit_request_field_size: 8190,
            limit_request_body: Some(0),
            header_map: HeaderMap::Drop,
            exempt_names: Vec::new(),
            keep_alive: KeepAlive::Allowed,
        };
        Self {
            answers: Answers::new(post.board, Arc::clone(&post.addresses)),
            post,
            policy: Arc::new(policy),
            connections: Vec::new(),
        }
    }

    /// Until the master is gone.
    pub fn run(mut self) -> sys::Result<()> {
        loop {
            let mut watched = vec![(self.post.lifeline.as_fd(), Wanted::Readable)];
            let doors = self.post.listeners.iter();
            watched.extend(doors.map(|door| (door.as_fd(), Wanted::Readable)));
            watched.extend(
                self.connections
                    .iter()
                    .map(|one| (one.as_fd(), one.wanted())),
            );
            let ready = wait_for(&watched, self.timeout())?;
            let mut ready = ready.into_iter();
            if ready.next().unwrap_or(false) {
                return Ok(());
            }
            let doors: Vec<bool> = ready.by_ref().take(self.post.listeners.len()).collect();
            let now = clock::monotonic_ms();
            for (connection, ready) in self.connections.iter_mut().zip(ready) {
                if ready {
                    connection.attend(&mut self.answers, now);
                }
            }
            self.connections
                .retain(|one| !one.is_over() && now.saturating_sub(one.since()) < PATIENCE_MS);
            for (n, _) in doors.into_iter().enumerate().filter(|(_, ready)| *ready) {
                self.accept(n, now);
            }
        }
    }

    /// Until the first client has been silent for too long.
    fn timeout(&self) -> Option<Duration> {
        let first = self.connections.iter().map(Connection::since).min()?;
        let left = (first + PATIENCE_MS).saturating_sub(clock::monotonic_ms());
        Some(Duration::from_millis(left))
    }

    fn accept(&mut self, door: usize, now: u64) {
        let Some(door) = self.post.listeners.get(door) else {
            return;
        };
        match stream::accept(door.as_fd()) {
            Ok((connection, _)) => {
                if self.connections.len() >= MOST {
                    self.connections.remove(0);
                }
                // Only its reading and writing are used: any stream socket does.
                let stream = UnixStream::from(connection);
                let mut connection = Connection::new(stream, Arc::clone(&self.policy), now);
                connection.attend(&mut self.answers, now);
                if !connection.is_over() {
                    self.connections.push(connection);
                }
            }
            // Without descriptors the same connection would be offered for ever: one of ours is given up for it.
            Err(error) if matches!(error.raw_os_error(), Some(stream::EMFILE | stream::ENFILE)) => {
                if self.connections.is_empty() {
                    std::thread::park_timeout(Duration::from_millis(100));
                } else {
                    self.connections.remove(0);
                }
            }
            // It has left again.
            Err(_) => {}
        }
    }
}
