//! Detects that certificate files may have changed, whichever of the symbolic links on their paths was replaced.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Component, Path, PathBuf};

use crate::sys;
use crate::sys::inotify::{Change, Inotify, WatchId};

/// As many links as the kernel follows in one path (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Directories, and the names in them that lead to certificate files.
#[derive(Debug)]
pub struct CertificateWatch {
    inotify: Inotify,
    names: BTreeMap<WatchId, BTreeSet<OsString>>,
}

impl CertificateWatch {
    pub fn open() -> sys::Result<Self> {
        Ok(Self {
            inotify: Inotify::open()?,
            names: BTreeMap::new(),
        })
    }

    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Watches these files from here on. Directories that are no longer relevant stay watched until they change:
    /// their marks are forgotten.
    pub fn follow<'a>(&mut self, files: impl Iterator<Item = &'a PathBuf>) {
        self.names.clear();
        for (directory, name) in files.flat_map(|file| steps(file)) {
            match self.inotify.watch(&directory) {
                Ok(mark) => {
                    self.names.entry(mark).or_default().insert(name);
                }
                Err(error) => {
                    tracing::warn!(%error, "changed certificates may not be noticed; `rgun ctl reload-certificates` loads them");
                }
            }
        }
    }

    /// Reads pending events. True: some concern the files.
    pub fn has_changed(&mut self) -> bool {
        let mut changed = false;
        loop {
            match self.inotify.read() {
                Ok(changes) if changes.is_empty() => return changed,
                Ok(changes) => changed |= changes.iter().any(|change| self.concerns(change)),
                Err(error) => {
                    tracing::warn!(%error, "changed certificates may not be noticed");
                    return changed;
                }
            }
        }
    }

    fn concerns(&self, change: &Change) -> bool {
        match change {
            Change::Entry { mark, name, .. } => self
                .names
                .get(mark)
                .is_some_and(|names| names.contains(name)),
            Change::Gone { mark } => self.names.contains_key(mark),
            Change::Forgotten { .. } => false,
            Change::Lost => true,
        }
    }
}

/// The links on the path to a file, and the file itself: each as a directory and a name in it. Certbot replaces the
/// last link, Kubernetes one in the middle (`..data`).
fn steps(file: &Path) -> Vec<(PathBuf, OsString)> {
    let mut steps = Vec::new();
    let mut links = 0;
    let mut place = PathBuf::from("/");
    let mut rest: VecDeque<OsString> = parts(file);
    while let Some(part) = rest.pop_front() {
        if part == ".." {
            place.pop();
            continue;
        }
        let next = place.join(&part);
        let target = fs::read_link(&next).ok();
        if target.is_some() || rest.is_empty() {
            steps.push((place.clone(), part));
        }
        match target {
            Some(target) if links < MOST_LINKS => {
                links += 1;
                if target.is_absolute() {
                    place = PathBuf::from("/");
                }
                let mut parts = parts(&target);
                parts.append(&mut rest);
                rest = parts;
            }
            Some(_) => return steps,
            None => place = next,
        }
    }
    steps
}

fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(part) => Some(part.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A directory without links in its own path.
    fn place() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().canonicalize().unwrap();
        (place, path)
    }

    fn changed_by(file: &Path, change: impl FnOnce()) -> bool {
        let mut watch = CertificateWatch::open().unwrap();
        let file = file.to_owned();
        watch.follow(std::iter::once(&file));
        assert!(!watch.has_changed());
        change();
        watch.has_changed()
    }

    #[test]
    fn every_way_of_renewal_is_noticed() {
        let (_guard, path) = place();
        let file = path.join("site.pem");
        fs::write(&file, "1").unwrap();
        assert!(changed_by(&file, || fs::write(&file, "2").unwrap()));
        assert!(changed_by(&file, || {
            fs::write(path.join("new"), "3").unwrap();
            fs::rename(path.join("new"), &file).unwrap();
        }));
        assert!(!changed_by(&file, || fs::write(path.join("other"), "").unwrap()));
    }

    #[test]
    fn certbot_replaces_the_link() {
        let (_guard, path) = place();
        for directory in ["live", "archive"] {
            fs::create_dir(path.join(directory)).unwrap();
        }
        for number in ["1", "2"] {
            fs::write(path.join("archive").join(number), number).unwrap();
        }
        let link = path.join("live/fullchain.pem");
        symlink("../archive/1", &link).unwrap();
        assert!(changed_by(&link, || {
            fs::remove_file(&link).unwrap();
            symlink("../archive/2", &link).unwrap();
        }));
    }

    #[test]
    fn kubernetes_replaces_a_link_in_the_middle() {
        let (_guard, path) = place();
        for version in ["..1", "..2"] {
            fs::create_dir(path.join(version)).unwrap();
            fs::write(path.join(version).join("tls.crt"), version).unwrap();
        }
        symlink("..1", path.join("..data")).unwrap();
        symlink("..data/tls.crt", path.join("tls.crt")).unwrap();
        assert!(changed_by(&path.join("tls.crt"), || {
            symlink("..2", path.join("..new")).unwrap();
            fs::rename(path.join("..new"), path.join("..data")).unwrap();
        }));
    }

    #[test]
    fn links_that_lead_nowhere_or_in_a_circle_end() {
        let (_guard, path) = place();
        symlink("b", path.join("a")).unwrap();
        symlink("a", path.join("b")).unwrap();
        assert!(steps(&path.join("a")).len() <= MOST_LINKS + 1);
        assert_eq!(
            steps(&path.join("absent")),
            [(path.clone(), "absent".into())]
        );
    }
}
