//! From a request's path to a file, against a real tree with links, devices and hostile names.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;

use rgun::files::FilePath;
use rgun::sys::beneath::{Directory, OpenedEntry, Patience};

/// What no path may ever bring out.
const SECRET: &[u8] = b"secret";

struct Tree {
    _whole: tempfile::TempDir,
    root: Directory,
}

/// `public/` is what is mounted; everything outside of it holds the secret.
static TREE: LazyLock<Tree> = LazyLock::new(|| {
    let whole = tempfile::tempdir().expect("a temporary directory");
    let public = whole.path().join("public");
    fs::create_dir_all(public.join("a/b")).expect("directories");
    fs::create_dir(whole.path().join("outside")).expect("a directory");
    for secret in ["outside/secret", "secret", "public/.hidden"] {
        fs::write(whole.path().join(secret), SECRET).expect("a file");
    }
    for plain in [
        "file", "a/file", "a/b/file", "a b", "é", "%2e", "...x", "C:", "a;b",
    ] {
        fs::write(public.join(plain), b"public").expect("a file");
    }
    let absolute = |path: &str| whole.path().join(path);
    for (link, target) in [
        ("inside", Path::new("a/file").to_owned()),
        ("a/up", "../file".into()),
        ("directory", "a/b".into()),
        ("a/b/far", "../../a/b/../file".into()),
        ("out", "../secret".into()),
        ("out-directory", "../outside".into()),
        ("a/out", "../../outside/secret".into()),
        ("absolute", absolute("secret")),
        ("absolute-inside", absolute("public/file")),
        ("root", "/".into()),
        ("loop", "loop".into()),
        ("dangling", "nowhere".into()),
        ("magic", "/proc/self/cwd".into()),
        ("self", ".".into()),
        ("slash", "a/".into()),
        ("file-slash", "file/".into()),
    ] {
        symlink(target, public.join(link)).expect("a link");
    }
    nix::unistd::mkfifo(&public.join("fifo"), nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    std::os::unix::net::UnixListener::bind(public.join("socket")).expect("a socket");
    Tree {
        root: Directory::new(public),
        _whole: whole,
    }
});

#[derive(Debug, PartialEq, Eq)]
enum Got {
    Content(Vec<u8>),
    Directory,
    Other,
    No(ErrorKind),
}

fn got(found: std::io::Result<OpenedEntry>) -> Got {
    match found {
        Ok(OpenedEntry::File { mut file, facts }) => {
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut file, &mut content).expect("readable");
            assert_eq!(facts.size, content.len() as u64);
            Got::Content(content)
        }
        Ok(OpenedEntry::Directory) => Got::Directory,
        Ok(OpenedEntry::Other) => Got::Other,
        Err(error) => Got::No(error.kind()),
    }
}

/// With `openat2` and without; both must give the same result.
fn open(name: &[u8]) -> Got {
    let found = got(TREE.root.open(name, Patience::Blocking));
    assert_eq!(
        found,
        got(TREE.root.open_by_steps(name)),
        "{}",
        name.escape_ascii()
    );
    found
}

fn content() -> Got {
    Got::Content(b"public".to_vec())
}

#[test]
fn what_is_there() {
    for name in [
        "file",
        "a/file",
        "a/b/file",
        "a b",
        "é",
        "%2e",
        "inside",
        "a/up",
        "directory/file",
        "a/b/far",
        "self/file",
        "self/self/a/up",
        "slash/file",
        "a;b",
    ] {
        assert_eq!(open(name.as_bytes()), content(), "{name}");
    }
    for name in ["", "a", "directory", "self", "slash"] {
        assert_eq!(open(name.as_bytes()), Got::Directory, "{name}");
    }
}

#[test]
fn links_that_lead_out() {
    for name in [
        "out",
        "out-directory/secret",
        "a/out",
        "slash/out",
        "absolute",
        "absolute-inside",
        "root/etc/passwd",
        "magic/file",
        "directory/../../../secret",
        "../secret",
        "..",
    ] {
        assert_eq!(
            open(name.as_bytes()),
            Got::No(ErrorKind::CrossesDevices),
            "{name}"
        );
    }
    assert_eq!(open(b"dangling"), Got::No(ErrorKind::NotFound));
    assert_eq!(open(b"file/x"), Got::No(ErrorKind::NotADirectory));
    assert_eq!(open(b"file-slash"), Got::No(ErrorKind::NotADirectory));
    assert!(matches!(open(b"loop"), Got::No(_)));
}

#[test]
fn what_is_no_file_does_not_block() {
    assert_eq!(open(b"fifo"), Got::Other);
    assert!(matches!(open(b"socket"), Got::No(_)));
}

/// A deploy replaces the link that the mounted path goes through.
#[test]
fn the_directory_is_looked_up_anew() {
    let whole = tempfile::tempdir().expect("a temporary directory");
    for release in ["1", "2"] {
        fs::create_dir_all(whole.path().join(release).join("static")).expect("a directory");
        fs::write(whole.path().join(release).join("static/a"), release).expect("a file");
    }
    let current = whole.path().join("current");
    symlink("1", &current).expect("a link");
    let directory = Directory::new(current.join("static"));
    assert_eq!(
        got(directory.open(b"a", Patience::Blocking)),
        Got::Content(b"1".to_vec())
    );
    symlink("2", whole.path().join("next")).expect("a link");
    fs::rename(whole.path().join("next"), &current).expect("renamed");
    assert_eq!(
        got(directory.open(b"a", Patience::Blocking)),
        Got::Content(b"2".to_vec())
    );
}

#[test]
fn permission_denied_is_an_error_of_its_own() {
    use std::os::unix::fs::PermissionsExt;
    let whole = tempfile::tempdir().expect("a temporary directory");
    let file = whole.path().join("a");
    fs::write(&file, b"x").expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o0)).expect("permissions");
    let found = got(Directory::new(whole.path()).open(b"a", Patience::Blocking));
    // Nothing is denied to root.
    assert!(matches!(
        found,
        Got::No(ErrorKind::PermissionDenied) | Got::Content(_)
    ));
}

/// Pieces of paths, so that random sequences of them come close to leading out.
const PIECES: &[&str] = &[
    "/",
    "//",
    ".",
    "..",
    "/../",
    "/./",
    "%2e",
    "%2E%2e",
    "%2f",
    "%5c",
    "\\",
    "%00",
    "%c0%ae",
    "%",
    "%%32%65",
    "a",
    "b",
    "file",
    "/a/b/",
    "out",
    "out-directory",
    "secret",
    "absolute",
    "root",
    "inside",
    "directory",
    "self",
    "loop",
    "magic",
    "fifo",
    ".hidden",
    "%2ehidden",
    "outside",
    "public",
    "é",
    "%C3%A9",
    "a b",
    "%20",
    "...",
    "~",
    ";",
    "?",
    "tmp",
    "etc",
    "passwd",
    "slash",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever a path is made of: no secret comes out, and the two ways to open agree.
    #[test]
    fn no_path_leads_out(pieces in prop::collection::vec(select(PIECES), 0..12)) {
        let path = pieces.concat();
        if let Ok(file) = FilePath::of(path.as_bytes()) {
            prop_assert!(!file.as_bytes().contains(&0) && !file.as_bytes().starts_with(b"/"));
            if let Got::Content(content) = open(file.as_bytes()) {
                prop_assert_ne!(content, SECRET);
            }
        }
    }

    /// The second guard holds alone: names that never were checked.
    #[test]
    fn no_name_leads_out(pieces in prop::collection::vec(select(PIECES), 0..12)) {
        let name = pieces.concat();
        let name = name.trim_start_matches('/').replace(".hidden", "");
        if let Got::Content(content) = got(TREE.root.open(name.as_bytes(), Patience::Blocking)) {
            prop_assert_ne!(content, SECRET);
        }
        if let Got::Content(content) = got(TREE.root.open_by_steps(name.as_bytes())) {
            prop_assert_ne!(content, SECRET);
        }
    }

    #[test]
    fn any_bytes(path in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(file) = FilePath::of(&path) {
            for name in file.as_bytes().split(|byte| *byte == b'/') {
                prop_assert!(!matches!(name, b"." | b".."));
            }
        }
    }
}
