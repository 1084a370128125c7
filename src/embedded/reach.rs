//! Checks that a worker can read the files of Python, which may have been installed by another user.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Python itself only reports "failed to get the Python codec of the filesystem encoding", and prints its search path.
#[derive(Debug)]
pub struct Barrier {
    what: &'static str,
    place: PathBuf,
    /// The first directory of its path that cannot be entered.
    closed: PathBuf,
}

/// The first of `places` (a description, and the directory) that this process's user cannot access.
pub fn barrier(places: &[(&'static str, &Path)]) -> Option<Barrier> {
    places.iter().find_map(|(what, place)| {
        Some(Barrier {
            what,
            place: (*place).to_owned(),
            closed: closed(place)?,
        })
    })
}

fn closed(place: &Path) -> Option<PathBuf> {
    let refuses = |error: std::io::Error| error.kind() == ErrorKind::PermissionDenied;
    let mut from_the_root: Vec<&Path> = place.ancestors().collect();
    from_the_root.reverse();
    // A directory that can be entered allows stat on its entries; `.` is always one.
    from_the_root
        .into_iter()
        .find(|directory| fs::metadata(directory.join(".")).is_err_and(refuses))
        .map(Path::to_owned)
}

impl fmt::Display for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, closed) = (self.place.display(), self.closed.display());
        write!(
            f,
            "{} is in {place}, and this worker's user may not enter {closed}; let it (chmod o+x {closed}), or name a Python elsewhere with --python",
            self.what
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_entered_or_is_not_there_is_no_barrier() {
        let places = [("a", Path::new("/usr/lib")), ("b", Path::new("/no/such"))];
        assert!(barrier(&places).is_none());
    }

    #[test]
    fn the_directory_and_the_way_out_are_named() {
        let barrier = Barrier {
            what: "its standard library",
            place: "/srv/py/lib".into(),
            closed: "/srv".into(),
        };
        assert_eq!(
            barrier.to_string(),
            "its standard library is in /srv/py/lib, and this worker's user may not enter /srv; \
             let it (chmod o+x /srv), or name a Python elsewhere with --python"
        );
    }
}
