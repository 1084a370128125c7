//! The server's listeners: opened once, before the first fork, and kept over every reload.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use serde::{Deserialize, Serialize};

use super::Error;
use super::descriptors::{KeptDescriptors, KeptFile, KeptListener};
use super::shares::{KeptShares, Shares};
use crate::config::{Bind, Endpoint, PortSharing, Protection, Settings};
use crate::sys::{
    self, AnyIpv6, Audience, Identity, Listener, ListenerAddress, Others, Passed, Predecessor,
    SocketFile, accept_queue, drop_new_connections, listen_tcp, listen_unix, passed_descriptors,
    take_listener,
};

/// The open listeners, and the files to be removed at the end.
#[derive(Debug, Default)]
pub struct Binds {
    pub listeners: Vec<Listener>,
    /// Those of the other slots, if they have their own.
    pub shares: Shares,
    files: Vec<SocketFile>,
    /// Descriptors of the TCP listeners that were opened here.
    ports: BTreeSet<RawFd>,
}

/// What a program that goes on in this one's place takes over of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct BindsState {
    listeners: Vec<KeptListener>,
    shares: KeptShares,
    files: Vec<KeptFile>,
    ports: BTreeSet<RawFd>,
}

impl Binds {
    pub fn state(&self, kept: &mut KeptDescriptors) -> BindsState {
        let listeners = self.listeners.iter();
        BindsState {
            listeners: listeners.map(|one| KeptListener::of(one, kept)).collect(),
            shares: self.shares.state(kept),
            files: self.files.iter().map(KeptFile::from).collect(),
            ports: self.ports.clone(),
        }
    }

    /// # Errors
    /// A descriptor is not open.
    pub fn restore(state: BindsState, sharing: PortSharing) -> Result<Self, Error> {
        let mut binds = Self {
            shares: Shares::restore(state.shares, sharing)?,
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

    /// Opens everything that `--bind` names, or nothing.
    ///
    /// Sockets passed by systemd replace `--bind`, as with gunicorn, unless a `--bind fd://` selects among them.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let mut binds = Self {
            shares: Shares::new(settings.port_sharing),
            ..Self::default()
        };
        match binds.open_all(settings, &passed_descriptors()) {
            Ok(()) => Ok(binds),
            Err(error) => {
                binds.remove_files();
                Err(error)
            }
        }
    }

    /// Opens everything that `--admin-bind` names, or nothing.
    pub fn open_admin(settings: &Settings) -> Result<Self, Error> {
        let mut binds = Self::default();
        for bind in &settings.admin_bind {
            if let Err(error) =
                binds.open_one(bind, &settings.admin_bind, settings, Others::Refused)
            {
                binds.remove_files();
                return Err(error);
            }
        }
        Ok(binds)
    }

    /// Opens the addresses of a preview of a staged generation, or nothing.
    pub fn open_preview(binds: &[Bind], settings: &Settings) -> Result<Self, Error> {
        let mut opened = Self::default();
        let all: Vec<Endpoint> = binds.iter().map(|bind| bind.endpoint.clone()).collect();
        for bind in binds {
            let first = opened.listeners.len();
            if let Err(error) = opened.open_one(&bind.endpoint, &all, settings, Others::Refused) {
                opened.remove_files();
                return Err(error);
            }
            opened.protect(first, bind.protection, settings);
        }
        for listener in &mut opened.listeners {
            listener.audience = Audience::Preview;
        }
        Ok(opened)
    }

    /// `all`: the other binds; IPv4 may have a socket of its own among them.
    fn open_one(
        &mut self,
        endpoint: &Endpoint,
        all: &[Endpoint],
        settings: &Settings,
        others: Others,
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
                let (listener, file) = listen_unix(path, settings.umask, settings.backlog)?;
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

    fn open_all(&mut self, settings: &Settings, passed: &[Passed]) -> Result<(), Error> {
        let picks =
            |bind: &Bind| matches!(bind.endpoint, Endpoint::Fd { .. } | Endpoint::FdName { .. });
        if !passed.is_empty() && !settings.bind.iter().any(picks) {
            tracing::info!(
                sockets = passed.len(),
                "using the sockets passed by systemd instead of --bind"
            );
            for one in passed {
                self.listeners.push(take_listener(one.fd)?);
            }
            self.protect(0, None, settings);
            return Ok(());
        }
        let others = match settings.port_sharing {
            PortSharing::BySlot => Others::Allowed,
            PortSharing::None => Others::Refused,
        };
        let mut taken = BTreeSet::new();
        let endpoints: Vec<Endpoint> = settings
            .bind
            .iter()
            .map(|bind| bind.endpoint.clone())
            .collect();
        for bind in &settings.bind {
            let opened = self.listeners.len();
            match &bind.endpoint {
                Endpoint::Tcp { .. } | Endpoint::Unix { .. } => {
                    self.open_one(&bind.endpoint, &endpoints, settings, others)?;
                }
                Endpoint::Fd { fd } => self.take(*fd, &mut taken)?,
                Endpoint::FdName { name } => {
                    let named: Vec<&Passed> =
                        passed.iter().filter(|one| one.name == *name).collect();
                    if named.is_empty() {
                        let passed = passed.iter().map(|one| one.name.clone()).collect();
                        return Err(Error::NotPassed {
                            name: name.clone(),
                            passed,
                        });
                    }
                    for one in named {
                        self.take(one.fd, &mut taken)?;
                    }
                }
            }
            self.protect(opened, bind.protection, settings);
        }
        Ok(())
    }

    /// Sets which of the listeners from that number on use TLS.
    fn protect(&mut self, first: usize, protection: Option<Protection>, settings: &Settings) {
        for listener in self.listeners.iter_mut().skip(first) {
            let usual = match listener.address {
                ListenerAddress::Tcp(_) if settings.tls.is_some() => Protection::Tls,
                ListenerAddress::Tcp(_) | ListenerAddress::Unix(_) => Protection::None,
            };
            listener.protection = protection.unwrap_or(usual);
        }
    }

    /// A descriptor that is named twice is still one listener (and must not get two owners).
    fn take(&mut self, fd: i32, taken: &mut BTreeSet<i32>) -> Result<(), Error> {
        if taken.insert(fd) {
            self.listeners.push(take_listener(fd)?);
        }
        Ok(())
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
        self.shares.close_all();
    }

    /// Whether it is a TCP port that was opened here and is not shared; a socket that was passed in may outlive us.
    fn ends_with_us(&self, listener: &Listener) -> bool {
        let opened = self.ports.contains(&listener.fd.as_raw_fd());
        opened && !listener.shares_port()
    }

    /// In the child: the listeners of a worker in that slot.
    pub fn part_of(&mut self, slot: u32) -> Vec<Listener> {
        let listeners = std::mem::take(&mut self.listeners);
        self.shares.take(slot, listeners)
    }

    /// Duplicates of the listeners of a worker in that slot, to be sent to a mold.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn copies_for(&self, slot: u32) -> Result<Vec<OwnedFd>, Error> {
        let own = |number| self.shares.own(slot, number);
        let all = self.listeners.iter().enumerate();
        all.map(|(number, common)| {
            let fd = &own(number).unwrap_or(common).fd;
            let copy = fd.try_clone();
            copy.map_err(|e| sys::Error::new("dup", common, e).into())
        })
        .collect()
    }

    /// The accept queue of the listener of that number: its length, and its limit.
    pub fn queue(&self, number: usize) -> Option<(u64, u64)> {
        let first = self.listeners.get(number).into_iter();
        let all = first.chain(self.shares.beside(number));
        all.filter_map(accept_queue)
            .map(|(waiting, most)| (u64::from(waiting), u64::from(most)))
            .reduce(|sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// Removes the paths that are still ours. Only for the master: a worker that did this would cut the server off.
    pub fn remove_files(&mut self) {
        for file in self.files.drain(..) {
            if let Err(error) = file.remove() {
                tracing::warn!(%error, "socket file not removed");
            }
        }
    }
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
