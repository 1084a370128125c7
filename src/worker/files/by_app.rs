//! Files that the app names in its response, `X-Sendfile` and `X-Accel-Redirect`, below `--sendfile-root`.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use super::app_head::AppHead;
use super::cache::CacheEntry;
use super::mount::Mount;
use super::reply::Reply;
use crate::config::StaticMount;
use crate::files::FilePath;
use crate::http::RequestHead;
use crate::sys::beneath::Patience;
use crate::worker::pool::{Pool, PoolJob};

/// The one directory that the app may send from.
pub struct SendfileRoot {
    mount: Mount,
    pub(in crate::worker) pool: Pool,
}

/// A response of the app whose body is a file.
#[derive(Debug)]
pub struct FileResponse {
    head: AppHead,
    name: Name,
}

#[derive(Debug)]
enum Name {
    /// `X-Sendfile`: the path of a file.
    Path(Box<[u8]>),
    /// `X-Accel-Redirect`: the path of a URL, which begins at the root.
    Url(Box<[u8]>),
}

/// Why nothing is sent.
#[derive(Debug, thiserror::Error)]
pub enum Unsendable {
    #[error("the path does not lead to a file below --sendfile-root")]
    Outside,
    #[error("there is no such regular file")]
    Missing,
    #[error("permission denied")]
    Denied,
    #[error("{0}")]
    System(io::Error),
    /// Not known without waiting for the file system.
    #[error("the file system has to be asked")]
    Unknown,
}

/// Fields of the app's response that are replaced.
const REPLACED: [&[u8]; 4] = [
    b"x-sendfile",
    b"x-accel-redirect",
    b"content-length",
    b"transfer-encoding",
];

impl FileResponse {
    /// `None`: the response names no file.
    pub fn of<'h>(
        status: u16,
        fields: impl Iterator<Item = (&'h [u8], &'h [u8])> + Clone,
    ) -> Option<FileResponse> {
        let named = |wanted: &[u8]| {
            let mut fields = fields.clone();
            let found = fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.into())
        };
        let name = match named(b"x-sendfile") {
            Some(path) => Name::Path(path),
            None => Name::Url(named(b"x-accel-redirect")?),
        };
        let is_kept = |name: &[u8]| {
            let accel = name
                .get(..8)
                .is_some_and(|begin| begin.eq_ignore_ascii_case(b"x-accel-"));
            !accel
                && !REPLACED
                    .iter()
                    .any(|other| name.eq_ignore_ascii_case(other))
        };
        let kept = fields.filter(|(name, _)| is_kept(name));
        Some(FileResponse {
            head: AppHead::new(status, kept),
            name,
        })
    }

    /// The name for the log.
    pub fn file(&self) -> String {
        match &self.name {
            Name::Path(name) | Name::Url(name) => name.escape_ascii().to_string(),
        }
    }
}

impl SendfileRoot {
    pub fn new(directory: &Path) -> SendfileRoot {
        let mount = StaticMount::new("/".to_owned(), directory.to_owned());
        SendfileRoot {
            mount: Mount::new(&mount, Duration::ZERO),
            pool: Pool::new("files", super::MOST_THREADS),
        }
    }

    /// The complete response; `now` in monotonic milliseconds.
    pub fn reply(
        &self,
        response: &FileResponse,
        head: &RequestHead,
        patience: Patience,
        now: u64,
    ) -> Result<Reply, Unsendable> {
        let path = self.path(&response.name).ok_or(Unsendable::Outside)?;
        let key = path.as_bytes();
        let entry = match self.mount.cache.get(key, now) {
            Some(entry) => entry,
            None => self
                .mount
                .load(&path, key, patience, now)
                .map_err(|error| {
                    if patience == Patience::CachedOnly {
                        Unsendable::Unknown
                    } else {
                        Unsendable::System(error)
                    }
                })?,
        };
        match &*entry {
            CacheEntry::File(file) => {
                // The app has acted on any other method: its response stands.
                let selective = head.is_selective().then_some(head);
                Ok(Reply::named_by_app(file, selective, &response.head))
            }
            CacheEntry::Denied => Err(Unsendable::Denied),
            CacheEntry::Missing | CacheEntry::Redirect => Err(Unsendable::Missing),
        }
    }

    /// Runs the job in a thread that may wait for the file system. `Err`: there is none, and the job is returned.
    pub fn run(&self, job: PoolJob) -> Result<(), PoolJob> {
        self.pool.run(job)
    }

    /// The path below the root.
    fn path(&self, name: &Name) -> Option<FilePath> {
        let checked = match name {
            Name::Url(url) => FilePath::of(url.split(|&byte| byte == b'?').next()?),
            Name::Path(path) => {
                let root = self.mount.directory.path();
                let path = Path::new(std::ffi::OsStr::from_bytes(path));
                let below = if path.is_absolute() {
                    path.strip_prefix(root).ok()?
                } else {
                    path
                };
                FilePath::of_name(below.as_os_str().as_bytes())
            }
        };
        checked
            .ok()
            .filter(|path| !path.names_directory && !path.as_bytes().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str, is_url: bool) -> Option<String> {
        let root = SendfileRoot::new(Path::new("/srv/files"));
        let bytes = name.as_bytes().into();
        let name = if is_url {
            Name::Url(bytes)
        } else {
            Name::Path(bytes)
        };
        root.path(&name).map(|path| path.as_str().into_owned())
    }

    #[test]
    fn names_below_the_root() {
        for (name, found) in [
            ("/srv/files/a/b.pdf", Some("a/b.pdf")),
            ("/srv/files/100%.txt", Some("100%.txt")),
            ("a/b.pdf", Some("a/b.pdf")),
            ("/srv/files/../secret", None),
            ("/srv/filesystem/a", None),
            ("/etc/passwd", None),
            ("../secret", None),
            ("/srv/files", None),
            ("/srv/files/", None),
            ("", None),
        ] {
            assert_eq!(path(name, false).as_deref(), found, "{name}");
        }
        for (url, found) in [
            ("/a/b%20c.pdf?x", Some("a/b c.pdf")),
            ("/../secret", None),
            ("/%2e%2e/secret", None),
            ("/", None),
        ] {
            assert_eq!(path(url, true).as_deref(), found, "{url}");
        }
    }

    #[test]
    fn what_is_kept_of_the_response() {
        let fields: [(&[u8], &[u8]); 5] = [
            (b"Content-Type", b"a/b"),
            (b"X-Sendfile", b"/a"),
            (b"Content-Length", b"0"),
            (b"X-Accel-Buffering", b"no"),
            (b"Set-Cookie", b"a=b"),
        ];
        let response = FileResponse::of(200, fields.into_iter()).expect("it names a file");
        let names: Vec<_> = response
            .head
            .fields
            .iter()
            .map(|(name, _)| &**name)
            .collect();
        assert_eq!(names, [&b"content-type"[..], b"set-cookie"]);
        assert!(FileResponse::of(200, fields[..1].iter().copied()).is_none());
    }
}
