//! Listeners at a path. It deletes nothing but sockets that nobody answers at.

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::stat::{Mode, umask};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{Error, Listener, ListenerAddress, Result};

/// The umask is one for the whole process.
static UMASK: Mutex<()> = Mutex::new(());

/// A socket's place in the file system, so that its maker can remove it and nobody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the path, unless another socket has taken it since. `true`: it was ours and is gone.
    pub fn remove(&self) -> Result<bool> {
        match fs::symlink_metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == (self.device, self.inode) => {}
            _ => return Ok(false),
        }
        fs::remove_file(&self.path).map_err(|e| Error::new("unlink", self.path.display(), e))?;
        Ok(true)
    }
}

/// Listens at `path`, made under `mask`. A socket that refuses connections is left over from a dead server and is replaced.
///
/// Files that other threads make meanwhile get that mask, too: the master has none.
pub fn listen_unix(path: &Path, mask: u32, backlog: u32) -> Result<(Listener, SocketFile)> {
    let name = format!("unix:{}", path.display());
    let failed = |call| {
        let name = name.clone();
        move |e: io::Error| Error::new(call, name, e)
    };
    let address = SockAddr::unix(path).map_err(|_| {
        let reason = io::Error::other("the path is too long for a socket (107 bytes)");
        Error::new("bind", &name, reason)
    })?;
    make_room(path, &name, &address)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)
        .map_err(failed("socket"))?;
    let alone = UMASK.lock().unwrap_or_else(PoisonError::into_inner);
    let before = umask(Mode::from_bits_truncate(mask));
    let bound = socket.bind(&address);
    umask(before);
    drop(alone);
    bound.map_err(|e| explained(Error::new("bind", &name, e), path))?;
    let made = fs::symlink_metadata(path).map_err(failed("stat"))?;
    let file = SocketFile {
        path: path.to_owned(),
        device: made.dev(),
        inode: made.ino(),
    };
    socket
        .listen(i32::try_from(backlog).unwrap_or(i32::MAX))
        .map_err(failed("listen"))?;
    Ok((
        Listener {
            fd: socket.into(),
            address: ListenerAddress::Unix(path.to_owned()),
        },
        file,
    ))
}

/// Leaves the path free, or says why it must stay as it is.
fn make_room(path: &Path, name: &str, address: &SockAddr) -> Result<()> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::new("stat", path.display(), e)),
        Ok(found) if !found.file_type().is_socket() => {
            let reason = io::Error::other("something that is not a socket is in its place");
            return Err(Error::new("bind", name, reason)
                .with_hint("it is not deleted; choose another path, or remove it yourself"));
        }
        Ok(_) => {}
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)
        .map_err(|e| Error::new("socket", name, e))?;
    match probe.connect(address) {
        Err(e) if e.raw_os_error() == Some(libc::ECONNREFUSED) => match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(Error::new("unlink", path.display(), e))
            }
            _ => Ok(()),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        // Accepted; its queue is full (EAGAIN); it is of another type (EPROTOTYPE): somebody is there.
        Ok(()) => Err(in_use(name)),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EPROTOTYPE)) => {
            Err(in_use(name))
        }
        Err(e) => Err(Error::new("connect", name, e)),
    }
}

fn in_use(name: &str) -> Error {
    Error::new("bind", name, io::Error::from_raw_os_error(libc::EADDRINUSE))
        .with_hint("another process answers at that socket")
}

fn explained(error: Error, path: &Path) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => error.with_hint(format!(
            "the directory {} does not exist",
            path.parent().unwrap_or(Path::new("/")).display()
        )),
        _ => error,
    }
}

/// The user that the process at the other end had when it connected (`SO_PEERCRED`); `None`: the kernel does not tell.
pub fn peer_user(connection: BorrowedFd<'_>) -> Option<u32> {
    getsockopt(&connection, PeerCredentials)
        .ok()
        .map(|credentials| credentials.uid())
}

/// Whose rights this process has.
pub fn effective_user() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    fn path() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("a.sock");
        (directory, path)
    }

    #[test]
    fn made_under_the_mask_and_removed_by_its_maker() {
        let (_directory, path) = path();
        let (listener, file) = listen_unix(&path, 0o027, 16).expect("a free path");
        assert_eq!(
            fs::metadata(&path).expect("made").permissions().mode() & 0o777,
            0o750
        );
        UnixStream::connect(&path).expect("it listens");
        assert_eq!(listener.to_string(), format!("unix:{}", path.display()));
        assert!(file.remove().expect("unlink"));
        assert!(!path.exists());
        assert!(!file.remove().expect("nothing to do"));
    }

    #[test]
    fn the_other_end_is_known_by_its_user() {
        let (_directory, path) = path();
        let (listener, _file) = listen_unix(&path, 0o177, 16).expect("a free path");
        let _client = UnixStream::connect(&path).expect("it listens");
        let (connection, _) = crate::sys::stream::accept(listener.as_fd()).expect("a connection");
        assert_eq!(peer_user(connection.as_fd()), Some(effective_user()));
    }

    #[test]
    fn a_left_over_socket_is_replaced() {
        let (_directory, path) = path();
        drop(UnixListener::bind(&path).expect("a free path"));
        let (_listener, file) = listen_unix(&path, 0, 16).expect("nobody answers there");
        UnixStream::connect(&path).expect("it listens");
        assert!(file.remove().expect("unlink"));
    }

    #[test]
    fn a_socket_that_answers_is_left_alone() {
        let (_directory, path) = path();
        let _other = UnixListener::bind(&path).expect("a free path");
        let error = listen_unix(&path, 0, 16).expect_err("in use");
        assert_eq!(
            error.to_string(),
            format!("bind unix:{}: address already in use", path.display())
        );
        UnixStream::connect(&path).expect("the other one still listens");
    }

    #[test]
    fn a_socket_whose_queue_is_full_is_left_alone() {
        let (_directory, path) = path();
        let (_other, _file) = listen_unix(&path, 0, 0).expect("a free path");
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let client =
                    Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None).expect("a socket");
                drop(client.connect(&SockAddr::unix(&path).expect("short")));
                client
            })
            .collect();
        assert!(listen_unix(&path, 0, 16).is_err(), "in use");
        drop(waiting);
    }

    #[test]
    fn what_is_not_a_socket_is_never_deleted() {
        let (directory, path) = path();
        fs::write(&path, "precious").expect("a file");
        let error = listen_unix(&path, 0, 16).expect_err("a file is there");
        assert!(
            error.to_string().contains("not a socket") && error.hint.is_some(),
            "{error}"
        );
        assert_eq!(fs::read(&path).expect("still there"), b"precious");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        assert!(listen_unix(&link, 0, 16).is_err());
        assert!(link.exists());
    }

    #[test]
    fn another_ones_socket_is_not_removed() {
        let (_directory, path) = path();
        let (_listener, file) = listen_unix(&path, 0, 16).expect("a free path");
        // Kept under another name, so that its inode cannot be used again.
        fs::rename(&path, path.with_extension("old")).expect("rename");
        let _other = UnixListener::bind(&path).expect("free again");
        assert!(!file.remove().expect("nothing to do"));
        assert!(path.exists());
    }

    #[test]
    fn impossible_paths_are_explained() {
        let error = listen_unix(Path::new(&format!("/tmp/{}", "x".repeat(200))), 0, 16)
            .expect_err("too long");
        assert!(error.to_string().contains("too long"), "{error}");
        let error =
            listen_unix(Path::new("/no/such/directory/a.sock"), 0, 16).expect_err("no directory");
        assert_eq!(
            error.hint.expect("a hint"),
            "the directory /no/such/directory does not exist"
        );
    }
}
