//! Links and files of another user on the way to a file that root opens.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{chown, lchown, symlink};

use super::*;

/// Only root has what others would like to borrow.
fn is_root() -> bool {
    effective_user() == 0
}

#[test]
fn our_own_links_are_followed_like_the_kernels() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("real")).expect("a directory");
    symlink("real", at("relative")).expect("a link");
    symlink("../real/today.log", at("real/current")).expect("a link");
    // It does not exist yet: it is made where the links lead.
    let made = append(&at("relative/current"), 0o644).expect("a file");
    assert_eq!(made.ownership, Ownership::MayChange);
    assert!(at("real/today.log").is_file());
    symlink("loop", at("loop")).expect("a link");
    let error = append(&at("loop"), 0o644).expect_err("a loop");
    assert_eq!(error.source.raw_os_error(), Some(libc::ELOOP));
    let error = append(&at("real/today.log/x"), 0o644).expect_err("no directory");
    assert_eq!(error.source.raw_os_error(), Some(libc::ENOTDIR));
    assert!(append(Path::new("/proc/self/fd/2"), 0o644).is_ok());
}

#[test]
fn another_users_link_leads_to_what_is_theirs() {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("theirs")).expect("a directory");
    for name in ["theirs/own", "ours"] {
        fs::write(at(name), "").expect("a file");
    }
    symlink("own", at("theirs/good")).expect("a link");
    symlink("../ours", at("theirs/bad")).expect("a link");
    // In root's directory, but not root's.
    symlink("ours", at("stray")).expect("a link");
    for name in ["theirs/good", "theirs/bad", "stray"] {
        lchown(at(name), Some(54321), Some(54321)).expect("we are root");
    }
    for name in ["theirs", "theirs/own"] {
        chown(at(name), Some(54321), Some(54321)).expect("we are root");
    }
    assert!(append(&at("theirs/good"), 0o644).is_ok());
    for name in ["theirs/bad", "stray"] {
        let error = append(&at(name), 0o644).expect_err("it is not theirs");
        assert!(error.to_string().contains("user 54321"), "{error}");
        assert!(error.hint.is_some());
    }
    // Root's link, but in a directory where they can give it any name.
    symlink("../ours", at("theirs/roots")).expect("a link");
    assert!(append(&at("theirs/roots"), 0o644).is_err());
}

/// The owner of `/proc/PID/fd` is the process' user, whoever owns what is open there.
#[test]
fn another_users_link_leads_to_no_open_file() {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    let ours = File::create(at("ours")).expect("a file");
    let open = format!("/proc/{}/fd/{}", std::process::id(), ours.as_raw_fd());
    let root = format!(
        "/proc/{}/root{}",
        std::process::id(),
        at("theirs").display()
    );
    File::create(at("theirs")).expect("a file");
    chown(at("theirs"), Some(54321), Some(54321)).expect("we are root");
    for (name, target) in [
        ("open", open.as_str()),
        ("root", root.as_str()),
        ("program", "/proc/self/exe"),
    ] {
        symlink(target, at(name)).expect("a link");
        assert!(append(&at(name), 0o644).is_ok() || name == "program");
        lchown(at(name), Some(54321), Some(54321)).expect("we are root");
        let error = append(&at(name), 0o644).expect_err("a file of a process");
        assert!(error.to_string().contains("user 54321"), "{error}");
    }
    for harmless in ["/dev/stderr", "/proc/self/fd/2"] {
        let link = at(&harmless.replace('/', "-"));
        symlink(harmless, &link).expect("a link");
        lchown(&link, Some(54321), Some(54321)).expect("we are root");
        assert!(append(&link, 0o644).is_ok());
    }
}

#[test]
fn a_draft_is_new_and_takes_its_place_at_once() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place =
        DirectoryEntry::find(&directory.path().join("file"), LastLink::Followed).expect("there");
    let (draft, _) = place.draft(0o600).expect("a file");
    assert!(place.stat().expect("stat").is_none());
    draft.replace(&place).expect("rename");
    assert!(place.stat().expect("stat").is_some());
    place.unlink().expect("unlink");
    assert_eq!(fs::read_dir(directory.path()).expect("there").count(), 0);
}

#[test]
fn what_root_reads_is_not_chosen_by_another_users_link() {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    fs::write(at("roots.key"), "secret").expect("a file");
    fs::create_dir(at("theirs")).expect("a directory");
    fs::write(at("theirs/own.key"), "own").expect("a file");
    symlink("../roots.key", at("theirs/site.key")).expect("a link");
    symlink("own.key", at("theirs/current.key")).expect("a link");
    symlink("theirs/current.key", at("roots-link")).expect("a link");
    fs::hard_link(at("roots.key"), at("theirs/copy.key")).expect("another name");
    for name in [
        "theirs",
        "theirs/own.key",
        "theirs/site.key",
        "theirs/current.key",
    ] {
        lchown(at(name), Some(54321), Some(54321)).expect("we are root");
    }
    for name in ["theirs/site.key", "theirs/copy.key"] {
        let error = read(&at(name)).expect_err("it is root's");
        assert!(error.hint.is_some(), "{error}");
    }
    for name in [
        "theirs/own.key",
        "theirs/current.key",
        "roots-link",
        "roots.key",
    ] {
        assert!(read(&at(name)).is_ok(), "{name}");
    }
}
