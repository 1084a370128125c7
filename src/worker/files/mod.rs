//! Files that are served without the app (`--static`): which requests are for them, and the responses.
//!
//! What the kernel has in memory is sent at once, by the thread that turns the reactor. If a disk or a network file
//! system has to be waited for, a thread of `pool` does it, and only that connection waits.

mod app_head;
mod by_app;
mod cache;
mod load;
mod mount;
mod named;
mod opened;
mod reply;

use std::sync::Arc;

use crate::config::{Settings, StaticMount};
use crate::files::{FilePath, Mounts, Prefix, Rejected};
use crate::http::{Method, RequestHead};
use crate::worker::pool::Pool;

pub use crate::sys::beneath::Patience;
pub use app_head::AppHead;
pub use by_app::{FileResponse, SendfileRoot, Unsendable};
use cache::CacheEntry;
use mount::Mount;
pub use named::NamedFile;
pub use reply::{Reply, ReplyBody};

/// Searches that wait for a slow file system at the same time; others are queued.
const MOST_THREADS: usize = 4;

/// All mounted directories of a worker.
pub struct FileServer {
    mounts: Mounts<Arc<Mount>>,
    pub(in crate::worker) pool: Pool,
}

/// What is known of a request without waiting.
#[allow(
    clippy::large_enum_variant,
    reason = "taken apart where it was made, once a request"
)]
pub enum FileLookup {
    /// It is for the app.
    NotOurs,
    Ready(Reply),
    /// The file system has to be checked: `FileServer::find` does that in another thread.
    Unknown(FileSearch),
}

/// No thread can be started to wait for the file system.
#[derive(Debug)]
pub struct NoThread;

/// A file to look for.
pub struct FileSearch {
    mount: Arc<Mount>,
    path: FilePath,
    /// The path as received, below the mount.
    key: Box<[u8]>,
    root: Box<str>,
}

impl FileServer {
    /// `None`: nothing is mounted.
    pub fn new(mounts: &[StaticMount], settings: &Settings) -> Option<FileServer> {
        if mounts.is_empty() {
            return None;
        }
        let mounts = mounts.iter().filter_map(|mount| {
            // The settings hold only valid prefixes.
            let prefix = Prefix::of(&mount.prefix)?;
            Some((prefix, Arc::new(Mount::new(mount, settings.files.max_age))))
        });
        Some(FileServer {
            mounts: Mounts::new(mounts.collect()),
            pool: Pool::new("files", MOST_THREADS),
        })
    }

    /// `root`: the path that the app is mounted at, from a proxy or `--root-path`; `now` in monotonic milliseconds.
    pub fn look(&self, head: &RequestHead, root: &str, now: u64) -> FileLookup {
        let Some((mount, rest)) = self.find_mount(head.target_path(), root) else {
            return FileLookup::NotOurs;
        };
        if !matches!(head.known_method(), Method::Get | Method::Head) {
            return mount.or_fall_through(Reply::method_not_allowed());
        }
        let known = mount.cache.get(rest, now);
        if let Some(entry) = known {
            return mount.answer(&entry, head, root);
        }
        let path = match FilePath::of(rest) {
            Ok(path) => path,
            Err(
                Rejected::DotSegment | Rejected::Hidden | Rejected::Malformed | Rejected::TooLong,
            ) => {
                return mount.or_fall_through(Reply::not_found());
            }
        };
        match mount.load(&path, rest, Patience::CachedOnly, now) {
            Ok(entry) => mount.answer(&entry, head, root),
            Err(_) => FileLookup::Unknown(FileSearch {
                mount: mount.clone(),
                path,
                key: rest.into(),
                root: root.into(),
            }),
        }
    }

    fn find_mount<'p>(&self, path: &'p [u8], root: &str) -> Option<(&Arc<Mount>, &'p [u8])> {
        let below_root = path
            .strip_prefix(root.as_bytes())
            .filter(|rest| !root.is_empty() && rest.starts_with(b"/"));
        below_root
            .and_then(|rest| self.mounts.find(rest))
            .or_else(|| self.mounts.find(path))
    }

    /// Calls `then` with the response, from a thread of the pool, and never before this has returned: the caller
    /// holds the connection's lock. `None`: the request is for the app.
    ///
    /// # Errors
    /// There is no thread, and `then` is not called.
    pub fn find(
        &self,
        search: FileSearch,
        head: RequestHead,
        now: u64,
        then: impl FnOnce(Option<Reply>, RequestHead) + Send + 'static,
    ) -> Result<(), NoThread> {
        let job = move || {
            let FileSearch {
                mount,
                path,
                key,
                root,
            } = search;
            let look = match mount.load(&path, &key, Patience::Blocking, now) {
                Ok(entry) => mount.answer(&entry, &head, &root),
                Err(error) => FileLookup::Ready(mount.failed(&path, &error)),
            };
            match look {
                FileLookup::Ready(reply) => then(Some(reply), head),
                FileLookup::NotOurs | FileLookup::Unknown(_) => then(None, head),
            }
        };
        self.pool.run(Box::new(job)).map_err(|_| NoThread)
    }
}

impl Mount {
    fn answer(&self, entry: &Arc<CacheEntry>, head: &RequestHead, root: &str) -> FileLookup {
        match &**entry {
            CacheEntry::File(file) => FileLookup::Ready(Reply::of_file(file, head)),
            CacheEntry::Redirect => FileLookup::Ready(Reply::to_directory(head, root)),
            CacheEntry::Denied => self.or_fall_through(Reply::forbidden()),
            CacheEntry::Missing => self.or_fall_through(Reply::not_found()),
        }
    }

    fn or_fall_through(&self, reply: Reply) -> FileLookup {
        if self.falls_through {
            FileLookup::NotOurs
        } else {
            FileLookup::Ready(reply)
        }
    }
}
