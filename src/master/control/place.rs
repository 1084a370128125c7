//! The paths of control sockets, for the server that opens one and for `rgun ctl` that looks for one.

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::trust::{self, Unreachable};
use crate::sys::{effective_user, remove_dead_socket};

/// Candidates in order of preference; the first usable one is taken. `name`: of the server, if it has one.
pub fn candidates(name: Option<&str>, pid: u32) -> Vec<PathBuf> {
    let own = name.map_or_else(|| pid.to_string(), file_name);
    let mut found = Vec::new();
    if let Some(directory) = runtime_directory() {
        found.push(directory.join("rgun.ctl"));
        found.push(directory.join(format!("rgun-{own}.ctl")));
    }
    for directory in user_directory().into_iter().chain([private_directory()]) {
        found.push(directory.join(format!("rgun-{own}.ctl")));
        found.push(directory.join(format!("rgun-{pid}.ctl")));
    }
    found.dedup();
    found
}

/// Creates the directory of `path` if it is the private one, and checks that no other user owns it.
///
/// # Errors
/// What is wrong with it.
pub fn prepare(path: &Path) -> Result<(), String> {
    let directory = private_directory();
    if path.parent() != Some(&directory) {
        return Ok(());
    }
    let object = |reason: &str| format!("{}: {reason}", directory.display());
    match DirBuilder::new().mode(0o700).create(&directory) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(object(&format!("cannot be created: {error}"))),
    }
    examine_private(&directory).map_err(|reason| object(&reason))
}

/// Any user may have created it before, in a world-writable directory.
fn examine_private(directory: &Path) -> Result<(), String> {
    let found = fs::symlink_metadata(directory).map_err(|error| error.to_string())?;
    if found.file_type().is_symlink() {
        Err("is a symbolic link".to_owned())
    } else if !found.is_dir() {
        Err("is not a directory".to_owned())
    } else if found.uid() != effective_user() {
        Err(format!("belongs to user {}", found.uid()))
    } else if found.mode() & 0o077 != 0 {
        Err(format!(
            "is open to other users (mode {:o}, not 700)",
            found.mode() & 0o7777
        ))
    } else {
        Ok(())
    }
}

/// Existing sockets with names that servers use.
#[derive(Debug, Default)]
pub struct Existing {
    /// May be asked according to their owner.
    pub own: Vec<PathBuf>,
    pub foreign: Vec<(PathBuf, Unreachable)>,
}

/// Where servers without a path of their own have their sockets. Those of systemd units are below `/run`, in directories of any name.
pub fn searched() -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = runtime_directory().into_iter().collect();
    directories.extend(user_directory());
    directories.push(private_directory());
    directories.push("/run".into());
    directories
}

/// Every socket that a server may have by that rule.
pub fn existing() -> Existing {
    let mut directories = searched();
    let private = private_directory();
    directories.retain(|directory| *directory != private || examine_private(&private).is_ok());
    directories.extend(below(Path::new("/run")));
    // No server opens its socket in a world-writable directory (/run/lock), which may also hold any number of files.
    directories.retain(|directory| !is_for_everybody(directory));
    let mut found: Vec<PathBuf> = directories
        .iter()
        .flat_map(|directory| below(directory))
        .filter(|path| is_named_like_one(path))
        .collect();
    found.sort();
    found.dedup();
    let mut existing = Existing::default();
    for path in found {
        match trust::examine(&path) {
            Ok(()) => existing.own.push(path),
            Err(why) => existing.foreign.push((path, why)),
        }
    }
    existing
}

/// Removes what killed servers of this user have left behind in the directories that are its own.
pub fn sweep() {
    let private = Some(private_directory()).filter(|directory| examine_private(directory).is_ok());
    let directories = user_directory().into_iter().chain(private);
    let sockets = directories.flat_map(|directory| below(&directory));
    for path in sockets.filter(|path| is_named_like_one(path)) {
        remove_dead_socket(&path);
    }
}

fn is_for_everybody(directory: &Path) -> bool {
    fs::metadata(directory).is_ok_and(|found| found.mode() & 0o002 != 0)
}

fn is_named_like_one(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.strip_suffix(".ctl"))
        .is_some_and(|stem| stem == "rgun" || stem.starts_with("rgun-"))
}

fn below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}

/// systemd lists several, separated by colons, when a unit asks for several.
fn runtime_directory() -> Option<PathBuf> {
    let value = env::var("RUNTIME_DIRECTORY").ok()?;
    let first = value.split(':').next().filter(|first| !first.is_empty())?;
    Some(first.into())
}

/// Only one that is this user's: after `sudo -E` or `su` the variable still names that of another user.
fn user_directory() -> Option<PathBuf> {
    env::var_os("XDG_RUNTIME_DIR")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .filter(|directory| belongs_to_this_user(directory))
}

fn belongs_to_this_user(directory: &Path) -> bool {
    fs::symlink_metadata(directory).is_ok_and(|it| it.is_dir() && it.uid() == effective_user())
}

/// For containers and root shells, without such a directory.
fn private_directory() -> PathBuf {
    let temporary = env::var_os("TMPDIR")
        .map(PathBuf::from)
        .filter(|directory| directory.is_absolute())
        .unwrap_or_else(|| "/tmp".into());
    temporary.join(format!("rgun-{}", effective_user()))
}

/// Whether a server of that name would open its socket there; in a directory that systemd made for one unit, the
/// directory's name counts.
pub fn is_called(path: &Path, name: &str) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let directory = path.parent().and_then(Path::file_name);
    match stem {
        Some("rgun") => directory.is_some_and(|directory| directory == name),
        Some(stem) => stem.strip_prefix("rgun-") == Some(&file_name(name)),
        None => false,
    }
}

/// A process name may contain any character; a file name may not.
fn file_name(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => c,
            _ => '_',
        })
        .take(40)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_private_directory_is_nobody_elses() {
        let parent = tempfile::tempdir().expect("a directory");
        let (directory, link) = (parent.path().join("own"), parent.path().join("link"));
        fs::create_dir(&directory).expect("free");
        symlink(&directory, &link).expect("free");
        for (mode, reason) in [
            (0o700, None),
            (0o755, Some("mode 755")),
            (0o1777, Some("1777")),
        ] {
            fs::set_permissions(&directory, Permissions::from_mode(mode)).expect("ours");
            let found = examine_private(&directory).err();
            assert_eq!(found.is_some(), reason.is_some());
            assert!(found.is_none_or(|found| reason.is_some_and(|reason| found.contains(reason))));
        }
        fs::set_permissions(&directory, Permissions::from_mode(0o700)).expect("ours");
        assert_eq!(examine_private(&link), Err("is a symbolic link".to_owned()));
        if effective_user() == 0 {
            std::os::unix::fs::chown(&directory, Some(65534), None).expect("root may");
            assert_eq!(
                examine_private(&directory),
                Err("belongs to user 65534".to_owned())
            );
        }
    }

    #[test]
    fn a_users_directory_is_not_that_of_another_user() {
        let own = tempfile::tempdir().expect("a directory");
        assert!(belongs_to_this_user(own.path()));
        assert!(!belongs_to_this_user(&own.path().join("absent")));
        if effective_user() == 0 {
            std::os::unix::fs::chown(own.path(), Some(65534), None).expect("root may");
            assert!(!belongs_to_this_user(own.path()));
        }
    }

    #[test]
    fn a_servers_name_is_part_of_its_path() {
        let called = |path: &str, name| is_called(Path::new(path), name);
        assert!(called("/run/user/1/rgun-shop.ctl", "shop"));
        assert!(called("/run/user/1/rgun-a_b.ctl", "a b"));
        assert!(called("/run/shop/rgun.ctl", "shop"));
        assert!(!called("/run/shop/rgun-4711.ctl", "shop"));
        assert!(!called("/run/rgun.ctl", "shop"));
    }
}
