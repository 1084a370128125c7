//! Descriptors as numbers, for a program that goes on in this one's place: they keep their numbers over the exec.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::sys::{self, Audience, Listener, ListenerAddress, Protection, SocketFile, duplicate};

/// Those that stay open.
#[derive(Debug, Default)]
pub struct KeptDescriptors(Vec<RawFd>);

impl KeptDescriptors {
    /// Its number, under which it stays open.
    pub fn keep(&mut self, descriptor: &impl AsRawFd) -> RawFd {
        let fd = descriptor.as_raw_fd();
        self.0.push(fd);
        fd
    }

    pub fn numbers(&self) -> &[RawFd] {
        &self.0
    }
}

/// One that was kept, under another number: the first one stays open, as long as the program before may be started again.
///
/// # Errors
/// It is not open.
pub fn copy(fd: RawFd) -> sys::Result<OwnedFd> {
    duplicate(fd).map_err(|error| sys::Error::new("dup", format_args!("descriptor {fd}"), error))
}

/// A listener that was kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeptListener {
    fd: RawFd,
    address: InheritedAddress,
    tls: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum InheritedAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl KeptListener {
    pub fn of(listener: &Listener, kept: &mut KeptDescriptors) -> Self {
        Self {
            fd: kept.keep(&listener.fd),
            address: match &listener.address {
                ListenerAddress::Tcp(address) => InheritedAddress::Tcp(*address),
                ListenerAddress::Unix(path) => InheritedAddress::Unix(path.clone()),
            },
            tls: listener.protection == Protection::Tls,
        }
    }

    pub fn number(&self) -> RawFd {
        self.fd
    }

    /// # Errors
    /// It is not open.
    pub fn take(self) -> sys::Result<Listener> {
        Ok(Listener {
            fd: copy(self.fd)?,
            address: match self.address {
                InheritedAddress::Tcp(address) => ListenerAddress::Tcp(address),
                InheritedAddress::Unix(path) => ListenerAddress::Unix(path),
            },
            protection: if self.tls {
                Protection::Tls
            } else {
                Protection::None
            },
            audience: Audience::Everybody,
        })
    }
}

/// A socket in the file system that is ours to remove.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeptFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl From<&SocketFile> for KeptFile {
    fn from(file: &SocketFile) -> Self {
        let (path, device, inode) = file.parts();
        Self {
            path: path.to_owned(),
            device,
            inode,
        }
    }
}

impl From<KeptFile> for SocketFile {
    fn from(kept: KeptFile) -> Self {
        Self::from_parts(kept.path, kept.device, kept.inode)
    }
}
