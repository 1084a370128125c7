//! Removal of a socket that a killed server has left behind.

use std::path::Path;

use socket2::SockAddr;

use super::effective_user;
use super::place::{DirectoryEntry, LastLink};
use super::unix::{Predecessor, WhenLocked, lock, make_room};

/// Removes the socket at `path` if it is this user's and no process has it. Whether it is gone.
///
/// A server that begins to listen there holds the directory's lock: while it does, nothing is removed.
pub fn remove_dead_socket(path: &Path) -> bool {
    let found = || {
        let address = SockAddr::unix(path).ok()?;
        let place = DirectoryEntry::find(path, LastLink::Kept).ok()?;
        let _alone = lock(place.directory(), WhenLocked::GoOn)?;
        place
            .stat()
            .ok()?
            .filter(|it| it.st_uid == effective_user())?;
        let name = path.display().to_string();
        let room = make_room(&place, &name, &address).ok()?;
        Some(matches!(room, Predecessor::Gone))
    };
    found().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_a_dead_socket_is_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("rgun.ctl");
        assert!(!remove_dead_socket(&path));
        fs::write(&path, "").expect("free");
        assert!(!remove_dead_socket(&path) && path.exists());
        fs::remove_file(&path).expect("ours");
        let listener = UnixListener::bind(&path).expect("free");
        assert!(!remove_dead_socket(&path) && path.exists());
        drop(listener);
        assert!(remove_dead_socket(&path) && !path.exists());
    }

    #[test]
    fn a_socket_that_is_bound_and_does_not_listen_yet_stays() {
        use socket2::{Domain, Socket, Type};
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("rgun.ctl");
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
        socket
            .bind(&SockAddr::unix(&path).expect("short"))
            .expect("free");
        assert!(!remove_dead_socket(&path) && path.exists());
        drop(socket);
        assert!(remove_dead_socket(&path));
    }

    #[test]
    fn that_of_another_user_stays() {
        if effective_user() != 0 {
            return;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("rgun.ctl");
        drop(UnixListener::bind(&path).expect("free"));
        std::os::unix::fs::chown(&path, Some(65534), None).expect("root may");
        assert!(!remove_dead_socket(&path) && path.exists());
    }
}
