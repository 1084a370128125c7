//! The control socket and its clients.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::client::{ClientState, ControlClient, LONGEST_LINE, ReceivedLine};
use super::place;
use super::protocol::{ControlRequest, ControlResponse};
use crate::config::{ControlSocket, Settings};
use crate::master::Error;
use crate::master::binds::log_predecessor;
use crate::master::descriptors::{KeptDescriptors, KeptFile, KeptListener};
use crate::master::names;
use crate::master::supervisor::Token;
use crate::sys::{
    self, Listener, PollInterest, SocketFile, WhenLocked, clock, effective_user, listen_unix, peer,
};

/// For its owner only: 0600.
const MASK: u32 = 0o177;
const MOST_CLIENTS: usize = 16;
/// Pause before a client that could not be accepted is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// The descriptors that are polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ControlSource {
    Listening,
    Client(u64),
}

/// Without a socket it is empty and does nothing.
#[derive(Debug, Default)]
pub struct Control {
    door: Option<(Listener, SocketFile)>,
    clients: BTreeMap<u64, ControlClient>,
    /// A client waits and cannot be accepted (no descriptor is left): retried at that time, monotonic. Until then the
    /// listener is not polled, because it would be readable all the time.
    again: Option<Duration>,
    /// Numbers clients and requests; none is reused.
    last: u64,
}

/// Socket and clients, handed over to a program that goes on in this one's place.
#[derive(Debug, Serialize, Deserialize)]
pub struct ControlState {
    door: Option<(KeptListener, KeptFile)>,
    clients: Vec<(u64, ClientState)>,
    last: u64,
}

impl Control {
    /// # Errors
    /// When the socket with a configured path cannot be opened. Without one at a default path the server still runs.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let door = match &settings.control_socket {
            ControlSocket::None => None,
            ControlSocket::At(path) => Some(listen(path)?),
            ControlSocket::Usual => usual(settings),
        };
        if let Some((listener, file)) = &door {
            log_predecessor(file);
            tracing::info!(address = %listener, "control socket");
        }
        Ok(Self {
            door,
            ..Self::default()
        })
    }

    /// Of the second of two masters: beside the socket of the first one.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_beside(settings: &Settings) -> Result<Self, Error> {
        match &settings.control_socket {
            ControlSocket::At(path) => Self::open(&Settings {
                control_socket: ControlSocket::At(names::of_second(path)),
                ..settings.clone()
            }),
            ControlSocket::None | ControlSocket::Usual => Self::open(settings),
        }
    }

    /// The first master has ended: the socket gets its path.
    pub fn become_first(&mut self, settings: &Settings) {
        let (ControlSocket::At(path), Some((_, file))) = (&settings.control_socket, &mut self.door)
        else {
            return;
        };
        match fs::rename(file.path(), path) {
            Ok(()) => {
                let (_, device, inode) = file.parts();
                *file = SocketFile::from_parts(path.clone(), device, inode);
            }
            Err(error) => {
                let path = path.display();
                tracing::warn!(%path, %error, "control socket not renamed");
            }
        }
    }

    pub fn state(&self, kept: &mut KeptDescriptors) -> ControlState {
        let door = self.door.as_ref();
        ControlState {
            door: door.map(|(door, file)| (KeptListener::of(door, kept), KeptFile::from(file))),
            clients: self
                .clients
                .iter()
                .map(|(number, client)| (*number, client.state(kept)))
                .collect(),
            last: self.last,
        }
    }

    /// # Errors
    /// A descriptor is not open.
    pub fn restore(state: ControlState) -> Result<Self, Error> {
        let mut control = Self {
            last: state.last,
            ..Self::default()
        };
        if let Some((door, file)) = state.door {
            control.door = Some((door.take()?, file.into()));
        }
        for (number, client) in state.clients {
            control
                .clients
                .insert(number, ControlClient::restore(client)?);
        }
        Ok(control)
    }

    /// When a client that could not be accepted is retried, monotonic.
    pub fn due(&self) -> Option<Duration> {
        self.again
    }

    pub fn watched(
        &self,
        now: Duration,
    ) -> impl Iterator<Item = (ControlSource, BorrowedFd<'_>, PollInterest)> {
        let paused = self.again.is_some_and(|again| now < again);
        let room = self.clients.len() < MOST_CLIENTS
            || self.clients.values().any(|client| client.asked.is_none());
        let door = self.door.iter().filter(move |_| room && !paused);
        let door = door.map(|(door, _)| {
            (
                ControlSource::Listening,
                door.as_fd(),
                PollInterest::Readable,
            )
        });
        let clients = self.clients.iter().map(|(number, client)| {
            (
                ControlSource::Client(*number),
                client.as_fd(),
                client.wanted(),
            )
        });
        door.chain(clients)
    }

    /// Handles readiness of that source.
    pub fn attend(&mut self, source: ControlSource) {
        match source {
            ControlSource::Listening => self.welcome(),
            ControlSource::Client(number) => {
                if let Some(client) = self.clients.get_mut(&number) {
                    client.attend();
                }
            }
        }
    }

    fn welcome(&mut self) {
        let Some((door, _)) = &self.door else {
            return;
        };
        let connection = match sys::stream::accept(door.as_fd()) {
            Ok((connection, _)) => connection,
            Err(error) => return self.not_accepted(&error),
        };
        self.again = None;
        let user = peer(connection.as_fd()).map(|peer| peer.user);
        let mut client = ControlClient::new(UnixStream::from(connection));
        if user.is_none_or(|user| user != 0 && user != effective_user()) {
            tracing::warn!(user, "control socket: refused to another user");
            client.send_last_line(&line(&ControlResponse::failed(
                "only for the server's own user",
            )));
            return;
        }
        if self.clients.len() >= MOST_CLIENTS {
            // The one that has been silent for longest.
            let silent = self.clients.iter().find(|(_, one)| one.asked.is_none());
            if let Some(number) = silent.map(|(number, _)| *number) {
                self.clients.remove(&number);
            }
        }
        self.last += 1;
        self.clients.insert(self.last, client);
    }

    /// The client has disconnected, or waits until a descriptor, or memory, is available.
    fn not_accepted(&mut self, error: &io::Error) {
        if matches!(
            error.kind(),
            ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted
        ) {
            self.again = None;
            return;
        }
        if self.again.is_none() {
            tracing::warn!(%error, "control socket: a client cannot be accepted, trying again every second");
        }
        self.again = Some(clock::monotonic() + PAUSE);
    }

    /// The requests that have arrived; invalid ones are answered here. Clients that have disconnected are dropped.
    pub fn requests(&mut self) -> Vec<(Token, ControlRequest)> {
        let mut found = Vec::new();
        for client in self.clients.values_mut() {
            while let Some(read) = client.line() {
                let request = match read {
                    ReceivedLine::Whole(bytes) => {
                        serde_json::from_slice(&bytes).map_err(|error| error.to_string())
                    }
                    ReceivedLine::TooLong => Err(format!("longer than {LONGEST_LINE} bytes")),
                };
                match request {
                    Ok(request) => {
                        self.last += 1;
                        client.asked = Some(self.last);
                        found.push((Token(self.last), request));
                    }
                    Err(error) => client.send_line(&line(&ControlResponse::failed(format!(
                        "request not understood: {error}"
                    )))),
                }
            }
        }
        self.clients.retain(|_, client| !client.is_gone());
        found
    }

    /// Sends the response to a request; its client may have disconnected.
    pub fn answer(&mut self, token: Token, response: &ControlResponse) {
        let asked = |client: &&mut ControlClient| client.asked == Some(token.0);
        if let Some(client) = self.clients.values_mut().find(asked) {
            client.send_line(&line(response));
        }
    }

    pub fn still_asks(&self, token: Token) -> bool {
        self.clients
            .values()
            .any(|client| client.asked == Some(token.0))
    }

    /// Removes the path, if it is still ours. Only for the master.
    pub fn close(&mut self) {
        if let Some((_, file)) = self.door.take()
            && let Err(error) = file.remove()
        {
            tracing::warn!(%error, "control socket not removed");
        }
    }
}

fn line(response: &ControlResponse) -> String {
    serde_json::to_string(response).unwrap_or_else(|_| r#"{"ok":false}"#.to_owned())
}

fn listen(path: &Path) -> Result<(Listener, SocketFile), sys::Error> {
    listen_unix(path, MASK, 16, WhenLocked::Wait)
}

fn usual(settings: &Settings) -> Option<(Listener, SocketFile)> {
    let candidates = place::candidates(settings.process_name.as_deref(), std::process::id());
    let mut reason = String::new();
    for path in candidates {
        let opened =
            place::prepare(&path).and_then(|()| listen(&path).map_err(|error| error.to_string()));
        match opened {
            Ok(door) => {
                place::sweep();
                return Some(door);
            }
            Err(error) => reason = error,
        }
    }
    tracing::info!(reason, "no control socket; --control-socket PATH opens one");
    None
}
