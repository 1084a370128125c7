//! Sockets that are opened together and closed together: those of one `--bind`, of `--admin-bind`, or of a preview.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use serde::{Deserialize, Serialize};

use super::Error;
use super::descriptors::{KeptDescriptors, KeptFile, KeptListener};
use crate::config::{Bind, Endpoint, Settings};
use crate::sys::{
    self, AnyIpv6, Audience, Identity, Listener, ListenerAddress, Others, Predecessor, Protection,
    SocketFile, WhenLocked, drop_new_connections, listen_tcp, listen_unix, take_listener,
};

/// Open listeners, and the files to be removed with them.
#[derive(Debug, Default)]
pub struct Binds {
    pub listeners: Vec<Listener>,
    files: Vec<SocketFile>,
    /// Descriptors of the TCP listeners that were opened here.
    ports: BTreeSet<RawFd>,
}

/// What a program that goes on in this one's place takes over of them.
#[derive(Debug, Serialize, Deserialize)]
pub struct BindsState {
    listeners: Vec<KeptListener>,
    files: Vec<KeptFile>,
    ports: BTreeSet<RawFd>,
}

impl Binds {
    pub fn state(&self, kept: &mut KeptDescriptors) -> BindsState {
        let listeners = self.listeners.iter();
        BindsState {
            listeners: listeners.map(|one| KeptListener::of(one, kept)).collect(),
            files: self.files.iter().map(KeptFile::from).collect(),
            ports: self.ports.clone(),
        }
    }

    /// # Errors
    /// A descriptor is not open.
    pub fn restore(state: BindsState) -> Result<Self, Error> {
        let mut binds = Self {
            files: state.files.into_iter().map(SocketFile::from).collect(),
            ..Self::default()
        };
        for kept in state.listeners {
            let opened_here = state.ports.contains(&kept.number());
            let listener = kept.take()?;
            if opened_here {
                binds.ports.insert(listener.fd.as_raw_fd());
            }
            binds.listeners.push(listener);
        }
        Ok(binds)
    }

    /// A socket that was passed in.
    ///
    /// # Errors
    /// It is not open, or no listener.
    pub fn inherited(fd: RawFd) -> Result<Self, Error> {
        Ok(Self {
            listeners: vec![take_listener(fd)?],
            ..Self::default()
        })
    }

    /// Opens everything that `--admin-bind` names, or nothing.
    pub fn open_admin(settings: &Settings) -> Result<Self, Error> {
        let mut binds = Self::default();
        for bind in &settings.admin_bind {
            let when = WhenLocked::Wait;
            binds.open_one(bind, &settings.admin_bind, settings, Others::Refused, when)?;
        }
        Ok(binds)
    }

    /// Opens the addresses of a preview of a staged generation, or nothing.
    pub fn open_preview(binds: &[Bind], settings: &Settings) -> Result<Self, Error> {
        let mut opened = Self::default();
        let all: Vec<Endpoint> = binds.iter().map(|bind| bind.endpoint.clone()).collect();
        for bind in binds {
            let first = opened.listeners.len();
            let when = WhenLocked::GoOn;
            opened.open_one(&bind.endpoint, &all, settings, Others::Refused, when)?;
            let usual = settings.tls.is_some();
            for listener in opened.listeners.iter_mut().skip(first) {
                listener.protection = protection_at(&listener.address, bind.protection, usual);
            }
        }
        for listener in &mut opened.listeners {
            listener.audience = Audience::Preview;
        }
        Ok(opened)
    }

    /// `all`: the other binds; IPv4 may have a socket of its own among them.
    ///
    /// # Errors
    /// The system's. What was opened before is closed.
    pub fn open_one(
        &mut self,
        endpoint: &Endpoint,
        all: &[Endpoint],
        settings: &Settings,
        others: Others,
        when_locked: WhenLocked,
    ) -> Result<(), Error> {
        let opened = self.try_open(endpoint, all, settings, others, when_locked);
        if opened.is_err() {
            self.close();
        }
        opened
    }

    fn try_open(
        &mut self,
        endpoint: &Endpoint,
        all: &[Endpoint],
        settings: &Settings,
        others: Others,
        when_locked: WhenLocked,
    ) -> Result<(), Error> {
        match endpoint {
            Endpoint::Tcp { host, port } => {
                let any = if all.iter().any(|other| takes_ipv4(other, *port)) {
                    AnyIpv6::Alone
                } else {
                    AnyIpv6::WithIpv4
                };
                let opened = listen_tcp(host, *port, settings.backlog, others, any)?;
                self.ports
                    .extend(opened.iter().map(|one| one.fd.as_raw_fd()));
                self.listeners.extend(opened);
            }
            Endpoint::Unix { path } => {
                let (listener, file) =
                    listen_unix(path, settings.umask, settings.backlog, when_locked)?;
                log_predecessor(&file);
                self.listeners.push(listener);
                self.files.push(file);
            }
            Endpoint::Fd { fd } => self.listeners.push(take_listener(*fd)?),
            // Names occur only in systemd's list.
            Endpoint::FdName { .. } => {}
        }
        Ok(())
    }

    /// One by one, so that each of them can be closed alone.
    pub fn each(self) -> impl Iterator<Item = Self> {
        let Self {
            listeners,
            mut files,
            ports,
        } = self;
        listeners.into_iter().map(move |listener| {
            let is_its = |file: &mut SocketFile| match &listener.address {
                ListenerAddress::Unix(path) => file.path() == path,
                ListenerAddress::Tcp(_) => false,
            };
            let number = listener.fd.as_raw_fd();
            Self {
                files: files.extract_if(.., is_its).collect(),
                ports: ports.get(&number).copied().into_iter().collect(),
                listeners: vec![listener],
            }
        })
    }

    /// Whether all of them were opened here, and can be opened again.
    pub fn is_own(&self) -> bool {
        self.listeners
            .iter()
            .all(|listener| match &listener.address {
                ListenerAddress::Tcp(_) => self.ports.contains(&listener.fd.as_raw_fd()),
                ListenerAddress::Unix(path) => self.files.iter().any(|file| file.path() == path),
            })
    }

    /// As gunicorn: a socket file belongs to the user of the workers.
    pub fn give(&self, identity: &Identity) {
        for file in &self.files {
            if let Err(error) = file.give_to(identity) {
                tracing::warn!(%error, "the socket belongs to the master");
            }
        }
    }

    /// Closes the master's copies; the workers have theirs, and empty the queues. Paths are removed first: a new
    /// server may bind there at once.
    pub fn close(&mut self) {
        self.remove_files();
        for listener in self.listeners.iter().filter(|one| self.ends_with_us(one)) {
            if let Err(error) = drop_new_connections(listener) {
                tracing::debug!(%error, "connections that begin at this moment may be reset");
            }
        }
        self.listeners.clear();
    }

    /// Whether it is a TCP port that was opened here and is not shared; a socket that was passed in may outlive us.
    fn ends_with_us(&self, listener: &Listener) -> bool {
        let opened = self.ports.contains(&listener.fd.as_raw_fd());
        opened && !listener.shares_port()
    }

    /// Duplicates, to be sent to a mold.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn copies(&self) -> Result<Vec<OwnedFd>, Error> {
        self.listeners.iter().map(copy_of).collect()
    }

    /// Removes the paths that are still ours. Only for the master: a worker that did this would cut the server off.
    fn remove_files(&mut self) {
        for file in self.files.drain(..) {
            if let Err(error) = file.remove() {
                tracing::warn!(%error, "socket file not removed");
            }
        }
    }
}

/// `given`: by the configuration; `has_certificate`: then TCP listeners use it.
pub fn protection_at(
    address: &ListenerAddress,
    given: Option<Protection>,
    has_certificate: bool,
) -> Protection {
    let usual = match address {
        ListenerAddress::Tcp(_) if has_certificate => Protection::Tls,
        ListenerAddress::Tcp(_) | ListenerAddress::Unix(_) => Protection::None,
    };
    given.unwrap_or(usual)
}

/// A duplicate.
///
/// # Errors
/// There are no descriptors left.
pub fn copy_of(listener: &Listener) -> Result<OwnedFd, Error> {
    let copy = listener.fd.try_clone();
    copy.map_err(|e| sys::Error::new("dup", listener, e).into())
}

/// A server that was killed leaves its sockets behind.
pub fn log_predecessor(file: &SocketFile) {
    if file.predecessor() == Predecessor::Gone {
        tracing::info!(path = %file.path().display(), "replaced the socket of a server that is gone");
    }
}

/// An IPv4 address, or a host name that may have one, with that port.
pub(super) fn takes_ipv4(endpoint: &Endpoint, port: u16) -> bool {
    match endpoint {
        Endpoint::Tcp { host, port: other } => *other == port && !host.contains(':'),
        Endpoint::Unix { .. } | Endpoint::Fd { .. } | Endpoint::FdName { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_is_left_to_whoever_asks_for_it() {
        let tcp = |host: &str, port| Endpoint::Tcp {
            host: host.to_owned(),
            port,
        };
        assert!(takes_ipv4(&tcp("0.0.0.0", 8000), 8000));
        assert!(takes_ipv4(&tcp("localhost", 8000), 8000));
        assert!(!takes_ipv4(&tcp("0.0.0.0", 8001), 8000));
        assert!(!takes_ipv4(&tcp("::", 8000), 8000));
        assert!(!takes_ipv4(&Endpoint::Fd { fd: 3 }, 8000));
    }
}
