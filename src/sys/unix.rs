//! Listeners at a path. Of what is in their place, only a socket that refuses connections is deleted.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, openat};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::stat::{FileStat, Mode, fstat, umask};
use socket2::{Domain, SockAddr, Socket, Type};

use super::place::{DirectoryEntry, LastLink};
use super::{
    Audience, Error, Identity, Listener, ListenerAddress, Pid, Protection, Result, clock, wait_for,
};

/// How long to wait for another server that starts in the same directory, and how often to look.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// The umask is one for the whole process.
static UMASK: Mutex<()> = Mutex::new(());

/// A socket's place in the file system, so that its creator removes no other one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    predecessor: Predecessor,
}

/// The socket that was at the path before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Predecessor {
    None,
    /// A socket that a server left behind (by SIGKILL, or with the machine).
    Gone,
}

/// What to do while another server begins to listen in the same directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenLocked {
    /// For a moment: at a start, when several may be started at once.
    Wait,
    /// A master that has workers does not wait. What is bound and not listening yet is still seen, by `/proc/net/unix`.
    GoOn,
}

impl SocketFile {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is known by, for a program that goes on in this one's place.
    pub fn parts(&self) -> (&Path, u64, u64) {
        (&self.path, self.device, self.inode)
    }

    /// Made by the program before.
    pub fn from_parts(path: PathBuf, device: u64, inode: u64) -> Self {
        Self {
            path,
            device,
            inode,
            predecessor: Predecessor::None,
        }
    }

    pub fn predecessor(&self) -> Predecessor {
        self.predecessor
    }

    /// Removes the path, unless another socket has taken it since. `true`: it was ours and is gone.
    pub fn remove(&self) -> Result<bool> {
        let place = match DirectoryEntry::find(&self.path, LastLink::Kept) {
            Ok(place) => place,
            // Removed with its directory.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        if !place.stat()?.is_some_and(|found| self.is(&found)) {
            return Ok(false);
        }
        place.unlink()?;
        Ok(true)
    }

    /// Makes that user its owner.
    ///
    /// # Errors
    /// The system's, and that something else is at the path by now.
    pub fn give_to(&self, identity: &Identity) -> Result<()> {
        let failed = |error| Error::new("chown", self.path.display(), error);
        let socket = DirectoryEntry::find(&self.path, LastLink::Kept)?.handle()?;
        let found = fstat(&socket).map_err(|error| failed(error.into()))?;
        if self.is(&found) && identity.give(socket.as_fd()).map_err(failed)? {
            return Ok(());
        }
        Err(failed(io::Error::other(
            "it is not the socket that was made there",
        )))
    }

    fn is(&self, found: &FileStat) -> bool {
        (found.st_dev, found.st_ino) == (self.device, self.inode)
    }
}

/// Listens at `path`, made under `mask`. A socket that refuses connections is left over from a dead server and is replaced.
///
/// Files that other threads create in the meantime get that mask, too: the master has no other threads.
pub fn listen_unix(
    path: &Path,
    mask: u32,
    backlog: u32,
    when_locked: WhenLocked,
) -> Result<(Listener, SocketFile)> {
    let name = format!("unix:{}", path.display());
    let failed = |call| {
        let name = name.clone();
        move |e: io::Error| Error::new(call, name, e)
    };
    let address = SockAddr::unix(path).map_err(|_| {
        let reason = io::Error::other("the path is too long for a socket (107 bytes)");
        Error::new("bind", &name, reason)
    })?;
    let place =
        DirectoryEntry::find(path, LastLink::Kept).map_err(|error| error.with_path_hint(path))?;
    // Until it listens: another server that starts takes what refuses connections for a dead one's.
    let _alone = lock(place.directory(), when_locked);
    let predecessor = make_room(&place, &name, &address)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)
        .map_err(failed("socket"))?;
    let alone = UMASK.lock().unwrap_or_else(PoisonError::into_inner);
    let before = umask(Mode::from_bits_truncate(mask));
    let bound = socket.bind(&address);
    umask(before);
    drop(alone);
    bound.map_err(|e| Error::new("bind", &name, e).with_path_hint(path))?;
    // A directory on the path was replaced in the meantime: the socket is elsewhere, and unreachable.
    let made = place.stat()?.filter(is_socket);
    let made = made.ok_or_else(|| failed("stat")(io::ErrorKind::NotFound.into()))?;
    let file = SocketFile {
        path: path.to_owned(),
        device: made.st_dev,
        inode: made.st_ino,
        predecessor,
    };
    socket
        .listen(i32::try_from(backlog).unwrap_or(i32::MAX))
        .map_err(failed("listen"))?;
    Ok((
        Listener {
            fd: socket.into(),
            address: ListenerAddress::Unix(path.to_owned()),
            protection: Protection::None,
            audience: Audience::Everybody,
        },
        file,
    ))
}

/// Excludes other servers that begin to listen in the same directory, for as long as it is kept. Any user can lock a directory
/// that they can read, so the wait is short, and goes on without the lock.
pub(super) fn lock(directory: BorrowedFd<'_>, when_locked: WhenLocked) -> Option<Flock<OwnedFd>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut file = openat(directory, ".", flags, Mode::empty()).ok()?;
    let patience = match when_locked {
        WhenLocked::Wait => LOCK_PATIENCE,
        WhenLocked::GoOn => Duration::ZERO,
    };
    let until = clock::monotonic() + patience;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => return Some(locked),
            Err((same, Errno::EWOULDBLOCK)) if clock::monotonic() < until => file = same,
            Err(_) => return None,
        }
        // Only sleeps.
        wait_for(&[], Some(LOCK_RETRY)).ok()?;
    }
}

/// Whether `listen_unix` would be allowed to make a socket at `path`; a socket that is there does not count as an obstacle.
pub fn try_unix(path: &Path) -> Result<()> {
    let name = format!("unix:{}", path.display());
    if SockAddr::unix(path).is_err() {
        let reason = io::Error::other("the path is too long for a socket (107 bytes)");
        return Err(Error::new("bind", &name, reason));
    }
    if fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket()) {
        let reason = io::Error::other("something that is not a socket is in its place");
        return Err(Error::new("bind", &name, reason)
            .with_hint("it is not deleted; choose another path, or remove it yourself"));
    }
    super::files::may_write(&super::files::directory_of(path))
        .map_err(|e| Error::new("bind", &name, e))
}

/// Frees the path, or returns why it must stay as it is.
pub(super) fn make_room(
    place: &DirectoryEntry,
    name: &str,
    address: &SockAddr,
) -> Result<Predecessor> {
    match place.stat()? {
        None => return Ok(Predecessor::None),
        Some(found) if !is_socket(&found) => {
            let reason = io::Error::other("something that is not a socket is in its place");
            return Err(Error::new("bind", name, reason)
                .with_hint("it is not deleted; choose another path, or remove it yourself"));
        }
        Some(_) => {}
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)
        .map_err(|e| Error::new("socket", name, e))?;
    match probe.connect(address) {
        Err(e) if e.raw_os_error() == Some(libc::ECONNREFUSED) => {
            // Bound, and not listening yet, or not any more.
            if is_bound(place.path()) {
                return Err(in_use(name));
            }
            match place.unlink() {
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
                _ => Ok(Predecessor::Gone),
            }
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Predecessor::None),
        // Accepted; its queue is full (EAGAIN); it is of another type (EPROTOTYPE): a server is there.
        Ok(()) => Err(in_use(name)),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EPROTOTYPE)) => {
            Err(in_use(name))
        }
        Err(e) => Err(Error::new("connect", name, e)),
    }
}

fn is_socket(found: &FileStat) -> bool {
    found.st_mode & libc::S_IFMT == libc::S_IFSOCK
}

/// Whether a process of this machine has a socket bound to that path (spelled the same way), by `/proc/net/unix`.
fn is_bound(path: &Path) -> bool {
    let text = fs::read("/proc/net/unix").unwrap_or_default();
    let path = path.as_os_str().as_bytes();
    // `Num RefCount Protocol Flags Type St Inode Path`, the path from its first byte to the end of the line.
    text.split(|byte| *byte == b'\n').any(|line| {
        let before = line.strip_suffix(path);
        before.is_some_and(|before| before.ends_with(b" "))
    })
}

fn in_use(name: &str) -> Error {
    Error::new("bind", name, io::Error::from_raw_os_error(libc::EADDRINUSE))
        .with_hint("another process answers at that socket")
}

/// The process at the other end, as it was when it connected or began to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    pub user: u32,
    /// `None`: it is in another PID namespace.
    pub pid: Option<Pid>,
}

/// By `SO_PEERCRED`; `None`: unknown.
pub fn peer(connection: BorrowedFd<'_>) -> Option<Peer> {
    let credentials = getsockopt(&connection, PeerCredentials).ok()?;
    Some(Peer {
        user: credentials.uid(),
        pid: Pid::new(credentials.pid()),
    })
}

/// Connects to the socket at `path`; `WouldBlock` when its queue stayed full for that long.
///
/// The stream blocks.
pub fn connect_unix(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let address = SockAddr::unix(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM.cloexec(), None)?;
    // Zero would mean for ever. The timeout of writing is also that of connect(2), see socket(7).
    socket.set_write_timeout(Some(patience.max(Duration::from_millis(1))))?;
    socket.connect(&address)?;
    Ok(OwnedFd::from(socket).into())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::sys::Supplementary;
    use crate::sys::effective_user;

    fn path() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("a.sock");
        (directory, path)
    }

    #[test]
    fn made_under_the_mask_and_removed_by_its_maker() {
        let (_directory, path) = path();
        let (listener, file) =
            listen_unix(&path, 0o027, 16, WhenLocked::Wait).expect("a free path");
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
    fn the_other_end_is_known_by_its_user_and_its_pid() {
        let (_directory, path) = path();
        let (listener, _file) =
            listen_unix(&path, 0o177, 16, WhenLocked::Wait).expect("a free path");
        let _client = UnixStream::connect(&path).expect("it listens");
        let (connection, _) = crate::sys::stream::accept(listener.as_fd()).expect("a connection");
        let expected = Peer {
            user: effective_user(),
            pid: Some(Pid::this()),
        };
        assert_eq!(peer(connection.as_fd()), Some(expected));
    }

    #[test]
    fn what_has_taken_its_path_is_not_given_away() {
        let (_directory, path) = path();
        let (_listener, file) = listen_unix(&path, 0, 16, WhenLocked::Wait).expect("a free path");
        let user = Identity::find(Some("54321"), Some("54321"), Supplementary::None);
        let user = user.expect("numbers").expect("not us");
        if effective_user() == 0 {
            file.give_to(&user).expect("we are root");
            let found = fs::metadata(&path).expect("there");
            assert_eq!((found.uid(), found.gid()), (54321, 54321));
        }
        fs::rename(&path, path.with_extension("old")).expect("rename");
        fs::write(&path, "ours").expect("a file");
        assert!(file.give_to(&user).is_err());
        assert_eq!(fs::metadata(&path).expect("there").uid(), effective_user());
    }

    #[test]
    fn a_left_over_socket_is_replaced() {
        let (_directory, path) = path();
        drop(UnixListener::bind(&path).expect("a free path"));
        let (_listener, file) =
            listen_unix(&path, 0, 16, WhenLocked::Wait).expect("no server listens there");
        UnixStream::connect(&path).expect("it listens");
        assert_eq!(file.predecessor(), Predecessor::Gone);
        assert!(file.remove().expect("unlink"));
    }

    #[test]
    fn one_that_is_bound_and_does_not_listen_yet_is_left_alone() {
        let (_directory, path) = path();
        let other = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
        other
            .bind(&SockAddr::unix(&path).expect("short"))
            .expect("a free path");
        assert!(
            listen_unix(&path, 0, 16, WhenLocked::Wait).is_err(),
            "in use"
        );
        other.listen(1).expect("it is still there");
        UnixStream::connect(&path).expect("it listens");
    }

    #[test]
    fn a_socket_that_answers_is_left_alone() {
        let (_directory, path) = path();
        let _other = UnixListener::bind(&path).expect("a free path");
        let error = listen_unix(&path, 0, 16, WhenLocked::Wait).expect_err("in use");
        assert_eq!(
            error.to_string(),
            format!("bind unix:{}: address already in use", path.display())
        );
        UnixStream::connect(&path).expect("the other one still listens");
    }

    #[test]
    fn a_socket_whose_queue_is_full_is_left_alone() {
        let (_directory, path) = path();
        let (_other, _file) = listen_unix(&path, 0, 0, WhenLocked::Wait).expect("a free path");
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let client =
                    Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None).expect("a socket");
                drop(client.connect(&SockAddr::unix(&path).expect("short")));
                client
            })
            .collect();
        assert!(
            listen_unix(&path, 0, 16, WhenLocked::Wait).is_err(),
            "in use"
        );
        drop(waiting);
    }

    #[test]
    fn a_master_that_runs_does_not_wait_for_a_locked_directory() {
        let (directory, path) = path();
        let entry = DirectoryEntry::find(&path, LastLink::Kept).expect("there");
        let held = lock(entry.directory(), WhenLocked::Wait).expect("free");
        let began = clock::monotonic();
        listen_unix(&path, 0, 16, WhenLocked::GoOn).expect("a free path");
        assert!(clock::monotonic().saturating_sub(began) < LOCK_PATIENCE);
        drop((held, directory));
    }

    #[test]
    fn what_is_not_a_socket_is_never_deleted() {
        let (directory, path) = path();
        fs::write(&path, "precious").expect("a file");
        let error = listen_unix(&path, 0, 16, WhenLocked::Wait).expect_err("a file is there");
        assert!(
            error.to_string().contains("not a socket") && error.hint.is_some(),
            "{error}"
        );
        assert_eq!(fs::read(&path).expect("still there"), b"precious");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        assert!(listen_unix(&link, 0, 16, WhenLocked::Wait).is_err());
        assert!(link.exists());
    }

    #[test]
    fn another_ones_socket_is_not_removed() {
        let (_directory, path) = path();
        let (_listener, file) = listen_unix(&path, 0, 16, WhenLocked::Wait).expect("a free path");
        // Kept under another name, so that its inode cannot be used again.
        fs::rename(&path, path.with_extension("old")).expect("rename");
        let _other = UnixListener::bind(&path).expect("free again");
        assert!(!file.remove().expect("nothing to do"));
        assert!(path.exists());
    }

    #[test]
    fn impossible_paths_are_explained() {
        let error = listen_unix(
            Path::new(&format!("/tmp/{}", "x".repeat(200))),
            0,
            16,
            WhenLocked::Wait,
        )
        .expect_err("too long");
        assert!(error.to_string().contains("too long"), "{error}");
        let error = listen_unix(
            Path::new("/no/such/directory/a.sock"),
            0,
            16,
            WhenLocked::Wait,
        )
        .expect_err("no directory");
        assert_eq!(
            error.hint.expect("a hint"),
            "the directory /no/such/directory does not exist"
        );
    }

    #[test]
    fn a_full_queue_is_not_waited_for_without_end() {
        let (_directory, path) = path();
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
        socket
            .bind(&SockAddr::unix(&path).expect("short"))
            .expect("free");
        socket.listen(0).expect("bound");
        let patience = Duration::from_millis(20);
        let connected: Vec<_> = std::iter::from_fn(|| Some(connect_unix(&path, patience)))
            .take_while(|tried| tried.is_ok())
            .collect();
        assert!(!connected.is_empty());
        let error = connect_unix(&path, patience).expect_err("no server accepts");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
