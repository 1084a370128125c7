//! Connecting to a trusted server: the socket's owner and the listening process are the client's own user or root.
//!
//! Other users can create a socket in some directories below `/run`, and send any response there.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::sys::process::inactivity;
use crate::sys::{Pid, connect_unix, effective_user, peer};

/// Why there is no connection.
#[derive(Debug)]
pub enum Unreachable {
    Missing,
    /// Left over from a server that was killed.
    Dead,
    /// Its target is chosen by the creator of the link.
    Link,
    NotSocket,
    /// The file belongs to another user.
    Owner(u32),
    /// A process of another user listens there.
    Peer(Option<u32>),
    Denied,
    /// Its queue stayed full.
    Busy,
    Other(io::Error),
}

/// The process that listens at a control socket: a master.
#[derive(Debug, Clone, Copy)]
pub struct ServerProcess(Option<Pid>);

impl ServerProcess {
    /// `None`: it is in another PID namespace.
    pub fn pid(self) -> Option<u32> {
        u32::try_from(self.0?.as_raw()).ok()
    }

    /// Why it cannot answer now, if it is suspended from outside: stopped by a signal, or by a debugger.
    pub fn suspension(self) -> Option<&'static str> {
        inactivity(self.0?)
    }
}

/// Connects to the server at `path` within `patience`; also returns the process that listens there.
///
/// # Errors
/// Before anything is sent: when there is no server, or none that can be trusted.
pub fn connect(
    path: &Path,
    patience: Duration,
) -> Result<(UnixStream, ServerProcess), Unreachable> {
    examine(path)?;
    let stream = connect_unix(path, patience).map_err(of_system)?;
    // The file may have been replaced since: the listening process decides.
    match peer(stream.as_fd()) {
        Some(peer) if is_trusted(peer.user) => Ok((stream, ServerProcess(peer.pid))),
        peer => Err(Unreachable::Peer(peer.map(|peer| peer.user))),
    }
}

/// Whether the file at `path` is a socket of ours.
///
/// # Errors
/// Why it is not.
pub fn examine(path: &Path) -> Result<(), Unreachable> {
    let found = fs::symlink_metadata(path).map_err(of_system)?;
    let kind = found.file_type();
    if kind.is_symlink() {
        Err(Unreachable::Link)
    } else if !kind.is_socket() {
        Err(Unreachable::NotSocket)
    } else if !is_trusted(found.uid()) {
        Err(Unreachable::Owner(found.uid()))
    } else {
        Ok(())
    }
}

fn is_trusted(user: u32) -> bool {
    user == 0 || user == effective_user()
}

fn of_system(error: io::Error) -> Unreachable {
    match error.kind() {
        io::ErrorKind::NotFound => Unreachable::Missing,
        io::ErrorKind::ConnectionRefused => Unreachable::Dead,
        io::ErrorKind::PermissionDenied => Unreachable::Denied,
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Unreachable::Busy,
        _ => Unreachable::Other(error),
    }
}

impl Unreachable {
    /// There may be a server later.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Missing | Self::Dead | Self::Busy)
    }

    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Missing => {
                "the server's log says where its control socket is, or why it has none".to_owned()
            }
            Self::Dead => "the socket is left over from a server that was killed".to_owned(),
            Self::Link => "name the socket itself".to_owned(),
            Self::Owner(user) | Self::Peer(Some(user)) => {
                format!("ask as that user: setpriv --reuid {user} --clear-groups rgun ctl ...")
            }
            Self::Denied => "only the server's own user and root may ask".to_owned(),
            Self::NotSocket | Self::Peer(None) | Self::Busy | Self::Other(_) => return None,
        })
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such socket"),
            Self::Dead => f.write_str("no server answers there"),
            Self::Link => f.write_str("is a symbolic link"),
            Self::NotSocket => f.write_str("is not a socket"),
            Self::Owner(user) => write!(f, "belongs to user {user}, who is neither you nor root"),
            Self::Peer(Some(user)) => write!(
                f,
                "a process of user {user} listens there, who is neither you nor root"
            ),
            Self::Peer(None) => f.write_str("who listens there is unknown"),
            Self::Denied => f.write_str("permission denied"),
            Self::Busy => f.write_str("the server does not accept connections"),
            Self::Other(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[test]
    fn ones_own_server_is_reached_and_a_link_to_it_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, link) = (directory.path().join("a"), directory.path().join("b"));
        let missing = connect(&path, PATIENCE).expect_err("nothing there");
        assert!(matches!(missing, Unreachable::Missing) && missing.is_absence());
        let listener = UnixListener::bind(&path).expect("free");
        symlink(&path, &link).expect("free");
        connect(&path, PATIENCE).expect("ours");
        let refused = connect(&link, PATIENCE).expect_err("a link");
        assert!(matches!(refused, Unreachable::Link));
        drop(listener);
        let dead = connect(&path, PATIENCE).expect_err("nobody listens");
        assert!(matches!(dead, Unreachable::Dead) && dead.is_absence());
        assert!(matches!(
            connect(directory.path(), PATIENCE).expect_err("a directory"),
            Unreachable::NotSocket
        ));
    }
}
